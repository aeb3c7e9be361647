"""What one pass over a column finds: kinds of cells, levels and how often each occurs, in little memory."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.data.cells import Cells, Kind, kind, number, plain_numbers, texts

FEW_NUMBERS = 20
"""Up to so many different numbers, a column that also holds texts is a category."""
_DIGITS = frozenset("0123456789")


@dataclass(eq=False)
class Tally:
    """What is known of a column's cells so far, in memory that the length of the table doesn't change much.

    `levels` counts different cells, the first `texts_counted` of them. Of others it has the hashes, 8 bytes a cell, as
    much as the cell takes later as a number: they tell how many different ones there are and how often each occurs, so
    that the order of rows decides nothing; `Frequent` finds their texts. A column that has been numbers alone drops its
    levels after more than `numbers_counted` different ones, and counts no more: it is hardly a category. Where a text
    turns up in it after all, or a number such as 01, `is_incomplete` says that the levels have to be counted again from
    the first row, without such a limit.
    """

    texts_counted: int
    numbers_counted: int | None
    kinds: Counter[Kind] = field(default_factory=Counter)
    first: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    low: float = np.inf
    high: float = -np.inf
    counts_rows: bool = True
    example: str = ""
    levels: Counter[str] = field(default_factory=Counter)
    others: array[int] = field(default_factory=lambda: array("q"))
    numbers: set[str] = field(default_factory=set)
    has_dropped: bool = False
    has_leading_zeros: bool = False
    has_digits_alone: bool = True

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
        self._see_zeros(cells)
        present = values[~missing]
        if len(present):
            self.low, self.high = min(self.low, present.min()), max(self.high, present.max())
        start = self.low if not done else self.low + done
        if self.counts_rows and not (len(present) == len(values) and (values == start + np.arange(len(values))).all()):
            self.counts_rows = False
        if not self.has_dropped:
            counted = Counter(texts(cells))
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
                self._see_zeros((cell,))
        if not self.has_dropped:
            self._count(counted)

    def _see_zeros(self, numbers: Cells) -> None:
        """Look for numbers such as 01, and for others than whole ones."""
        if isinstance(numbers, np.ndarray):
            self.has_digits_alone = False
        elif self.has_digits_alone:
            self.has_digits_alone = _DIGITS.issuperset("".join(numbers))
            self.has_leading_zeros |= any(cell[:1] == "0" and len(cell) > 1 for cell in numbers)

    def _see_numbers(self, different: Iterable[str]) -> None:
        if not self.has_many_numbers:
            self.numbers.update(itertools.islice(different, FEW_NUMBERS + 1))

    def _count(self, cells: Counter[str]) -> None:
        for cell, n in cells.items():
            if not cell:
                continue
            self.example = self.example or cell
            if cell in self.levels or len(self.levels) < self.texts_counted:
                self.levels[cell] += n
            else:
                self.others.extend([hash(cell)] * n)
        too_many = self.numbers_counted is not None and len(self.levels) > self.numbers_counted
        if too_many and self.kinds["number"] == self.n_values and not self.has_codes:
            self.has_dropped = True
            self.levels.clear()
            self.others = array("q")

    @property
    def is_incomplete(self) -> bool:
        """Whether levels were dropped that turned out to matter."""
        return self.has_dropped and (self.kinds["number"] < self.n_values or self.has_codes)

    @property
    def has_codes(self) -> bool:
        """Whether what looks like numbers are codes, such as 01099: digits alone, and some with a leading zero."""
        return self.has_leading_zeros and self.has_digits_alone

    @property
    def n_numbers(self) -> int:
        """How many cells are numbers, or were meant to be."""
        return self.kinds["number"] + self.kinds["infinite"] + self.kinds["separated"]

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
        """Whether some cell is neither missing nor a number, or the numbers are codes."""
        return self.has_codes or self.kinds["number"] + self.kinds["infinite"] < self.n_values

    @property
    def has_many_numbers(self) -> bool:
        """Whether there are more different numbers than a category would have."""
        return len(self.numbers) > FEW_NUMBERS


class Frequent:
    """The `n` most frequent levels of a column that is tallied; of equal ones the first in the alphabet.

    Where levels that were not counted one by one are among them, `is_complete` is False, and their texts have to be
    found by their hashes in another pass over the column. No more than 2n texts are held.
    """

    def __init__(self, tally: Tally, n: int) -> None:
        self._n = n
        hashes, counts = np.unique(np.frombuffer(tally.others, dtype=np.int64), return_counts=True)
        every = np.concatenate([counts, np.fromiter(tally.levels.values(), dtype=np.int64)])
        least = np.partition(every, -n)[-n] if len(every) > n else 0
        self._hashes, self._counts = hashes[counts >= least], counts[counts >= least]
        self._levels = {level: count for level, count in tally.levels.items() if count >= least}
        self._prune()

    @property
    def is_complete(self) -> bool:
        """Whether no pass is needed."""
        return not len(self._hashes)

    def add(self, cells: Cells) -> None:
        """Look for levels among the cells of one more block."""
        new = [cell for cell in set(texts(cells)) if cell and cell not in self._levels]
        hashes = np.fromiter(map(hash, new), dtype=np.int64, count=len(new))
        found = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        for index in np.flatnonzero(self._hashes[found] == hashes).tolist():
            self._levels[new[index]] = int(self._counts[found[index]])
        if len(self._levels) > 2 * self._n:
            self._prune()

    def _prune(self) -> None:
        self._levels = {level: self._levels[level] for level in self.levels()}

    def levels(self) -> list[str]:
        """Give them, the most frequent first."""
        return sorted(self._levels, key=lambda level: (-self._levels[level], level))[: self._n]
