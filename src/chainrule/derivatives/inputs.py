"""Derivatives in the input: of the network itself (E11, 004), and of the cost (E9)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Block, Examples
from chainrule.engine import reference, tangents
from chainrule.engine.backend import Linearized
from chainrule.engine.inputs import cast, real_array
from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer
from chainrule.engine.reference import Run
from chainrule.errors import InputError, is_count, text, unknown_name

Of = Literal["a", "z"]
"""What is differentiated: the outputs a^L, or z^L, before the output activation."""

_A = NDArray[Any]
_OUTPUTS_AT_ONCE = 16  # whose gradients are pulled back together
_ARRAYS, _TANGENTS = 7, 9  # for each unit and example: a, z, g', δ, what is on the way; with the tangents of these


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
    return _gradients(net, X, [_output(net, output)], of, max_memory)[:, 0]


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
    return _gradients(net, X, list(range(net.sizes[-1])), of, max_memory)


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
        result[block.rows] = _to_input(at, reference.output_delta(net.plan, at.z, at.a, block.Y))
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
    given, of = _rows_like(u, "u", len(examples), net.sizes[-1], net), _read_of(of)
    result = np.empty((len(examples), net.sizes[0]), dtype=net.dtype)
    for block, at in _linearized(examples, max_memory):
        result[block.rows] = _to_input(at, _seed(net, at.z, given(block.rows), of))
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
    given, of = _rows_like(v, "v", len(examples), net.sizes[0], net), _read_of(of)
    result = np.empty((len(examples), net.sizes[-1]), dtype=net.dtype)
    for block, run, W in _runs(examples, max_memory, _ARRAYS):
        moved = tangents.forward(net.plan, W, run, tangents.in_inputs(given(block.rows)))
        result[block.rows] = moved.z[net.L] if of == "z" else moved.a[net.L]
    return result


def input_hessian(
    net: Network, X: ArrayLike, output: int = 0, *, of: Of = "a", max_memory: int = MAX_MEMORY
) -> NDArray[Any]:
    """∂²a^L_o/∂x² of each example, (m, n_0, n_0), exact and symmetric: (E11) differentiated along every input (E33).

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
    examples, o, of = Examples.of(net, X), _output(net, output), _read_of(of)
    plan, n = net.plan, net.sizes[0]
    result = np.empty((len(examples), n, n), dtype=net.dtype)
    for block, run, W in _runs(examples, max_memory, _TANGENTS, extra=2 * n * n):
        chosen = _one_hot(net, len(block.X), o)
        delta = reference.propagate(plan, W, run, _seed(net, run.z[net.L], chosen, of))
        for k in range(n):
            along = tangents.in_inputs(np.broadcast_to(np.eye(1, n, k, dtype=net.dtype), block.X.shape))
            moved = tangents.forward(plan, W, run, along)
            d_top = np.zeros_like(chosen)
            if of == "a":
                d_top = tangents.second_vjp(plan, plan.L)(run.z[plan.L], chosen, moved.z[plan.L])
            d_delta = tangents.backward(plan, W, run, delta, moved, d_top, along)
            result[block.rows, k] = tangents.x(W, delta, d_delta, along)
        some = result[block.rows]
        result[block.rows] = (some + some.transpose(0, 2, 1)) / 2
    return result


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
    examples, o, of = Examples.of(net, X), _output(net, output), _read_of(of)
    if not is_count(steps):
        raise InputError(
            text("steps", expected="a whole number ≥ 1", got=repr(steps), hint="It is the number of gradients.")
        )
    plan, shape = net.plan, (len(examples), net.sizes[0])
    start = _rows_like(0.0 if baseline is None else baseline, "baseline", *shape, net)
    quadrature = list(_quadrature(operator.index(steps)))
    result, gap = np.empty(shape, dtype=net.dtype), np.empty(len(examples), dtype=net.dtype)
    theta = net.parameters
    for block in examples.blocks(max_memory, _ARRAYS + 3):
        x0, total = start(block.rows), np.zeros(block.X.shape)
        for node, share in quadrature:
            at = net.engine.linearize(plan, theta, x0 + net.dtype.type(node) * (block.X - x0))
            total += share * _to_input(at, _seed(net, at.z, _one_hot(net, len(x0), o), of))
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


