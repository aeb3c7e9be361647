/** What is under the pointer: a unit, a weight, a block of weights, the cost, or nothing. */

import { edgeAt, unitAt, type Layout } from "./layout";
import { cellOf, type Cell } from "./matrixView";
import { edgeValue, slices } from "./numbers";

export type Hit =
  | { kind: "unit"; layer: number; unit: number }
  | { kind: "weight"; layer: number; j: number; k: number; value: number | null }
  | { kind: "block"; layer: number; cell: Cell }
  | { kind: "cost" };

export function hitAt(plan: Layout, x: number, y: number): Hit | null {
  if (Math.hypot(x - plan.cost.x, y - plan.cost.y) <= plan.cost.radius + 3) return { kind: "cost" };
  for (const box of plan.layers) {
    const unit = unitAt(box, x, y);
    if (unit !== null) return { kind: "unit", layer: box.layer, unit };
  }
  for (const gap of plan.gaps) {
    if (x < gap.x || x > gap.x + gap.width) continue;
    return gap.mode === "edges" ? edgeHit(plan, gap.layer, x, y) : matrixHit(plan, gap.layer, x, y);
  }
  return null;
}

function edgeHit(plan: Layout, layer: number, x: number, y: number): Hit | null {
  const found = edgeAt(plan.layers[layer - 1]!, plan.layers[layer]!, x, y);
  return found ? { kind: "weight", layer, j: found[0], k: found[1], value: edgeValue(layer, found[0], found[1]) } : null;
}

function matrixHit(plan: Layout, layer: number, x: number, y: number): Hit | null {
  const { box } = plan.gaps[layer - 1]!;
  const slice = slices.value.peek()?.[layer - 1];
  if (!slice || x < box.x || y < box.y || x >= box.x + box.width || y >= box.y + box.height) return null;
  const lines = slice.values.length;
  const columns = slice.values[0]?.length ?? 0;
  const cell = cellOf(slice, Math.floor(((y - box.y) / box.height) * lines), Math.floor(((x - box.x) / box.width) * columns));
  if (!cell) return null;
  const single = cell.rows[1] - cell.rows[0] === 1 && cell.columns[1] - cell.columns[0] === 1;
  return single
    ? { kind: "weight", layer, j: cell.rows[0], k: cell.columns[0], value: cell.value }
    : { kind: "block", layer, cell };
}
