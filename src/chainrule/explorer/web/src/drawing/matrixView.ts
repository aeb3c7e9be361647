/** Zooming and panning in a weight matrix: which rows and columns are asked for, and which cell is under a point. */

import type { MatrixSlice } from "../api";
import type { MatrixWindow } from "./numbers";

type Span = [number, number];

/** A span about a centre, `factor` times as long, within 0 to n and at least `least` long. */
export function zoomSpan([from, to]: Span, n: number, centre: number, factor: number, least: number): Span {
  const length = Math.max(Math.min(least, n), Math.min(n, Math.round((to - from) * factor)));
  const part = to > from ? (centre - from) / (to - from) : 0.5;
  const start = Math.max(0, Math.min(n - length, Math.round(centre - part * length)));
  return [start, start + length];
}

/** A span moved by a number of units, kept within 0 to n. */
export function panSpan([from, to]: Span, n: number, by: number): Span {
  const start = Math.max(0, Math.min(n - (to - from), from + Math.round(by)));
  return [start, start + to - from];
}

/** A span moved as little as brings a unit into it. */
export function reveal(span: Span, n: number, unit: number): Span {
  if (unit < span[0]) return panSpan(span, n, unit - span[0]);
  return unit >= span[1] ? panSpan(span, n, unit - span[1] + 1) : span;
}

const LEAST = 12;

/** Nearer (factor below 1) or farther about a row j and a column k. Sides that fit unpooled are not zoomed into. */
export function zoom(window: MatrixWindow, shape: Span, j: number, k: number, factor: number, cells: number): MatrixWindow {
  const side = (span: Span, n: number, centre: number): Span => (n <= cells ? [0, n] : zoomSpan(span, n, centre, factor, LEAST));
  return { rows: side(window.rows, shape[0], j), columns: side(window.columns, shape[1], k) };
}

export interface Cell {
  rows: Span;
  columns: Span;
  value: number | null;
}

/** The block of weights that the cell in this line and column of the slice stands for. */
export function cellOf(slice: MatrixSlice, line: number, column: number): Cell | null {
  const value = slice.values[line]?.[column];
  if (value === undefined) return null;
  const [height, width] = slice.cell;
  const top = slice.rows[0] + line * height;
  const left = slice.columns[0] + column * width;
  return {
    rows: [top, Math.min(top + height, slice.rows[1])],
    columns: [left, Math.min(left + width, slice.columns[1])],
    value,
  };
}

/** Where a weight is in the slice: line and column, or null where it isn't shown. */
export function placeIn(slice: MatrixSlice, j: number, k: number): { line: number; column: number } | null {
  if (j < slice.rows[0] || j >= slice.rows[1] || k < slice.columns[0] || k >= slice.columns[1]) return null;
  return {
    line: Math.floor((j - slice.rows[0]) / slice.cell[0]),
    column: Math.floor((k - slice.columns[0]) / slice.cell[1]),
  };
}
