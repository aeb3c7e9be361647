/** Errors in the server's words, until dismissed; and the notice of a lost connection, which goes by itself. */

import { connected } from "./api";
import { dismiss, problems } from "./problems";

export function Banner() {
  return (
    <div class="problems" role="alert">
      {connected.value ? null : (
        <p class="problem">
          <span>The server does not answer. Is chainrule explore still running? Trying again every two seconds.</span>
        </p>
      )}
      {problems.value.map((problem) => (
        <p class="problem" key={problem.id}>
          <span>{problem.message}</span>
          <button type="button" aria-label="Dismiss this message" onClick={() => dismiss(problem.id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  );
}
