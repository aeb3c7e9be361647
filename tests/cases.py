"""Declarative cases: networks, data and settings that every implementation is held to, chosen pairwise.

Depth 1 to 5, width 1 to 40, every activation in hidden and in output layers, every cost, bias and none, batch 1 and 17,
both reductions, with and without sample weights: each pair of values occurs together in at least one case.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import combinations, product
from typing import Any

import numpy as np
from allpairspy import AllPairs

from chainrule import Network
from chainrule.engine import reference
from chainrule.engine.plan import Plan
from chainrule.maths.activations import BUILT_IN as ACTIVATIONS
from chainrule.maths.activations import activation
from chainrule.maths.costs import cost as find_cost

HAS_NATIVE = find_spec("chainrule._core") is not None or bool(os.environ.get("CHAINRULE_REQUIRE_NATIVE"))
UNDER_SANITIZER = bool(os.environ.get("CHAINRULE_TEST_SANITIZED"))  # cpp/tests/in_python.py
BACKENDS = ("reference", "native") if HAS_NATIVE else ("reference",)
"""What every case runs on; only an installation without a compiled core, which it may be, leaves the native one out."""

COSTS = (
    "squared_error",
    "half_squared_error",
    "binary_cross_entropy",
    "cross_entropy",
    "poisson",
    "huber",
    "absolute_error",
    "quantile(0.3)",
    "log_cosh",
)
RMS = {"exp": 0.4}  # of z in a layer of this activation, so that e^(e^…) stays of size 1
MARGIN = 1e-4  # how far from a kink every z and r has to stay, or the case is drawn again


@dataclass(frozen=True)
class Case:
    depth: int
    width: int
    hidden: str
    output: str
    cost: str
    bias: bool
    batch: int
    reduction: str
    weighted: bool

    @property
    def name(self) -> str:
        bias, weighted = "bias" if self.bias else "nobias", "weighted" if self.weighted else "plain"
        return (
            f"{self.depth}x{self.width}-{self.hidden}-{self.output}-{self.cost}-{bias}-{self.batch}"
            f"-{self.reduction}-{weighted}"
        )


@dataclass(frozen=True)
class Problem:
    """A case with its numbers, all float64."""

    net: Network
    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray | None
    step: float  # of finite differences: 2.5e-4, or a thirtieth of the way to the nearest kink

    @property
    def plan(self) -> Plan:
        return self.net.plan

    def on(self, backend: str) -> Problem:
        """The same numbers, computed by this backend."""
        return replace(self, net=Network.from_plan(self.plan, self.net.parameters.copy(), backend))


def fits(output: str, cost: str) -> bool:
    return activation(output).range.within(find_cost(cost).domain)


def _valid(values: list[Any]) -> bool:
    # AllPairs asks about rows that are only begun; output and cost stand first, so that misfits are seen at once
    return len(values) < 2 or fits(values[0], values[1])


VALUES: dict[str, list[Any]] = {
    "output": list(ACTIVATIONS),
    "cost": list(COSTS),
    "hidden": list(ACTIVATIONS),
    "width": list(range(1, 41)),
    "depth": [1, 2, 3, 4, 5],
    "bias": [True, False],
    "batch": [1, 17],
    "reduction": ["mean", "sum"],
    "weighted": [False, True],
}


def missing_pairs(cases: list[Case]) -> list[dict[str, Any]]:
    """The pairs of values, misfits left out, that occur together in none of the cases."""
    missing: list[dict[str, Any]] = []
    for first, second in combinations(VALUES, 2):
        seen = {(getattr(case, first), getattr(case, second)) for case in cases}
        missing.extend(
            {first: pair[0], second: pair[1]}
            for pair in product(VALUES[first], VALUES[second])
            if pair not in seen and ((first, second) != ("output", "cost") or fits(*pair))
        )
    return missing


@cache
def pairwise() -> tuple[Case, ...]:
    """AllPairs for the long lists, two-valued settings drawn for each row, then a case for each pair still missing."""
    rng = np.random.default_rng(0)

    def draw(fixed: dict[str, Any]) -> Case:
        while True:
            drawn = {name: values[rng.integers(len(values))] for name, values in VALUES.items()} | fixed
            if fits(drawn["output"], drawn["cost"]):
                return Case(**drawn)

    long = [name for name, values in VALUES.items() if len(values) > 2]
    rows = AllPairs([VALUES[name] for name in long], filter_func=_valid)
    cases = [draw(dict(zip(long, row, strict=True))) for row in rows]
    while missing := missing_pairs(cases):
        cases.append(draw(missing[0]))
    return tuple(cases)


def _sizes(case: Case, rng: np.random.Generator) -> list[int]:
    sizes = [int(n) for n in rng.integers(1, case.width + 1, case.depth + 1)]
    sizes[int(rng.integers(0, case.depth + 1))] = case.width
    if case.output == "softmax":
        sizes[-1] = max(2, sizes[-1])  # a softmax output of one unit is refused
    return sizes


def targets(cost: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Targets inside what the cost takes, its ends included; rows of cross-entropy don't all sum to 1."""
    if cost == "binary_cross_entropy":
        return np.clip(rng.uniform(-0.3, 1.3, shape), 0, 1)
    if cost == "cross_entropy":
        soft = rng.dirichlet(np.ones(shape[1]), shape[0])
        soft[::3] = np.eye(shape[1])[rng.integers(0, shape[1], len(soft[::3]))]
        soft[1::3] *= 1.7
        return soft
    if cost == "poisson":
        return rng.poisson(1.5, shape).astype(float)
    return rng.standard_normal(shape)


