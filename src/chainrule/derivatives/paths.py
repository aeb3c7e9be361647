"""The chain rule before it is organised: a weight's derivative as a sum over paths (E12), beside (E13)'s short way.

A path of weight W^ℓ_jk leads from unit k of layer ℓ − 1 through W^ℓ_jk into unit j, and on through one unit of each
layer to the output. Its value is one product: δ^L of the unit where it ends, then, from the output down, a weight and
a g' for each layer, and a^{ℓ−1}_k at last. All of it is computed by the reference in float64, whatever the network's
dtype, for one example.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine import reference
from chainrule.engine.inputs import check_example, check_example_target
from chainrule.engine.network import Network, check_network
from chainrule.errors import InputError, is_count, text

_F = NDArray[np.float64]


class Multiplications(NamedTuple):
    """How many multiplications δ^ℓ of one example takes, path by path and by dynamic programming (E13)."""

    paths: int
    dynamic_programming: int


@dataclass(frozen=True)
class PathSum:
    """A weight's derivative by both ways.

    `value` is the sum of all paths (E12), `by_dynamic_programming` the same by (E6) and (E7); they agree to rounding.
    `magnitude` is the sum of the paths' absolute values, `cancellation` the part of it that is lost because paths of
    either sign meet: 1 − |value|/magnitude, from 0 (all have one sign) to 1. `multiplications` are those of the layer.
    """

    value: float
    by_dynamic_programming: float
    n_paths: int
    magnitude: float
    multiplications: Multiplications

    @property
    def cancellation(self) -> float:
        """1 − |value|/magnitude; 0 where every path is 0."""
        return 1 - abs(self.value) / self.magnitude if self.magnitude else 0.0


class Factor(NamedTuple):
    """One factor of a path, with its name in the equations' symbols."""

    name: str
    value: float


@dataclass(frozen=True)
class Path:
    """One path: `units` are those of layers ℓ − 1, ℓ, …, L that it leads through, `factors` what is multiplied.

    `value` is the product of the factors in their order, `share` is value/∂C_i/∂W^ℓ_jk: shares of all paths add up to
    1, some of them may be negative or larger than 1, and all are NaN where the derivative is 0.
    """

    units: tuple[int, ...]
    factors: tuple[Factor, ...]
    value: float
    share: float

    def __str__(self) -> str:
        product = " · ".join(f"{factor.name} ({factor.value:.4g})" for factor in self.factors)
        share = "" if math.isnan(self.share) else f", {self.share:.1%} of the derivative"
        return f"{self.value:.6g} = {product}{share}"


def path_count(net: Network, layer: int) -> int:
    """How many paths lead from all units of a layer to the output: Π_{q=ℓ}^{L} n_q (E13).

    Parameters
    ----------
    net : Network
    layer : int
        ℓ, 1 to L.

    Raises
    ------
    InputError
        For a layer that the network doesn't have.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> d.path_count(cr.Network([3, 2, 4, 3, 2]), layer=1)
    48

    Source: 000, 001.
    """
    first = _layer(net, layer, "layer")
    return math.prod(net.sizes[first:])


def multiplication_count(net: Network, layer: int) -> Multiplications:
    """How many multiplications δ^ℓ takes for one example, by (E12) and by (E6), all numbers W, g', ∂C/∂a given (E13).

    Path by path (2(L − ℓ) + 1)·P with P = Π_{q=ℓ}^{L} n_q; by dynamic programming Σ_{q=ℓ}^{L−1} n_q n_{q+1} for the
    sums and Σ_{q=ℓ}^{L} n_q for the g'. Elementwise activations are assumed.

    Parameters
    ----------
    net : Network
    layer : int
        ℓ, 1 to L.

    Raises
    ------
    InputError
        For a layer that the network doesn't have.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> d.multiplication_count(cr.Network([3, 2, 4, 3, 2]), layer=1)
    Multiplications(paths=336, dynamic_programming=37)

    Source: 000, 001 ('Dynamic Programming!').
    """
    first = _layer(net, layer, "layer")
    n = net.sizes[first:]
    short = sum(below * above for below, above in pairwise(n)) + sum(n)
    return Multiplications((2 * (net.L - first) + 1) * math.prod(n), short)


