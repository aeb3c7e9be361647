"""Penalties on the weights: the L2 term of `cr.train` (E29)."""

from __future__ import annotations

from chainrule.maths.arrays import Array, array_namespace


def l2(parameters: Array, penalized: Array, strength: float) -> Array:
    """λ/2 Σ W² (E29), over the weights; θ and the 0-1 vector `penalized` are (|θ|,), λ = strength ≥ 0. A scalar."""
    weights = penalized * parameters
    return 0.5 * strength * array_namespace(parameters).sum(weights * weights)


def l2_gradient(parameters: Array, penalized: Array, strength: float) -> Array:
    """λW at the weights, 0 at the biases. (|θ|,)."""
    return strength * (penalized * parameters)
