/** How the cost, or one output, depends on each input (E9, E11): over the picture, or as bars with the features' names. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, type InputGradient } from "../api";
import { css, position, rgbAt, rgbOf } from "../colour";
import { number } from "../numbers";
import { at, data, derivation, output, select, shownRow, sizes, target } from "../store";
import { dark } from "../theme";
import { useAsked } from "./asked";
import { FaultText } from "./fault";
import { Field } from "./Field";
import { Panel } from "./Panel";

/** So many bars are drawn, the largest first where there are more. */
const BARS = 30;

export function HeatMap() {
  const onScreen = useSignal(false);
  const { answer, fault } = useAsked((abort) => {
    const here = at.value;
    if (!here) return null;
    if (!onScreen.value || derivation.loading.value) return "later";
    return api.inputGradient({ part: here.part, row: here.row, output: output.value }, abort);
  });
  const outputs = sizes.value.at(-1) ?? 0;
  const classes = data.value?.classes ?? null;
  const image = data.value?.image ?? null;
  const shown = answer.value;
  const what = output.value === "cost" ? "∂C/∂x" : `∂aᴸ/∂x of output ${output.value}`;
  return (
    <Panel id="heatmap" title="Input gradient" onScreen={onScreen}>
      <div class="fields">
        <Field panel="heatmap" field="output" label="of" fault={fault.value}>
          {(described) => (
            <select {...described} value={output.value} onChange={(event) => (output.value = event.currentTarget.value)}>
              <option value="cost">the cost</option>
              {Array.from({ length: outputs }, (_, j) => (
                <option key={j} value={String(j)}>
                  output {j}
                  {classes?.length === outputs ? ` (${classes[j]})` : ""}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <FaultText id="heatmap-fault" fault={fault.value} field={null} fields={["output"]} />
      {shown ? (
        <>
          <Legend largest={shown.largest} what={what} />
          {image && image.width * image.height === shown.values.length ? (
            <Map gradient={shown} width={image.width} height={image.height} />
          ) : (
            <Bars gradient={shown} names={data.value?.features ?? null} />
          )}
        </>
      ) : null}
    </Panel>
  );
}

/** Values from minus to plus the largest, evenly, in the colours that they have. */
const RAMP = Array.from({ length: 21 }, (_, i) => (i - 10) / 10);

function Legend({ largest, what }: { largest: number | null; what: string }) {
  const isDark = dark.value;
  const ramp = RAMP.map((value) => css(rgbAt(position(value, 1), isDark))).join(", ");
  return (
    <p class="legend">
      <span>{what}</span>
      <span class="legend-scale">
        <span>{number(largest === null ? null : -largest, 3)}</span>
        <span class="legend-ramp" aria-hidden="true" style={{ background: `linear-gradient(90deg, ${ramp})` }} />
        <span>{number(largest, 3)}</span>
      </span>
    </p>
  );
}

function Map({ gradient, width, height }: { gradient: InputGradient; width: number; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cell = useSignal<number | null>(null);
  const isDark = dark.value;
  const inputs = shownRow.value.value?.inputs.values ?? [];
  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!pen) return;
    const picture = pen.createImageData(width, height);
    gradient.values.forEach((value, i) => {
      picture.data.set([...rgbOf(value, gradient.largest ?? 0, isDark), 255], 4 * i);
    });
    pen.putImageData(picture, 0, 0);
  }, [gradient, width, height, isDark]);

  const over = (event: PointerEvent | MouseEvent): number => {
    const box = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    const place = (share: number, count: number): number => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const column = place((event.clientX - box.left) / box.width, width);
    return place((event.clientY - box.top) / box.height, height) * width + column;
  };
  const chosen = target.value.kind === "x" ? target.value.k : null;
  const read = cell.value ?? chosen ?? 0;
  const move = (event: KeyboardEvent): void => {
    const column = read % width;
    const line = Math.floor(read / width);
    if (event.key === "ArrowLeft") cell.value = line * width + Math.max(0, column - 1);
    else if (event.key === "ArrowRight") cell.value = line * width + Math.min(width - 1, column + 1);
    else if (event.key === "ArrowUp") cell.value = Math.max(0, line - 1) * width + column;
    else if (event.key === "ArrowDown") cell.value = Math.min(height - 1, line + 1) * width + column;
    else if (event.key === "Enter" || event.key === " ") select({ kind: "x", k: read });
    else return;
    event.preventDefault();
  };
  const words = `pixel ${read} (line ${Math.floor(read / width)}, column ${read % width}): gradient ${number(gradient.values[read])}, input ${number(inputs[read])}`;
  return (
    <div class="map">
      <div class="map-frame" style={{ aspectRatio: `${width} / ${height}` }}>
        <canvas
          ref={canvas}
          width={width}
          height={height}
          tabIndex={0}
          role="application"
          aria-label={`Gradient over the ${width} by ${height} picture. Arrow keys move, Enter derives by the pixel.`}
          aria-describedby="heatmap-reading"
          onPointerMove={(event) => (cell.value = over(event))}
          onPointerLeave={() => (cell.value = null)}
          onKeyDown={move}
          onClick={(event) => select({ kind: "x", k: over(event) })}
        />
        {cell.value !== null ? <Cell place={cell.value} width={width} height={height} kind="reading" /> : null}
        {chosen !== null ? <Cell place={chosen} width={width} height={height} kind="chosen" /> : null}
      </div>
      <p id="heatmap-reading" class="note reading-text" aria-live="polite">
        {cell.value !== null || chosen !== null ? words : "Point at a pixel, or use the arrow keys; a click derives by it."}
      </p>
    </div>
  );
}

function Cell({ place, width, height, kind }: { place: number; width: number; height: number; kind: string }) {
  const style = {
    left: `${(100 * (place % width)) / width}%`,
    top: `${(100 * Math.floor(place / width)) / height}%`,
    width: `${100 / width}%`,
    height: `${100 / height}%`,
  };
  return <span class={`cell ${kind}`} style={style} aria-hidden="true" />;
}

function Bars({ gradient, names }: { gradient: InputGradient; names: string[] | null }) {
  const largest = gradient.largest || 1;
  const order = gradient.values.map((_, k) => k);
  const many = order.length > BARS;
  if (many) order.sort((a, b) => Math.abs(gradient.values[b] ?? 0) - Math.abs(gradient.values[a] ?? 0));
  return (
    <>
      {many ? <p class="note">The {BARS} largest of {order.length}.</p> : null}
      <ul class="bars">
        {order.slice(0, BARS).map((k) => {
          const value = gradient.values[k] ?? 0;
          const share = (50 * Math.min(1, Math.abs(value) / largest)).toFixed(2);
          const name = names?.[k] ?? `x${k}`;
          return (
            <li key={k}>
              <button
                type="button"
                class={`bar ${target.value.kind === "x" && target.value.k === k ? "selected" : ""}`}
                aria-label={`${name}: ${number(gradient.values[k])}. Derive by it`}
                onClick={() => select({ kind: "x", k })}
              >
                <span class="bar-name">{name}</span>
                <span class="bar-track">
                  <span class={value < 0 ? "negative" : "positive"} style={{ width: `${share}%` }} />
                </span>
                <span class="bar-value">{number(gradient.values[k])}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </>
  );
}
