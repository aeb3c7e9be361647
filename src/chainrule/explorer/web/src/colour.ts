/** Colours of numbers: negative, zero, positive. One scale for drawing and panels, in a light and a dark set of stops. */

export type Rgb = readonly [r: number, g: number, b: number];

/** Zero, then three stops out to the largest, for each sign. Zero recedes into the paper, the largest stands out of it. */
const STOPS: Record<"light" | "dark", { zero: Rgb; positive: readonly Rgb[]; negative: readonly Rgb[] }> = {
  light: {
    zero: [240, 237, 228],
    positive: [
      [150, 187, 221],
      [44, 110, 176],
      [17, 70, 128],
    ],
    negative: [
      [240, 184, 140],
      [200, 88, 24],
      [150, 56, 6],
    ],
  },
  dark: {
    zero: [43, 45, 49],
    positive: [
      [45, 86, 126],
      [100, 168, 235],
      [214, 234, 255],
    ],
    negative: [
      [122, 66, 34],
      [246, 140, 76],
      [255, 224, 204],
    ],
  },
};

/** Small values stay visible beside large ones: a tenth of the largest takes a quarter of the scale. */
const POWER = 0.6;

/** Where a value stands between minus and plus the largest, on the scale's own ruler: −1 to 1. */
export function position(value: number | null | undefined, largest: number): number {
  if (value === null || value === undefined || !Number.isFinite(value) || largest <= 0) return 0;
  const part = Math.min(1, Math.abs(value) / largest) ** POWER;
  return value < 0 ? -part : part;
}

function mix(from: Rgb, to: Rgb, part: number): Rgb {
  return [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part, from[2] + (to[2] - from[2]) * part];
}

/** The colour at a position from −1 to 1. */
export function rgbAt(place: number, dark: boolean): Rgb {
  const set = STOPS[dark ? "dark" : "light"];
  const stops = [set.zero, ...(place < 0 ? set.negative : set.positive)];
  const along = Math.min(1, Math.abs(place)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(along));
  const [r, g, b] = mix(stops[index]!, stops[index + 1]!, along - index);
  return [Math.round(r), Math.round(g), Math.round(b)];
}

/** The colour of a value, where the largest magnitude shown is `largest`. */
export function rgbOf(value: number | null | undefined, largest: number, dark: boolean): Rgb {
  return rgbAt(position(value, largest), dark);
}

/** Ink on paper, 0 to 1: for pictures. */
export function inkAt(part: number, dark: boolean): Rgb {
  const within = Math.max(0, Math.min(1, part));
  return dark ? mix([30, 32, 35], [240, 237, 230], within) : mix([255, 255, 255], [28, 27, 25], within);
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${Math.round(r)} ${Math.round(g)} ${Math.round(b)})`;
}

function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)) as [
    number,
    number,
    number,
  ];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of two colours by WCAG, 1 to 21. */
export function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/** Text that can be read on a colour: black or white, whichever stands out more; one of them has 4.58 at least. */
export function textOn(background: Rgb): string {
  return css(contrast(background, BLACK) >= contrast(background, WHITE) ? BLACK : WHITE);
}

/** The largest magnitude among values; 0 where there is none. */
export function largestOf(values: Iterable<number | null | undefined>): number {
  let largest = 0;
  for (const value of values) {
    if (value !== null && value !== undefined && Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}
