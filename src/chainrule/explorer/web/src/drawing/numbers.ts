/** The numbers that the drawing shows: units of every layer, and a slice of every weight matrix. */

import { computed, signal } from "@preact/signals";
import { api, type MatrixSlice, type Units } from "../api";
import { largestOf } from "../colour";
import { resource } from "../resource";
import { at, data, edgeColour, sizes, unitColour, version } from "../store";
import type { UnitColour } from "../view";
import { CELLS, WINDOW } from "./layout";

/** The rows (units of the layer) and columns (units of the one below) of a weight matrix that are shown. */
export interface MatrixWindow {
  rows: [number, number];
  columns: [number, number];
}

/** First unit shown, by layer, where a layer is paged. */
export const starts = signal<Record<number, number>>({});
/** What of a matrix is shown, by layer; the whole where nothing is said. */
export const windows = signal<Record<number, MatrixWindow>>({});

export function wholeMatrix(layer: number): MatrixWindow {
  return { rows: [0, sizes.value[layer] ?? 0], columns: [0, sizes.value[layer - 1] ?? 0] };
}

export function windowOf(layer: number): MatrixWindow {
  return windows.value[layer] ?? wholeMatrix(layer);
}

export function setWindow(layer: number, next: MatrixWindow | null): void {
  const { [layer]: _, ...others } = windows.value;
  windows.value = next ? { ...others, [layer]: next } : others;
}

/** Units of each layer for the row shown. */
export const layerUnits = resource<Units[]>((abort) => {
  const here = at.value;
  if (!here) return null;
  const first = starts.value;
  const image = data.peek()?.image ?? null;
  return Promise.all(
    sizes.peek().map(async (n, layer) => {
      const name = { part: here.part, row: here.row, layer };
      // A picture is shown whole, however many requests it takes.
      const whole = layer === 0 && image !== null && image.width * image.height === n;
      const answer = await api.units({ ...name, start: whole ? 0 : (first[layer] ?? 0), count: Math.min(n, WINDOW) }, abort);
      while (whole && answer.a.length < n) {
        const more = await api.units({ ...name, start: answer.a.length, count: Math.min(n - answer.a.length, WINDOW) }, abort);
        answer.a.push(...more.a);
        answer.delta?.push(...(more.delta ?? []));
      }
      return answer;
    }),
  );
});

const kept = new Map<string, Promise<MatrixSlice>>();

/** Slices of all weight matrices; those that have not changed since are not asked for again. */
export const slices = resource<MatrixSlice[]>(() => {
  const what = edgeColour.value;
  // W is the same for every row: only its version matters.
  const here = what === "W" ? (version.value ? at.peek() : null) : at.value;
  const shown = windows.value;
  const all = sizes.value;
  if (!here || all.length === 0) return null;
  const stamp = what === "W" ? `${version.value}` : `${here.version}|${here.part}|${here.row}`;
  const keys = all.slice(1).map((_, index) => `${stamp}|${what}|${index + 1}|${JSON.stringify(shown[index + 1] ?? null)}`);
  for (const key of kept.keys()) if (!keys.includes(key)) kept.delete(key);
  return Promise.all(
    keys.map((key, index) => {
      const layer = index + 1;
      const known = kept.get(key);
      if (known) return known;
      const { rows, columns } = windowOf(layer);
      const asked = api.matrix({ part: here.part, row: here.row, layer, what, rows, columns, at_most: CELLS });
      kept.set(key, asked);
      asked.catch(() => kept.delete(key));
      return asked;
    }),
  );
});

/** A unit's number in the colouring asked for; the input has an activation and a gradient only. */
export function unitValues(units: Units | undefined, colour: UnitColour): (number | null)[] {
  if (!units) return [];
  if (units.layer === 0) return (colour === "delta" ? units.delta : units.a) ?? [];
  return units[colour] ?? [];
}

export function unitValue(layer: number, unit: number, colour: UnitColour): number | null {
  const units = layerUnits.value.value?.[layer];
  return unitValues(units, colour)[unit - (units?.start ?? 0)] ?? null;
}

/** The largest magnitude among the units of layers 1 to L, and among the inputs, which have a scale of their own. */
export const unitRange = computed(() => {
  const all = layerUnits.value.value ?? [];
  const colour = unitColour.value;
  return {
    units: Math.max(0, ...all.slice(1).map((units) => largestOf(unitValues(units, colour)))),
    inputs: largestOf(unitValues(all[0], colour)),
  };
});

/** The largest magnitude among the weights shown. */
export const edgeRange = computed(() =>
  Math.max(0, ...(slices.value.value ?? []).map((slice) => Math.abs(slice.largest ?? 0) || largestOf(slice.values.flat()))),
);

/** A weight's number, where the slice shown has it unpooled. */
export function edgeValue(layer: number, j: number, k: number): number | null {
  const slice = slices.value.value?.[layer - 1];
  if (!slice || slice.layer !== layer || slice.pooled) return null;
  return slice.values[j - slice.rows[0]]?.[k - slice.columns[0]] ?? null;
}
