import { describe, expect, it } from "vitest";
import { DEFAULT_VIEW, decodeView, encodeView, type View } from "./view";

describe("the address of a view", () => {
  it("is empty for the first view", () => {
    expect(encodeView(DEFAULT_VIEW)).toBe("");
    expect(decodeView("")).toEqual(DEFAULT_VIEW);
  });

  it("gives back every part of a view", () => {
    const view: View = {
      part: "train",
      row: 12,
      of: "W:2:3:5",
      output: "4",
      notation: "dz",
      shifted: true,
      form: "matrices",
      step: 7,
      edges: "Wdelta",
      units: "slope",
    };
    expect(decodeView(`#${encodeView(view)}`)).toEqual(view);
  });

  it("takes the default for what it doesn't know", () => {
    expect(decodeView("#part=none&row=-3&of=Q:1&output=x&notation=psi&form=&step=1e9&edges=V&units=q&foo=1")).toEqual(DEFAULT_VIEW);
  });
});
