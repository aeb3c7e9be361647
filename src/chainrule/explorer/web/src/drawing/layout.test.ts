import { describe, expect, it } from "vitest";
import { edgeAt, layout, unitAt, unitCentre, WINDOW } from "./layout";

const small = layout({ width: 800, sizes: [2, 4, 1], image: null });
const digits = layout({ width: 800, sizes: [784, 16, 10], image: { width: 28, height: 28 } });
const large = layout({ width: 800, sizes: [10_000, 2000, 2], image: null, starts: { 0: 4096 } });

describe("the layout", () => {
  it("draws small layers by units, with edges between them", () => {
    expect(small.layers.map((box) => box.mode)).toEqual(["units", "units", "units"]);
    expect(small.gaps.map((gap) => gap.mode)).toEqual(["edges", "edges"]);
  });

  it("draws an image as a picture, and its weights as a matrix beside the units that they reach", () => {
    expect(digits.layers[0]).toMatchObject({ mode: "grid", picture: true, columns: 28 });
    expect(digits.gaps[0]).toMatchObject({ mode: "matrix", aligned: true });
    expect(digits.gaps[0]!.box.height).toBeCloseTo(digits.layers[1]!.height);
  });

  it("shows a long layer by pages", () => {
    expect(large.layers[0]).toMatchObject({ start: 4096, shown: WINDOW });
    expect(large.layers[1]).toMatchObject({ start: 0, shown: 2000 });
  });

  it.each([small, digits, large])("keeps everything in order, side by side, inside", (plan) => {
    let right = 0;
    plan.layers.forEach((box, index) => {
      expect(box.x).toBeGreaterThanOrEqual(right);
      expect(box.y).toBeGreaterThan(0);
      expect(box.y + box.height).toBeLessThanOrEqual(plan.height);
      right = box.x + box.width + (plan.gaps[index]?.width ?? 0);
    });
    expect(plan.cost.x + plan.cost.radius).toBeLessThanOrEqual(plan.width);
  });

  it.each([small, digits, large])("finds each unit where it is drawn", (plan) => {
    for (const box of plan.layers) {
      for (const unit of [box.start, box.start + box.shown - 1, box.start + Math.floor(box.shown / 2)]) {
        const { x, y } = unitCentre(box, unit);
        expect(unitAt(box, x, y)).toBe(unit);
      }
    }
  });

  it("finds the edge under the pointer, and none far from all", () => {
    const [below, above] = [small.layers[0]!, small.layers[1]!];
    const [from, to] = [unitCentre(below, 1), unitCentre(above, 3)];
    expect(edgeAt(below, above, from.x + 0.4 * (to.x - from.x), from.y + 0.4 * (to.y - from.y))).toEqual([3, 1]);
    expect(edgeAt(below, above, (from.x + to.x) / 2, 0)).toBeNull();
  });

  it("fits a phone", () => {
    expect(layout({ width: 366, sizes: [2, 4, 4, 2], image: null }).width).toBe(366);
    expect(layout({ width: 366, sizes: [64, 16, 10], image: { width: 8, height: 8 } }).width).toBe(366);
  });
});
