"""A derivation unit by unit: sums written out, the largest terms first, and a step for each unit that they name."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chainrule.glassbox.derivations import backward_units, forward_units, gradient_units
from chainrule.glassbox.derivations.example import Example, F, known
from chainrule.glassbox.derivations.expressions import quantities
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.sheet import Sheet
from chainrule.glassbox.derivations.steps import Step
from chainrule.glassbox.derivations.target import Target


class UnitForm:
    """Makes the steps that one target needs, from the numbers of an example.

    The units that a sum names get steps of their own, at most `terms` in a layer, besides those that the target itself
    names.
    """

    def __init__(self, example: Example, notation: Notation, terms: int, digits: int) -> None:
        self._sheet = Sheet(example, notation, terms, digits)

    def steps(self, target: Target) -> tuple[Step, ...]:
        """Make the steps of a target: forward, then backward, then what was asked for."""
        example, L = self._sheet.example, self._sheet.example.L
        wanted: dict[int, list[int]] = {layer: [] for layer in range(L + 1)}  # units with a step backward
        seen: dict[int, list[int]] = {layer: [] for layer in range(L + 1)}  # units with steps forward
        last: list[Step] = []
        first = L + 1
        if target.kind in ("W", "b"):
            first = target.layer
            wanted[first] = [target.units[0]]
            if target.kind == "W":
                last = [gradient_units.weight(self._sheet, target.layer, target.units[0], target.units[1])]
                seen[first - 1] = [target.units[1]]
                if example.output is None and set(example.plan.sizes) == {1}:
                    last.append(gradient_units.one_product(self._sheet, first))
            else:
                last = [gradient_units.bias(self._sheet, target.layer, target.units[0])]
        elif target.kind == "delta":
            first = target.layer
            wanted[first] = list(target.units) or sorted(self._largest(example.delta[first]))
            if self._sheet.is_written_out(first):
                last = [backward_units.written_out(self._sheet, first, k) for k in wanted[first]]
        elif target.kind == "x":
            first = 1
            inputs = list(target.units) or sorted(self._largest(known(example.da[0])))
            for k in inputs:
                step, named = backward_units.into_activation(self._sheet, 0, k)
                last.append(step)
                self._add(wanted[1], named)
        backward: dict[int, list[Step]] = {}
        for layer in range(first, L + 1):
            backward[layer] = []
            for k in wanted[layer]:
                steps, named = backward_units.delta(self._sheet, layer, k)
                backward[layer] += steps
                used = dict.fromkeys(unit for step in steps for unit in _here(step, layer))
                seen[layer] += [unit for unit in used if unit not in seen[layer]]
                if layer < L:
                    self._add(wanted[layer + 1], named)
        ends = []
        if example.output is None:
            step, named = forward_units.cost(self._sheet)
            ends.append(step)
            self._add(seen[L], named)
        elif example.output not in seen[L]:
            seen[L].append(example.output)
        ahead = self._forward(seen)
        behind = [step for layer in range(L, first - 1, -1) for step in _once(backward[layer])]
        return (*ahead, *ends, *behind, *last)

    def _forward(self, seen: dict[int, list[int]]) -> list[Step]:
        by_layer: dict[int, list[Step]] = {}
        for layer in range(self._sheet.example.L, 0, -1):
            by_layer[layer] = []
            activations = []
            for j in list(seen[layer]):
                step, named = forward_units.activation(self._sheet, layer, j)
                activations.append(step)
                self._add(seen[layer], named)
            for j in sorted(seen[layer]):
                step, named = forward_units.weighted_input(self._sheet, layer, j)
                by_layer[layer].append(step)
                self._add(seen[layer - 1], named)
            by_layer[layer] += sorted(activations, key=lambda step: step.units)
        return [step for layer in sorted(by_layer) for step in by_layer[layer]]

    def _add(self, units: list[int], named: Iterable[int]) -> None:
        """Add units that a sum names, as long as there are fewer than `terms` in the layer."""
        for unit in named:
            if len(units) >= self._sheet.terms:
                return
            if unit not in units:
                units.append(unit)

    def _largest(self, values: F) -> list[int]:
        found: list[int] = np.argsort(-np.abs(values), kind="stable")[: self._sheet.terms].tolist()
        return found


def _here(step: Step, layer: int) -> list[int]:
    """The units of the layer whose z or a a backward step uses."""
    used = [*quantities(step.expression), step.target]
    return [int(q.units[-1]) for q in used if q.kind in ("z", "a", "slope") and q.layer == layer and q.units]


def _once(steps: list[Step]) -> list[Step]:
    """Each step once: units of coupled layers share some."""
    return list({(step.target.kind, step.units): step for step in steps}.values())
