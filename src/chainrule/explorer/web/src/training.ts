/** Training as the server tells it: one poll for the whole page, which is also how a change elsewhere is noticed. */

import { signal } from "@preact/signals";
import { api, connected, type Training } from "./api";
import { mergeHistory } from "./history";
import { report } from "./problems";

/** The latest, with the whole history so far. */
export const training = signal<Training | null>(null);

const RUNNING_MS = 250;
const IDLE_MS = 2000;

let accepted = 0;

/** How many answers have been taken: one that was asked for before the latest was taken is older than it. */
export function answersTaken(): number {
  return accepted;
}

export function acceptTraining(answer: Training): void {
  accepted += 1;
  training.value = { ...answer, history: mergeHistory(training.value?.history ?? null, answer.history) };
}

let timer: ReturnType<typeof setTimeout> | undefined;

function again(after: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void poll(), after);
}

async function poll(): Promise<void> {
  try {
    const known = training.value;
    const before = answersTaken();
    const answer = await api.training(known?.history.cost.length ?? 0);
    // Fewer epochs than known: it was reset elsewhere, so what is known is void.
    if (before === answersTaken() && known && answer.epoch < known.history.cost.length) {
      training.value = null;
      again(0);
      return;
    }
    if (before === answersTaken()) acceptTraining(answer);
  } catch (error) {
    report(error);
  }
  again(training.value?.status === "running" && connected.value && !document.hidden ? RUNNING_MS : IDLE_MS);
}

export function startPolling(): void {
  again(0);
}
