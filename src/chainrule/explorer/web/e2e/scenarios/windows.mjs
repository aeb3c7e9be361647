/** Two windows on one server: what is trained in one is shown in the other. */

import { open, panel } from "../page.mjs";

export default async function windows({ page, context, address }) {
  await open(page, { dataset: "circles", hidden: "5", activation: "tanh", seed: 1 });
  const other = await context.newPage();
  await other.goto(address);
  await panel(other, "Training").getByText("epoch 0 of").waitFor();
  const facts = async (one) => (await one.locator(".row-facts").innerText()).replace(/\s+/g, " ");
  const untrained = await facts(page);
  await panel(page, "Training").getByRole("button", { name: "One epoch" }).click();
  await panel(other, "Training").getByText("epoch 1 of").waitFor();
  const comes = (one, text, wanted) =>
    one.waitForFunction(
      ([facts, same]) => (document.querySelector(".row-facts")?.innerText.replace(/\s+/g, " ") === facts) === same,
      [text, wanted],
    );
  await comes(page, untrained, false);
  const here = await facts(page);
  await comes(other, here, true);
  // Another data set in the second window changes the first.
  await open(other, { dataset: "iris", hidden: "4", activation: "tanh", seed: 0 });
  await page.locator(".header-network", { hasText: "iris" }).waitFor();
  return { untrained, here, there: await facts(other) };
}
