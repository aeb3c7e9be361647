/** An answer of the server that follows the signals its request reads: fetched anew when one changes, the old one aborted. */

import { effect, signal, type ReadonlySignal } from "@preact/signals";
import { report } from "./problems";

export interface Resource<T> {
  /** The latest answer; kept while a newer one is under way, null before the first and when there is nothing to ask. */
  readonly value: ReadonlySignal<T | null>;
  readonly loading: ReadonlySignal<boolean>;
}

/** `request` reads signals and returns a promise, or null where there is nothing to ask. Its errors go to the banner. */
export function resource<T>(request: (signal: AbortSignal) => Promise<T> | null): Resource<T> {
  const value = signal<T | null>(null);
  const loading = signal(false);
  effect(() => {
    const abort = new AbortController();
    const promise = request(abort.signal);
    if (promise === null) {
      value.value = null;
      loading.value = false;
      return;
    }
    loading.value = true;
    promise
      .then((answer) => {
        if (!abort.signal.aborted) value.value = answer;
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) report(error);
      })
      .finally(() => {
        if (!abort.signal.aborted) loading.value = false;
      });
    return () => abort.abort();
  });
  return { value, loading };
}
