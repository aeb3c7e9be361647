/** Two windows on one server: what is trained in one is shown in the other. */

import { open, panel } from "../page.mjs";

export default async function windows({ page, context, address }) {
  await open(page, { dataset: "circles", hidden: "5", activation: "tanh", seed: 1 });
  const other = await context.newPage();
  await other.goto(address);
  await panel(other, "Training").getByText("epoch 0 of").waitFor();
  const facts = async (one) => (await one.locator(".row-facts").innerText()).replace(/\s+/g, " ");
  const comes = (one, text, wanted) =>
    one.waitForFunction(
      ([words, same]) => (document.querySelector(".row-facts")?.innerText.replace(/\s+/g, " ") === words) === same,
      [text, wanted],
    );
  const untrained = await facts(other);
  await comes(page, untrained, true);
  await panel(page, "Training").getByRole("button", { name: "One epoch" }).click();
  await panel(other, "Training").getByText("epoch 1 of").waitFor();
  await comes(page, untrained, false);
  const here = await facts(page);
  await comes(other, here, true);
  // Another data set in the second window changes the first.
  await open(other, { dataset: "iris", hidden: "4", activation: "tanh", seed: 0 });
  await page.locator(".header-network", { hasText: "iris" }).waitFor();
  await other.locator(".row-facts", { hasText: "setosa" }).waitFor();
  return { untrained, here, there: await facts(other) };
}
