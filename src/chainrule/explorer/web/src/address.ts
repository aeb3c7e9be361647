/** The address follows the view, and the view follows the address: deep links, and a back button that works. */

import { batch, computed, effect } from "@preact/signals";
import { edgeColour, form, notation, of, output, part, row, shifted, step, unitColour } from "./store";
import { decodeView, encodeView, type View } from "./view";

const view = computed<View>(() => ({
  part: part.value,
  row: row.value,
  of: of.value,
  output: output.value,
  notation: notation.value,
  shifted: shifted.value,
  form: form.value,
  step: step.value,
  edges: edgeColour.value,
  units: unitColour.value,
}));

/** Another row or another derivation is a place to come back to; a step or a colour is not. */
function isAnotherPlace(before: View, after: View): boolean {
  return before.part !== after.part || before.row !== after.row || before.of !== after.of || before.output !== after.output;
}

function show(next: View): void {
  batch(() => {
    part.value = next.part;
    row.value = next.row;
    of.value = next.of;
    output.value = next.output;
    notation.value = next.notation;
    shifted.value = next.shifted;
    form.value = next.form;
    step.value = next.step;
    edgeColour.value = next.edges;
    unitColour.value = next.units;
  });
}

export function startAddress(): void {
  let shown = decodeView(location.hash);
  const onAddress = (): void => {
    shown = decodeView(location.hash);
    show(shown);
  };
  addEventListener("popstate", onAddress);
  addEventListener("hashchange", onAddress);
  effect(() => {
    const next = view.value;
    const hash = encodeView(next);
    if (hash === encodeView(shown)) return;
    const address = `${location.pathname}${location.search}${hash ? `#${hash}` : ""}`;
    if (isAnotherPlace(shown, next)) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
    shown = next;
  });
}
