import { describe, expect, it } from "vitest";
import { extent, linear, linearTicks, logarithmic, logTicks, path, thinned, widened } from "./scale";

describe("ticks", () => {
  it("are round numbers within the interval", () => {
    expect(linearTicks([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(linearTicks([-0.31, 0.29], 4)).toEqual([-0.2, 0, 0.2]);
    expect(linearTicks([0, 730], 4)).toEqual([0, 200, 400, 600]);
    expect(linearTicks([3, 3], 4)).toEqual([3]);
  });
  it("of a log axis are powers of ten, thinned where there are many", () => {
    expect(logTicks([0.008, 12], 4)).toEqual([0.01, 0.1, 1, 10]);
    expect(logTicks([1e-12, 1], 4)).toEqual([1e-12, 1e-8, 1e-4, 1]);
  });
  it("of a short log axis are finer", () => {
    expect(logTicks([0.09, 0.6], 4)).toEqual([0.1, 0.2, 0.5]);
    expect(logTicks([0.62, 0.71], 4)).toEqual([0.65, 0.7]);
  });
});

describe("scales", () => {
  it("put the ends of the domain on the ends of the range", () => {
    const y = logarithmic([0.01, 100], [80, 0]);
    expect(y.at(0.01)).toBeCloseTo(80, 12);
    expect(y.at(1)).toBeCloseTo(40, 12);
    expect(linear([2, 4], [0, 10]).at(3)).toBe(5);
  });
  it("have no place for what is not finite or, on a log axis, not positive", () => {
    expect(logarithmic([0.1, 1], [0, 1]).at(0)).toBeNull();
    expect(linear([0, 1], [0, 1]).at(NaN)).toBeNull();
  });
});

describe("extent", () => {
  it("leaves out what is not finite", () => {
    expect(extent([null, 3, Infinity, -1, NaN])).toEqual([-1, 3]);
    expect(extent([0, -2, 5], true)).toEqual([5, 5]);
    expect(extent([null, NaN])).toBeNull();
  });
  it("of a single value is widened to an interval", () => {
    expect(widened([2, 2], 0.5)).toEqual([1, 3]);
    expect(widened([0, 0], 0.5)).toEqual([-0.5, 0.5]);
  });
});

describe("a long curve", () => {
  it("keeps its ends and its spikes", () => {
    const values = Array.from({ length: 10_000 }, (_, i) => (i === 6_543 ? 99 : Math.sin(i)));
    const places = thinned(values, 100);
    expect(places.length).toBeLessThanOrEqual(202);
    expect(places).toContain(6_543);
    expect([places[0], places.at(-1)]).toEqual([0, 9_999]);
  });
  it("is interrupted where a value is missing", () => {
    expect(path([[0, 1], [1, 2], [2, null], [3, 4]])).toBe("M0.0 1.0L1.0 2.0M3.0 4.0");
  });
});
