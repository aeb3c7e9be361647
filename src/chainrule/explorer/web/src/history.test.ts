import { expect, it } from "vitest";
import type { TrainingHistory } from "./api";
import { mergeHistory } from "./history";

function history(from_epoch: number, ...cost: number[]): TrainingHistory {
  return { from_epoch, cost, validation_cost: cost, accuracy: cost, gradient_norms: cost.map((value) => [value]) };
}

it("continues what is known by what came since", () => {
  const merged = mergeHistory(history(0, 3, 2), history(2, 1));
  expect(merged).toEqual(history(0, 3, 2, 1));
});

it("takes the newer where both have an epoch", () => {
  expect(mergeHistory(history(0, 3, 2, 9), history(2, 1)).cost).toEqual([3, 2, 1]);
});

it("starts anew from the first epoch, and where nothing is known", () => {
  expect(mergeHistory(history(0, 3, 2), history(0, 5)).cost).toEqual([5]);
  expect(mergeHistory(null, history(4, 1)).cost).toEqual([1]);
});
