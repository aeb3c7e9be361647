"""From the cells of a column to what the column is: the first of the two passes over a table."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.data.blocks import Table, at
from chainrule.data.cells import Cells, Kind, kind, number, plain_numbers, plain_text
from chainrule.data.columns import Column, LeftOut, Schema, check_name, listed
from chainrule.errors import DataError, text

LEVELS = 100
"""How many levels of a category have a place of their own: the most frequent ones."""
FEW_NUMBERS = 20
"""Up to so many different numbers, a column that also holds texts is a category."""
_WRONG: dict[Kind, tuple[str, str]] = {
    "text": ("a number, as most of this column", "If it means that the value is missing, empty the cell."),
    "date": ("a number, as most of this column", "Correct the cell."),
    "separated": (
        "a number such as 1234.5",
        "Write numbers without thousands separators, and with a decimal point where commas stand between the cells.",
    ),
    "infinite": ("a finite number", "Correct the cell, or empty it if the value is missing."),
}
_TEXTS_COUNTED, _NUMBERS_COUNTED, _COUNTED_IN_ALL = 10_000, 256, 500_000


@dataclass
class Tally:
    """What is known of a column's cells so far, in memory that the length of the table doesn't change much.

    `levels` counts different cells, the first `texts_counted` of them; the hashes of others, 8 bytes a cell, tell
    afterwards how many different ones there were. A column of numbers stops counting after `numbers_counted`.
    """

    texts_counted: int
    numbers_counted: int
    kinds: Counter[Kind] = field(default_factory=Counter)
    first: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    low: float = np.inf
    high: float = -np.inf
    is_count: bool = True
    levels: Counter[str] = field(default_factory=Counter)
    others: array[int] = field(default_factory=lambda: array("q"))
    n_levels_dropped: int = 0

    def add(self, cells: Cells, places: NDArray[np.int64], comma: bool) -> None:
        """Take the cells of one more block."""
        values = plain_numbers(cells)
        if values is None:
            self._add_texts(cells, places, comma)
        else:
            self._add_numbers(values, cells, places)

    def _add_numbers(self, values: NDArray[np.float64], cells: Cells, places: NDArray[np.int64]) -> None:
        done = self.kinds.total()
        missing, infinite = np.isnan(values), np.isinf(values)
        kinds: tuple[tuple[Kind, NDArray[np.bool_]], ...] = (
            ("missing", missing), ("infinite", infinite), ("number", ~(missing | infinite)),
        )  # fmt: skip
        for name, which in kinds:
            if n := int(which.sum()):
                first = int(which.argmax())
                self.kinds[name] += n
                self.first.setdefault(name, (int(places[first]), str(cells[first])))
        present = values[~missing]
        if len(present):
            self.low, self.high = min(self.low, present.min()), max(self.high, present.max())
        start = self.low if not done else self.low + done
        if self.is_count and not (len(present) == len(values) and (values == start + np.arange(len(values))).all()):
            self.is_count = False
        if self.n_levels_dropped and not self.kinds["text"]:
            return
        self._count(Counter(map(plain_text, values.tolist())) if isinstance(cells, np.ndarray) else Counter(cells))

    def _add_texts(self, cells: Cells, places: NDArray[np.int64], comma: bool) -> None:
        self.is_count = False
        counted = Counter(cells)
        for cell, n in counted.items():
            what = kind(cell, comma)
            self.kinds[what] += n
            if what not in self.first:
                self.first[what] = int(places[list(cells).index(cell)]), cell
            if what == "number":
                value = number(cell)
                self.low, self.high = min(self.low, value), max(self.high, value)
        self._count(counted)

    def _count(self, cells: Counter[str]) -> None:
        for cell, n in cells.items():
            if not cell:
                continue
            if cell in self.levels or len(self.levels) < self.texts_counted:
                self.levels[cell] += n
            else:
                self.others.append(hash(cell))
        if self.kinds["number"] == self.n_values and len(self.levels) > self.numbers_counted:
            self.n_levels_dropped += len(self.levels)
            self.levels.clear()
            self.others = array("q")

    @property
    def n_values(self) -> int:
        """How many cells are not missing."""
        return self.kinds.total() - self.kinds["missing"]

    @property
    def n_different(self) -> int:
        """How many different cells were counted."""
        return self.n_levels_dropped + len(self.levels) + len(np.unique(np.frombuffer(self.others, dtype=np.int64)))

    @property
    def has_many_numbers(self) -> bool:
        """Whether there are more different numbers than a category would have."""
        n = sum(kind(level, True) == "number" for level in self.levels) if not self.n_levels_dropped else np.inf
        return n > FEW_NUMBERS

    def levels_by_frequency(self) -> list[str]:
        """The counted levels, the most frequent first, equal ones in the order of the alphabet."""
        return sorted(self.levels, key=lambda level: (-self.levels[level], level))


def infer(table: Table, target: str | None, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> tuple[Schema, int]:
    """Read a table once, and tell what its columns are and how many rows it has.

    Raises DataError for a target that isn't there, has missing values or dates, for columns of dates, of infinite
    numbers, of numbers with a few texts, for names that `keep` or `drop` get wrong, and when no column is left.
    """
    if target is None:
        hint = f"If it is the last column: --target {_quoted(table.names[-1])}"
        got = f"none; the columns are {listed(table.names)}"
        raise DataError(text(f"--target for {table.name}", expected="the column to predict", got=got, hint=hint))
    check_name("--target", target, table.names, table.name)
    for option, names in (("--keep", keep), ("--drop", drop)):
        for name in names:
            check_name(option, name, table.names, table.name)
            if name == target:
                hint = "It is kept apart from the others anyway."
                raise DataError(text(option, expected="another column than the target", got=repr(name), hint=hint))
            if option == "--keep" and name in drop:
                raise DataError(
                    text(option, expected="a column that --drop leaves", got=repr(name), hint="Choose one.")
                )
    which = [index for index, name in enumerate(table.names) if name not in drop]
    names = [table.names[index] for index in which]
    n_counted = max(LEVELS, min(_TEXTS_COUNTED, _COUNTED_IN_ALL // len(names)))
    n_numbers = max(FEW_NUMBERS + 1, min(_NUMBERS_COUNTED, n_counted // 2))
    tallies = [Tally(_TEXTS_COUNTED if name == target else n_counted, n_numbers) for name in names]
    n_rows = 0
    for block in table.blocks(which):
        n_rows += len(block.places)
        for tally, cells in zip(tallies, block.columns, strict=True):
            tally.add(cells, block.places, table.comma)
    if not n_rows:
        hint = "Check how it was made."
        raise DataError(text(table.name, expected="rows below the names", got="none", hint=hint))
    left_out = [LeftOut(name, "by --drop") for name in table.names if name in drop]
    columns = []
    for name, tally in zip(names, tallies, strict=True):
        if name == target:
            continue
        reason = _reason_to_leave_out(tally, table, name, name in keep)
        if reason:
            left_out.append(LeftOut(name, reason))
        else:
            columns.append(_column(table, name, tally))
    if not columns:
        reasons = listed([f"{out.name} ({out.reason})" for out in left_out])
        hint = "--keep COLUMN keeps one nevertheless." if left_out else "Add the columns that it depends on."
        got = f"none: {reasons}" if left_out else "the target alone"
        raise DataError(text(table.name, expected="columns to predict from", got=got, hint=hint))
    by_name = {out.name: out for out in left_out}
    in_order = tuple(by_name[name] for name in table.names if name in by_name)
    return Schema(tuple(columns), _target(table, target, tallies[names.index(target)]), in_order), n_rows


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'


def _reason_to_leave_out(tally: Tally, table: Table, name: str, keep: bool) -> str | None:
    """Say why a column is of no use, or None where it is of some, or is to be kept."""
    if not tally.n_values:
        if keep:
            hint = "Leave --keep out."
            raise DataError(
                text(f"--keep for {table.name}", expected="a column with values", got=repr(name), hint=hint)
            )
        return "no value in it"
    if keep:
        _check_dates(table, name, tally)
        return None
    is_text = tally.kinds["number"] + tally.kinds["infinite"] < tally.n_values
    if not tally.kinds["missing"] and not tally.kinds["infinite"]:
        if is_text and tally.n_different == 1:
            return f"the same in every row: {next(iter(tally.levels))}"
        if not is_text and tally.low == tally.high:
            return f"the same in every row: {tally.low:g}"
    _check_dates(table, name, tally)
    if is_text and not _looks_like_numbers(tally):
        return _identifies(tally)
    return "counts the rows" if tally.is_count and tally.low.is_integer() and tally.n_values > 10 else None


def _identifies(tally: Tally) -> str | None:
    n_different, n_values = tally.n_different, tally.n_values
    if n_values > 10 and n_different > 0.9 * n_values:
        example = next(iter(tally.levels))  # shows, for example, that prices are texts because of their $
        return f"an identifier: {n_different:,} different texts in {n_values:,} rows, such as {example[:40]}"
    return None


def _looks_like_numbers(tally: Tally) -> bool:
    """Say whether a column has numbers enough that a text in it is a mistake."""
    numbers = tally.kinds["number"] + tally.kinds["infinite"] + tally.kinds["separated"]
    return numbers == tally.n_values or (2 * numbers >= tally.n_values and tally.has_many_numbers)


def _check_dates(table: Table, name: str, tally: Tally) -> None:
    if tally.kinds["date"] and 2 * tally.kinds["date"] >= tally.n_values:
        place, cell = tally.first["date"]
        hint = f"Give the year, the month or a count of days instead, or leave it out: --drop {_quoted(name)}"
        raise DataError(
            text(at(table, place, name), expected="a number or a category", got=f"the date {cell}", hint=hint)
        )


def _column(table: Table, name: str, tally: Tally) -> Column:
    """Take a column as numbers or as a category of the most frequent levels."""
    if _is_numbers(table, name, tally):
        return Column(name)
    return Column(name, tuple(sorted(tally.levels_by_frequency()[:LEVELS])))


def _is_numbers(table: Table, name: str, tally: Tally) -> bool:
    """Say whether a column holds numbers. Raises DataError for what is almost one, naming the first wrong cell."""
    if not _looks_like_numbers(tally):
        return False
    wrong = min(_WRONG.keys() & tally.first.keys(), key=lambda kind: tally.first[kind][0], default=None)
    if wrong is not None:
        place, cell = tally.first[wrong]
        expected, hint = _WRONG[wrong]
        raise DataError(text(at(table, place, name), expected=expected, got=repr(cell), hint=hint))
    return True


def _target(table: Table, name: str, tally: Tally) -> Column:
    """Take the target as numbers, or as classes with all their names."""
    if tally.kinds["missing"]:
        hint = "Fill the cell, or leave the row out."
        place = tally.first["missing"][0]
        raise DataError(text(at(table, place, name), expected="a target", got="a missing value", hint=hint))
    _check_dates(table, name, tally)
    if _is_numbers(table, name, tally):
        return Column(name)
    longest = max(tally.levels, key=len)
    if tally.others or len(longest) > 200:
        got = f"{tally.n_different:,} different texts in {tally.n_values:,} rows, the longest {longest[:40]!r}…"
        hint = "Each class needs rows to be learned from; choose another column."
        raise DataError(text(f"target {name!r} of {table.name}", expected="classes that repeat", got=got, hint=hint))
    return Column(name, tuple(sorted(tally.levels)))
