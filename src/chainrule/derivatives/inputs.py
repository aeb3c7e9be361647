"""Derivatives of the network itself in its input (E11): 004."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine.inputs import cast, check_rows, row_blocks
from chainrule.engine.network import Network
from chainrule.errors import InputError, text


def input_gradient(net: Network, X: ArrayLike, output: int = 0) -> NDArray[Any]:
    """∇_x a^L_o of each example (E11): no cost; δ^L_j = [j = o] g_L'(z^L_o), (E6) down to layer 1, then 𝒲^1.

    For a softmax output δ^L is the full row ∂a^L_o/∂z^L_j.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    output : int
        o, 0 to n_L − 1.

    Returns
    -------
    array (m, n_0) of the network's dtype
        Row i is the gradient at example i.

    Raises
    ------
    InputError
        For an output that the network doesn't have, and for X as `Network.forward` does.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([2, 1], activations="identity", initializer="zeros")
    >>> net.parameters = [3.0, -4.0, 1.0]
    >>> d.input_gradient(net, [[0.0, 0.0], [5.0, 6.0]]).tolist()
    [[3.0, -4.0], [3.0, -4.0]]

    Source: 004.
    """
    try:
        o = operator.index(output)
    except TypeError:
        o = -1
    if not 0 <= o < net.sizes[-1]:
        hint = "Outputs are counted from 0."
        expected = f"a whole number 0 to {net.sizes[-1] - 1}"
        raise InputError(text("output", expected=expected, got=repr(output), hint=hint))
    return _gradients(net, X, [o])[:, 0]


def jacobian(net: Network, X: ArrayLike) -> NDArray[Any]:
    """J = ∂a^L/∂x of each example (E11): all outputs' gradients.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite

    Returns
    -------
    array (m, n_L, n_0) of the network's dtype
        J[i, o] is `input_gradient(net, X, o)[i]`.

    Raises
    ------
    InputError
        For X as `Network.forward` does.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> d.jacobian(cr.Network([5, 3, 2]), [[1, 2, 3, 4, 5]]).shape
    (1, 2, 5)

    Source: 004.
    """
    return _gradients(net, X, list(range(net.sizes[-1])))


def _gradients(net: Network, X: ArrayLike, outputs: list[int]) -> NDArray[Any]:
    plan, rows = net.plan, check_rows(X, net.sizes[0])
    result = np.empty((len(rows), len(outputs), net.sizes[0]), dtype=net.dtype)
    for block in row_blocks(len(rows)):
        run = net.engine.forward(plan, net.parameters, cast(rows[block], plan.dtype, "X", block.start))
        for position, output in enumerate(outputs):
            result[block, position] = net.engine.input_gradient(plan, net.parameters, run, output)
    return result
