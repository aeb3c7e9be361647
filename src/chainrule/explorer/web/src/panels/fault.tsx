/** A refusal in the server's words, beside the control that caused it. */

import { ApiError } from "../api";
import { controlOf } from "./settings";

export interface Fault {
  readonly message: string;
  /** The control that it is about, by the API's name for it; null: the panel as a whole. */
  readonly field: string | null;
}

export function faultOf(error: unknown): Fault {
  if (error instanceof ApiError) return { message: error.message, field: controlOf(error.field) };
  return { message: error instanceof Error ? error.message : String(error), field: null };
}

/** The fault, if it is about `field`; `fields` of a panel's own controls leave the rest to `field={null}`. */
export function FaultText({ fault, id, field, fields = [] }: {
  fault: Fault | null;
  id: string;
  field: string | null;
  fields?: readonly string[];
}) {
  const here = fault !== null && (field === null ? fault.field === null || !fields.includes(fault.field) : fault.field === field);
  return (
    <p class="fault" id={id} role="alert" hidden={!here}>
      {here ? fault.message : ""}
    </p>
  );
}
