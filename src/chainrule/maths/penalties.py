"""Penalties on the weights: the L2 term of `cr.train` (E29)."""

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
