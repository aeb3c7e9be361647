import { expect, it } from "vitest";
import type { MatrixSlice } from "../api";
import { cellOf, panSpan, placeIn, reveal, zoom, zoomSpan } from "./matrixView";

const slice: MatrixSlice = {
  layer: 1,
  what: "W",
  shape: [5, 100],
  rows: [0, 5],
  columns: [10, 33],
  pooled: true,
  cell: [1, 4],
  values: Array.from({ length: 5 }, (_, j) => Array.from({ length: 6 }, (_, k) => j + k)),
  largest: 9,
};

it("says which block a cell stands for, the last cut at the end", () => {
  expect(cellOf(slice, 2, 1)).toEqual({ rows: [2, 3], columns: [14, 18], value: 3 });
  expect(cellOf(slice, 4, 5)).toEqual({ rows: [4, 5], columns: [30, 33], value: 9 });
  expect(cellOf(slice, 5, 0)).toBeNull();
});

it("says in which cell a weight is", () => {
  expect(placeIn(slice, 2, 15)).toEqual({ line: 2, column: 1 });
  expect(placeIn(slice, 2, 33)).toBeNull();
});

it("keeps the centre in place, and stays within the matrix", () => {
  expect(zoomSpan([0, 784], 784, 392, 0.25, 12)).toEqual([294, 490]);
  expect(zoomSpan([0, 784], 784, 0, 0.25, 12)).toEqual([0, 196]);
  expect(zoomSpan([294, 490], 784, 392, 8, 12)).toEqual([0, 784]);
  expect(zoomSpan([100, 112], 784, 106, 0.5, 12)).toEqual([100, 112]);
});

it("doesn't come nearer to a side that is shown unpooled", () => {
  const near = zoom({ rows: [0, 16], columns: [0, 784] }, [16, 784], 3, 100, 0.25, 64);
  expect(near.rows).toEqual([0, 16]);
  expect(near.columns[1] - near.columns[0]).toBe(196);
});

it("moves what is shown no further than the matrix goes", () => {
  expect(panSpan([10, 30], 100, 5)).toEqual([15, 35]);
  expect(panSpan([10, 30], 100, -50)).toEqual([0, 20]);
  expect(panSpan([10, 30], 100, 500)).toEqual([80, 100]);
});

it("moves just as far as brings a weight into sight", () => {
  expect(reveal([10, 30], 100, 20)).toEqual([10, 30]);
  expect(reveal([10, 30], 100, 30)).toEqual([11, 31]);
  expect(reveal([10, 30], 100, 4)).toEqual([4, 24]);
});
