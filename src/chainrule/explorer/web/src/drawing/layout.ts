/** Where layers, units, edges and matrices stand in the drawing. Pixels; nothing here draws. */

export const UNITS_AT_MOST = 32;
/** A layer shows at most so many units at a time; more are paged. */
export const WINDOW = 2048;
/** A matrix shows at most so many cells a side; a slice of more is pooled by the server. */
export const CELLS = 64;

export interface LayerBox {
  layer: number;
  n: number;
  /** First unit shown, and how many. */
  start: number;
  shown: number;
  mode: "units" | "grid";
  /** A grid that is a picture: cells are pixels. */
  picture: boolean;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Units to a line: 1 in a column of circles. */
  columns: number;
  /** Distance from unit to unit. */
  pitch: number;
  /** Radius of a circle; 0 in a grid. */
  radius: number;
}

export interface Gap {
  /** The weights into this layer. */
  layer: number;
  mode: "edges" | "matrix";
  x: number;
  width: number;
  /** The matrix's rectangle; the whole gap where there are edges. */
  box: { x: number; y: number; width: number; height: number };
  /** Whether the matrix's rows stand beside the units of the layer at its right. */
  aligned: boolean;
}

export interface Layout {
  width: number;
  height: number;
  layers: LayerBox[];
  gaps: Gap[];
  /** The cost, at the right of the outputs. */
  cost: { x: number; y: number; radius: number };
}

export interface Frame {
  width: number;
  sizes: readonly number[];
  image: { width: number; height: number } | null;
  /** First unit shown by layer, where a layer is paged. */
  starts?: Readonly<Record<number, number>>;
}

const HEAD = 46;
const FOOT = 14;
/** Under a matrix that can be come nearer to: two lines of what is shown, and buttons. */
const FOOT_TOOLS = 66;
const GAP_MOST = 250;
const COST_RADIUS = 15;

/** Below this width everything stands closer. */
const NARROW = 560;

interface Spacing {
  padding: number;
  edges: number;
  matrix: number;
  /** Between a matrix and the layers beside it, left and right together. */
  matrixMargin: number;
  cost: number;
  radius: number;
  picture: number;
}

const WIDE_SPACING: Spacing = { padding: 26, edges: 64, matrix: 104, matrixMargin: 28, cost: 40, radius: 24, picture: 196 };
const NARROW_SPACING: Spacing = { padding: 12, edges: 42, matrix: 84, matrixMargin: 18, cost: 26, radius: 16, picture: 84 };

function spacingOf(frame: Frame): Spacing {
  if (frame.width < NARROW) return NARROW_SPACING;
  const many = frame.width < 800 && frame.sizes.length > 3;
  return many ? { ...WIDE_SPACING, picture: 112 } : WIDE_SPACING;
}

function pictured(layer: number, n: number, image: Frame["image"]): boolean {
  return layer === 0 && image !== null && image.width * image.height === n;
}

function bodyHeight(frame: Frame): number {
  const narrow = frame.width < NARROW;
  const units = frame.sizes.filter((n) => n <= UNITS_AT_MOST);
  const grids = frame.sizes.length > units.length || frame.image !== null;
  const wanted = Math.max(0, ...units.map((n) => n * 66));
  const most = narrow ? 360 : 440;
  return Math.min(most, Math.max(wanted, grids ? most * 0.8 : 190));
}

function layerBox(layer: number, frame: Frame, body: number): LayerBox {
  const n = frame.sizes[layer]!;
  const picture = pictured(layer, n, frame.image);
  const start = picture ? 0 : Math.min(frame.starts?.[layer] ?? 0, Math.max(0, n - 1));
  const base = { layer, n, picture, x: 0 };
  if (!picture && n <= UNITS_AT_MOST) {
    const pitch = Math.min(72, body / n);
    const radius = Math.max(4, Math.min(spacingOf(frame).radius, pitch * 0.42));
    const height = pitch * n;
    return { ...base, start: 0, shown: n, mode: "units", y: HEAD + (body - height) / 2, width: 2 * radius, height, columns: 1, pitch, radius };
  }
  const shown = picture ? n : Math.min(WINDOW, n - start);
  const columns = picture ? frame.image!.width : gridColumns(Math.min(n, WINDOW), body);
  const lines = Math.ceil(shown / columns);
  const widest = spacingOf(frame).picture;
  const pitch = picture
    ? Math.max(2, Math.floor(Math.min(widest / columns, (body * 0.9) / lines)))
    : Math.max(2, Math.min(10, Math.floor((body * 0.96) / Math.ceil(Math.min(n, WINDOW) / columns))));
  const height = lines * pitch;
  return { ...base, start, shown, mode: "grid", y: HEAD + (body - height) / 2, width: columns * pitch, height, columns, pitch, radius: 0 };
}

