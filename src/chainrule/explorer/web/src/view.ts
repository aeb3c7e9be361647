/** The view as the address carries it: all that a deep link restores, and nothing else. */

import type { Form, MatrixKind, NotationName, Part } from "./api";
import { parseTarget } from "./target";

export type UnitColour = "a" | "z" | "slope" | "delta";

export interface View {
  part: Part;
  row: number;
  /** As text: W:2:3:5, b:1:0, delta:1, x:12, cost. */
  of: string;
  /** Of an input's derivative: whose it is, the cost's or that of an output, by number. */
  output: string;
  notation: NotationName;
  shifted: boolean;
  form: Form;
  step: number;
  edges: MatrixKind;
  units: UnitColour;
}

export const DEFAULT_VIEW: View = {
  part: "test",
  row: 0,
  of: "cost",
  output: "cost",
  notation: "delta",
  shifted: false,
  form: "units",
  step: 0,
  edges: "W",
  units: "a",
};

const PARTS: readonly Part[] = ["train", "test", "all"];
const NOTATIONS: readonly NotationName[] = ["delta", "theta", "dz", "S", "nabla", "input"];
const FORMS: readonly Form[] = ["units", "matrices"];
const EDGES: readonly MatrixKind[] = ["W", "dW", "Wdelta"];
const UNITS: readonly UnitColour[] = ["a", "z", "slope", "delta"];

/** What differs from the default, as `row=3&of=W:1:0:2`. */
export function encodeView(view: View): string {
  const parameters: string[] = [];
  for (const name of Object.keys(DEFAULT_VIEW) as (keyof View)[]) {
    const value = view[name];
    if (value !== DEFAULT_VIEW[name]) parameters.push(`${name}=${value === true ? "1" : value === false ? "0" : value}`);
  }
  return parameters.join("&");
}

function oneOf<T extends string>(choices: readonly T[], text: string | null, otherwise: T): T {
  return choices.find((choice) => choice === text) ?? otherwise;
}

function whole(text: string | null): number {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** The view that an address names; what is missing or unknown takes its default. */
export function decodeView(hash: string): View {
  const read = new URLSearchParams(hash.replace(/^#/, ""));
  const of = read.get("of");
  const output = read.get("output");
  return {
    part: oneOf(PARTS, read.get("part"), DEFAULT_VIEW.part),
    row: whole(read.get("row")),
    of: of !== null && parseTarget(of) ? of : DEFAULT_VIEW.of,
    output: output !== null && /^\d{1,9}$/.test(output) ? output : DEFAULT_VIEW.output,
    notation: oneOf(NOTATIONS, read.get("notation"), DEFAULT_VIEW.notation),
    shifted: read.get("shifted") === "1",
    form: oneOf(FORMS, read.get("form"), DEFAULT_VIEW.form),
    step: whole(read.get("step")),
    edges: oneOf(EDGES, read.get("edges"), DEFAULT_VIEW.edges),
    units: oneOf(UNITS, read.get("units"), DEFAULT_VIEW.units),
  };
}
