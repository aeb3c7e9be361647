/** Clicks on weights of every layer in turn, and gives the page's own measure of each: click to derivation. */

import { ask, open, view } from "../page.mjs";

/** Numbers from 0 to 1 that are the same each time. */
function* chances() {
  for (let state = 1; ; ) {
    state = (state * 48271) % 2147483647;
    yield state / 2147483647;
  }
}

const chance = chances();
const between = (from, to) => from + (to - from) * chance.next().value;

/** A place of the drawing where a weight of the layer is: in its matrix, or on an edge of it. */
async function place(page, layer, sizes) {
  const gap = page.locator("svg.network > :is(g.matrix, g.edges)").nth(layer - 1);
  const frame = gap.locator("rect.frame");
  if (await frame.count()) {
    const box = await frame.boundingBox();
    return [box.x + box.width * between(0.05, 0.95), box.y + box.height * between(0.05, 0.95)];
  }
  const centre = async (of, units) => {
    const box = await page.locator(`#unit-${of}-${Math.floor(between(0, units))} .unit-disc`).boundingBox();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [from, to] = [await centre(layer - 1, sizes[layer - 1]), await centre(layer, sizes[layer])];
  const along = between(0.3, 0.7);
  return [from[0] + along * (to[0] - from[0]), from[1] + along * (to[1] - from[1])];
}

/** Waits until nothing has been asked of the server for a moment: the next click is then alone, as a reader's is. */
function quiet(page) {
  let pending = 0;
  let last = Date.now();
  const changed = (by) => () => {
    pending += by;
    last = Date.now();
  };
  page.on("request", changed(1));
  page.on("requestfinished", changed(-1));
  page.on("requestfailed", changed(-1));
  return async () => {
    while (pending > 0 || Date.now() - last < 250) await page.waitForTimeout(50);
  };
}

export default async function clicks({ page, asked }) {
  const settled = quiet(page);
  await open(page, asked);
  const { network } = await ask(page, "state");
  const layers = network.sizes.length - 1;
  await page.locator("svg.network").scrollIntoViewIfNeeded();
  await page.waitForTimeout(1000);
  const seen = [];
  // Clicks on a pooled matrix come nearer to its weights first, and derive nothing: these are not counted.
  for (let tries = 0; seen.length < asked.clicks && tries < 20 * asked.clicks; tries += 1) {
    const layer = 1 + (seen.length % layers);
    await settled();
    const before = (await view(page)).of;
    await page.evaluate(() => performance.clearMeasures("click-to-derivation"));
    await page.mouse.click(...(await place(page, layer, network.sizes)));
    await page.waitForTimeout(60);
    const of = (await view(page)).of;
    if (of === before || !of?.startsWith(`W:${layer}:`)) continue;
    await page.waitForFunction(() => performance.getEntriesByName("click-to-derivation", "measure").length > 0);
    const [ms] = await page.evaluate(() =>
      performance.getEntriesByName("click-to-derivation", "measure").map((one) => one.duration),
    );
    seen.push({ layer, of, ms });
  }
  return { clicks: seen };
}
