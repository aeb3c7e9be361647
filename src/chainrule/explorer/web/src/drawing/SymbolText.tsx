/** A symbol with its layer above and its units below, as HTML. */

import type { Symbol } from "../symbols";

export function SymbolText({ symbol }: { symbol: Symbol }) {
  return (
    <span class="symbol">
      <i>{symbol.base}</i>
      <span class="symbol-marks">
        <sup>{symbol.layer}</sup>
        <sub>{symbol.index}</sub>
      </span>
    </span>
  );
}
