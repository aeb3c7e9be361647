/** What a screen reader says of a unit, an input or a weight. */

import { number } from "../numbers";
import { edgeColour, notation, network, shownRow, unitColour } from "../store";
import { alphabet } from "../symbols";
import type { Place } from "./cursor";
import { edgeValue, unitValue } from "./numbers";

export const EDGE_NAMES = { W: "weight", dW: "gradient of the weight", Wdelta: "weight times δ" } as const;

/** 'unit 3 of layer 1, a = 0.52'. */
export function unitLabel(layer: number, unit: number): string {
  const colour = unitColour.value;
  if (layer === 0) {
    const value = number(unitValue(0, unit, colour));
    return colour === "delta" ? `input ${unit}, gradient of the cost = ${value}` : `input ${unit}, x = ${value}`;
  }
  return `unit ${unit} of layer ${layer}, ${alphabet(notation.value)[colour]} = ${number(unitValue(layer, unit, colour))}`;
}

export function weightLabel(layer: number, j: number, k: number): string {
  const value = edgeValue(layer, j, k);
  const amount = value === null ? "" : `, ${EDGE_NAMES[edgeColour.value]} = ${number(value)}`;
  return `weight from unit ${k} of layer ${layer - 1} to unit ${j} of layer ${layer}${amount}`;
}

export function placeLabel(place: Place): string {
  if (place.kind === "unit") return unitLabel(place.layer, place.unit);
  if (place.kind === "weight") return weightLabel(place.layer, place.j, place.k);
  return `cost ${network.value?.cost ?? ""}, ${number(shownRow.value.value?.cost)}`;
}
