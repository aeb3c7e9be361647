"""Eigenvalues and eigenvectors of symmetric matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def eigen(matrices: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, ascending, and eigenvectors, in columns, of symmetric matrices (…, n, n), in float64; NaN for NaN.

    LAPACK works on one thread, so that the bits don't depend on how many there are.
    """
    from threadpoolctl import threadpool_limits  # imported late: only what is coupled, or solved for, needs it

    wide = matrices.astype(np.float64)
    if not np.isfinite(wide).all():  # LAPACK would not end
        return np.full(wide.shape[:-1], np.nan), np.full(wide.shape, np.nan)
    with threadpool_limits(1):
        values, vectors = np.linalg.eigh(wide)
    return values, vectors
