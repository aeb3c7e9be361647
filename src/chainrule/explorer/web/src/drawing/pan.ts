/** Dragging a matrix that was come nearer to: the weights move with the pointer. */

import { sizes } from "../store";
import type { Layout } from "./layout";
import { panSpan } from "./matrixView";
import { setWindow, windowOf, windows, type MatrixWindow } from "./numbers";

interface Drag {
  layer: number;
  x: number;
  y: number;
  window: MatrixWindow;
  /** Weights to a pixel, down and across. */
  scale: [number, number];
  moved: boolean;
}

let drag: Drag | null = null;
/** A hand is never quite still: less than this is a click. */
const STILL = 4;

export function beginPan(plan: Layout, x: number, y: number): void {
  drag = null;
  const gap = plan.gaps.find(({ mode, box }) => mode === "matrix" && x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height);
  if (!gap || !windows.peek()[gap.layer]) return;
  const window = windowOf(gap.layer);
  const [rows, columns] = [window.rows[1] - window.rows[0], window.columns[1] - window.columns[0]];
  drag = { layer: gap.layer, x, y, window, scale: [rows / gap.box.height, columns / gap.box.width], moved: false };
}

/** Says whether something is dragged. */
export function pan(x: number, y: number): boolean {
  if (!drag) return false;
  const [across, down] = [x - drag.x, y - drag.y];
  if (!drag.moved && Math.hypot(across, down) < STILL) return false;
  drag.moved = true;
  const { layer, window, scale } = drag;
  const rows = panSpan(window.rows, sizes.value[layer] ?? 0, -down * scale[0]);
  const columns = panSpan(window.columns, sizes.value[layer - 1] ?? 0, -across * scale[1]);
  const shown = windowOf(layer);
  if (String([rows, columns]) !== String([shown.rows, shown.columns])) setWindow(layer, { rows, columns });
  return true;
}

/** Says whether it was a drag, so that the click that follows means nothing. */
export function endPan(): boolean {
  const dragged = drag?.moved ?? false;
  drag = null;
  return dragged;
}
