"""What each input adds to an output: integrated gradients (E41)."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Examples, rows_like
from chainrule.derivatives.outputs import Of, one_hot, read_of, read_output, seeds, to_input
from chainrule.engine.network import Network
from chainrule.errors import InputError, is_count, text

_ARRAYS = 11  # for each unit and example: a, z, g', δ, points, sums, and what is on the way


class IntegratedGradients(NamedTuple):
    """`attributions`, (m, n_0), what each input adds to the output on the way from the baseline, and `gap`, (m,).

    `gap` is Σ_k attributions_k − [a^L_o(x) − a^L_o(baseline)], which would be 0 with infinitely many steps.
    """

    attributions: NDArray[Any]
    gap: NDArray[Any]


def integrated_gradients(
    net: Network,
    X: ArrayLike,
    output: int = 0,
    *,
    baseline: ArrayLike | None = None,
    steps: int = 50,
    of: Of = "a",
    max_memory: int = MAX_MEMORY,
) -> IntegratedGradients:
    """(x_k − x'_k) ∫₀¹ ∂a^L_o/∂x_k (x' + t(x − x')) dt for each input (E41), by Gauss-Legendre quadrature.

    Parameters
    ----------
    baseline : number, or array (n_0,) or (m, n_0), optional
        x', where attributions are 0; zeros without it.
    steps : int
        Points of the quadrature, each of which costs a gradient. Make it larger where the gap is too large.

    The other parameters and errors are those of `input_gradient`.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([3, 4, 1], "tanh", dtype="float64")
    >>> found = d.integrated_gradients(net, [[1.0, -2.0, 0.5]])
    >>> found.attributions.shape, bool(abs(found.gap[0]) < 1e-12)
    ((1, 3), True)

    Source: M. Sundararajan et al., Axiomatic attribution for deep networks, 2017.
    """
    examples, o, of = Examples.of(net, X), read_output(net, output), read_of(of)
    if not is_count(steps):
        raise InputError(
            text("steps", expected="a whole number ≥ 1", got=repr(steps), hint="It is the number of gradients.")
        )
    plan, shape = net.plan, (len(examples), net.sizes[0])
    start = rows_like(0.0 if baseline is None else baseline, "baseline", *shape, net)
    quadrature = list(_quadrature(operator.index(steps)))
    result, gap = np.empty(shape, dtype=net.dtype), np.empty(len(examples), dtype=net.dtype)
    theta = net.parameters
    rows = examples.rows_at_once(max_memory, _ARRAYS)
    for block in examples.blocks(max_memory, _ARRAYS):
        m, x0, total = len(block), start(block.rows), np.zeros(block.X.shape)
        at_once = max(1, rows // m)  # points of the quadrature
        for first in range(0, len(quadrature), at_once):
            nodes, shares = np.array(quadrature[first : first + at_once]).T
            points = x0 + nodes.astype(net.dtype)[:, np.newaxis, np.newaxis] * (block.X - x0)
            at = net.engine.linearize(plan, theta, points.reshape(-1, shape[1]))
            x = to_input(at, seeds(net, at.z, one_hot(net, len(nodes) * m, o), of))
            total += np.tensordot(shares, x.reshape(points.shape).astype(float), axes=1)
        result[block.rows] = (block.X - x0) * total
        ends = [net.engine.forward(plan, theta, np.ascontiguousarray(x)) for x in (x0, block.X)]
        change = np.subtract(*[(run.z if of == "z" else run.a)[plan.L][:, o].astype(float) for run in reversed(ends)])
        gap[block.rows] = result[block.rows].sum(axis=1, dtype=float) - change
    return IntegratedGradients(result, gap)


def _quadrature(points: int) -> Iterator[tuple[float, float]]:
    """Points and weights of Gauss-Legendre quadrature over 0..1, in stretches of at most 64 (n of them cost n³)."""
    stretches = np.array_split(np.arange(points), math.ceil(points / 64))
    for stretch in stretches:
        nodes, weights = np.polynomial.legendre.leggauss(len(stretch))
        begin, length = stretch[0] / points, len(stretch) / points
        yield from zip(begin + (nodes + 1) / 2 * length, weights / 2 * length, strict=True)
