"""One example through a network, forward and backward, by the reference in float64: every number of a derivation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine import reference
from chainrule.engine.inputs import check_example, check_example_target
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text

F: TypeAlias = NDArray[np.float64]
_SOURCE = "cr.diagnose(net, X, Y) says where it comes from."


@dataclass(frozen=True)
class Example:
    """The numbers of one example, vectors by layer: of a cost's derivatives, or of an output's, where `output` is set.

    `W[l]` is 𝒲^ℓ, (n_{ℓ−1}, n_ℓ). `delta[l]` and `da[l]` are derivatives of the objective in z^ℓ and a^ℓ; `da[L]` is
    None where a matched pair gives δ^L without it. `slope[l]` is g_ℓ'(z^ℓ), None where g_ℓ couples units.
    """

    plan: Plan
    output: int | None
    W: dict[int, F]
    b: dict[int, F]
    z: dict[int, F]
    a: dict[int, F]
    slope: dict[int, F | None]
    delta: dict[int, F]
    da: dict[int, F | None]
    y: F | None
    cost: float | None

    @property
    def L(self) -> int:
        """Number of layers that have weights."""
        return self.plan.L

    @property
    def is_matched(self) -> bool:
        """Whether δ^L comes from a and y alone (E5′)."""
        return self.output is None and self.plan.matched is not None

    def delta_is_product(self, layer: int) -> bool:
        """Whether δ^ℓ is g'(z) times the derivative in a, entry by entry."""
        return self.slope[layer] is not None and self.da[layer] is not None

    def jacobian(self, layer: int) -> F:
        """∂a^ℓ/∂z^ℓ of coupled units, (n_ℓ, n_ℓ), ∂a_o in row o."""
        return np.array([self.jacobian_column(layer, k) for k in range(len(self.z[layer]))]).T

    def jacobian_column(self, layer: int, k: int) -> F:
        """∂a^ℓ/∂z^ℓ_k of coupled units, (n_ℓ,)."""
        along = np.zeros((1, len(self.z[layer])))
        along[0, k] = 1.0
        column: F = self.plan.activation(layer).jvp(self.z[layer][np.newaxis], along)[0]
        return column


def pass_example(net: Network, x: ArrayLike, y: ArrayLike | None, output: int | None, with_cost: bool) -> Example:
    """Run one example forward and backward, by the equations, in float64. Raises InputError for a bad x or y."""
    plan = replace(net.plan, dtype="float64")
    theta = net.parameters.astype(np.float64)
    X = check_example(x, plan)
    Y = None if y is None else check_example_target(y, plan)
    if with_cost and Y is None:
        hint = "Only the gradient of an output in x needs none: of='x', output=0."
        raise InputError(text("y", expected="the target of x", got="None", hint=hint))
    W, b = plan.split(theta)
    with np.errstate(all="ignore"):  # what comes of it is refused by name
        run = reference.forward(plan, theta, X)
        top, Z = plan.activation(plan.L), run.z[plan.L]
        da_L: Any = None
        if output is None and Y is not None:
            delta_L = reference.output_delta(plan, Z, run.a[plan.L], Y)
            if plan.matched is None:
                da_L = plan.cost.derivative(run.a[plan.L], Y)
        else:
            da_L = np.zeros((1, plan.sizes[-1]))
            da_L[0, output or 0] = 1.0
            delta_L = top.vjp(Z, da_L)
        delta = reference.propagate(plan, W, run, delta_L)
        da = {layer: (delta[layer + 1] @ W[layer + 1].T)[0] for layer in range(plan.L)}
        slope = {}
        for layer in plan.layers:
            g = plan.activation(layer)
            slope[layer] = None if g.coupled else g.derivative(run.z[layer])[0]
        cost = None if Y is None else float(reference.example_costs(plan, run, Y)[0])
    example = Example(
        plan,
        output,
        dict(W),
        dict(b),
        {layer: run.z[layer][0] for layer in plan.layers},
        {layer: run.a[layer][0] for layer in run.a},
        slope,
        {layer: delta[layer][0] for layer in plan.layers},
        {**da, plan.L: None if da_L is None else da_L[0]},
        None if Y is None else Y[0],
        cost,
    )
    _refuse_what_is_not_finite(example)
    if with_cost and not np.isfinite(known(cost)):
        raise InputError(text("x: C_i", expected="a finite number", got=str(cost), hint=_SOURCE))
    return example


def coupling_noise(da: F, a: F, entries: F) -> Any:
    """What rounding may do to Σ_o ∂C/∂a_o ∂a_o/∂z_k of coupled units, entries (n,) of one k, or (n, n).

    The reference finds it without ∂a/∂z, of which 1 − a_k has lost its digits where a_k is near 1.
    """
    scale = np.maximum(np.abs(a), np.abs(entries).max(axis=0))
    return (len(da) + 8) * np.finfo(np.float64).eps * np.abs(da).sum() * scale


def _refuse_what_is_not_finite(example: Example) -> None:
    layers = range(1, example.L + 1)
    forward = [(name, at, values) for at in layers for name, values in (("z", example.z[at]), ("a", example.a[at]))]
    slopes = [("g'", at, example.slope[at]) for at in layers]
    back = [(name, at, by[at]) for at in reversed(layers) for name, by in (("∂/∂a", example.da), ("δ", example.delta))]
    for name, layer, values in (*forward, *slopes, *back):
        if values is not None and not np.isfinite(values).all():
            unit = int(np.argmin(np.isfinite(values)))
            got = f"{values[unit]} in unit {unit}"
            raise InputError(text(f"x: {name} of layer {layer}", expected="finite numbers", got=got, hint=_SOURCE))


def known(value: Any) -> Any:
    """A value that this derivation has: None is our own mistake."""
    assert value is not None
    return value
