/** Training, live: settings, what starts and stops it, how cost and gradients go, and in words how it ended. */

import { useSignal } from "@preact/signals";
import { api, type TrainAction, type Training as Answer } from "../api";
import { number } from "../numbers";
import { network, state } from "../store";
import { acceptTraining, startPolling, training } from "../training";
import { Curves, type Series } from "./Curves";
import { faultOf, FaultText, type Fault } from "./fault";
import { Field } from "./Field";
import { Panel } from "./Panel";
import { SETTING_LABELS, settingsOf, type Draft, type SettingName } from "./settings";
import { stuck } from "./stuck";

const NUMBERS: readonly SettingName[] = ["learning_rate", "batch_size", "epochs", "penalty", "seed"];
const FIELDS = [...NUMBERS, "optimizer", "activation"];

const WORDS: Record<Answer["status"], string> = {
  idle: "Ready",
  running: "Training",
  paused: "Paused",
  failed: "Training failed",
  diverged: "Training diverged",
  done: "Trained",
};

export function Training() {
  const draft = useSignal<Draft>({});
  const fault = useSignal<Fault | null>(null);
  const now = training.value;
  if (!now) return <Panel id="training" title="Training">{null}</Panel>;

  const command = async (action: TrainAction, activation?: string): Promise<void> => {
    const typed = draft.value;
    const read = settingsOf(typed);
    if ("message" in read) {
      fault.value = read;
      return;
    }
    try {
      const changed = Object.keys(read.settings).length > 0;
      const answer = await api.train({
        action,
        ...(changed ? { settings: read.settings } : {}),
        ...(activation === undefined ? {} : { activation }),
      });
      // What was typed meanwhile stays typed.
      if (draft.value === typed) draft.value = {};
      fault.value = null;
      if (action === "reset" || activation !== undefined) training.value = null;
      acceptTraining(answer);
      startPolling();
    } catch (error) {
      fault.value = faultOf(error);
    }
  };

  const type = (name: SettingName, value: string): void => {
    draft.value = { ...draft.value, [name]: value };
  };
  const running = now.status === "running";
  const hidden = network.value?.activations.slice(0, -1) ?? [];
  const choices = state.value?.choices;
  const warning = stuck(now);

  return (
    <Panel id="training" title="Training">
      <form
        class="fields training-settings"
        onSubmit={(event) => {
          event.preventDefault();
          void command("configure");
        }}
      >
        <Field panel="training" label={SETTING_LABELS.optimizer} fault={fault.value} field="optimizer">
          {(described) => (
            <select
              {...described}
              value={draft.value.optimizer ?? now.settings.optimizer}
              onChange={(event) => {
                type("optimizer", event.currentTarget.value);
                void command("configure");
              }}
            >
              {withCurrent(choices?.optimizers ?? [], now.settings.optimizer).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
        </Field>
        {hidden.length ? (
          <Field panel="training" label="activation" fault={fault.value} field="activation">
            {(described) => (
              <select
                {...described}
                title="Another activation is another network: its training begins anew"
                value={hidden[0] ?? ""}
                onChange={(event) => void command("configure", event.currentTarget.value)}
              >
                {withCurrent(choices?.activations ?? [], hidden[0] ?? "").map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            )}
          </Field>
        ) : null}
        {NUMBERS.map((name) => (
          <Field key={name} panel="training" label={SETTING_LABELS[name]} fault={fault.value} field={name}>
            {(described) => (
              <input
                {...described}
                type="text"
                class="number"
                inputMode="decimal"
                autocomplete="off"
                value={draft.value[name] ?? String(now.settings[name])}
                onInput={(event) => type(name, event.currentTarget.value)}
                onBlur={() => {
                  if (draft.value[name] !== undefined) void command("configure");
                }}
              />
            )}
          </Field>
        ))}
        <button type="submit" class="visually-hidden" tabIndex={-1}>
          Apply
        </button>
      </form>

      <div class="fields training-actions" role="group" aria-label="Training">
        <button type="button" class="primary" onClick={() => void command(running ? "pause" : "start")}>
          {running ? "Pause" : now.epoch || now.step ? "Continue" : "Start"}
        </button>
        <button type="button" disabled={running} onClick={() => void command("batch")}>
          One batch
        </button>
        <button type="button" disabled={running} onClick={() => void command("epoch")}>
          One epoch
        </button>
        <button type="button" onClick={() => void command("reset")}>
          Reset
        </button>
        <p class="training-place">
          epoch <b>{now.epoch}</b>
          {/* Who goes on after the last epoch trains as many again: there is no "of" then. */}
          {now.epoch <= now.settings.epochs ? ` of ${now.settings.epochs}` : ""} · step <b>{now.step}</b> of {now.steps_an_epoch}
        </p>
      </div>
      <FaultText id="training-fault" fault={fault.value} field={null} fields={FIELDS} />
      <div class={`training-status ${now.status === "failed" || now.status === "diverged" ? "bad" : ""}`} role="status">
        {now.message ? now.message.replace(/^./, (first) => first.toUpperCase()) : <strong>{WORDS[now.status]}</strong>}
      </div>
      <div class={warning === null ? "training-status" : "training-status bad"} role="status">
        {warning}
      </div>
      {now.batch ? <p class="note">Cost of the last batch: {number(now.batch.cost)}</p> : null}
      <Charts answer={now} />
    </Panel>
  );
}

function Charts({ answer }: { answer: Answer }) {
  const straight = useSignal(false);
  const { cost, validation_cost: validation, accuracy, gradient_norms: norms } = answer.history;
  const costs: Series[] = [{ name: "training", values: cost, colour: "var(--positive)" }];
  if (validation.some((value) => value !== null)) costs.push({ name: "validation", values: validation, colour: "var(--negative)", dashed: true });
  const layers = norms.at(-1)?.length ?? network.value?.activations.length ?? 0;
  const gradients = Array.from({ length: layers }, (_, l): Series => ({
    name: `layer ${l + 1}`,
    values: norms.map((epoch) => epoch[l] ?? null),
    colour: layerColour(l, layers),
  }));
  const last = accuracy?.at(-1);
  return (
    <>
      <Curves label="Cost" series={costs} log={!straight.value} />
      <Curves label="Gradient norm" series={gradients} log={!straight.value} />
      <p class="fields note training-foot">
        <label>
          <input
            type="checkbox"
            checked={!straight.value}
            onChange={(event) => (straight.value = !event.currentTarget.checked)}
          />
          log axis
        </label>
        {last !== undefined && last !== null ? <span>accuracy {number(100 * last, 3)} %</span> : null}
      </p>
    </>
  );
}

/** From the first layer's colour to the last's, so that a fading δ shows as an order of colours. */
function layerColour(l: number, layers: number): string {
  const share = layers > 1 ? Math.round((100 * l) / (layers - 1)) : 100;
  return `color-mix(in oklch, var(--positive) ${share}%, var(--negative))`;
}

/** A name that only a model file had stays a choice of its own. */
function withCurrent(names: readonly string[], current: string): string[] {
  return current === "" || names.includes(current) ? [...names] : [current, ...names];
}
