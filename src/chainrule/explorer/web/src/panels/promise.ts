/** What a derivative promises, beside what comes: the changes that the slider asks for, and the miss. Pure. */

/** Positions of the slider; an odd number, so that the middle one changes nothing. */
export const POSITIONS = 101;
export const MIDDLE = (POSITIONS - 1) / 2;
/** How far the slider's ends are from the middle. */
export const REACHES = [0.001, 0.01, 0.1, 1, 10, 100] as const;

/** The changes from −reach to reach, each the nearest number to its decimal. */
export function changes(reach: number): number[] {
  return Array.from({ length: POSITIONS }, (_, i) => Number(((reach * (i - MIDDLE)) / MIDDLE).toPrecision(12)));
}

/** By how much a cost is another than before; what rounding alone could be is none. */
export function changeOf(before: number, after: number): number {
  const change = after - before;
  return Math.abs(change) <= 1e-14 * Math.max(Math.abs(before), Math.abs(after)) ? 0 : change;
}

/** The miss of the prediction in words. */
export function missInWords(cost: number, predicted: number, actual: number): string {
  const promised = changeOf(cost, predicted);
  const came = changeOf(cost, actual);
  if (promised === 0 && came === 0) return "Nothing changes, as promised.";
  if (came === 0) return "A change was promised, and none came: the cost is flat here.";
  if (promised === 0) return "No change was promised, and one came: this is all curvature.";
  if (promised > 0 !== came > 0) return "The cost goes the other way than promised: so far the tangent does not reach.";
  const kept = came / promised;
  if (Math.abs(kept - 1) < 0.0005) return "Kept to the last tenth of a percent.";
  const percent = Math.abs(kept - 1) * 100;
  const shown = percent < 10 ? percent.toPrecision(2) : percent.toFixed(0);
  return kept > 1 ? `The true change is ${shown} % larger than promised.` : `The true change is ${shown} % smaller than promised.`;
}
