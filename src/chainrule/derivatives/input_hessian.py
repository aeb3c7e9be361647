"""Second derivatives of an output in the input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Examples
from chainrule.derivatives.outputs import Of, one_hot, read_of, read_output, seeds
from chainrule.engine import reference, tangents
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.maths.activations import Activation

_A = NDArray[Any]
_COLUMNS_AT_ONCE = 64
_ARRAYS = 7  # for each unit and example: a, z, g', δ, and what is on the way


def input_hessian(
    net: Network, X: ArrayLike, output: int = 0, *, of: Of = "a", max_memory: int = MAX_MEMORY
) -> NDArray[Any]:
    """∂²a^L_o/∂x² of each example, (m, n_0, n_0), exact and symmetric: Σ_ℓ JᵀBJ over the layers (E47).

    J is ∂z^ℓ/∂x, and B how g_ℓ bends: diag(g_ℓ''(z^ℓ) ⊙ ∂a^L_o/∂a^ℓ), or the full matrix of coupled units (E33).

    Parameters and errors are those of `input_gradient`; DerivativeError, too, for an activation of the user's own
    without a second derivative. At a kink it is that of the side where the derivative is taken: 0 for relu.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([2, 1], "exp", bias=False, dtype="float64")
    >>> net.parameters = [2.0, 3.0]
    >>> d.input_hessian(net, [[0.0, 0.0]])[0].tolist()  # of e^(2x + 3y)
    [[4.0, 6.0], [6.0, 9.0]]
    """
    examples, o, of = Examples.of(net, X), read_output(net, output), read_of(of)
    plan, W, n = net.plan, net.W, net.sizes[0]
    bent = plan.layers if of == "a" else plan.layers[:-1]
    for layer in bent:
        tangents.second_vjp(plan, layer)  # what has none is said before anything is computed
    result = np.zeros((len(examples), n, n), dtype=net.dtype)
    widest = max(net.sizes[1:])
    coupled = 4 * n * widest if any(plan.activation(layer).coupled for layer in bent) else 0
    for block in examples.blocks(max_memory, _ARRAYS, extra=4 * n * widest + 2 * n * n + coupled):
        run = net.engine.forward(plan, net.parameters, block.X)
        chosen = one_hot(net, len(block), o)
        delta = reference.propagate(plan, W, run, seeds(net, run.z[net.L], chosen, of))
        some = result[block.rows]
        J = np.broadcast_to(W[1].T, (len(block), net.sizes[1], n))  # (m, n_ℓ, n_0)
        for layer in bent:
            da = chosen if layer == net.L else delta[layer + 1] @ W[layer + 1].T  # ∂a^L_o/∂a^ℓ (E9)
            some += J.transpose(0, 2, 1) @ _bent(plan, layer, run.z[layer], da, J)
            if layer + 1 in bent:
                J = W[layer + 1].T @ _followed(plan, layer, run.z[layer], J)
        _make_symmetric(some)
    return result


def _followed(plan: Plan, layer: int, Z: _A, J: _A) -> _A:
    """∂a^ℓ/∂x, (m, n_ℓ, n_0), from J = ∂z^ℓ/∂x (E31)."""
    g = plan.activation(layer)
    if isinstance(g, Activation):
        along: _A = g.derivative(Z)[:, :, np.newaxis] * J
        return along
    return _by_input(lambda dZ: g.jvp(np.repeat(Z, J.shape[2], axis=0), dZ), J)


def _bent(plan: Plan, layer: int, Z: _A, da: _A, J: _A) -> _A:
    """BJ, (m, n_ℓ, n_0): how ∂a^ℓ/∂zᵀ da changes with each input, da = ∂a^L_o/∂a^ℓ held (E33)."""
    bend = tangents.second_vjp(plan, layer)
    if not plan.activation(layer).coupled:
        bent: _A = bend(Z, da, np.ones_like(Z))[:, :, np.newaxis] * J
        return bent
    rows = np.repeat(Z, J.shape[2], axis=0), np.repeat(da, J.shape[2], axis=0)
    return _by_input(lambda dZ: bend(*rows, dZ), J)


def _by_input(product: Any, J: _A) -> _A:
    """A product with each column of J, for functions of rows."""
    m, n_l, n_0 = J.shape
    columns = np.ascontiguousarray(J.transpose(0, 2, 1)).reshape(m * n_0, n_l)
    found: _A = product(columns).reshape(m, n_0, n_l).transpose(0, 2, 1)
    return found


def _make_symmetric(H: _A) -> None:
    """H ← (H + Hᵀ)/2 of each row, some columns at a time: those of both sides are then in the cache."""
    n = H.shape[1]
    for k in range(0, n, _COLUMNS_AT_ONCE):
        some = slice(k, k + _COLUMNS_AT_ONCE)
        mean = (H[:, some, k:] + H[:, k:, some].transpose(0, 2, 1)) / 2
        H[:, some, k:], H[:, k:, some] = mean, mean.transpose(0, 2, 1)
