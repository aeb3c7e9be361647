/** Training that goes on, yet has run away or stands still: what is seen, and what to do about it. */

import type { Training } from "../api";
import { number } from "../numbers";

/** A cost so many times the first has run away. */
const RUN_AWAY = 1e6;

/** What is wrong, in words, or null. `answer` holds the whole history. */
export function stuck({ status, history, batch, settings }: Training): string | null {
  // How these ended, the server says.
  if (status === "failed" || status === "diverged") return null;
  const first = history.cost[0] ?? null;
  const cost = batch?.cost ?? history.cost.at(-1) ?? null;
  const norms = batch?.gradient_norms ?? history.gradient_norms.at(-1) ?? [];
  const seen: string[] = [];
  if (first !== null && cost !== null && cost > RUN_AWAY * first && first > 0) {
    seen.push(`The cost has run away: ${number(cost)}, and ${number(first)} after the first epoch.`);
  }
  // A cost of 0 has a gradient of 0, and nothing left to learn.
  if (cost !== 0 && norms.length > 1 && norms.slice(0, -1).every((norm) => norm === 0)) {
    seen.push("The gradient is exactly 0 in every layer but the last: these layers learn nothing any more.");
  }
  if (!seen.length) return null;
  const remedy = `Lower the step size (η is ${number(settings.learning_rate)}) and press Reset.`;
  return [...seen, remedy, "cr.diagnose(net, X, Y) says which units are dead."].join(" ");
}
