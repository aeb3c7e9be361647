"""Levenberg-Marquardt (E63, E64): Gauss-Newton steps, as long as the last ones came out as foretold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.cotangents import gauss_newton
from chainrule.derivatives.parameters import write_gradients
from chainrule.engine import reference
from chainrule.engine.linearized import Linearized
from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Run
from chainrule.engine.threads import one_of_libraries
from chainrule.errors import InputError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE
from chainrule.maths.settings import settle
from chainrule.training.examples.batches import Examples
from chainrule.training.progress.divergence import DivergenceError
from chainrule.training.progress.history import Reason
from chainrule.training.progress.progressed import Progressed
from chainrule.training.whole_set.objective import Point, WholeSet

NUMBERS_AT_ONCE = 2**21
"""Of rows of J: 16 MiB, of which BLAS makes products about as fast as of more."""

_AHEAD = 0.1
_LEAST = 1e-15  # of the matrix's largest entry: less damping does nothing, and none could not be raised


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Levenberg-Marquardt (E63): θ ← θ + p + ½p′ with (JᵀHJ + λD + μI) p = −(∇C + λW), on the whole set.

    JᵀHJ is the Gauss-Newton matrix (E34), the Hessian of C without the curvature of the network itself, and D the
    diagonal of 1 at weights and 0 at biases, of the penalty λ. It is formed, and the system solved by Cholesky, in
    float64. p′ bends the step along with the network: (JᵀHJ + λD + μI) p′ = −JᵀHf″, f″ being the second derivative of
    outputs along p. It counts while ‖p′‖ ≤ `acceleration`·‖p‖.

    One step for each epoch: where it doesn't lower C + penalty, μ is raised (E64) and p found anew, so that the
    objective never rises. μ of each epoch is `History.damping`.

    It needs a cost that is convex in z^L or a^L, as all that come with chainrule are; where one of your own isn't, the
    convex part of its curvature counts. In float32, steps end where the objective's digits do: float64 goes further.

    Parameters
    ----------
    damping : float
        μ of the first step as a share of the largest entry on the diagonal of JᵀHJ + λD. > 0.
    acceleration : float
        ‖p′‖/‖p‖ up to which p′ counts; 0 leaves it out, and its two passes. ≥ 0.
    gradient_tolerance : float
        Converged when no entry of ∇C + λW is larger in magnitude. ≥ 0. Paths along the floor of a narrow valley cross
        points with a gradient of 1e-8 long before their end.
    cost_tolerance : float
        Converged when a step lowers C + penalty by no more than this share of it. ≥ 0.
    max_parameters : int
        Larger networks are refused: two matrices take 16|θ|² bytes, a step m|θ|² + |θ|³/3 operations.

    Sources: D. Marquardt, An algorithm for least-squares estimation of nonlinear parameters, 1963; M. Transtrum and J.
    Sethna, Improvements to the Levenberg-Marquardt algorithm, 2012, for p′; N. Schraudolph, Fast curvature
    matrix-vector products for second-order gradient descent, 2002, for costs other than squares.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity", dtype="float64")
    >>> X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> history = cr.train(net, X, Y, optimizer=cr.LevenbergMarquardt(), epochs=50, verbose=0)
    >>> history.stopped, net.parameters.round(6).tolist()
    ('converged', [2.0, 1.0])
    """

    damping: float = 1e-3
    acceleration: float = 0.75
    gradient_tolerance: float = 1e-10
    cost_tolerance: float = 1e-12
    max_parameters: int = 5000
    name: ClassVar[str] = "levenberg_marquardt"

    def __post_init__(self) -> None:
        settle(self, damping=POSITIVE, acceleration=NOT_NEGATIVE)
        settle(self, gradient_tolerance=NOT_NEGATIVE, cost_tolerance=NOT_NEGATIVE)
        if not is_count(self.max_parameters):
            what, hint = "LevenbergMarquardt: max_parameters", "The default is 5000."
            raise InputError(text(what, expected="a whole number ≥ 1", got=repr(self.max_parameters), hint=hint))


