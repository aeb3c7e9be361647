/** Above each layer: its number, its size and its activation. */

import { data, network, notation } from "../store";
import { layerName } from "../symbols";
import type { LayerBox } from "./layout";

function what(box: LayerBox): string {
  const n = box.n.toLocaleString("en");
  if (box.layer > 0) return `${n} ${network.value?.activations[box.layer - 1] ?? ""}`;
  const image = data.value?.image;
  return box.picture && image ? `${image.width} × ${image.height}` : n;
}

export function Headings({ layers }: { layers: readonly LayerBox[] }) {
  return (
    <g class="headings" aria-hidden="true">
      {layers.map((box) => (
        <text key={box.layer} x={box.x + box.width / 2} y={16}>
          <tspan class="heading-name" x={box.x + box.width / 2}>
            {layerName(box.layer, notation.value)}
          </tspan>
          <tspan class="heading-size" x={box.x + box.width / 2} dy="1.25em">
            {what(box)}
          </tspan>
        </text>
      ))}
    </g>
  );
}
