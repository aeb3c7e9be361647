"""Central differences, and the check that a user's derivative is the derivative of the user's value.

(E-fd) f'(x) ≈ (4 D(h/2) − D(h))/3 with D(h) = (f(x + h) − f(x − h))/(2h): central differences whose h² term is
cancelled by Richardson's step, so that h can be large enough (1e-3) to keep rounding small: about 1e-12 relative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DerivativeError, text
from chainrule.maths.intervals import Interval

if TYPE_CHECKING:
    from chainrule.maths.activations import Activation, AnyActivation, CoupledActivation
    from chainrule.maths.costs import Cost

STEP = 1e-3
TOLERANCE = 1e-6  # of max(1, |f'|): 1e6 times what the differences of a smooth function leave, far below any slip
_F = NDArray[np.float64]


def derivative_along(f: Callable[[_F], _F], x: _F, direction: _F, step: float = STEP) -> _F:
    """Derivative of f(x + t·direction) in t at t = 0 by (E-fd); f may return any shape.

    >>> float(derivative_along(np.sin, np.array(0.0), np.array(1.0)).round(9))
    1.0
    """

    def central(h: float) -> _F:
        return (f(x + h * direction) - f(x - h * direction)) / (2 * h)

    return (4 * central(step / 2) - central(step)) / 3


def _call(what: str, function: Callable[..., Any], shape: tuple[int, ...], *arrays: _F) -> _F:
    """Call the user's function and insist on the shape and on finite numbers."""
    given = [array.copy() for array in arrays]
    for array in given:
        array.flags.writeable = False  # a function that works in place would change what the network has kept
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(function(*given))
    except Exception as error:
        hint = "It is given read-only arrays, which it must not change, and has to return a new one."
        got = f"{type(error).__name__}: {error}"
        raise DerivativeError(text(what, expected="an array", got=got, hint=hint)) from error
    if result.dtype.kind not in "fiub":
        hint = "It has to return one real number for each entry."
        raise DerivativeError(text(what, expected="real numbers", got=f"dtype {result.dtype}", hint=hint))
    result = result.astype(np.float64)
    if result.shape != shape:
        hint = "It is given whole arrays and has to return one number for each entry."
        raise DerivativeError(text(what, expected=f"an array of shape {shape}", got=f"shape {result.shape}", hint=hint))
    if not np.isfinite(result).all():
        at = _entry(arrays, tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0]))
        hint = "It has to be defined on its whole domain; declare the domain, or write it so that it doesn't overflow."
        raise DerivativeError(text(what, expected="finite numbers", got=f"a NaN or infinite one at {at}", hint=hint))
    return result


def _entry(arrays: tuple[_F, ...], index: tuple[int, ...]) -> str:
    names = ("z", "v", "u") if len(arrays) == 1 else ("a", "y", "v")
    return ", ".join(
        f"{name} = {np.array2string(array[index], precision=6)}" for name, array in zip(names, arrays, strict=False)
    )


def _compare(what: str, got: _F, expected: _F, at: tuple[_F, ...], usable: NDArray[np.bool_], of: str) -> None:
    error = np.where(usable, np.abs(got - expected) / np.maximum(1.0, np.abs(expected)), 0.0)
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    if error[worst] > TOLERANCE:
        raise DerivativeError(
            text(
                f"{what} is wrong, worst at {_entry(at, tuple(int(i) for i in worst))}",
                expected=f"{expected[worst]:.9g} (central differences of its {of})",
                got=f"{got[worst]:.9g}",
                hint="Correct the formula; if this point is a kink, declare it or move it out of the domain.",
            )
        )


def check_activation(g: AnyActivation) -> None:
    """Hold g' against differences of g, and g'' against differences of g', on a grid of z from −10 to 10.

    Raises DerivativeError that names the worst point; also where a value leaves the range that g declares.
    """
    what = f"activation {g.name!r}"
    if g.coupled:
        _check_coupled(what, g)
    else:
        _check_elementwise(what, g)


def _check_elementwise(what: str, g: Activation) -> None:
    z = np.linspace(-10, 10, 401) + 0.0137  # the offset keeps the grid off 0 and off other round numbers
    usable = np.ones(z.shape, dtype=bool)
    for kink in g.kinks:
        usable &= np.abs(z - kink) > 2 * STEP
    values = _call(f"value of {what}", g.value, z.shape, z)
    _inside(f"value of {what}", values, g.range, z)
    derivatives = _call(f"derivative of {what}", g.derivative, z.shape, z)
    ones = np.ones_like(z)
    slope = derivative_along(lambda x: _call(f"value of {what}", g.value, z.shape, x), z, ones)
    _compare(f"derivative of {what}", derivatives, slope, (z,), usable, "value")
    if g.second_derivative is not None:
        second = _call(f"second_derivative of {what}", g.second_derivative, z.shape, z)
        bend = derivative_along(lambda x: _call(f"derivative of {what}", g.derivative, z.shape, x), z, ones)
        _compare(f"second_derivative of {what}", second, bend, (z,), usable, "derivative")


