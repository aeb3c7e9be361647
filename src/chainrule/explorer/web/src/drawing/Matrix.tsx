/** The weights into a layer as a matrix: row j is what reaches unit j, column k what leaves unit k. Pooled from afar. */

import { useComputed } from "@preact/signals";
import type { MatrixSlice } from "../api";
import { rgbOf } from "../colour";
import { target } from "../store";
import { dark } from "../theme";
import type { Gap } from "./layout";
import type { Light } from "./light";
import { placeIn } from "./matrixView";
import { edgeRange, slices } from "./numbers";
import { raster } from "./raster";

/** The rectangle of one cell of the slice, at least 5 pixels a side so that it can be seen. */
function cellBox(gap: Gap, slice: MatrixSlice, line: number, column: number) {
  const height = gap.box.height / slice.values.length;
  const width = gap.box.width / (slice.values[0]?.length ?? 1);
  const [w, h] = [Math.max(5, width), Math.max(5, height)];
  return {
    x: gap.box.x + (column + 0.5) * width - w / 2,
    y: gap.box.y + (line + 0.5) * height - h / 2,
    width: w,
    height: h,
  };
}

function Weight({ gap, slice, j, k, kind }: { gap: Gap; slice: MatrixSlice; j: number; k: number; kind: string }) {
  const place = placeIn(slice, j, k);
  return place ? <rect class={kind} {...cellBox(gap, slice, place.line, place.column)} /> : null;
}

/** The line of a lit unit: its row where it is at the right of the matrix, else its column. */
function LitLine({ gap, slice, light, unit }: { gap: Gap; slice: MatrixSlice; light: Light; unit: number }) {
  const { x, y, width, height } = gap.box;
  const atRight = light.layer === gap.layer;
  const place = atRight ? placeIn(slice, unit, slice.columns[0]) : placeIn(slice, slice.rows[0], unit);
  if (!place) return null;
  const cell = cellBox(gap, slice, place.line, place.column);
  return atRight ? (
    <rect class="cell-lit" x={x} y={cell.y} width={width} height={cell.height} />
  ) : (
    <rect class="cell-lit" x={cell.x} y={y} width={cell.width} height={height} />
  );
}

export function Matrix({ gap, light }: { gap: Gap; light: Light | null }) {
  const slice = useComputed(() => {
    const found = slices.value.value?.[gap.layer - 1];
    return found && found.layer === gap.layer ? found : null;
  });
  const image = useComputed(() => {
    const values = slice.value?.values;
    if (!values) return "";
    const columns = values[0]?.length ?? 0;
    const largest = edgeRange.value;
    return raster(columns, values.length, (index) =>
      rgbOf(values[Math.floor(index / columns)]?.[index % columns], largest, dark.value),
    );
  });
  const shown = slice.value;
  const { x, y, width, height } = gap.box;
  const selected = target.value;
  const lit = light !== null && light.gap === gap.layer;
  return (
    <g class="matrix">
      {image.value ? (
        <image class="cells" href={image.value} x={x} y={y} width={width} height={height} preserveAspectRatio="none" />
      ) : null}
      <rect class={lit ? "frame lit" : "frame"} x={x} y={y} width={width} height={height} />
      {shown && lit && light.weight === null && light.units.length <= 12
        ? light.units.map((unit) => <LitLine key={unit} gap={gap} slice={shown} light={light} unit={unit} />)
        : null}
      {shown && lit && light.weight ? (
        <Weight gap={gap} slice={shown} j={light.weight[0]} k={light.weight[1]} kind="cell-lit" />
      ) : null}
      {shown && selected.kind === "W" && selected.layer === gap.layer ? (
        <Weight gap={gap} slice={shown} j={selected.j} k={selected.k} kind="cell-selected" />
      ) : null}
      {(shown ? caption(shown) : []).map((line, index) => (
        <text key={index} class="matrix-name" x={x + width / 2} y={y + height + 14 + 14 * index}>
          {line}
        </text>
      ))}
    </g>
  );
}

/** Its size, or what of it is shown. */
function caption(slice: MatrixSlice): string[] {
  const [n, m] = slice.shape;
  const whole = slice.rows[1] - slice.rows[0] === n && slice.columns[1] - slice.columns[0] === m;
  if (whole) return [`${n} × ${m}`];
  return [`rows ${slice.rows[0]}–${slice.rows[1] - 1}`, `columns ${slice.columns[0]}–${slice.columns[1] - 1}`];
}
