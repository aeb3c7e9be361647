"""Gauss-Newton by conjugate gradients (E65, E66), which is also called Hessian-free optimization."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.examples import MAX_MEMORY
from chainrule.engine import tangents
from chainrule.engine.backend import Linearized
from chainrule.engine.inputs import ROWS_AT_ONCE
from chainrule.engine.network import Network
from chainrule.errors import InputError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE
from chainrule.maths.settings import FRACTION, settle
from chainrule.training.examples.batches import Examples
from chainrule.training.progress.history import Reason
from chainrule.training.progress.progressed import Progressed
from chainrule.training.whole_set.objective import WholeSet

_A = NDArray[np.float64]
_ARRAYS = 5  # for each unit and example of a network that is kept linearized: z, a, g', and what is on the way
_SHORTER = 0.8
_SHORTEST = 1e-4
_ARMIJO = 1e-2
_LEAST = 1e-12  # of the curvature along the first gradient: less damping does nothing, and none could not be raised


@dataclass(frozen=True)
class GaussNewtonCG:
    """Gauss-Newton steps by conjugate gradients (E65), on the whole set, for networks of any size.

    θ ← θ + αp, where p is an approximate solution of (G + λD + μI) p = −(∇C + λW): G is the Gauss-Newton matrix (E34),
    of which only products with vectors are worked, D the diagonal of 1 at weights and 0 at biases, of the penalty λ. α
    is the first of 1, 0.8, 0.8², … that lowers C + penalty by a hundredth of what its slope promises; where none down
    to 1e-4 does, μ is made four times as large and p found anew. One step for each epoch; μ follows how well (E65)
    foretells (E66), and is `History.damping`. No step raises the objective.

    It needs a cost that is convex in z^L or a^L, as all that come with chainrule are. In float32, steps end where the
    objective's digits do.

    Parameters
    ----------
    damping : float
        μ of the first step as a share of gᵀ(G + λD)g/gᵀg, the curvature along the gradient g. > 0.
    cg_iterations : int
        Products with G for each step at most; one costs about as much as a gradient.
    cg_tolerance : float
        Conjugate gradients end where the last k = max(10, i/10) of i iterations have gained less than k times this
        share of q (E65). ≥ 0.
    decay : float
        Conjugate gradients begin at this share of the last p. 0 ≤ decay < 1.
    gradient_tolerance : float
        Converged when no entry of ∇C + λW is larger in magnitude. ≥ 0.
    cost_tolerance : float
        Converged when a step lowers C + penalty by no more than this share of it. ≥ 0.

    Source: J. Martens, Deep learning via Hessian-free optimization, 2010, without its preconditioner.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity", dtype="float64")
    >>> X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> history = cr.train(net, X, Y, optimizer=cr.GaussNewtonCG(), epochs=50, verbose=0)
    >>> history.stopped, net.parameters.round(4).tolist()
    ('converged', [2.0, 1.0])
    """

    damping: float = 1e-2
    cg_iterations: int = 50
    cg_tolerance: float = 5e-4
    decay: float = 0.95
    gradient_tolerance: float = 1e-6
    cost_tolerance: float = 1e-12
    name: ClassVar[str] = "gauss_newton_cg"

    def __post_init__(self) -> None:
        settle(self, damping=POSITIVE, decay=FRACTION, cg_tolerance=NOT_NEGATIVE)
        settle(self, gradient_tolerance=NOT_NEGATIVE, cost_tolerance=NOT_NEGATIVE)
        if not is_count(self.cg_iterations):
            what, hint = "GaussNewtonCG: cg_iterations", "Usual values are 20 to 250."
            raise InputError(text(what, expected="a whole number ≥ 1", got=repr(self.cg_iterations), hint=hint))


def run(
    net: Network,
    data: Examples,
    rule: GaussNewtonCG,
    penalty: float,
    epochs: int,
    now: Progressed,
    end_epoch: Callable[[], float | None],
    frozen: Sequence[int] = (),
) -> Reason:
    """Train by up to `epochs` steps; `now` is brought up to date and `end_epoch` called after each.

    Layers in `frozen` stay as they are. Raises DivergenceError when a number is not finite where training begins, and
    what `now.breathe` raises.
    """
    whole = WholeSet(net, data, penalty, frozen)
    epoch, gain, damping, least, start = 0, math.inf, math.nan, 0.0, np.zeros(net.plan.n_parameters)
    if now.resumed is not None:
        epoch, gain, damping, least, start = (
            now.resumed[name] for name in ("epoch", "gain", "damping", "least", "start")
        )

    def snapshot() -> dict[str, Any]:
        return {"epoch": epoch, "gain": gain, "damping": damping, "least": least, "start": start}

    now.snapshot = snapshot
    now.epoch, now.step = epoch + 1, 1
    here = whole.begin(now.parameters)
    while epoch < epochs:
        now.epoch = epoch + 1
        if here.steepest <= rule.gradient_tolerance or gain <= rule.cost_tolerance * abs(here.objective):
            return "converged"
        now.begin_epoch()
        objective, curvature = whole.objective(here.theta), Curvature(whole, here.theta)
        if math.isnan(damping):
            along = dot(here.gradient, curvature @ here.gradient)
            scale = along / dot(here.gradient, here.gradient) or 1.0  # 1 where nothing is curved
            damping, least = rule.damping * scale, _LEAST * scale
        while True:
            p, q = conjugate_gradients(curvature, damping, here.gradient, start, rule, now.breathe)
            if not -q > np.finfo(here.theta.dtype).eps * abs(objective):
                if start.any():
                    start = np.zeros_like(p)
                    continue
                return "converged"  # as far as the dtype goes
            reached = whole.objective(moved(here.theta, p))
            ratio = (reached - objective) / (q - 0.5 * damping * dot(p, p))
            share, slope = 1.0, dot(here.gradient, p)
            while not reached <= objective + _ARMIJO * share * slope and share > _SHORTEST:
                now.breathe()
                share *= _SHORTER
                reached = whole.objective(moved(here.theta, share * p))
            there = whole.at(moved(here.theta, share * p))
            now.damping = damping
            if share > _SHORTEST and there.is_finite:
                break
            damping, start = 4 * damping, np.zeros_like(p)
        damping, start = max(next_damping(damping, ratio), least), rule.decay * p
        gain, epoch = here.objective - there.objective, epoch + 1
        here, now.parameters, now.cost, now.gradient_norm = there, there.theta, there.cost, there.slope
        now.taken += 1
        if end_epoch() is None:
            break
    return "epochs"


def moved(theta: NDArray[Any], p: _A) -> NDArray[Any]:
    """θ + p in θ's dtype."""
    return (theta + p).astype(theta.dtype)


