/** Where in the derivation forward, backward and gradient are: a bar above the slider; each is a button to its start. */

import type { Direction } from "../api";
import { steps } from "../store";
import { goTo, position } from "./playback";

interface Phase {
  direction: Direction;
  start: number;
  length: number;
}

/** Runs of steps of one direction. */
export function phasesOf(directions: readonly Direction[]): Phase[] {
  const phases: Phase[] = [];
  directions.forEach((direction, index) => {
    const running = phases.at(-1);
    if (running?.direction === direction) running.length += 1;
    else phases.push({ direction, start: index, length: 1 });
  });
  return phases;
}

const NAMES: Record<Direction, string> = { forward: "forward →", backward: "← backward", gradient: "gradient" };

export function Phases() {
  const phases = phasesOf(steps.value.map((one) => one.direction));
  const at = position.value;
  return (
    <div class="phases" role="group" aria-label="Parts of the derivation">
      {phases.map(({ direction, start, length }) => (
        <button
          key={start}
          type="button"
          class={`phase ${direction}`}
          style={{ flexGrow: length }}
          aria-current={at >= start && at < start + length ? "step" : undefined}
          onClick={() => goTo(start)}
        >
          {NAMES[direction]}
        </button>
      ))}
    </div>
  );
}
