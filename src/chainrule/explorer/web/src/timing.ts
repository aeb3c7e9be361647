/** From click to shown derivation, as the browser's own measure: performance.getEntriesByName("click-to-derivation"). */

const NAME = "click-to-derivation";
let clicked: number | null = null;

export function markClick(): void {
  clicked = performance.now();
}

/** Call once the derivation is in the document: the measure ends when the frame that shows it has been painted. */
export function markShown(): void {
  if (clicked === null) return;
  const start = clicked;
  clicked = null;
  requestAnimationFrame(() => {
    // A task after the frame's callback runs after its paint.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      performance.measure(NAME, { start, end: performance.now() });
      port1.close();
    };
    port2.postMessage(null);
  });
}