def _check_coupled(what: str, g: CoupledActivation) -> None:
    """Row by row: Ju against differences of g, ⟨v, Ju⟩ = ⟨Jᵀv, u⟩, and the second order against differences of Jᵀv."""
    rng = np.random.default_rng(0)
    z, u, v = (2 * rng.standard_normal((25, 4)) for _ in range(3))
    everywhere = np.ones(z.shape, dtype=bool)
    _inside(f"value of {what}", _call(f"value of {what}", g.value, z.shape, z), g.range, z)
    pushed = _call(f"jvp of {what}", g.jvp, z.shape, z, u)
    pulled = _call(f"vjp of {what}", g.vjp, z.shape, z, v)
    slope = derivative_along(lambda x: _call(f"value of {what}", g.value, z.shape, x), z, u)
    _compare(f"jvp of {what}", pushed, slope, (z,), everywhere, "value")
    left, right = np.sum(v * pushed, axis=1), np.sum(pulled * u, axis=1)
    _compare(f"vjp of {what}", right, left, (z,), everywhere[:, 0], "jvp: ⟨v, Ju⟩ = ⟨Jᵀv, u⟩")
    if g.second_vjp is not None:
        second = _call(f"second_vjp of {what}", g.second_vjp, z.shape, z, v, u)
        bend = derivative_along(lambda x: _call(f"vjp of {what}", g.vjp, z.shape, x, v), z, u)
        _compare(f"second_vjp of {what}", second, bend, (z,), everywhere, "vjp")


def check_cost(cost: Cost) -> None:
    """Hold ∂C_i/∂a against differences of C_i, and the Hessian product against differences of ∂C_i/∂a.

    Rows of three outputs are drawn inside the cost's domain, targets inside its targets.
    Raises DerivativeError that names the worst point.
    """
    what = f"cost {cost.name!r}"
    rng = np.random.default_rng(0)
    a, y = _sample(rng, cost.domain, (60, 3)), _sample(rng, cost.targets, (60, 3))
    v = rng.standard_normal(a.shape)
    usable = np.ones(a.shape, dtype=bool)
    for kink in cost.kinks:
        usable &= np.abs(a - y - kink) > 2 * STEP * np.maximum(1, np.abs(v))
    _call(f"value of {what}", cost.value, a.shape[:1], a, y)
    derivatives = _call(f"derivative of {what}", cost.derivative, a.shape, a, y)
    for j in range(a.shape[1]):
        unit = np.zeros_like(a)
        unit[:, j] = 1.0
        slope = derivative_along(lambda x: _call(f"value of {what}", cost.value, x.shape[:1], x, y), a, unit)
        _compare(f"derivative of {what}", derivatives[:, j], slope, (a, y), usable[:, j], "value")
    if cost.hessian_product is not None:
        product = _call(f"hessian_product of {what}", cost.hessian_product, a.shape, a, y, v)
        bend = derivative_along(lambda x: _call(f"derivative of {what}", cost.derivative, x.shape, x, y), a, v)
        _compare(f"hessian_product of {what}", product, bend, (a, y), usable, "derivative")


def _sample(rng: np.random.Generator, interval: Interval, shape: tuple[int, int]) -> _F:
    """Draw well inside an interval, so that a step of differences can't leave it."""
    if math.isfinite(interval.low) and math.isfinite(interval.high):
        return interval.low + (interval.high - interval.low) * rng.uniform(0.1, 0.9, shape)
    if math.isfinite(interval.low):
        return interval.low + rng.uniform(0.1, 4, shape)
    if math.isfinite(interval.high):
        return interval.high - rng.uniform(0.1, 4, shape)
    return rng.uniform(-3, 3, shape)


def _inside(what: str, values: _F, interval: Interval, z: _F) -> None:
    """Refuse values outside the declared range; an open end may be reached by rounding."""
    outside = (values < interval.low) | (values > interval.high)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise DerivativeError(
            text(
                what,
                expected=f"numbers in the range {interval} that it declares",
                got=f"{values[index]:.9g} at {_entry((z,), index)}",
                hint="Correct the formula or the range.",
            )
        )
