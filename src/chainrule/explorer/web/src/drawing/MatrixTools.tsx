/** Buttons to come nearer to a matrix, to go back, and to page a layer that is longer than what is shown. */

import { sizes } from "../store";
import { CELLS, isZoomable, WINDOW, type Layout } from "./layout";
import { zoom } from "./matrixView";
import { setWindow, starts, windowOf, windows } from "./numbers";

function nearer(layer: number, factor: number): void {
  const { rows, columns } = windowOf(layer);
  const shape: [number, number] = [sizes.value[layer] ?? 0, sizes.value[layer - 1] ?? 0];
  const middle = ([from, to]: [number, number]): number => (from + to) / 2;
  setWindow(layer, zoom({ rows, columns }, shape, middle(rows), middle(columns), factor, CELLS));
}

function Zoom({ layer, x, y }: { layer: number; x: number; y: number }) {
  const zoomed = windows.value[layer] !== undefined;
  return (
    <div class="matrix-tools" style={{ left: `${x}px`, top: `${y}px` }} role="group" aria-label={`Matrix into layer ${layer}`}>
      <button type="button" aria-label="Nearer" onClick={() => nearer(layer, 0.5)}>
        +
      </button>
      <button type="button" aria-label="Farther" disabled={!zoomed} onClick={() => nearer(layer, 2)}>
        −
      </button>
      <button type="button" aria-label="All of the matrix" disabled={!zoomed} onClick={() => setWindow(layer, null)}>
        all
      </button>
    </div>
  );
}

function Pager({ layer, n, start, x, y }: { layer: number; n: number; start: number; x: number; y: number }) {
  const to = (next: number): void => {
    starts.value = { ...starts.value, [layer]: next };
  };
  return (
    <div class="matrix-tools" style={{ left: `${x}px`, top: `${y}px` }} role="group" aria-label={`Units of layer ${layer} shown`}>
      <button type="button" aria-label="Earlier units" disabled={start === 0} onClick={() => to(Math.max(0, start - WINDOW))}>
        ‹
      </button>
      <span class="pager-range">
        {start}–{Math.min(start + WINDOW, n) - 1}
      </span>
      <button type="button" aria-label="Later units" disabled={start + WINDOW >= n} onClick={() => to(start + WINDOW)}>
        ›
      </button>
    </div>
  );
}

export function MatrixTools({ plan }: { plan: Layout }) {
  const zoomable = plan.gaps.filter((gap) => isZoomable(gap, sizes.value));
  const paged = plan.layers.filter((box) => !box.picture && box.n > WINDOW);
  return (
    <>
      {zoomable.map(({ layer, box }) => (
        <Zoom key={layer} layer={layer} x={box.x + box.width / 2} y={box.y + box.height + 36} />
      ))}
      {paged.map((box) => (
        <Pager
          key={`p${box.layer}`}
          layer={box.layer}
          n={box.n}
          start={box.start}
          x={box.x + box.width / 2}
          y={box.y + box.height + 4}
        />
      ))}
    </>
  );
}
