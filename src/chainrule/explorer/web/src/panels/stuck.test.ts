import { describe, expect, it } from "vitest";
import type { Training } from "../api";
import { stuck } from "./stuck";

const REMEDY = "Lower the step size (η is 1·10³⁰) and press Reset. cr.diagnose(net, X, Y) says which units are dead.";
const DEAD = "The gradient is exactly 0 in every layer but the last: these layers learn nothing any more.";

function training(cost: (number | null)[], norms: number[], more: Partial<Training> = {}): Training {
  return {
    status: "paused",
    message: null,
    epoch: cost.length,
    step: 0,
    steps_an_epoch: 10,
    settings: { optimizer: "sgd", learning_rate: 1e30, batch_size: 32, seed: 0, epochs: 500, penalty: 0 },
    history: { from_epoch: 0, cost, validation_cost: [], accuracy: null, gradient_norms: cost.map(() => norms) },
    batch: null,
    ...more,
  };
}

describe("training that is stuck", () => {
  it("has a cost of more than a million times the first", () => {
    expect(stuck(training([0.5, 1e6], [0.1, 0.2]))).toBe(
      `The cost has run away: 1·10⁶, and 0.5 after the first epoch. ${REMEDY}`,
    );
    expect(stuck(training([0.5, 5e5], [0.1, 0.2]))).toBeNull();
  });
  it("has a gradient of exactly 0 in every layer but the last", () => {
    expect(stuck(training([1e30], [0, 0, 1.4]))).toBe(`${DEAD} ${REMEDY}`);
    expect(stuck(training([1e30], [0, 1e-300, 1.4]))).toBeNull();
    expect(stuck(training([1], [0]))).toBeNull();
  });
  it("is seen at the last batch before it is in an epoch's mean", () => {
    expect(stuck(training([1e30], [0.006, 0.01, 1.4], { batch: { cost: 6e29, gradient_norms: [0, 0, 1.6] } }))).toBe(
      `${DEAD} ${REMEDY}`,
    );
  });
  it("is not one that has learnt all, has not begun, or whose end the server tells", () => {
    expect(stuck(training([0], [0, 0, 0]))).toBeNull();
    expect(stuck(training([], []))).toBeNull();
    expect(stuck(training([0.5, 1e30], [0, 0, 1], { status: "diverged" }))).toBeNull();
  });
});
