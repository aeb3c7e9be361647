"""Derivatives between layers: Jacobians of one layer in another, and how δ grows or fades on its way down."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Examples
from chainrule.engine import reference
from chainrule.engine.linearized import squared_lengths
from chainrule.engine.network import Network
from chainrule.errors import InputError, text

_ARRAYS = 4  # for each unit and example: a, z, δ, and what is on the way


def layer_jacobian(
    net: Network, X: ArrayLike, from_layer: int, to_layer: int, *, max_memory: int = MAX_MEMORY
) -> NDArray[Any]:
    """∂a^t/∂a^f of each example, (m, n_t, n_f), for layers f < t: products of 𝒲^q and ∂a^q/∂z^q, q = f + 1..t (E6, E9).

    Worked from the side that has fewer units: backward, a pass for each unit of layer t, or forward, one for each of f.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    from_layer, to_layer : int
        f and t, 0 ≤ f < t ≤ L; layer 0 is the input, so that f = 0, t = L is `jacobian`.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Raises
    ------
    InputError
        For layers that are not there or not in this order, for X as `Network.forward` does, and for a budget in which
        not even one example is worked.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X = cr.Network([3, 5, 4, 2], "tanh", dtype="float64"), np.eye(3)
    >>> chained = d.layer_jacobian(net, X, 1, 3) @ d.layer_jacobian(net, X, 0, 1)
    >>> np.allclose(chained, d.jacobian(net, X))
    True

    Source: 001 (∂C/∂a chained from layer to layer), 004.
    """
    examples = Examples.of(net, X)
    f, t = _layers(net, from_layer, to_layer)
    plan, W = net.plan, net.W
    n_f, n_t = net.sizes[f], net.sizes[t]
    result = np.empty((len(examples), n_t, n_f), dtype=net.dtype)
    for block in examples.blocks(max_memory, _ARRAYS):
        run = net.engine.forward(plan, net.parameters, block.X)
        for unit in range(min(n_t, n_f)):
            da = np.zeros((len(block.X), n_t if n_t <= n_f else n_f), dtype=net.dtype)
            da[:, unit] = 1
            if n_t <= n_f:
                for q in range(t, f, -1):
                    da = plan.activation(q).vjp(run.z[q], da) @ W[q].T
                result[block.rows, unit] = da
            else:
                for q in range(f + 1, t + 1):
                    da = plan.activation(q).jvp(run.z[q], da @ W[q])
                result[block.rows, :, unit] = da
    return result


def sensitivity_profile(net: Network, X: ArrayLike, Y: ArrayLike, *, max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """‖δ^ℓ‖₂ of each example and layer, (m, L + 1), with ‖∂C_i/∂x‖₂ in column 0 (E5, E6, E9).

    Norms that fall from column L to column 1 by a factor a layer are a gradient that vanishes; norms that rise, one
    that explodes.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    max_memory : int
        Bytes of workspace at most, beside the result.

    Raises
    ------
    InputError
        For a bad X or Y, and a budget in which not even one example is worked.

    Examples
    --------
    A deep logistic network, in which δ shrinks on its way down:

    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([4, 8, 8, 8, 8, 3], "logistic", dtype="float64")
    >>> profile = d.sensitivity_profile(net, np.eye(4), [0, 1, 2, 0])
    >>> bool((profile[:, 1] < 0.01 * profile[:, 5]).all())
    True
    """
    examples, plan, W = Examples.with_targets(net, X, Y), net.plan, net.W
    profile = np.empty((len(examples), plan.L + 1), dtype=net.dtype)
    for block in examples.blocks(max_memory, _ARRAYS):
        run = net.engine.forward(plan, net.parameters, block.X)
        delta = reference.propagate(plan, W, run, reference.output_delta(plan, run.z[plan.L], run.a[plan.L], block.Y))
        for layer, rows in {0: delta[1] @ W[1].T, **delta}.items():
            profile[block.rows, layer] = np.sqrt(squared_lengths(rows))
    return profile


def _layers(net: Network, from_layer: Any, to_layer: Any) -> tuple[int, int]:
    try:
        f, t = operator.index(from_layer), operator.index(to_layer)
    except TypeError:
        f = t = -1
    if not 0 <= f < t <= net.L:
        expected = f"layers 0 ≤ from_layer < to_layer ≤ {net.L}"
        hint = "Layers are counted from 1; layer 0 is the input."
        got = f"{from_layer!r} and {to_layer!r}"
        raise InputError(text("from_layer, to_layer", expected=expected, got=got, hint=hint))
    return f, t
