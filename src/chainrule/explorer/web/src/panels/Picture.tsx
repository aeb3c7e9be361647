/** A row as a picture: its largest value is ink, its least paper, in both themes. */

import { useEffect, useRef } from "preact/hooks";
import { inkAt } from "../colour";
import { dark } from "../theme";
import { extent } from "./scale";

export function Picture({ values, width, height, label }: {
  values: readonly number[];
  width: number;
  height: number;
  label: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!pen) return;
    const [low, high] = extent(values) ?? [0, 1];
    const picture = pen.createImageData(width, height);
    for (let i = 0; i < width * height; i += 1) {
      const share = high > low ? ((values[i] ?? low) - low) / (high - low) : 0;
      picture.data.set([...inkAt(share, isDark), 255], 4 * i);
    }
    pen.putImageData(picture, 0, 0);
  }, [values, width, height, isDark]);
  return <canvas class="picture" ref={canvas} width={width} height={height} role="img" aria-label={label} />;
}