/** A tall strip, about eight times as high as wide, for which the cells come out square and large. */
function gridColumns(count: number, body: number): number {
  for (let columns = 2; columns < 64; columns += 1) {
    const pitch = Math.floor((body * 0.96) / Math.ceil(count / columns));
    if (pitch >= 5 || columns * 2 >= 44) return columns;
  }
  return 64;
}

/** Whether a matrix is larger than what is shown of it unpooled. */
export function isZoomable(gap: Gap, sizes: readonly number[]): boolean {
  return gap.mode === "matrix" && Math.max(sizes[gap.layer] ?? 0, sizes[gap.layer - 1] ?? 0) > CELLS;
}

function foot(frame: Frame, gaps: readonly Gap[]): number {
  if (gaps.some((gap) => gap.aligned && isZoomable(gap, frame.sizes))) return FOOT_TOOLS;
  return gaps.some((gap) => gap.mode === "matrix") ? FOOT + 8 : FOOT;
}

export function layout(frame: Frame): Layout {
  const body = bodyHeight(frame);
  const space = spacingOf(frame);
  const least = (mode: Gap["mode"]): number => (mode === "edges" ? space.edges : space.matrix);
  const layers = frame.sizes.map((_, layer) => layerBox(layer, frame, body));
  const modes = layers.slice(1).map((box, index) => (box.mode === "units" && layers[index]!.mode === "units" ? "edges" : "matrix"));
  const needed = modes.reduce((sum, mode) => sum + least(mode), 0);
  const taken = layers.reduce((sum, box) => sum + box.width, 0) + 2 * space.padding + space.cost + 2 * COST_RADIUS;
  const spare = Math.max(0, frame.width - taken - needed) / Math.max(1, modes.length);
  const widths = modes.map((mode) => Math.min(GAP_MOST, least(mode) + spare));
  const used = taken + widths.reduce((sum, width) => sum + width, 0);
  let x = space.padding + Math.max(0, (frame.width - used) / 2);
  const gaps: Gap[] = [];
  layers.forEach((box, index) => {
    box.x = x;
    x += box.width;
    const width = widths[index];
    if (width === undefined) return;
    const above = layers[index + 1]!;
    const mode = modes[index]!;
    const aligned = mode === "matrix" && above.mode === "units";
    const side = Math.min(width - space.matrixMargin, 200);
    const rect =
      mode === "edges"
        ? { x, y: HEAD, width, height: body }
        : aligned
          ? { x: x + (width - side) / 2, y: above.y, width: side, height: above.height }
          : { x: x + (width - side) / 2, y: HEAD + body * 0.1, width: side, height: body * 0.8 };
    gaps.push({ layer: index + 1, mode, x, width, box: rect, aligned });
    x += width;
  });
  const cost = { x: x + space.cost + COST_RADIUS, y: HEAD + body / 2, radius: COST_RADIUS };
  return { width: Math.max(frame.width, used), height: HEAD + body + foot(frame, gaps), layers, gaps, cost };
}

/** The middle of a unit. A unit outside the window shown is put at its nearer end. */
export function unitCentre(box: LayerBox, unit: number): { x: number; y: number } {
  const index = Math.max(0, Math.min(box.shown - 1, unit - box.start));
  const column = index % box.columns;
  const line = Math.floor(index / box.columns);
  return {
    x: box.mode === "units" ? box.x + box.width / 2 : box.x + (column + 0.5) * box.pitch,
    y: box.y + (line + 0.5) * box.pitch,
  };
}

/** The unit under a point, or null. */
export function unitAt(box: LayerBox, x: number, y: number): number | null {
  const slack = box.mode === "units" ? 3 : 0;
  if (x < box.x - slack || x >= box.x + box.width + slack || y < box.y || y >= box.y + box.height) return null;
  const line = Math.floor((y - box.y) / box.pitch);
  const column = box.mode === "units" ? 0 : Math.floor((x - box.x) / box.pitch);
  const index = line * box.columns + column;
  return index < box.shown ? box.start + index : null;
}

/** The edge nearest to a point, as [j, k], or null where none is within `reach` pixels. */
export function edgeAt(below: LayerBox, above: LayerBox, x: number, y: number, reach = 7): [number, number] | null {
  const x0 = below.x + below.width;
  const x1 = above.x;
  if (x <= x0 || x >= x1) return null;
  let best: [number, number] | null = null;
  let nearest = reach;
  for (let k = 0; k < below.n; k += 1) {
    const from = unitCentre(below, k);
    for (let j = 0; j < above.n; j += 1) {
      const to = unitCentre(above, j);
      const run = to.x - from.x;
      const rise = to.y - from.y;
      const distance = Math.abs(rise * (x - from.x) - run * (y - from.y)) / Math.hypot(run, rise);
      if (distance < nearest) {
        nearest = distance;
        best = [j, k];
      }
    }
  }
  return best;
}
