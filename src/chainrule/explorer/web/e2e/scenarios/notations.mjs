/** The same derivative in each notation of the menu, and in both forms. */

import { derivation, open } from "../page.mjs";

export default async function notations({ page, asked }) {
  await open(page, { dataset: "xor", hidden: "4, 3", activation: "tanh", seed: 2 });
  await page.evaluate((of) => (location.hash = `of=${of}`), asked.of);
  const panel = page.getByRole("region", { name: "Derivation", exact: true });
  const menu = panel.getByRole("combobox", { name: /^Notation/ });
  await menu.waitFor();
  const names = await menu.locator("option").evaluateAll((options) => options.map((one) => one.value));
  const seen = {};
  for (const name of names) {
    await menu.selectOption(name);
    seen[name] = await derivation(page, asked.of, name);
  }
  await panel.getByRole("button", { name: "Matrices" }).click();
  await page.waitForFunction((count) => document.querySelectorAll(".one-step").length !== count, seen[names.at(-1)].steps.length);
  return { seen, matrices: await derivation(page, asked.of, names.at(-1)) };
}
