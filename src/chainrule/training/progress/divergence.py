"""Where the first number that isn't finite comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.training.examples.batches import Batch


class DivergenceError(Exception):
    """Raised inside training only: a cost, gradient or parameter is not finite. Its text names layer and equation."""


def all_finite(vector: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite; no product of BLAS, whose threads would go on to wait for more of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(vector.sum()) or np.isfinite(vector).all())  # a sum can overflow though no term does


def norm(vector: NDArray[Any]) -> float:
    """‖v‖₂ as a Python number; finite whenever v is, also where a square would overflow v's dtype."""
    with np.errstate(over="ignore", invalid="ignore"):
        squared = float(vector @ vector)
        if np.isfinite(squared):
            return float(squared**0.5)
        largest = float(np.abs(vector).max())
        return largest * float(np.linalg.norm(vector / largest)) if np.isfinite(largest) else largest


def culprit(
    net: Network,
    parameters: NDArray[Any],
    batches: Iterable[Batch] = (),
    gradient: NDArray[Any] | None = None,
    *,
    optional: bool = False,
) -> str:
    """Name the first quantity, in the order of (E15), that is NaN or infinite for these parameters and batches.

    The batches are looked at as they are; `optional` says that the step's options have more to do with its gradient.
    """
    with np.errstate(all="ignore"):
        for what, values in chain(
            _parameters(net, parameters), *(_passes(net, parameters, batch) for batch in batches)
        ):
            finite = np.isfinite(values)
            if not finite.all():
                return f"{what} holds {values[~finite][0]}"
    if gradient is None:
        return "the step is too large"
    # each number of these passes is finite, so a sum over examples or what is added to it is not, or its square isn't
    largest = {layer: float(np.abs(dW).max()) for layer, dW in net.plan.split(gradient)[0].items()}
    undefined = [layer for layer, size in largest.items() if math.isnan(size)]
    layer = undefined[0] if undefined else max(largest, key=lambda at: largest[at])
    added, numbers = (
        ("the penalty and the step's options", "E7, E29, E51 to E61") if optional else ("the penalty", "E7, E29")
    )
    return f"the gradient, with {added}, in W of layer {layer} ({numbers}) reaches {largest[layer]:g}"


def _parameters(net: Network, parameters: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    W, b = net.plan.split(parameters)
    for layer in net.plan.layers:
        yield f"W of layer {layer} (E16)", W[layer]
        if layer in b:
            yield f"b of layer {layer} (E16)", b[layer]


def _passes(net: Network, parameters: NDArray[Any], batch: Batch) -> Iterator[tuple[str, NDArray[Any]]]:
    plan, backend = net.plan, net.engine
    X, Y, weights = batch
    run = backend.forward(plan, parameters, X)
    for layer in plan.layers:
        yield f"z of layer {layer} (E1)", run.z[layer]
        yield f"a of layer {layer} (E2)", run.a[layer]
    yield f"the cost {plan.cost.name} of layer {plan.L}'s output (E3)", backend.example_costs(plan, run, Y)
    back = backend.backward(plan, parameters, run, Y, weights)
    for layer in reversed(plan.layers):
        yield f"delta of layer {layer} ({'E5' if layer == plan.L else 'E6'})", back.delta[layer]
    for layer in reversed(plan.layers):
        yield f"the gradient in W of layer {layer} (E7)", back.W[layer]
        if layer in back.b:
            yield f"the gradient in b of layer {layer} (E8)", back.b[layer]
