/** A slider for a weight, a bias or an input: the change that the gradient predicts beside the change that comes. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { api, type Nudge as Answer } from "../api";
import { number } from "../numbers";
import { at, data, derivation, of, target } from "../store";
import type { Target } from "../target";
import { useAsked } from "./asked";
import { FaultText } from "./fault";
import { useWidth } from "./measured";
import { Panel } from "./Panel";
import { changeOf, changes, MIDDLE, missInWords, POSITIONS, REACHES } from "./promise";
import { extent, linear, path, widened, type Interval } from "./scale";

export function Nudge() {
  const onScreen = useSignal(false);
  const reach = useSignal(1);
  const position = useSignal(MIDDLE);
  const { answer, fault } = useAsked(() => {
    const here = at.value;
    if (!here || called(target.value, null) === null) return null;
    // The derivation first: it is what was clicked for, and the server's answers share one processor.
    if (!onScreen.value || derivation.loading.value) return "later";
    // One request answers for every position, so that dragging waits for nothing.
    return api.nudge({ part: here.part, row: here.row, of: of.value, by: changes(reach.value) });
  });
  useSignalEffect(() => {
    if (of.value) position.value = MIDDLE;
  });
  const what = called(target.value, data.value?.features ?? null);
  if (what === null) {
    return (
      <Panel id="nudge" title="Nudge" onScreen={onScreen}>
        <p class="note">Select a weight, a bias or an input, in the drawing or in the heat map, to change it a little.</p>
      </Panel>
    );
  }
  const shown = answer.value;
  const i = position.value;
  const by = shown?.by[i] ?? changes(reach.value)[i] ?? 0;
  return (
    <Panel id="nudge" title="Nudge" onScreen={onScreen}>
      <p class="nudge-target">
        {what.words}
        {shown ? (
          <>
            : <i>∂C/∂{what.symbol}</i> = <output title={String(shown.derivative)}>{number(shown.derivative, 6)}</output>
          </>
        ) : null}
      </p>
      <div class="nudge-slider">
        <label for="nudge-slider">change it by</label>
        <input
          id="nudge-slider"
          type="range"
          min={0}
          max={POSITIONS - 1}
          step={1}
          value={i}
          aria-valuetext={signed(by)}
          onInput={(event) => (position.value = event.currentTarget.valueAsNumber)}
        />
        <output class="nudge-by" for="nudge-slider" title={String(by)}>
          {signed(by)}
        </output>
      </div>
      <div class="fields">
        <label>
          reach
          <select value={String(reach.value)} onChange={(event) => (reach.value = Number(event.currentTarget.value))}>
            {REACHES.map((one) => (
              <option key={one} value={String(one)}>
                ± {one}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => (position.value = MIDDLE)} disabled={i === MIDDLE}>
          Back to 0
        </button>
      </div>
      <FaultText id="nudge-fault" fault={fault.value} field={null} />
      {shown ? (
        <>
          <Figures shown={shown} i={i} />
          <Plot shown={shown} i={i} move={(to) => (position.value = to)} />
        </>
      ) : null}
    </Panel>
  );
}

function signed(value: number): string {
  return value > 0 ? `+${number(value)}` : number(value);
}

function Figures({ shown, i }: { shown: Answer; i: number }) {
  const predicted = shown.predicted[i] ?? null;
  const actual = shown.true[i] ?? null;
  const { cost } = shown;
  const change = (value: number | null): string => (value === null || cost === null ? "–" : signed(changeOf(cost, value)));
  return (
    <>
      <table class="nudge-figures">
        <thead>
          <tr>
            <td />
            <th scope="col">cost</th>
            <th scope="col">change</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">now</th>
            <td title={String(cost)}>{number(cost, 6)}</td>
            <td />
          </tr>
          <tr data-figure="predicted">
            <th scope="row">
              <Swatch dashed /> predicted by the gradient
            </th>
            <td title={String(predicted)}>{number(predicted, 6)}</td>
            <td>{change(predicted)}</td>
          </tr>
          <tr data-figure="true">
            <th scope="row">
              <Swatch dashed={false} /> true
            </th>
            <td title={String(actual)}>{number(actual, 6)}</td>
            <td>{change(actual)}</td>
          </tr>
        </tbody>
      </table>
      <p class="nudge-miss" aria-live="polite">
        {i === MIDDLE || cost === null || predicted === null
          ? "Move the slider: the tangent promises, the cost answers."
          : actual === null
            ? "The cost is no finite number there."
            : missInWords(cost, predicted, actual)}
      </p>
    </>
  );
}

function Swatch({ dashed }: { dashed: boolean }) {
  return (
    <svg width="18" height="8" aria-hidden="true">
      <line
        x1="0"
        x2="18"
        y1="4"
        y2="4"
        stroke={dashed ? "var(--negative)" : "var(--positive)"}
        stroke-width="2"
        stroke-dasharray={dashed ? "4 3" : undefined}
      />
    </svg>
  );
}

const HEIGHT = 190;
const MARGIN = { left: 52, right: 10, top: 8, bottom: 22 };

/** The true curve whole; of the tangent what lies not too far beside it. */
function verticalDomain(shown: Answer): Interval {
  const [low, high] = extent(shown.true) ?? extent([shown.cost]) ?? [0, 1];
  const tangent = extent(shown.predicted) ?? [low, high];
  const room = Math.max(high - low, 0.15 * (tangent[1] - tangent[0]));
  return widened([Math.min(low, Math.max(tangent[0], low - room)), Math.max(high, Math.min(tangent[1], high + room))], 0.06);
}

