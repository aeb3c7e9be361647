import { expect, it } from "vitest";
import { rgbAt } from "../colour";
import { classColour, groundColour } from "./classes";

it("where two classes are equal the ground is neutral, and paler than a point anywhere", () => {
  expect(groundColour(0.5, 2, false)).toEqual(rgbAt(0, false));
  expect(groundColour(1, 2, false)[0]).toBeGreaterThan(classColour(1, false)[0]);
  expect(groundColour(NaN, 2, true)).toEqual(rgbAt(0, true));
});

it("of many classes each has a ground of its own", () => {
  const grounds = [0, 1, 2, 3].map((c) => String(groundColour(c, 4, true)));
  expect(new Set(grounds).size).toBe(4);
});

it("without classes a place has the colour of its output, centred at 0", () => {
  expect(groundColour(0, 0, false)).toEqual(rgbAt(0, false));
  expect(groundColour(-3, 0, false)).toEqual(groundColour(-1, 0, false));
});
