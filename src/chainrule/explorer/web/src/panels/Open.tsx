/** Chooses a data set and a shape for a new network. `embedded`: shown in the page since there is no network yet. */
export function Open({ embedded }: { embedded: boolean }) {
  return <section class={embedded ? "panel" : "dialog"}>Open</section>;
}
