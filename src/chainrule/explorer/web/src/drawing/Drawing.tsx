/** The network as layers: hover for a number, click to derive it, arrows to walk through it. */

import "./drawing.css";

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { paths, sizes, target } from "../store";
import { CostNode } from "./CostNode";
import { choose, cursor, moved, placeId, press } from "./cursor";
import { Edges } from "./Edges";
import { GridLayer } from "./GridLayer";
import { Headings } from "./Headings";
import { hitAt, type Hit } from "./hit";
import { Legend } from "./Legend";
import { LitPaths } from "./LitPaths";
import { Matrix } from "./Matrix";
import { MatrixTools } from "./MatrixTools";
import { zoom } from "./matrixView";
import { CELLS, isZoomable } from "./layout";
import { setWindow, windowOf } from "./numbers";
import { beginPan, endPan, pan } from "./pan";
import { light, plan, width } from "./plan";
import { SelectedEdge } from "./SelectedEdge";
import { Tooltip } from "./Tooltip";
import { UnitsLayer } from "./UnitsLayer";
import { WeightCursor } from "./WeightCursor";

interface Pointer {
  hit: Hit;
  x: number;
  y: number;
}

function shapeOf(layer: number): [number, number] {
  return [sizes.value[layer] ?? 0, sizes.value[layer - 1] ?? 0];
}

/** Derives what was hit; a block of weights is come nearer to instead. */
function act(hit: Hit): void {
  if (hit.kind === "block") {
    const { rows, columns } = hit.cell;
    const next = zoom(windowOf(hit.layer), shapeOf(hit.layer), (rows[0] + rows[1]) / 2, (columns[0] + columns[1]) / 2, 0.25, CELLS);
    setWindow(hit.layer, next);
    return;
  }
  cursor.value = hit.kind === "weight" ? { kind: "weight", layer: hit.layer, j: hit.j, k: hit.k } : hit;
  choose(cursor.value);
  // The arrows go on from where the pointer was.
  moved.value += 1;
}

function Picture() {
  const shown = plan.value;
  const shining = light.value;
  const grids = shown.layers.filter((box) => box.mode === "grid");
  const circles = shown.layers.filter((box) => box.mode === "units");
  const dimmed = target.value.kind === "W" && (paths.value?.paths.length ?? 0) > 0;
  return (
    <>
      {shown.gaps.map((gap) =>
        gap.mode === "edges" ? (
          <Edges
            key={gap.layer}
            gap={gap}
            below={shown.layers[gap.layer - 1]!}
            above={shown.layers[gap.layer]!}
            light={shining}
            dimmed={dimmed}
          />
        ) : (
          <Matrix key={gap.layer} gap={gap} light={shining} />
        ),
      )}
      {grids.map((box) => (
        <GridLayer key={box.layer} box={box} light={shining} />
      ))}
      <LitPaths plan={shown} />
      <SelectedEdge plan={shown} light={shining} />
      <CostNode plan={shown} light={shining} />
      {circles.map((box) => (
        <UnitsLayer key={box.layer} box={box} light={shining} />
      ))}
      <WeightCursor plan={shown} />
      <Headings layers={shown.layers} />
    </>
  );
}

/** Zooms the matrix under the pointer with the wheel while Ctrl is held, as maps in a page do. */
function wheel(event: WheelEvent, hit: Hit | null): void {
  if (!event.ctrlKey || !hit || (hit.kind !== "block" && hit.kind !== "weight")) return;
  event.preventDefault();
  const [j, k] =
    hit.kind === "weight"
      ? [hit.j, hit.k]
      : [(hit.cell.rows[0] + hit.cell.rows[1]) / 2, (hit.cell.columns[0] + hit.cell.columns[1]) / 2];
  setWindow(hit.layer, zoom(windowOf(hit.layer), shapeOf(hit.layer), j, k, event.deltaY < 0 ? 0.7 : 1.4, CELLS));
}

export function Drawing() {
  const frame = useRef<HTMLDivElement>(null);
  const drawing = useRef<SVGSVGElement>(null);
  const pointer = useSignal<Pointer | null>(null);

  useLayoutEffect(() => {
    const measure = (): void => {
      width.value = Math.max(280, Math.floor(frame.current?.clientWidth ?? 720));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (moved.value > 0) document.getElementById(placeId(cursor.value))?.focus();
  }, [moved.value]);

  const where = (event: MouseEvent): [x: number, y: number] => {
    const area = drawing.current!.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  };
  const find = (event: MouseEvent): Pointer | null => {
    const [x, y] = where(event);
    const hit = hitAt(plan.peek(), x, y);
    return hit && { hit, x: x - (frame.current?.scrollLeft ?? 0), y };
  };

  useEffect(() => {
    const element = drawing.current!;
    const onWheel = (event: WheelEvent): void => wheel(event, find(event)?.hit ?? null);
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, []);

  const { width: w, height: h } = plan.value;
  const over = pointer.value;
  return (
    <div class="drawing">
      <Legend />
      <div class="drawing-frame">
        <div class="drawing-scroll" ref={frame}>
          <div class="drawing-sheet" style={{ width: `${w}px` }}>
            <svg
              ref={drawing}
              class={over ? "network over" : "network"}
              width={w}
              height={h}
              viewBox={`0 0 ${w} ${h}`}
              role="application"
              aria-label="The network. Arrow keys walk through its units, W goes to a unit's weights, Escape back to the unit, Enter derives, B derives a unit's bias."
              onPointerDown={(event) => {
                if (event.pointerType !== "touch") beginPan(plan.peek(), ...where(event));
              }}
              onPointerMove={(event) => (pointer.value = pan(...where(event)) ? null : find(event))}
              onPointerLeave={() => {
                endPan();
                pointer.value = null;
              }}
              onClick={(event) => {
                if (endPan()) return;
                const found = find(event);
                if (found) act(found.hit);
              }}
              onKeyDown={(event) => {
                if (event.ctrlKey || event.metaKey || event.altKey) return;
                if (!press(event.key, plan.peek())) return;
                event.preventDefault();
                pointer.value = null;
              }}
            >
              <Picture />
            </svg>
            <MatrixTools plan={plan.value} />
          </div>
        </div>
        {over ? <Tooltip hit={over.hit} x={over.x} y={over.y} width={width.value} /> : null}
      </div>
      <p class="note drawing-keys">
        Click a weight, a unit or an input to derive it.
        {plan.value.gaps.some((gap) => isZoomable(gap, sizes.value))
          ? " Where a cell of a matrix stands for many weights, a click first comes nearer, until cells are single weights."
          : ""}{" "}
        From the keyboard: arrows, <kbd>W</kbd> for weights, <kbd>Enter</kbd>.
      </p>
    </div>
  );
}
