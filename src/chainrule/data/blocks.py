"""A table as a stream: blocks of rows, each with its columns' cells, whatever the file they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.data.cells import Cells

CELLS_AT_ONCE = 1 << 14
"""How many cells a block has at most, so that a long table is never held as text."""
ROWS_AT_LEAST = 64
"""How many rows a block has nevertheless, so that what is done once a column and block doesn't outweigh the cells."""


def rows_at_once(n_columns: int) -> int:
    """How many rows of a table of `n_columns` a block takes."""
    return max(ROWS_AT_LEAST, CELLS_AT_ONCE // max(1, n_columns))


@dataclass(frozen=True)
class Block:
    """Some rows: the cells of the columns that were asked for, and where the rows stand in the file, (m,)."""

    columns: list[Cells]
    places: NDArray[np.int64]


class Table(Protocol):
    """A table that can be read in blocks of rows."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns, no two alike."""
        ...

    @property
    def unit(self) -> Literal["line", "row"]:
        """Whether its places are lines, which count from 1 and with the header, or rows, which count from 0."""
        ...

    @property
    def comma(self) -> bool:
        """Whether a comma may be a decimal mark in it."""
        ...

    def blocks(self, which: Sequence[int]) -> Iterator[Block]:
        """Read the columns with these numbers, from the first row on."""
        ...

    def written(self, place: int, index: int) -> str:
        """Give the text that a row has in column `index`, as it stands there; nothing for none, and if it is gone."""
        ...


def at(table: Table, place: int, column: str) -> str:
    """Name a cell: "line 7, column 'age' of a.csv"."""
    return f"{table.unit} {place}, column {column!r} of {table.name}"
