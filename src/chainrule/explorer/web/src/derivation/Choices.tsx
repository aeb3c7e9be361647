/** In whose hand the derivation is written: notation, layer numbers, unit by unit or in matrices. */

import { batch } from "@preact/signals";
import type { Form, NotationName } from "../api";
import { form, notation, shifted, state, step } from "../store";

const FORMS: [Form, string][] = [
  ["units", "Unit by unit"],
  ["matrices", "Matrices"],
];

function setForm(next: Form): void {
  batch(() => {
    form.value = next;
    step.value = 0;
  });
}

export function Choices() {
  const notations = state.value?.choices.notations ?? [];
  return (
    <div class="choices">
      <label>
        Notation
        <select value={notation.value} onChange={(event) => (notation.value = event.currentTarget.value as NotationName)}>
          {notations.map(({ name, source, title }) => (
            <option key={name} value={name} title={title}>
              {name} · source {source}
            </option>
          ))}
        </select>
      </label>
      <div class="segmented" role="group" aria-label="Form">
        {FORMS.map(([value, text]) => (
          <button key={value} type="button" aria-pressed={form.value === value} onClick={() => setForm(value)}>
            {text}
          </button>
        ))}
      </div>
      <label title="As textbooks do in which the weights of layer ℓ lead out of it (001)">
        <input
          type="checkbox"
          checked={shifted.value}
          onChange={(event) => (shifted.value = event.currentTarget.checked)}
        />
        weights numbered by the layer they leave
      </label>
    </div>
  );
}
