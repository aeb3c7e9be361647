"""What a user's activation or cost says of its own derivatives, and the check that it is so."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DerivativeError, text
from chainrule.maths.finite_differences import STEP, TOLERANCE, Line, extrapolated
from chainrule.maths.intervals import Interval

if TYPE_CHECKING:
    from chainrule.maths.activations import Activation, AnyActivation, CoupledActivation
    from chainrule.maths.costs import Cost

_F = NDArray[np.float64]


@dataclass(frozen=True)
class Claim:
    """That `got` is the derivative of `phi` at 0: what it is of, where, and how far off the next kink or end is.

    `room` is the largest step that crosses none, for each line. Where `phi` gives no differences, `got` has to be
    `phi(0)` itself.
    """

    what: str
    of: str
    at: tuple[_F, ...]
    got: _F
    phi: Line
    room: _F
    is_difference: bool = True

    def entry(self, index: tuple[int, ...]) -> str:
        """Name an entry: "z = 0.7137"."""
        return _entry(self.at, index)


def of_activation(g: AnyActivation) -> Iterator[Claim]:
    """Give all that an activation says of its derivatives.

    Of an elementwise one g' beside g, and g'' beside g', on a grid of z from −10 to 10; of a coupled one, row by row,
    Ju beside g, ⟨v, Ju⟩ beside ⟨Jᵀv, u⟩, and the second order beside Jᵀv. Raises DerivativeError where a function
    gives something else than finite numbers of the right shape, or a value outside the range that is declared.
    """
    what = f"activation {g.name!r}"
    return _of_coupled(what, g) if g.coupled else _of_elementwise(what, g)


def of_cost(cost: Cost) -> Iterator[Claim]:
    """Give all that a cost says of its derivatives, at rows of three outputs drawn within its domain.

    ∂C_i/∂a beside C_i, and the Hessian product beside ∂C_i/∂a; what these have to be where the cost calls itself
    separable, or draws targets. Raises DerivativeError where a function gives something else than finite numbers of the
    right shape.
    """
    what = f"cost {cost.name!r}"
    rng = np.random.default_rng(0)
    a, y = _sample(rng, cost.domain, (60, 3)), _sample(rng, cost.targets, (60, 3))
    v = rng.standard_normal(a.shape)
    to_end = np.minimum(a - cost.domain.low, cost.domain.high - a)
    room = np.minimum(_room(a - y, cost.kinks), to_end)

    def along(name: str, function: Callable[..., Any], u: _F, shape: tuple[int, ...], *more: _F) -> Line:
        return lambda t: _call(f"{name} of {what}", function, shape, a + t * u, y, *more)

    still = np.zeros_like(a)
    along("value", cost.value, still, a.shape[:1])(np.zeros(()))
    got = along("derivative", cost.derivative, still, a.shape)(np.zeros(()))
    for j in range(a.shape[1]):
        unit = np.zeros_like(a)
        unit[:, j] = 1.0
        value = _by_row(along("value", cost.value, unit, a.shape[:1]))
        yield Claim(f"derivative of {what}", "value", (a, y), got[:, j], value, room[:, j])
    if cost.hessian_product is not None:
        got = along("hessian_product", cost.hessian_product, still, a.shape, v)(np.zeros(()))
        slopes = along("derivative", cost.derivative, v, a.shape)
        rows = (room / np.abs(v)).min(axis=1, keepdims=True)
        yield Claim(f"hessian_product of {what}", "derivative", (a, y), got, slopes, rows)
        if cost.separable:
            ones = along("hessian_product", cost.hessian_product, still, a.shape, np.ones_like(a))(np.zeros(()))
            of = "v times the product with ones, as separable=True says"
            yield Claim(f"hessian_product of {what}", of, (a, y), got, lambda _: ones * v, room, is_difference=False)
    if cost.draw is not None:
        yield from _of_draw(what, cost, a, room)


def _of_draw(what: str, cost: Cost, a: _F, room: _F) -> Iterator[Claim]:
    """∂C_i/∂a of a −ln p(y|a) with mean a, linear in y but for terms without a: 0 at y = a, and linear."""
    draw = cost.draw
    assert draw is not None
    y = _call(f"draw of {what}", lambda a: draw(a, np.random.default_rng(0)), a.shape, a)
    at, half, whole = (
        _call(f"derivative of {what}", cost.derivative, a.shape, a, (1 - t) * a + t * y) for t in (0.0, 0.5, 1.0)
    )
    of = "0 at y = a, the mean of what draw gives"
    yield Claim(f"derivative of {what}", of, (a, a), at, lambda _: np.zeros_like(a), room, is_difference=False)
    of = "linear in y, as draw needs it"
    line = (at + whole) / 2
    yield Claim(f"derivative of {what}", of, (a, (a + y) / 2), half, lambda _: line, room, is_difference=False)


def check_activation(g: AnyActivation) -> None:
    """Hold an activation's claims against differences of a fixed step.

    Raises DerivativeError that names the worst point; also where a value leaves the range that g declares.
    """
    _check(of_activation(g))


def check_cost(cost: Cost) -> None:
    """Hold a cost's claims against differences of a fixed step.

    Raises DerivativeError that names the worst point.
    """
    _check(of_cost(cost))


def _check(claims: Iterator[Claim]) -> None:
    for claim in claims:
        expected = claim.phi(np.zeros(()))
        usable = np.ones(claim.got.shape, dtype=bool)
        if claim.is_difference:
            expected = extrapolated(claim.phi, np.full(claim.room.shape, STEP))[0]
            usable = np.broadcast_to(claim.room > 2 * STEP, expected.shape)
        error = np.where(usable, np.abs(claim.got - expected) / np.maximum(1.0, np.abs(expected)), 0.0)
        worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), error.shape))
        if error[worst] > TOLERANCE:
            of = f"central differences of its {claim.of}" if claim.is_difference else claim.of
            raise DerivativeError(
                text(
                    f"{claim.what} is wrong, worst at {claim.entry(worst)}",
                    expected=f"{expected[worst]:.9g} ({of})",
                    got=f"{claim.got[worst]:.9g}",
                    hint="Correct the formula; if this point is a kink, declare it or move it out of the domain.",
                )
            )


def _of_elementwise(what: str, g: Activation) -> Iterator[Claim]:
    z = np.linspace(-10, 10, 401) + 0.0137  # the offset keeps the grid off 0 and off other round numbers
    room = _room(z, g.kinks)

    def along(name: str, function: Callable[..., Any]) -> Line:
        return lambda t: _call(f"{name} of {what}", function, z.shape, z + t)

    _inside(f"value of {what}", along("value", g.value)(np.zeros(())), g.range, z)
    got = along("derivative", g.derivative)(np.zeros(()))
    yield Claim(f"derivative of {what}", "value", (z,), got, along("value", g.value), room)
    if g.second_derivative is not None:
        got = along("second_derivative", g.second_derivative)(np.zeros(()))
        yield Claim(f"second_derivative of {what}", "derivative", (z,), got, along("derivative", g.derivative), room)


def _of_coupled(what: str, g: CoupledActivation) -> Iterator[Claim]:
    rng = np.random.default_rng(0)
    z, u, v = (2 * rng.standard_normal((25, 4)) for _ in range(3))
    room = np.full((len(z), 1), np.inf)

    def along(name: str, function: Callable[..., Any], *more: _F) -> Line:
        return lambda t: _call(f"{name} of {what}", function, z.shape, z + t * u, *more)

    value = along("value", g.value)
    _inside(f"value of {what}", value(np.zeros(())), g.range, z)
    pushed = along("jvp", g.jvp, u)(np.zeros(()))
    pulled = along("vjp", g.vjp, v)(np.zeros(()))
    yield Claim(f"jvp of {what}", "value", (z,), pushed, value, room)
    left, right = np.sum(v * pushed, axis=1), np.sum(pulled * u, axis=1)
    adjoint = "central differences of its jvp: ⟨v, Ju⟩ = ⟨Jᵀv, u⟩"
    yield Claim(f"vjp of {what}", adjoint, (z,), right, lambda _: left, room[:, 0], is_difference=False)
    if g.second_vjp is not None:
        got = along("second_vjp", g.second_vjp, v, u)(np.zeros(()))
        yield Claim(f"second_vjp of {what}", "vjp", (z,), got, along("vjp", g.vjp, v), room)


def _by_row(phi: Line) -> Line:
    """A line that moves rows, (m, n), for steps (m,)."""
    return lambda t: phi(t[:, np.newaxis] if t.ndim else t)


def _room(z: _F, kinks: tuple[float, ...]) -> _F:
    """How far each entry is off the next kink."""
    distances = [np.full(z.shape, np.inf), *(np.abs(z - kink) for kink in kinks)]
    return np.asarray(np.min(distances, axis=0))


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
