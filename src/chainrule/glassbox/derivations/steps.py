"""A step of a derivation: one equation, in one notation, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from chainrule.glassbox.derivations.enclosure import enclose
from chainrule.glassbox.derivations.expressions import Expression, Quantity, Value, quantities
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.numbers import Interval, agree

Direction = Literal["forward", "backward", "gradient"]


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One equation of a derivation, with numbers.

    Attributes
    ----------
    equation : str
        Its number, such as "E6".
    direction : "forward", "backward" or "gradient"
    target : Quantity
        What the step finds: its kind, layer, units and value.
    expression : Expression
        What it is found from; its leaves have values.
    chain : Expression or None
        The chain rule before the formula: partial derivatives as symbols.
    why : str
        A sentence.
    """

    equation: str
    direction: Direction
    target: Quantity
    expression: Expression
    why: str
    chain: Expression | None
    notation: Notation
    digits: int
    noise: Value = 0.0  # what float64's rounding does to a value that was found in another way than by the formula

    def __str__(self) -> str:
        from chainrule.glassbox.writing.text import step

        return step(self)

    def __repr__(self) -> str:
        return f"Step {self.equation}: {self.symbols[0]} = {self.formula}"

    @property
    def layer(self) -> int:
        """The layer, as the equations count, whatever the notation calls it."""
        layer = self.target.layer
        assert isinstance(layer, int)
        return layer

    @property
    def units(self) -> tuple[int, ...]:
        """The units that it is about; none of a whole layer."""
        return tuple(unit for unit in self.target.units if isinstance(unit, int))

    @property
    def value(self) -> Value:
        """The value: a float, or a matrix of a whole layer."""
        assert self.target.value is not None
        return self.target.value

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is found, then what it is found from, in this notation."""
        from chainrule.glassbox.writing.text import symbol

        named = [self.target, *quantities(self.expression)]
        return tuple(dict.fromkeys(symbol(one, self.notation) for one in named))

    @property
    def formula(self) -> str:
        """The formula in this notation, sums as Σ."""
        from chainrule.glassbox.writing.text import formula

        return formula(self.expression, self.notation)

    @property
    def written_out(self) -> str:
        """The formula with its sums written out: in order, or of long ones the largest terms first."""
        from chainrule.glassbox.writing.text import written_out

        return written_out(self.expression, self.notation, self.digits)

    @property
    def numbers(self) -> str:
        """The same with numbers put in."""
        from chainrule.glassbox.writing.text import numbers

        return numbers(self.expression, self.notation, self.digits)

    def bounds(self) -> Interval:
        """What the printed operands allow the value to be: the ends of an interval, floats or matrices."""
        low, high = enclose(self.expression, self.digits)
        return low - self.noise, high + self.noise

    def agrees(self) -> bool:
        """Whether the printed value is one that the printed operands allow."""
        return agree(self.bounds(), self.value, self.digits)

    def to_dict(self) -> dict[str, Any]:
        """Give the step as data for JSON; values of whole layers as nested lists."""
        from chainrule.glassbox.writing.text import symbol

        value = self.value
        return {
            "equation": self.equation,
            "direction": self.direction,
            "kind": self.target.kind,
            "layer": self.layer,
            "units": list(self.units),
            "symbol": symbol(self.target, self.notation),
            "formula": self.formula,
            "written_out": self.written_out,
            "numbers": self.numbers,
            "value": value if isinstance(value, float) else value.tolist(),
            "why": self.why,
        }
