"""Standardising of columns of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import row_blocks
from chainrule.errors import DataError, text


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Scaling:
    """Standardising, (x − mean)/scale, column by column; a constant column has scale 1."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(
        cls, X: NDArray[Any], names: tuple[str, ...] = (), cell: Callable[[int, int], str] | None = None
    ) -> Scaling:
        """Take mean and standard deviation of each column, in blocks of rows; missing numbers (NaN) don't count.

        Raises DataError for numbers whose squares overflow; `names` are what it calls the columns: "column 'age'", and
        `cell`, if given, what it calls a number by row and column.
        """
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in row_blocks(len(X)):
                scaler.partial_fit(X[rows].astype(np.float64, copy=False))
        empty = np.broadcast_to(scaler.n_samples_seen_, scaler.mean_.shape) == 0
        mean, scale = np.where(empty, 0, scaler.mean_), np.where(empty, 1, scaler.scale_)
        bad = np.flatnonzero(~(empty | (np.isfinite(scaler.mean_) & np.isfinite(scaler.var_))))
        if len(bad):
            hint, j = "Divide it by its largest number first.", int(bad[0])
            row = int(np.nanargmax(np.abs(X[:, j])))
            got = f"numbers up to {abs(X[row, j]):g}"
            what = names[j] if names else f"column {j}"
            if cell is not None:
                what, got, hint = cell(row, j), f"{X[row, j]:g}", "Correct it, or divide its column by a large number."
            raise DataError(text(what, expected="numbers whose squares are finite", got=got, hint=hint))
        return cls(mean, scale)

    @classmethod
    def none(cls, n: int) -> Scaling:
        """Leave n columns as they are."""
        return cls(np.zeros(n), np.ones(n))

    def apply(self, X: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
        """Scale; (m, n) -> (m, n) of `dtype`."""
        out = np.empty(X.shape, dtype=dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found by whoever casts it
            for rows in row_blocks(len(X)):
                out[rows] = (X[rows] - self.mean) / self.scale
        return out

    def pull_back(self, J: NDArray[Any]) -> NDArray[np.float64]:
        """Chain rule: derivatives in scaled numbers, (…, n), become derivatives in the numbers themselves, J/scale."""
        return np.asarray(J / self.scale, dtype=np.float64)

    def undo(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give scaled numbers back in their own units."""
        return np.asarray(X * self.scale + self.mean, dtype=np.float64)
