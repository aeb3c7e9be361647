/** What the colours mean: what is coloured, and from which number to which. */

import type { MatrixKind } from "../api";
import { css, position, rgbAt } from "../colour";
import { number } from "../numbers";
import { edgeColour, notation, unitColour } from "../store";
import { alphabet } from "../symbols";
import { dark } from "../theme";
import type { UnitColour } from "../view";
import { edgeRange, unitRange } from "./numbers";

const STEPS = 24;

function Scale({ largest, label }: { largest: number; label: string }) {
  const stops = Array.from({ length: STEPS + 1 }, (_, index) => {
    const value = -1 + (2 * index) / STEPS;
    return `${css(rgbAt(position(value, 1), dark.value))} ${((index / STEPS) * 100).toFixed(1)}%`;
  });
  const most = number(largest, 3);
  return (
    <div class="scale" role="img" aria-label={`${label} from minus ${most} to ${most}`}>
      <span>{largest > 0 ? `−${most}` : "0"}</span>
      <span class="scale-bar" style={{ background: `linear-gradient(90deg, ${stops.join(", ")})` }} />
      <span>{most}</span>
    </div>
  );
}

export function Legend() {
  const { W, a, z, slope, delta, cost } = alphabet(notation.value);
  const edges: [MatrixKind, string][] = [
    ["W", W],
    ["dW", `∂${cost}/∂${W}`],
    ["Wdelta", `${W}·${delta}`],
  ];
  const units: [UnitColour, string][] = [
    ["a", a],
    ["z", z],
    ["slope", slope],
    ["delta", delta],
  ];
  return (
    <div class="legend">
      <label>
        Weights
        <select value={edgeColour.value} onChange={(event) => (edgeColour.value = event.currentTarget.value as MatrixKind)}>
          {edges.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
        <Scale largest={edgeRange.value} label="Weights" />
      </label>
      <label>
        Units
        <select value={unitColour.value} onChange={(event) => (unitColour.value = event.currentTarget.value as UnitColour)}>
          {units.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
        <Scale largest={unitRange.value.units} label="Units" />
      </label>
    </div>
  );
}
