"""What a backend has to offer, and which one a network gets."""

from __future__ import annotations

import os
from typing import Protocol

from chainrule.engine import reference
from chainrule.engine.plan import Plan
from chainrule.engine.reference import Backward, Gradient, Run
from chainrule.errors import unknown_name
from chainrule.maths.arrays import Array


class Backend(Protocol):
    """Forward and backward for a plan and a flat θ; X (m, n_0), Y (m, n_L), weights (m,) or None are of θ's dtype.

    The X of `forward`, `predict` and `value_and_gradient` may be a SciPy sparse matrix in CSR form, which is multiplied
    as it is.
    """

    name: str

    def forward(self, plan: Plan, parameters: Array, X: Array) -> Run:
        """(E1), (E2)."""

    def backward(self, plan: Plan, parameters: Array, run: Run, Y: Array, weights: Array | None = None) -> Backward:
        """(E5) to (E10)."""

    def predict(self, plan: Plan, parameters: Array, X: Array) -> Array:
        """a^L."""

    def input_gradient(self, plan: Plan, parameters: Array, run: Run, output: int) -> Array:
        """∇_x a^L_o (E11)."""

    def example_costs(self, plan: Plan, run: Run, Y: Array) -> Array:
        """C_i (E3)."""

    def batch_cost(self, plan: Plan, costs: Array, weights: Array | None = None) -> Array:
        """C (E4)."""

    def value_and_gradient(
        self, plan: Plan, parameters: Array, X: Array, Y: Array, weights: Array | None = None
    ) -> tuple[Array, Gradient]:
        """C (E4) and ∇C (E10)."""


_BACKENDS: dict[str, Backend] = {"reference": reference}


def choose(requested: str | None) -> Backend:
    """Give the backend that `backend=` names, else the one that CHAINRULE_BACKEND names, else the reference.

    Raises InputError for a name that is not there.
    """
    if requested is not None:
        where, chosen = "backend", requested
    else:
        where, chosen = "backend in CHAINRULE_BACKEND", os.environ.get("CHAINRULE_BACKEND") or "reference"
    if not isinstance(chosen, str) or chosen not in _BACKENDS:
        raise unknown_name(where, chosen, _BACKENDS)
    return _BACKENDS[chosen]
