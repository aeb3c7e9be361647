/** Opens an address that names a row and a weight that are not there, and reads what the page says and shows instead. */

import { derivation, open, view } from "../page.mjs";

export default async function absent({ page, context, address, asked }) {
  await open(page, { dataset: "xor", hidden: "4, 3", activation: "tanh", seed: 0 });
  const other = await context.newPage();
  await other.goto(`${address}#${asked.hash}`);
  const { title } = await derivation(other, "cost");
  const said = await other.getByRole("alert").allInnerTexts();
  return { said, title, view: await view(other) };
}
