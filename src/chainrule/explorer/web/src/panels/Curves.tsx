/** Curves over epochs: a log or straight axis, a reading line that pointer and arrow keys move, values in the legend. */

import { useState } from "preact/hooks";
import { number } from "../numbers";
import { useWidth } from "./measured";
import { extent, linear, logarithmic, path, thinned, widened, type Interval, type Scale } from "./scale";

export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** A CSS colour. */
  readonly colour: string;
  readonly dashed?: boolean;
}

const HEIGHT = 172;
const MARGIN = { left: 46, right: 8, top: 8, bottom: 22 };

/** The vertical axis; null where no series has a value that it could show. */
function vertical(series: readonly Series[], log: boolean): { scale: Scale; domain: Interval } | null {
  const all = series.flatMap((one) => [...one.values]);
  const found = extent(all, log);
  if (found === null) return null;
  const range: Interval = [HEIGHT - MARGIN.bottom, MARGIN.top];
  if (!log) {
    const domain = widened(found, 0.06);
    return { scale: linear(domain, range), domain };
  }
  const [low, high] = widened([Math.log10(found[0]), Math.log10(found[1])], 0.06);
  const domain: Interval = [10 ** Math.min(low, high - 0.05), 10 ** high];
  return { scale: logarithmic(domain, range), domain };
}

export function Curves({ label, series, log }: { label: string; series: readonly Series[]; log: boolean }) {
  const [frame, width] = useWidth<HTMLDivElement>();
  const [reading, setReading] = useState<number | null>(null);
  const epochs = Math.max(0, ...series.map((one) => one.values.length));
  const axis = vertical(series, log);
  const right = Math.max(MARGIN.left + 1, width - MARGIN.right);
  const x = linear([1, Math.max(2, epochs)], [MARGIN.left, right], Math.max(2, Math.floor(width / 90)));
  const at = reading === null ? epochs : Math.min(Math.max(1, reading), epochs);

  const read = (event: PointerEvent & { currentTarget: Element }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / (right - MARGIN.left);
    setReading(Math.round(1 + Math.min(1, Math.max(0, share)) * (Math.max(2, epochs) - 1)));
  };
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (by !== undefined) setReading(Math.min(epochs, Math.max(1, at + by)));
    else if (event.key === "Home") setReading(1);
    else if (event.key === "End") setReading(null);
    else return;
    event.preventDefault();
  };

  return (
    <div class="curves" ref={frame}>
      <p class="curves-head">
        <span class="curves-title">{label}</span>
        {epochs ? <span>epoch {at}</span> : null}
      </p>
      <p class="curves-legend">
        {series.map((one) => (
          <span class="curves-entry" key={one.name}>
            <svg width="18" height="8" aria-hidden="true">
              <line x1="0" x2="18" y1="4" y2="4" stroke={one.colour} stroke-width="2" stroke-dasharray={one.dashed ? "4 3" : undefined} />
            </svg>
            {one.name} <b>{number(one.values[at - 1])}</b>
          </span>
        ))}
      </p>
      <svg
        width={width}
        height={HEIGHT}
        class="plot"
        role="slider"
        tabindex={epochs ? 0 : -1}
        aria-label={`${label}, by epoch`}
        aria-valuemin={1}
        aria-valuemax={Math.max(1, epochs)}
        aria-valuenow={at}
        aria-valuetext={epochs ? `epoch ${at}: ${series.map((one) => `${one.name} ${number(one.values[at - 1])}`).join(", ")}` : "no epochs yet"}
        onPointerMove={read}
        onPointerLeave={() => setReading(null)}
        onKeyDown={move}
      >
        {axis?.scale.ticks.map((tick) => (
          <g key={tick}>
            <line class="grid" x1={MARGIN.left} x2={right} y1={axis.scale.at(tick) ?? 0} y2={axis.scale.at(tick) ?? 0} />
            <text class="tick" x={MARGIN.left - 5} y={(axis.scale.at(tick) ?? 0) + 3.5} text-anchor="end">
              {number(tick, 3).replace(/^1·/, "")}
            </text>
          </g>
        ))}
        <line class="axis" x1={MARGIN.left} x2={right} y1={HEIGHT - MARGIN.bottom} y2={HEIGHT - MARGIN.bottom} />
        {x.ticks.filter(Number.isInteger).map((tick) => (
          <text class="tick" key={tick} x={x.at(tick) ?? 0} y={HEIGHT - 6} text-anchor="middle">
            {tick}
          </text>
        ))}
        {axis ? null : (
          <text class="tick" x={(MARGIN.left + right) / 2} y={HEIGHT / 2} text-anchor="middle">
            {epochs && log ? "nothing positive to draw" : "drawn from the first epoch on"}
          </text>
        )}
        {axis && epochs && reading !== null ? (
          <line class="reading" x1={x.at(at) ?? 0} x2={x.at(at) ?? 0} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
        ) : null}
        {axis
          ? series.map((one) => (
              <g key={one.name}>
                <path
                  d={path(thinned(one.values, Math.max(50, width)).map((place) => {
                    const value = one.values[place];
                    return value === null || value === undefined ? null : [x.at(place + 1) ?? 0, axis.scale.at(value)];
                  }))}
                  fill="none"
                  stroke={one.colour}
                  stroke-width="1.75"
                  stroke-linejoin="round"
                  stroke-dasharray={one.dashed ? "4 3" : undefined}
                />
                <Mark x={x.at(at)} y={axis.scale.at(one.values[at - 1] ?? NaN)} colour={one.colour} />
              </g>
            ))
          : null}
      </svg>
    </div>
  );
}

function Mark({ x, y, colour }: { x: number | null; y: number | null; colour: string }) {
  return x === null || y === null ? null : <circle cx={x} cy={y} r="3" fill={colour} />;
}
