"""Which number of a step is the first that the network's dtype doesn't hold, in the order of (E15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.examples import Block, Examples
from chainrule.engine import reference
from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Run
from chainrule.maths.penalties import l2_gradient

ARRAYS = 6
"""For each unit and row: a, z, δ, ∂C_i/∂a, and what is on the way."""

Observer = Callable[[Run, ByLayer[NDArray[Any]]], None]


@dataclass(frozen=True)
class Quantity:
    """A symbol of (E1) to (E8) in a layer, and its place in the order of (E15)."""

    equation: str
    symbol: str
    layer: int
    place: tuple[int, int]


@dataclass(frozen=True)
class Beyond:
    """An entry that is NaN, or larger than a limit: of which quantity, where in its array, in which row of X."""

    quantity: Quantity
    index: tuple[int, ...]
    row: int | None
    value: float


class Search:
    """Keeps the first entry, in the order of (E15) and then of rows and units, that is NaN or larger than `limit`."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.found: Beyond | None = None

    def look(self, quantity: Quantity, values: NDArray[Any], first_row: int | None = None) -> None:
        """Look through an array; the first of its axes is rows of X where `first_row` says from which on."""
        if self.found is not None and self.found.quantity.place <= quantity.place:
            return
        beyond = ~(np.abs(values) <= self._limit)
        if beyond.any():
            index = tuple(int(i) for i in np.argwhere(beyond)[0])
            row, inside = (None, index) if first_row is None else (first_row + index[0], index[1:])
            self.found = Beyond(quantity, inside, row, float(values[index]))


def first_beyond(examples: Examples, limit: float, max_memory: int, observe: Observer | None = None) -> Beyond | None:
    """Find the first number of a step over all examples as one batch that is NaN or larger in magnitude than `limit`.

    The passes are those of the network's backend, block by block of rows; ∇C is their sum. `observe` is shown each
    block's run and δ. Raises InputError for a number of X that is not finite, and a budget that is too small.
    """
    net, search = examples.net, Search(limit)
    plan = net.plan
    cost, gradient = 0.0, np.zeros(plan.n_parameters, dtype=plan.dtype)
    for block in examples.blocks(max_memory, ARRAYS, fixed=2 * plan.n_parameters):
        run, costs, delta = passes(net, block)
        for quantity, values in of_rows(plan, net.W, run, costs, delta, block.Y):
            search.look(quantity, values, block.rows.start)
        cost += float((block.c * costs.astype(np.float64)).sum())
        gradient += reference.reduced_gradient(plan, run, delta, block.c)
        if observe is not None:
            observe(run, delta)
    search.look(Quantity("E4", "C", plan.L, (2, 0)), np.asarray(cost))
    for quantity, values in of_gradient(plan, gradient):
        search.look(quantity, values)
    return search.found


def in_float64(examples: Examples) -> Examples:
    """Give the same examples for the same network in float64, computed by the reference (E1 to E10)."""
    wide = examples.in_float64()
    return replace(wide, net=Network.from_plan(wide.net.plan, wide.net.parameters, reference.name))


def passes(net: Network, block: Block) -> tuple[Run, NDArray[Any], ByLayer[NDArray[Any]]]:
    """Give what a block's rows have before anything is reduced: z and a (E1, E2), C_i (E3), every δ^ℓ (E5, E6)."""
    plan = net.plan
    run = net.engine.forward(plan, net.parameters, block.X)
    delta_L = reference.output_delta(plan, run.z[plan.L], run.a[plan.L], block.Y)
    return run, net.engine.example_costs(plan, run, block.Y), reference.propagate(plan, net.W, run, delta_L)


def of_rows(
    plan: Plan, W: ByLayer[Any], run: Run, costs: NDArray[Any], delta: ByLayer[Any], Y: Any
) -> Iterator[tuple[Quantity, NDArray[Any]]]:
    """Give in the order of (E15) what each row has of its own.

    A sum Σ_j W_jk δ_j that overflows comes after the δ that it gives, so that (E6) is named for both where both do.
    """
    L = plan.L
    for layer in plan.layers:
        yield Quantity("E1", "z", layer, (0, 2 * layer)), run.z[layer]
        yield Quantity("E2", "a", layer, (0, 2 * layer + 1)), run.a[layer]
    yield Quantity("E3", "C_i", L, (1, 0)), costs
    equation = "E5′" if plan.matched is not None or plan.activation(L).coupled else "E5"
    yield Quantity(equation, "δ", L, (3, 0)), delta[L]
    if plan.matched is None:
        yield Quantity(equation, "∂C_i/∂a", L, (3, 1)), plan.cost.derivative(run.a[L], Y)
    for layer in range(L - 1, 0, -1):
        yield Quantity("E6", "δ", layer, (3, 2 * (L - layer))), delta[layer]
        yield Quantity("E9", "∂C_i/∂a", layer, (3, 2 * (L - layer) + 1)), delta[layer + 1] @ W[layer + 1].T


