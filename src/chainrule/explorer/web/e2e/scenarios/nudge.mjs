/** Selects a weight, moves the slider by keys, and reads what was predicted and what came. */

import { clickWeight, full, open, panel } from "../page.mjs";

export default async function nudge({ page, asked }) {
  await open(page, { dataset: "moons", hidden: "3", activation: "tanh", seed: 5 });
  await clickWeight(page, asked.layer, asked.j, asked.k);
  const nudging = panel(page, "Nudge");
  await nudging.getByText(`The weight of layer ${asked.layer} from unit ${asked.k} to unit ${asked.j}`).waitFor();
  const slider = nudging.getByRole("slider", { name: "change it by" });
  const seen = [];
  for (const keys of [["ArrowRight"], Array(24).fill("ArrowRight"), ["End"], ["Home"]]) {
    for (const key of keys) await slider.press(key);
    seen.push({
      by: await full(nudging.locator(".nudge-by")),
      spoken: await slider.getAttribute("aria-valuetext"),
      predicted: await full(nudging.locator("[data-figure=predicted] [title]")),
      true: await full(nudging.locator("[data-figure=true] [title]")),
      words: await nudging.locator(".nudge-miss").textContent(),
    });
  }
  const derivative = await full(nudging.locator(".nudge-target output"));
  return { seen, derivative };
}
