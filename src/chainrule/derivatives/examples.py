"""What the functions of this room are given: checked examples, in blocks of rows that fit in a budget of memory."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine import reference
from chainrule.engine.backend import Linearized
from chainrule.engine.inputs import (
    ROWS_AT_ONCE,
    Targets,
    cast,
    check_rows,
    check_targets,
    check_weights,
    real_array,
)
from chainrule.engine.network import Network, check_network
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, is_count, text

MAX_MEMORY = 256 * 2**20
"""Bytes of workspace that a function takes at most, beside its result, unless it is told otherwise."""

_AT_WORK = 8
"""Arrays that the formula of an activation holds at most while it is computed."""


@dataclass(frozen=True)
class Block:
    """Some of the examples: X (m, n_0), Y (m, n_L) or None, cast, and what each counts in (E4), (E7), (E8)."""

    net: Network
    rows: slice
    given: NDArray[Any]
    Y: NDArray[Any] | None
    c: NDArray[Any] | float

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def X(self) -> NDArray[Any]:
        """The rows, in the network's dtype. Raises InputError for a number that isn't finite."""
        return cast(self.given, self.net.plan.dtype, "X", self.rows.start)

    def linearized(self, theta: NDArray[Any]) -> Linearized:
        """The network at θ and these rows, which needn't be cast if the backend reads them. Raises InputError."""
        engine, plan = self.net.engine, self.net.plan
        at = engine.linearize_uncast(plan, theta, self.given)
        return engine.linearize(plan, theta, self.X) if at is None else at


@dataclass(frozen=True)
class Examples:
    """X as the user gave it, its targets and weights where there are any: shapes are checked, nothing is copied."""

    net: Network
    X: NDArray[Any]
    targets: Targets | None = None
    weights: NDArray[Any] | None = None

    @classmethod
    def of(cls, net: Network, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Examples:
        """Check rows without targets. Raises InputError."""
        check_network(net)
        rows = check_rows(X, net.sizes[0])
        return cls(net, rows, None, check_weights(sample_weight, len(rows), net.plan.dtype))

    @classmethod
    def with_targets(
        cls, net: Network, X: ArrayLike, Y: ArrayLike | None, sample_weight: ArrayLike | None = None
    ) -> Examples:
        """Check rows and their targets, which have to be there. Raises InputError."""
        check_network(net)
        rows = check_rows(X, net.sizes[0])
        targets = check_targets(Y, len(rows), net.plan)
        return cls(net, rows, targets, check_weights(sample_weight, len(rows), net.plan.dtype))

    def __len__(self) -> int:
        return len(self.X)

    def in_float64(self) -> Examples:
        """The same rows and targets for the same network in float64, where a difference of sums needs its digits."""
        plan = replace(self.net.plan, dtype="float64")
        net = Network.from_plan(plan, self.net.parameters.astype(np.float64), self.net.engine.name)
        targets = None if self.targets is None else replace(self.targets, dtype=plan.dtype)
        return replace(self, net=net, targets=targets)

    def blocks(
        self, max_memory: int, arrays: int, extra: int = 0, fixed: int = 0, networks: int = 1
    ) -> Iterator[Block]:
        """Blocks of rows, each of which is worked within `max_memory` bytes: see `rows_at_once`. Raises InputError."""
        net, step = self.net, self.rows_at_once(max_memory, arrays, extra, fixed, networks)
        c = reference.coefficients(net.plan, len(self), self.weights)
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            Y = None if self.targets is None else self.targets.rows(rows)
            yield Block(net, rows, self.X[rows], Y, c if isinstance(c, float) else c[rows])

    def rows_at_once(self, max_memory: int, arrays: int, extra: int = 0, fixed: int = 0, networks: int = 1) -> int:
        """How many rows are worked within `max_memory` bytes, at most ROWS_AT_ONCE.

        A row takes `arrays` numbers for each unit of the network, inputs included, some more for each unit of the
        widest layer, on which activations work, and `extra`; `fixed` numbers are there whatever the number of rows,
        and so is what the backend lays out for so many `networks`. Raises InputError where a single row needs more.
        """
        if not is_count(max_memory):
            hint = "Give a number of bytes, such as 2**28."
            raise InputError(text("max_memory", expected="a whole number ≥ 1", got=repr(max_memory), hint=hint))
        always, row = bytes_held(self.net, arrays, extra, fixed, networks)
        at_once = (operator.index(max_memory) - always) // row
        if at_once < 1:
            hint = "Make it larger, or leave it out."
            expected = f"at least {always + row:,} bytes, which one example of this network takes here"
            raise InputError(text("max_memory", expected=expected, got=f"{max_memory:,}", hint=hint))
        return min(at_once, ROWS_AT_ONCE)


def bytes_held(net: Network, arrays: int, extra: int = 0, fixed: int = 0, networks: int = 1) -> tuple[int, int]:
    """Give the bytes that are there whatever the number of rows, and those of a row: see `Examples.rows_at_once`."""
    units, weights = net.engine.numbers_held(net.plan)
    row = arrays * units + _AT_WORK * max(net.sizes) + extra
    return (fixed + networks * weights) * net.dtype.itemsize, row * net.dtype.itemsize


def total_of(parts: Iterator[NDArray[Any]]) -> NDArray[Any]:
    """Add up what blocks of examples give, in their order; the first is not added to anything."""
    total = next(parts)
    for part in parts:
        total += part
    return total


def vector_like_parameters(plan: Plan, v: ArrayLike, name: str = "v") -> NDArray[Any]:
    """Read a vector like θ, (|θ|,), in the network's dtype. Raises InputError."""
    array = real_array(name, v)
    if array.shape != (plan.n_parameters,):
        hint = "It is laid out as net.parameters: 𝒲^1, b^1, 𝒲^2, b^2, …"
        expected = f"shape ({plan.n_parameters},)"
        raise InputError(text(name, expected=expected, got=f"shape {array.shape}", hint=hint))
    return cast(array, plan.dtype, name)


def rows_like(values: Any, name: str, m: int, n: int, net: Network) -> Callable[[slice], NDArray[Any]]:
    """Read an array (m, n), or one row for all: a function that gives some rows of it in the network's dtype.

    Raises InputError.
    """
    array, dtype = real_array(name, values), net.plan.dtype
    if array.shape == (m, n):
        return lambda rows: cast(array[rows], dtype, name, rows.start)
    if array.shape != (n,) and (array.ndim > 0 or name != "baseline"):
        hint = "One row of it is taken for all examples."
        expected, got = f"shape ({m}, {n}) or ({n},)", f"shape {array.shape}"
        raise InputError(text(name, expected=expected, got=got, hint=hint))
    one = cast(np.atleast_1d(array), dtype, name)
    return lambda rows: np.broadcast_to(one, (rows.stop - rows.start, n))
