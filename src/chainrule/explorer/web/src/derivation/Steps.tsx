/** The steps, as the server has set them. The current one is marked, and kept in sight. */

import { useSignalEffect } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { DerivationStep, Direction } from "../api";
import { derivation, step, steps } from "../store";
import { position } from "../player/playback";

const HEADINGS: Record<Direction, string> = { forward: "Forward", backward: "Backward", gradient: "Gradient" };

function One({ html, index, heading }: { html: string; index: number; heading: string | null }) {
  return (
    <>
      {heading === null ? null : <h3 class="steps-heading">{heading}</h3>}
      <div class="one-step" data-index={index} dangerouslySetInnerHTML={{ __html: html }} />
    </>
  );
}

function headingOf(all: readonly DerivationStep[], index: number): string | null {
  const here = all[index]!.direction;
  return index > 0 && all[index - 1]!.direction === here ? null : HEADINGS[here];
}

const MARGIN = 40;

/** Scrolls the list (not the page) to where the step is seen. What comes into sight takes its true height then: look again. */
function bring(list: HTMLElement, current: HTMLElement, looks = 3): void {
  const [top, bottom] = [current.offsetTop - MARGIN, current.offsetTop + current.offsetHeight];
  const fits = bottom - top <= list.clientHeight;
  if (top < list.scrollTop || !fits) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  if (looks > 0) requestAnimationFrame(() => bring(list, current, looks - 1));
}

/** Marks the step in the list. */
function mark(list: HTMLElement, index: number): void {
  list.querySelector(".one-step.current")?.classList.remove("current");
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  const current = list.querySelector<HTMLElement>(`.one-step[data-index="${index}"]`);
  if (!current) return;
  current.classList.add("current");
  current.setAttribute("aria-current", "step");
  bring(list, current);
}

export function Steps() {
  const list = useRef<HTMLDivElement>(null);
  const all = steps.value;
  const shown = derivation.value.value;
  useLayoutEffect(() => {
    if (list.current) mark(list.current, position.peek());
  }, [shown]);
  useSignalEffect(() => {
    const index = position.value;
    if (list.current) mark(list.current, index);
  });
  const onClick = (event: MouseEvent): void => {
    const chosen = (event.target as Element).closest<HTMLElement>(".one-step")?.dataset["index"];
    if (chosen !== undefined) step.value = Number(chosen);
  };
  // Made once for a derivation: another step doesn't set all of them anew.
  const written = useMemo(
    () => all.map((one, index) => <One key={index} html={one.html} index={index} heading={headingOf(all, index)} />),
    [all],
  );
  return (
    <div class="steps chainrule" ref={list} tabIndex={0} role="region" aria-label="Steps" onClick={onClick}>
      {written}
    </div>
  );
}
