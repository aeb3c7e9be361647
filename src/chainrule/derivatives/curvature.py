"""Diagonals of the Hessian and of the generalised Gauss-Newton matrix, of which neither is formed (E42, E43).

Σ_s of squared entries of a cotangent's gradient is the diagonal of what its outer products make: it costs one pass for
each cotangent above the first layer, and in the first layer a product with the squared inputs for all of them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives import cotangents
from chainrule.derivatives.cotangents import Signed, Source
from chainrule.derivatives.examples import MAX_MEMORY, Block, Examples
from chainrule.derivatives.products import check_likelihood
from chainrule.engine import reference
from chainrule.engine.backend import Linearized
from chainrule.engine.network import Network, check_network, random_generator
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, is_count, text, unknown_name

Expectation = Literal["exact", "monte_carlo"]
"""How the curvature of the cost is found."""

_A = NDArray[Any]
_ARRAYS = 10  # for each unit and example: a, z, δ, twice where layers are worked one by one, and what is on the way
_VECTORS = 5  # like θ: the result, a block's, its parts


def ggn_diagonal(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
    *,
    kind: Expectation = "exact",
    samples: int = 1,
    seed: int | np.random.Generator | None = 0,
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """Diagonal of the Gauss-Newton matrix G, (|θ|,): Σ_i c_i Σ_s (a^{ℓ−1}_k δ^{ℓ,s}_j)² at W^ℓ_jk (E42).

    δ^{L,s} are the columns of a factor of Hᵢ = Σ_s δ^{L,s}δ^{L,s}ᵀ (E34), as many as there are outputs, and δ^{ℓ,s}
    what (E6) makes of them; at b^ℓ_j without a. For softmax with cross-entropy they are √(a_s Σ_o y_o) (e_s − a).

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    sample_weight : array (m,), optional
        w_i ≥ 0.
    kind : "exact" or "monte_carlo"
        "monte_carlo": δ^{L,s} = δ^L/√samples of targets drawn from the distribution that the network predicts, of which
        Y is no part, so that it may be None. Its expectation is the diagonal of the true Fisher matrix (E35): of G at
        Y = a^L, which is G for a matched pair whose targets sum to 1, and for squared errors.
    samples : int
        Targets drawn for each example.
    seed : int ≥ 0, numpy Generator, or None
        The same seed gives the same targets, whatever max_memory is.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (|θ|,) of the network's dtype, laid out as `net.parameters`

    Raises
    ------
    InputError
        For a bad X, Y or weights, an unknown kind, samples < 1, a cost without a distribution to draw from, and a
        budget in which not even one example is worked.
    DerivativeError
        For a cost of the user's own without second derivatives.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> G = np.array([d.ggn_vp(net, X, Y, unit) for unit in np.eye(13)])
    >>> np.allclose(d.ggn_diagonal(net, X, Y), np.diag(G))
    True

    Source: F. Dangel et al., BackPACK: packing more into backprop, 2020.
    """
    sources = {"exact": cotangents.gauss_newton, "monte_carlo": None}
    if not isinstance(kind, str) or kind not in sources:
        raise unknown_name("kind", kind, sources)
    hint = 'kind="exact" needs none.'
    examples, source, extra = with_cotangents(net, X, Y, sample_weight, sources[kind], samples, seed, hint)
    plan, theta = net.plan, net.parameters
    diagonal: _A | None = None
    for block in examples.blocks(max_memory, _ARRAYS, extra, _VECTORS * plan.n_parameters):
        at = block.linearized(theta)
        for sign, seeds in source(plan, at, block.Y):
            squares = at.pull(seeds).squares(block.c)
            if diagonal is None:
                diagonal = squares if sign > 0 else -squares
            else:
                (np.add if sign > 0 else np.subtract)(diagonal, squares, out=diagonal)
    return np.zeros_like(theta) if diagonal is None else diagonal  # of a cost that is not curved at all


def hessian_diagonal(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """Diagonal of the Hessian of the batch cost, (|θ|,): Σ_i c_i Σ_t Σ_s ±(a^{ℓ−1}_k δ^{ℓ,t,s}_j)² at W^ℓ_jk (E43).

    Exact. Σ_t is over the layers t ≥ ℓ. δ^{t,t,s}, each with a sign, are columns of a factor of how g_t bends, which is
    diag(g_t''(z^t) ⊙ ∂C_i/∂a^t), or the full matrix of coupled units, and ∂²C_i/∂z² for t = L; (E6) takes each from
    layer t down to layer ℓ. That is a pass for every unit of the layers 2..L with g'' ≠ 0, and one or two for layer 1.

    Parameters, result and errors are those of `ggn_diagonal`; DerivativeError, too, for an activation of the user's own
    without second derivatives.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> H = np.array([d.hvp(net, X, Y, unit) for unit in np.eye(13)])
    >>> np.allclose(d.hessian_diagonal(net, X, Y), np.diag(H))
    True

    Source: F. Dangel et al., BackPACK: packing more into backprop, 2020.
    """
    examples, plan, theta = Examples.with_targets(net, X, Y, sample_weight), net.plan, net.parameters
    below = {layer: _layers_up_to(plan, layer) for layer in plan.layers}
    diagonal = np.zeros(plan.n_parameters, dtype=net.dtype)

    def add(block: Block, layer: int, columns: Iterator[Signed], at: Linearized | None = None) -> None:
        n = below[layer].n_parameters
        for sign, seeds in columns:  # there are none of a layer that doesn't bend, which isn't worked then
            if at is None:
                at = net.engine.linearize(below[layer], theta[:n], block.X)
            (np.add if sign > 0 else np.subtract)(diagonal[:n], at.pull(seeds).squares(block.c), out=diagonal[:n])

    above = range(2, plan.L + 1)  # the first layer's diagonal needs neither many columns nor a matrix
    coupled = [net.sizes[layer] for layer in above if plan.activation(layer).coupled]
    count = max([net.sizes[layer] for layer in above] or net.sizes[1:])
    extra = cotangents.numbers_for_a_row(net, count, [*coupled, *_not_separable(plan)])
    for block in examples.blocks(max_memory, _ARRAYS, extra, _VECTORS * len(diagonal), networks=2):
        top = block.linearized(theta)
        add(block, plan.L, cotangents.hessian(plan, top, block.Y), top)
        for layer, Z, da in _hidden(net, block):
            add(block, layer, cotangents.residual(plan, layer, Z, da))
    return diagonal


def _hidden(net: Network, block: Block) -> Iterator[tuple[int, _A, _A]]:
    """z^ℓ and ∂C_i/∂a^ℓ (E9) of the hidden layers, from the top."""
    plan, W = net.plan, net.W
    if plan.L == 1:
        return
    run = net.engine.forward(plan, net.parameters, block.X)
    delta = reference.propagate(plan, W, run, reference.output_delta(plan, run.z[plan.L], run.a[plan.L], block.Y))
    for layer in range(plan.L - 1, 0, -1):
        yield layer, run.z[layer], delta[layer + 1] @ W[layer + 1].T


def _layers_up_to(plan: Plan, layer: int) -> Plan:
    """Give the network whose outputs are a^ℓ: its θ is the first part of θ."""
    return replace(plan, sizes=plan.sizes[: layer + 1], activations=plan.activations[:layer], bias=plan.bias[:layer])


def with_cotangents(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    source: Source | None,
    samples: int,
    seed: int | np.random.Generator | None,
    hint: str,
) -> tuple[Examples, Source, int]:
    """Check what a source needs: targets, or, where they are to be drawn (None), a distribution to draw them from.

    Gives the examples, the source, and how many numbers it takes for a row. Raises InputError.
    """
    check_network(net)
    if not is_count(samples):
        hint = "It is how many targets are drawn for each example."
        raise InputError(text("samples", expected="a whole number ≥ 1", got=repr(samples), hint=hint))
    plan, n_out = net.plan, net.sizes[-1]
    if source is not None:
        count = 1 if source is cotangents.of_targets else n_out
        extra = cotangents.numbers_for_a_row(net, count, _not_separable(plan))
        return Examples.with_targets(net, X, Y, sample_weight), source, extra
    check_likelihood(net, hint)
    n = operator.index(samples)
    extra = cotangents.numbers_for_a_row(net, n, []) + 4 * n * n_out
    return Examples.of(net, X, sample_weight), cotangents.drawn(n, random_generator(seed)), extra


def _not_separable(plan: Plan) -> list[int]:
    """The units that a cost of the user's own couples."""
    return [] if plan.cost.separable else [plan.sizes[-1]]
