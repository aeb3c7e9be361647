/** The frame of a panel. What is off the screen asks the server for nothing. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Signal } from "@preact/signals";
import "./panels.css";

export function Panel({ id, title, onScreen, children }: {
  id: string;
  title: string;
  /** Set while any of the panel is on the screen, or nearly. */
  onScreen?: Signal<boolean>;
  children: ComponentChildren;
}) {
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    const element = section.current;
    if (!element || !onScreen) return;
    const watch = new IntersectionObserver(
      (entries) => {
        onScreen.value = entries.at(-1)?.isIntersecting ?? false;
      },
      { rootMargin: "200px" },
    );
    watch.observe(element);
    return () => watch.disconnect();
  }, [onScreen]);
  return (
    <section class="panel" id={`panel-${id}`} aria-labelledby={`panel-${id}-title`} ref={section}>
      <h2 id={`panel-${id}-title`}>{title}</h2>
      {children}
    </section>
  );
}
