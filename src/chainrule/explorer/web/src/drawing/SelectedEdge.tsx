/** The weight that is derived, on its edge, over everything else; lit while the player stands at its own step. */

import { target } from "../store";
import { edgePath } from "./Edges";
import type { Layout } from "./layout";
import type { Light } from "./light";

export function SelectedEdge({ plan, light }: { plan: Layout; light: Light | null }) {
  const selected = target.value;
  if (selected.kind !== "W") return null;
  const [below, above] = [plan.layers[selected.layer - 1], plan.layers[selected.layer]];
  if (!below || !above || plan.gaps[selected.layer - 1]?.mode !== "edges") return null;
  const lit = light !== null && light.weight !== null && light.gap === selected.layer;
  return <path class={lit ? "edge-selected lit" : "edge-selected"} d={edgePath(below, above, selected.j, selected.k)} />;
}
