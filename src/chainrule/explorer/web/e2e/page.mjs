/** What scenarios do with the page, in the words that its user reads. */

/** Opens a data set by the dialog, and waits until the page shows the new network. */
export async function open(page, { dataset, hidden, activation = "tanh", seed = 0 }) {
  await page.getByRole("button", { name: "Open…" }).click();
  const dialog = page.getByRole("dialog", { name: "Open a data set" });
  await dialog.getByRole("radio", { name: new RegExp(`^${dataset.replaceAll("_", " ")}\\b`) }).check();
  await dialog.getByLabel("Hidden layers").fill(hidden);
  await dialog.getByLabel("Activation").selectOption(activation);
  await dialog.getByLabel("Seed").fill(String(seed));
  await dialog.getByRole("button", { name: "Make the network" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.locator(".header-network", { hasText: dataset }).waitFor();
}

/** A panel by its heading. */
export function panel(page, name) {
  return page.getByRole("region", { name, exact: true });
}

/** Types a setting of training, and leaves the field. */
export async function set(page, label, value) {
  const field = panel(page, "Training").getByLabel(label, { exact: true });
  await field.fill(value);
  await field.blur();
}

/** The middle of a unit of the drawing, in pixels of the window. */
async function unit(page, layer, number) {
  const box = await page.locator(`#unit-${layer}-${number} .unit-disc`).boundingBox();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Clicks on the edge of a weight, at a part of the way from unit k up to unit j. */
export async function clickWeight(page, layer, j, k, along = 0.3) {
  await page.locator(`#unit-${layer - 1}-${k}`).scrollIntoViewIfNeeded();
  const from = await unit(page, layer - 1, k);
  const to = await unit(page, layer, j);
  await page.mouse.click(from.x + along * (to.x - from.x), from.y + along * (to.y - from.y));
}

/** What the address says of the view: of, row, notation, step. */
export async function view(page) {
  return Object.fromEntries(new URLSearchParams((await page.evaluate(() => location.hash)).slice(1)));
}

/** Asks the server itself, as the page does. */
export async function ask(page, path) {
  return page.evaluate(async (where) => {
    const token = new URLSearchParams(location.search).get("token");
    const answer = await fetch(`/api/${where}`, { headers: { "X-Chainrule-Token": token } });
    return answer.json();
  }, path);
}

/** The number that an element carries in full in its title. */
export async function full(locator) {
  return Number(await locator.getAttribute("title"));
}

/** The derivation once it is that of `of` in a notation, as text: its value, its steps, the step that is marked. */
export async function derivation(page, of, notation = null) {
  await page.waitForFunction(
    ([target, name]) => {
      const hash = new URLSearchParams(location.hash.slice(1));
      const right = (hash.get("of") ?? "cost") === target && (name === null || (hash.get("notation") ?? "delta") === name);
      return right && document.querySelector(".derivation[aria-busy=false]:not(.stale) .one-step") !== null;
    },
    [of, notation],
  );
  return page.evaluate(() => ({
    title: document.querySelector(".derivation-head h2").textContent,
    value: Number(document.querySelector(".derivation-value").title),
    shown: document.querySelector(".derivation-value").textContent,
    definitions: document.querySelector(".definitions div").textContent,
    steps: [...document.querySelectorAll(".one-step .step")].map((one) => one.textContent),
    symbols: [...document.querySelectorAll(".one-step .left")].map((one) => one.textContent),
  }));
}
