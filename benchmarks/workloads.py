"""The workloads A to E, and the data that every peer is given."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Workload:
    """A network, a cost, an optimizer and a batch size; `rows` is the size of the data set, whole batches."""

    name: str
    sizes: tuple[int, ...]
    hidden: Literal["logistic", "relu"]
    output: Literal["logistic", "identity", "softmax"]
    cost: Literal["squared_error", "cross_entropy"]
    optimizer: Literal["sgd", "adam"]
    rate: float
    batch: int
    rows: int

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch

    @property
    def flops(self) -> int:
        """Useful floating-point operations of a step: Z and d𝒲 of every layer, Δ of every layer but the first."""
        products = [a * b for a, b in itertools.pairwise(self.sizes)]
        return 2 * self.batch * (2 * sum(products) + sum(products[1:]))

    @property
    def title(self) -> str:
        """What a row of the table is called, in the words of PEERS.md."""
        hidden = {"logistic": "sigmoid", "relu": "ReLU"}[self.hidden]
        cost = {"squared_error": "squared error", "cross_entropy": "cross-entropy"}[self.cost]
        optimizer = {"sgd": "SGD", "adam": "Adam"}[self.optimizer]
        return f"{self.name} {'-'.join(map(str, self.sizes))} {hidden}, {cost}, {optimizer}, batch {self.batch}"


# A data set is as large as an epoch may be long: an epoch is the least that scikit-learn's and JAX's loops run.
WORKLOADS = {
    w.name: w
    for w in (
        Workload("A", (784, 30, 10), "logistic", "logistic", "squared_error", "sgd", 0.1, 10, 4000),
        Workload("B", (784, 100, 10), "relu", "softmax", "cross_entropy", "adam", 1e-3, 200, 8000),
        Workload("C", (20, 64, 64, 1), "relu", "identity", "squared_error", "adam", 1e-3, 32, 8000),
        Workload("D", (784, 512, 512, 10), "relu", "softmax", "cross_entropy", "adam", 1e-3, 128, 2048),
        Workload("E", (1024, 2048, 2048, 1024), "relu", "identity", "squared_error", "sgd", 1e-4, 1024, 4096),
    )
}


@dataclass(frozen=True)
class Problem:
    """A workload with its data set and initial parameters. An epoch takes the rows as they lie.

    X is (rows, n_0). Y is (rows,) of class indices under cross-entropy, else (rows, n_L). W[l] is (n_l, n_{l+1}),
    b[l] is (n_{l+1},), counted from 0 here.
    """

    workload: Workload
    X: Array
    Y: NDArray[Any]
    W: list[Array]
    b: list[Array]


def make_problem(workload: Workload, steps: int | None = None) -> Problem:
    """Draw data for so many steps (None: an epoch's) and parameters, the same for every call.

    Targets are noise, so that gradients stay large and a step costs the same however long training has run.
    """
    if steps is not None:
        workload = replace(workload, rows=steps * workload.batch)
    rng, rows = np.random.default_rng(0), workload.rows
    X = rng.standard_normal((rows, workload.sizes[0]), dtype=np.float32)
    W, b = [], []
    for fan_in, fan_out in itertools.pairwise(workload.sizes):
        bound = math.sqrt(6 / (fan_in + fan_out))
        W.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32))
        b.append(rng.uniform(-0.1, 0.1, fan_out).astype(np.float32))  # not 0: the check before timing should see them
    return Problem(workload, X, _targets(workload, rng), W, b)


def _targets(workload: Workload, rng: np.random.Generator) -> NDArray[Any]:
    rows, n_out = workload.rows, workload.sizes[-1]
    classes = rng.integers(n_out, size=rows)
    if workload.cost == "cross_entropy":
        return classes
    if workload.output == "logistic":
        return np.eye(n_out, dtype=np.float32)[classes]
    return rng.standard_normal((rows, n_out), dtype=np.float32)
