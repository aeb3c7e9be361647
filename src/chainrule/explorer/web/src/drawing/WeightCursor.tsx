/** The weight on which the keyboard stands; drawn only while it does. */

import { cursor } from "./cursor";
import { edgePath } from "./Edges";
import { weightLabel } from "./labels";
import type { Layout } from "./layout";
import { placeIn } from "./matrixView";
import { slices } from "./numbers";

export function WeightCursor({ plan }: { plan: Layout }) {
  const here = cursor.value;
  if (here.kind !== "weight") return null;
  const { layer, j, k } = here;
  const gap = plan.gaps[layer - 1];
  const [below, above] = [plan.layers[layer - 1], plan.layers[layer]];
  if (!gap || !below || !above) return null;
  const common = {
    id: `weight-${layer}-${j}-${k}`,
    role: "button" as const,
    tabindex: 0,
    "aria-label": weightLabel(layer, j, k),
  };
  if (gap.mode === "edges") return <path {...common} class="edge-focus" d={edgePath(below, above, j, k)} />;
  const slice = slices.value.value?.[layer - 1];
  const place = slice && placeIn(slice, j, k);
  const { box } = gap;
  const [w, h] = slice ? [box.width / (slice.values[0]?.length ?? 1), box.height / slice.values.length] : [box.width, box.height];
  const side = Math.max(8, Math.min(w, h));
  const x = box.x + (place ? (place.column + 0.5) * w : box.width / 2) - side / 2;
  const y = box.y + (place ? (place.line + 0.5) * h : box.height / 2) - side / 2;
  return <rect {...common} class="cell-focus" x={x} y={y} width={side} height={side} />;
}
