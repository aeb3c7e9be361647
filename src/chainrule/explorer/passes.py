"""The passes of one row in float64, kept so that the next click on the same row is answered from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine import reference
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan

_F = NDArray[np.float64]


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Parameters64:
    """A network's plan and θ in float64, in which derivations are computed."""

    plan: Plan
    theta: _F

    @classmethod
    def of(cls, net: Network) -> Parameters64:
        """Cast a network's θ, once for all rows."""
        return cls(replace(net.plan, dtype="float64"), net.parameters.astype(np.float64))

    @cached_property
    def W(self) -> dict[int, _F]:
        """𝒲^ℓ, (n_{ℓ−1}, n_ℓ)."""
        return dict(self.plan.split(self.theta)[0])

    @cached_property
    def b(self) -> dict[int, Any]:
        """b^ℓ, (n_ℓ,), of the layers that have one."""
        return dict(self.plan.split(self.theta)[1])


@dataclass(frozen=True, eq=False)
class Pass:
    """One row's forward and backward pass by the reference: a, z, δ by layer, each (n_ℓ,), ∂C/∂x and C_i.

    ∂C_i/∂𝒲^ℓ is not formed: it is the outer product of a^{ℓ−1} and δ^ℓ (E7), of which a slice is made when it is asked.
    """

    at: Parameters64
    x: _F
    y: _F
    a: dict[int, _F]
    z: dict[int, _F]
    delta: dict[int, _F]
    dx: _F
    cost: float

    @classmethod
    def of(cls, at: Parameters64, X: NDArray[Any], Y: NDArray[Any]) -> Pass:
        """Run (E1) to (E6) and (E9) for inputs (1, n_0) and targets (1, n_L)."""
        plan = at.plan
        X64, Y64 = X.astype(np.float64), Y.astype(np.float64)
        with np.errstate(all="ignore"):  # what is not finite is shown as such
            run = reference.forward(plan, at.theta, X64)
            top = reference.output_delta(plan, run.z[plan.L], run.a[plan.L], Y64)
            delta = reference.propagate(plan, plan.split(at.theta)[0], run, top)
            dx = at.W[1] @ delta[1][0]  # (E9) with ℓ = 1
            cost = float(reference.example_costs(plan, run, Y64)[0])
        a, z, d = ({layer: rows[0] for layer, rows in by_layer.items()} for by_layer in (run.a, run.z, delta))
        return cls(at, X64[0], Y64[0], a, z, d, dx, cost)

    def slope(self, layer: int) -> _F | None:
        """g'(z^ℓ), (n_ℓ,); None where units depend on each other, as under softmax."""
        g = self.at.plan.activation(layer)
        if g.coupled:
            return None
        with np.errstate(all="ignore"):
            slope: _F = g.derivative(self.z[layer])
        return slope

    @cached_property
    def gradient_norm(self) -> float:
        """‖∇C_i‖: the root of Σ_ℓ ‖δ^ℓ‖²(‖a^{ℓ−1}‖² + 1), without the 1 where there is no bias (E36)."""
        with np.errstate(all="ignore"):
            parts = [
                (self.delta[layer] @ self.delta[layer]) * (self.a[layer - 1] @ self.a[layer - 1] + has_bias)
                for layer, has_bias in zip(self.at.plan.layers, self.at.plan.bias, strict=True)
            ]
            return float(np.sqrt(sum(parts)))

    def entries(self, what: str, layer: int, k: slice, j: slice) -> _F:
        """𝒲, ∂C_i/∂𝒲 (E7), or 𝒲 ⊙ δ, the terms of (E9), from units k of layer ℓ − 1 into units j of ℓ, (k, j)."""
        if what == "dW":
            return self.a[layer - 1][k, np.newaxis] * self.delta[layer][j]
        W = self.at.W[layer][k, j]
        return W if what == "W" else W * self.delta[layer][j]

    def outputs_from(self, layer: int, Z: _F) -> tuple[_F, _F]:
        """a^L, (m, n_L), and C_i, (m,), where z^ℓ is each row of Z, (m, n_ℓ), in place of this row's."""
        plan, W, b = self.at.plan, self.at.W, self.at.b
        with np.errstate(all="ignore"):
            z = Z
            a = plan.activation(layer).value(z)
            for q in range(layer + 1, plan.L + 1):
                z = a @ W[q] + b.get(q, 0.0)  # (E1)
                a = plan.activation(q).value(z)  # (E2)
            Y = np.broadcast_to(self.y, a.shape)
            costs = plan.matched.example_costs(z, Y) if plan.matched is not None else plan.cost.value(a, Y)  # (E3)
        return a, costs
