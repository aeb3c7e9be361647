/** The page's state as signals, and the actions that change it. Components read these and call those. */

import { batch, computed, effect, signal } from "@preact/signals";
import {
  api,
  connected,
  serverVersion,
  type DerivationRequest,
  type DerivationStep,
  type Form,
  type MatrixKind,
  type NotationName,
  type Part,
  type Paths,
  type State,
} from "./api";
import { report } from "./problems";
import { resource } from "./resource";
import { fits, parseTarget, targetText, type Target } from "./target";
import { markClick } from "./timing";
import { acceptTraining, answersTaken, training } from "./training";
import { decodeView, type UnitColour } from "./view";

/** What the server holds: network, data, choices. Null until it has answered. */
export const state = signal<State | null>(null);
export const network = computed(() => state.value?.network ?? null);
export const data = computed(() => state.value?.data ?? null);
export const sizes = computed(() => network.value?.sizes ?? []);

const first = decodeView(location.hash);
export const part = signal<Part>(first.part);
export const row = signal(first.row);
/** What is derived, as text: W:2:3:5. */
export const of = signal(first.of);
/** Of an input's derivative: whose it is, "cost" or the number of an output (E11). */
export const output = signal(first.output);
export const notation = signal<NotationName>(first.notation);
export const shifted = signal(first.shifted);
export const form = signal<Form>(first.form);
/** Position of the player in the derivation's steps. */
export const step = signal(first.step);
export const edgeColour = signal<MatrixKind>(first.edges);
export const unitColour = signal<UnitColour>(first.units);

export type Theme = "auto" | "light" | "dark";
export const theme = signal<Theme>("auto");
export const openDialog = signal(false);

export const target = computed<Target>(() => parseTarget(of.value) ?? { kind: "cost" });

/** The version shown. It follows the server's, at most every 400 ms, so that training does not fetch without pause. */
export const version = signal(0);
const REFRESH_MS = 400;
let refreshed = 0;
let waiting: ReturnType<typeof setTimeout> | undefined;

async function refresh(): Promise<void> {
  waiting = undefined;
  refreshed = performance.now();
  try {
    const before = answersTaken();
    const next = await api.state();
    accept(next, before === answersTaken());
  } catch (error) {
    report(error);
  }
}

function accept(next: State, isLatest = true): void {
  const before = state.value;
  const other = before?.data?.name !== next.data?.name || String(before?.network?.sizes) !== String(next.network?.sizes);
  if (before && other) training.value = null;
  batch(() => {
    state.value = next;
    if (isLatest) acceptTraining(next.training);
    const asked = before === null || !other;
    for (const absent of keepWithin(next)) if (asked) report(new Error(absent));
    version.value = next.version;
  });
}

/**
 * The selection is kept where the network and the data still have it, else falls back to the first. Gives what is not
 * there, in words: an address may ask for anything.
 */
function keepWithin(next: State): string[] {
  const absent: string[] = [];
  if (next.data) {
    const { rows, name } = next.data;
    if (!rows[part.value]) {
      const there = rows.test ? "test" : rows.train ? "train" : "all";
      if (part.value !== "test") absent.push(`${name} has no part ${part.value}: ${there} is shown.`);
      part.value = there;
    }
    const count = rows[part.value];
    if (row.value >= count) {
      absent.push(rowAbsent(row.value, count, part.value, 0));
      row.value = 0;
    }
  }
  if (next.network && !fits(target.value, next.network.sizes, next.network.bias)) {
    absent.push(`of: the network ${next.network.sizes.join("-")} has no ${of.value}. The cost is derived.`);
    of.value = "cost";
    step.value = 0;
  }
  if (next.network && Number(output.value) >= (next.network.sizes.at(-1) ?? 0)) output.value = "cost";
  return absent;
}

function rowAbsent(asked: number, count: number, inPart: Part, shown: number): string {
  return `row: expected a row 0 to ${count - 1} of part ${inPart}, got ${asked}. Row ${shown} is shown.`;
}

