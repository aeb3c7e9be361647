/** The keyboard's place in the drawing: a unit or a weight. One thing has the focus; arrows move it. */

import { signal } from "@preact/signals";
import { select, sizes } from "../store";
import { unitAt, unitCentre, WINDOW, type LayerBox, type Layout } from "./layout";
import { reveal } from "./matrixView";
import { setWindow, starts, windowOf, windows } from "./numbers";

export type Place =
  | { kind: "unit"; layer: number; unit: number }
  | { kind: "weight"; layer: number; j: number; k: number }
  | { kind: "cost" };

export const cursor = signal<Place>({ kind: "unit", layer: 0, unit: 0 });
/** Grows when the cursor was moved, so that the focus has to follow it. */
export const moved = signal(0);

export function placeId(place: Place): string {
  switch (place.kind) {
    case "unit":
      return `unit-${place.layer}-${place.unit}`;
    case "weight":
      return `weight-${place.layer}-${place.j}-${place.k}`;
    case "cost":
      return "cost-node";
  }
}

/** Derives what stands at a place. */
export function choose(place: Place): void {
  if (place.kind === "cost") select({ kind: "cost" });
  else if (place.kind === "weight") select({ kind: "W", layer: place.layer, j: place.j, k: place.k });
  else if (place.layer === 0) select({ kind: "x", k: place.unit });
  else select({ kind: "delta", layer: place.layer, j: place.unit });
}

function go(place: Place): void {
  if (place.kind === "unit") showUnit(place.layer, place.unit);
  if (place.kind === "weight") showWeight(place.layer, place.j, place.k);
  cursor.value = place;
  moved.value += 1;
}

/** Pages a long layer to where a unit is. */
function showUnit(layer: number, unit: number): void {
  const n = sizes.value[layer] ?? 0;
  const start = starts.value[layer] ?? 0;
  if (n > WINDOW && (unit < start || unit >= start + WINDOW)) {
    starts.value = { ...starts.value, [layer]: Math.floor(unit / WINDOW) * WINDOW };
  }
}

/** Moves a matrix that was come nearer to, to where a weight is. */
function showWeight(layer: number, j: number, k: number): void {
  if (!windows.value[layer]) return;
  const { rows, columns } = windowOf(layer);
  const next = {
    rows: reveal(rows, sizes.value[layer] ?? 0, j),
    columns: reveal(columns, sizes.value[layer - 1] ?? 0, k),
  };
  if (String([rows, columns]) !== String([next.rows, next.columns])) setWindow(layer, next);
}

/** The unit of a layer that stands at the height of another. */
function beside(to: LayerBox, height: number): number {
  const y = Math.max(to.y, Math.min(to.y + to.height - 1, height));
  return unitAt(to, to.x + to.pitch / 4, y) ?? to.start + to.shown - 1;
}

function moveUnit(key: string, plan: Layout, layer: number, unit: number): Place | null {
  const box = plan.layers[layer];
  if (!box) return null;
  const within = (next: number): Place => ({ kind: "unit", layer, unit: Math.max(0, Math.min(box.n - 1, next)) });
  const toLayer = (next: number): Place | null => {
    const to = plan.layers[next];
    if (!to) return next > layer ? { kind: "cost" } : null;
    return { kind: "unit", layer: next, unit: beside(to, unitCentre(box, unit).y) };
  };
  const column = (unit - box.start) % box.columns;
  switch (key) {
    case "ArrowUp":
      return unit - box.columns >= 0 ? within(unit - box.columns) : null;
    case "ArrowDown":
      return unit + box.columns < box.n ? within(unit + box.columns) : null;
    case "ArrowLeft":
      return box.mode === "grid" && column > 0 ? within(unit - 1) : toLayer(layer - 1);
    case "ArrowRight":
      return box.mode === "grid" && column < box.columns - 1 && unit < box.n - 1 ? within(unit + 1) : toLayer(layer + 1);
    case "PageUp":
      return toLayer(layer - 1);
    case "PageDown":
      return toLayer(layer + 1);
    case "Home":
      return within(0);
    case "End":
      return within(box.n - 1);
    case "w":
    case "W":
      return layer === 0 ? { kind: "weight", layer: 1, j: 0, k: unit } : { kind: "weight", layer, j: unit, k: 0 };
    default:
      return null;
  }
}

function moveWeight(key: string, layer: number, j: number, k: number): Place | null {
  const rows = sizes.value[layer] ?? 1;
  const columns = sizes.value[layer - 1] ?? 1;
  const to = (nextJ: number, nextK: number): Place => ({
    kind: "weight",
    layer,
    j: Math.max(0, Math.min(rows - 1, nextJ)),
    k: Math.max(0, Math.min(columns - 1, nextK)),
  });
  switch (key) {
    case "ArrowUp":
      return to(j, k - 1);
    case "ArrowDown":
      return to(j, k + 1);
    case "ArrowLeft":
      return to(j - 1, k);
    case "ArrowRight":
      return to(j + 1, k);
    case "Home":
      return to(j, 0);
    case "End":
      return to(j, columns - 1);
    case "Escape":
      return { kind: "unit", layer, unit: j };
    default:
      return null;
  }
}

/** Moves the cursor or derives what it stands on. Says whether the key meant anything here. */
export function press(key: string, plan: Layout): boolean {
  const here = cursor.value;
  if (key === "Enter" || key === " ") {
    choose(here);
    return true;
  }
  if ((key === "b" || key === "B") && here.kind === "unit" && here.layer > 0) {
    select({ kind: "b", layer: here.layer, j: here.unit });
    return true;
  }
  const last = plan.layers.length - 1;
  const next =
    here.kind === "unit"
      ? moveUnit(key, plan, here.layer, here.unit)
      : here.kind === "weight"
        ? moveWeight(key, here.layer, here.j, here.k)
        : key === "ArrowLeft" || key === "PageUp"
          ? ({ kind: "unit", layer: last, unit: beside(plan.layers[last]!, plan.cost.y) } as const)
          : null;
  if (next === null) return key.startsWith("Arrow");
  go(next);
  return true;
}
