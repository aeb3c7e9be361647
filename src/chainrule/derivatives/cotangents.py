"""Cotangents of z^ℓ whose outer products, some with a minus, add up to a second derivative in z^ℓ, row by row.

Pulled down by (E6) they make it curvature in the parameters: Σ_s ±(Jᵀu_s)(Jᵀu_s)ᵀ = JᵀHJ with J = ∂z^ℓ/∂θ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.eigen import eigen
from chainrule.engine import reference, tangents
from chainrule.engine.backend import Linearized
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.maths.activations import activation
from chainrule.maths.pairs import distribution

_A = NDArray[Any]
Signed: TypeAlias = tuple[int, _A]
"""+1 or −1, and S cotangents of each row, (S, m, n_ℓ)."""
Source: TypeAlias = Callable[[Plan, Linearized, Any], Iterator[Signed]]
"""Cotangents of z^L for a plan, the network at some rows, and their targets."""

COTANGENTS_AT_ONCE = 32  # are pulled down together: each time costs a product with the inputs besides


def numbers_for_a_row(net: Network, count: int, coupled: Iterable[int]) -> int:
    """How many numbers a row takes for `count` cotangents, their δ^ℓ, and matrices of layers of that many units."""
    units, _ = net.engine.numbers_held(net.plan)
    matrices = 8 * max(coupled, default=0) ** 2
    return min(COTANGENTS_AT_ONCE, count) * (units + 3 * max(net.sizes[1:])) + matrices


def gauss_newton(plan: Plan, at: Linearized, Y: Any) -> Iterator[Signed]:
    """The curvature of the cost alone (E34): in z^L, where a matched pair is convex, else in a^L and through g_L."""
    Z, A, g = at.z, at.a, plan.activation(plan.L)
    if plan.matched is not None or not g.coupled:
        yield from _at_the_top(plan, at, Y, tangents.gauss_newton_delta, for_diagonal=False)
        return
    # in a^L the Hessian is that of the same network with identity outputs
    bare = replace(plan, activations=(*plan.activations[:-1], activation("identity")))
    columns = _columns(
        lambda dA: tangents.gauss_newton_delta(bare, A, A, dA, Y), A, is_diagonal=plan.cost.separable, in_one=False
    )
    for sign, seeds in columns:
        yield sign, np.stack([g.vjp(Z, column) for column in seeds])


def hessian(plan: Plan, at: Linearized, Y: Any) -> Iterator[Signed]:
    """∂²C_i/∂z² in z^L, with the curvature of g_L (E32), for a diagonal: see `_columns`."""
    return _at_the_top(plan, at, Y, tangents.output_delta, for_diagonal=True)


def residual(plan: Plan, layer: int, Z: _A, da: _A) -> Iterator[Signed]:
    """The curvature of g_ℓ: how ∂a^ℓ/∂zᵀ da changes with z^ℓ while da = ∂C_i/∂a^ℓ stays (E33); for a diagonal."""
    bend = tangents.second_vjp(plan, layer)
    is_diagonal = not plan.activation(layer).coupled
    return _columns(lambda dZ: bend(Z, da, dZ), Z, is_diagonal, in_one=layer == 1)


def of_targets(plan: Plan, at: Linearized, Y: Any) -> Iterator[Signed]:
    """δ^L of the data's own targets (E5)."""
    yield 1, reference.output_delta(plan, at.z, at.a, Y)[np.newaxis]


def drawn(samples: int, rng: np.random.Generator) -> Source:
    """δ^L/√samples of targets drawn from the distribution that the network predicts, which the cost has to have."""

    def source(plan: Plan, at: Linearized, _: Any) -> Iterator[Signed]:
        draw = distribution(plan.activation(plan.L), plan.cost)
        assert draw is not None
        m, n = at.z.shape
        # all targets of a row before those of the next, so that the cut into blocks changes nothing
        Y = np.asarray(draw(np.repeat(at.a, samples, axis=0), rng)).reshape(m, samples, n)
        for start in range(0, samples, COTANGENTS_AT_ONCE):
            some = range(start, min(start + COTANGENTS_AT_ONCE, samples))
            deltas = [reference.output_delta(plan, at.z, at.a, np.ascontiguousarray(Y[:, s])) for s in some]
            yield 1, np.stack(deltas) / at.z.dtype.type(math.sqrt(samples))

    return source


def _at_the_top(
    plan: Plan, at: Linearized, Y: Any, tangent: Callable[..., _A], *, for_diagonal: bool
) -> Iterator[Signed]:
    pair, n, Z, A = plan.matched, plan.sizes[-1], at.z, at.a
    if pair is not None and pair.hessian_columns is not None:
        for start in range(0, n, COTANGENTS_AT_ONCE):
            yield 1, pair.hessian_columns(A, Y, start, min(start + COTANGENTS_AT_ONCE, n))
        return
    is_diagonal = not plan.activation(plan.L).coupled and (pair is not None or plan.cost.separable)
    yield from _columns(lambda dZ: tangent(plan, Z, A, dZ, Y), Z, is_diagonal, in_one=for_diagonal and plan.L == 1)


def _columns(product: Callable[[_A], _A], Z: _A, is_diagonal: bool, in_one: bool) -> Iterator[Signed]:
    """Columns whose signed outer products add up to the symmetric matrix of each row that `product` multiplies with.

    `in_one`: no layer is below, and only squares are wanted, which one column for each sign has right: see (E42).
    """
    if is_diagonal:
        diagonal = product(np.ones_like(Z))
        return _in_one(diagonal) if in_one else _packed(diagonal)
    units = np.eye(Z.shape[1], dtype=Z.dtype)
    columns = (product(np.broadcast_to(unit, Z.shape)) for unit in units)
    if in_one:
        diagonal = np.stack([column[:, k].copy() for k, column in enumerate(columns)], axis=1)  # a view would keep all
        return _in_one(diagonal)
    return _packed(*eigen(np.stack(list(columns), axis=1)), dtype=Z.dtype)


def _in_one(diagonal: _A) -> Iterator[Signed]:
    """√|h| in one column, where h > 0, then where h < 0."""
    for sign in (1, -1):
        part = np.maximum(sign * diagonal, 0)  # which keeps a NaN
        if part.any():
            yield sign, np.sqrt(part)[np.newaxis]


def _packed(values: _A, vectors: _A | None = None, dtype: Any = None) -> Iterator[Signed]:
    """√|λ_k| v_k for the λ_k > 0 of each row, then for those < 0; v_k is the unit vector e_k without `vectors`.

    Each row has its own number of either sign. They are counted from 0 in every row, so that few cotangents are empty.
    """
    for sign in (1, -1):
        chosen = ~(values <= 0) if sign > 0 else values < 0  # a NaN is not left out
        rows, k = np.nonzero(chosen)
        if not len(rows):
            continue
        place = np.cumsum(chosen, axis=1)[chosen] - 1
        roots = np.sqrt(np.abs(values[chosen]))
        count = int(place.max()) + 1
        for start in range(0, count, COTANGENTS_AT_ONCE):
            here = (place >= start) & (place < start + COTANGENTS_AT_ONCE)
            at = place[here] - start, rows[here]
            seeds = np.zeros((min(COTANGENTS_AT_ONCE, count - start), *values.shape), dtype=dtype or values.dtype)
            if vectors is None:
                seeds[*at, k[here]] = roots[here]
            else:
                seeds[at] = roots[here, np.newaxis] * vectors[rows[here], :, k[here]]
            yield sign, seeds
