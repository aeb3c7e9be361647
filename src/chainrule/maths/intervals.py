"""Intervals of the real line: the range of an activation, the domain of a cost, the targets that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Interval:
    """The numbers between `low` and `high`; an end belongs to it when its `closed_…` is true.

    >>> str(Interval(0, 1, closed_high=True)), Interval(0, 1).within(Interval(0, inf))
    ('(0, 1]', True)
    """

    low: float = -inf
    high: float = inf
    closed_low: bool = False
    closed_high: bool = False

    def within(self, other: Interval) -> bool:
        """Say whether every number of this interval lies in `other`."""
        low_fits = self.low > other.low or (self.low == other.low and other.closed_low >= self.closed_low)
        high_fits = self.high < other.high or (self.high == other.high and other.closed_high >= self.closed_high)
        return low_fits and high_fits

    def contains(self, x: float) -> bool:
        """Say whether the number x lies in this interval."""
        return Interval(x, x, closed_low=True, closed_high=True).within(self)

    def __str__(self) -> str:
        """Write it as mathematicians do: (0, 1] is open at 0 and closed at 1."""
        left, right = "[" if self.closed_low else "(", "]" if self.closed_high else ")"
        return f"{left}{_number(self.low)}, {_number(self.high)}{right}"


def _number(x: float) -> str:
    return str(x).replace("inf", "∞") if abs(x) == inf else f"{x:g}"


REALS = Interval()
"""Every finite number."""
POSITIVE = Interval(0)
"""Every finite number above 0."""
NOT_NEGATIVE = Interval(0, closed_low=True)
"""Every finite number from 0 on."""
UNIT = Interval(0, 1)
"""Between 0 and 1, both left out."""
