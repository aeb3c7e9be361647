"""Cutting a data set into mini-batches, cast one by one (E15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import Targets, row_blocks
from chainrule.engine.network import Network

Rows: TypeAlias = Any
"""(m, n_0): an array, or a SciPy sparse matrix in CSR form, which has no type that both its classes share."""
Batch: TypeAlias = tuple[Rows, NDArray[Any], NDArray[Any] | None]
"""Some rows, their targets (m, n_L), and their weights (m,) or None."""


def mass(batch: Batch) -> float:
    """Σ w_i of a batch; how many examples it has, without weights."""
    _, Y, weights = batch
    return float(len(Y) if weights is None else weights.sum())


@dataclass(frozen=True)
class DataSet:
    """Checked examples: rows of X, never copied whole, their targets and weights; `rows` picks some of them, (m,).

    The batches of sparse rows are sparse.
    """

    X: Rows
    targets: Targets
    weights: NDArray[Any] | None
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: slice | NDArray[np.intp]) -> Batch:
        """Gather some of the examples in the network's dtype."""
        rows = self.rows[which]
        X = self.X[rows]
        if isinstance(X, np.ndarray):
            X = np.ascontiguousarray(X, dtype=self.targets.dtype)
        else:
            X = X.astype(self.targets.dtype, copy=False)
        return X, self.targets.rows(rows), None if self.weights is None else self.weights[rows]

    def batches(self, size: int, order: NDArray[np.intp]) -> Iterator[Batch]:
        """Every example once, in the given order, `size` at a time; the last batch may be shorter.

        A batch whose weights are all 0 says nothing, and is left out.
        """
        for start in range(0, len(self), size):
            batch = self.take(order[start : start + size])
            if batch[2] is None or batch[2].any():
                yield batch

    def blocks(self) -> Iterator[Batch]:
        """Every example once, in order, in blocks of rows."""
        return (self.take(rows) for rows in row_blocks(len(self)))

    def outputs_and_cost(self, net: Network, parameters: NDArray[Any]) -> tuple[NDArray[Any], float]:
        """a^L of all examples, (m, n_L), and C (E4), in blocks of rows."""
        plan, backend = net.plan, net.engine
        outputs = np.empty((len(self), plan.sizes[-1]), dtype=plan.dtype)
        costs = np.empty(len(self), dtype=plan.dtype)
        for rows in row_blocks(len(self)):
            X, Y, _ = self.take(rows)
            run = backend.forward(plan, parameters, X)
            outputs[rows], costs[rows] = run.a[plan.L], backend.example_costs(plan, run, Y)
        weights = None if self.weights is None else self.weights[self.rows]
        return outputs, float(backend.batch_cost(plan, costs, weights))

    def cost(self, net: Network, parameters: NDArray[Any]) -> float:
        """C of all examples (E4)."""
        return self.outputs_and_cost(net, parameters)[1]

    def value_and_gradient(self, net: Network, parameters: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """C and ∇C of all examples (E4, E10), summed in float64 over blocks of rows."""
        plan = net.plan
        cost, gradient = 0.0, np.zeros(plan.n_parameters)
        total = self.mass(slice(None))
        for rows in row_blocks(len(self)):
            X, Y, weights = self.take(rows)
            if weights is not None and not weights.any():
                continue
            block_cost, block_gradient = net.engine.value_and_gradient(plan, parameters, X, Y, weights)
            share = self.mass(rows) / total if plan.reduction == "mean" else 1.0
            cost += share * float(block_cost)
            gradient += share * block_gradient.flat
        return cost, gradient

    def mass(self, which: slice) -> float:
        """Σ w_i of some of the examples; how many there are, without weights."""
        rows = self.rows[which]
        return float(len(rows)) if self.weights is None else float(self.weights[rows].sum(dtype=np.float64))
