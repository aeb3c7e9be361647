"""The workloads A to E, and the data that every peer is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    """A workload with its data set and initial parameters.

    X is (rows, n_0). Y is (rows,) of class indices under cross-entropy, else (rows, n_L). W[l] is (n_l, n_{l+1}),
    b[l] is (n_{l+1},), counted from 0 here. Without `shuffle` an epoch takes the rows as they lie.
    """

    workload: Workload
    X: Array
    Y: NDArray[Any]
    W: list[Array]
    b: list[Array]
    shuffle: bool


def make_problem(workload: Workload, rows: int, shuffle: bool) -> Problem:
    """Draw data and parameters, the same for every call.

    Targets are noise, so that gradients stay large and a step costs the same however long training has run.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, workload.sizes[0]), dtype=np.float32)
    W, b = [], []
    for fan_in, fan_out in zip(workload.sizes, workload.sizes[1:], strict=False):
        bound = math.sqrt(6 / (fan_in + fan_out))
        W.append(rng.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32))
        b.append(rng.uniform(-0.1, 0.1, fan_out).astype(np.float32))  # not 0: the check before timing should see them
    return Problem(workload, X, _targets(workload, rows, rng), W, b, shuffle)


def _targets(workload: Workload, rows: int, rng: np.random.Generator) -> NDArray[Any]:
    n_out = workload.sizes[-1]
    classes = rng.integers(n_out, size=rows)
    if workload.cost == "cross_entropy":
        return classes
    if workload.output == "logistic":
        return np.eye(n_out, dtype=np.float32)[classes]
    return rng.standard_normal((rows, n_out), dtype=np.float32)