def dot(u: _A, v: _A) -> float:
    """uᵀv; no product of BLAS, whose bits would depend on its threads."""
    return float(np.einsum("i,i->", u, v))


class Curvature:
    """G + λD of (E65) at θ, as `curvature @ v`; rows and columns of frozen layers are 0.

    Networks linearized at θ are kept where that takes at most MAX_MEMORY, else made anew for each product.
    """

    def __init__(self, whole: WholeSet, theta: NDArray[Any]) -> None:
        self._whole, self._theta = whole, theta
        units, of_each_block = whole.net.engine.numbers_held(whole.plan)
        rows = len(whole.data)
        numbers = _ARRAYS * rows * units + -(-rows // ROWS_AT_ONCE) * of_each_block
        self._kept = list(self._linearized()) if numbers * theta.itemsize <= MAX_MEMORY else None

    def __matmul__(self, v: _A) -> _A:
        whole, plan = self._whole, self._whole.plan
        direction, product = v.astype(self._theta.dtype), whole.penalty * plan.is_weight * v
        for at, Y, c in self._linearized() if self._kept is None else self._kept:
            seeds = tangents.gauss_newton_delta(plan, at.z, at.a, at.push(direction).z, Y)
            product += at.pull(seeds[np.newaxis]).gradient(c)
        product[whole.fixed] = 0
        return np.asarray(product)

    def _linearized(self) -> Iterator[tuple[Linearized, NDArray[Any], float | NDArray[Any]]]:
        plan, theta = self._whole.plan, self._theta
        for X, Y, c in self._whole.blocks():
            counts = c if isinstance(c, float) else c.astype(theta.dtype)
            yield self._whole.net.engine.linearize(plan, theta, X), Y, counts


def conjugate_gradients(
    curvature: Any, damping: float, g: _A, start: _A, rule: GaussNewtonCG, breathe: Callable[[], None]
) -> tuple[_A, float]:
    """(E65) p that nearly minimises q(p) = gᵀp + ½ pᵀ(G + λD + μI)p, and q there; `curvature @ v` is (G + λD)v.

    d ← −r + (rᵀr/r₋ᵀr₋)d, p ← p + αd, r ← r + α(G + λD + μI)d with α = rᵀr/dᵀ(G + λD + μI)d, from p = `start` with
    r = (G + λD + μI)p + g and d = −r. q = ½ pᵀ(r + g). `breathe` is called before each product.

    Source: M. Hestenes and E. Stiefel, Methods of conjugate gradients for solving linear systems, 1952.
    """
    p, r = start, g
    if start.any():
        r = g + curvature @ p + damping * p
    d, square, q = -r, dot(r, r), [0.5 * dot(p, r + g)]
    for i in range(1, rule.cg_iterations + 1):
        breathe()
        product = curvature @ d + damping * d
        along = dot(d, product)
        if not along > 0:  # nothing is left, or a cost of the user's own is not convex here
            break
        alpha = square / along
        p, r = p + alpha * d, r + alpha * product
        square, before = dot(r, r), square
        d = (square / before) * d - r
        q.append(0.5 * dot(p, r + g))
        k = max(10, i // 10)
        if i > k and q[-1] < 0 and q[-1] - q[-1 - k] > k * rule.cg_tolerance * q[-1]:
            break
    return p, q[-1]


def next_damping(damping: float, ratio: float) -> float:
    """(E66) μ after a step p, of which `ratio` is the change of C + penalty over gᵀp + ½ pᵀ(G + λD)p, what it foretold.

    μ ← ⅔μ above ¾, 3/2 μ below ¼ and where the change is not finite.

    >>> next_damping(0.9, 0.8), next_damping(0.9, 0.5), round(next_damping(0.9, -2.0), 6)
    (0.6, 0.9, 1.35)
    """
    if ratio > 0.75:
        return damping * 2 / 3
    return damping if ratio >= 0.25 else damping * 3 / 2
