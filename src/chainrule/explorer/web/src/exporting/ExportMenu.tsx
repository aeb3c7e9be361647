/** Export: the view as SVG or PNG, the derivation as LaTeX, HTML or text, the model file. */

import { useEffect, useRef } from "preact/hooks";
import { api } from "../api";
import { number } from "../numbers";
import { report } from "../problems";
import { data, derivation, derivationRequest, of, part, row } from "../store";
import { download } from "./download";
import { drawnSvg, pngBlob, svgBlob, type Drawn } from "./picture";

function place(): string {
  return `${data.value?.name ?? ""}, ${part.value} row ${row.value}`;
}

function drawn(): Drawn {
  const shown = document.querySelector<SVGSVGElement>("svg.network");
  if (!shown) throw new Error("There is no drawing to export yet.");
  const found = derivation.value.value;
  const value = found && found.value !== null ? ` = ${number(found.value, 6)}` : "";
  return drawnSvg(shown, [place(), ...(found ? [`${found.title}${value}`] : [])]);
}

function pictureName(ending: string): string {
  return `network-${of.value.replaceAll(":", "-")}-${part.value}-${row.value}.${ending}`;
}

async function exportDerivation(to: "latex" | "html" | "text"): Promise<void> {
  const request = derivationRequest.value;
  if (!request) throw new Error("There is no derivation to export yet.");
  const { blob, name } = await api.exportDerivation({ ...request, to });
  download(blob, name ?? `derivation.${to === "latex" ? "tex" : to === "html" ? "html" : "txt"}`);
}

const ITEMS: [string, () => Promise<void> | void][] = [
  ["View as SVG", () => download(svgBlob(drawn()), pictureName("svg"))],
  ["View as PNG", async () => download(await pngBlob(drawn()), pictureName("png"))],
  ["Derivation as LaTeX", () => exportDerivation("latex")],
  ["Derivation as HTML", () => exportDerivation("html")],
  ["Derivation as text", () => exportDerivation("text")],
  [
    "Model file",
    async () => {
      const { blob, name } = await api.exportModel();
      download(blob, name ?? "model.chainrule");
    },
  ],
];

export function ExportMenu() {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = (): void => {
    if (menu.current) menu.current.open = false;
  };
  useEffect(() => {
    const outside = (event: MouseEvent): void => {
      if (!menu.current?.contains(event.target as Node)) close();
    };
    document.addEventListener("click", outside);
    return () => document.removeEventListener("click", outside);
  }, []);
  const run = async (action: () => Promise<void> | void): Promise<void> => {
    close();
    menu.current?.querySelector("summary")?.focus();
    try {
      await action();
    } catch (error) {
      report(error);
    }
  };
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        close();
        menu.current?.querySelector("summary")?.focus();
      }}
    >
      <summary role="button">Export</summary>
      <div class="menu-items">
        {ITEMS.map(([name, action]) => (
          <button key={name} type="button" onClick={() => void run(action)}>
            {name}
          </button>
        ))}
      </div>
    </details>
  );
}
