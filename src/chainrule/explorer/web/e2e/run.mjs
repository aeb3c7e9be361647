/**
 * Plays one scenario in a browser and prints what it saw, as one line of JSON.
 *
 *     node e2e/run.mjs SCENARIO ADDRESS FOLDER [ASKED, as JSON]
 *
 * The scenario is a module of e2e/scenarios/, the address that of a running `chainrule explore`, token included. What is
 * downloaded, and a screenshot where the scenario fails, go to the folder. CHROMIUM names another browser than Debian's.
 * Exit code 1 with the reason on stderr if the scenario couldn't be played to its end.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const [scenario, address, folder, asked = "{}"] = process.argv.slice(2);
const { default: play } = await import(`./scenarios/${scenario}.mjs`);
const profile = await mkdtemp(join(tmpdir(), "chainrule-explore-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
  viewport: { width: 1280, height: 900 },
  acceptDownloads: true,
});
context.setDefaultTimeout(15_000);

/** Whatever the page complains about: no scenario is right that leaves an error in the console. */
const complaints = [];
context.on("page", (page) => {
  page.on("pageerror", (error) => complaints.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
});

const page = await context.newPage();
try {
  await page.goto(address);
  await page.getByRole("region", { name: "Training" }).waitFor();
  const saw = await play({ page, context, address, folder, asked: JSON.parse(asked) });
  console.log(JSON.stringify({ ...saw, complaints }));
} catch (error) {
  await page.screenshot({ path: join(folder, `${scenario}.png`), fullPage: true }).catch(() => {});
  console.error(`${scenario}: ${error.stack ?? error}\n${complaints.join("\n")}`);
  process.exitCode = 1;
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
