/** Colours of classes in the decision map: two are the ends of the scale of numbers, more have hues of their own. Pure. */

import { rgbAt, type Rgb } from "../colour";

/** Told apart in lightness as well as in hue. */
const HUES: Record<"light" | "dark", readonly Rgb[]> = {
  light: [[200, 88, 24], [44, 110, 176], [46, 125, 80], [140, 80, 160], [150, 120, 20], [90, 95, 105], [190, 60, 100], [20, 130, 140]],
  dark: [[246, 140, 76], [100, 168, 235], [110, 200, 140], [200, 150, 225], [215, 190, 90], [165, 170, 180], [240, 130, 165], [90, 200, 210]],
};

export function classColour(c: number, dark: boolean): Rgb {
  const hues = HUES[dark ? "dark" : "light"];
  return hues[c % hues.length] ?? [128, 128, 128];
}

/** The ground of the map stays paler than the points on it. */
const DEEPEST = 0.34;

/**
 * The colour of a place: of the share of class 1 where there are two classes, else of the class that wins; without
 * classes of the output as a part of the largest, −1 to 1.
 */
export function groundColour(value: number, classes: number, dark: boolean): Rgb {
  if (!Number.isFinite(value)) return rgbAt(0, dark);
  if (classes === 0) return rgbAt(DEEPEST * Math.max(-1, Math.min(1, value)), dark);
  if (classes <= 2) return rgbAt(DEEPEST * (2 * Math.min(1, Math.max(0, value)) - 1), dark);
  const [zero, hue] = [rgbAt(0, dark), classColour(Math.round(value), dark)];
  const mix = (place: 0 | 1 | 2): number => Math.round(zero[place] + 0.4 * (hue[place] - zero[place]));
  return [mix(0), mix(1), mix(2)];
}
