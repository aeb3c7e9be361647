import { expect, it } from "vitest";
import { nearest, towards, type Point } from "./plane";

const POINTS: Point[] = [[0, 0], [2, 0], [1, 5], [-1, 0.1], [0, -3]];

it("a click means the nearest point, if one is near", () => {
  expect(nearest(POINTS, [1.8, 0.3], 0.5)).toBe(1);
  expect(nearest(POINTS, [8, 8], 0.5)).toBeNull();
});

it("an arrow key goes to the next point in its direction", () => {
  expect(towards(POINTS, 0, [1, 0])).toBe(1);
  expect(towards(POINTS, 0, [-1, 0])).toBe(3);
  expect(towards(POINTS, 0, [0, 1])).toBe(2);
  expect(towards(POINTS, 0, [0, -1])).toBe(4);
  expect(towards(POINTS, 1, [1, 0])).toBeNull();
});
