"""Cutting a data set into mini-batches, cast one by one (E15)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
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
class BatchSizes:
    """How many examples a batch has in each of `epochs` epochs: `begins` are (first epoch, from 0; size)."""

    epochs: int
    begins: tuple[tuple[int, int], ...]

    def __getitem__(self, epoch: int) -> int:
        """Give the size in an epoch, counted from 0."""
        return next(size for begin, size in reversed(self.begins) if begin <= epoch)

    @property
    def largest(self) -> int:
        """The largest size of all."""
        return max(size for _, size in self.begins)

    def after(self, done: int) -> BatchSizes:
        """What is left after some epochs."""
        return BatchSizes(self.epochs - done, tuple((max(begin - done, 0), size) for begin, size in self.begins))


class Examples(ABC):
    """Checked examples to train on or to look at: all at hand (`DataSet`), or read block by block (`Stream`)."""

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @property
    @abstractmethod
    def total(self) -> float:
        """Σ w_i of all of them; how many there are, without weights."""

    @property
    @abstractmethod
    def sample(self) -> DataSet:
        """A few of them, or all: as the others in dtype, form, and whether sparse rows are thin."""

    @abstractmethod
    def blocks(self) -> Iterator[Batch]:
        """Every example once, in order, cast, in blocks of ROWS_AT_ONCE rows."""

    @abstractmethod
    def epoch(
        self, size: int, rng: np.random.Generator | None, breathe: Callable[[], None] | None = None
    ) -> Iterator[tuple[DataSet, Batches]]:
        """Every example once, part by part, with the batches of each part; `rng` draws the order, None keeps it.

        `breathe` is called while rows are waited for; what it raises ends the epoch.

        Each part but the last has a whole number of batches of `size`.
        """

    @property
    @abstractmethod
    def labels(self) -> NDArray[Any]:
        """Y as it was given, checked: class indices, (m,), or numbers, (m, n_L); a copy."""

    @property
    def is_sparse(self) -> bool:
        """Whether rows of X are sparse."""
        return not isinstance(self.sample.X, np.ndarray)

    def cost(self, net: Network, parameters: NDArray[Any]) -> float:
        """C of all examples (E4), summed in float64 over blocks of rows."""
        return self._look(net, parameters, None)

    def outputs_and_cost(self, net: Network, parameters: NDArray[Any]) -> tuple[NDArray[Any], float]:
        """a^L of all examples, (m, n_L), and C (E4)."""
        outputs = np.empty((len(self), net.plan.sizes[-1]), dtype=net.plan.dtype)
        return outputs, self._look(net, parameters, outputs)

    def _look(self, net: Network, parameters: NDArray[Any], outputs: NDArray[Any] | None) -> float:
        plan, backend = net.plan, net.engine
        cost, start = 0.0, 0
        for X, Y, weights in self.blocks():
            run = backend.forward(plan, parameters, X)
            costs = backend.example_costs(plan, run, Y)
            cost += float((costs if weights is None else weights * costs).sum(dtype=np.float64))
            if outputs is not None:
                outputs[start : start + len(Y)] = run.a[plan.L]
            start += len(Y)
        return cost / self.total if plan.reduction == "mean" else cost

    def value_and_gradient(self, net: Network, parameters: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """C and ∇C of all examples (E4, E10), summed in float64 over blocks of rows."""
        plan = net.plan
        cost, gradient = 0.0, np.zeros(plan.n_parameters)
        for X, Y, weights in self.blocks():
            if weights is not None and not weights.any():
                continue
            block_cost, block_gradient = net.engine.value_and_gradient(plan, parameters, X, Y, weights)
            share = mass_of(weights, len(Y)) / self.total if plan.reduction == "mean" else 1.0
            cost += share * float(block_cost)
            gradient += share * block_gradient.flat
        return cost, gradient


def mass_of(weights: NDArray[Any] | None, m: int, mass: float = 0.0) -> float:
    """Add Σ w_i of m examples to a mass, ROWS_AT_ONCE after ROWS_AT_ONCE; m without weights."""
    if weights is None:
        return mass + m
    for rows in row_blocks(m):
        mass += float(weights[rows].sum(dtype=np.float64))
    return mass


@dataclass(frozen=True)
class DataSet(Examples):
    """Checked examples at hand: rows of X, never copied whole, targets and weights; `rows` picks some of them, (m,).

    The batches of sparse rows are sparse. `first` is the number of row 0 of X among the rows of an epoch.
    """

    X: Rows
    targets: Targets
    weights: NDArray[Any] | None
    rows: NDArray[np.intp]
    first: int = 0

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

    @property
    def sample(self) -> DataSet:
        """All of them."""
        return self

    @cached_property
    def total(self) -> float:
        """Σ w_i of all of them."""
        return self.mass(slice(None))

    @property
    def labels(self) -> NDArray[Any]:
        """Y, of the rows that were picked."""
        return self.targets.values[self.rows]

    def epoch(
        self,
        size: int,
        rng: np.random.Generator | None,
        breathe: Callable[[], None] | None = None,  # noqa: ARG002 (nothing is waited for)
    ) -> Iterator[tuple[DataSet, Batches]]:
        """All of them are the one part."""
        m = len(self)
        yield self, self.batches(size, np.arange(m) if rng is None else rng.permutation(m))

    def blocks(self) -> Iterator[Batch]:
        """Every example once, in order, in blocks of rows."""
        return (self.take(rows) for rows in row_blocks(len(self)))

    def mass(self, which: slice) -> float:
        """Σ w_i of some of the examples; how many there are, without weights."""
        rows = self.rows[which]
        return mass_of(None if self.weights is None else self.weights[rows], len(rows))
