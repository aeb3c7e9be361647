/** A deep link restores its view; going back returns to the place before. */

import { derivation, open, panel, view } from "../page.mjs";

export default async function links({ page, context, address, asked }) {
  await open(page, { dataset: "moons", hidden: "3", activation: "tanh", seed: 0 });
  const other = await context.newPage();
  await other.goto(`${address}#${asked.hash}`);
  const { title } = await derivation(other, asked.of, asked.notation);
  const shown = {
    title,
    row: await other.getByRole("group", { name: "Row" }).getByRole("spinbutton").inputValue(),
    pressed: await other.getByRole("button", { name: "Matrices" }).getAttribute("aria-pressed"),
    step: await other.locator(".one-step[aria-current=step]").getAttribute("data-index"),
    view: await view(other),
  };
  await panel(other, "Rows").getByRole("button", { name: "Next" }).click();
  await other.waitForFunction(() => location.hash.includes("row=8"));
  await other.goBack();
  await other.waitForFunction(() => location.hash.includes("row=7"));
  return { ...shown, back: await view(other) };
}