def _scale(net: Network, X: np.ndarray) -> None:
    """Scale each 𝒲 so that z has a root mean square near 0.8: neither saturated nor vanishing at any depth."""
    a = X
    for layer in range(1, net.L + 1):
        g = net.plan.activation(layer)
        z = a @ net.W[layer]
        rms = float(np.sqrt(np.mean(z**2)))
        net.W[layer][...] *= RMS.get(g.name, 0.8) / max(rms, 0.2)  # at most 4 times: steeper layers only amplify
        z = a @ net.W[layer] + net.b.get(layer, 0.0)
        a = g.value(z)


def distance_to_kinks(net: Network, X: np.ndarray, Y: np.ndarray) -> float:
    """How near any z or a − y comes to a kink; infinite where nothing has one."""
    run = reference.forward(net.plan, net.parameters, X)
    nearest = np.inf
    for layer in net.plan.layers:
        g = net.plan.activation(layer)
        for kink in getattr(g, "kinks", ()):
            nearest = min(nearest, float(np.abs(run.z[layer] - kink).min()))
    for kink in net.plan.cost.kinks:
        nearest = min(nearest, float(np.abs(run.a[net.L] - Y - kink).min()))
    return nearest


def _drowns(net: Network, X: np.ndarray, Y: np.ndarray, step: float) -> bool:
    """Whether rounding of C, about 1e-16 C/step in each difference, is more than 2e-8 of some array's norm.

    A δ that is exactly 0, behind a softmax of one unit, stays: differences give exactly 0 there too.
    """
    run = reference.forward(net.plan, net.parameters, X)
    back = reference.backward(net.plan, net.parameters, run, Y)
    costs = reference.example_costs(net.plan, run, Y)

    def drowns(values: np.ndarray, size: float) -> bool:
        return 0 < np.linalg.norm(values) < 5e-9 * size * np.sqrt(values.shape[-1]) / step

    per_example = any(drowns(values, float(np.linalg.norm(costs))) for values in (back.x, *back.delta.values()))
    return per_example or any(drowns(dW.ravel(), abs(float(back.cost))) for dW in back.W.values())


@cache
def problem(case: Case) -> Problem:
    """Draw a case's numbers, again until no kink is near and no δ so small that differences drown in rounding."""
    seed = zlib.crc32(case.name.encode())
    for attempt in range(200):
        rng = np.random.default_rng([seed, attempt])
        activations = [case.hidden] * (case.depth - 1) + [case.output]
        net = Network(
            _sizes(case, rng),
            activations,
            case.cost,
            bias=case.bias,
            reduction=case.reduction,
            dtype="float64",
            initializer="lecun_normal",
            seed=rng,
        )
        for b in net.b.values():
            b[...] = 0.3 * rng.standard_normal(b.shape)
        X = rng.standard_normal((case.batch, net.sizes[0]))
        if attempt >= 100:
            # narrow relu layers without bias put rows of dead units on the next layer's kink; all positive, none dies
            X = np.abs(X)
            net.parameters = np.abs(net.parameters)
        _scale(net, X)
        Y = targets(case.cost, (case.batch, net.sizes[-1]), rng)
        weights = rng.uniform(0.2, 2.0, case.batch) if case.weighted else None
        nearest = distance_to_kinks(net, X, Y)
        step = min(2.5e-4, nearest / 30)
        if nearest > MARGIN and not _drowns(net, X, Y, step):
            return Problem(net, X, Y, weights, step)
    raise AssertionError(f"no draw of {case.name} stays away from kinks")


def _named(sizes: list[int], activations: Any, cost: str, m: int, bias: bool = True) -> Problem:
    rng = np.random.default_rng(sum(sizes))
    net = Network(sizes, activations, cost, bias=bias, dtype="float64", initializer="lecun_normal", seed=rng)
    for b in net.b.values():
        b[...] = 0.3 * rng.standard_normal(b.shape)
    X = rng.standard_normal((m, sizes[0]))
    if cost == "squared_error" and sizes[-1] > 1:
        Y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], m)]
    else:
        Y = rng.uniform(0, 1, (m, sizes[-1]))
    return Problem(net, X, Y, None, step=2.5e-4)


@cache
def named() -> dict[str, Problem]:
    """The networks named in the sources."""
    return {
        "digits": _named([64, 16, 10], "logistic", "squared_error", 5),  # 003: inputs -> 16 -> 10, one-hot
        "theta": _named([5, 6, 4], "logistic", "squared_error", 3, bias=False),  # 001: four outputs, no bias
        "scalar": _named([7, 5, 5, 1], "tanh", "squared_error", 4),  # 004: one output, gradient in x wanted
        "chain": _named([1, 1, 1, 1], "logistic", "squared_error", 1),  # 003: one unit a layer
        "linear regression": _named([6, 1], "identity", "squared_error", 9),  # 001: L = 1
        "logistic regression": _named([6, 1], "logistic", "binary_cross_entropy", 9),  # 001: L = 1
    }


def all_problems() -> dict[str, Problem]:
    """Every case by name, the named networks first."""
    return named() | {case.name: problem(case) for case in pairwise()}