function Plot({ shown, i, move }: { shown: Answer; i: number; move: (to: number) => void }) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const right = Math.max(MARGIN.left + 1, width - MARGIN.right);
  const bottom = HEIGHT - MARGIN.bottom;
  const x = linear([shown.by[0] ?? -1, shown.by.at(-1) ?? 1], [MARGIN.left, right], 4);
  const y = linear(verticalDomain(shown), [bottom, MARGIN.top], 4);
  const along = (values: (number | null)[]): string =>
    path(values.map((value, place) => (value === null ? null : [x.at(shown.by[place] ?? 0) ?? 0, y.at(value)])));
  const drag = (event: PointerEvent & { currentTarget: Element }): void => {
    if (event.type !== "pointerdown" && event.buttons === 0) return;
    const box = event.currentTarget.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / (right - MARGIN.left);
    move(Math.round(Math.min(1, Math.max(0, share)) * (POSITIONS - 1)));
  };
  const here = x.at(shown.by[i] ?? 0) ?? 0;
  const predicted = y.at(shown.predicted[i] ?? NaN);
  const actual = y.at(shown.true[i] ?? NaN);
  const hold = (value: number): number => Math.min(bottom, Math.max(MARGIN.top, value));
  return (
    <div ref={frame}>
      <svg
        class="plot nudge-plot"
        width={width}
        height={HEIGHT}
        role="img"
        aria-label="The cost by the change, and its tangent at 0"
        onPointerDown={drag}
        onPointerMove={drag}
      >
        <clipPath id="nudge-inside">
          <rect x={MARGIN.left} y={MARGIN.top} width={right - MARGIN.left} height={bottom - MARGIN.top} />
        </clipPath>
        {y.ticks.map((tick) => (
          <g key={tick}>
            <line class="grid" x1={MARGIN.left} x2={right} y1={y.at(tick) ?? 0} y2={y.at(tick) ?? 0} />
            <text class="tick" x={MARGIN.left - 5} y={(y.at(tick) ?? 0) + 3.5} text-anchor="end">
              {number(tick, 5)}
            </text>
          </g>
        ))}
        <line class="axis" x1={MARGIN.left} x2={right} y1={bottom} y2={bottom} />
        <line class="grid" x1={x.at(0) ?? 0} x2={x.at(0) ?? 0} y1={MARGIN.top} y2={bottom} />
        {x.ticks.map((tick) => (
          <text class="tick" key={tick} x={x.at(tick) ?? 0} y={HEIGHT - 6} text-anchor="middle">
            {signed(tick)}
          </text>
        ))}
        <g clip-path="url(#nudge-inside)">
          <path d={along(shown.true)} fill="none" stroke="var(--positive)" stroke-width="2" />
          <path d={along(shown.predicted)} fill="none" stroke="var(--negative)" stroke-width="1.75" stroke-dasharray="5 4" />
        </g>
        <line class="reading" x1={here} x2={here} y1={MARGIN.top} y2={bottom} />
        {predicted !== null && actual !== null ? (
          <line class="gap" x1={here} x2={here} y1={hold(predicted)} y2={hold(actual)} />
        ) : null}
        {predicted === null ? null : <circle cx={here} cy={hold(predicted)} r="4" fill="var(--negative)" />}
        {actual === null ? null : <circle cx={here} cy={hold(actual)} r="4" fill="var(--positive)" />}
      </svg>
    </div>
  );
}

/** What a target is called, in words and as a symbol; null for what cannot be changed. */
function called(what: Target, features: string[] | null): { words: string; symbol: string } | null {
  if (what.kind === "W") {
    const words = `The weight of layer ${what.layer} from unit ${what.k} to unit ${what.j}`;
    return { words, symbol: "w" };
  }
  if (what.kind === "b") return { words: `The bias of unit ${what.j} of layer ${what.layer}`, symbol: "b" };
  if (what.kind === "x" && what.k !== null) {
    return { words: `Input ${what.k}${features?.[what.k] ? ` (${features[what.k]})` : ""}`, symbol: "x" };
  }
  return null;
}
