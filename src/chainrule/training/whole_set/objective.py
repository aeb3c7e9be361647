"""The objective of solvers that take the whole set at once, as a function of θ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.maths.penalties import l2_gradient, penalty_of
from chainrule.training.examples.batches import Examples
from chainrule.training.progress.divergence import DivergenceError, culprit, norm

Counted: TypeAlias = tuple[NDArray[Any], NDArray[Any], float | NDArray[np.float64]]
"""Some rows, dense, their targets (m, n_L), and what each counts in C (E4): a number for all of them, or (m,)."""


@dataclass(frozen=True)
class Point:
    """A θ of the network's dtype, C and C + penalty there, and ∇C + λW, (|θ|,), in float64."""

    theta: NDArray[Any]
    cost: float
    objective: float
    gradient: NDArray[np.float64]

    @property
    def is_finite(self) -> bool:
        """Whether C, the penalty and every entry of the gradient are finite."""
        return math.isfinite(self.objective) and bool(np.isfinite(self.gradient).all())

    @property
    def steepest(self) -> float:
        """The largest magnitude of an entry of the gradient."""
        return float(np.abs(self.gradient).max())

    @property
    def slope(self) -> float:
        """‖∇C + λW‖₂."""
        return norm(self.gradient)


@dataclass(frozen=True)
class WholeSet:
    """C of all examples with λ/2 Σ W² (E29), λ = `penalty`; the gradient in layers of `frozen` is 0."""

    net: Network
    data: Examples
    penalty: float = 0.0
    frozen: Sequence[int] = ()

    @property
    def plan(self) -> Plan:
        """The network's."""
        return self.net.plan

    @cached_property
    def fixed(self) -> NDArray[np.intp]:
        """Where in θ the frozen layers lie."""
        blocks = (self.plan.weight_blocks, self.plan.bias_blocks)
        parts = [np.arange(at[i].start, at[i].stop) for at in blocks for i in self.frozen if i in at]
        return np.concatenate([np.empty(0, dtype=np.intp), *parts])

    def objective(self, theta: NDArray[Any]) -> float:
        """C + penalty, by a forward pass alone."""
        return self.data.cost(self.net, theta) + self._penalty_at(theta)

    def at(self, theta: NDArray[Any]) -> Point:
        """C, C + penalty and ∇C + λW."""
        cost, gradient = self.data.value_and_gradient(self.net, theta)
        if self.penalty:
            gradient = gradient + l2_gradient(theta, self.plan.is_weight, self.penalty)
        if self.frozen:
            gradient[self.fixed] = 0
        return Point(theta, cost, cost + self._penalty_at(theta), gradient)

    def begin(self, theta: NDArray[Any]) -> Point:
        """`at`, where every number has to be finite. Raises DivergenceError."""
        point = self.at(theta)
        if not point.is_finite:
            raise DivergenceError(culprit(self.net, theta, self.data.blocks(), point.gradient))
        return point

    def blocks(self) -> Iterator[Counted]:
        """Every example once, in blocks of rows."""
        share = 1 / self.data.total if self.plan.reduction == "mean" else 1.0
        for X, Y, weights in self.data.blocks():
            dense = X if isinstance(X, np.ndarray) else X.toarray()
            yield dense, Y, share if weights is None else share * weights.astype(np.float64)

    def _penalty_at(self, theta: NDArray[Any]) -> float:
        return penalty_of(theta, self.plan.is_weight, self.penalty)
