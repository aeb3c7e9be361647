/** Clicks on weights of each layer, and reads the derivation and the paths beside it. */

import { clickWeight, derivation, open } from "../page.mjs";

export default async function weights({ page, asked }) {
  await open(page, { dataset: "xor", hidden: "4, 3", activation: "tanh", seed: 2 });
  const seen = [];
  for (const [layer, j, k] of asked.weights) {
    await clickWeight(page, layer, j, k);
    const of = `W:${layer}:${j}:${k}`;
    const found = await derivation(page, of);
    const sums = page.getByRole("region", { name: "Path by path" }).locator(".ledger-sums");
    await sums.waitFor();
    seen.push({ of, ...found, sums: await sums.innerText(), lit: await page.locator(".edge-selected").count() });
  }
  return { seen };
}
