"""Tables of a program: pandas and polars frames, pyarrow tables, and dicts of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Literal

import numpy as np

from chainrule.data.blocks import Block, rows_at_once
from chainrule.data.cells import typed
from chainrule.errors import InputError, text


class FrameTable:
    """A table in memory, whose columns are found by their names; its rows count from 0.

    Raises InputError for anything that has no named columns, and for columns of different lengths.
    """

    unit: Literal["line", "row"] = "row"
    comma = False

    def __init__(self, frame: Any, name: str = "X") -> None:
        self.name = name
        self._frame = frame
        names = frame.keys() if isinstance(frame, Mapping) else getattr(frame, "column_names", None)
        names = getattr(frame, "columns", None) if names is None else names
        if names is None:
            hint = "Give a pandas or polars frame, a pyarrow table, or a dict of columns."
            got = f"{type(frame).__name__} without names"
            raise InputError(text(name, expected="columns with the names of the training table", got=got, hint=hint))
        self.names = [str(column) for column in names]
        self._keys = list(names)
        repeated = [column for column, n in Counter(self.names).items() if n > 1]
        if repeated:
            got = f"{repeated[0]!r} twice"
            raise InputError(text(name, expected="a name of its own for each column", got=got, hint="Rename one."))

    def blocks(self, which: Sequence[int]) -> Iterator[Block]:
        """Read the columns with these numbers, from the first row on."""
        columns = [self._frame[self._keys[index]] for index in which]
        lengths = {self._length(column, self.names[index]) for index, column in zip(which, columns, strict=True)}
        if len(lengths) > 1 or 0 in lengths:
            hint = "Check how it was made."
            got = f"columns of {' and '.join(map(str, sorted(lengths)))} rows"
            raise InputError(
                text(self.name, expected="columns of equal length, of at least one row", got=got, hint=hint)
            )
        m, size = max(lengths, default=0), rows_at_once(len(which))
        for start in range(0, m, size):
            rows = slice(start, min(start + size, m))
            cells = [
                typed(getattr(column, "iloc", column)[rows], f"column {self.names[index]!r} of {self.name}")
                for index, column in zip(which, columns, strict=True)
            ]
            yield Block(cells, np.arange(rows.start, rows.stop, dtype=np.int64))

    def written(self, place: int, index: int) -> str:  # noqa: ARG002 (a table has these)
        """Give nothing: targets are not read of frames."""
        return ""

    def _length(self, column: Any, name: str) -> int:
        """Count the rows of a column. Raises InputError for what is none, such as a single number or text."""
        if not isinstance(column, str | bytes | Mapping | Set):
            try:
                return len(column)
            except TypeError:  # a number; an array without dimensions
                pass
        hint = "Give a list, an array, or a column of a frame; of a single row, lists of one value."
        what, got = f"column {name!r} of {self.name}", type(column).__name__
        raise InputError(text(what, expected="a value for each row", got=got, hint=hint))
