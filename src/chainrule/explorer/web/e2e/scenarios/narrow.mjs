/** A narrow window, light and dark: nothing is wider than it, and every control has a name. */

export default async function narrow({ page }) {
  await page.setViewportSize({ width: 390, height: 844 });
  const seen = {};
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.waitForFunction((theme) => document.documentElement.dataset.theme === theme, colorScheme);
    seen[colorScheme] = await page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      paper: getComputedStyle(document.documentElement).backgroundColor,
    }));
  }
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, select, [role=slider], [role=application], [role=button]")]
      .filter((one) => {
        const named = one.getAttribute("aria-label") ?? one.textContent ?? "";
        const labels = "labels" in one && one.labels ? [...one.labels].map((label) => label.textContent).join("") : "";
        return !named.trim() && !labels.trim() && !one.getAttribute("aria-labelledby");
      })
      .map((one) => one.outerHTML.slice(0, 160)),
  );
  return { ...seen, nameless };
}
