"""The inverse of a symmetric matrix that is positive definite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.threads import one_of_libraries

_BLOCK = 128  # rows and columns that are mirrored at a time, in the cache


def inverse(matrix: NDArray[Any]) -> NDArray[Any] | None:
    """Give the inverse of a symmetric matrix (n, n), symmetric and of its dtype; None where it isn't positive definite.

    By Cholesky's factorisation; that it isn't shows in a pivot, l_kk², of at most n + 10 roundings of a_kk. LAPACK
    works on one thread, so that the bits don't depend on how many there are.

    >>> inverse(np.diag([4.0, 16.0])).tolist(), inverse(np.zeros((1, 1))) is None
    ([[0.25, 0.0], [0.0, 0.0625]], True)
    """
    from scipy.linalg import lapack  # imported late, as SciPy takes long

    if not np.isfinite(matrix).all():
        return None
    single = matrix.dtype == np.float32
    factorised, inverted = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
    least = (len(matrix) + 10) * np.finfo(matrix.dtype).eps * np.diagonal(matrix)
    with one_of_libraries():
        found, failed = factorised(matrix.T, lower=1)  # as Fortran has it, so that nothing is copied twice
        if failed or (np.diagonal(found) ** 2 <= least).any():
            return None
        found, failed = inverted(found, lower=1, overwrite_c=1)
    return None if failed else _mirrored(found.T)


def _mirrored(matrix: NDArray[Any]) -> NDArray[Any]:
    """Write what is above the diagonal below it, too, in place."""
    for start in range(0, len(matrix), _BLOCK):
        here, beyond = slice(start, start + _BLOCK), slice(start + _BLOCK, None)
        matrix[beyond, here] = matrix[here, beyond].T
        upper = np.triu(matrix[here, here])
        matrix[here, here] = upper + np.triu(upper, 1).T
    return matrix
