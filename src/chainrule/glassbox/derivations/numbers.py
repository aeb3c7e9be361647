"""Numbers as they are printed, and what a printed number can have been before it was rounded."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError, text

DIGITS = 6
"""So many significant digits are printed, unless `digits` says otherwise."""

MOST_DIGITS = 17
"""They print a float64 in full."""


def check_digits(digits: Any) -> int:
    """Read `digits`, 2 to 17. Raises InputError."""
    if isinstance(digits, bool) or not isinstance(digits, int | np.integer) or not 2 <= digits <= MOST_DIGITS:
        hint = f"{MOST_DIGITS} digits print a float64 in full."
        raise InputError(text("digits", expected=f"a whole number 2 to {MOST_DIGITS}", got=repr(digits), hint=hint))
    return int(digits)


def printed(value: float, digits: int = DIGITS) -> str:
    """Print a number with so many significant digits: 0.25, −1.5, 3.2e-7, 1200000.

    >>> printed(0.1234567), printed(-2.0), printed(1.5e-9), printed(123456789.0)
    ('0.123457', '-2', '1.5e-9', '1.23457e8')
    """
    if not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if -4 <= int(exponent) <= max(digits, 6):
        plain = f"{Decimal(f'{mantissa}e{exponent}'):f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def rounding(value: float, digits: int = DIGITS) -> tuple[float, float]:
    """What a number that is printed with so many digits can have been: a point where it is printed in full.

    >>> rounding(0.5), rounding(0.1234567)[0] < 0.1234567 < rounding(0.1234567)[1]
    ((0.5, 0.5), True)
    """
    if not math.isfinite(value):
        return value, value
    shown = float(printed(value, digits))
    if shown == value:
        return value, value
    half = 0.5 * 10.0 ** (math.floor(math.log10(abs(value if math.isinf(shown) else shown))) - digits + 1)
    if math.isinf(shown):  # rounded up past the largest float
        inner = math.copysign(float(Decimal(printed(abs(value), digits)) - Decimal(half)), value)
        return (inner, shown) if value > 0 else (shown, inner)
    return float(np.nextafter(shown - half, -math.inf)), float(np.nextafter(shown + half, math.inf))


def rounding_of(values: Any, digits: int = DIGITS) -> tuple[Any, Any]:
    """`rounding` of a float, or entry by entry of an array."""
    if np.ndim(values) == 0:
        return rounding(float(values), digits)
    ends = list(map(partial(rounding, digits=digits), np.ravel(values).tolist()))
    low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
    return low.reshape(np.shape(values)), high.reshape(np.shape(values))


_LEAST = 1e-320
"""Products that are smaller than the normal floats have lost digits: a sum of a thousand of them so much."""


def agree(bounds: tuple[Any, Any], value: Any, digits: int = DIGITS) -> bool:
    """Say whether a printed value can be what printed operands give: whether the two intervals meet everywhere."""
    low, high = rounding_of(value, digits)
    slack = 1e-12 * np.maximum(np.abs(bounds[0]), np.abs(bounds[1]))  # of float64's own rounding, in long sums
    slack = np.where(np.isfinite(slack), slack, 0.0) + _LEAST
    return bool(np.all((bounds[0] - slack <= high) & (low <= bounds[1] + slack)))


Interval = tuple[NDArray[np.float64] | float, NDArray[np.float64] | float]


def outward(low: Any, high: Any) -> tuple[Any, Any]:
    """Widen an interval by what float64's rounding may have taken from its ends, one place each; 0 is exact."""
    return np.where(low == 0, low, np.nextafter(low, -np.inf)), np.where(high == 0, high, np.nextafter(high, np.inf))


def image(function: Callable[..., Any], arguments: list[Interval], samples: int = 9) -> Interval:
    """The values of a function of printed numbers: at the ends of their intervals and between.

    Intervals are as narrow as the last printed digit, so that what lies between two samples is smaller by far than it.
    """
    steps = np.linspace(0.0, 1.0, samples)
    corners = product(steps, repeat=len(arguments))
    found = []
    with np.errstate(all="ignore"):
        for corner in corners:
            at = [np.asarray(low + t * (high - low)) for t, (low, high) in zip(corner, arguments, strict=True)]
            found.append(function(*map(np.atleast_1d, at)))
    stacked = np.array(found)
    low, high = outward(np.fmin.reduce(stacked), np.fmax.reduce(stacked))  # NaN is where no argument can have been
    if np.ndim(arguments[0][0]) == 0:
        return float(low.ravel()[0]), float(high.ravel()[0])
    return low, high
