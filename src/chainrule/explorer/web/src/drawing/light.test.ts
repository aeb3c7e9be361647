import { expect, it } from "vitest";
import type { DerivationStep, StepKind } from "../api";
import { isLit, isWeightLit, lightOf } from "./light";

function step(kind: StepKind, layer: number, units: number[] = []): DerivationStep {
  return { id: 0, equation: "E1", layer, units, direction: "forward", kind, why: "", html: "", value: null };
}

it("lights what reaches a unit in the forward pass", () => {
  const light = lightOf(step("z", 2, [1]), 3)!;
  expect(isLit(light, 2, 1)).toBe(true);
  expect(isLit(light, 2, 0)).toBe(false);
  expect(isWeightLit(light, 2, 1, 4)).toBe(true);
  expect(isWeightLit(light, 2, 0, 4)).toBe(false);
  expect(isWeightLit(light, 3, 1, 4)).toBe(false);
});

it("lights what leaves a unit in the backward pass", () => {
  const light = lightOf(step("delta", 1, [4]), 3)!;
  expect(isWeightLit(light, 2, 0, 4)).toBe(true);
  expect(isWeightLit(light, 2, 4, 0)).toBe(false);
});

it("lights a whole layer, the cost at the output, the input at the end, and one weight alone", () => {
  expect(isLit(lightOf(step("a", 1), 3), 1, 7)).toBe(true);
  expect(lightOf(step("delta", 3), 3)!.cost).toBe(true);
  expect(lightOf(step("cost", 3), 3)).toMatchObject({ cost: true, layer: 3 });
  expect(lightOf(step("dx", 0), 3)).toMatchObject({ layer: 0, gap: 1 });
  const weight = lightOf(step("dW", 2, [1, 4]), 3)!;
  expect(isWeightLit(weight, 2, 1, 4)).toBe(true);
  expect(isWeightLit(weight, 2, 1, 3)).toBe(false);
  expect(lightOf(null, 3)).toBeNull();
});
