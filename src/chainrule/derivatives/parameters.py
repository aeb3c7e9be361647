"""First derivatives in the parameters: of the batch cost (E10), and of every output of the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Block, Examples, total_of
from chainrule.derivatives.outputs import Of, one_hot, read_of, seeds
from chainrule.engine import reference
from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Run

_A = NDArray[Any]
_ARRAYS = 7  # for each unit and example: a, z, g', δ, what it counts, and what is on the way
_VECTORS = 2  # like θ: the sum, and a block's


def gradient(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """∇C of the batch, (|θ|,): (E7), (E8), (E10), added up block by block.

    What `net.value_and_gradient(X, Y)[1].flat` is, but for rounding, of more rows than there is memory for at once.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    sample_weight : array (m,), optional
        w_i ≥ 0.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (|θ|,) of the network's dtype, laid out as `net.parameters`

    Raises
    ------
    InputError
        For a bad X, Y or weights, and a budget in which not even one example is worked.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> np.allclose(d.gradient(net, X, Y), net.value_and_gradient(X, Y)[1].flat)
    True
    """
    examples, plan, theta = Examples.with_targets(net, X, Y, sample_weight), net.plan, net.parameters

    def of_block(block: Block) -> _A:
        at = block.linearized(theta)
        found: _A = at.pull(reference.output_delta(plan, at.z, at.a, block.Y)[np.newaxis]).gradient(block.c)
        return found

    return total_of(
        of_block(block) for block in examples.blocks(max_memory, _ARRAYS, fixed=_VECTORS * plan.n_parameters)
    )


def parameter_jacobian(net: Network, X: ArrayLike, *, of: Of = "a", max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """∂a^L/∂θ of each example, (m, n_L, |θ|): no cost, δ^L_j = [j = o] g_L'(z^L_o), then (E6), (E7), (E8) for each o.

    That is m·n_L·|θ| numbers: products with it are `ggn_vp`'s and need none of them.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    of : "a" or "z"
        "z" gives ∂z^L/∂θ, before the output activation.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (m, n_L, |θ|) of the network's dtype
        Entry [i, o] is laid out as `net.parameters`.

    Raises
    ------
    InputError
        For X as `Network.forward` does, an unknown `of`, and a budget in which not even one example is worked.

    Examples
    --------
    ∂C_i/∂a through it is the gradient of the cost:

    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 2], "tanh", dtype="float64"), np.eye(2), np.ones((2, 2))
    >>> da = net.cost_function.derivative(net.predict(X), Y)
    >>> np.allclose(np.einsum("io,iop->ip", da, d.parameter_jacobian(net, X)), d.per_example_gradients(net, X, Y))
    True
    """
    examples, of, plan, theta, W = Examples.of(net, X), read_of(of), net.plan, net.parameters, net.W
    result = np.empty((len(examples), net.sizes[-1], plan.n_parameters), dtype=net.dtype)
    for block in examples.blocks(max_memory, _ARRAYS):
        run = net.engine.forward(plan, theta, block.X)
        for o in range(net.sizes[-1]):
            seed = seeds(net, run.z[plan.L], one_hot(net, len(block.X), o), of)
            write_gradients(plan, run, reference.propagate(plan, W, run, seed), result[block.rows, o])
    return result


def write_gradients(plan: Plan, run: Run, delta: ByLayer[_A], out: _A) -> None:
    """(E7), (E8) of each example by itself, in the rows of `out`, (m, |θ|), each contiguous."""
    for layer in plan.layers:
        at = plan.weight_blocks[layer]
        into = out[:, at.start : at.stop].reshape(len(out), *at.shape)  # a view, as rows are contiguous
        np.multiply(run.a[layer - 1][:, :, np.newaxis], delta[layer][:, np.newaxis, :], out=into)
        if layer in plan.bias_blocks:
            out[:, plan.bias_blocks[layer].start : plan.bias_blocks[layer].stop] = delta[layer]