def path_sum(net: Network, x: ArrayLike, y: ArrayLike, weight: tuple[int, int, int], limit: int = 1_000_000) -> PathSum:
    """∂C_i/∂W^ℓ_jk of one example as the sum of all its paths (E12), each multiplied out, and by (E6), (E7) beside it.

    Parameters
    ----------
    net : Network
        Elementwise activations in layers ℓ to L − 1; the output layer may be softmax, whose δ^L is (E5′).
    x : array (n_0,) or (1, n_0)
    y : the target of x
        A class index, a number, or (n_L,).
    weight : (layer, j, k)
        ℓ from 1, the unit j of layer ℓ that the weight leads into, the unit k of layer ℓ − 1 that it comes from.
    limit : int
        So many paths are enumerated at most.

    Returns
    -------
    PathSum

    Raises
    ------
    InputError
        For more paths than `limit`, a weight that isn't there, a coupled activation within, a bad x or y.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([2, 3, 4, 2], "tanh", dtype="float64")
    >>> found = d.path_sum(net, [0.5, -1.0], [0.0, 1.0], weight=(1, 2, 0))
    >>> found.n_paths, abs(found.value - found.by_dynamic_programming) < 1e-15
    (8, True)

    Source: 000, 003 (11), 001 (1) to (7).
    """
    terms = _terms(net, x, y, weight)
    layer, j, _ = terms.weight
    n_paths = math.prod(net.sizes[layer + 1 :])
    if not is_count(limit):
        raise InputError(text("limit", expected="a whole number ≥ 1", got=repr(limit), hint="It is a number of paths."))
    if n_paths > limit:
        hint = "top_paths finds the largest of them without enumerating; or make limit larger."
        raise InputError(
            text(f"weight {terms.weight}", expected=f"at most limit={limit:,} paths", got=f"{n_paths:,}", hint=hint)
        )
    products = terms.top()[np.newaxis] if layer < net.L else terms.top()[np.newaxis, j : j + 1]
    with np.errstate(over="ignore", invalid="ignore"):
        for q in range(net.L - 1, layer - 1, -1):  # the last axis is the unit that paths have come to
            units = [j] if q == layer else slice(None)
            products = products[..., np.newaxis] * terms.W[q + 1].T[:, units] * terms.slopes[q][units]
            products = products.reshape(-1, products.shape[-1])
        values = (products * terms.a).ravel()
    _refuse_overflow(terms, values)
    total, magnitude = math.fsum(values), math.fsum(np.abs(values))
    return PathSum(total, terms.derivative, n_paths, magnitude, multiplication_count(net, layer))


def top_paths(net: Network, x: ArrayLike, y: ArrayLike, weight: tuple[int, int, int], k: int = 10) -> tuple[Path, ...]:
    """Give the k paths of a weight (E12) that are largest in absolute value, the largest first, without enumerating.

    Exact: multiplying by one more factor keeps the order of magnitudes, so that the k largest paths from a unit
    to the output continue k of the largest from the units above. From the output down, each unit keeps its own k:
    k Σ n_q n_{q+1} multiplications, as (E6) takes them k times, however many paths there are.

    Parameters
    ----------
    net, x, y, weight
        As in `path_sum`.
    k : int
        How many; all of them where there are fewer.

    Returns
    -------
    tuple of Path
        Those of equal magnitude in some order, which is the same in every call.

    Raises
    ------
    InputError
        As in `path_sum`, which alone has a limit; for k below 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([1, 1, 1], "tanh", initializer="zeros", dtype="float64")
    >>> net.parameters = [1.0, 0.0, 2.0, 0.0]
    >>> path, = d.top_paths(net, [0.0], [1.0], weight=(2, 0, 0))
    >>> path.units, [factor.name for factor in path.factors]
    ((0, 0), ['∂C/∂a^2_0', "g_2'(z^2_0)", 'a^1_0'])

    Source: 000, 001.
    """
    terms = _terms(net, x, y, weight)
    if not is_count(k):
        raise InputError(text("k", expected="a whole number ≥ 1", got=repr(k), hint="It is how many paths to give."))
    layer, j, from_unit = terms.weight
    best = np.abs(terms.top())[:, np.newaxis]  # [unit, rank]: magnitudes of the largest from there to the output
    came: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}  # by layer: the unit above, and its rank there
    for q in range(net.L - 1, layer - 1, -1):
        chosen, magnitudes = [], []
        for p in [j] if q == layer else range(net.sizes[q]):
            with np.errstate(over="ignore", invalid="ignore"):
                candidates = (best * np.abs(terms.W[q + 1][p])[:, np.newaxis] * abs(terms.slopes[q][p])).ravel()
            _refuse_overflow(terms, candidates)
            chosen.append(_largest(candidates, k))
            magnitudes.append(candidates[chosen[-1]])
        came[q] = np.divmod(np.array(chosen), best.shape[1])
        best = np.array(magnitudes)
    ranks = range(best.shape[1] if layer < net.L else 1)
    paths = tuple(terms.path((from_unit, j, *_units_above(came, rank))) for rank in ranks)
    _refuse_overflow(terms, np.array([path.value for path in paths]))
    return paths


def _refuse_overflow(terms: _Terms, products: _F) -> None:
    if not np.isfinite(products).all():
        hint = "Scale x, or the network's weights."
        expected, got = "products that float64 holds", "a path whose product is infinite or undefined"
        raise InputError(text(f"weight {terms.weight}", expected=expected, got=got, hint=hint))


def _largest(values: _F, k: int) -> NDArray[np.intp]:
    """Where the k largest are, the largest first, of equal ones those that come first."""
    at = np.arange(len(values))
    if k < len(values):
        least = np.partition(values, -k)[-k]
        more, alike = np.flatnonzero(values > least), np.flatnonzero(values == least)
        at = np.sort(np.concatenate([more, alike[: k - len(more)]]))
    return at[np.argsort(-values[at], kind="stable")]


