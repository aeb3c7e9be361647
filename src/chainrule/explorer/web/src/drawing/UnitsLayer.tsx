/** A small layer, unit by unit: circles that hold their numbers. */

import { css, inkAt, rgbOf, textOn, type Rgb } from "../colour";
import { number } from "../numbers";
import { target, unitColour } from "../store";
import { dark } from "../theme";
import { cursor } from "./cursor";
import { unitLabel } from "./labels";
import { unitCentre, type LayerBox } from "./layout";
import { isLit, type Light } from "./light";
import { unitRange, unitValue } from "./numbers";

/** A number short enough for a circle. */
function short(value: number | null, radius: number): string {
  if (value === null) return "";
  const text = number(value, 2);
  return text.length * (radius >= 14 ? 5.2 : 4.6) <= radius * 2 - 1 ? text : "";
}

function isSelected(layer: number, unit: number): boolean {
  const selected = target.value;
  if (layer === 0) return selected.kind === "x" && (selected.k === null || selected.k === unit);
  if (selected.kind === "b") return selected.layer === layer && selected.j === unit;
  return selected.kind === "delta" && selected.layer === layer && (selected.j === null || selected.j === unit);
}

function fillOf(box: LayerBox, value: number | null): Rgb {
  if (box.picture) return inkAt(value ?? 0, dark.value);
  const range = box.layer === 0 ? unitRange.value.inputs : unitRange.value.units;
  return rgbOf(value, range, dark.value);
}

function Unit({ box, unit, light }: { box: LayerBox; unit: number; light: Light | null }) {
  const { x, y } = unitCentre(box, unit);
  const { layer, radius } = box;
  const here = cursor.value;
  const focusable = here.kind === "unit" && here.layer === layer && here.unit === unit;
  const classes = ["unit", isLit(light, layer, unit) ? "lit" : "", isSelected(layer, unit) ? "selected" : ""];
  return (
    <g
      id={`unit-${layer}-${unit}`}
      class={classes.join(" ").trim()}
      role="button"
      tabindex={focusable ? 0 : -1}
      aria-label={unitLabel(layer, unit)}
      transform={`translate(${x} ${y})`}
    >
      <circle class="unit-halo" r={radius + 4} />
      <circle class="unit-disc" r={radius} fill={css(fillOf(box, unitValue(layer, unit, unitColour.value)))} />
    </g>
  );
}

/** The number in a circle; beside the unit's element, whose label says it in words. */
function Value({ box, unit }: { box: LayerBox; unit: number }) {
  const { x, y } = unitCentre(box, unit);
  const value = unitValue(box.layer, unit, unitColour.value);
  return (
    <text class={box.radius >= 14 ? "unit-value" : "unit-value small"} x={x} y={y} dy="0.35em" fill={textOn(fillOf(box, value))}>
      {short(value, box.radius)}
    </text>
  );
}

/** Circles smaller than this hold no number. */
const READABLE = 11;

export function UnitsLayer({ box, light }: { box: LayerBox; light: Light | null }) {
  const units = Array.from({ length: box.n }, (_, unit) => unit);
  return (
    <>
      <g role="group" aria-label={`layer ${box.layer}, ${box.n} units`}>
        {units.map((unit) => (
          <Unit key={unit} box={box} unit={unit} light={light} />
        ))}
      </g>
      {box.radius < READABLE ? null : (
        <g aria-hidden="true">
          {units.map((unit) => (
            <Value key={unit} box={box} unit={unit} />
          ))}
        </g>
      )}
    </>
  );
}
