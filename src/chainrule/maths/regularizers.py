"""What a step changes about its batch, gradient and parameters, and what it adds to C (E53 to E61), in Array API calls.

The masks of dropout (E51) and the random numbers of (E56) are drawn in masks.py, penalties (E29, E52) are in
penalties.py; in which order a step applies all of these is in training/minibatches/step_gradient.py.
"""

from __future__ import annotations

from chainrule.errors import InputError, text
from chainrule.maths.arrays import Array, array_namespace

SMOOTHED = ("cross_entropy", "binary_cross_entropy")
"""The costs whose targets are probabilities, which (E55) moves towards equal ones."""


def decayed(parameters: Array, weights: Array, rate: Array | float, strength: float) -> Array:
    """(E53) W ← W − ηλ_d W at the weights, apart from the gradient, so that no rule scales it. (|θ|,).

    θ and the 0-1 vector `weights` are (|θ|,); η = rate is a number, or (|θ|,); λ_d = strength ≥ 0.

    Examples
    --------
    >>> import numpy as np
    >>> decayed(np.array([2.0, 3.0]), np.array([1.0, 0.0]), 0.5, 0.1).tolist()
    [1.9, 3.0]

    Source: I. Loshchilov and F. Hutter, Decoupled weight decay regularization, 2019.
    """
    return parameters - (rate * strength) * (weights * parameters)


def within_norm(W: Array, limit: float) -> Array:
    """(E54) Each column of 𝒲, the weights into one unit, times min(1, c/‖column‖), c = limit > 0. (n_{ℓ−1}, n_ℓ).

    Examples
    --------
    >>> import numpy as np
    >>> within_norm(np.array([[3.0, 0.3], [4.0, 0.4]]), 1.0).round(3).tolist()
    [[0.6, 0.3], [0.8, 0.4]]

    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014, section 5.1.
    """
    xp = array_namespace(W)
    return W * shrinking(xp.sqrt(xp.sum(W * W, axis=0)), limit)


def shrinking(norms: Array, limit: float) -> Array:
    """min(1, c/‖·‖) of lengths of any shape, c = limit > 0: (E54) of columns, (E58) of examples' gradients.

    >>> import numpy as np
    >>> shrinking(np.array([0.0, 1.0, 4.0]), 2.0).tolist()
    [1.0, 1.0, 0.5]
    """
    xp = array_namespace(norms)
    longer = norms > limit
    return xp.where(longer, limit / xp.where(longer, norms, xp.ones_like(norms)), xp.ones_like(norms))


def clipped(gradient: Array, norm: float, limit: float) -> Array:
    """(E57) g·c/‖g‖ where ‖g‖ = norm is larger than c = limit > 0, else g. (|θ|,).

    >>> import numpy as np
    >>> clipped(np.array([3.0, 4.0]), 5.0, 1.0).round(3).tolist()
    [0.6, 0.8]

    Source: R. Pascanu et al., On the difficulty of training recurrent neural networks, 2013.
    """
    return gradient * (limit / norm) if norm > limit else gradient


def equal_share(cost: str, n_out: int) -> float:
    """What (E55) moves the targets of a cost towards: 1/n_L of classes, ½ of an output that is yes or no by itself.

    Raises InputError for a cost that is none of SMOOTHED, by the name of `cr.train`'s argument.

    >>> equal_share("cross_entropy", 10), equal_share("binary_cross_entropy", 10)
    (0.1, 0.5)
    """
    if cost not in SMOOTHED:
        hint = "Leave label_smoothing out: the targets of this cost are no probabilities."
        raise InputError(text("label_smoothing", expected=f"a cost of {', '.join(SMOOTHED)}", got=cost, hint=hint))
    return 1 / n_out if cost == "cross_entropy" and n_out > 1 else 0.5


def smoothed(Y: Array, amount: float, share: float) -> Array:
    """(E55) y ← (1 − ε)y + ε·share, ε = amount in [0, 1), with the share of `equal_share`. (m, n_L).

    >>> import numpy as np
    >>> smoothed(np.array([[0.0, 1.0, 0.0, 0.0]]), 0.1, 0.25).round(3).tolist()
    [[0.025, 0.925, 0.025, 0.025]]

    Source: C. Szegedy et al., Rethinking the Inception architecture for computer vision, 2016, section 7.
    """
    return (1 - amount) * Y + amount * share


def noisy(X: Array, normals: Array, deviation: float) -> Array:
    """(E56) a^0 = x + σN, σ = deviation ≥ 0, N of masks.normals. All (m, n_0).

    >>> import numpy as np
    >>> noisy(np.array([[1.0, 2.0]]), np.array([[-1.0, 0.5]]), 0.1).round(3).tolist()
    [[0.9, 2.05]]

    Source: C. M. Bishop, Training with noise is equivalent to Tikhonov regularization, 1995.
    """
    return X + deviation * normals


def sobolev(J: Array, targets: Array) -> tuple[Array, Array]:
    """(E59) Σ_j (J_ij − T_ij)² of each example, (m,), and its derivative in J, (m, n_0): of the entries that are known.

    J is ∂a_o/∂x of one output and T what it should be, both (m, n_0); NaN in T is an entry that nobody knows.

    >>> import numpy as np
    >>> [part.tolist() for part in sobolev(np.array([[1.0, 5.0]]), np.array([[0.5, np.nan]]))]
    [[0.25], [[1.0, 0.0]]]

    Source: W. M. Czarnecki et al., Sobolev training for neural networks, 2017.
    """
    xp = array_namespace(J)
    r = xp.where(xp.isnan(targets), xp.zeros_like(J), J - targets)
    return xp.sum(r * r, axis=1), 2 * r


def monotone(J: Array, signs: Array) -> tuple[Array, Array]:
    """(E60) Σ_j max(0, −s_j J_ij)² of each example, (m,), and its derivative in J, (m, n_0).

    J is ∂a_o/∂x of one output, (m, n_0); s, (n_0,), is 1 where a_o is to rise with x_j, −1 where it is to fall, else 0.

    >>> import numpy as np
    >>> [(part + 0).tolist() for part in monotone(np.array([[1.0, 0.5, 9.0]]), np.array([1.0, -1.0, 0.0]))]
    [[0.25], [[0.0, 1.0, 0.0]]]

    Source: J. Sill and Y. S. Abu-Mostafa, Monotonicity hints, 1997.
    """
    xp = array_namespace(J)
    against = xp.clip(-signs * J, 0.0, None)
    return xp.sum(against * against, axis=1), -2 * signs * against


def half_square(g: Array) -> tuple[Array, Array]:
    """(E61) ½‖∂C_i/∂x‖² of each example, (m,), and its derivative in ∂C_i/∂x = g, which is g, (m, n_0).

    >>> import numpy as np
    >>> [part.tolist() for part in half_square(np.array([[3.0, 4.0]]))]
    [[12.5], [[3.0, 4.0]]]

    Source: H. Drucker and Y. LeCun, Improving generalization performance using double backpropagation, 1992.
    """
    return 0.5 * array_namespace(g).sum(g * g, axis=1), g
