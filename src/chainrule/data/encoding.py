"""From a table's raw matrix to the network's inputs: numbers standardised, categories as columns of 0 and 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.columns import Column
from chainrule.data.scaling import Scaling
from chainrule.errors import DataError, text

Cell: TypeAlias = Callable[[int, str], str]
"""Says where a cell is, for an error, by its row in a matrix and its column's name."""
VALUES_AT_ONCE = 1 << 17
"""How many encoded numbers are made at a time, so that no whole matrix is ever made twice."""


def encoded_blocks(m: int, width: int) -> list[slice]:
    """Cut m rows into slices of at most VALUES_AT_ONCE encoded numbers each."""
    size = max(1, VALUES_AT_ONCE // max(1, width))
    return [slice(start, min(start + size, m)) for start in range(0, m, size)]


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Encoding:
    """How a table's columns become the network's inputs, fitted on the training rows.

    A column of numbers becomes (x − mean)/scale, 0 where x is missing. A category becomes one input for each of its
    levels that the training rows have, `seen`, and one for everything else. Either has one more input, 1 where the
    value is missing, if it is missing in some training row: `missing`, (n,). `others`, (n,), says whether some training
    row has a text outside the levels. Inputs stand in the order of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> columns = (Column("age"), Column("colour", ("blue", "red")))
    >>> encoding = Encoding.fit(np.array([[30.0, 1], [np.nan, 1], [50.0, 1]]), columns)
    >>> encoding.names
    ('age', 'age (missing)', 'colour=red', 'colour (other)')
    >>> encoding.apply(np.array([[60.0, 1], [np.nan, 0]])).tolist()
    [[2.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """

    columns: tuple[Column, ...]
    scaling: Scaling
    seen: tuple[NDArray[np.intp], ...]
    missing: NDArray[np.bool_]
    others: NDArray[np.bool_]

    @classmethod
    def fit(
        cls, X: NDArray[np.float64], columns: tuple[Column, ...], scale: bool = True, cell: Cell | None = None
    ) -> Encoding:
        """Take means, scales, levels and missing values from a raw matrix, (m, n).

        Without `scale` numbers keep their unit and lose only their mean, so that 0 stands for a missing one.
        Raises DataError for numbers whose squares overflow, naming the first by `cell`.
        """
        n = len(columns)
        mean, spread, is_number = np.zeros(n), np.ones(n), np.array([column.levels is None for column in columns])
        if is_number.any():
            own = [column.name for column in columns if column.levels is None]
            names = tuple(f"column {name!r}" for name in own)
            numbers = X if is_number.all() else X[:, is_number]
            fitted = Scaling.fit(numbers, names, cell and (lambda row, j: cell(row, own[j])))
            mean[is_number] = fitted.mean
            spread[is_number] = fitted.scale if scale else 1
        missing = np.zeros(n, dtype=np.bool_)
        for rows in encoded_blocks(len(X), n):
            missing |= np.isnan(X[rows]).any(axis=0)
        seen, others = [np.zeros(0, dtype=np.intp)] * n, np.zeros(n, dtype=np.bool_)
        for j, column in enumerate(columns):
            if column.levels is not None:
                codes = np.unique(X[:, j])
                seen[j] = codes[codes < len(column.levels)].astype(np.intp)
                others[j] = bool((codes == len(column.levels)).any())
        return cls(columns, Scaling(mean, spread), tuple(seen), missing, others)

    @cached_property
    def _layout(self) -> _Layout:
        return _Layout.of(self)

    @property
    def width(self) -> int:
        """How many inputs the network gets."""
        return self._layout.width

    @property
    def names(self) -> tuple[str, ...]:
        """What each input stands for."""
        names: list[str] = []
        for column, seen, missing in zip(self.columns, self.seen, self.missing, strict=True):
            if column.levels is None:
                names.append(column.name)
            else:
                names += [*(f"{column.name}={column.levels[code]}" for code in seen), f"{column.name} (other)"]
            if missing:
                names.append(f"{column.name} (missing)")
        return tuple(names)

    @property
    def untrained(self) -> NDArray[np.intp]:
        """The inputs for everything else that are 0 in every training row, so that their weights are never trained."""
        at = self._layout
        return at.other_inputs[~self.others[at.categories]]

    def apply(self, X: NDArray[np.float64], dtype: Any = np.float64, cell: Cell | None = None) -> NDArray[Any]:
        """Encode a raw matrix; (m, n) -> (m, width) of `dtype`.

        Raises DataError for a number too large for it, naming it by `cell`, or its column alone.
        """
        at = self._layout
        mean, scale = self.scaling.mean[at.numbers], self.scaling.scale[at.numbers]
        out = np.zeros((len(X), at.width), dtype=dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
            for rows in encoded_blocks(len(X), max(at.width, len(self.columns))):
                raw, block = X[rows], out[rows]
                is_missing = np.isnan(raw)
                scaled = (raw[:, at.numbers] - mean) / scale
                scaled[is_missing[:, at.numbers]] = 0
                block[:, at.number_inputs] = scaled
                block[:, at.indicator_inputs] = is_missing[:, at.indicators]
                np.put_along_axis(block, at.category_inputs(raw, is_missing), 1, axis=1)
                if not np.isfinite(block.sum()):  # a sum can overflow though each number is finite
                    self._check_finite(raw, block, rows.start, cell)
        return out

    def pull_back(self, J: NDArray[Any], X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Chain rule: derivatives in the inputs, (m, k, width), become derivatives in a raw matrix' columns, (m, k, n).

        0 where the number is missing, since what stands for it is constant; NaN for a category, which has none.
        """
        at = self._layout
        out = np.full((*J.shape[:2], len(self.columns)), np.nan)
        slope = np.where(np.isnan(X[:, at.numbers]), 0, 1 / self.scaling.scale[at.numbers])
        out[:, :, at.numbers] = J[:, :, at.number_inputs] * slope[:, np.newaxis]
        return out

    def _check_finite(self, raw: NDArray[np.float64], block: NDArray[Any], start: int, cell: Cell | None) -> None:
        at = self._layout
        bad = np.argwhere(~np.isfinite(block[:, at.number_inputs]))
        if len(bad):
            row, j = int(bad[0][0]), int(at.numbers[bad[0][1]])
            name = self.columns[j].name
            what = f"column {name!r}" if cell is None else cell(start + row, name)
            expected = f"numbers that fit {block.dtype} when scaled"
            hint = "Correct it, or empty the cell if the value is missing."
            raise DataError(text(what, expected=expected, got=f"{raw[row, j]:g}", hint=hint))

    def unforeseen(self, X: NDArray[np.float64]) -> dict[str, tuple[int, int]]:
        """Count, by column, missing values and unknown texts of a raw matrix where the training rows had none."""
        at, is_missing = self._layout, np.isnan(X)
        n_missing = np.where(self.missing, 0, is_missing.sum(axis=0))
        n_unknown = np.zeros(len(self.columns), dtype=np.intp)
        is_other = at.category_inputs(X, is_missing) == at.other_inputs
        n_unknown[at.categories] = (is_other & ~is_missing[:, at.categories]).sum(axis=0)
        n_unknown[self.others] = 0
        return {
            self.columns[j].name: (int(n_missing[j]), int(n_unknown[j]))
            for j in np.flatnonzero(n_missing + n_unknown).tolist()
        }


@dataclass(frozen=True, eq=False)
class _Layout:
    """Which input each raw column goes to, as arrays over columns, so that no step is done column by column.

    Input `number_inputs[k]` is the number `numbers[k]`; `indicator_inputs` tell that `indicators` are missing.
    Category `categories[k]` has its levels' inputs in `table` from `offsets[k]` on, then those for everything else and
    for missing, `n_levels[k]` levels in all.
    """

    width: int
    numbers: NDArray[np.intp]
    number_inputs: NDArray[np.intp]
    indicators: NDArray[np.intp]
    indicator_inputs: NDArray[np.intp]
    categories: NDArray[np.intp]
    n_levels: NDArray[np.intp]
    offsets: NDArray[np.intp]
    other_inputs: NDArray[np.intp]
    table: NDArray[np.intp]

    @classmethod
    def of(cls, encoding: Encoding) -> _Layout:
        """Give every column its inputs, from left to right."""
        numbers, indicators, categories, tables = [], [], [], []
        width = 0
        for j, (column, seen, missing) in enumerate(
            zip(encoding.columns, encoding.seen, encoding.missing, strict=True)
        ):
            if column.levels is None:
                numbers.append((j, width))
                width += 1
            else:
                other = width + len(seen)
                inputs = np.full(len(column.levels) + 2, other)
                inputs[seen] = np.arange(width, other)
                width = other + 1
                if missing:
                    inputs[-1] = width
                categories.append((j, len(column.levels), other))
                tables.append(inputs)
            if missing:
                indicators.append((j, width))
                width += 1
        starts = np.cumsum([0, *map(len, tables)])[:-1]
        from_number, from_indicator = (np.array(pairs, dtype=np.intp).reshape(-1, 2) for pairs in (numbers, indicators))
        from_category = np.array(categories, dtype=np.intp).reshape(-1, 3)
        return cls(
            width=width,
            numbers=from_number[:, 0],
            number_inputs=from_number[:, 1],
            indicators=from_indicator[:, 0],
            indicator_inputs=from_indicator[:, 1],
            categories=from_category[:, 0],
            n_levels=from_category[:, 1],
            other_inputs=from_category[:, 2],
            offsets=starts.astype(np.intp),
            table=np.concatenate([np.zeros(0, dtype=np.intp), *tables]),
        )

    def category_inputs(self, raw: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Give the input that is 1 for each category of each row, (m, number of categories)."""
        codes = np.where(is_missing[:, self.categories], self.n_levels + 1, raw[:, self.categories]).astype(np.intp)
        return np.asarray(self.table[self.offsets + codes])
