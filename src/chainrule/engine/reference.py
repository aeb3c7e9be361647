"""The reference backend: forward and backward as the equations write them, in Array API calls only.

This module is the specification that every other backend is held against. Its functions are pure: plan, θ and arrays
in, arrays out, of whatever library (numpy, torch, JAX, …) the arrays that they are given come from.

Axes: m examples in rows, n_ℓ units of layer ℓ in columns. X is (m, n_0), Y is (m, n_L), `weights` is (m,) or None.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from chainrule.engine.cholesky import inverse as inverse
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.step_options import PLAIN, StepOptions
from chainrule.maths.arrays import Array, array_namespace
from chainrule.maths.updates import UpdateRule

if TYPE_CHECKING:
    from chainrule.engine.linearized import Linearized

name = "reference"


@dataclass(frozen=True)
class Run:
    """What the forward pass keeps (E2): `a[0..L]` with a^0 = x, and `z[1..L]`, all (m, n_ℓ)."""

    a: ByLayer[Array]
    z: ByLayer[Array]


@dataclass(frozen=True, repr=False)
class Gradient:
    """∂C/∂θ of the batch (E10): `flat`, (|θ|,), and `W[l]`, `b[l]`, like the network's own, which are views of it."""

    plan: Plan
    flat: Array

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.W!r}, {self.b!r}, flat {self.flat.shape}"

    @cached_property
    def _by_layer(self) -> tuple[ByLayer[Array], ByLayer[Array]]:
        return self.plan.split(self.flat)

    @property
    def W(self) -> ByLayer[Array]:
        """∂C/∂𝒲^ℓ (E7), (n_{ℓ−1}, n_ℓ)."""
        return self._by_layer[0]

    @property
    def b(self) -> ByLayer[Array]:
        """∂C/∂b^ℓ (E8), (n_ℓ,)."""
        return self._by_layer[1]


@dataclass(frozen=True, repr=False)
class Backward(Gradient):
    """All that the backward pass gives.

    `cost` is C (E4), `delta[l]` is ∂C_i/∂z^ℓ (E5, E6), (m, n_ℓ), `x` is ∂C_i/∂x (E9), (m, n_0), both per example,
    neither averaged nor weighted; `W`, `b` and `flat` are reduced over the batch (E7, E8, E10).
    """

    cost: Array
    delta: ByLayer[Array]
    x: Array


def forward(plan: Plan, parameters: Array, X: Array) -> Run:
    """(E1), (E2): z^ℓ and a^ℓ for ℓ = 1..L, all kept."""
    return _forward(plan, *plan.split(parameters), X)


def _forward(plan: Plan, W: ByLayer[Array], b: ByLayer[Array], X: Array) -> Run:
    a, z = {0: X}, {}
    for l in plan.layers:
        z[l] = a[l - 1] @ W[l]  # (E1) Z^ℓ = A^{ℓ−1}𝒲^ℓ
        if l in b:
            z[l] = z[l] + b[l]  # ...  + b^ℓ
        a[l] = plan.activation(l).value(z[l])  # (E2) a^ℓ = g_ℓ(z^ℓ)
    return Run(ByLayer("a", a), ByLayer("z", z, "The input is an activation, never a weighted input: see a[0]."))


def backward(plan: Plan, parameters: Array, run: Run, Y: Array, weights: Array | None = None) -> Backward:
    """(E5) to (E10) from what `forward` kept."""
    W, _ = plan.split(parameters)
    delta = propagate(plan, W, run, output_delta(plan, run.z[plan.L], run.a[plan.L], Y))
    x = delta[1] @ W[1].T  # (E9) with ℓ = 1; the input has no g, so no g' is multiplied in
    cost = batch_cost(plan, example_costs(plan, run, Y), weights)
    c = coefficients(plan, x.shape[0], weights)
    return Backward(plan, reduced_gradient(plan, run, delta, c), cost, delta, x)


def propagate(plan: Plan, W: ByLayer[Array], run: Run, delta_L: Array) -> ByLayer[Array]:
    """δ^ℓ by (E6) for ℓ = L−1..1, from δ^L."""
    delta = {plan.L: delta_L}
    for l in range(plan.L - 1, 0, -1):
        da = delta[l + 1] @ W[l + 1].T  # (E9) ∂C_i/∂a^ℓ = Δ^{ℓ+1}𝒲^{ℓ+1}ᵀ
        delta[l] = plan.activation(l).vjp(run.z[l], da)  # (E6) Δ^ℓ = ∂C_i/∂a^ℓ ⊙ g_ℓ'(Z^ℓ)
    return ByLayer("delta", {l: delta[l] for l in plan.layers}, "The input has no δ; its gradient is x.")