def _gradients(net: Network, X: ArrayLike, outputs: list[int], of: Of, max_memory: int) -> NDArray[Any]:
    examples, of = Examples.of(net, X), _read_of(of)
    result = np.empty((len(examples), len(outputs), net.sizes[0]), dtype=net.dtype)
    at_once = [outputs[start : start + _OUTPUTS_AT_ONCE] for start in range(0, len(outputs), _OUTPUTS_AT_ONCE)]
    for block, at in _linearized(examples, max_memory, len(at_once[0])):
        first = 0
        for some in at_once:
            chosen = np.zeros((len(some), len(block), net.sizes[-1]), dtype=net.dtype)
            for position, o in enumerate(some):
                chosen[position, :, o] = 1
            at.pull(_seeds(net, at.z, chosen, of)).inputs(result[block.rows, first : first + len(some)])
            first += len(some)
    return result


def _linearized(examples: Examples, max_memory: int, cotangents: int = 1) -> Iterator[tuple[Block, Linearized]]:
    net = examples.net
    for block in examples.blocks(max_memory, _ARRAYS + cotangents):
        yield block, block.linearized(net.parameters)


def _runs(examples: Examples, max_memory: int, arrays: int, extra: int = 0) -> Iterator[tuple[Block, Run, ByLayer[_A]]]:
    net = examples.net
    for block in examples.blocks(max_memory, arrays, extra):
        yield block, net.engine.forward(net.plan, net.parameters, block.X), net.W


def _seed(net: Network, Z: _A, da: _A, of: Of) -> _A:
    """δ^L for a cotangent of a^L or of z^L, (m, n_L)."""
    if of == "z":
        return da
    seed: _A = net.plan.activation(net.L).vjp(Z, da)
    return seed


def _seeds(net: Network, Z: _A, da: _A, of: Of) -> _A:
    """`_seed` of several cotangents, (S, m, n_L), at once."""
    n = net.sizes[-1]
    return _seed(net, np.tile(Z, (len(da), 1)), da.reshape(-1, n), of).reshape(da.shape)


def _to_input(at: Linearized, delta_L: _A) -> _A:
    x: _A = at.pull(delta_L[np.newaxis]).inputs()[:, 0]
    return x


def _one_hot(net: Network, m: int, output: int) -> _A:
    chosen = np.zeros((m, net.sizes[-1]), dtype=net.dtype)
    chosen[:, output] = 1
    return chosen


def _rows_like(values: Any, name: str, m: int, n: int, net: Network) -> Callable[[slice], _A]:
    """Read an array (m, n), or one row for all: a function that gives some rows of it in the network's dtype."""
    array, dtype = real_array(name, values), net.plan.dtype
    if array.shape == (m, n):
        return lambda rows: cast(array[rows], dtype, name, rows.start)
    if array.shape != (n,) and (array.ndim > 0 or name != "baseline"):
        hint = "One row of it is taken for all examples."
        expected, got = f"shape ({m}, {n}) or ({n},)", f"shape {array.shape}"
        raise InputError(text(name, expected=expected, got=got, hint=hint))
    one = cast(np.atleast_1d(array), dtype, name)
    return lambda rows: np.broadcast_to(one, (rows.stop - rows.start, n))


def _read_of(of: Any) -> Of:
    known: dict[str, Of] = {"a": "a", "z": "z"}
    if isinstance(of, str) and of in known:
        return known[of]
    raise unknown_name("of", of, known)


def _output(net: Network, output: Any) -> int:
    try:
        o = operator.index(output)
    except TypeError:
        o = -1
    if not 0 <= o < net.sizes[-1]:
        hint = "Outputs are counted from 0."
        expected = f"a whole number 0 to {net.sizes[-1] - 1}"
        raise InputError(text("output", expected=expected, got=repr(output), hint=hint))
    return o
