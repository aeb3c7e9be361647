import { expect, it } from "vitest";
import { number } from "./numbers";

it.each([
  [0, 4, "0"],
  [0.0925523, 6, "0.0925523"],
  [-1.5, 4, "−1.5"],
  [12345.678, 4, "12350"],
  [0.00077942, 4, "0.0007794"],
  [0.00001234, 3, "1.23·10⁻⁵"],
  [-2e12, 4, "−2·10¹²"],
  [1e6, 4, "1·10⁶"],
  [null, 4, "–"],
  [Number.NaN, 4, "–"],
])("%s in %i digits is %s", (value, digits, text) => {
  expect(number(value, digits)).toBe(text);
});
