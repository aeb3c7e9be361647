/** Opens an address of a row and a weight that are not there, then types such a row; reads what the page says and shows. */

import { derivation, open, view } from "../page.mjs";

export default async function absent({ page, context, address, asked }) {
  await open(page, { dataset: "xor", hidden: "4, 3", activation: "tanh", seed: 0 });
  const other = await context.newPage();
  await other.goto(`${address}#${asked.hash}`);
  const { title } = await derivation(other, "cost");
  const said = await other.getByRole("alert").allInnerTexts();
  const seen = await view(other);
  const field = other.getByRole("group", { name: "Row shown" }).getByRole("spinbutton");
  await field.fill("1234");
  await field.press("Enter");
  const typed = await other.locator(".problem span", { hasText: "got 1234" }).textContent();
  return { said, title, view: seen, typed, field: await field.inputValue() };
}
