"""Initial weights 𝒲 of a layer, (fan_in, fan_out), drawn from a numpy Generator. Biases start at 0.

fan_in = n_{ℓ−1}, fan_out = n_ℓ. A uniform draw on [−c, c] has variance c²/3, whence the 3 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError, text, unknown_name

Weights: TypeAlias = NDArray[np.float64]
Initializer: TypeAlias = Callable[[np.random.Generator, int, int], Weights]


def zeros(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """All 0; every unit of a layer then stays like its neighbours, so it suits L = 1 only."""
    return np.zeros((fan_in, fan_out))


def normal(rng: np.random.Generator, fan_in: int, fan_out: int, deviation: float = 0.01) -> Weights:
    """Normal with standard deviation 0.01."""
    return deviation * rng.standard_normal((fan_in, fan_out))


def uniform(rng: np.random.Generator, fan_in: int, fan_out: int, bound: float = 0.05) -> Weights:
    """Uniform on [−0.05, 0.05)."""
    return rng.uniform(-bound, bound, (fan_in, fan_out))


def glorot_uniform(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Uniform with c = √(6/(fan_in + fan_out)) (Glorot and Bengio 2010): for tanh, logistic."""
    return uniform(rng, fan_in, fan_out, math.sqrt(6 / (fan_in + fan_out)))


def glorot_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Normal with variance 2/(fan_in + fan_out)."""
    return normal(rng, fan_in, fan_out, math.sqrt(2 / (fan_in + fan_out)))


def he_uniform(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Uniform with c = √(6/fan_in) (He et al. 2015): for relu and its kin."""
    return uniform(rng, fan_in, fan_out, math.sqrt(6 / fan_in))


def he_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Normal with variance 2/fan_in."""
    return normal(rng, fan_in, fan_out, math.sqrt(2 / fan_in))


def lecun_uniform(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Uniform with c = √(3/fan_in) (LeCun et al. 1998): for selu."""
    return uniform(rng, fan_in, fan_out, math.sqrt(3 / fan_in))


def lecun_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Normal with variance 1/fan_in."""
    return normal(rng, fan_in, fan_out, math.sqrt(1 / fan_in))


def orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Orthonormal rows or columns, whichever are fewer (Saxe et al. 2014)."""
    tall = rng.standard_normal((max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diagonal(r))  # makes the draw uniform over all such matrices (Mezzadri 2007)
    return q if fan_in >= fan_out else np.ascontiguousarray(q.T)


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        zeros,
        normal,
        uniform,
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        lecun_uniform,
        lecun_normal,
        orthogonal,
    )
}


def initializer(spec: str | Initializer) -> Initializer:
    """Find an initializer by name, or pass a function (rng, fan_in, fan_out) through. Raises InputError otherwise."""
    if isinstance(spec, str):
        if spec not in INITIALIZERS:
            raise unknown_name("initializer", spec, INITIALIZERS)
        return INITIALIZERS[spec]
    if not callable(spec):
        hint = 'Write "he_normal".'
        raise InputError(
            text("initializer", expected="a name or a function (rng, fan_in, fan_out)", got=repr(spec), hint=hint)
        )
    return spec
