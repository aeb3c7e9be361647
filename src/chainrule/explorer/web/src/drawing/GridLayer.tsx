/** A large layer as a strip of cells, a picture as its pixels. One image; only the cell with the focus is an element. */

import { useComputed } from "@preact/signals";
import { inkAt, rgbOf } from "../colour";
import { target, unitColour } from "../store";
import { dark } from "../theme";
import { cursor } from "./cursor";
import { unitLabel } from "./labels";
import { unitCentre, type LayerBox } from "./layout";
import type { Light } from "./light";
import { layerUnits, unitRange, unitValues } from "./numbers";
import { raster } from "./raster";

function Cell({ box, unit, kind }: { box: LayerBox; unit: number; kind: string }) {
  const { x, y } = unitCentre(box, unit);
  const side = Math.max(6, box.pitch);
  return <rect class={kind} x={x - side / 2} y={y - side / 2} width={side} height={side} />;
}

function Focusable({ box }: { box: LayerBox }) {
  const here = cursor.value;
  const mine = here.kind === "unit" && here.layer === box.layer;
  const unit = mine ? here.unit : box.start;
  const { x, y } = unitCentre(box, unit);
  const side = Math.max(8, box.pitch);
  return (
    <rect
      id={`unit-${box.layer}-${unit}`}
      class="cell-focus"
      role="button"
      tabindex={mine ? 0 : -1}
      aria-label={unitLabel(box.layer, unit)}
      x={x - side / 2}
      y={y - side / 2}
      width={side}
      height={side}
    />
  );
}

/** The units that what is derived names, of those shown. */
function selectedUnits(box: LayerBox): number[] {
  const selected = target.value;
  const unit =
    box.layer === 0
      ? selected.kind === "x"
        ? selected.k
        : null
      : (selected.kind === "delta" || selected.kind === "b") && selected.layer === box.layer
        ? selected.j
        : null;
  return unit === null ? [] : [unit];
}

export function GridLayer({ box, light }: { box: LayerBox; light: Light | null }) {
  const { layer, columns, shown, picture, width, height } = box;
  const image = useComputed(() => {
    const values = unitValues(layerUnits.value.value?.[layer], unitColour.value);
    const range = layer === 0 ? unitRange.value.inputs : unitRange.value.units;
    const ink = picture && unitColour.value !== "delta";
    return raster(columns, Math.ceil(shown / columns), (index) => {
      if (index >= shown) return null;
      const value = values[index] ?? 0;
      return ink ? inkAt(range > 0 ? value / range : 0, dark.value) : rgbOf(value, range, dark.value);
    });
  });
  const lit = light !== null && light.layer === layer;
  return (
    <g role="group" aria-label={picture ? `the input as a picture, ${box.n} pixels` : `layer ${layer}, ${box.n} units`}>
      <image class="cells" href={image.value} x={box.x} y={box.y} width={width} height={height} preserveAspectRatio="none" />
      <rect class={lit && light.units.length === 0 ? "frame lit" : "frame"} x={box.x} y={box.y} width={width} height={height} />
      {lit ? light.units.map((unit) => <Cell key={unit} box={box} unit={unit} kind="cell-lit" />) : null}
      {selectedUnits(box).map((unit) => (
        <Cell key={`s${unit}`} box={box} unit={unit} kind="cell-selected" />
      ))}
      <Focusable box={box} />
    </g>
  );
}
