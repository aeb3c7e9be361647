"""Kronecker factors of curvature: A of what goes into a layer, G of what comes back to it (E44 to E46).

The gradient in 𝒲^ℓ, with b^ℓ as its last row, is the outer product of ā and δ^ℓ (E7), where ā is a^{ℓ−1} with a 1
behind it; its second moment is approximated by the product of those of ā and δ^ℓ, layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives import cotangents
from chainrule.derivatives.curvature import with_cotangents
from chainrule.derivatives.eigen import eigen
from chainrule.derivatives.examples import MAX_MEMORY, vector_like_parameters
from chainrule.engine.network import Network, check_network
from chainrule.engine.plan import ByLayer, Plan
from chainrule.errors import InputError, text, unknown_name
from chainrule.maths.settings import real_number

Factoring = Literal["kflr", "kfac", "empirical"]
"""What G is made of."""

_A = NDArray[Any]
_ARRAYS = 8  # for each unit and example: a, ā, z, δ, and what is on the way


@dataclass(frozen=True, eq=False, repr=False)
class KroneckerFactors:
    """For each layer ℓ = 1..L a pair of symmetric matrices, A[ℓ] ⊗ G[ℓ] ≈ the layer's block of the curvature (E44).

    A[ℓ] is (n_{ℓ−1} + 1, n_{ℓ−1} + 1), the bias last, or (n_{ℓ−1}, n_{ℓ−1}) where there is none; G[ℓ] is (n_ℓ, n_ℓ).
    What `kronecker_solve` finds of them is kept.
    """

    plan: Plan
    A: ByLayer[_A]
    G: ByLayer[_A]

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.A!r}, {self.G!r}"

    @cached_property
    def eigen(self) -> dict[int, tuple[_A, _A, _A, _A]]:
        """Eigenvalues and eigenvectors of A[ℓ], then of G[ℓ], in float64. Raises InputError for a NaN."""
        found = {}
        for layer in self.plan.layers:
            for name, factor in (("A", self.A[layer]), ("G", self.G[layer])):
                if not np.isfinite(factor).all():
                    hint = "The network's outputs or derivatives overflow: look at its parameters."
                    got = "a NaN or infinite one"
                    raise InputError(text(f"factors.{name}[{layer}]", expected="finite numbers", got=got, hint=hint))
            found[layer] = (*eigen(self.A[layer]), *eigen(self.G[layer]))
        return found


def kronecker_factors(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
    *,
    kind: Factoring = "kflr",
    samples: int = 1,
    seed: int | np.random.Generator | None = 0,
    max_memory: int = MAX_MEMORY,
) -> KroneckerFactors:
    """A^ℓ = E[ā āᵀ] and G^ℓ = Σ_i c_i Σ_s δ^{ℓ,s}δ^{ℓ,s}ᵀ for each layer (E44): A^ℓ ⊗ G^ℓ ≈ its block of curvature.

    ā is a^{ℓ−1} with a 1 behind it where there is a bias; E is the mean over the examples, by their weights. c_i is 1/m
    under the mean, so that G^ℓ is a mean, too; under the sum it is 1, as in the cost, so that G^ℓ, and with it the
    product, is that of the batch. Exact for a single example, and where δδᵀ is the same for all, as in one linear layer
    with squared error.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L). None will do for "kfac".
    sample_weight : array (m,), optional
        w_i ≥ 0.
    kind : "kflr", "kfac" or "empirical"
        What δ^{L,s} are. "kflr": the columns of a factor of the cost's curvature, as in `ggn_diagonal`: A ⊗ G is of the
        Gauss-Newton matrix (E34). "kfac": δ^L/√samples of targets drawn from the distribution that the network
        predicts: of the true Fisher matrix (E35). "empirical": δ^L of Y: of the empirical one.
    samples : int
        Targets drawn for each example by "kfac".
    seed : int ≥ 0, numpy Generator, or None
        The same seed gives the same targets, whatever max_memory is.
    max_memory : int
        Bytes of workspace at most, beside the result.

    Returns
    -------
    KroneckerFactors
        `A[l]`, `G[l]`, of the network's dtype.

    Raises
    ------
    InputError
        For a bad X, Y or weights, an unknown kind, samples < 1, a cost without a distribution to draw from, and a
        budget in which not even one example is worked.
    DerivativeError
        For "kflr" of a cost of the user's own without second derivatives.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0]], [2.0]
    >>> factors = d.kronecker_factors(net, X, Y)
    >>> factors
    KroneckerFactors: A{1: (3, 3), 2: (4, 4)}, G{1: (3, 3), 2: (1, 1)}
    >>> G = np.array([d.ggn_vp(net, X, Y, unit) for unit in np.eye(13)])
    >>> np.allclose(np.kron(factors.A[1], factors.G[1]), G[:9, :9])
    True

    Source: J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, 2015;
    A. Botev et al., Practical Gauss-Newton optimisation for deep learning, 2017 (KFLR).
    """
    check_network(net)
    return factors_at(net, net.parameters, X, Y, sample_weight, kind, samples, seed, max_memory)


def factors_at(
    net: Network,
    theta: NDArray[Any],
    X: ArrayLike,
    Y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    kind: Factoring,
    samples: int = 1,
    seed: int | np.random.Generator | None = 0,
    max_memory: int = MAX_MEMORY,
) -> KroneckerFactors:
    """`kronecker_factors` at θ, (|θ|,), of the network's dtype, which needn't be the network's own."""
    sources = {"kflr": cotangents.gauss_newton, "kfac": None, "empirical": cotangents.of_targets}
    if not isinstance(kind, str) or kind not in sources:
        raise unknown_name("kind", kind, sources)
    hint = 'kind="kflr" and kind="empirical" need none.'
    examples, source, extra = with_cotangents(net, X, Y, sample_weight, sources[kind], samples, seed, hint)
    plan = net.plan
    shapes = [(n_in + bias, n_out) for n_in, bias, n_out in zip(plan.sizes, plan.bias, plan.sizes[1:], strict=False)]
    fixed, total = 2 * sum(n_in**2 + n_out**2 for n_in, n_out in shapes), 0.0
    A: list[_A] = []
    G: list[_A] = []
    for block in examples.blocks(max_memory, _ARRAYS, extra, fixed):
        at = block.linearized(theta)
        _add(A, 1, at.moments(block.c))
        for sign, seeds in source(plan, at, block.Y):
            _add(G, sign, at.pull(seeds).moments(block.c))
        total += block.c * len(block) if isinstance(block.c, float) else float(block.c.sum(dtype=np.float64))
    if plan.reduction == "sum":  # else the examples' shares add up to 1
        for factor in A:
            factor /= total
    G = G or [np.zeros((n_out, n_out), dtype=net.dtype) for _, n_out in shapes]  # of a cost that is not curved at all
    return KroneckerFactors(plan, *(ByLayer(name, dict(enumerate(f, start=1))) for name, f in (("A", A), ("G", G))))


