"""Settings of rules and schedules: checked, and made Python numbers, when an object is made."""

from __future__ import annotations

import math

import numpy as np

from chainrule.errors import InputError, is_count, text
from chainrule.maths.intervals import Interval

FRACTION = Interval(0, 1, closed_low=True)
FRACTION_OR_ALL = Interval(0, 1, closed_low=True, closed_high=True)


def real_number(value: object) -> float | None:
    """Give a real number as Python's float, so that no numpy scalar of another precision gets into float32 vectors.

    >>> real_number(np.float64(0.5)), real_number(2), real_number(True), real_number("2"), real_number(-(10**400))
    (0.5, 2.0, None, None, -inf)
    """
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:  # of a whole number beyond float64
        return math.inf if value > 0 else -math.inf


def settle(settings: object, *, counts: tuple[str, ...] = (), **numbers: Interval) -> None:
    """Check and convert the settings of a frozen dataclass: `counts` are whole numbers ≥ 1, `numbers` lie in intervals.

    Raises InputError, naming class and setting.
    """
    kind = type(settings).__name__
    for name, allowed in numbers.items():
        given = getattr(settings, name)
        number = real_number(given)
        if number is None or not allowed.contains(number):
            hint = "Choose a number in that range."
            raise InputError(text(f"{kind}: {name}", expected=f"a number in {allowed}", got=repr(given), hint=hint))
        object.__setattr__(settings, name, number)
    for name in counts:
        given = getattr(settings, name)
        if not is_count(given):
            hint = "Usual values are 2 to 20."
            raise InputError(text(f"{kind}: {name}", expected="a whole number ≥ 1", got=repr(given), hint=hint))
        object.__setattr__(settings, name, int(given))
