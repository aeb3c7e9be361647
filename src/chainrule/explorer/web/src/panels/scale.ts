/** Where values lie on an axis, and which of them are written beside it. Pure. */

export interface Scale {
  /** The place of a value, in pixels; null for what the axis has no place for (not finite, or not positive on a log axis). */
  readonly at: (value: number) => number | null;
  readonly ticks: readonly number[];
}

export type Interval = readonly [number, number];

/** Rounder than this no reader needs: 1, 2 and 5 times powers of ten. */
const ROUND = [1, 2, 5, 10];

/** The least and the largest finite value; null where there is none. */
export function extent(values: Iterable<number | null>, positive = false): Interval | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (positive && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** The interval, wider by a share of its length on both sides; a point becomes an interval about it. */
export function widened([low, high]: Interval, share: number): Interval {
  const by = high > low ? (high - low) * share : Math.abs(low) * share || share;
  return [low - by, high + by];
}

/** Round numbers within an interval, about as many as asked for. */
export function linearTicks([low, high]: Interval, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (ROUND.find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10);
  const ticks: number[] = [];
  // Multiples of the step, not sums of it: 0.1 + 0.2 is no tick.
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** Powers of ten within an interval, thinned to about `count`; with fewer than two of them also their doubles and fives. */
export function logTicks([low, high]: Interval, count: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  if (last - first >= 1) {
    const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, count)));
    const ticks: number[] = [];
    for (let power = first; power <= last; power += every) ticks.push(Number(`1e${power}`));
    return ticks;
  }
  const ticks: number[] = [];
  for (let power = first - 1; power <= last + 1; power += 1) {
    for (const factor of [1, 2, 5]) {
      const value = Number(`${factor}e${power}`);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push(value);
    }
  }
  // Less than a factor of two between the ends: round numbers of a straight axis say more.
  return ticks.length >= 2 ? ticks : linearTicks([low, high], count);
}

export function linear(domain: Interval, range: Interval, count = 4): Scale {
  const [low, high] = domain;
  const [from, to] = range;
  const at = (value: number): number | null =>
    Number.isFinite(value) ? from + ((value - low) / (high - low || 1)) * (to - from) : null;
  return { at, ticks: linearTicks(domain, count) };
}

export function logarithmic(domain: Interval, range: Interval, count = 4): Scale {
  const straight = linear([Math.log10(domain[0]), Math.log10(domain[1])], range);
  const at = (value: number): number | null =>
    Number.isFinite(value) && value > 0 ? straight.at(Math.log10(value)) : null;
  return { at, ticks: logTicks(domain, count) };
}

/** Places of a long curve that are drawn: the least and the largest of each stretch, so that no spike is lost. */
export function thinned(values: readonly (number | null)[], stretches: number): number[] {
  if (values.length <= 2 * stretches) return values.map((_, i) => i);
  const kept: number[] = [0];
  for (let s = 0; s < stretches; s += 1) {
    const from = Math.floor((s * values.length) / stretches);
    const to = Math.floor(((s + 1) * values.length) / stretches);
    let least = from;
    let largest = from;
    for (let i = from; i < to; i += 1) {
      const value = values[i];
      if (value === null || value === undefined) continue;
      if (value < (values[least] ?? Infinity)) least = i;
      if (value > (values[largest] ?? -Infinity)) largest = i;
    }
    kept.push(Math.min(least, largest), Math.max(least, largest));
  }
  kept.push(values.length - 1);
  return kept.filter((place, i) => i === 0 || place > (kept[i - 1] ?? -1));
}

/** A path through points in pixels; a null ends one piece and begins the next. */
export function path(points: readonly (readonly [number, number | null] | null)[]): string {
  let pen = "M";
  let drawn = "";
  for (const point of points) {
    if (point === null || point[1] === null) {
      pen = "M";
      continue;
    }
    drawn += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    pen = "L";
  }
  return drawn;
}
