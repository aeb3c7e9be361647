"""Central differences, of a fixed step or of one chosen for each line, and what is held against them.

(E-fd) f'(x) ≈ (4 D(h/2) − D(h))/3 with D(h) = (f(x + h) − f(x − h))/(2h): central differences whose h² term is
cancelled by Richardson's step, so that h can be large enough (1e-3) to keep rounding small: about 1e-12 relative.

φ(t) is a function along a line, such as C(θ + t·v), whose derivative at t = 0 is wanted; R(h) is (E-fd) of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

STEP = 1e-3
TOLERANCE = 1e-6  # of max(1, |f'|): 1e6 times what the differences of a smooth function leave, far below any slip
_F: TypeAlias = NDArray[np.float64]
_TRIES = 6  # of a step: φ may go through many periods within the first one
Line: TypeAlias = Callable[[_F], _F]
"""t -> φ(t). t is one step, or an array with a step for each entry of φ or, (m, 1), for each of its rows."""


# --- of a fixed step --------------------------------------------------------------------------------------------------
def derivative_along(f: Callable[[_F], _F], x: _F, direction: _F, step: float = STEP) -> _F:
    """Derivative of f(x + t·direction) in t at t = 0 by (E-fd); f may return any shape.

    >>> float(derivative_along(np.sin, np.array(0.0), np.array(1.0)).round(9))
    1.0
    """
    return extrapolated(lambda t: f(x + t * direction), np.array(step))[0]


def extrapolated(phi: Line, step: _F, halvings: int = 1) -> list[_F]:
    """R(h), R(h/2), … of (E-fd)."""
    central = [(phi(h) - phi(-h)) / (2 * h) for h in (step / 2**k for k in range(halvings + 1))]
    return [(4 * fine - coarse) / 3 for coarse, fine in pairwise(central)]


# --- of a step that is chosen -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Difference:
    """φ'(0) by R(h), the error that it has by its own estimate, and h."""

    value: _F
    error: _F
    step: _F


def _itself(values: _F) -> _F:
    return values


def rounding(phi: Line, spacing: _F) -> _F:
    """(E48) How far rounding moves φ near 0, of φ's shape: ε = √(mean of (Δ⁴φ)²/70) over t = s, 2s, …, 8s.

    s is so small that a smooth φ has no fourth difference Δ⁴ there but that of its rounding, whose variance it
    multiplies by 70. t is above 0, so that a kink at 0 has none either. The rounding of φ itself, 1.1e-16 φ, is the
    least. Source: J. Moré and S. Wild, Estimating computational noise, 2011.
    """
    values = [phi(k * spacing) for k in range(1, 9)]
    fourth = np.diff(np.stack(np.broadcast_arrays(*values)), n=4, axis=0)
    return np.asarray(np.sqrt(np.mean(fourth**2, axis=0) / 70) + np.finfo(np.float64).eps / 2 * np.abs(values[0]))