def _units_above(came: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]], rank: int) -> Iterator[int]:
    """The units of layers ℓ + 1 to L on the path of this rank, from what `top_paths` noted in each layer."""
    row = 0  # of layer ℓ only unit j was asked about
    for q in sorted(came):
        above, ranks = came[q]
        row, rank = int(above[row, rank]), int(ranks[row, rank])
        yield row


@dataclass(frozen=True)
class _Terms:
    """Every number that the paths of a weight are made of."""

    weight: tuple[int, int, int]
    ends: tuple[tuple[str, _F], ...]  # δ^L, or the two factors of (E5): a name to put the unit in, and (n_L,)
    W: dict[int, _F]
    slopes: dict[int, _F]  # g_q'(z^q), (n_q,), of layers ℓ to L − 1
    a: float
    derivative: float  # by (E6), (E7)

    def top(self) -> _F:
        """δ^L, (n_L,)."""
        product: _F = np.prod([values for _, values in self.ends], axis=0)
        return product

    def path(self, units: tuple[int, ...]) -> Path:
        """Name and multiply the factors of a path, in the order of (E12) from the output down."""
        layer, last = self.weight[0], units[-1]
        at = dict(enumerate(units, start=layer - 1))
        factors = [Factor(name.format(last), float(values[last])) for name, values in self.ends]
        for q in range(max(at) - 1, layer - 1, -1):
            factors.append(Factor(f"W^{q + 1}_{at[q + 1]},{at[q]}", float(self.W[q + 1][at[q], at[q + 1]])))
            factors.append(Factor(f"g_{q}'(z^{q}_{at[q]})", float(self.slopes[q][at[q]])))
        factors.append(Factor(f"a^{layer - 1}_{at[layer - 1]}", self.a))
        value = math.prod(factor.value for factor in factors)
        share = value / self.derivative if self.derivative else math.nan
        return Path(units, tuple(factors), value, share)


def _terms(net: Network, x: ArrayLike, y: ArrayLike, weight: tuple[int, int, int]) -> _Terms:
    layer, j, k = at = _weight(net, weight)
    plan, L = replace(net.plan, dtype="float64"), net.L
    derivatives = {}
    for q in range(layer, L):
        g = plan.activation(q)
        if g.coupled:
            hint = "net.backward takes the whole ∂a/∂z there (E6)."
            expected = f"elementwise activations in layers {layer} to {L - 1}, through which paths lead unit by unit"
            raise InputError(text(f"weight {at}", expected=expected, got=f"{g.name} in layer {q}", hint=hint))
        derivatives[q] = g.derivative
    theta = net.parameters.astype(np.float64)
    X, Y = check_example(x, plan), check_example_target(y, plan)
    W = plan.split(theta)[0]
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused by name
        run = reference.forward(plan, theta, X)
        delta_L = reference.output_delta(plan, run.z[L], run.a[L], Y)
        delta = reference.propagate(plan, W, run, delta_L)
        slopes = {q: derivative(run.z[q])[0] for q, derivative in derivatives.items()}
        g = plan.activation(L)
        ends: tuple[tuple[str, _F], ...] = ((f"δ^{L}_{{}}", delta_L[0]),)
        if not g.coupled and plan.matched is None:
            slope = g.derivative(run.z[L])[0]
            ends = ((f"∂C/∂a^{L}_{{}}", plan.cost.derivative(run.a[L], Y)[0]), (f"g_{L}'(z^{L}_{{}})", slope))
        a = run.a[layer - 1][0, k]
        derivative_by_layers = float(delta[layer][0, j] * a)  # (E7)
    return _Terms(at, ends, dict(W), slopes, float(a), derivative_by_layers)


def _weight(net: Network, weight: Any) -> tuple[int, int, int]:
    try:
        layer, j, k = (operator.index(i) for i in weight)
    except (TypeError, ValueError):
        hint = "For example weight=(1, 0, 0): from input 0 to unit 0 of layer 1."
        raise InputError(
            text("weight", expected="three whole numbers (layer, j, k)", got=repr(weight), hint=hint)
        ) from None
    _layer(net, layer, "weight[0]")
    hint = "It is (layer, j, k): the weight leads from unit k of the layer below to unit j, both counted from 0."
    for position, unit, of in ((1, j, layer), (2, k, layer - 1)):
        if not 0 <= unit < net.sizes[of]:
            expected = f"a unit 0 to {net.sizes[of] - 1} of layer {of}"
            raise InputError(text(f"weight[{position}]", expected=expected, got=str(unit), hint=hint))
    return layer, j, k


def _layer(net: Network, layer: Any, name: str) -> int:
    check_network(net)
    try:
        given = operator.index(layer)
    except TypeError:
        given = 0
    if not 1 <= given <= net.L:
        hint = "Layers are counted from 1; layer 0 is the input."
        raise InputError(text(name, expected=f"a layer 1 to {net.L}", got=repr(layer), hint=hint))
    return given
