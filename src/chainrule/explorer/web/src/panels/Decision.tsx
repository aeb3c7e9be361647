/** What the network says at every place of the plane, with the rows as points; a click on a point goes to its row. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, type Decision as Answer } from "../api";
import { css, inkAt, largestOf, rgbOf } from "../colour";
import { number } from "../numbers";
import { at, goToRow, part, row, shownRow } from "../store";
import { dark } from "../theme";
import { useAsked } from "./asked";
import { classColour, groundColour } from "./classes";
import { FaultText } from "./fault";
import { useWidth } from "./measured";
import { Panel } from "./Panel";
import { nearest, towards, type Point } from "./plane";
import { linear, type Scale } from "./scale";

const RESOLUTION = 64;
/** A click this near to a point, in pixels, means it. */
const NEAR = 14;
const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function Decision() {
  const onScreen = useSignal(false);
  const ready = useComputed(() => at.value?.version ?? 0);
  // The map is that of the network, whatever the row.
  const { answer, fault } = useAsked((abort) => {
    if (!ready.value) return null;
    return onScreen.value ? api.decision(RESOLUTION, abort) : "later";
  });
  const shown = answer.value;
  const isDark = dark.value;
  return (
    <Panel id="decision" title="Decision map" onScreen={onScreen}>
      <FaultText id="decision-fault" fault={fault.value} field={null} />
      {shown ? (
        <>
          <p class="legend">
            {shown.classes.map((name, c) => (
              <span key={name}>
                <Symbol c={c} colour={css(classColour(c, isDark))} /> class {name}
              </span>
            ))}
          </p>
          <Plane shown={shown} />
        </>
      ) : null}
    </Panel>
  );
}

/** Classes differ in shape too: even ones are discs, odd ones squares. */
function Symbol({ c, colour }: { c: number; colour: string }) {
  return (
    <svg width="12" height="12" aria-hidden="true">
      {c % 2 ? <rect x="2" y="2" width="8" height="8" fill={colour} /> : <circle cx="6" cy="6" r="4.5" fill={colour} />}
    </svg>
  );
}

function Plane({ shown }: { shown: Answer }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [frame, width] = useWidth<HTMLDivElement>();
  const isDark = dark.value;
  const side = Math.min(width, 460);
  const x = linear(shown.x, [0, side]);
  const y = linear(shown.y, [side, 0]);
  const places: Point[] = shown.points.map(([px, py]) => [x.at(px) ?? 0, y.at(py) ?? 0]);
  const here = shownRow.value.value?.inputs.values ?? null;
  const chosen: Point | null = here?.length === 2 ? [x.at(here[0] ?? 0) ?? 0, y.at(here[1] ?? 0) ?? 0] : null;

  useEffect(() => {
    if (canvas.current && side > 0) draw(canvas.current, shown, side, x, y, isDark, chosen);
  }, [shown, side, isDark, chosen?.[0], chosen?.[1]]);

  const go = (i: number | null): void => {
    const next = i === null ? undefined : shown.rows[i];
    if (next !== undefined) goToRow(next, "all");
  };
  const click = (event: MouseEvent & { currentTarget: Element }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    go(nearest(places, [event.clientX - box.left, event.clientY - box.top], NEAR));
  };
  const move = (event: KeyboardEvent): void => {
    const direction = ARROWS[event.key];
    if (!direction) return;
    event.preventDefault();
    const from = chosen && nearest(places, chosen, Infinity);
    go(towards(places, from ?? -1, direction));
  };
  return (
    <div class="decision" ref={frame}>
      <canvas
        ref={canvas}
        style={{ width: `${side}px`, height: `${side}px` }}
        tabIndex={0}
        role="application"
        aria-label="Decision map. Arrow keys go to the next row in that direction; a click goes to the row nearest."
        aria-describedby="decision-reading"
        onClick={click}
        onKeyDown={move}
      />
      <p id="decision-reading" class="note" aria-live="polite">
        {here ? `Row ${row.value} of ${part.value} at (${here.map((value) => number(value, 3)).join(", ")})` : ""}
      </p>
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, shown: Answer, side: number, x: Scale, y: Scale, isDark: boolean, chosen: Point | null): void {
  const fine = Math.min(3, globalThis.devicePixelRatio || 1);
  canvas.width = Math.round(side * fine);
  canvas.height = canvas.width;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const largest = shown.classes.length ? 1 : largestOf(shown.values.flat());
  ground(pen, shown, canvas.width, largest, isDark);
  pen.scale(fine, fine);
  pen.lineWidth = 1;
  pen.strokeStyle = css(inkAt(0, isDark));
  for (const [px, py, c] of shown.points) {
    pen.fillStyle = css(shown.classes.length ? classColour(c, isDark) : rgbOf(c, largest, isDark));
    symbol(pen, x.at(px) ?? 0, y.at(py) ?? 0, shown.classes.length ? c : 0);
    pen.fill();
    pen.stroke();
  }
  if (chosen) {
    pen.beginPath();
    pen.arc(chosen[0], chosen[1], 9, 0, 2 * Math.PI);
    pen.lineWidth = 4.5;
    pen.strokeStyle = css(inkAt(0, isDark));
    pen.stroke();
    pen.lineWidth = 2;
    pen.strokeStyle = css(inkAt(1, isDark));
    pen.stroke();
  }
}

/** The map as a small picture, drawn large; its first line is the lowest y. */
function ground(pen: CanvasRenderingContext2D, shown: Answer, side: number, largest: number, isDark: boolean): void {
  const lines = shown.values.length;
  const columns = shown.values[0]?.length ?? 0;
  if (!lines || !columns) return;
  const picture = new ImageData(columns, lines);
  shown.values.forEach((line, i) => {
    line.forEach((value, j) => {
      const colour = groundColour((value ?? NaN) / (largest || 1), shown.classes.length, isDark);
      picture.data.set([...colour, 255], 4 * ((lines - 1 - i) * columns + j));
    });
  });
  const small = new OffscreenCanvas(columns, lines);
  small.getContext("2d")?.putImageData(picture, 0, 0);
  pen.imageSmoothingEnabled = shown.classes.length <= 2;
  pen.drawImage(small, 0, 0, side, side);
}

function symbol(pen: CanvasRenderingContext2D, x: number, y: number, c: number): void {
  pen.beginPath();
  if (c % 2) pen.rect(x - 3, y - 3, 6, 6);
  else pen.arc(x, y, 3.4, 0, 2 * Math.PI);
}
