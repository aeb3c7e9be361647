/** Light or dark: the system's, unless the switch says otherwise. Kept for as long as the page is open. */

import { computed, effect, signal } from "@preact/signals";
import { theme, type Theme } from "./store";

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);

export const dark = computed(() => (theme.value === "auto" ? systemDark.value : theme.value === "dark"));

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

export function nextTheme(): void {
  theme.value = NEXT[theme.value];
}

export function startTheme(): void {
  system.addEventListener("change", () => (systemDark.value = system.matches));
  effect(() => {
    document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
  });
}
