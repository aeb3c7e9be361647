"""Parquet files, read by pyarrow in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from chainrule.data import refusals
from chainrule.data.blocks import Block, rows_at_once
from chainrule.data.cells import typed, unusable
from chainrule.data.columns import check_names
from chainrule.errors import DataError, text


class ParquetTable:
    """A Parquet file; its rows count from 0. Raises DataError for another kind of file, and without pyarrow."""

    unit: Literal["line", "row"] = "row"
    comma = False

    def __init__(self, source: str) -> None:
        self.name = source
        with opened(self.name) as file:
            self._stored = file.schema_arrow.names
        self.names = check_names(self._stored, source)

    def blocks(self, which: Sequence[int]) -> Iterator[Block]:
        """Read the columns with these numbers, from the first row on."""
        names = [self._stored[index] for index in which]
        start = 0
        with opened(self.name) as file:
            if file.schema_arrow.names != self._stored:
                raise refusals.changed(self.name, "the same columns", "others")
            if not names:
                yield Block([], np.arange(file.metadata.num_rows, dtype=np.int64))
                return
            self._refuse_durations(file.schema_arrow, names)
            batches = file.iter_batches(rows_at_once(len(names)), columns=names)
            while (batch := next_batch(self.name, batches)) is not None:
                # by name, because pyarrow gives the columns in the file's order
                columns = [
                    typed(batch.column(name).to_numpy(zero_copy_only=False), f"column {name!r} of {self.name}")
                    for name in names
                ]
                yield Block(columns, np.arange(start, start + len(batch), dtype=np.int64))
                start += len(batch)

    def written(self, place: int, index: int) -> str:
        """Read one cell once more, where it is a text."""
        name = self._stored[index]
        with opened(self.name) as file:
            for batch in file.iter_batches(rows_at_once(1), columns=[name]):
                if place < len(batch):
                    cell = batch.column(name)[place].as_py()
                    return cell if isinstance(cell, str) else ""
                place -= len(batch)
        return ""

    def _refuse_durations(self, schema: Any, names: list[str]) -> None:
        # by the type in the file: numpy has whole numbers or timedeltas of it, as its unit happens to be
        from pyarrow import types

        for name in names:
            if types.is_duration(schema.field(name).type):
                raise unusable(f"column {name!r} of {self.name}", "durations")


def opened(source: str) -> Any:
    """Open a file by pyarrow. Raises DataError for what is no Parquet file, and without pyarrow."""
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        hint = "Install it: pip install 'chainrule[parquet]'"
        raise DataError(text(source, expected="pyarrow, to read Parquet", got="none", hint=hint)) from None
    try:
        return parquet.ParquetFile(source)
    except FileNotFoundError:
        raise DataError(text(source, expected="a Parquet file", got="no such file", hint="Check the path.")) from None
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        raise _damaged(source, error) from None


def next_batch(source: str, batches: Iterator[Any]) -> Any:
    """Read the next rows, or give None. Raises DataError."""
    try:
        return next(batches, None)
    except (OSError, ValueError, NotImplementedError) as error:
        raise _damaged(source, error) from None


def _damaged(source: str, error: Exception) -> DataError:
    got = str(error).splitlines()[0][:200]
    return DataError(text(source, expected="a whole Parquet file", got=got, hint="Check how it was made."))
