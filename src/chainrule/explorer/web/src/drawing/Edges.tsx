/** The weights between two small layers, an edge each. */

import { useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { css, position, rgbAt } from "../colour";
import { dark } from "../theme";
import { unitCentre, type Gap, type LayerBox } from "./layout";
import { isWeightLit, type Light } from "./light";
import { edgeRange, slices } from "./numbers";

interface Ends {
  gap: Gap;
  below: LayerBox;
  above: LayerBox;
}

/** The straight line between the rims of two units. */
export function edgePath(below: LayerBox, above: LayerBox, j: number, k: number): string {
  const from = unitCentre(below, k);
  const to = unitCentre(above, j);
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  const [r0, r1] = [below.radius, above.radius];
  return `M${(from.x + dx * r0).toFixed(1)} ${(from.y + dy * r0).toFixed(1)}L${(to.x - dx * r1).toFixed(1)} ${(to.y - dy * r1).toFixed(1)}`;
}

/** More lit edges than this are lit as a band instead. */
const LIT_AT_MOST = 160;

interface Line {
  j: number;
  k: number;
  place: number;
}

/** All edges. Apart, so that a step or a selection doesn't draw them anew. */
function Lines({ lines, below, above }: { lines: Line[]; below: LayerBox; above: LayerBox }) {
  // Many edges are thinner each, and the small ones recede: else none could be told from another.
  const widest = 2.7 * Math.min(1, Math.sqrt(48 / Math.max(1, lines.length)));
  return (
    <>
      {lines.map(({ j, k, place }) => (
        <path
          key={`${j},${k}`}
          class="edge"
          d={edgePath(below, above, j, k)}
          stroke={css(rgbAt(0.3 * Math.sign(place) + 0.62 * place, dark.value))}
          stroke-width={(0.5 + widest * Math.abs(place)).toFixed(2)}
          stroke-opacity={(0.3 + 0.7 * Math.abs(place)).toFixed(2)}
        />
      ))}
    </>
  );
}

export function Edges({ gap, below, above, light, dimmed }: Ends & { light: Light | null; dimmed: boolean }) {
  const lines = useComputed<Line[]>(() => {
    const slice = slices.value.value?.[gap.layer - 1];
    if (!slice || slice.layer !== gap.layer) return [];
    const all = slice.values.flatMap((row, j) => row.map((value, k) => ({ j, k, place: position(value, edgeRange.value) })));
    // The largest last: on top of the others.
    return all.sort((one, other) => Math.abs(one.place) - Math.abs(other.place));
  });
  const lit = light && light.gap === gap.layer ? lines.value.filter(({ j, k }) => isWeightLit(light, gap.layer, j, k)) : [];
  const all = useMemo(() => <Lines lines={lines.value} below={below} above={above} />, [lines.value, below, above]);
  const band = lit.length > LIT_AT_MOST;
  return (
    <g class={dimmed ? "edges dimmed" : "edges"}>
      {band ? <rect class="gap-lit" x={gap.x + 4} y={gap.box.y} width={gap.width - 8} height={gap.box.height} /> : null}
      {all}
      {(band ? [] : lit).map(({ j, k }) => (
        <path
          key={`${j},${k}`}
          class={light?.direction === "forward" ? "edge-lit forward" : "edge-lit backward"}
          d={edgePath(below, above, j, k)}
        />
      ))}
    </g>
  );
}
