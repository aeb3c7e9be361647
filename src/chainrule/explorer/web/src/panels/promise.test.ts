import { describe, expect, it } from "vitest";
import { changeOf, changes, MIDDLE, missInWords, POSITIONS } from "./promise";

describe("changes of the slider", () => {
  it("run from −reach to reach through exactly 0, at round decimals", () => {
    const by = changes(0.1);
    expect(by).toHaveLength(POSITIONS);
    expect([by[0], by[MIDDLE], by.at(-1)]).toEqual([-0.1, 0, 0.1]);
    expect(by[53]).toBe(0.006);
  });
});

it("a change that rounding alone could be is none", () => {
  expect(changeOf(0.3, 0.1 + 0.2)).toBe(0);
  expect(changeOf(1, 1.25)).toBe(0.25);
});

describe("the miss", () => {
  it("is told as a share of what was promised", () => {
    expect(missInWords(1, 1.1, 1.1)).toBe("Kept to the last tenth of a percent.");
    expect(missInWords(1, 1.1, 1.15)).toBe("The true change is 50 % larger than promised.");
    expect(missInWords(1, 0.9, 0.98)).toBe("The true change is 80 % smaller than promised.");
  });
  it("has words of its own where a share says nothing", () => {
    expect(missInWords(1, 0.9, 1.2)).toContain("the other way");
    expect(missInWords(1, 1.1, 1)).toContain("flat");
    expect(missInWords(1, 1, 1.1)).toContain("curvature");
    expect(missInWords(1, 1, 1)).toBe("Nothing changes, as promised.");
  });
});
