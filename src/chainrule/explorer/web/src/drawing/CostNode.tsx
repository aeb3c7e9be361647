/** The cost at the right of the outputs: what every gradient is the gradient of. */

import { network, notation, target } from "../store";
import { alphabet } from "../symbols";
import { cursor } from "./cursor";
import { placeLabel } from "./labels";
import { unitCentre, type Layout } from "./layout";
import type { Light } from "./light";

export function CostNode({ plan, light }: { plan: Layout; light: Light | null }) {
  const { x, y, radius } = plan.cost;
  const outputs = plan.layers.at(-1);
  const classes = ["unit", "cost-node", light?.cost ? "lit" : "", target.value.kind === "cost" ? "selected" : ""];
  return (
    <g>
      {outputs?.mode === "units"
        ? Array.from({ length: outputs.n }, (_, unit) => {
            const from = unitCentre(outputs, unit);
            return (
              <path key={unit} class="to-cost" d={`M${from.x + outputs.radius} ${from.y}L${x - radius} ${y}`} />
            );
          })
        : null}
      <g
        id="cost-node"
        class={classes.join(" ").trim()}
        role="button"
        tabindex={cursor.value.kind === "cost" ? 0 : -1}
        aria-label={placeLabel({ kind: "cost" })}
        transform={`translate(${x} ${y})`}
      >
        <circle class="unit-halo" r={radius + 4} />
        <circle class="unit-disc" r={radius} />
      </g>
      <text aria-hidden="true" class="cost-name" x={x} y={y} dy="0.35em">
        {network.value ? alphabet(notation.value).cost : ""}
      </text>
    </g>
  );
}