def check_size(plan: Plan, rows: int, rule: LevenbergMarquardt) -> None:
    """Refuse a network with more parameters than the rule allows, and say what it would take. Raises InputError."""
    n = plan.n_parameters
    if n <= rule.max_parameters:
        return
    gigabytes, operations = 2 * 8 * n**2 / 1e9, n**3 / 3 + rows * n**2
    raise InputError(
        text(
            "optimizer levenberg_marquardt",
            expected=f"a network of at most {rule.max_parameters:,} parameters",
            got=f"{n:,}, whose matrices take {gigabytes:,.1f} GB, and a step {operations:.0e} operations",
            hint="Take gauss_newton_cg or lbfgs, which form no matrix, or allow it: "
            f"cr.LevenbergMarquardt(max_parameters={n}).",
        )
    )


def run(
    net: Network,
    data: Examples,
    rule: LevenbergMarquardt,
    penalty: float,
    epochs: int,
    now: Progressed,
    end_epoch: Callable[[], float | None],
    frozen: Sequence[int] = (),
) -> Reason:
    """Train by up to `epochs` steps; `now` is brought up to date and `end_epoch` called after each.

    Layers in `frozen` stay as they are. While it lasts LAPACK and BLAS work on one thread, so that the bits don't
    depend on how many there are. Raises InputError for a network that is too large, DivergenceError when a number is
    not finite where training begins, and what `now.breathe` raises.
    """
    check_size(net.plan, len(data), rule)
    whole, at = WholeSet(net, data, penalty, frozen), _Reached(**(now.resumed or {}))
    now.snapshot = lambda: asdict(at)
    now.epoch, now.step = at.epoch + 1, 1
    here = whole.begin(now.parameters)
    while at.epoch < epochs:
        now.epoch = at.epoch + 1
        if here.steepest <= rule.gradient_tolerance or at.gain <= rule.cost_tolerance * abs(here.objective):
            return "converged"
        now.begin_epoch()
        with one_of_libraries():
            there = _step(whole, rule, here, at, now)
        if there is None:
            return "converged"  # as far as the dtype goes
        at.gain, at.epoch = here.objective - there.objective, at.epoch + 1
        here, now.parameters, now.cost, now.gradient_norm = there, there.theta, there.cost, there.slope
        now.taken += 1
        if end_epoch() is None:
            break
    return "epochs"


@dataclass
class _Reached:
    """Where a training is, besides θ: what its last step gained, and μ and ν of (E64), of a step on its way too."""

    epoch: int = 0
    gain: float = math.inf
    damping: float = math.nan
    growth: float = 2.0


def _step(whole: WholeSet, rule: LevenbergMarquardt, here: Point, at: _Reached, now: Progressed) -> Point | None:
    """Find a point whose objective is less, None where θ's dtype has none; μ and ν become those of the next step."""
    from scipy.linalg import lapack  # imported late: it takes longer than all of chainrule

    matrix = gauss_newton_matrix(whole, here.theta, now.breathe)
    diagonal = matrix.diagonal()
    scale = float(diagonal.max()) or 1.0  # 1 where nothing is curved
    if math.isnan(at.damping):
        at.damping = rule.damping * scale
    while True:
        now.breathe()
        damped = matrix.copy(order="F")
        np.fill_diagonal(damped, diagonal + at.damping)
        factor, p, failed = lapack.dposv(damped, -here.gradient, overwrite_a=1)  # (E63)
        there, ratio = here, -math.inf
        if not failed:
            step = p
            if rule.acceleration:
                bent, _ = lapack.dpotrs(factor, -bending(whole, here.theta, p))
                if np.linalg.norm(bent) <= rule.acceleration * np.linalg.norm(p):
                    step = p + 0.5 * bent
            there = whole.at((here.theta + step).astype(here.theta.dtype))
            if np.array_equal(there.theta, here.theta):
                return None
            if there.is_finite:
                foretold = 0.5 * float(p @ (at.damping * p - here.gradient))
                ratio = (here.objective - there.objective) / max(foretold, 5e-324)
        now.damping = at.damping
        at.damping, at.growth = next_damping(at.damping, at.growth, ratio)
        at.damping = max(at.damping, _LEAST * scale)
        if ratio > 0:
            return there
        del damped, factor  # before the next copy is made


