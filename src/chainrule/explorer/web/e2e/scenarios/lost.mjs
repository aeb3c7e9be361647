/** The server ends while the page is open: the page says so, keeps what it shows, and does not break. */

import { panel } from "../page.mjs";

export default async function lost({ page, asked }) {
  process.kill(asked.server, "SIGKILL");
  await panel(page, "Training").getByRole("button", { name: "One batch" }).click();
  const notice = page.locator(".problems").getByText("The server does not answer");
  await notice.waitFor();
  return { notice: await notice.textContent(), units: await page.locator("[id^=unit-]").count() };
}
