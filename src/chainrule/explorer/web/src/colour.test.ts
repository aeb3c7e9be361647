import { describe, expect, it } from "vitest";
import { contrast, largestOf, position, rgbAt, rgbOf, textOn, type Rgb } from "./colour";

function parsed(text: string): Rgb {
  const [r, g, b] = text.match(/\d+/g)!.map(Number) as [number, number, number];
  return [r, g, b];
}

describe("the scale of colours", () => {
  it("is odd, grows, and ends at the largest", () => {
    expect(position(3, 3)).toBe(1);
    expect(position(-3, 3)).toBe(-1);
    expect(position(9, 3)).toBe(1);
    expect(position(0.3, 3)).toBeCloseTo(-position(-0.3, 3), 12);
    expect(position(0.2, 3)).toBeLessThan(position(0.3, 3));
  });

  it("puts what is no number, and everything where all is zero, at zero", () => {
    expect(position(null, 3)).toBe(0);
    expect(position(Number.NaN, 3)).toBe(0);
    expect(position(1, 0)).toBe(0);
    expect(rgbOf(null, 1, false)).toEqual(rgbAt(0, false));
  });

  it.each([false, true])("has text that can be read on every colour (dark: %s)", (dark) => {
    for (let place = -1; place <= 1; place += 0.05) {
      const ground = rgbAt(place, dark);
      expect(contrast(parsed(textOn(ground)), ground)).toBeGreaterThanOrEqual(4.5); // AA for small text
    }
  });

  it("finds the largest magnitude among what is there", () => {
    expect(largestOf([1, -4, null, Number.NaN, undefined, 2])).toBe(4);
    expect(largestOf([])).toBe(0);
  });
});
