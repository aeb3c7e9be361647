"""Random numbers of training steps: the masks of dropout (E51) and the noise of inputs (E56), by Philox4x32-10.

A counter-based generator: a number is a function of where it is used (step, row of the batch, unit) and of the seed,
not of what was drawn before. So every backend draws the same, in any order and on any number of threads, and a training
that is resumed needs no generator's state.

Source: J. K. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Words: TypeAlias = NDArray[np.uint32]

NOISE = 2**31
"""The stream of input noise; that of the mask of a^ℓ is ℓ."""

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85  # what the key grows by each round
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_LANES, _WORDS = 16, 4  # a group of 64 units: word w of 16 neighbouring blocks is 16 neighbouring units


def philox(counter: Sequence[Any], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Philox4x32-10 of counters, four words that broadcast against each other, and a key of two: four random words.

    Examples
    --------
    >>> [f"{int(word):08x}" for word in philox((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1 = (product1 >> _HALF) ^ c1 ^ np.uint64(k0), product1 & _LOW
        c2, c3 = (product0 >> _HALF) ^ c3 ^ np.uint64(k1), product0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) % 2**32, (k1 + _WEYL[1]) % 2**32
    w0, w1, w2, w3 = (word.astype(np.uint32) for word in np.broadcast_arrays(c0, c1, c2, c3))
    return w0, w1, w2, w3


def mask(p: float, shape: tuple[int, int], seed: int, step: int, stream: int, dtype: DTypeLike) -> NDArray[Any]:
    """Draw M of (E51) a^ℓ ← a^ℓ ⊙ M, (n, units): 0 with probability p, else 1/(1 − p).

    `stream` is ℓ, and `step` counts from 0.
    A unit is dropped when its word is below round(p·2³²), halves up, and 2³² − 1 at most. 0 ≤ p < 1, 0 ≤ seed < 2⁶⁴.

    Examples
    --------
    >>> mask(0.5, (2, 8), seed=1, step=0, stream=1, dtype="float64").astype(int).tolist()
    [[0, 0, 0, 2, 0, 0, 0, 0], [2, 2, 2, 0, 2, 2, 0, 0]]

    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.
    """
    threshold = min(math.floor(p * 2**32 + 0.5), 2**32 - 1)
    kept = _by_unit(_drawn(shape, seed, step, stream), shape) >= np.uint32(threshold)
    return np.where(kept, np.float64(1 / (1 - p)), 0.0).astype(dtype)


def normals(shape: tuple[int, int], seed: int, step: int, dtype: DTypeLike) -> NDArray[Any]:
    """Draw N of (E56), (n, units): independent, of mean 0 and variance 1, by Box and Muller's formula in float64.

    Of a block's words r: N_0 = √(−2 ln u(r_0)) cos 2πv(r_1), N_1 the same with sin, N_2 and N_3 so of r_2 and r_3;
    u(r) = (r + 1)/2³², v(r) = r/2³². `step` counts from 0, 0 ≤ seed < 2⁶⁴.

    Examples
    --------
    >>> normals((1, 4), seed=1, step=0, dtype="float64").round(3).tolist()
    [[0.449, 0.03, 2.203, -2.722]]

    Source: G. E. P. Box and M. E. Muller, A note on the generation of random normal deviates, 1958.
    """
    r0, r1, r2, r3 = (word.astype(np.float64) for word in _drawn(shape, seed, step, NOISE))
    first, second = (np.sqrt(-2 * np.log((r + 1) * 2.0**-32)) for r in (r0, r2))
    angle, other = (2 * math.pi * (r * 2.0**-32) for r in (r1, r3))
    pairs = first * np.cos(angle), first * np.sin(angle), second * np.cos(other), second * np.sin(other)
    return _by_unit(pairs, shape).astype(dtype)


def _drawn(shape: tuple[int, int], seed: int, step: int, stream: int) -> tuple[Words, Words, Words, Words]:
    """Give the words of a step's blocks, four arrays (n, blocks)."""
    n, units = shape
    blocks = np.arange(_LANES * -(-units // (_LANES * _WORDS)))
    return philox((blocks, np.arange(n)[:, np.newaxis], step % 2**32, stream), (seed % 2**32, seed >> 32))


def _by_unit(words: Sequence[NDArray[Any]], shape: tuple[int, int]) -> NDArray[Any]:
    """Lay arrays (n, blocks) of words 0..3 out by unit: word w of block b is unit 64(b // 16) + 16w + b % 16."""
    n, units = shape
    groups = [word.reshape(n, -1, _LANES) for word in words]
    return np.stack(groups, axis=2).reshape(n, -1)[:, :units]