def of_gradient(plan: Plan, gradient: NDArray[Any]) -> Iterator[tuple[Quantity, NDArray[Any]]]:
    """Give ∂C/∂𝒲^ℓ and ∂C/∂b^ℓ for ℓ = L..1, as (E15) has them."""
    dW, db = plan.split(gradient)
    for layer in reversed(plan.layers):
        yield Quantity("E7", "∂C/∂W", layer, (4, 2 * (plan.L - layer))), dW[layer]
        if layer in db:
            yield Quantity("E8", "∂C/∂b", layer, (4, 2 * (plan.L - layer) + 1)), db[layer]


def of_parameters(plan: Plan, parameters: NDArray[Any]) -> Iterator[tuple[Quantity, NDArray[Any]]]:
    """Give 𝒲^ℓ and b^ℓ as an update leaves them (E16), in θ's order."""
    W, b = plan.split(parameters)
    for layer in plan.layers:
        yield Quantity("E16", "W", layer, (5, 2 * layer)), W[layer]
        if layer in b:
            yield Quantity("E16", "b", layer, (5, 2 * layer + 1)), b[layer]


def parameter_beyond(plan: Plan, parameters: NDArray[Any], limit: float) -> Beyond | None:
    """Find the first parameter, in θ's order, that is NaN or larger in magnitude than `limit`."""
    search = Search(limit)
    for quantity, values in of_parameters(plan, parameters):
        search.look(quantity, values)
    return search.found


def heaviest_row(examples: Examples, found: Beyond, max_memory: int) -> int:
    """Find the row of X that adds most, in magnitude, to an entry of ∂C/∂𝒲^ℓ or ∂C/∂b^ℓ (E7, E8), or to C (E4)."""
    layer, (row, most) = found.quantity.layer, (0, -1.0)
    for block in examples.blocks(max_memory, ARRAYS):
        run, costs, delta = passes(examples.net, block)
        if found.quantity.equation == "E4":
            terms = costs
        else:
            terms = delta[layer][:, found.index[-1]]
            if found.quantity.equation == "E7":
                terms = terms * run.a[layer - 1][:, found.index[0]]
        sizes = np.abs(block.c * terms)
        sizes[np.isnan(sizes)] = np.inf
        if sizes.max() > most:
            row, most = block.rows.start + int(sizes.argmax()), float(sizes.max())
    return row


def value_of(examples: Examples, found: Beyond, max_memory: int) -> float:
    """Give the number that `found` names, as these examples' network has it."""
    net = examples.net
    plan, total = net.plan, np.zeros(net.plan.n_parameters)
    cost = 0.0
    for block in examples.blocks(max_memory, ARRAYS, fixed=2 * plan.n_parameters):
        run, costs, delta = passes(net, block)
        if found.row is None:
            cost += float((block.c * costs).sum())
            total += reference.reduced_gradient(plan, run, delta, block.c)
        elif block.rows.start <= found.row < block.rows.stop:
            for quantity, values in of_rows(plan, net.W, run, costs, delta, block.Y):
                if quantity.place == found.quantity.place:
                    return float(values[(found.row - block.rows.start, *found.index)])
    for quantity, values in of_gradient(plan, total):
        if quantity.place == found.quantity.place:
            return float(values[found.index])
    return cost


def largest_of_gradient(examples: Examples, penalty: float, max_memory: int) -> Beyond:
    """Find the largest entry, in magnitude, of ∇C + λW (E10, E29), the vector that an update rule is given."""
    net = examples.net
    plan = net.plan
    gradient = np.zeros(plan.n_parameters)
    for block in examples.blocks(max_memory, ARRAYS, fixed=3 * plan.n_parameters):
        run, _, delta = passes(net, block)
        gradient += reference.reduced_gradient(plan, run, delta, block.c)
    decay = l2_gradient(net.parameters, plan.is_weight, penalty)
    at = int(np.argmax(np.abs(gradient + decay)))
    search, mark = Search(0.0), np.zeros_like(gradient)
    mark[at] = 1  # is found, and with it which entry of which array this is
    for quantity, values in of_gradient(plan, mark):
        search.look(quantity, values)
    assert search.found is not None
    equation = "E29" if abs(decay[at]) > abs(gradient[at]) else search.found.quantity.equation
    quantity = replace(search.found.quantity, equation=equation)
    return replace(search.found, quantity=quantity, value=float(gradient[at] + decay[at]))
