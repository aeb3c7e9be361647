/** The curves of training, put together from what each poll brought. */

import type { TrainingHistory } from "./api";

/** The epochs known so far, continued by those of the answer. */
export function mergeHistory(known: TrainingHistory | null, more: TrainingHistory): TrainingHistory {
  const from = more.from_epoch;
  if (known === null || from === 0 || from > known.cost.length) return more;
  return {
    from_epoch: 0,
    cost: [...known.cost.slice(0, from), ...more.cost],
    validation_cost: [...known.validation_cost.slice(0, from), ...more.validation_cost],
    accuracy: more.accuracy && known.accuracy ? [...known.accuracy.slice(0, from), ...more.accuracy] : more.accuracy,
    gradient_norms: [...known.gradient_norms.slice(0, from), ...more.gradient_norms],
  };
}
