"""What one pass over a column finds: kinds of cells, levels and how often each occurs, in little memory."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.data.cells import Cells, Kind, kind, number, plain_numbers, plain_text

FEW_NUMBERS = 20
"""Up to so many different numbers, a column that also holds texts is a category."""


@dataclass(eq=False)
class Tally:
    """What is known of a column's cells so far, in memory that the length of the table doesn't change much.

    `levels` counts different cells, the first `texts_counted` of them; the hashes of others, 8 bytes a cell, tell
    afterwards how many different ones there were. A column that has been numbers alone drops its levels after more than
    `numbers_counted` different ones, and counts no more: it is hardly a category. Where a text turns up in it after
    all, `is_incomplete` says that the levels have to be counted again from the first row, without such a limit.
    """

    texts_counted: int
    numbers_counted: int | None
    kinds: Counter[Kind] = field(default_factory=Counter)
    first: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    low: float = np.inf
    high: float = -np.inf
    counts_rows: bool = True
    levels: Counter[str] = field(default_factory=Counter)
    others: array[int] = field(default_factory=lambda: array("q"))
    numbers: set[str] = field(default_factory=set)
    has_dropped: bool = False

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
        if self.counts_rows and not (len(present) == len(values) and (values == start + np.arange(len(values))).all()):
            self.counts_rows = False
        if not self.has_dropped:
            counted = Counter(map(plain_text, values.tolist()) if isinstance(cells, np.ndarray) else cells)
            self._see_numbers(cell for cell in counted if cell and np.isfinite(float(cell)))
            self._count(counted)

    def _add_texts(self, cells: Cells, places: NDArray[np.int64], comma: bool) -> None:
        self.counts_rows = False
        counted: Counter[str] = Counter(cells)
        for cell, n in counted.items():
            what = kind(cell, comma)
            self.kinds[what] += n
            if what not in self.first:
                self.first[what] = int(places[list(cells).index(cell)]), cell
            if what == "number":
                value = number(cell)
                self.low, self.high = min(self.low, value), max(self.high, value)
            if what in ("number", "separated"):
                self._see_numbers((cell,))
        if not self.has_dropped:
            self._count(counted)

    def _see_numbers(self, different: Iterable[str]) -> None:
        if not self.has_many_numbers:
            self.numbers.update(itertools.islice(different, FEW_NUMBERS + 1))

    def _count(self, cells: Counter[str]) -> None:
        for cell, n in cells.items():
            if not cell:
                continue
            if cell in self.levels or len(self.levels) < self.texts_counted:
                self.levels[cell] += n
            else:
                self.others.append(hash(cell))
        too_many = self.numbers_counted is not None and len(self.levels) > self.numbers_counted
        if too_many and self.kinds["number"] == self.n_values:
            self.has_dropped = True
            self.levels.clear()
            self.others = array("q")

    @property
    def is_incomplete(self) -> bool:
        """Whether levels were dropped that turned out to matter."""
        return self.has_dropped and self.kinds["number"] < self.n_values

    @property
    def n_values(self) -> int:
        """How many cells are not missing."""
        return self.kinds.total() - self.kinds["missing"]

    @property
    def n_different(self) -> int:
        """How many different cells were counted."""
        return len(self.levels) + len(np.unique(np.frombuffer(self.others, dtype=np.int64)))

    @property
    def is_text(self) -> bool:
        """Whether some cell is neither missing nor a number."""
        return self.kinds["number"] + self.kinds["infinite"] < self.n_values

    @property
    def has_many_numbers(self) -> bool:
        """Whether there are more different numbers than a category would have."""
        return len(self.numbers) > FEW_NUMBERS

    def levels_by_frequency(self) -> list[str]:
        """The counted levels, the most frequent first, equal ones in the order of the alphabet."""
        return sorted(self.levels, key=lambda level: (-self.levels[level], level))
