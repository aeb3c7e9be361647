/** Opens XOR, takes one batch and one epoch, and trains it until the test rows are right. */

import { ask, open, panel, set } from "../page.mjs";

export default async function xor({ page }) {
  await open(page, { dataset: "xor", hidden: "4, 4", activation: "tanh", seed: 3 });
  const training = panel(page, "Training");
  const place = training.locator(".training-place");
  const places = [await place.textContent()];
  await training.getByRole("button", { name: "One batch" }).click();
  await place.filter({ hasText: "step 1 of 10" }).waitFor();
  places.push(await place.textContent());
  await training.getByRole("button", { name: "One epoch" }).click();
  await place.filter({ hasText: "epoch 1 of" }).waitFor();
  places.push(await place.textContent());

  const first = (await ask(page, "training?since=0")).history.cost[0];
  await set(page, "step size η", "0.03");
  await set(page, "epochs", "120");
  await training.getByRole("button", { name: "Continue" }).click();
  await training.getByRole("button", { name: "Pause" }).waitFor();
  await training.getByRole("status").getByText("Trained").waitFor();
  await place.filter({ hasText: "epoch 120 of 120" }).waitFor();

  const chart = training.getByRole("slider", { name: "Cost, by epoch" });
  const cost = await chart.getAttribute("aria-valuetext");
  await chart.press("Home");
  await chart.and(page.locator("[aria-valuenow=\"1\"]")).waitFor();
  const costAtFirst = await chart.getAttribute("aria-valuetext");
  const gradients = await training.getByRole("slider", { name: "Gradient norm, by epoch" }).getAttribute("aria-valuetext");
  const ground = await panel(page, "Decision map").locator("canvas").evaluate((canvas) => {
    // The middles of two quadrants, which XOR tells apart.
    const line = canvas.getContext("2d").getImageData(0, Math.round(0.06 * canvas.height), canvas.width, 1).data;
    return [0.25, 0.75].map((part) => [...line.slice(4 * Math.round(part * canvas.width)).slice(0, 3)]);
  });
  return { places, first, cost, costAtFirst, gradients, ground, training: await ask(page, "training?since=0") };
}
