/** Each item of the export menu, saved to the folder under a name of its own. */

import { join } from "node:path";
import { derivation, open } from "../page.mjs";

const ITEMS = {
  svg: "View as SVG",
  png: "View as PNG",
  tex: "Derivation as LaTeX",
  html: "Derivation as HTML",
  txt: "Derivation as text",
  chainrule: "Model file",
};

export default async function exports({ page, folder, asked }) {
  await open(page, { dataset: "xor", hidden: "4, 3", activation: "tanh", seed: 2 });
  await page.evaluate(([of, notation]) => (location.hash = `of=${of}&notation=${notation}`), [asked.of, asked.notation]);
  await derivation(page, asked.of, asked.notation);
  const names = {};
  for (const [ending, item] of Object.entries(ITEMS)) {
    await page.getByRole("button", { name: "Export" }).click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: item, exact: true }).click(),
    ]);
    names[ending] = download.suggestedFilename();
    await download.saveAs(join(folder, `exported.${ending}`));
  }
  return { names };
}
