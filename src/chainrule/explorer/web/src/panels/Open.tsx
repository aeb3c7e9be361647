/** Chooses a data set and a shape for a new network. `embedded`: shown in the page since there is no network yet. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, type Dataset } from "../api";
import { data, network, openDialog, showOpened, state } from "../store";
import { startPolling } from "../training";
import { faultOf, FaultText, type Fault } from "./fault";
import { Field } from "./Field";
import { sizesOf } from "./settings";
import "./panels.css";

const FIELDS = ["dataset", "hidden", "activation", "seed"];

export function Open({ embedded }: { embedded: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  if (embedded) {
    return (
      <section class="panel open-embedded" aria-labelledby="open-title">
        <h2 id="open-title">Train a network, and look inside</h2>
        <p class="open-lead">
          Choose a data set and a shape. A new network is made, untrained; you train it here and watch each derivative.
        </p>
        <OpenForm />
      </section>
    );
  }
  return (
    <dialog
      class="open-dialog panel"
      ref={dialog}
      aria-labelledby="open-title"
      onClose={() => (openDialog.value = false)}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current?.close();
      }}
    >
      <h2 id="open-title">Open a data set</h2>
      <OpenForm close={() => dialog.current?.close()} />
    </dialog>
  );
}

function OpenForm({ close }: { close?: () => void }) {
  const datasets = state.value?.choices.datasets ?? [];
  const activations = state.value?.choices.activations ?? [];
  // What is open, where it is offered: to change one thing of it is the usual wish.
  const offered = (name: string): boolean => datasets.some((one) => one.name === name);
  const current = [data.value?.name ?? "", "xor"].find(offered) ?? datasets[0]?.name ?? "";
  const now = network.value?.activations[0] ?? "";
  const dataset = useSignal(current);
  const hidden = useSignal(network.value?.sizes.slice(1, -1).join(", ") ?? "4, 4");
  const edited = useSignal(false);
  const activation = useSignal([now, "tanh"].find((name) => activations.includes(name)) ?? activations[0] ?? "");
  const seed = useSignal("0");
  const fault = useSignal<Fault | null>(null);
  const busy = useSignal(false);

  /** Another data set proposes its own shape, unless one was typed. */
  const choose = (one: Dataset): void => {
    dataset.value = one.name;
    if (!edited.value) hidden.value = one.plane ? "4, 4" : "16";
  };

  const submit = async (): Promise<void> => {
    const shape = sizesOf(hidden.value);
    if ("message" in shape) {
      fault.value = { message: shape.message, field: "hidden" };
      return;
    }
    if (!/^\s*\d+\s*$/.test(seed.value)) {
      fault.value = { message: `seed: expected a whole number from 0, got “${seed.value}”.`, field: "seed" };
      return;
    }
    busy.value = true;
    try {
      showOpened(
        await api.open({
          dataset: dataset.value,
          hidden: shape.sizes,
          activation: activation.value,
          seed: Number(seed.value),
        }),
      );
      fault.value = null;
      startPolling();
      close?.();
    } catch (error) {
      fault.value = faultOf(error);
    } finally {
      busy.value = false;
    }
  };

  const inPlane = datasets.filter((one) => one.plane);
  const others = datasets.filter((one) => !one.plane);
  return (
    <form
      class="open-form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <fieldset class="open-sets" aria-describedby="open-dataset-fault">
        <legend>Data set</legend>
        <Sets title="In the plane, with a decision map" sets={inPlane} chosen={dataset.value} choose={choose} />
        <Sets title="Tables and pictures" sets={others} chosen={dataset.value} choose={choose} />
        <FaultText id="open-dataset-fault" fault={fault.value} field="dataset" />
      </fieldset>
      <Field panel="open" field="hidden" label="Hidden layers" fault={fault.value}>
        {(described) => (
          <input
            {...described}
            type="text"
            autocomplete="off"
            placeholder="none"
            value={hidden.value}
            onInput={(event) => {
              edited.value = true;
              hidden.value = event.currentTarget.value;
            }}
          />
        )}
      </Field>
      <Field panel="open" field="activation" label="Activation" fault={fault.value}>
        {(described) => (
          <select {...described} value={activation.value} onChange={(event) => (activation.value = event.currentTarget.value)}>
            {activations.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </Field>
      <Field panel="open" field="seed" label="Seed" fault={fault.value}>
        {(described) => (
          <input
            {...described}
            type="text"
            class="number"
            inputMode="numeric"
            autocomplete="off"
            value={seed.value}
            onInput={(event) => (seed.value = event.currentTarget.value)}
          />
        )}
      </Field>
      <FaultText id="open-fault" fault={fault.value} field={null} fields={FIELDS} />
      <div class="fields open-actions">
        <button type="submit" class="primary" disabled={busy.value || dataset.value === ""}>
          Make the network
        </button>
        {close ? (
          <button type="button" onClick={close}>
            Cancel
          </button>
        ) : null}
      </div>
    </form>
  );
}

function Sets({ title, sets, chosen, choose }: {
  title: string;
  sets: Dataset[];
  chosen: string;
  choose: (one: Dataset) => void;
}) {
  if (!sets.length) return null;
  return (
    <div class="open-group">
      <p class="note">{title}</p>
      <div class="open-cards">
        {sets.map((one) => (
          <label class="open-card" key={one.name}>
            <input type="radio" name="dataset" value={one.name} checked={chosen === one.name} onChange={() => choose(one)} />
            <span>
              <b>{one.name.replaceAll("_", " ")}</b>
              <small>
                {one.rows.toLocaleString("en")} rows, {one.inputs} {one.inputs === 1 ? "input" : "inputs"}
                <br />
                {one.task}
              </small>
            </span>
          </label>
        ))}
      </div>
    </div>
  );
}
