"""Penalties on the weights: the L2 and the L1 term of `cr.train` (E29, E52). Biases are free of both."""

from __future__ import annotations

from chainrule.maths.arrays import Array, array_namespace


def squares(parameters: Array, penalized: Array) -> Array:
    """Σ W² over the weights; θ and the 0-1 vector `penalized` are (|θ|,). A scalar."""
    weights = penalized * parameters
    return array_namespace(parameters).sum(weights * weights)


def l2_of(squares: Array, strength: Array | float) -> Array:
    """λ/2 Σ W² (E29) of Σ W² and λ = strength ≥ 0, scalars or arrays of one shape."""
    return 0.5 * strength * squares


def l2(parameters: Array, penalized: Array, strength: float) -> Array:
    """λ/2 Σ W² (E29), over the weights; θ and the 0-1 vector `penalized` are (|θ|,), λ = strength ≥ 0. A scalar."""
    return l2_of(squares(parameters, penalized), strength)


def l2_gradient(parameters: Array, penalized: Array, strength: float) -> Array:
    """λW at the weights, 0 at the biases. (|θ|,)."""
    return strength * (penalized * parameters)


def l1(parameters: Array, penalized: Array, strength: float) -> Array:
    """λ₁ Σ |W| (E52), over the weights; θ and the 0-1 vector `penalized` are (|θ|,), λ₁ = strength ≥ 0. A scalar.

    Examples
    --------
    >>> import numpy as np
    >>> theta, weights = np.array([2.0, -3.0, 9.0]), np.array([1.0, 1.0, 0.0])
    >>> float(l1(theta, weights, 0.1)), l1_gradient(theta, weights, 0.1).tolist()
    (0.5, [0.1, -0.1, 0.0])

    Source: R. Tibshirani, Regression shrinkage and selection via the lasso, 1996.
    """
    xp = array_namespace(parameters)
    return strength * xp.sum(xp.abs(penalized * parameters))


def penalty_of(parameters: Array, penalized: Array, of_l2: float, of_l1: float = 0.0) -> float:
    """λ/2 Σ W² + λ₁ Σ |W| (E29, E52); θ and `penalized` as above.

    >>> import numpy as np
    >>> penalty_of(np.array([2.0, -3.0, 9.0]), np.array([1.0, 1.0, 0.0]), 0.1, 0.1)
    1.15
    """
    found = float(l2(parameters, penalized, of_l2)) if of_l2 else 0.0
    return found + float(l1(parameters, penalized, of_l1)) if of_l1 else found


def l1_gradient(parameters: Array, penalized: Array, strength: float) -> Array:
    """λ₁ sign(W) at the weights, 0 at the biases and where W = 0, the subgradient in the middle. (|θ|,)."""
    return strength * (penalized * array_namespace(parameters).sign(parameters))
