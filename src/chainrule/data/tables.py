"""Tables as matrices: the second pass over a file, and the only one where a model knows the columns already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data import delimited, refusals
from chainrule.data.blocks import Table, at
from chainrule.data.cells import Cells, kind, number, plain_numbers, plain_text
from chainrule.data.columns import Column, Schema
from chainrule.data.delimited import DelimitedTable
from chainrule.data.inference import infer
from chainrule.data.labelled import LabelledData, Places
from chainrule.data.parquet import ParquetTable
from chainrule.errors import DataError, text

SUFFIXES = (*delimited.SUFFIXES, *(f"{suffix}.gz" for suffix in delimited.SUFFIXES), ".parquet")


def is_table(source: str) -> bool:
    """Say whether DATA is a table by its name, or standard input."""
    return source == delimited.STANDARD_INPUT or source.lower().endswith(SUFFIXES)


def open_table(source: str) -> Table:
    """Open a CSV, TSV or Parquet file, or standard input for "-". Raises DataError."""
    path = Path(source)
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that is too long
        got = error.strerror or str(error)
        raise DataError(text("DATA", expected="a name or a path", got=got, hint="Check the path.")) from None
    if source != delimited.STANDARD_INPUT and not is_file:
        got = "a folder" if path.is_dir() else "a device or pipe" if path.exists() else "no such file"
        raise DataError(text(source, expected="a table", got=got, hint="Check the path."))
    return ParquetTable(source) if source.lower().endswith(".parquet") else DelimitedTable(source)


def read(
    source: str, target: str | None, keep: Sequence[str] = (), drop: Sequence[str] = (), task: str | None = None
) -> LabelledData:
    """Read a table to train on: what its columns are in a first pass, what they hold in a second.

    Raises DataError, naming line and column, for whatever in it can't be used.
    """
    table = open_table(source)
    schema, n_rows = infer(table, target, keep, drop, task)
    return _filled(table, schema, n_rows)


def read_as(source: str, schema: Schema) -> LabelledData:
    """Read a table whose columns a model knows; its labels are None where it has no column of that name."""
    table = open_table(source)
    n_rows = sum(len(block.places) for block in table.blocks([]))
    return _filled(table, schema, n_rows)


def _filled(table: Table, schema: Schema, n_rows: int) -> LabelledData:
    X = np.empty((n_rows, len(schema.columns)))
    places = np.empty(n_rows, dtype=np.int64)
    labels: NDArray[np.float64] | None = None
    start = 0
    for some in blocks(table, schema):
        rows = slice(start, start + len(some.X))
        if rows.stop > n_rows:
            raise refusals.changed(table.name, n_rows, f"{rows.stop:,} or more")
        X[rows], places[rows] = some.X, some.places
        if some.targets is not None:
            labels = np.empty(n_rows) if labels is None else labels
            labels[rows] = some.targets
        start = rows.stop
    if start != n_rows:
        raise refusals.changed(table.name, n_rows, start)
    return LabelledData(
        name=table.name,
        X=X,
        labels=None if labels is None else _labels(labels, schema.target),
        feature_names=tuple(column.name for column in schema.columns),
        schema=schema,
        places=Places(table.unit, places),
    )


def _labels(targets: NDArray[np.float64], target: Column) -> NDArray[np.generic]:
    """Give targets as what they are: names of classes, whole numbers, or numbers."""
    if target.levels is not None:
        return np.array(target.levels)[targets.astype(np.intp)]
    is_whole = bool((np.rint(targets) == targets).all() and (np.abs(targets) < 2**53).all())
    return targets.astype(np.int64) if is_whole else targets


@dataclass(frozen=True)
class RawBlock:
    """Some rows of a table as a raw matrix, (m, n), with their targets, if the table has them, and their places."""

    X: NDArray[np.float64]
    targets: NDArray[np.float64] | None
    places: NDArray[np.int64]


def blocks(table: Table, schema: Schema, with_target: bool = True) -> Iterator[RawBlock]:
    """Read the columns of a schema in blocks of rows, whatever their order in the table; others are passed over.

    Raises DataError for a column that isn't there, a text in a column of numbers, a number that is infinite, numbers
    with a decimal point and others with a comma, a target that is missing or not among the classes, and for no rows.
    """
    which, target = schema.find(table.names, table.name)
    has_target = with_target and target is not None
    reader, is_empty = _Reader(table), True
    for block in table.blocks([*which, target] if has_target and target is not None else which):
        X = np.empty((len(block.places), len(which)))
        for index, column in enumerate(schema.columns):
            X[:, index] = reader.values(column, block.columns[index], block.places)
        targets = reader.targets(schema.target, block.columns[-1], block.places) if has_target else None
        yield RawBlock(X, targets, block.places)
        is_empty = False
    if is_empty:
        raise refusals.no_rows(table)


class _Reader:
    """Turns cells into numbers and codes, and remembers the decimal mark that the table has used so far."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._mark = ""
        self._first_mark = ""  # and the cell that it stood in

    def values(self, column: Column, cells: Cells, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give a column of the raw matrix, (m,)."""
        if column.levels is None:
            return self._numbers(column.name, cells, places)
        codes, other = column.codes, len(column.levels)
        texts = map(plain_text, cells.tolist()) if isinstance(cells, np.ndarray) else cells
        return np.array([codes.get(cell, other) if cell else np.nan for cell in texts], dtype=np.float64)

    def targets(self, target: Column, cells: Cells, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the targets, (m,), as numbers or as places of their classes."""
        values = self.values(target, cells, places)
        bad = np.isnan(values) if target.levels is None else ~(values < len(target.levels))
        if bad.any():
            first = int(bad.argmax())
            if target.levels is None or np.isnan(values[first]):
                raise refusals.no_target(self._table, places[first], target.name)
            shown = ", ".join(target.levels[:10]) + (", …" if len(target.levels) > 10 else "")
            hint = "A model can only be measured on classes that it was trained on."
            what, got = at(self._table, places[first], target.name), repr(str(cells[first]))
            raise DataError(text(what, expected=f"one of the classes {shown}", got=got, hint=hint))
        return values

    def _numbers(self, name: str, cells: Cells, places: NDArray[np.int64]) -> NDArray[np.float64]:
        values = plain_numbers(cells)
        if values is None:
            values = np.array([self._number(name, cell, place) for cell, place in zip(cells, places, strict=True)])
        elif not isinstance(cells, np.ndarray) and "." in "".join(cells):
            self._see_mark(".", name, next(pair for pair in zip(cells, places, strict=True) if "." in pair[0]))
        infinite = np.isinf(values)
        if infinite.any():
            first = int(infinite.argmax())
            raise refusals.no_number(self._table, places[first], name, str(cells[first]), "infinite")
        return values

    def _number(self, name: str, cell: str, place: int) -> float:
        what = kind(cell, self._table.comma)
        if what not in ("missing", "number", "infinite"):
            raise refusals.no_number(self._table, place, name, cell, what)
        for mark in ".,":
            if mark in cell:
                self._see_mark(mark, name, (cell, place))
        return number(cell)

    def _see_mark(self, mark: str, name: str, where: tuple[str, int]) -> None:
        cell, place = where
        if self._mark and self._mark != mark:
            earlier = "a decimal point" if self._mark == "." else "a decimal comma"
            hint = "Write all numbers with the same decimal mark, and none with thousands separators."
            expected = f"{earlier}, as in {self._first_mark}"
            raise DataError(text(at(self._table, place, name), expected=expected, got=repr(cell), hint=hint))
        if not self._mark:
            self._mark, self._first_mark = mark, f"{self._table.unit} {place}, column {name!r}"
