/** What a panel asks the server for: its answer, or the refusal to show beside the control that caused it. */

import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import { ApiError } from "../api";
import { faultOf, type Fault } from "./fault";

export interface Asked<T> {
  /** The latest answer, kept while a newer one is under way; null where there is nothing to ask. */
  readonly answer: ReadonlySignal<T | null>;
  readonly fault: ReadonlySignal<Fault | null>;
}

/**
 * Asks anew whenever a signal that `request` reads changes; the request before is aborted. Null: there is nothing to
 * ask, and nothing to show. "later": what was answered last stays.
 */
export function useAsked<T>(request: (abort: AbortSignal) => Promise<T> | "later" | null): Asked<T> {
  const answer = useSignal<T | null>(null);
  const fault = useSignal<Fault | null>(null);
  useSignalEffect(() => {
    const abort = new AbortController();
    const promise = request(abort.signal);
    if (promise === "later") return;
    if (promise === null) {
      answer.value = null;
      fault.value = null;
      return;
    }
    promise.then(
      (value) => {
        if (abort.signal.aborted) return;
        answer.value = value;
        fault.value = null;
      },
      (error: unknown) => {
        // A lost connection is told once for the whole page.
        if (abort.signal.aborted || (error instanceof ApiError && error.status === 0)) return;
        fault.value = faultOf(error);
      },
    );
    return () => abort.abort();
  });
  return { answer, fault };
}