def kronecker_matvec(factors: KroneckerFactors, v: ArrayLike) -> NDArray[Any]:
    """(A^ℓ ⊗ G^ℓ) v for each layer's part of v, (|θ|,): A^ℓ V^ℓ G^ℓ, V^ℓ being d𝒲^ℓ with db^ℓ as its last row (E45).

    Parameters
    ----------
    factors : KroneckerFactors
    v : array (|θ|,)
        Laid out as `net.parameters`.

    Returns
    -------
    array (|θ|,) of the network's dtype

    Raises
    ------
    InputError
        For a v of another shape, or that is not finite.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3], "identity", dtype="float64"), np.eye(2), np.ones((2, 3))
    >>> v = np.arange(9.0)  # of one layer with a constant Hessian of the cost: the Gauss-Newton matrix itself
    >>> np.allclose(d.kronecker_matvec(d.kronecker_factors(net, X, Y), v), d.ggn_vp(net, X, Y, v))
    True
    """
    parts = _by_layer(factors.plan, vector_like_parameters(factors.plan, v))
    return np.concatenate([(factors.A[layer] @ V @ factors.G[layer]).ravel() for layer, V in parts.items()])


def kronecker_solve(factors: KroneckerFactors, v: ArrayLike, *, damping: float = 0.0) -> NDArray[Any]:
    """(A^ℓ ⊗ G^ℓ + λI)⁻¹ v for each layer's part of v, (|θ|,): P[(PᵀV^ℓQ)_kj/(α_k β_j + λ)]Qᵀ, exact (E46).

    A^ℓ = P diag(α) Pᵀ, G^ℓ = Q diag(β) Qᵀ; V^ℓ is d𝒲^ℓ with db^ℓ as its last row. The eigenvalues are found once for
    these factors, in float64 and on one thread: each v and λ after the first costs four products a layer. One that is
    below 0 by rounding alone counts as 0.

    Parameters
    ----------
    factors : KroneckerFactors
    v : array (|θ|,)
        Laid out as `net.parameters`; ∇C gives a step of natural gradient.
    damping : float
        λ ≥ 0.

    Returns
    -------
    array (|θ|,) of the network's dtype

    Raises
    ------
    InputError
        For a bad v or damping, factors that are not finite, and a matrix that is singular to rounding.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule import derivatives as d
    >>> net, X, Y = cr.Network([2, 3, 1], "tanh", dtype="float64"), [[0.5, -1.0], [2.0, 0.5]], [2.0, 0.0]
    >>> factors, v = d.kronecker_factors(net, X, Y), np.arange(13.0)
    >>> u = d.kronecker_solve(factors, v, damping=0.1)
    >>> np.allclose(d.kronecker_matvec(factors, u) + 0.1 * u, v)
    True
    """
    lam = real_number(damping)
    if lam is None or not 0 <= lam < np.inf:
        hint = "It is added to every eigenvalue."
        raise InputError(text("damping", expected="a finite number ≥ 0", got=repr(damping), hint=hint))
    solved = []
    for layer, V in _by_layer(factors.plan, vector_like_parameters(factors.plan, v)).items():
        alpha, P, beta, Q = factors.eigen[layer]
        (alpha, full), (beta, full_too) = _cleared(alpha, factors.A[layer]), _cleared(beta, factors.G[layer])
        divisors = np.outer(alpha, beta) + lam
        if (lam == 0 and not (full and full_too)) or not divisors.all():
            largest = np.abs(alpha).max() * np.abs(beta).max()
            hint = f"A thousandth of its largest eigenvalue is {largest / 1000:.2g}."
            got = f"{lam!r}, with which it is singular to rounding"
            expected = f"a number that makes A ⊗ G + λI of layer {layer} invertible"
            raise InputError(text("damping", expected=expected, got=got, hint=hint))
        solved.append((P @ ((P.T @ V @ Q) / divisors) @ Q.T).ravel())
    return np.concatenate(solved).astype(factors.plan.dtype)


def _cleared(values: _A, factor: _A) -> tuple[_A, bool]:
    """Eigenvalues without negative ones that are rounding, and whether none is rounding."""
    rounding = len(values) * np.finfo(factor.dtype).eps * np.abs(values).max()
    small = np.abs(values) <= rounding
    return np.where(small, np.maximum(values, 0), values), not small.any()


def _by_layer(plan: Plan, v: _A) -> dict[int, _A]:
    """V^ℓ, (n_{ℓ−1} + 1, n_ℓ), by layer: in θ's order b^ℓ is the row behind those of 𝒲^ℓ. Views."""
    parts, ends = {}, {**plan.weight_blocks, **plan.bias_blocks}
    for layer in plan.layers:
        parts[layer] = v[plan.weight_blocks[layer].start : ends[layer].stop].reshape(-1, plan.sizes[layer])
    return parts


def _add(sums: list[_A], sign: int, moments: list[_A]) -> None:
    """Add the moments of every layer to their sums, which the first ones become."""
    if not sums:
        sums.extend(moment if sign > 0 else -moment for moment in moments)
        return
    for total, moment in zip(sums, moments, strict=True):
        (np.add if sign > 0 else np.subtract)(total, moment, out=total)
