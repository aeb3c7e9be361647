/** Names what is derived by numbers: for the keyboard, and where a network is too large to click. */

import { batch } from "@preact/signals";
import { network, output, select, sizes, step, target } from "../store";
import { fits, type Target } from "../target";

type Kind = "W" | "b" | "delta" | "layer" | "x" | "inputs" | "cost";

const KINDS: [Kind, string][] = [
  ["cost", "the cost"],
  ["W", "a weight"],
  ["b", "a bias"],
  ["delta", "δ of a unit"],
  ["layer", "δ of a layer"],
  ["x", "an input"],
  ["inputs", "all inputs"],
];

function kindOf(shown: Target): Kind {
  if (shown.kind === "delta") return shown.j === null ? "layer" : "delta";
  if (shown.kind === "x") return shown.k === null ? "inputs" : "x";
  return shown.kind;
}

interface Numbers {
  layer: number;
  j: number;
  k: number;
}

function numbersOf(shown: Target): Numbers {
  return {
    layer: "layer" in shown ? shown.layer : sizes.value.length - 1,
    j: "j" in shown ? (shown.j ?? 0) : 0,
    k: "k" in shown ? (shown.k ?? 0) : 0,
  };
}

function make(kind: Kind, { layer, j, k }: Numbers): Target {
  switch (kind) {
    case "W":
      return { kind, layer, j, k };
    case "b":
      return { kind, layer, j };
    case "delta":
      return { kind, layer, j };
    case "layer":
      return { kind: "delta", layer, j: null };
    case "x":
      return { kind, k };
    case "inputs":
      return { kind: "x", k: null };
    case "cost":
      return { kind };
  }
}

/** Selects it, with numbers brought within the network. */
function choose(kind: Kind, numbers: Numbers): void {
  const all = sizes.value;
  const within = (value: number, least: number, n: number): number => Math.max(least, Math.min(n - 1, Math.trunc(value) || 0));
  const layer = within(numbers.layer, 1, all.length);
  const j = within(numbers.j, 0, all[layer] ?? 1);
  const k = within(numbers.k, 0, (kind === "x" ? all[0] : all[layer - 1]) ?? 1);
  const next = make(kind, { layer, j, k });
  if (fits(next, all, network.value?.bias ?? [])) select(next);
}

function Numeral({ label, value, least = 0, n, set }: { label: string; value: number; least?: number; n: number; set: (value: number) => void }) {
  return (
    <label>
      {label}
      <input
        type="number"
        min={least}
        max={n - 1}
        value={value}
        onChange={(event) => set(event.currentTarget.valueAsNumber)}
      />
    </label>
  );
}

function Output() {
  const outputs = Math.min(sizes.value.at(-1) ?? 0, 200);
  const set = (next: string): void =>
    batch(() => {
      output.value = next;
      step.value = 0;
    });
  return (
    <label>
      in it of
      <select value={output.value} onChange={(event) => set(event.currentTarget.value)}>
        <option value="cost">the cost</option>
        {Array.from({ length: outputs }, (_, index) => (
          <option key={index} value={String(index)}>
            output {index}
          </option>
        ))}
      </select>
    </label>
  );
}

export function TargetForm() {
  const shown = target.value;
  const kind = kindOf(shown);
  const numbers = numbersOf(shown);
  const all = sizes.value;
  const withBias = network.value?.bias.some(Boolean) ?? false;
  return (
    <div class="target-form" role="group" aria-label="What is derived">
      <label>
        Derive
        <select value={kind} onChange={(event) => choose(event.currentTarget.value as Kind, numbers)}>
          {KINDS.filter(([value]) => value !== "b" || withBias).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      {"layer" in shown ? (
        <Numeral label="layer" value={shown.layer} least={1} n={all.length} set={(layer) => choose(kind, { ...numbers, layer })} />
      ) : null}
      {"j" in shown && shown.j !== null ? (
        <Numeral label="unit" value={shown.j} n={all[shown.layer] ?? 1} set={(j) => choose(kind, { ...numbers, j })} />
      ) : null}
      {shown.kind === "W" ? (
        <Numeral label="from unit" value={shown.k} n={all[shown.layer - 1] ?? 1} set={(k) => choose(kind, { ...numbers, k })} />
      ) : null}
      {shown.kind === "x" && shown.k !== null ? (
        <Numeral label="number" value={shown.k} n={all[0] ?? 1} set={(k) => choose(kind, { ...numbers, k })} />
      ) : null}
      {shown.kind === "x" ? <Output /> : null}
    </div>
  );
}
