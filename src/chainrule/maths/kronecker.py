"""K-FAC's formulas for one layer: its direction, how damping is split between two factors, its rescaling (E68 to E70).

V is the gradient in 𝒲^ℓ with that in b^ℓ, where there is one, as its last row: (n, n_ℓ), n = n_{ℓ−1} + 1, or n_{ℓ−1}.
A, (n, n), and G, (n_ℓ, n_ℓ), are the Kronecker factors of the layer's curvature (E44).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def direction(inverse_A: NDArray[Any], V: NDArray[Any], inverse_G: NDArray[Any]) -> NDArray[Any]:
    """P = Ã⁻¹ V G̃⁻¹, (n, n_ℓ), of the inverses of the damped factors (E68). The step of the layer is that along −P.

    It solves (Ã ⊗ G̃) p = v for the rows of P and V one behind the other.

    >>> direction(np.array([[0.5]]), np.array([[6.0, 4.0]]), np.diag([1.0, 0.25])).tolist()
    [[3.0, 0.5]]

    Source: J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, 2015.
    """
    product: NDArray[Any] = inverse_A @ (V @ inverse_G)
    return product


def split_damping(A: NDArray[Any], G: NDArray[Any], damping: float) -> tuple[float, float]:
    """(π√λ, √λ/π) with π² = (tr A/n)/(tr G/n_ℓ), which are added to the diagonals of A and of G (E69).

    Their product is λ: beside λI, they add π√λ I ⊗ G + √λ/π A ⊗ I, whose trace is the least for this π. π is 1 where a
    factor is 0, as that of a layer whose units are all dead.

    >>> split_damping(np.diag([8.0, 8.0]), np.array([[2.0]]), 0.01)
    (0.2, 0.05)

    Source: Martens and Grosse 2015, section 6.3.
    """
    of_A, of_G = (float(np.trace(factor, dtype=np.float64)) / len(factor) for factor in (A, G))
    pi = math.sqrt(of_A / of_G) if of_A > 0 and of_G > 0 else 1.0
    root = math.sqrt(damping)
    return pi * root, root / pi


def rescaling(change: float, clip: float) -> float:
    """ν = min(1, √(κ/q)), q = Σ_ℓ η_ℓ²⟨P^ℓ, V^ℓ⟩ (E70): the step −ηνP has pᵀFp ≤ κ, twice the change in KL divergence.

    q is what F̂, the matrix that P was made by, gives for the step −ηP. κ = ∞ leaves every step as it is.

    >>> rescaling(0.25, 0.01), rescaling(0.001, 0.01)
    (0.2, 1.0)

    Source: J. Ba, R. Grosse and J. Martens, Distributed second-order optimization using Kronecker-factored
    approximations, 2017, section 5.
    """
    return min(1.0, math.sqrt(clip / change)) if change > 0 else 1.0
