/** Goes to the last step and back to the first, and notes at each what is marked, lit and said. */

import { derivation, open } from "../page.mjs";

export default async function backward({ page, asked }) {
  await open(page, { dataset: "xor", hidden: "4, 3", activation: "tanh", seed: 2 });
  await page.evaluate((of) => (location.hash = `of=${of}`), asked.of);
  const { steps } = await derivation(page, asked.of);
  const player = page.getByRole("group", { name: "Steps of the derivation" });
  const slider = player.getByRole("slider", { name: "Step" });
  await slider.press("End");
  const seen = [];
  for (let index = steps.length - 1; index >= 0; index -= 1) {
    await page.locator(`.one-step[aria-current=step][data-index="${index}"]`).waitFor();
    seen.push({
      index,
      said: await slider.getAttribute("aria-valuetext"),
      ...(await page.evaluate(() => {
        const { equation, layer, units, direction } = document.querySelector(".one-step[aria-current=step] .step").dataset;
        const lit = [...document.querySelectorAll("[id^=unit-].lit")].map((one) => one.id);
        return { equation, layer: Number(layer), units, direction, lit };
      })),
    });
    if (index > 0) await player.getByRole("button", { name: "Step back" }).click();
  }
  // And it plays by itself.
  await player.getByLabel("Speed").selectOption("4");
  await player.getByRole("button", { name: "Play" }).click();
  await page.locator('.one-step[aria-current=step][data-index="2"]').waitFor();
  await player.getByRole("button", { name: "Pause" }).click();
  return { seen };
}
