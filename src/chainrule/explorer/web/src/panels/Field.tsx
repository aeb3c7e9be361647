/** A labelled control with the refusal that it caused beneath it. */

import type { JSX } from "preact";
import { FaultText, type Fault } from "./fault";

export interface Described {
  id: string;
  "aria-invalid"?: true;
  "aria-describedby"?: string;
}

export function Field({ panel, field, label, fault, children }: {
  panel: string;
  /** The API's name of what is set. */
  field: string;
  label: string;
  fault: Fault | null;
  children: (described: Described) => JSX.Element;
}) {
  const id = `${panel}-${field}`;
  const wrong = fault?.field === field;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...(wrong ? { "aria-invalid": true as const, "aria-describedby": `${id}-fault` } : {}) })}
      <FaultText id={`${id}-fault`} fault={fault} field={field} />
    </div>
  );
}
