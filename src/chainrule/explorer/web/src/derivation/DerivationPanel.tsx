/** What was asked for, step by step, in the notation chosen; the step at which the player stands is marked. */

import { useLayoutEffect } from "preact/hooks";
import { number } from "../numbers";
import { derivation, of, shownRow } from "../store";
import { markShown } from "../timing";
import { Choices } from "./Choices";
import "./derivation.css";
import { Ledger } from "./Ledger";
import { Steps } from "./Steps";
import { TargetForm } from "./TargetForm";

/** Opens with a capital and ends as it is: a heading. */
function heading(title: string): string {
  return title.charAt(0).toUpperCase() + title.slice(1);
}

export function DerivationPanel() {
  const shown = derivation.value.value;
  useLayoutEffect(() => {
    if (shown) markShown();
  }, [shown]);
  const fresh = shown?.of === of.value;
  return (
    <div class={fresh ? "derivation" : "derivation stale"} aria-busy={derivation.loading.value}>
      <TargetForm />
      <Choices />
      {shown ? (
        <>
          <div class="derivation-head" aria-live="polite">
            <h2>{heading(shown.title)}</h2>
            {shown.value === null ? null : (
              <output class="derivation-value" title={String(shown.value)}>
                {number(shown.value, 6)}
              </output>
            )}
          </div>
          <details class="definitions">
            <summary>What the symbols mean</summary>
            <div dangerouslySetInnerHTML={{ __html: shown.definitions_html }} />
          </details>
          <Steps />
          <Ledger />
        </>
      ) : (
        <p class="note">{shownRow.loading.value ? "…" : "Nothing is derived yet."}</p>
      )}
    </div>
  );
}
