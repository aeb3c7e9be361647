/** Numbers as a picture of one pixel each, to be enlarged without smoothing. */

import type { Rgb } from "../colour";

/** A PNG as a data address. `colour` gives each cell's colour, or null where there is no cell. */
export function raster(columns: number, lines: number, colour: (index: number) => Rgb | null): string {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, lines);
  const context = canvas.getContext("2d");
  if (!context) return "";
  const picture = context.createImageData(canvas.width, canvas.height);
  for (let index = 0; index < columns * lines; index += 1) {
    const rgb = colour(index);
    if (rgb === null) continue;
    picture.data.set([rgb[0], rgb[1], rgb[2], 255], index * 4);
  }
  context.putImageData(picture, 0, 0);
  return canvas.toDataURL();
}