def output_delta(plan: Plan, Z: Array, A: Array, Y: Array) -> Array:
    """δ^L, (m, n_L), from z^L and a^L: for a matched pair from a and y (E5′), else ∂C_i/∂a^L through g_L (E5, E5′)."""
    if plan.matched is not None:
        return plan.matched.delta(A, Y)
    return plan.activation(plan.L).vjp(Z, plan.cost.derivative(A, Y))


def example_costs(plan: Plan, run: Run, Y: Array) -> Array:
    """C_i (E3), (m,): from z for a matched pair, else from a."""
    if plan.matched is not None:
        return plan.matched.example_costs(run.z[plan.L], Y)
    return plan.cost.value(run.a[plan.L], Y)


def batch_cost(plan: Plan, costs: Array, weights: Array | None = None) -> Array:
    """C = Σ w_i C_i/Σ w_i under the mean, Σ w_i C_i under the sum; w_i = 1 without weights (E4). A 0-d array."""
    xp = array_namespace(costs)
    return xp.sum(coefficients(plan, costs.shape[0], weights) * costs)


def coefficients(plan: Plan, m: int, weights: Array | None) -> Array | float:
    """w_i/Σw under the mean, w_i under the sum: what each example counts in (E4), (E7), (E8)."""
    if weights is None:
        return 1 / m if plan.reduction == "mean" else 1.0
    return weights / array_namespace(weights).sum(weights) if plan.reduction == "mean" else weights


def counted(c: Array | float, per_example: Array) -> Array:
    """Rows of an array, (m, n), times what their examples count: a number for all of them, or (m,)."""
    return c * per_example if isinstance(c, float) else array_namespace(c).reshape(c, (-1, 1)) * per_example


def reduced_gradient(plan: Plan, run: Run, delta: ByLayer[Array], c: Array | float) -> Array:
    """∇C, (|θ|,), by (E7), (E8), (E10) from every δ^ℓ and `coefficients`."""
    xp = array_namespace(delta[1])
    dW, db = {}, {}
    for l in plan.layers:
        c_delta = counted(c, delta[l])
        dW[l] = run.a[l - 1].T @ c_delta  # (E7) ∂C/∂𝒲^ℓ = (1/m) A^{ℓ−1}ᵀ Δ^ℓ
        if plan.bias[l - 1]:
            db[l] = xp.sum(c_delta, axis=0)  # (E8) ∂C/∂b^ℓ: the mean of Δ^ℓ over examples
    return plan.join(dW, db)  # (E10)


def predict(plan: Plan, parameters: Array, X: Array) -> Array:
    """a^L, (m, n_L), keeping nothing on the way."""
    W, b = plan.split(parameters)
    a = X
    for l in plan.layers:
        z = a @ W[l]
        a = plan.activation(l).value(z + b[l] if l in b else z)
    return a


def value_and_gradient(
    plan: Plan, parameters: Array, X: Array, Y: Array, weights: Array | None = None
) -> tuple[Array, Gradient]:
    """C (E4) and ∇C (E10) of a batch: `backward` without (E9)'s last step into the input."""
    W, b = plan.split(parameters)
    run = _forward(plan, W, b, X)
    delta = propagate(plan, W, run, output_delta(plan, run.z[plan.L], run.a[plan.L], Y))
    cost = batch_cost(plan, example_costs(plan, run, Y), weights)
    return cost, Gradient(plan, reduced_gradient(plan, run, delta, coefficients(plan, X.shape[0], weights)))


def linearize(plan: Plan, parameters: Array, X: Array) -> Linearized:
    """(E1), (E2), kept for the passes that derivatives are made of."""
    from chainrule.engine.linearized import Linearized  # which is made of this module's functions

    W, b = plan.split(parameters)
    return Linearized(plan, W, _forward(plan, W, b, X))


def linearize_uncast(plan: Plan, parameters: Array, X: Array) -> None:
    """None: every X is checked and cast first, and then given to `linearize`."""


def numbers_held(plan: Plan) -> tuple[int, int]:
    """One for each unit and row; and as many as two vectors like θ: parts of sums, and transposed factors."""
    return sum(plan.sizes), 2 * plan.n_parameters


def predictor(plan: Plan, parameters: Array) -> None:
    """None: every X is checked and cast first, and then given to `predict`."""


def predict_uncast(plan: Plan, parameters: Array, X: Array) -> None:
    """None, for the same reason."""


def trainer(
    plan: Plan,
    rule: UpdateRule,
    X: Array,
    Y: Array,
    weights: Array | None,
    batch: int,
    options: StepOptions = PLAIN,
) -> None:
    """None: training takes one step after the other, by `value_and_gradient` and the update rule."""
