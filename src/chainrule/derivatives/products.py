"""Products with second derivatives of the batch cost in θ: Hessian, generalised Gauss-Newton and Fisher matrices.

None of them is ever formed: a product costs about as much as a gradient, and is exact. C is (E4), without any penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Block, Examples, total_of, vector_like_parameters
from chainrule.engine import reference, tangents
from chainrule.engine.backend import Linearized
from chainrule.engine.network import Network, check_network
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text, unknown_name
from chainrule.maths import costs
from chainrule.maths.pairs import HAVE_A_DISTRIBUTION, MATCHED, distribution

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Fisher = Literal["true", "empirical"]
"""What the expectation in a Fisher matrix is over."""
Kind = Literal["hessian", "ggn", "fisher", "empirical_fisher"]
"""Matrices that `as_linear_operator` knows."""

_ARRAYS = 14  # for each unit and example: a, z, g', δ, the tangents of these, what is on the way, and sums in halves
_VECTORS = 2  # like θ: the result, and a block's


def hvp(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    v: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """∂²C/∂θ² v, the product of the Hessian of the batch cost with a vector, exact (E31 to E33).

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    v : array (|θ|,)
        Laid out as `net.parameters`.
    sample_weight : array (m,), optional
        w_i ≥ 0.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    array (|θ|,) of the network's dtype

    Raises
    ------
    InputError
        For a bad X, Y, v or weights, and a budget in which not even one example is worked.
    DerivativeError
        For an activation or cost of the user's own without second derivatives.

    Examples
    --------
    With one weight and (a − y)², the second derivative is 2x²:

    >>> import chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([1, 1], "identity", bias=False, dtype="float64")
    >>> d.hvp(net, [[3.0]], [1.0], [1.0]).tolist()
    [18.0]

    Source: B. Pearlmutter, Fast exact multiplication by the Hessian, 1994.
    """
    return _product(_hessian, net, X, Y, v, sample_weight, max_memory)


def ggn_vp(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    v: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """G v with the generalised Gauss-Newton matrix G = Σ c_i JᵢᵀHᵢJᵢ (E34): the Hessian without the network's own.

    Jᵢ is ∂z^L/∂θ and Hᵢ = ∂²C_i/∂z² for a matched pair of output activation and cost, else ∂a^L/∂θ and ∂²C_i/∂a²; c_i
    is 1/m under the mean, 1 under the sum, or by weights. G is positive semidefinite wherever the cost is convex in
    that argument, as all that come with chainrule are. Needs no second derivative of an activation.

    Parameters, result and errors are those of `hvp`.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net = cr.Network([2, 3, 1], "tanh", dtype="float64")
    >>> v = np.arange(13.0)
    >>> bool(v @ d.ggn_vp(net, [[0.5, -1.0]], [2.0], v) > 0)
    True

    Source: N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, 2002.
    """
    return _product(_gauss_newton, net, X, Y, v, sample_weight, max_memory)


def fisher_vp(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike | None,
    v: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    kind: Fisher = "true",
    max_memory: int = MAX_MEMORY,
) -> NDArray[Any]:
    """F v with a Fisher matrix, F = Σ c_i E[∇C_i ∇C_iᵀ] (E35), c_i as in `ggn_vp`.

    Parameters
    ----------
    kind : "true" or "empirical"
        What the expectation is over. "true": targets drawn from the distribution that the network predicts, of which
        C_i is −ln p(y|a) but for a constant; that is G at Y = a^L, so that Y isn't used and may be None. "empirical":
        no expectation, the data's own targets.

    The other parameters, result and errors are those of `hvp`. "true" needs a cost with a distribution, InputError
    otherwise: squared_error (normal, variance ½), half_squared_error (normal, variance 1), binary_cross_entropy,
    poisson, cross_entropy of softmax outputs, or one of your own with `draw`.

    Examples
    --------
    For one example the empirical one is the gradient times its product with v:

    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, x, y, v = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0]], [2.0], np.ones(13)
    >>> g = net.value_and_gradient(x, y)[1].flat
    >>> np.allclose(d.fisher_vp(net, x, y, v, kind="empirical"), g * (g @ v))
    True

    Source: F. Kunstner et al., Limitations of the empirical Fisher approximation, 2019.
    """
    kinds: dict[str, _Formula] = {"true": _true_fisher, "empirical": _empirical_fisher}
    if not isinstance(kind, str) or kind not in kinds:
        raise unknown_name("kind", kind, kinds)
    return _product(kinds[kind], net, X, Y, v, sample_weight, max_memory)


def as_linear_operator(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    kind: Kind = "hessian",
    max_memory: int = MAX_MEMORY,
) -> LinearOperator:
    """Give one of these matrices, |θ| × |θ| and symmetric, as a SciPy LinearOperator.

    It keeps a copy of the network's present θ; X, Y and weights it reads anew for every product.

    Parameters
    ----------
    kind : "hessian", "ggn", "fisher" or "empirical_fisher"
        Whose products it gives: those of `hvp`, `ggn_vp`, or `fisher_vp`, true or empirical.

    The other parameters, and errors, are those of `hvp`.

    Examples
    --------
    The largest curvature, and its direction:

    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> from scipy.sparse.linalg import eigsh
    >>> net = cr.Network([2, 3, 1], "tanh", dtype="float64")
    >>> operator = d.as_linear_operator(net, [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0], kind="ggn")
    >>> values, vectors = eigsh(operator, k=1, v0=np.ones(13))
    >>> bool(np.allclose(operator @ vectors, values * vectors))
    True
    """
    from scipy.sparse.linalg import LinearOperator  # imported late: it takes longer than all of chainrule

    formulas: dict[str, _Formula] = {
        "hessian": _hessian,
        "ggn": _gauss_newton,
        "fisher": _true_fisher,
        "empirical_fisher": _empirical_fisher,
    }
    if not isinstance(kind, str) or kind not in formulas:
        raise unknown_name("kind", kind, formulas)
    examples = _examples(formulas[kind], net, X, Y, sample_weight)
    n, theta = net.plan.n_parameters, net.parameters.copy()

    def product(v: NDArray[Any]) -> NDArray[Any]:
        return _sum_over_blocks(
            formulas[kind], examples, theta, vector_like_parameters(net.plan, v.ravel()), max_memory
        )

    product(np.zeros(n))  # what can't be worked is said here, and not in the midst of eigsh
    return LinearOperator((n, n), matvec=product, rmatvec=product, dtype=net.dtype)


_Formula = Callable[[Plan, Linearized, Block, NDArray[Any]], NDArray[Any]]


def _product(
    formula: _Formula,
    net: Network,
    X: ArrayLike,
    Y: ArrayLike | None,
    v: ArrayLike,
    sample_weight: ArrayLike | None,
    max_memory: int,
) -> NDArray[Any]:
    examples = _examples(formula, net, X, Y, sample_weight)
    return _sum_over_blocks(formula, examples, net.parameters, vector_like_parameters(net.plan, v), max_memory)


def _examples(
    formula: _Formula, net: Network, X: ArrayLike, Y: ArrayLike | None, sample_weight: ArrayLike | None
) -> Examples:
    """Check what a formula needs; the true Fisher matrix needs a distribution, and no targets."""
    if formula is _true_fisher:
        check_likelihood(net, "ggn_vp needs no distribution, nor does the empirical Fisher matrix.")
        return Examples.of(net, X, sample_weight)
    return Examples.with_targets(net, X, Y, sample_weight)


def _sum_over_blocks(
    formula: _Formula, examples: Examples, theta: NDArray[Any], v: NDArray[Any], max_memory: int
) -> NDArray[Any]:
    net, fixed = examples.net, _VECTORS * examples.net.plan.n_parameters
    parts = (
        formula(net.plan, block.linearized(theta), block, v)
        for block in examples.blocks(max_memory, _ARRAYS, fixed=fixed, networks=2)
    )
    return total_of(parts)


def _hessian(plan: Plan, at: Linearized, block: Block, v: NDArray[Any]) -> NDArray[Any]:
    pushed = at.push(v)
    delta = reference.output_delta(plan, at.z, at.a, block.Y)
    product: NDArray[Any] = at.bend(pushed, delta, tangents.output_delta(plan, at.z, at.a, pushed.z, block.Y)).gradient(
        block.c
    )
    return product


def _gauss_newton(plan: Plan, at: Linearized, block: Block, v: NDArray[Any]) -> NDArray[Any]:
    return _pulled_back(plan, at, block, v, block.Y)


def _true_fisher(plan: Plan, at: Linearized, block: Block, v: NDArray[Any]) -> NDArray[Any]:
    """The Hessian of −ln p in a is linear in y for each of these costs: its expectation is that at E[y] = a^L."""
    return _pulled_back(plan, at, block, v, at.a)


def _pulled_back(plan: Plan, at: Linearized, block: Block, v: NDArray[Any], Y: Any) -> NDArray[Any]:
    seeds = tangents.gauss_newton_delta(plan, at.z, at.a, at.push(v).z, Y)
    product: NDArray[Any] = at.pull(seeds[np.newaxis]).gradient(block.c)
    return product


def _empirical_fisher(plan: Plan, at: Linearized, block: Block, v: NDArray[Any]) -> NDArray[Any]:
    """⟨∇C_i, v⟩ is R{C_i} = ⟨δ^L, R{z^L}⟩: no gradient of an example is needed."""
    delta = reference.output_delta(plan, at.z, at.a, block.Y)
    c = block.c * np.sum(delta * at.push(v).z, axis=1)
    product: NDArray[Any] = at.pull(delta[np.newaxis]).gradient(c)
    return product


def check_likelihood(net: Network, hint: str) -> None:
    """Refuse a cost that is not −ln p(y|a) of a distribution. Raises InputError."""
    check_network(net)
    g, cost = net.plan.activation(net.L), net.cost_function
    if distribution(g, cost) is not None:
        return
    needy = {name for (_, name), pair in MATCHED.items() if pair.draw is not None}
    got = f"{cost.name} of {g.name} outputs" if cost.name in needy else cost.name
    expected = f"a cost that is −ln p(y|a) of a distribution: one of {', '.join(HAVE_A_DISTRIBUTION)}"
    if costs.family(cost) is None:
        hint = f"Give cr.Cost(…, draw=…): targets of such a distribution. {hint}"
    raise InputError(text("cost", expected=expected, got=got, hint=hint))
