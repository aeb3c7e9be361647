/** Which row is looked at: part, number, its target, the network's answer and the cost. */

import { useSignal } from "@preact/signals";
import type { Part } from "./api";
import { number } from "./numbers";
import { data, goToRow, part, row, shownRow } from "./store";

const PARTS: Part[] = ["test", "train", "all"];

export function RowBar() {
  // What is being typed stays, whatever answer arrives meanwhile.
  const typed = useSignal<string | null>(null);
  const counts = data.value?.rows;
  if (!counts) return null;
  const count = counts[part.value];
  const shown = shownRow.value.value;
  return (
    <div class="row-bar" role="group" aria-label="Row shown">
      <label>
        Rows
        <select value={part.value} onChange={(event) => goToRow(0, event.currentTarget.value as Part)}>
          {PARTS.filter((name) => counts[name] > 0).map((name) => (
            <option key={name} value={name}>
              {name} ({counts[name].toLocaleString("en")})
            </option>
          ))}
        </select>
      </label>
      <label>
        Row
        <input
          type="number"
          min={0}
          max={count - 1}
          value={typed.value ?? row.value}
          onInput={(event) => (typed.value = event.currentTarget.value)}
          onChange={(event) => {
            const wanted = Math.trunc(event.currentTarget.valueAsNumber);
            if (Number.isFinite(wanted)) goToRow(wanted);
            // What could not be shown does not stay typed.
            typed.value = null;
          }}
        />
      </label>
      <button type="button" aria-label="Previous row" disabled={row.value <= 0} onClick={() => goToRow(row.value - 1)}>
        ←
      </button>
      <button type="button" aria-label="Next row" disabled={row.value >= count - 1} onClick={() => goToRow(row.value + 1)}>
        →
      </button>
      {shown ? (
        <dl class="row-facts">
          <div>
            <dt>target</dt>
            <dd>{shown.target_label ?? shown.target?.map((value) => number(value)).join(", ") ?? "none"}</dd>
          </div>
          <div class={shown.predicted_label !== null && shown.predicted_label !== shown.target_label ? "row-wrong" : ""}>
            <dt>network says</dt>
            <dd>{shown.predicted_label ?? shown.outputs.slice(0, 3).map((value) => number(value)).join(", ")}</dd>
          </div>
          <div>
            <dt>cost</dt>
            <dd>{number(shown.cost)}</dd>
          </div>
          <div>
            <dt>gradient norm</dt>
            <dd>{number(shown.gradient_norm)}</dd>
          </div>
        </dl>
      ) : null}
    </div>
  );
}
