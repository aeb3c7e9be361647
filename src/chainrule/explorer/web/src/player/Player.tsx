/** Forward and backward as steps: play, pause, step, drag. One position lights drawing and derivation at once. */

import type { DerivationStep } from "../api";
import { currentStep, notation, steps } from "../store";
import { layerName } from "../symbols";
import { Phases } from "./Phases";
import { goTo, last, playing, position, speed, toggle } from "./playback";
import "./player.css";

const SPEEDS = [0.5, 1, 2, 4];

function spoken(step: DerivationStep | null): string {
  if (!step) return "no step";
  const where = step.kind === "cost" ? "cost" : layerName(step.layer, notation.value);
  return `step ${position.value + 1} of ${last.value + 1}, ${step.direction}, ${step.equation}, ${where}`;
}

export function Player() {
  const none = steps.value.length === 0;
  const here = position.value;
  const words = spoken(currentStep.value);
  return (
    <div class="player" role="group" aria-label="Steps of the derivation">
      <Phases />
      <div class="player-row">
        <div class="player-buttons">
          <button type="button" aria-label="To the first step" disabled={none || here === 0} onClick={() => goTo(0)}>
            <Icon path="M4 3v10M13 3L6 8l7 5z" />
          </button>
          <button type="button" aria-label="Step back" disabled={none || here === 0} onClick={() => goTo(here - 1)}>
            <Icon path="M11 3L4 8l7 5z" />
          </button>
          <button type="button" class="primary" aria-label={playing.value ? "Pause" : "Play"} disabled={none} onClick={toggle}>
            <Icon path={playing.value ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4 2.5L13 8l-9 5.5z"} />
          </button>
          <button type="button" aria-label="Step" disabled={none || here === last.value} onClick={() => goTo(here + 1)}>
            <Icon path="M5 3l7 5-7 5z" />
          </button>
        </div>
        <input
          type="range"
          class="player-slider"
          aria-label="Step"
          aria-valuetext={words}
          min={0}
          max={last.value}
          step={1}
          value={here}
          disabled={none}
          onInput={(event) => goTo(event.currentTarget.valueAsNumber)}
        />
        <label class="player-speed">
          <span class="visually-hidden">Speed</span>
          <select value={speed.value} onChange={(event) => (speed.value = Number(event.currentTarget.value))}>
            {SPEEDS.map((value) => (
              <option key={value} value={value}>
                {value === 0.5 ? "½" : value} ×
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="player-words">
        {none ? "" : `${words[0]!.toUpperCase()}${words.slice(1)}`}
      </p>
    </div>
  );
}

function Icon({ path }: { path: string }) {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={path} fill="currentColor" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round" />
    </svg>
  );
}
