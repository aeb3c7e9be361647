/** The explorer's JSON API, typed. The token lives in this module's memory; the server's words pass through in ApiError. */

import { signal } from "@preact/signals";

export type Part = "train" | "test" | "all";
export type NotationName = "delta" | "theta" | "dz" | "S" | "nabla" | "input";
export type Form = "units" | "matrices";
export type MatrixKind = "W" | "dW" | "Wdelta";

export interface Network {
  sizes: number[];
  activations: string[];
  cost: string;
  bias: boolean[];
  reduction: string;
  dtype: string;
  parameters: number;
  backend: string;
}

export interface Data {
  name: string;
  rows: Record<Part, number>;
  features: string[] | null;
  classes: string[] | null;
  task: string;
  image: { width: number; height: number } | null;
  plane: boolean;
}

export interface Dataset {
  name: string;
  rows: number;
  inputs: number;
  task: string;
  plane: boolean;
}

export interface Notation {
  name: NotationName;
  source: string;
  title: string;
}

export interface Choices {
  datasets: Dataset[];
  activations: string[];
  output_activations?: string[];
  optimizers: string[];
  notations: Notation[];
  costs: string[];
}

export type TrainingStatus = "idle" | "running" | "paused" | "failed" | "diverged" | "done";

export interface TrainingSettings {
  optimizer: string;
  learning_rate: number;
  batch_size: number;
  seed: number;
  epochs: number;
  penalty: number;
}

export interface TrainingHistory {
  from_epoch: number;
  cost: (number | null)[];
  validation_cost: (number | null)[];
  accuracy: (number | null)[] | null;
  gradient_norms: (number | null)[][];
}

export interface Training {
  status: TrainingStatus;
  message: string | null;
  epoch: number;
  step: number;
  steps_an_epoch: number;
  settings: TrainingSettings;
  history: TrainingHistory;
  batch: { cost: number | null; gradient_norms: (number | null)[] } | null;
}

export interface State {
  version: number;
  network: Network | null;
  data: Data | null;
  training: Training;
  choices: Choices;
}

export interface Row {
  part: Part;
  row: number;
  inputs: { count: number; values: number[] };
  features_in_units: Record<string, string | number | null> | (string | number | null)[] | null;
  /** Of a picture: the same slice as that of the inputs, as read. */
  pixels: (number | null)[] | null;
  target: number[] | null;
  target_label: string | null;
  outputs: number[];
  predicted_label: string | null;
  cost: number | null;
  gradient_norm: number | null;
}

export interface Units {
  layer: number;
  n: number;
  start: number;
  a: (number | null)[];
  z: (number | null)[] | null;
  slope: (number | null)[] | null;
  delta: (number | null)[] | null;
}

export interface MatrixSlice {
  layer: number;
  what: MatrixKind;
  shape: [number, number];
  rows: [number, number];
  columns: [number, number];
  pooled: boolean;
  cell: [number, number];
  values: (number | null)[][];
  largest: number | null;
}

export type Direction = "forward" | "backward" | "gradient";
export type StepKind = "z" | "a" | "slope" | "da" | "delta" | "dW" | "db" | "dx" | "cost";

export interface DerivationStep {
  id: string | number;
  equation: string;
  layer: number;
  units: number[];
  direction: Direction;
  kind: StepKind;
  why: string;
  html: string;
  value: number | null;
}

export interface Derivation {
  value: number | null;
  of: string;
  title: string;
  notation: NotationName;
  form: Form;
  definitions_html: string;
  steps: DerivationStep[];
}

export interface Path {
  units: number[];
  factors: { name: string; value: number | null }[];
  value: number | null;
  share: number | null;
}

export interface Paths {
  paths: Path[];
  total: number | null;
  by_dynamic_programming: number | null;
  n_paths: number;
  cancellation: number | null;
  multiplications: { paths: number; dynamic_programming: number };
}

export interface InputGradient {
  output: string | number;
  values: (number | null)[];
  largest: number | null;
}

export interface LargestGradients {
  rows: { row: number; norm: number | null; label: string | null; predicted: string | null; cost: number | null }[];
}

export interface Nudge {
  derivative: number | null;
  cost: number | null;
  by: number[];
  predicted: (number | null)[];
  true: (number | null)[];
  outputs_before: (number | null)[];
  outputs_after_last: (number | null)[];
}

export interface Decision {
  x: [number, number];
  y: [number, number];
  values: number[][];
  classes: string[];
  points: [x: number, y: number, c: number][];
  /** The row of part all that each point is. */
  rows: number[];
}

