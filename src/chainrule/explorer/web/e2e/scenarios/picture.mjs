/** Trains a network on digits, selects a weight of a row, and takes the picture of the README. */

import { join } from "node:path";
import { ask, derivation, open, panel, set } from "../page.mjs";

export default async function picture({ page, address, folder }) {
  await open(page, { dataset: "digits", hidden: "16", activation: "logistic", seed: 1 });
  await set(page, "epochs", "25");
  const training = panel(page, "Training");
  await training.getByRole("button", { name: "Start" }).click();
  await training.getByRole("status").getByText("Trained").waitFor();
  const { rows } = await ask(page, "largest-gradients?part=test&limit=1");
  await page.goto(`${address}#part=test&row=${rows[0].row}&of=W:1:5:27&edges=Wdelta`);
  const found = await derivation(page, "W:1:5:27", "delta");
  await page.getByRole("region", { name: "Path by path" }).locator(".ledger-sums").waitFor();
  const player = page.getByRole("slider", { name: /step/i }).first();
  await player.press("End");
  await page.evaluate(() => scrollTo(0, 0));
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(folder, "explorer.png") });
  return { value: found.value };
}
