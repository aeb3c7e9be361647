"""What training takes, by counting (E71): operations of an epoch, and bytes held beside network and data.

Operations are multiplications, divisions, roots, signs and additions: those of the products of matrices, counted from
their shapes, and those of update rules. What is not a product of matrices in a pass (bias, activation, its derivative,
the cost) is left out: a few operations for each unit and row, where products take twice as many as it has weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from pathlib import Path

import numpy as np

from chainrule.derivatives.cotangents import COTANGENTS_AT_ONCE
from chainrule.engine.inputs import ROWS_AT_ONCE
from chainrule.engine.plan import Plan
from chainrule.training.whole_set.levenberg_marquardt import NUMBERS_AT_ONCE

OF_A_RULE = {
    "sgd": (2, 0),
    "momentum": (4, 1),
    "nesterov": (6, 1),
    "rmsprop": (9, 1),
    "adam": (12, 2),
    "adamw": (15, 2),
    "rprop": (9, 2),
}
"""Operations of an update rule's step for each parameter, and how many vectors like θ change with it (E16 to E21, E62).
"""


@dataclass(frozen=True)
class Effort:
    """Operations of an epoch, and bytes held while it lasts."""

    operations: int
    bytes: int

    def __str__(self) -> str:
        return f"{in_short(self.operations)} operations an epoch and {in_bytes(self.bytes)}"


def forward_operations(plan: Plan, rows: int) -> int:
    """2m Σ n_{ℓ−1}n_ℓ, of (E1) for m rows."""
    return 2 * rows * sum(_products(plan))


def gradient_operations(plan: Plan, rows: int) -> int:
    """2m (3 Σ n_{ℓ−1}n_ℓ − n_0n_1), of (E1), (E6) and (E7) for m rows; there is no (E6) below layer 1."""
    of_layers = _products(plan)
    return 2 * rows * (3 * sum(of_layers) - of_layers[0])


def of_rule(plan: Plan, name: str, rows: int, batch: int) -> Effort:
    """(E71) of an epoch of ⌈m/B⌉ steps of an update rule, each of B rows.

    Operations: gradients of m rows, and what the rule takes for |θ| parameters a step. Bytes: those of the native core,
    6|θ| numbers (θ in panels, a copy to go back to, and what the loop keeps), 3|θ| for each vector that the rule
    remembers, 𝒲ᵀ of all layers but the first, and of each row of a batch three numbers a unit.
    """
    steps, (of_a_parameter, vectors) = math.ceil(rows / batch), OF_A_RULE[name]
    n, of_layers = plan.n_parameters, _products(plan)
    numbers = (6 + 3 * vectors) * n + sum(of_layers[1:]) + 3 * min(batch, rows) * sum(plan.sizes)
    return Effort(gradient_operations(plan, rows) + steps * of_a_parameter * n, numbers * _itemsize(plan))


def of_levenberg_marquardt(plan: Plan, rows: int) -> Effort:
    """(E71) of a step of Levenberg-Marquardt whose first trial is taken.

    Operations, for s = n_L cotangents of each row: passes (three forward, one pull of s and one of 1 cotangents, a
    push, a gradient), JᵀHJ, and Cholesky by |θ|³/3. JᵀHJ takes m|θ|(|θ| + 1) for s = 1; else 2m(s + K)n_ℓn_ℓ′ for each
    pair of layers with k and k′ inputs, the bias one of them, K = kk′, or k(k + 1)/2 of a layer with itself. Bytes:
    JᵀHJ and its damped copy, or where that is more, what it is made of (rows of J, or products of some rows and their
    sums, for s > 1); three numbers a unit for each row of a block.
    """
    n, outputs, of_layers = plan.n_parameters, plan.sizes[-1], _products(plan)
    every, but_first = sum(of_layers), sum(of_layers[1:])
    passes = 3 * forward_operations(plan, rows) + 2 * outputs * rows * but_first + 4 * rows * (every + but_first)
    block = min(rows, ROWS_AT_ONCE)
    at_once = min(block, max(1, NUMBERS_AT_ONCE // max(n, max(plan.sizes) ** 2)))
    if outputs == 1:
        matrix, held = rows * n * (n + 1), at_once * n
    else:
        pairs, chunks = list(_pairs(plan)), math.ceil(outputs / COTANGENTS_AT_ONCE)
        matrix = 2 * rows * sum((outputs + chunks * K) * N for K, N in pairs)
        held = sum(K * N for K, N in pairs) + at_once * max(K + N for K, N in pairs)
    operations = passes + matrix + n**3 // 3 + gradient_operations(plan, rows)
    return Effort(operations, 8 * (n**2 + max(n**2, held)) + 3 * block * sum(plan.sizes) * _itemsize(plan))


def of_lbfgs(plan: Plan, rows: int, memory: int) -> Effort:
    """(E71) of an iteration of L-BFGS whose line search takes its first trial, as most do.

    Operations: the gradient of m rows, and the product of (E30)'s H with it, 8·memory·|θ|. Bytes, in float64: the
    pairs, 2·memory vectors like θ, and some 16 more of SciPy's and of the objective's; three numbers a unit for each
    row of a block.
    """
    n, block = plan.n_parameters, min(rows, ROWS_AT_ONCE)
    operations = gradient_operations(plan, rows) + 8 * memory * n
    return Effort(operations, 8 * (2 * memory + 16) * n + 3 * block * sum(plan.sizes) * _itemsize(plan))


def _pairs(plan: Plan) -> Iterator[tuple[int, int]]:
    """K and n_ℓn_ℓ′ of each pair of layers."""
    layers = [(n_in + bias, n_out) for n_in, bias, n_out in zip(plan.sizes, plan.bias, plan.sizes[1:], strict=False)]
    for (i, (k, n)), (j, (k2, n2)) in combinations_with_replacement(enumerate(layers), 2):
        yield (k * (k + 1) // 2 if i == j else k * k2), n * n2


def available_memory() -> int:
    """Bytes that this process may still take: what the machine has free, or its container; 2⁶³ where no one says."""
    found = [1024 * int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limits = [_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current")]
    if all(limits) and limits[0][0].isdecimal():
        found.append(max(0, int(limits[0][0]) - int(limits[1][0])))
    return min(found, default=2**63)


def in_short(number: float) -> str:
    """Three digits with a word.

    >>> in_short(1234), in_short(123_456), in_short(9.99e9), in_short(2e15)
    ('1.23 thousand', '123 thousand', '9.99 billion', '2000 trillion')
    """
    for size, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if number >= size:
            return f"{number / size:.{max(0, 2 - int(math.log10(number / size)))}f}{word}"
    return f"{number:.0f}"


def in_bytes(number: float) -> str:
    """Three digits with a unit.

    >>> in_bytes(512), in_bytes(20_480), in_bytes(3.2e9)
    ('512 B', '20.5 kB', '3.20 GB')
    """
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:.{max(0, 2 - int(math.log10(number / size)))}f} {unit}"
    return f"{number:.0f} B"


def _products(plan: Plan) -> list[int]:
    return [n_in * n_out for n_in, n_out in pairwise(plan.sizes)]


def _itemsize(plan: Plan) -> int:
    return np.dtype(plan.dtype).itemsize


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
