/** What is typed into the controls of training, and the settings that it means. Pure. */

import type { TrainingSettings } from "../api";

export type SettingName = keyof TrainingSettings;
/** What was typed and is not yet the server's. */
export type Draft = Partial<Record<SettingName, string>>;

export const SETTING_LABELS: Record<SettingName, string> = {
  optimizer: "optimizer",
  learning_rate: "step size η",
  batch_size: "batch size",
  epochs: "epochs",
  penalty: "penalty λ",
  seed: "seed",
};

/** The settings that a draft means, or what in it is no number. */
export function settingsOf(draft: Draft): { settings: Partial<TrainingSettings> } | { message: string; field: SettingName } {
  const settings: Partial<TrainingSettings> = {};
  for (const [name, typed] of Object.entries(draft) as [SettingName, string][]) {
    if (name === "optimizer") {
      settings.optimizer = typed;
      continue;
    }
    const value = Number(typed.trim().replace("−", "-").replace(",", "."));
    if (typed.trim() === "" || !Number.isFinite(value)) {
      return { message: `${SETTING_LABELS[name]}: expected a number, got ${typed.trim() ? `“${typed.trim()}”` : "nothing"}.`, field: name };
    }
    settings[name] = value;
  }
  return { settings };
}

/** The sizes of hidden layers in "16, 10" or "16 10"; nothing typed is no hidden layer. */
export function sizesOf(typed: string): { sizes: number[] } | { message: string } {
  const words = typed.split(/[\s,;–x×-]+/).filter((word) => word !== "");
  const wrong = words.find((word) => !/^\d+$/.test(word) || Number(word) < 1);
  if (wrong !== undefined) {
    return { message: `hidden layers: expected whole numbers from 1, such as “4, 4”, got “${wrong}”.` };
  }
  return { sizes: words.map(Number) };
}

/** The control of a field: that of "settings.seed" is seed, that of "hidden[1]" hidden. */
export function controlOf(field: string | null): string | null {
  return field?.replace(/\[\d+\]/g, "").split(".").at(-1) ?? null;
}
