/** What the pointer is over: symbol and number. */

import { number } from "../numbers";
import { data, edgeColour, network, notation, shifted, shownRow } from "../store";
import { alphabet, unitSymbol, weightSymbol, type Symbol } from "../symbols";
import type { UnitColour } from "../view";
import type { Hit } from "./hit";
import { unitValue } from "./numbers";
import { SymbolText } from "./SymbolText";

function Line({ symbol, value, prefix = "" }: { symbol: Symbol; value: number | null; prefix?: string }) {
  return (
    <div>
      {prefix}
      <SymbolText symbol={symbol} /> = {number(value, 5)}
    </div>
  );
}

const QUANTITIES: readonly UnitColour[] = ["z", "a", "slope", "delta"];

function UnitText({ layer, unit }: { layer: number; unit: number }) {
  if (layer === 0) {
    const feature = data.value?.features?.[unit];
    return (
      <>
        {feature ? <div class="tooltip-name">{feature}</div> : null}
        <Line symbol={unitSymbol("a", 0, unit, notation.value)} value={unitValue(0, unit, "a")} />
        <div>
          ∂{alphabet(notation.value).cost}/∂x<sub>{unit}</sub> = {number(unitValue(0, unit, "delta"), 5)}
        </div>
      </>
    );
  }
  const last = (network.value?.sizes.length ?? 0) - 1;
  const label = layer === last ? data.value?.classes?.[unit] : undefined;
  return (
    <>
      {label === undefined ? null : <div class="tooltip-name">class {label}</div>}
      {QUANTITIES.map((kind) => (
        <Line key={kind} symbol={unitSymbol(kind, layer, unit, notation.value)} value={unitValue(layer, unit, kind)} />
      ))}
    </>
  );
}

function Text({ hit }: { hit: Hit }) {
  switch (hit.kind) {
    case "unit":
      return <UnitText layer={hit.layer} unit={hit.unit} />;
    case "weight": {
      const symbol = weightSymbol(hit.layer, hit.j, hit.k, notation.value, shifted.value);
      const kind = edgeColour.value;
      const { delta, cost } = alphabet(notation.value);
      if (kind === "W") return <Line symbol={symbol} value={hit.value} />;
      if (kind === "dW") return <Line prefix={`∂${cost}/∂`} symbol={symbol} value={hit.value} />;
      return (
        <div>
          <SymbolText symbol={symbol} /> · <SymbolText symbol={{ ...symbol, base: delta, index: String(hit.j) }} /> ={" "}
          {number(hit.value, 5)}
        </div>
      );
    }
    case "block": {
      const { rows, columns, value } = hit.cell;
      return (
        <>
          <div class="tooltip-name">
            units {rows[0]}–{rows[1] - 1}, from {columns[0]}–{columns[1] - 1}
          </div>
          <div>largest of them: {number(value, 5)}</div>
          <div class="note">click to come nearer</div>
        </>
      );
    }
    case "cost":
      return (
        <div>
          {alphabet(notation.value).cost} = {number(shownRow.value.value?.cost, 5)} <span class="note">({network.value?.cost})</span>
        </div>
      );
  }
}

export function Tooltip({ hit, x, y, width }: { hit: Hit; x: number; y: number; width: number }) {
  const right = x > width - 190;
  const style = right ? { right: `${width - x + 14}px`, top: `${y + 12}px` } : { left: `${x + 14}px`, top: `${y + 12}px` };
  return (
    <div class="tooltip" style={style} aria-hidden="true">
      <Text hit={hit} />
    </div>
  );
}
