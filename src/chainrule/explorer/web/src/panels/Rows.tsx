/** The row looked at, as a picture or as features; and the rows whose examples pull hardest at the parameters. */

import { useComputed, useSignal } from "@preact/signals";
import { api, type Row } from "../api";
import { number } from "../numbers";
import { at, data, goToRow, part, row, select, shownRow } from "../store";
import { training } from "../training";
import { useAsked } from "./asked";
import { FaultText } from "./fault";
import { Panel } from "./Panel";
import { Picture } from "./Picture";

const LIMIT = 20;
/** So many features are listed; a table of thousands says nothing. */
const FEATURES = 16;

export function Rows() {
  const onScreen = useSignal(false);
  const running = useComputed(() => training.value?.status === "running");
  // The list is that of the part, whatever the row.
  const ready = useComputed(() => at.value?.version ?? 0);
  const { answer, fault } = useAsked((abort) => {
    if (!ready.value) return null;
    // Norms of all rows take a pass over them: not at every step of a running training.
    if (!onScreen.value || running.value) return "later";
    return api.largestGradients({ part: part.value, limit: LIMIT }, abort);
  });
  const shown = shownRow.value.value;
  const largest = answer.value?.rows ?? [];
  const most = largest[0]?.norm ?? 0;
  return (
    <Panel id="rows" title="Rows" onScreen={onScreen}>
      <div class="rows-halves">
        {shown ? <Current shown={shown} /> : null}
        <div class="rows-largest">
          <h3 class="panel-heading">Largest gradient first</h3>
          <p class="note">
            ‖∂C<sub>i</sub>/∂θ‖ of each row of {part.value}: how hard this row alone pulls at the parameters.
          </p>
          <FaultText id="rows-fault" fault={fault.value} field={null} />
          {running.value ? <p class="note">Listed anew when training pauses.</p> : null}
          {largest.length ? (
            <div class="scroll" tabIndex={0} role="region" aria-label="Rows with the largest gradients">
              <table class="rows-table">
                <thead>
                  <tr>
                    <th scope="col">row</th>
                    <th scope="col">norm</th>
                    <th scope="col">target</th>
                    <th scope="col">network says</th>
                    <th scope="col">cost</th>
                  </tr>
                </thead>
                <tbody>
                  {largest.map((one) => (
                    <tr key={one.row} class={one.row === row.value ? "selected" : ""}>
                      <td>
                        <button
                          type="button"
                          class="link"
                          aria-current={one.row === row.value ? "true" : undefined}
                          aria-label={`Go to row ${one.row}`}
                          onClick={() => goToRow(one.row)}
                        >
                          {one.row}
                        </button>
                      </td>
                      <td class="norm">
                        <span class="norm-bar" style={{ width: `${most > 0 ? (100 * (one.norm ?? 0)) / most : 0}%` }} />
                        <span>{number(one.norm)}</span>
                      </td>
                      <td>{one.label ?? "–"}</td>
                      <td class={one.label !== null && one.predicted !== null && one.label !== one.predicted ? "wrong" : ""}>
                        {one.predicted ?? "–"}
                      </td>
                      <td>{number(one.cost)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          ) : null}
        </div>
      </div>
    </Panel>
  );
}

/** All pixels of a row, as read: an answer holds the first 4,096. What has no value is paper. */
async function wholePicture(shown: Row, abort: AbortSignal): Promise<number[]> {
  const { values, count } = shown.inputs;
  const more: Promise<Row>[] = [];
  for (let start = values.length; start < count; start += values.length) {
    more.push(api.row({ part: shown.part, row: shown.row, start, count: values.length }, abort));
  }
  return [shown, ...(await Promise.all(more))].flatMap((one) => one.pixels ?? []).map((value) => value ?? 0);
}

function Current({ shown }: { shown: Row }) {
  const image = data.value?.image ?? null;
  const pixels = useAsked((abort) => {
    const here = shownRow.value.value;
    return here && data.value?.image ? wholePicture(here, abort) : null;
  }).answer.value;
  const count = data.value?.rows[part.value] ?? 0;
  const classes = data.value?.classes ?? null;
  const typed = useSignal<string | null>(null);
  const go = (): void => {
    const wanted = Number(typed.value);
    if (typed.value?.trim() && Number.isFinite(wanted)) goToRow(Math.trunc(wanted));
    typed.value = null;
  };
  return (
    <div class="row-current">
      {image && pixels ? (
        <figure class="row-picture">
          <Picture values={pixels} width={image.width} height={image.height} label={`Row ${shown.row} as a picture`} />
          <figcaption class="note">as read</figcaption>
        </figure>
      ) : null}
      <div class="row-about">
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault();
            go();
          }}
        >
          <button type="button" disabled={shown.row <= 0} onClick={() => goToRow(row.value - 1)}>
            Previous
          </button>
          <button type="button" disabled={shown.row >= count - 1} onClick={() => goToRow(row.value + 1)}>
            Next
          </button>
          <label>
            go to row
            <input
              type="text"
              class="number"
              inputMode="numeric"
              value={typed.value ?? String(row.value)}
              onInput={(event) => (typed.value = event.currentTarget.value)}
              onBlur={go}
            />
          </label>
        </form>
        <p aria-live="polite">
          Row {shown.row} of {part.value}: target <b>{shown.target_label ?? vector(shown.target)}</b>, the network says{" "}
          <b class={shown.predicted_label !== null && shown.predicted_label !== shown.target_label ? "wrong" : ""}>
            {shown.predicted_label ?? vector(shown.outputs)}
          </b>
        </p>
        <Outputs outputs={shown.outputs} classes={classes} label={shown.target_label} />
        {image ? null : <Features shown={shown} />}
      </div>
    </div>
  );
}

/** The outputs as bars where they are shares, at most ten of them. */
function Outputs({ outputs, classes, label }: { outputs: number[]; classes: string[] | null; label: string | null }) {
  if (classes === null || classes.length !== outputs.length) return null;
  const order = outputs.map((_, c) => c);
  if (order.length > 10) order.sort((a, b) => (outputs[b] ?? 0) - (outputs[a] ?? 0));
  const most = Math.max(1, ...outputs);
  return (
    <ol class="outputs" aria-label="Outputs">
      {order.slice(0, 10).map((c) => (
        <li key={c} class={classes[c] === label ? "target" : ""}>
          <span class="outputs-name">{classes[c]}</span>
          <span class="outputs-bar">
            <span style={{ width: `${Math.max(0, (100 * (outputs[c] ?? 0)) / most)}%` }} />
          </span>
          <span class="outputs-value">{number(outputs[c], 3)}</span>
        </li>
      ))}
    </ol>
  );
}

/** The inputs by name; each selects its derivative. */
function Features({ shown }: { shown: Row }) {
  const names = data.value?.features ?? null;
  const units = shown.features_in_units;
  const listed = shown.inputs.values.slice(0, FEATURES);
  const raw = (k: number, name: string): string => {
    const value = Array.isArray(units) ? units[k] : units?.[name];
    return value === undefined ? "" : typeof value === "number" ? number(value) : (value ?? "–");
  };
  return (
    <table class="features">
      <thead>
        <tr>
          <th scope="col">feature</th>
          {units ? <th scope="col">in its unit</th> : null}
          <th scope="col">as input</th>
        </tr>
      </thead>
      <tbody>
        {listed.map((value, k) => {
          const name = names?.[k] ?? `x${k}`;
          return (
            <tr key={k}>
              <td>
                <button type="button" class="link" aria-label={`Derive by ${name}`} onClick={() => select({ kind: "x", k })}>
                  {name}
                </button>
              </td>
              {units ? <td>{raw(k, name)}</td> : null}
              <td>{number(value)}</td>
            </tr>
          );
        })}
        {shown.inputs.count > listed.length ? (
          <tr>
            <td colSpan={3} class="note">
              and {shown.inputs.count - listed.length} more
            </td>
          </tr>
        ) : null}
      </tbody>
    </table>
  );
}

function vector(values: readonly (number | null)[] | null): string {
  if (!values) return "none";
  return values.slice(0, 4).map((value) => number(value)).join(", ") + (values.length > 4 ? ", …" : "");
}
