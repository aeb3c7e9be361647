"""Output activation and cost together: which fit, and which are matched, computed from z without (E5)'s quotients.

A pair is matched where (E5) or (E5′) simplifies: the derivative of the cost cancels that of the activation. Only the
pairs of `MATCHED` are; every other goes through the cost's derivative and the activation's vjp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.errors import PairError, text
from chainrule.maths.activations import AnyActivation, relu
from chainrule.maths.arrays import Array, array_namespace
from chainrule.maths.costs import BUILT_IN, Cost, cost, over_outputs


@dataclass(frozen=True)
class MatchedPair:
    """C_i from z, and δ^L from a, for a pair whose quotients cancel. z, a, y are (m, n); C_i is (m,), δ (m, n).

    `delta_tangent` (a, y, da) is the derivative of δ^L when a moves along da, which it is linear in: with da = ∂a/∂z dz
    it is ∂²C_i/∂z² dz.

    `hessian_columns` (a, y, start, stop) gives columns start..stop−1 of a factor F with FFᵀ = ∂²C_i/∂z², (S, m, n);
    None where that is diagonal. `draw` is as in `Cost`, where the cost is −ln p(y|a) for these outputs alone.
    """

    example_costs: Callable[[Array, Array], Array]
    delta: Callable[[Array, Array], Array]
    delta_tangent: Callable[[Array, Array, Array], Array]
    equation: str
    hessian_columns: Callable[[Array, Array, int, int], Array] | None = None
    draw: Callable[[Array, np.random.Generator], Array] | None = None


def difference(a: Array, y: Array) -> Array:
    """δ^L_j = a_j − y_j (E5′)."""
    return a - y


def difference_tangent(a: Array, y: Array, da: Array) -> Array:
    """∂δ^L = ∂a."""
    return da


def logistic_binary_cross_entropy(z: Array, y: Array) -> Array:
    """C_i = Σ_j [max(z_j, 0) − y_j z_j + ln(1 + e^(−|z_j|))]: finite and exact for any z."""
    xp = array_namespace(z)
    return over_outputs((relu(z) - y * z) + xp.log1p(xp.exp(-xp.abs(z))))


def softmax_cross_entropy(z: Array, y: Array) -> Array:
    """C_i = Σ_j y_j (max z − z_j + ln(1 + r)), r = Σ e^(z_o − max z) without the first largest o.

    Leaving out that term, which is 1, keeps the digits of ln(1 + r) where the network is right and sure.
    """
    xp = array_namespace(z)
    top = xp.max(z, axis=-1, keepdims=True)
    powers = xp.exp(z - top)
    is_first_top = xp.arange(z.shape[-1], device=getattr(z, "device", None)) == xp.argmax(z, axis=-1, keepdims=True)
    rest = xp.sum(xp.where(is_first_top, xp.zeros_like(powers), powers), axis=-1, keepdims=True)
    return over_outputs(y * ((top - z) + xp.log1p(rest)))


def softmax_cross_entropy_delta(a: Array, y: Array) -> Array:
    """δ^L_j = a_j Σ_o y_o − y_j (E5′), which is a_j − y_j when the targets sum to 1."""
    return a * array_namespace(y).sum(y, axis=-1, keepdims=True) - y


def softmax_cross_entropy_delta_tangent(a: Array, y: Array, da: Array) -> Array:
    """∂δ^L_j = ∂a_j Σ_o y_o."""
    return da * array_namespace(y).sum(y, axis=-1, keepdims=True)


def softmax_cross_entropy_hessian_columns(a: Array, y: Array, start: int, stop: int) -> Array:
    """√(a_c Σ_o y_o) (e_c − a), c = start..stop−1: their outer products add up to (diag a − aaᵀ) Σ_o y_o."""
    xp = array_namespace(a)
    roots = xp.sqrt(a[:, start:stop]) * xp.sqrt(xp.sum(y, axis=-1, keepdims=True))
    units = xp.eye(a.shape[-1], dtype=a.dtype, device=getattr(a, "device", None))[start:stop, :]
    return roots.T[:, :, None] * (units[:, None, :] - a[None, :, :])


def draw_class(a: Array, rng: np.random.Generator) -> Array:
    """e_o with probability a_o, where Σ_o a_o = 1."""
    xp, device = array_namespace(a), getattr(a, "device", None)
    below = xp.cumulative_sum(a, axis=-1, dtype=xp.float64)  # of which a_o lie in front of output o
    point = xp.asarray(rng.random((a.shape[0], 1)), dtype=xp.float64, device=device) * below[:, -1:]
    drawn = xp.sum(xp.astype(below < point, xp.int64), axis=-1, keepdims=True)
    return xp.astype(xp.arange(a.shape[-1], device=device) == drawn, a.dtype)


def exp_poisson(z: Array, y: Array) -> Array:
    """C_i = Σ_j (e^(z_j) − y_j z_j)."""
    return over_outputs(array_namespace(z).exp(z) - y * z)


MATCHED: dict[tuple[str, str], MatchedPair] = {
    ("logistic", "binary_cross_entropy"): MatchedPair(
        logistic_binary_cross_entropy, difference, difference_tangent, "δ_j = a_j − y_j"
    ),
    ("softmax", "cross_entropy"): MatchedPair(
        softmax_cross_entropy,
        softmax_cross_entropy_delta,
        softmax_cross_entropy_delta_tangent,
        "δ_j = a_j Σ_o y_o − y_j",
        softmax_cross_entropy_hessian_columns,
        draw_class,
    ),
    ("exp", "poisson"): MatchedPair(exp_poisson, difference, difference_tangent, "δ_j = a_j − y_j"),
}


def distribution(g: AnyActivation, cost: Cost) -> Callable[[Array, np.random.Generator], Array] | None:
    """(a, rng) -> targets drawn from the distribution of which the cost of such outputs is −ln p(y|a), or None.

    >>> from chainrule.maths.activations import activation
    >>> from chainrule.maths.costs import cost
    >>> distribution(activation("softmax"), cost("cross_entropy")).__name__
    'draw_class'
    >>> distribution(activation("logistic"), cost("cross_entropy")) is None  # whose outputs don't sum to 1
    True
    """
    pair = MATCHED.get((g.name, cost.name))
    return cost.draw if pair is None or pair.draw is None else pair.draw


HAVE_A_DISTRIBUTION = (
    *(name for name in BUILT_IN if cost(name).draw is not None),
    *(f"{name} ({g})" for (g, name), pair in MATCHED.items() if pair.draw is not None),
)
"""Costs for which `distribution` gives one, each with the output activation that it needs for that."""


def check_pair(g: AnyActivation, cost: Cost, n_out: int) -> None:
    """Refuse an output activation whose values can leave the cost's domain, and name the one that matches.

    Raises PairError.
    """
    if g.name == "softmax" and n_out == 1:
        raise PairError(
            text(
                "output activation softmax",
                expected="at least 2 outputs",
                got="1, whose softmax is always 1",
                hint="Use logistic with binary_cross_entropy for two classes in one output.",
            )
        )
    if g.range.within(cost.domain):
        return
    matching = [activation for activation, name in MATCHED if name == cost.name]
    hint = f"Use activation {' or '.join(matching)} for the last layer" if matching else "Use another output activation"
    raise PairError(
        text(
            f"output activation {g.name} does not fit cost {cost.name}",
            expected=f"outputs in {cost.domain}",
            got=f"outputs in {g.range}",
            hint=f"{hint}, or another cost, such as squared_error.",
        )
    )
