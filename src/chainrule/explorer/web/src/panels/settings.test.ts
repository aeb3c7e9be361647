import { describe, expect, it } from "vitest";
import { controlOf, settingsOf, sizesOf } from "./settings";

describe("settings", () => {
  it("are numbers, and the optimizer a name", () => {
    expect(settingsOf({ learning_rate: " 1e-2", optimizer: "adam", seed: "7" })).toEqual({
      settings: { learning_rate: 0.01, optimizer: "adam", seed: 7 },
    });
    expect(settingsOf({ penalty: "0,5" })).toEqual({ settings: { penalty: 0.5 } });
  });
  it("say which one is no number", () => {
    expect(settingsOf({ batch_size: "many" })).toEqual({
      message: "batch size: expected a number, got “many”.",
      field: "batch_size",
    });
    expect(settingsOf({ epochs: " " })).toEqual({ message: "epochs: expected a number, got nothing.", field: "epochs" });
  });
});

describe("sizes of hidden layers", () => {
  it("are read with commas, spaces or dashes between them", () => {
    expect(sizesOf("16, 10")).toEqual({ sizes: [16, 10] });
    expect(sizesOf("512–512")).toEqual({ sizes: [512, 512] });
    expect(sizesOf(" ")).toEqual({ sizes: [] });
  });
  it("are whole and positive", () => {
    expect(sizesOf("4, 0")).toEqual({ message: "hidden layers: expected whole numbers from 1, such as “4, 4”, got “0”." });
    expect(sizesOf("4, 2.5")).toEqual({ message: "hidden layers: expected whole numbers from 1, such as “4, 4”, got “2.5”." });
  });
});

it("a field names its control, whatever holds it and whichever entry it is", () => {
  expect(controlOf("row")).toBe("row");
  expect(controlOf("settings.learning_rate")).toBe("learning_rate");
  expect(controlOf("hidden[1]")).toBe("hidden");
  expect(controlOf(null)).toBeNull();
});