def next_damping(damping: float, growth: float, ratio: float) -> tuple[float, float]:
    """(E64) μ and ν after a step of which `ratio` is what it gained over what (E63)'s quadratic model foretold.

    A gain ρ > 0: μ ← μ max(1/10, 1 − (2ρ − 1)³), ν ← 2. No gain: μ ← νμ, ν ← 2ν. Beyond ρ = 1 as at 1.

    >>> next_damping(1.0, 8.0, 0.5), next_damping(1.0, 8.0, 1.0), next_damping(1.0, 8.0, -0.5)
    ((1.0, 2.0), (0.1, 2.0), (8.0, 16.0))

    Source: H. Nielsen, Damping parameter in Marquardt's method, 1999, with 1/10 for its 1/3.
    """
    if ratio > 0:
        return damping * max(0.1, 1 - (2 * min(ratio, 1.0) - 1) ** 3), 2.0
    return damping * growth, 2 * growth


def bending(whole: WholeSet, theta: NDArray[Any], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """JᵀHf″ of (E63), (|θ|,): f is z^L for a matched pair, else a^L, f″ = (2/h)((f(θ + hp) − f(θ))/h − Jp), h = 0.1.

    So coarse a difference is right of a step that is about as long as f is quadratic; others are found too bent.
    """
    plan, engine, g = whole.plan, whole.net.engine, whole.plan.activation(whole.plan.L)
    direction, ahead = p.astype(theta.dtype), (theta + _AHEAD * p).astype(theta.dtype)
    total = np.zeros(plan.n_parameters)
    for X, Y, c in whole.blocks():
        at, moved = engine.linearize(plan, theta, X), engine.forward(plan, ahead, X)
        dz = at.push(direction).z
        if plan.matched is not None:
            second = (2 / _AHEAD) * ((moved.z[plan.L] - at.z) / _AHEAD - dz)
            seeds = plan.matched.delta_tangent(at.a, Y, g.jvp(at.z, second))
        else:
            second = (2 / _AHEAD) * ((moved.a[plan.L] - at.a) / _AHEAD - g.jvp(at.z, dz))
            assert plan.cost.hessian_product is not None, "without it there is no matrix, either"
            seeds = g.vjp(at.z, plan.cost.hessian_product(at.a, Y, second))
        total += at.pull(seeds[np.newaxis]).gradient(c if isinstance(c, float) else c.astype(theta.dtype))
    total[whole.fixed] = 0
    return total


def gauss_newton_matrix(
    whole: WholeSet, theta: NDArray[Any], breathe: Callable[[], None] = lambda: None
) -> NDArray[np.float64]:
    """JᵀHJ + λD of (E63), (|θ|, |θ|) in Fortran's order; below the diagonal it may be anything.

    Of H = FFᵀ the columns of F are pulled down to δ^ℓ, some examples at a time: one column to rows of FᵀJ, several to
    products by layer. That is m|θ|² operations in both cases; `breathe` is called now and then. Rows and columns of
    frozen layers are 0 but for λ. Raises DivergenceError when a number is not finite.
    """
    from scipy.linalg import blas

    plan, n = whole.plan, whole.plan.n_parameters
    W, _ = plan.split(theta)
    matrix, products = np.zeros((n, n), order="F"), _Products(plan)
    at_once = max(1, NUMBERS_AT_ONCE // max(n, max(plan.sizes) ** 2))
    for X, Y, c in whole.blocks():
        roots = np.sqrt(c)
        for start in range(0, len(X), at_once):
            breathe()
            some = slice(start, start + at_once)
            at = Linearized(plan, W, whole.net.engine.forward(plan, theta, X[some]))
            of_rows = roots if isinstance(c, float) else roots[some, np.newaxis]
            for sign, seeds in gauss_newton(plan, at, Y[some]):
                if sign < 0:
                    continue
                delta = _pulled(at, (of_rows * seeds).astype(theta.dtype, copy=False))
                if len(seeds) > 1:
                    products.add(at.run, delta)
                    continue
                J = np.empty((len(at.z), n))
                write_gradients(plan, at.run, delta, J)
                matrix = blas.dsyrk(1.0, J.T, beta=1.0, c=matrix, overwrite_c=1)
    products.add_to(matrix)
    if whole.frozen:
        matrix[whole.fixed] = 0
        matrix[:, whole.fixed] = 0
    diagonal = np.einsum("ii->i", matrix)
    if whole.penalty:
        diagonal += whole.penalty * whole.plan.is_weight
    if not np.isfinite(diagonal).all():
        raise DivergenceError(f"the Gauss-Newton matrix (E63) holds {diagonal[~np.isfinite(diagonal)][0]}")
    return matrix


def _pulled(at: Linearized, seeds: NDArray[Any]) -> ByLayer[NDArray[Any]]:
    """δ^ℓ by (E6) of S cotangents of z^L for each of m rows, (S, m, n_L), as (S·m, n_ℓ)."""
    run = at.run
    if len(seeds) > 1:
        run = Run(run.a, ByLayer("z", {layer: np.tile(z, (len(seeds), 1)) for layer, z in run.z.items()}))
    return reference.propagate(at.plan, at.W, run, seeds.reshape(-1, at.plan.sizes[-1]))


class _Products:
    """Σ_i (āāᵀ) ⊗ (Σ_s δδᵀ) of each two layers, of which JᵀHJ consists; ā is a^{ℓ−1}, with a 1 behind it for b^ℓ."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._inputs = {layer: plan.sizes[layer - 1] + plan.bias[layer - 1] for layer in plan.layers}
        self._sums: dict[tuple[int, int], NDArray[np.float64]] = {}

    @cached_property
    def _pairs(self) -> dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Of two equal layers' āāᵀ, which is symmetric, what is not below the diagonal."""
        return {layer: np.triu_indices(n) for layer, n in self._inputs.items()}

    def add(self, run: Run, delta: ByLayer[NDArray[Any]]) -> None:
        """Add those of m rows with S δ^ℓ each, (S·m, n_ℓ)."""
        layers, m = self._plan.layers, len(run.a[0])
        inputs, deltas = {}, {}
        for layer in layers:
            inputs[layer] = np.ones((m, self._inputs[layer]))
            inputs[layer][:, : self._plan.sizes[layer - 1]] = run.a[layer - 1]
            deltas[layer] = delta[layer].reshape(-1, m, self._plan.sizes[layer]).astype(np.float64, copy=False)
        for pair in combinations_with_replacement(layers, 2):
            one, other = inputs[pair[0]], inputs[pair[1]]
            if pair[0] == pair[1]:
                p, q = self._pairs[pair[0]]
                of_inputs = one[:, p] * one[:, q]
            else:
                of_inputs = (one[:, :, np.newaxis] * other[:, np.newaxis, :]).reshape(m, -1)
            of_deltas = (deltas[pair[0]].transpose(1, 2, 0) @ deltas[pair[1]].transpose(1, 0, 2)).reshape(m, -1)
            part = of_inputs.T @ of_deltas
            self._sums[pair] = self._sums[pair] + part if pair in self._sums else part

    def add_to(self, matrix: NDArray[np.float64]) -> None:
        """Put the sums where they belong in JᵀHJ."""
        sizes, starts = self._plan.sizes, {layer: at.start for layer, at in self._plan.weight_blocks.items()}
        for (one, other), found in self._sums.items():
            axes = [(self._inputs[layer], sizes[layer]) for layer in (one, other)]
            where = (slice(starts[at], starts[at] + math.prod(n)) for at, n in zip((one, other), axes, strict=True))
            block = matrix[*where].reshape(*axes[0], *axes[1])  # a view, as axes are only split
            if one == other:
                p, q = self._pairs[one]
                block[p, :, q, :] += found.reshape(-1, sizes[one], sizes[one])
            else:
                shape = (axes[0][0], axes[1][0], axes[0][1], axes[1][1])
                block += found.reshape(shape).transpose(0, 2, 1, 3)