def difference(phi: Line, start: _F, noise: _F, total: Callable[[_F], _F] = _itself) -> Difference:
    """(E49) φ'(0) ≈ R(h) with h = (360 ε/|φ⁽⁵⁾|)^{1/5}, at most `start`: its error h⁴|φ⁽⁵⁾|/480 + 3ε/h is least there.

    φ⁽⁵⁾ ≈ 512 (R(h) − R(h/2))/h⁴ at h = start, and again at the h that it gives while that is less than half of the
    one before. Where rounding hides it, it is too large and h stays near `start`. The error's estimate is
    |R(h) − R(h/2)| + 3ε/h.

    Parameters
    ----------
    phi : Line
    start : array, like t
        The largest step: about as far as φ is smooth.
    noise : array
        ε of `total(phi(t))`.
    total : function, optional
        What is made of the values, such as their sum.

    Examples
    --------
    >>> found = difference(np.exp, np.array(0.1), np.array(1e-16))
    >>> bool(abs(found.value - 1) < found.error < 1e-12)
    True
    """
    step = start
    for _ in range(_TRIES):
        coarse, fine = map(total, extrapolated(phi, step, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            best = (360 * noise / np.abs(512 * (coarse - fine))) ** 0.2 * _like(step, coarse) ** 0.8
        smaller = _narrowed(np.fmin(best, _like(step, coarse)), step)
        if not np.any(smaller < step / 2):
            break
        step, before = smaller, step
    else:
        step = before
    return Difference(coarse, np.abs(coarse - fine) + 3 * noise / _like(step, coarse), step)


def _like(step: _F, values: _F) -> _F:
    return np.broadcast_to(step, values.shape)


def _narrowed(steps: _F, start: _F) -> _F:
    """Steps for each entry as steps for each line: the least of its row."""
    return steps if steps.shape == start.shape else steps.min(axis=-1, keepdims=True)


def slope_jump(phi: Line, step: _F, noise: _F) -> _F:
    """(E50) How far the slope of φ jumps at 0: |4 S(h/4) − S(h)|/3 with S(h) = (φ(h) − 2φ(0) + φ(−h))/h.

    S(h) is φ'(0+) − φ'(0−) at a kink, and hφ''(0) where there is none, which this extrapolation cancels. What rounding
    alone may give, 23ε/h, is taken off.

    >>> h, noise = np.array(1e-3), np.array(1e-16)
    >>> [round(float(slope_jump(phi, h, noise)), 6) for phi in (np.abs, np.exp)]
    [2.0, 0.0]
    """
    middle = phi(np.zeros_like(step))
    wide, narrow = ((phi(h) - 2 * middle + phi(-h)) / h for h in (step, step / 4))
    jump = np.abs(4 * narrow - wide) / 3
    return np.asarray(np.maximum(jump - 23 * noise / _like(step, jump), 0.0))


@dataclass(frozen=True)
class Comparison:
    """A derivative that was got, beside the difference that was expected; arrays of one shape.

    Of the entries that are neither failed nor a kink nor unresolved, `got` is within the tolerance, or within what the
    difference is off itself. A kink is one whose `got` lies between the slopes on both sides. Unresolved is what agrees
    with a difference that can't tell it from what the tolerance refuses.
    """

    got: _F
    expected: _F
    error: _F
    tolerance: _F
    failed: NDArray[np.bool_]
    kink: NDArray[np.bool_]
    unresolved: NDArray[np.bool_]


def compare(
    phi: Line,
    got: _F,
    tolerance: _F,
    start: _F,
    noise: _F,
    total: Callable[[_F], _F] = _itself,
    near_kink: float = 0.0,
    known_jump: Callable[[], float] = float,
) -> Comparison:
    """Hold `got` against differences of φ; what disagrees is asked again with a smaller step, then for a kink.

    `noise` is ε of φ's values, and that of their total is ε's norm where `total` sums. Kinks are looked for within
    the step and within `near_kink`; `known_jump` gives by how much the slope may jump at those that are known, of which
    several may cancel one another in φ.
    """
    of_total = noise if total is _itself else np.asarray(np.linalg.norm(noise))
    found = difference(phi, start, of_total, total)
    expected, error = found.value, found.error

    def agrees() -> NDArray[np.bool_]:
        return np.asarray(np.abs(got - expected) <= np.maximum(tolerance, error))  # False for what is not finite

    again, kink = ~agrees(), np.zeros(got.shape, dtype=np.bool_)
    if again.any():
        # the smallest step at which rounding is a hundredth of what is to be told
        off = np.abs(got - expected)
        finite = again & np.isfinite(off)
        least = np.where(finite, 300 * of_total / np.where(finite, off, 1.0), np.inf)
        step = np.fmin(found.step, _narrowed(np.asarray(least), found.step))
        coarse, fine = map(total, extrapolated(phi, step, 2))
        expected = np.where(again, coarse, expected)
        error = np.where(again, np.abs(coarse - fine) + 3 * of_total / _like(step, coarse), error)
        jump = total(slope_jump(phi, np.maximum(step, np.minimum(near_kink, start)), noise))
        if near_kink == 0:
            # a difference that straddles a kink is the mean of both slopes; a tenth more, as up to 23/300 was taken off
            jump = 0.55 * jump
        allowed = jump + known_jump() + np.maximum(tolerance, error)
        kink = np.asarray(~agrees() & (np.abs(got - expected) <= allowed))
        # of what is wrong all the same, the more exact difference is shown
        shown = ~agrees() & ~kink & (found.error < error)
        expected, error = np.where(shown, found.value, expected), np.where(shown, found.error, error)
    good = agrees()
    unresolved = good & (error > tolerance) & (got != expected)
    return Comparison(got, expected, error, tolerance, ~good & ~kink, kink, unresolved)
