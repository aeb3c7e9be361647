/** What is derived: a weight, a bias, a layer's δ, an input or the cost, in the network's own numbers and as text. */

export type Target =
  | { kind: "W"; layer: number; j: number; k: number }
  | { kind: "b"; layer: number; j: number }
  | { kind: "delta"; layer: number; j: number | null }
  | { kind: "x"; k: number | null }
  | { kind: "cost" };

export function targetText(target: Target): string {
  switch (target.kind) {
    case "W":
      return `W:${target.layer}:${target.j}:${target.k}`;
    case "b":
      return `b:${target.layer}:${target.j}`;
    case "delta":
      return target.j === null ? `delta:${target.layer}` : `delta:${target.layer}:${target.j}`;
    case "x":
      return target.k === null ? "x" : `x:${target.k}`;
    case "cost":
      return "cost";
  }
}

/** The target that a text names, or null where it names none. */
export function parseTarget(text: string): Target | null {
  const [kind, ...rest] = text.split(":");
  if (!rest.every((part) => /^\d+$/.test(part))) return null;
  const [first, second, third] = rest.map(Number);
  if (kind === "W" && rest.length === 3) return { kind, layer: first!, j: second!, k: third! };
  if (kind === "b" && rest.length === 2) return { kind, layer: first!, j: second! };
  if (kind === "delta" && (rest.length === 1 || rest.length === 2)) return { kind, layer: first!, j: second ?? null };
  if (kind === "x" && rest.length <= 1) return { kind, k: first ?? null };
  if (kind === "cost" && rest.length === 0) return { kind };
  return null;
}

/** Whether a network of these sizes has it. */
export function fits(target: Target, sizes: number[], bias: boolean[]): boolean {
  const within = (layer: number, unit: number): boolean => unit < (sizes[layer] ?? 0);
  switch (target.kind) {
    case "W":
      return target.layer >= 1 && within(target.layer, target.j) && within(target.layer - 1, target.k);
    case "b":
      return target.layer >= 1 && within(target.layer, target.j) && bias[target.layer - 1] === true;
    case "delta":
      return target.layer >= 1 && within(target.layer, target.j ?? 0);
    case "x":
      return within(0, target.k ?? 0);
    case "cost":
      return true;
  }
}
