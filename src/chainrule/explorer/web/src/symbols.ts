/** The short symbols of the drawing and its labels, in the notation chosen. The derivation's own come from the server. */

import type { NotationName } from "./api";

interface Alphabet {
  W: string;
  z: string;
  a: string;
  slope: string;
  delta: string;
  b: string;
  cost: string;
  /** Whether a weight's source unit is written first. */
  sourceFirst: boolean;
  /** What is added to the network's own layer number. */
  plus: number;
}

const DELTA: Alphabet = {
  W: "w",
  z: "z",
  a: "a",
  slope: "σ′",
  delta: "δ",
  b: "b",
  cost: "Cᵢ",
  sourceFirst: false,
  plus: 0,
};

const ALPHABETS: Record<NotationName, Alphabet> = {
  delta: DELTA,
  theta: { ...DELTA, W: "Θ", slope: "g′", delta: "s", cost: "C₀", sourceFirst: true },
  dz: { ...DELTA, W: "Θ", slope: "f′", delta: "dz", cost: "c" },
  S: { ...DELTA, W: "W", slope: "g′", delta: "S", cost: "C", sourceFirst: true },
  nabla: { ...DELTA, delta: "∂C/∂z", cost: "C" },
  input: { ...DELTA, W: "W", cost: "a", plus: 1 },
};

export interface Symbol {
  base: string;
  layer: number;
  index: string;
}

export function unitSymbol(kind: "a" | "z" | "slope" | "delta" | "b", layer: number, unit: number, notation: NotationName): Symbol {
  const alphabet = ALPHABETS[notation];
  return { base: alphabet[kind], layer: layer + alphabet.plus, index: String(unit) };
}

export function weightSymbol(layer: number, j: number, k: number, notation: NotationName, shifted: boolean): Symbol {
  const alphabet = ALPHABETS[notation];
  const index = alphabet.sourceFirst ? `${k},${j}` : `${j},${k}`;
  return { base: alphabet.W, layer: layer + alphabet.plus - (shifted ? 1 : 0), index };
}

export function alphabet(notation: NotationName): Alphabet {
  return ALPHABETS[notation];
}

/** A layer by the network's own number, and by the notation's where it counts otherwise: layer 2 · [3]. */
export function layerName(layer: number, notation: NotationName): string {
  const own = layer === 0 ? "input" : `layer ${layer}`;
  const { plus } = ALPHABETS[notation];
  return plus === 0 ? own : `${own} · [${layer + plus}]`;
}
