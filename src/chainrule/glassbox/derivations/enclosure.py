"""What an expression can be, given only its printed operands: interval arithmetic over the tree."""

from __future__ import annotations

import math
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from chainrule.glassbox.derivations.expressions import (
    Apply,
    Diagonal,
    Expression,
    Hadamard,
    Indicator,
    MatrixProduct,
    Negative,
    Number,
    Partial,
    Plus,
    Power,
    Product,
    Quantity,
    Quotient,
    Sum,
    Transposed,
)
from chainrule.glassbox.derivations.numbers import Interval, image, outward, rounding, rounding_of


def enclose(of: Expression, digits: int) -> Interval:
    """Bounds of an expression whose operands are printed with so many digits; the ends are floats, or matrices."""
    match of:
        case Quantity(value=value):
            if value is None:
                raise AssertionError("a general quantity has no value")
            return rounding_of(value, digits)
        case Number(value=exact) | Indicator(value=exact):
            return exact, exact
        case Product(factors=parts) | Hadamard(factors=parts):
            return reduce(_times, (enclose(part, digits) for part in parts))
        case Plus(terms=parts):
            return reduce(_plus, (enclose(part, digits) for part in parts))
        case Sum(shown=parts, rest=rest):
            total: Interval = (0.0, 0.0) if rest is None else rounding(rest.value, digits)
            return reduce(_plus, (enclose(part, digits) for part in parts), total)
        case Negative(of=one):
            low, high = enclose(one, digits)
            return -high, -low
        case Power(base=base, exponent=n):
            low, high = enclose(base, digits)
            ends = [low**n, high**n] + ([0.0] if n % 2 == 0 and low <= 0 <= high else [])
            return min(ends), max(ends)
        case Quotient(top=top, bottom=bottom):
            return _times(enclose(top, digits), _inverse(enclose(bottom, digits)))
        case Apply(arguments=(argument,), function=function, jacobian=jacobian) if jacobian is not None:
            return _coupled(function, jacobian, enclose(argument, digits))
        case Apply(kind="ln", arguments=(argument,)):
            low, high = enclose(argument, digits)
            return _ln(low), _ln(high)
        case Apply(arguments=parts, function=function):
            return image(function, [enclose(part, digits) for part in parts])
        case MatrixProduct(factors=parts):
            return reduce(_matmul, (enclose(part, digits) for part in parts))
        case Transposed(of=one):
            low, high = enclose(one, digits)
            return np.transpose(low), np.transpose(high)
        case Diagonal(of=one):
            low, high = enclose(one, digits)
            return np.diagflat(low), np.diagflat(high)
        case Partial():
            raise AssertionError("a partial derivative is a symbol")


def _ln(of: Any) -> float:
    """Give ln of an interval's end: −∞ where it reaches 0 or beyond, as 1 − a does of an a that prints as 1."""
    return math.log(of) if of > 0 else -math.inf


def _plus(one: Interval, other: Interval) -> Interval:
    low, high = outward(one[0] + other[0], one[1] + other[1])
    return _ends(low, high)


def _times(one: Interval, other: Interval) -> Interval:
    with np.errstate(invalid="ignore", over="ignore"):
        ends = [np.asarray(a) * np.asarray(b) for a, b in product(one, other)]
    # 0 · ∞ is 0, as 0 ln 0 is in (E3)
    stacked = np.nan_to_num(np.array(ends), nan=0.0, posinf=np.inf, neginf=-np.inf)
    return _ends(stacked.min(axis=0), stacked.max(axis=0))


def _inverse(of: Interval) -> Interval:
    low, high = of
    if low <= 0 <= high:
        return -np.inf, np.inf
    return 1 / high, 1 / low


def _matmul(one: Interval, other: Interval) -> Interval:
    """By midpoints and radii: |AB − CD| ≤ |C|·r_D + r_C·(|D| + r_D), entry by entry; and what rounding does to sums."""
    (c, r), (d, s) = _centred(one), _centred(other)
    rounded = d.shape[0] * np.finfo(np.float64).eps * np.abs(d)
    middle, radius = c @ d, np.abs(c) @ (s + rounded) + r @ (np.abs(d) + s)
    return middle - radius, middle + radius


def _coupled(function: Any, jacobian: Any, of: Interval) -> Interval:
    """To first order, with a hundredth more, and in the corners of the largest and the smallest value.

    Where each entry rises or falls with each argument all the way, as softmax does, these corners are the ends.
    """
    middle, radius = _centred(of)
    centre, slopes = np.asarray(function(middle)), jacobian(middle)
    spread = 1.01 * (np.abs(slopes) @ np.ravel(radius)).reshape(centre.shape)
    towards = np.sign(slopes).reshape(-1, *middle.shape) * radius
    low, high = (
        np.array([np.ravel(function(middle + sign * way))[i] for i, way in enumerate(towards)]).reshape(centre.shape)
        for sign in (-1, 1)
    )
    return _ends(*outward(np.fmin(low, centre - spread), np.fmax(high, centre + spread)))


def _centred(of: Interval) -> tuple[Any, Any]:
    low, high = np.asarray(of[0]), np.asarray(of[1])
    return (low + high) / 2, (high - low) / 2


def _ends(low: Any, high: Any) -> Interval:
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)
