"""A derivation unit by unit: sums written out, the largest terms first, and a step for each unit that they name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

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

    The units that sums name get steps of their own, at most `terms` in a layer, besides those that the target itself
    names: first that of each sum's largest term, then those of the second largest. Other units are numbers only.
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
            found = [backward_units.into_activation(self._sheet, 0, k) for k in inputs]
            last = [step for step, _ in found]
            self._follow(wanted[1], [named for _, named in found])
        backward: dict[int, list[Step]] = {}
        for layer in range(first, L + 1):
            backward[layer] = []
            above = []
            for k in wanted[layer]:
                steps, named = backward_units.delta(self._sheet, layer, k)
                backward[layer] += steps
                above.append(named)
                used = dict.fromkeys(unit for step in steps for unit in _here(step, layer))
                seen[layer] += [unit for unit in used if unit not in seen[layer]]
            if layer < L:
                self._follow(wanted[layer + 1], above)
        ends = []
        if example.output is None:
            step, named = forward_units.cost(self._sheet)
            ends.append(step)
            self._follow(seen[L], [named])
        elif example.output not in seen[L]:
            seen[L].append(example.output)
        ahead = self._forward(seen)
        behind = [step for layer in range(L, first - 1, -1) for step in _once(backward[layer])]
        return (*ahead, *ends, *behind, *last)

    def _forward(self, seen: dict[int, list[int]]) -> list[Step]:
        by_layer: dict[int, list[Step]] = {}
        for layer in range(self._sheet.example.L, 0, -1):
            by_layer[layer] = []
            found = [forward_units.activation(self._sheet, layer, j) for j in seen[layer]]
            activations = [step for step, _ in found]
            self._follow(seen[layer], [named for _, named in found])
            sums = [forward_units.weighted_input(self._sheet, layer, j) for j in sorted(seen[layer])]
            by_layer[layer] += [step for step, _ in sums]
            self._follow(seen[layer - 1], [named for _, named in sums])
            by_layer[layer] += sorted(activations, key=lambda step: step.units)
        return [step for layer in sorted(by_layer) for step in by_layer[layer]]

    def _follow(self, units: list[int], named: Sequence[list[int]]) -> None:
        """Add units that sums name, each sum's largest term first, while there are fewer than `terms` in the layer."""
        by_rank = [unit for rank in zip_longest(*named) for unit in rank if unit is not None]
        for unit in dict.fromkeys(by_rank):
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
