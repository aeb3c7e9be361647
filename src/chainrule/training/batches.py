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


@dataclass(frozen=True)
class Batches:
    """The mini-batches of an epoch: batch j is rows[bounds[j]:bounds[j + 1]], rows of X in the order of the epoch.

    `rows` and `bounds` are int64, `masses` are Σ w_i of each batch, how many examples it has without weights, float64.
    """

    rows: NDArray[np.int64]
    bounds: NDArray[np.int64]
    masses: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.masses)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many examples each batch has."""
        return np.diff(self.bounds)

    def __getitem__(self, j: int) -> NDArray[np.int64]:
        """Give the rows of batch j."""
        return self.rows[self.bounds[j] : self.bounds[j + 1]]


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

    def gather(self, rows: NDArray[np.int64]) -> Batch:
        """Copy some rows of X, their targets and weights, in the network's dtype."""
        X = self.X[rows]
        if isinstance(X, np.ndarray):
            X = np.ascontiguousarray(X, dtype=self.targets.dtype)
        else:
            X = X.astype(self.targets.dtype, copy=False)
        return X, self.targets.rows(rows), None if self.weights is None else self.weights[rows]

    def take(self, which: slice) -> Batch:
        """Gather some of the examples by their place among them."""
        return self.gather(self.rows[which])

    def batches(self, size: int, order: NDArray[np.intp]) -> Batches:
        """Every example once, in the given order, `size` at a time; the last batch may be shorter.

        A batch whose weights are all 0 says nothing, and is left out.
        """
        rows = self.rows[order].astype(np.int64, copy=False)
        starts = np.arange(0, len(rows), size)
        sizes = np.diff(starts, append=len(rows))
        if self.weights is None:
            masses = sizes.astype(np.float64)
        else:
            weights = self.weights[rows]
            counts = np.logical_or.reduceat(weights != 0, starts)
            masses = np.add.reduceat(weights, starts, dtype=np.float64)[counts]
            rows, sizes = rows[np.repeat(counts, sizes)], sizes[counts]
        return Batches(rows, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64, copy=False), masses)

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
