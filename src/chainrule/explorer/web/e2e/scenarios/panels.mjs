/** Rows, input gradient and decision map: what a click and a key select. */

import { ask, open, panel, view } from "../page.mjs";

export default async function panels({ page, asked }) {
  await open(page, { dataset: "digits", hidden: "12", activation: "tanh", seed: 0 });
  const rows = panel(page, "Rows");
  await rows.scrollIntoViewIfNeeded();
  // The list of the network before stays until this one's is there.
  const first = (await ask(page, "largest-gradients?part=test&limit=1")).rows[0].row;
  await rows.locator("tbody tr").first().getByText(String(first), { exact: true }).waitFor();
  await rows.getByRole("button", { name: /^Go to row/ }).first().click();
  const chosen = Number((await view(page)).row ?? 0);
  await rows.getByRole("button", { name: first ? "Previous" : "Next" }).click();
  const beside = Number((await view(page)).row ?? 0);

  const heat = panel(page, "Input gradient");
  await heat.scrollIntoViewIfNeeded();
  await heat.getByLabel("of", { exact: true }).selectOption("3");
  const map = heat.getByRole("application");
  await map.press("ArrowRight");
  await map.press("ArrowRight");
  await map.press("ArrowDown");
  const reading = await heat.locator("#heatmap-reading").textContent();
  await map.press("Enter");
  const of = (await view(page)).of;

  await open(page, { dataset: "moons", hidden: "4", activation: "tanh", seed: 0 });
  const plane = panel(page, "Decision map");
  await plane.scrollIntoViewIfNeeded();
  await plane.getByRole("application").press("ArrowRight");
  await plane.getByText(/Row \d+ of all/).waitFor();
  const moved = await view(page);
  // A click beside a row's point goes to that row.
  const { x, y, points } = await ask(page, "decision?resolution=2");
  const canvas = plane.getByRole("application");
  const side = (await canvas.boundingBox()).width;
  const [px, py] = points[asked.row];
  await canvas.click({
    position: { x: 2 + ((px - x[0]) / (x[1] - x[0])) * side, y: ((y[1] - py) / (y[1] - y[0])) * side },
  });
  return { first, chosen, beside, reading, of, moved, clicked: await view(page) };
}
