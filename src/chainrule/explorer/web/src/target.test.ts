import { describe, expect, it } from "vitest";
import { fits, parseTarget, targetText } from "./target";

describe("targets", () => {
  it.each(["W:2:3:5", "b:1:0", "delta:1", "delta:1:3", "x", "x:12", "cost"])("%s is read and written alike", (text) => {
    expect(targetText(parseTarget(text)!)).toBe(text);
  });

  it.each(["", "W:1:2", "W:1:2:x", "b:1", "delta", "x:1:2", "cost:1", "q:1", "W:1:-2:0"])("%s names nothing", (text) => {
    expect(parseTarget(text)).toBeNull();
  });

  it.each([
    ["W:2:1:3", true],
    ["W:2:2:3", false],
    ["W:2:1:4", false],
    ["W:0:0:0", false],
    ["W:3:0:0", false],
    ["b:1:3", true],
    ["b:2:0", false],
    ["delta:1:4", false],
    ["x:2", true],
    ["x:3", false],
    ["cost", true],
  ])("%s in a 3-4-2 network without a bias in layer 2: %s", (text, there) => {
    expect(fits(parseTarget(text)!, [3, 4, 2], [true, false])).toBe(there);
  });
});
