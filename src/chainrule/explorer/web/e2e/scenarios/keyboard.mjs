/** Without a pointer: opens a data set, trains an epoch, walks to a weight, derives it and goes through its steps. */

import { derivation, full, panel } from "../page.mjs";

/** Presses Tab until something is focused; every stop on the way has a name and shows that it has the focus. */
async function tabTo(page, wanted, stops) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const one = document.activeElement;
      const labels = "labels" in one && one.labels ? [...one.labels].map((label) => label.textContent).join(" ") : "";
      const style = getComputedStyle(one);
      const card = one.closest("label") && getComputedStyle(one.closest("label"));
      const halo = one.querySelector(".unit-halo");
      return {
        tag: one.tagName.toLowerCase(),
        type: one.type,
        id: one.id,
        name: (one.getAttribute("aria-label") ?? (labels || one.textContent || "")).replace(/\s+/g, " ").trim().slice(0, 60),
        seen:
          [style, card].some((of) => of && of.outlineStyle !== "none" && parseFloat(of.outlineWidth) > 0) ||
          (halo !== null && getComputedStyle(halo).stroke !== "none"),
      };
    });
    stops.push(stop);
    if (wanted(stop)) return stop;
  }
  throw new Error(`no stop of ${stops.length} is the one: ${stops.map((stop) => stop.name).join(" | ")}`);
}

export default async function keyboard({ page }) {
  const stops = [];
  await tabTo(page, (stop) => stop.name === "Open…", stops);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  const inDialog = [];
  await tabTo(page, (stop) => stop.type === "radio", inDialog);
  for (let presses = 0; presses < 12; presses += 1) {
    if (await page.getByRole("radio", { name: /^circles/ }).isChecked()) break;
    await page.keyboard.press("ArrowDown");
  }
  await tabTo(page, (stop) => stop.name === "Hidden layers", inDialog);
  await page.keyboard.press("Control+A");
  await page.keyboard.type("3, 2");
  await page.keyboard.press("Enter");
  await page.locator(".header-network", { hasText: "circles" }).waitFor();
  await page.getByRole("dialog").waitFor({ state: "hidden" });

  await tabTo(page, (stop) => stop.id === "unit-0-0", stops);
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.activeElement.id.startsWith("unit-1-"));
  const unit = await page.evaluate(() => document.activeElement.id);
  await page.keyboard.press("w");
  await page.waitForFunction(() => document.activeElement.id.startsWith("weight-1-"));
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => /^weight-1-\d+-1$/.test(document.activeElement.id));
  const weight = await page.evaluate(() => [document.activeElement.id, document.activeElement.getAttribute("aria-label")]);
  await page.keyboard.press("Enter");
  const of = await page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("of"));
  const found = await derivation(page, of);

  await tabTo(page, (stop) => stop.name === "Step" && stop.tag === "input", stops);
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  const said = await page.evaluate(() => document.activeElement.getAttribute("aria-valuetext"));

  await tabTo(page, (stop) => stop.name === "One epoch", stops);
  await page.keyboard.press("Space");
  await panel(page, "Training").getByText("epoch 1 of").waitFor();
  await tabTo(page, (stop) => stop.name === "change it by", stops);
  await page.keyboard.press("ArrowRight");
  const by = await full(panel(page, "Nudge").locator(".nudge-by"));
  // No stop holds the focus: Tab comes to the end of the page, and begins anew.
  await tabTo(page, (stop) => stop.tag === "body" || stop.name === "Open…", stops);
  if (stops.at(-1).tag === "body") stops.pop();
  return { unit, weight, of, count: found.steps.length, said, by, stops: [...stops, ...inDialog] };
}