export interface OpenRequest {
  dataset: string;
  hidden: number[];
  activation: string;
  seed: number;
}

export type TrainAction = "start" | "pause" | "batch" | "epoch" | "reset" | "configure";

export interface DerivationRequest {
  part: Part;
  row: number;
  of: string;
  notation: NotationName;
  shifted: boolean;
  form: Form;
  terms?: number;
  output?: string;
}

/** What went wrong, in the server's words. status 0: the server did not answer. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly field: string | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const token = new URLSearchParams(location.search).get("token") ?? "";

/** The version that the server's last answer carried; the store refreshes what is shown when it changes. */
export const serverVersion = signal(0);
/** Whether the last request was answered at all. */
export const connected = signal(true);

type Query = Record<string, string | number | boolean | undefined>;

function address(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, typeof value === "boolean" ? String(Number(value)) : String(value));
  }
  const text = parameters.toString();
  return text ? `/api/${path}?${text}` : `/api/${path}`;
}

async function refusal(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as { error?: { message?: string; field?: string | null } };
    if (body.error?.message) return new ApiError(body.error.message, response.status, body.error.field ?? null);
  } catch {
    // Not JSON: the status line has to do.
  }
  return new ApiError(`The server answered ${response.status} ${response.statusText}.`, response.status);
}

async function send(path: string, query: Query, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address(path, query), {
      ...init,
      cache: "no-store",
      headers: { ...(init.headers as Record<string, string> | undefined), "X-Chainrule-Token": token },
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    connected.value = false;
    throw new ApiError("The server does not answer. Is chainrule explore still running?", 0);
  }
  connected.value = true;
  const version = Number(response.headers.get("X-Chainrule-Version"));
  if (version > 0) serverVersion.value = version;
  if (!response.ok) throw await refusal(response);
  return response;
}

async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const response = await send(path, query, signal ? { signal } : {});
  return (await response.json()) as T;
}

async function post<T>(path: string, body: object): Promise<T> {
  const response = await send(path, {}, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as T;
}

export interface RowName {
  part: Part;
  row: number;
}

function derivationQuery(request: DerivationRequest): Query {
  return { ...request };
}

export const api = {
  state: (signal?: AbortSignal) => get<State>("state", {}, signal),
  open: (request: OpenRequest) => post<State>("open", request),
  row: (at: RowName & { start?: number; count?: number }, signal?: AbortSignal) => get<Row>("row", { ...at }, signal),
  units: (at: RowName & { layer: number; start?: number; count?: number }, signal?: AbortSignal) =>
    get<Units>("units", { ...at }, signal),
  matrix: (
    at: RowName & { layer: number; what: MatrixKind; rows?: [number, number]; columns?: [number, number]; at_most?: number },
    signal?: AbortSignal,
  ) =>
    get<MatrixSlice>("matrix", { ...at, rows: at.rows?.join(":"), columns: at.columns?.join(":") }, signal),
  derivation: (request: DerivationRequest, signal?: AbortSignal) =>
    get<Derivation>("derivation", derivationQuery(request), signal),
  paths: (at: RowName & { of: string; k?: number }, signal?: AbortSignal) => get<Paths>("paths", { ...at }, signal),
  inputGradient: (at: RowName & { output: string }, signal?: AbortSignal) =>
    get<InputGradient>("input-gradient", { ...at }, signal),
  largestGradients: (at: { part: Part; limit?: number }, signal?: AbortSignal) =>
    get<LargestGradients>("largest-gradients", { ...at }, signal),
  nudge: (request: RowName & { of: string; by: number[] }) => post<Nudge>("nudge", request),
  train: (request: { action: TrainAction; settings?: Partial<TrainingSettings>; activation?: string }) =>
    post<Training>("train", request),
  training: (since: number, signal?: AbortSignal) => get<Training>("training", { since }, signal),
  decision: (resolution: number, signal?: AbortSignal) => get<Decision>("decision", { resolution }, signal),
  /** The file, and the name that the server gave it. */
  exportDerivation: (request: DerivationRequest & { to: "latex" | "html" | "text" }) =>
    file("export/derivation", { ...request }),
  exportModel: () => file("export/model", {}),
};

async function file(path: string, query: Query): Promise<{ blob: Blob; name: string | null }> {
  const response = await send(path, query);
  const name = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? null;
  return { blob: await response.blob(), name };
}
