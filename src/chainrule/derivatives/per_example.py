"""What each example's own gradient is, and sums over them that never form all of them (E36 to E40).

∇C_i is the gradient of one example's cost, neither averaged nor weighted: what `net.value_and_gradient` gives for that
example alone. As ∂C_i/∂𝒲^ℓ is the outer product of a^{ℓ−1} and δ^ℓ (E7), its norm and the squares of its entries are
products of norms and of squares, and one pass over the batch gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Block, Examples, total_of
from chainrule.derivatives.parameters import write_gradients
from chainrule.engine import reference
from chainrule.engine.backend import Pulled
from chainrule.engine.inputs import check_finite
from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.maths.settings import real_number

_A = NDArray[Any]
_ARRAYS = 9  # for each unit and example: a, z, g', δ, squares of a and δ, and what is on the way
_VECTORS = 2  # like θ: the sum, and a block's
_CANCELLED = 1e-3  # of Σ (∇C_i)² is left of it: then a float32 has about four digits of the difference


def per_example_gradients(net: Network, X: ArrayLike, Y: ArrayLike, *, max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """∇C_i of each example, (m, |θ|): (E7), (E8) without the sum over examples.

    That is m·|θ| numbers: ask for them only if you need them all. Norms, sums of squares and clipped sums have
    functions of their own, which never form them.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (m, |θ|) of the network's dtype
        Row i is laid out as `net.parameters`.

    Raises
    ------
    InputError
        For a bad X or Y, and a budget in which not even one example is worked.

    Examples
    --------
    Their mean is the gradient of the batch:

    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> g = d.per_example_gradients(net, X, Y)
    >>> g.shape, np.allclose(g.mean(axis=0), net.value_and_gradient(X, Y)[1].flat)
    ((2, 13), True)
    """
    examples, plan = Examples.with_targets(net, X, Y), net.plan
    result = np.empty((len(examples), plan.n_parameters), dtype=net.dtype)
    W, theta = net.W, net.parameters
    for block in examples.blocks(max_memory, _ARRAYS):
        run = net.engine.forward(plan, theta, block.X)
        delta = reference.propagate(plan, W, run, reference.output_delta(plan, run.z[plan.L], run.a[plan.L], block.Y))
        write_gradients(plan, run, delta, result[block.rows])
    return result


def per_example_norms(net: Network, X: ArrayLike, Y: ArrayLike, *, max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """‖∇C_i‖₂ of each example, (m,): ‖∇C_i‖² = Σ_ℓ ‖δ^ℓ‖²(‖a^{ℓ−1}‖² + 1), without the 1 where there is no bias (E36).

    Large where an example pulls hardest at the parameters: mislabelled and odd examples are among them.

    Parameters and errors are those of `per_example_gradients`, of which none is formed.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> np.allclose(d.per_example_norms(net, X, Y), np.linalg.norm(d.per_example_gradients(net, X, Y), axis=1))
    True

    Source: I. Goodfellow, Efficient per-example gradient computations, 2015.
    """
    examples = Examples.with_targets(net, X, Y)
    norms = np.empty(len(examples), dtype=net.dtype)
    for block, pulled in _pulled(examples, max_memory, fixed=0):
        norms[block.rows] = _norms(pulled)
    return norms


def sum_of_squares(net: Network, X: ArrayLike, Y: ArrayLike, *, max_memory: int = MAX_MEMORY) -> NDArray[Any]:
    """Σ_i (∇C_i)², squared entry by entry, (|θ|,): for 𝒲^ℓ it is (A^{ℓ−1})²ᵀ(Δ^ℓ)² with squared entries (E37).

    Not divided by anything.

    Parameters and errors are those of `per_example_gradients`.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> np.allclose(d.sum_of_squares(net, X, Y), (d.per_example_gradients(net, X, Y) ** 2).sum(axis=0))
    True

    Source: F. Dangel et al., BackPACK: packing more into backprop, 2020.
    """
    passes = _pulled(Examples.with_targets(net, X, Y), max_memory, fixed=_VECTORS * net.plan.n_parameters)
    return total_of(pulled.squares(1.0) for _, pulled in passes)


def gradient_variance(
    net: Network, X: ArrayLike, Y: ArrayLike, ddof: int = 0, *, max_memory: int = MAX_MEMORY
) -> NDArray[Any]:
    """Variance of ∇C_i over the examples, entry by entry, (|θ|,): [Σ_i (∇C_i)² − (Σ_i ∇C_i)²/m]/(m − ddof) (E38).

    Parameters
    ----------
    ddof : 0 or 1
        What is taken off m in the denominator: 0 for the variance of these examples, 1 for an unbiased estimate of that
        of the population that they are drawn from.

    The other parameters and errors are those of `per_example_gradients`; InputError, too, for fewer than ddof + 1
    examples. A float32 network's are taken in float64 where the difference would cost an entry its last three digits.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> np.allclose(d.gradient_variance(net, X, Y), d.per_example_gradients(net, X, Y).var(axis=0))
    True
    """
    if not isinstance(ddof, int | np.integer) or ddof not in (0, 1):
        hint = "0 divides by m, 1 by m − 1."
        raise InputError(text("ddof", expected="0 or 1", got=repr(ddof), hint=hint))
    examples = Examples.with_targets(net, X, Y)
    m = len(examples)
    if m <= ddof:
        hint = "Give more examples, or ddof=0."
        raise InputError(text("X", expected="at least two rows for ddof=1", got="one row", hint=hint))
    spread, squares = _spread(examples, max_memory)
    squares *= _CANCELLED
    if (spread < squares).any():
        if net.dtype != np.float64:
            spread, _ = _spread(examples.in_float64(), max_memory)
        np.maximum(spread, 0, out=spread)  # which rounding can leave below
    spread /= m - ddof
    return spread.astype(net.dtype, copy=False)


class NoiseScale(NamedTuple):
    """How noisy gradients of single examples are: `scale` = `trace`/`squared_norm`, infinite where the latter is ≤ 0.

    `trace` is the trace of the covariance of ∇C_i (denominator m − 1); `squared_norm` estimates the squared norm of the
    population's mean gradient without bias, ‖mean of ∇C_i‖² − trace/m.
    """

    scale: float
    trace: float
    squared_norm: float


def gradient_noise_scale(net: Network, X: ArrayLike, Y: ArrayLike, *, max_memory: int = MAX_MEMORY) -> NoiseScale:
    """B = tr(Σ)/‖G‖², the batch size at which noise and gradient are of one size (E39).

    tr(Σ) = [Σ_i ‖∇C_i‖² − ‖Σ_i ∇C_i‖²/m]/(m − 1) and ‖G‖² = ‖Σ_i ∇C_i/m‖² − tr(Σ)/m, both unbiased. Batches much
    smaller than B waste few examples, much larger ones few steps.

    Parameters and errors are those of `per_example_gradients`; InputError, too, for a single example.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([1, 1], "identity", bias=False, initializer="zeros", dtype="float64")
    >>> d.gradient_noise_scale(net, [[1.0], [1.0]], [1.0, 3.0])  # gradients −2 and −6
    NoiseScale(scale=0.6666666666666666, trace=8.0, squared_norm=12.0)

    Source: S. McCandlish et al., An empirical model of large-batch training, 2018, appendix A.
    """
    examples = Examples.with_targets(net, X, Y)
    m = len(examples)
    if m < 2:
        hint = "How much gradients differ takes two of them."
        raise InputError(text("X", expected="at least two rows", got="one row", hint=hint))
    if net.dtype != np.float64:
        check_finite(examples.X, net.plan.dtype, "X")  # as float64 holds what the network doesn't
    total, squares = np.zeros(net.plan.n_parameters), 0.0
    for _, pulled in _pulled(examples.in_float64(), max_memory, fixed=_VECTORS * net.plan.n_parameters):
        total += pulled.gradient(1.0)
        squares += float(pulled.squared_norms().sum())
    norm = float(total @ total)
    trace = max(squares - norm / m, 0.0) / (m - 1)
    squared_norm = norm / m**2 - trace / m
    return NoiseScale(trace / squared_norm if squared_norm > 0 else math.inf, trace, squared_norm)


def clipped_gradient(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    max_norm: float,
    sample_weight: ArrayLike | None = None,
    *,
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """Σ c_i min(1, max_norm/‖∇C_i‖) ∇C_i, (|θ|,): each example's gradient is shortened before they are added up (E40).

    c_i is 1/m under the mean, 1 under the sum, or by weights, as in ∇C. Rows of every Δ^ℓ are scaled before (E7).

    Parameters
    ----------
    max_norm : float
        Length that no example's gradient exceeds, > 0.
    sample_weight : array (m,), optional
        w_i ≥ 0, applied after clipping.

    The other parameters and errors are those of `per_example_gradients`.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> bool(np.linalg.norm(d.clipped_gradient(net, X, Y, max_norm=0.1)) <= 0.1)
    True

    Source: M. Abadi et al., Deep learning with differential privacy, 2016.
    """
    limit = real_number(max_norm)
    if limit is None or not limit > 0:
        hint = "It is the length that no example's gradient exceeds."
        raise InputError(text("max_norm", expected="a number > 0", got=repr(max_norm), hint=hint))
    examples = Examples.with_targets(net, X, Y, sample_weight)

    def clipped() -> Iterator[_A]:
        for block, pulled in _pulled(examples, max_memory, fixed=_VECTORS * net.plan.n_parameters):
            norms = _norms(pulled)
            if not np.isfinite(norms).all():  # a factor of 0 or NaN would leave the example out without a word
                row = block.rows.start + int(np.argmin(np.isfinite(norms)))
                hint = "Outputs or derivatives overflow there: look at the row, and at net.parameters."
                got = str(norms[row - block.rows.start])
                raise InputError(text(f"gradient of X[{row}]", expected="a finite length", got=got, hint=hint))
            kept = np.divide(limit, norms, out=np.ones_like(norms), where=norms > limit)
            yield pulled.gradient((block.c * kept).astype(net.dtype))

    return total_of(clipped())


def _norms(pulled: Pulled) -> NDArray[np.float64]:
    """‖∇C_i‖, (m,), infinite where the square is not a number of float64."""
    with np.errstate(over="ignore", invalid="ignore"):  # the core's arithmetic says nothing either
        norms: NDArray[np.float64] = np.sqrt(pulled.squared_norms())
    return norms


def _pulled(examples: Examples, max_memory: int, fixed: int) -> Iterator[tuple[Block, Pulled]]:
    """Every δ^ℓ (E5, E6), block by block."""
    net = examples.net
    for block in examples.blocks(max_memory, _ARRAYS, fixed=fixed):
        at = block.linearized(net.parameters)
        yield block, at.pull(reference.output_delta(net.plan, at.z, at.a, block.Y)[np.newaxis])


def _spread(examples: Examples, max_memory: int) -> tuple[_A, _A]:
    """Σ_i (∇C_i)² − (Σ_i ∇C_i)²/m and Σ_i (∇C_i)², (|θ|,)."""
    passes = _pulled(examples, max_memory, fixed=2 * _VECTORS * examples.net.plan.n_parameters)
    sums = ((pulled.gradient(len(examples) ** -0.5), pulled.squares(1.0)) for _, pulled in passes)
    total, squares = next(sums)
    for g, g2 in sums:
        total += g
        squares += g2
    np.multiply(total, total, out=total)
    return np.subtract(squares, total, out=total), squares
