/** What a step of the derivation lights in the drawing: units, the weights it uses, the cost. */

import type { DerivationStep, Direction } from "../api";

export interface Light {
  direction: Direction;
  /** Units lit, and in which layer; all of the layer where the list is empty; null: no layer. */
  layer: number | null;
  units: readonly number[];
  /** The weights into this layer are lit; null: none. */
  gap: number | null;
  /** Of these weights, those into (forward) or out of (backward) the units lit; or one weight [j, k]. */
  weight: readonly [j: number, k: number] | null;
  cost: boolean;
}

export function lightOf(step: DerivationStep | null, last: number): Light | null {
  if (step === null) return null;
  const light: Light = {
    direction: step.direction,
    layer: step.layer,
    units: step.units,
    gap: null,
    weight: null,
    cost: false,
  };
  switch (step.kind) {
    case "z":
      return { ...light, gap: step.layer >= 1 ? step.layer : null };
    case "a":
    case "slope":
    case "db":
      return light;
    case "cost":
      return { ...light, layer: last, units: [], cost: true };
    case "delta":
    case "da":
    case "dx":
      return step.layer >= last ? { ...light, cost: true } : { ...light, gap: step.layer + 1 };
    case "dW": {
      const [j, k] = step.units;
      const weight = j !== undefined && k !== undefined ? ([j, k] as const) : null;
      return { ...light, layer: weight ? step.layer : null, units: weight ? [weight[0]] : [], gap: step.layer, weight };
    }
  }
}

/** Whether a light shines on a unit. */
export function isLit(light: Light | null, layer: number, unit: number): boolean {
  return light !== null && light.layer === layer && (light.units.length === 0 || light.units.includes(unit));
}

/** Whether a light shines on the weight from unit k to unit j of a layer. */
export function isWeightLit(light: Light, layer: number, j: number, k: number): boolean {
  if (light.gap !== layer) return false;
  if (light.weight) return light.weight[0] === j && light.weight[1] === k;
  if (light.units.length === 0) return true;
  return light.units.includes(light.layer === layer ? j : k);
}
