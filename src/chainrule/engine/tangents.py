"""How the passes change along a direction of θ, of X, or of both: the R-operator, in Array API calls only.

Pearlmutter's R{·} (1994) is the derivative in t, at t = 0, of what the passes keep when θ is θ + t·dθ and X is
X + t·dX. It costs about what the passes themselves cost, and no difference of two large numbers is taken. Its forward
half is forward-mode differentiation (jvp); forward and backward together give Hessian-vector products.

Axes and names as in reference.py; the tangent of an array has its shape. Nothing is computed for what doesn't move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Run, counted, reduced_gradient
from chainrule.errors import DerivativeError, text
from chainrule.maths.arrays import Array


@dataclass(frozen=True)
class Direction:
    """dθ by layer, of the layers that have it, and dX, (m, n_0), or None."""

    W: ByLayer[Array] | dict[int, Array]
    b: ByLayer[Array] | dict[int, Array]
    X: Array | None = None


def in_parameters(plan: Plan, vector: Array) -> Direction:
    """The direction dθ = vector, (|θ|,)."""
    return Direction(*plan.split(vector))


def in_inputs(dX: Array) -> Direction:
    """The direction dX, (m, n_0)."""
    return Direction({}, {}, dX)


def forward(plan: Plan, W: ByLayer[Array], run: Run, along: Direction) -> Run:
    """(E31) R{z^ℓ} = R{a^{ℓ−1}}𝒲^ℓ + a^{ℓ−1}d𝒲^ℓ + db^ℓ, R{a^ℓ} = ∂a^ℓ/∂z^ℓ R{z^ℓ}; R{a^0} = dX."""
    da, dz = ({} if along.X is None else {0: along.X}), {}
    for l in plan.layers:
        parts = [da[l - 1] @ W[l]] if l - 1 in da else []
        if l in along.W:
            parts.append(run.a[l - 1] @ along.W[l])
        dz[l] = sum(parts[1:], parts[0])
        if l in along.b:
            dz[l] = dz[l] + along.b[l]
        da[l] = plan.activation(l).jvp(run.z[l], dz[l])
    return Run(ByLayer("R{a}", da), ByLayer("R{z}", dz))


def output_delta(plan: Plan, Z: Array, A: Array, dZ: Array, Y: Array) -> Array:
    """(E32) R{δ^L}, (m, n_L), from R{z^L}: of a matched pair's δ^L, else what follows.

    ∂a/∂zᵀ(∂²C_i/∂a² R{a^L}) + (∂/∂z ∂a/∂zᵀ ∂C_i/∂a)R{z^L}.
    """
    straight = gauss_newton_delta(plan, Z, A, dZ, Y)
    if plan.matched is not None:
        return straight
    return straight + second_vjp(plan, plan.L)(Z, plan.cost.derivative(A, Y), dZ)


def gauss_newton_delta(plan: Plan, Z: Array, A: Array, dZ: Array, Y: Array) -> Array:
    """(E34) What R{δ^L} is without the curvature of the network, (m, n_L): that of the cost alone.

    The cost is one of z^L for a matched pair, which is convex in it, else of a^L.
    """
    g = plan.activation(plan.L)
    dA = g.jvp(Z, dZ)
    if plan.matched is not None:
        return plan.matched.delta_tangent(A, Y, dA)
    if plan.cost.hessian_product is None:
        hint = "Give cr.Cost(…, hessian_product=…): ∂²C_i/∂a² v, (a, y, v) -> (m, n)."
        raise DerivativeError(text(f"cost {plan.cost.name}", expected="a hessian_product", got="none", hint=hint))
    return g.vjp(Z, plan.cost.hessian_product(A, Y, dA))


def second_vjp(plan: Plan, l: int) -> Callable[[Array, Array, Array], Array]:
    """(z, ∂C/∂a, dz) -> the change of ∂a/∂zᵀ ∂C/∂a along dz, of layer ℓ. Raises DerivativeError where there is none."""
    g = plan.activation(l)
    found = g.second_vjp
    if found is None:
        missing = "second_vjp" if g.coupled else "second_derivative"
        hint = f"Give cr.{type(g).__name__}(…, {missing}=…); products by ggn_vp need none."
        raise DerivativeError(text(f"activation {g.name} of layer {l}", expected=f"a {missing}", got="none", hint=hint))
    return found


def backward(
    plan: Plan,
    W: ByLayer[Array],
    run: Run,
    delta: ByLayer[Array],
    tangent: Run,
    d_delta_L: Array,
    along: Direction,
) -> ByLayer[Array]:
    """(E33) R{δ^ℓ}, ℓ = L..1: (E6) differentiated, R{∂C_i/∂a^ℓ} = R{Δ^{ℓ+1}}𝒲^{ℓ+1}ᵀ + Δ^{ℓ+1}d𝒲^{ℓ+1}ᵀ, then g_ℓ'."""
    d_delta = {plan.L: d_delta_L}
    for l in range(plan.L - 1, 0, -1):
        da = delta[l + 1] @ W[l + 1].T
        d_da = d_delta[l + 1] @ W[l + 1].T
        if l + 1 in along.W:
            d_da = d_da + delta[l + 1] @ along.W[l + 1].T
        d_delta[l] = plan.activation(l).vjp(run.z[l], d_da) + second_vjp(plan, l)(run.z[l], da, tangent.z[l])
    return ByLayer("R{delta}", {l: d_delta[l] for l in plan.layers})


def gradient(
    plan: Plan,
    run: Run,
    delta: ByLayer[Array],
    tangent: Run,
    d_delta: ByLayer[Array],
    c: Array | float,
) -> Array:
    """R{∇C}, (|θ|,): (E7), (E8) differentiated, R{a}ᵀΔ + aᵀR{Δ}, counted by `reference.coefficients`."""
    dW, db = plan.split(reduced_gradient(plan, run, d_delta, c))
    more = {l: tangent.a[l - 1].T @ counted(c, delta[l]) for l in plan.layers if l - 1 in tangent.a}
    return plan.join({l: dW[l] + more[l] if l in more else dW[l] for l in plan.layers}, db)