/** Shows what was opened, from its first row on: at once, so that nothing of before is asked of the new network. */
export function showOpened(opened: State): void {
  batch(() => {
    training.value = null;
    row.value = 0;
    of.value = "cost";
    output.value = "cost";
    step.value = 0;
    accept(opened);
  });
}

/** Fetches the state, and again whenever an answer carries another version. Call once. */
export function startStore(): void {
  effect(() => {
    const seen = serverVersion.value;
    if (seen === 0 || seen === version.value || waiting !== undefined) return;
    waiting = setTimeout(() => void refresh(), Math.max(0, refreshed + REFRESH_MS - performance.now()));
  });
  effect(() => {
    if (connected.value && (state.peek() === null || version.peek() !== serverVersion.peek())) void refresh();
  });
}

const ready = computed(() => (network.value && data.value ? version.value : 0));
/** Part and row, or null while there is no row to ask for. Resources read it, and so follow row and version. */
export const at = computed(() => (ready.value ? { part: part.value, row: row.value, version: ready.value } : null));

/** The row shown: inputs, target, outputs, cost. */
export const shownRow = resource((abort) => {
  const here = at.value;
  return here && api.row({ part: here.part, row: here.row }, abort);
});

/** What is asked of the server for the derivation, and exported; null while there is no row. */
export const derivationRequest = computed<DerivationRequest | null>(() => {
  const here = at.value;
  if (!here) return null;
  return {
    part: here.part,
    row: here.row,
    of: of.value,
    notation: notation.value,
    shifted: shifted.value,
    form: form.value,
    terms: 8,
    ...(target.value.kind === "x" ? { output: output.value } : {}),
  };
});

let underWay: Promise<unknown> = Promise.resolve();

/** The derivation shown. */
export const derivation = resource((abort) => {
  const request = derivationRequest.value;
  const asked = request && api.derivation(request, abort);
  if (asked) underWay = asked.catch(() => null);
  return asked;
});

/** What a click also asks for waits until its derivation is there: on one server they would hold each other up. */
export async function afterDerivation<T>(ask: () => Promise<T>): Promise<T> {
  await null; // the order of effects is not said: let the derivation's begin
  await underWay;
  return ask();
}

export const steps = computed<DerivationStep[]>(() => derivation.value.value?.steps ?? []);
/** The step at which the player stands: lit in the drawing and in the derivation at once. */
export const currentStep = computed<DerivationStep | null>(
  () => steps.value[Math.min(step.value, steps.value.length - 1)] ?? null,
);

const pathsOf = computed(() => `${part.value} ${row.value} ${of.value}`);

const latestPaths = resource((abort) => {
  const here = at.value;
  const kind = target.value.kind;
  if (!here || kind !== "W") return null;
  const asked = { part: here.part, row: here.row, of: of.value, k: 10 };
  const whose = pathsOf.value;
  return afterDerivation(async () => ({ whose, found: await api.paths(asked, abort) }));
});

/** The largest paths from the selected weight to the cost (E12); null for what has none, and until they are there. */
export const paths = computed<Paths | null>(() => {
  const latest = latestPaths.value.value;
  return latest?.whose === pathsOf.value ? latest.found : null;
});

/** Selects a weight, a unit's δ, a bias, an input or the cost. */
export function select(next: Target): void {
  markClick();
  batch(() => {
    of.value = targetText(next);
    step.value = 0;
  });
}

/** Moves to a row, of the part shown if none is named; to the nearest, and says so, if it is not there. */
export function goToRow(next: number, inPart: Part = part.value): void {
  const count = data.value?.rows[inPart] ?? 0;
  const nearest = Math.max(0, Math.min(next, count - 1));
  batch(() => {
    part.value = inPart;
    row.value = nearest;
    if (nearest !== next) report(new Error(rowAbsent(next, count, inPart, nearest)));
  });
}
