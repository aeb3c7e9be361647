/** The largest paths from the selected weight to the cost (E12), each as thick as its share. */

import { largestOf } from "../colour";
import { number } from "../numbers";
import { paths, target } from "../store";
import { unitCentre, type Layout } from "./layout";

/** A path's line: from the weight's source through its units to the cost. */
function line(plan: Layout, first: number, units: readonly number[]): string {
  const points = units.flatMap((unit, index) => {
    const box = plan.layers[first + index];
    return box ? [unitCentre(box, unit)] : [];
  });
  points.push({ x: plan.cost.x - plan.cost.radius, y: plan.cost.y });
  return points.map(({ x, y }, index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

export function LitPaths({ plan }: { plan: Layout }) {
  const answer = paths.value;
  const selected = target.value;
  if (!answer || selected.kind !== "W") return null;
  const largest = largestOf(answer.paths.map((path) => path.value));
  return (
    <g class="paths">
      {[...answer.paths].reverse().map((path) => {
        const part = largest > 0 ? Math.abs(path.value ?? 0) / largest : 0;
        return (
          <path
            key={path.units.join("-")}
            class={(path.value ?? 0) < 0 ? "path negative" : "path positive"}
            d={line(plan, selected.layer - 1, path.units)}
            stroke-width={(1.2 + 3.2 * part).toFixed(2)}
            opacity={(0.35 + 0.65 * part).toFixed(2)}
          >
            <title>{`path ${path.units.join(" → ")}: ${number(path.value)}`}</title>
          </path>
        );
      })}
    </g>
  );
}
