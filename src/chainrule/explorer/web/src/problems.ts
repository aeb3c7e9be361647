/** What went wrong and has not been dismissed. Shown by Banner.tsx; never a blank page. */

import { signal } from "@preact/signals";
import { ApiError } from "./api";

export interface Problem {
  id: number;
  message: string;
}

export const problems = signal<Problem[]>([]);
let last = 0;

/** Shows an error, once however often it comes. A lost connection has a notice of its own and is not repeated here. */
export function report(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof ApiError && error.status === 0) return;
  const message = error instanceof Error ? error.message : String(error);
  if (problems.value.some((problem) => problem.message === message)) return;
  problems.value = [...problems.value.slice(-2), { id: (last += 1), message }];
}

export function dismiss(id: number): void {
  problems.value = problems.value.filter((problem) => problem.id !== id);
}
