/** The drawing as a file of its own: SVG with its styles written into it, or PNG at twice the size. */

const SVG = "http://www.w3.org/2000/svg";
const STYLES = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "opacity",
  "font-family",
  "font-size",
  "font-style",
  "font-weight",
  "font-variant-numeric",
  "text-anchor",
  "image-rendering",
] as const;
const CAPTION = 50;

/** What the page's style sheet gives an element, as attributes of its copy; what serves the page alone is left out. */
function settle(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  const set = STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
  to.setAttribute("style", set);
  for (const name of ["class", "id", "tabindex", "role", "aria-label", "aria-hidden"]) to.removeAttribute(name);
  const [sources, copies] = [[...from.children], [...to.children]];
  sources.forEach((child, index) => settle(child, copies[index]!));
}

export interface Drawn {
  text: string;
  width: number;
  height: number;
}

/** The drawing that is shown, with lines of a caption under it. */
export function drawnSvg(shown: SVGSVGElement, caption: readonly string[]): Drawn {
  const width = shown.clientWidth || shown.viewBox.baseVal.width;
  const height = (shown.clientHeight || shown.viewBox.baseVal.height) + CAPTION;
  const page = getComputedStyle(document.documentElement);
  const copy = shown.cloneNode(true) as SVGSVGElement;
  settle(shown, copy);
  copy.removeAttribute("style");
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const title = document.createElementNS(SVG, "title");
  title.textContent = caption.join(": ");
  const paper = document.createElementNS(SVG, "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  paper.setAttribute("fill", page.backgroundColor);
  copy.prepend(title, paper);
  caption.forEach((line, index) => {
    const words = document.createElementNS(SVG, "text");
    words.setAttribute("x", String(width / 2));
    words.setAttribute("y", String(height - CAPTION + 20 + 17 * index));
    words.setAttribute("text-anchor", "middle");
    words.setAttribute("font-size", "12");
    words.setAttribute("font-family", "serif");
    words.setAttribute("fill", page.color);
    words.textContent = line;
    copy.append(words);
  });
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

export function svgBlob(drawn: Drawn): Blob {
  return new Blob([drawn.text], { type: "image/svg+xml" });
}

/** The same in pixels, two to each of the page's. */
export async function pngBlob(drawn: Drawn): Promise<Blob> {
  const address = URL.createObjectURL(svgBlob(drawn));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = drawn.width * 2;
    canvas.height = drawn.height * 2;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    if (blob === null) throw new Error("The browser could not make a PNG of the drawing. SVG works without it.");
    return blob;
  } finally {
    URL.revokeObjectURL(address);
  }
}
