/** The drawing's layout for the network shown and the width there is. */

import { computed, effect, signal } from "@preact/signals";
import { currentStep, data, sizes } from "../store";
import { cursor } from "./cursor";
import { layout } from "./layout";
import { lightOf } from "./light";
import { starts, windows } from "./numbers";

/** Width of the drawing's place in pixels. */
export const width = signal(720);

export const plan = computed(() =>
  layout({ width: width.value, sizes: sizes.value, image: data.value?.image ?? null, starts: starts.value }),
);

export const light = computed(() => lightOf(currentStep.value, sizes.value.length - 1));

/** Another network has other layers: what was paged and zoomed to is void. Call once. */
export function startPlan(): void {
  let shown = "";
  effect(() => {
    const now = sizes.value.join();
    if (now === shown) return;
    shown = now;
    // Written only where there is something to forget: all who read them would ask the server anew.
    if (Object.keys(starts.peek()).length) starts.value = {};
    if (Object.keys(windows.peek()).length) windows.value = {};
    cursor.value = { kind: "unit", layer: 0, unit: 0 };
  });
}
