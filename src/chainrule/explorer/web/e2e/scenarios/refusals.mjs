/** Bad input: the server's words stand beside the control, the page lives on, and what is right is taken again. */

import { open, panel, set } from "../page.mjs";

export default async function refusals({ page, context, address }) {
  const training = panel(page, "Training");
  await set(page, "step size η", "-1");
  const field = training.getByLabel("step size η", { exact: true });
  const refused = training.locator("#training-learning_rate-fault");
  await refused.waitFor();
  const stepSize = await refused.textContent();
  const invalid = [await field.getAttribute("aria-invalid"), await field.getAttribute("aria-describedby")];
  await set(page, "step size η", "0.05");
  await refused.waitFor({ state: "hidden" });

  await set(page, "batch size", "many");
  const batchSize = await training.locator("#training-batch_size-fault").textContent();
  await set(page, "batch size", "16");

  await page.getByRole("button", { name: "Open…" }).click();
  const dialog = page.getByRole("dialog", { name: "Open a data set" });
  await dialog.getByLabel("Hidden layers").fill("4, 1000000");
  await dialog.getByRole("button", { name: "Make the network" }).click();
  await dialog.locator("#open-hidden-fault").waitFor();
  const hidden = await dialog.locator("#open-hidden-fault").textContent();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });

  // A window without the token is told so, in words.
  const other = await context.newPage();
  await other.goto(new URL(address).origin);
  const withoutToken = await other.locator("body").innerText();
  await other.close();

  await open(page, { dataset: "xor", hidden: "2", seed: 0 });
  return { stepSize, invalid, batchSize, hidden, withoutToken, after: await page.locator(".header-network").innerText() };
}
