"""What the steps of a derivation are made with: quantities of units with their values, and sums with their rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.glassbox.derivations.example import Example, F, known
from chainrule.glassbox.derivations.expressions import Expression, Index, Kind, Quantity, Rest, Sum, Value
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.steps import Direction, Step


@dataclass(frozen=True, eq=False)
class Sheet:
    """What the steps of one derivation are written on: its numbers, its notation, and how much is written out.

    A sum names its `terms` largest terms; what is not named is in its rest, whose value is a number like others.
    """

    example: Example
    notation: Notation
    terms: int
    digits: int

    def q(self, kind: Kind, layer: int, *units: Index) -> Quantity:
        """A quantity with its value; with a letter among its units it is general."""
        if any(isinstance(unit, str) for unit in units):
            return Quantity(kind, layer, units)
        return Quantity(kind, layer, units, self._value(kind, layer, *map(int, units)))

    def _value(self, kind: Kind, layer: int, *units: int) -> float:
        example = self.example
        match kind:
            case "W":
                return float(example.W[layer][units[1], units[0]])
            case "dW":
                return float(example.delta[layer][units[0]] * example.a[layer - 1][units[1]])
            case "db":
                return float(example.delta[layer][units[0]])
            case "dadz":
                return float(example.jacobian_column(layer, units[1])[units[0]])
            case "dx":
                return float(known(example.da[0])[units[0]])
            case "y":
                return float(known(example.y)[units[0]])
            case "cost":
                return float(known(example.cost))
            case "da" | "slope":
                by_layer: Any = getattr(example, kind)
                return float(known(by_layer[layer])[units[0]])
            case _:
                return float(getattr(example, kind)[layer][units[0]])

    def step(
        self,
        equation: str,
        direction: Direction,
        target: Quantity,
        expression: Expression,
        why: str,
        chain: Expression | None = None,
        noise: Value = 0.0,
    ) -> Step:
        """Make a step in the notation."""
        return Step(equation, direction, target, expression, why, chain, self.notation, self.digits, noise)

    def sum(self, letter: str, values: F, term: Callable[[Index], Expression]) -> tuple[Expression, list[int]]:
        """Σ written out, and the units that it names, those of the largest terms first; a single term is no sum.

        In the order of their units where all terms are written out; else the largest, and of zeros none.
        """
        n = len(values)
        if n == 1:
            return term(0), [0]
        largest = np.argsort(-np.abs(values), kind="stable")[: self.terms]
        named = largest[values[largest] != 0].tolist() or largest[:1].tolist()
        if n <= self.terms:
            return Sum(letter, n, term(letter), tuple(map(term, range(n)))), named
        others = np.ones(n, dtype=np.bool_)
        others[named] = False
        rest = Rest(n - len(named), float(values[others].sum()))
        return Sum(letter, n, term(letter), tuple(map(term, named)), rest), named

    def delta_factors(self, layer: int, j: Index) -> tuple[Expression, ...]:
        """δ^ℓ_j as it stands in a formula: a letter, or the product that it is."""
        if self.is_written_out(layer):
            return self.q("slope", layer, j), self.q("da", layer, j)
        return (self.q("delta", layer, j),)

    def is_written_out(self, layer: int) -> bool:
        """Whether the notation has the product g'(z) ∂C/∂a where others have δ of this layer."""
        return self.notation.style == "da" and self.example.delta_is_product(layer)
