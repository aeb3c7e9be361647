/** Name of the product, the network in a line, and what concerns the whole page: open, export, theme. */

import { ExportMenu } from "./exporting/ExportMenu";
import { data, network, openDialog, theme } from "./store";
import { nextTheme } from "./theme";

function summary(): string {
  const net = network.value;
  if (!net) return "no network yet";
  const count = net.parameters.toLocaleString("en");
  return `${net.sizes.join("–")} · ${[...new Set(net.activations)].join(", ")} · ${net.cost} · ${count} parameters`;
}

export function Header() {
  return (
    <header class="header">
      <h1>chainrule</h1>
      <p class="header-network">
        {data.value ? <strong>{data.value.name}</strong> : null} <span>{summary()}</span>
      </p>
      <nav class="header-actions" aria-label="Page">
        <button type="button" onClick={() => (openDialog.value = true)}>
          Open…
        </button>
        <ExportMenu />
        <button type="button" onClick={nextTheme} title="The system's, light or dark">
          Theme: {theme.value}
        </button>
      </nav>
    </header>
  );
}
