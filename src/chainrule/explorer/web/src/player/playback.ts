/** Playing through a derivation: one step after another, until the last. */

import { computed, effect, signal } from "@preact/signals";
import { step, steps } from "../store";

export const playing = signal(false);
/** Steps a second, as a multiple of the usual. */
export const speed = signal(1);
const STEP_MS = 1400;

export const last = computed(() => Math.max(0, steps.value.length - 1));
export const position = computed(() => Math.min(step.value, last.value));

export function goTo(next: number): void {
  step.value = Math.max(0, Math.min(last.value, next));
}

export function toggle(): void {
  if (!playing.value && position.value >= last.value) goTo(0);
  playing.value = !playing.value;
}

/** Call once. */
export function startPlayback(): void {
  effect(() => {
    if (!playing.value) return;
    if (position.value >= last.value) {
      playing.value = false;
      return;
    }
    const timer = setTimeout(() => goTo(position.peek() + 1), STEP_MS / speed.value);
    return () => clearTimeout(timer);
  });
}
