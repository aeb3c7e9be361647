"""Derivatives in the input: of the network itself (E11, 004), and of the cost (E9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Block, Examples, bytes_held, rows_like
from chainrule.derivatives.outputs import Of, read_of, read_output, seeds, to_input
from chainrule.engine import reference, tangents
from chainrule.engine.backend import Linearized
from chainrule.engine.network import Network

_OUTPUTS_AT_ONCE = 16  # whose gradients are pulled back together
_ARRAYS = 7  # for each unit and example: a, z, g', δ, and what is on the way


def input_gradient(
    net: Network, X: ArrayLike, output: int = 0, *, of: Of = "a", max_memory: int = MAX_MEMORY
) -> NDArray[Any]:
    """∇_x a^L_o of each example (E11): no cost; δ^L_j = [j = o] g_L'(z^L_o), (E6) down to layer 1, then 𝒲^1.

    For a softmax output δ^L is the full row ∂a^L_o/∂z^L_j.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    output : int
        o, 0 to n_L − 1.
    of : "a" or "z"
        "z" gives ∇_x z^L_o, before the output activation: δ^L_j = [j = o].
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (m, n_0) of the network's dtype
        Row i is the gradient at example i.

    Raises
    ------
    InputError
        For an output that the network doesn't have, for X as `Network.forward` does, and for a budget in which not
        even one example is worked.

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
    examples = Examples.of(net, X)
    return _gradients(examples, [read_output(net, output)], of, max_memory)[:, 0]


def jacobian(net: Network, X: ArrayLike, *, of: Of = "a", max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """J = ∂a^L/∂x of each example (E11): all outputs' gradients.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    of : "a" or "z"
        "z" gives ∂z^L/∂x.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (m, n_L, n_0) of the network's dtype
        J[i, o] is `input_gradient(net, X, o)[i]`.

    Raises
    ------
    InputError
        As `input_gradient` does.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> d.jacobian(cr.Network([5, 3, 2]), [[1, 2, 3, 4, 5]]).shape
    (1, 2, 5)

    Source: 004.
    """
    examples = Examples.of(net, X)
    return _gradients(examples, list(range(net.sizes[-1])), of, max_memory)


def cost_input_gradient(net: Network, X: ArrayLike, Y: ArrayLike, *, max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """∂C_i/∂x of each example, (m, n_0): (E9) with ℓ = 1, neither averaged nor weighted.

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
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([3, 4, 2], dtype="float64"), np.eye(3), [0, 1, 1]
    >>> np.allclose(d.cost_input_gradient(net, X, Y), net.backward(net.forward(X), Y).x)
    True

    Source: 004 (its last step), 003 (28).
    """
    examples = Examples.with_targets(net, X, Y)
    result = np.empty((len(examples), net.sizes[0]), dtype=net.dtype)
    for block, at in _linearized(examples, max_memory):
        result[block.rows] = to_input(at, reference.output_delta(net.plan, at.z, at.a, block.Y))
    return result


def vjp(net: Network, X: ArrayLike, u: ArrayLike, *, of: Of = "a", max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """Jᵀu of each example, (m, n_0), with J of `jacobian`: one backward pass, whatever the number of outputs.

    Parameters
    ----------
    u : array (m, n_L), or (n_L,) for all examples alike

    The other parameters and errors are those of `jacobian`.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, u = cr.Network([3, 4, 2], dtype="float64"), np.eye(3), np.array([1.0, -2.0])
    >>> np.allclose(d.vjp(net, X, u), u @ d.jacobian(net, X))
    True

    Source: 004.
    """
    examples = Examples.of(net, X)
    given, of = rows_like(u, "u", len(examples), net.sizes[-1], net), read_of(of)
    result = np.empty((len(examples), net.sizes[0]), dtype=net.dtype)
    for block, at in _linearized(examples, max_memory):
        result[block.rows] = to_input(at, seeds(net, at.z, given(block.rows), of))
    return result


def jvp(net: Network, X: ArrayLike, v: ArrayLike, *, of: Of = "a", max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """Jv of each example, (m, n_L), with J of `jacobian`: how the outputs change along v (E31), one forward pass.

    Parameters
    ----------
    v : array (m, n_0), or (n_0,) for all examples alike

    The other parameters and errors are those of `jacobian`.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, v = cr.Network([3, 4, 2], dtype="float64"), np.eye(3), np.array([1.0, -2.0, 0.5])
    >>> np.allclose(d.jvp(net, X, v), d.jacobian(net, X) @ v)
    True
    """
    examples = Examples.of(net, X)
    given, of = rows_like(v, "v", len(examples), net.sizes[0], net), read_of(of)
    result = np.empty((len(examples), net.sizes[-1]), dtype=net.dtype)
    for block in examples.blocks(max_memory, _ARRAYS):
        run = net.engine.forward(net.plan, net.parameters, block.X)
        moved = tangents.forward(net.plan, net.W, run, tangents.in_inputs(given(block.rows)))
        result[block.rows] = moved.z[net.L] if of == "z" else moved.a[net.L]
    return result


def least_memory_of_jacobian(net: Network) -> int:
    """The least `max_memory` with which `jacobian` works, in bytes."""
    return sum(bytes_held(net, _ARRAYS + min(net.sizes[-1], _OUTPUTS_AT_ONCE)))


def _gradients(examples: Examples, outputs: list[int], of: Of, max_memory: int) -> NDArray[Any]:
    net, of = examples.net, read_of(of)
    result = np.empty((len(examples), len(outputs), net.sizes[0]), dtype=net.dtype)
    at_once = [outputs[start : start + _OUTPUTS_AT_ONCE] for start in range(0, len(outputs), _OUTPUTS_AT_ONCE)]
    for block, at in _linearized(examples, max_memory, len(at_once[0])):
        first = 0
        for some in at_once:
            chosen = np.zeros((len(some), len(block), net.sizes[-1]), dtype=net.dtype)
            for position, o in enumerate(some):
                chosen[position, :, o] = 1
            at.pull(seeds(net, at.z, chosen, of)).inputs(result[block.rows, first : first + len(some)])
            first += len(some)
    return result


def _linearized(examples: Examples, max_memory: int, cotangents: int = 1) -> Iterator[tuple[Block, Linearized]]:
    net = examples.net
    for block in examples.blocks(max_memory, _ARRAYS + cotangents):
        yield block, block.linearized(net.parameters)
