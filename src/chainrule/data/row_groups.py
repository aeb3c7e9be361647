"""Row groups of Parquet files as blocks to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import refusals
from chainrule.data.columns import check_names
from chainrule.data.parquet import next_batch, opened
from chainrule.errors import DataError, text, unknown_name

NUMBERS_AT_ONCE = 2**20
"""How many numbers of a row group are decoded at a time."""


class ParquetRows:
    """Rows of Parquet files, read row group by row group: an X of `cr.train`, which then takes no Y.

    Parameters
    ----------
    paths : path, or sequence of paths
        Files with the same columns.
    target : str or sequence of str
        The column of targets: numbers, class indices, or classes as text; several columns are (m, n_L) numbers.
    columns : sequence of str, optional
        The columns of X: numbers, true and false, or lists of numbers of a fixed size, one after the other. Without it,
        all but target and weights.
    weights : str, optional
        A column of w_i ≥ 0.
    classes : sequence, optional
        Class i is what the target holds where it is classes[i]. Without it, a target of text is read once to find them,
        sorted, and other targets stay as they are.

    With shuffle=True an epoch takes the row groups of all files in a new order, and shuffles the rows of what then
    stands side by side, `shuffle_rows` at a time. Needs pyarrow (an extra).

    Attributes
    ----------
    columns : tuple of str
        What X is made of.
    classes : tuple or None
        What the class indices stand for.

    Raises
    ------
    DataError
        For a file that is missing or no Parquet file, a column that isn't there or holds something else, and, while
        rows are read, for a missing value and a class that isn't among the classes.

    Examples
    --------
    >>> import chainrule as cr
    >>> rows = cr.ParquetRows("rides.parquet", target="minutes")  # doctest: +SKIP
    >>> net = cr.Network([len(rows.columns), 32, 1])  # doctest: +SKIP
    >>> history = cr.train(net, rows)  # doctest: +SKIP
    """

    def __init__(
        self,
        paths: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        target: str | Sequence[str],
        columns: Sequence[str] | None = None,
        weights: str | None = None,
        classes: Sequence[Any] | None = None,
    ) -> None:
        self.paths = _listed("paths", paths, str | PathLike)
        if not self.paths:
            hint = "Look at how they were found."
            raise DataError(text("ParquetRows: paths", expected="at least one file", got="none", hint=hint))
        schema, self._groups = _opened_all(self.paths)
        self._targets = _listed("target", target, str)
        self._weights = [] if weights is None else [weights]
        apart = [*self._targets, *self._weights]
        rest = [name for name in schema.names if name not in apart]
        self.columns = tuple(rest if columns is None else _listed("columns", columns, ()))
        for name in (*self.columns, *apart):
            if name not in schema.names:
                raise DataError(str(unknown_name(f"column of {self.paths[0]}", name, schema.names)))
        again = [name for name in self.columns if name in apart]
        if again:
            hint = "What is to be foretold, or weighs a row, is no input."
            expected = "columns other than target and weights"
            raise DataError(text("ParquetRows: columns", expected=expected, got=repr(again[0]), hint=hint))
        if not self.columns:
            hint = "Name others than target and weights."
            raise DataError(text("ParquetRows: columns", expected="at least one", got="none", hint=hint))
        self._types = {name: schema.field(name).type for name in (*self.columns, *apart)}
        self._several = not isinstance(target, str)
        self._has_classes = classes is not None or (not self._several and _is_text(self._types[self._targets[0]]))
        if classes is not None:
            self.classes = self._read_classes(classes)
        numbers = [*self._weights, *([] if self._has_classes else self._targets)]
        self._widths = {name: self._width(name, 1) for name in numbers}
        self._widths |= {name: self._width(name) for name in self.columns}
        self._n = sum(self._widths[name] for name in self.columns)
        self._dtype = np.result_type(*(_numpy(self._types[name]) for name in self.columns))

    def _read_classes(self, classes: Sequence[Any]) -> tuple[Any, ...]:
        import pyarrow as pa

        kind = _of_values(self._types[self._targets[0]])
        try:
            if self._several or len(set(classes)) < max(2, len(classes)):
                raise ValueError("several columns" if self._several else repr(list(classes)))
            pa.array(list(classes), type=kind)
        except (TypeError, ValueError) as error:  # pyarrow's errors are both
            hint = "Write classes=['no', 'yes'], or leave it out."
            expected, got = f"two or more different values of {kind} in one column", str(error)[:100]
            raise DataError(text("ParquetRows: classes", expected=expected, got=got, hint=hint)) from None
        return tuple(classes)

    @cached_property
    def classes(self) -> tuple[Any, ...] | None:
        """What the class indices stand for; None where the target holds numbers."""
        if not self._has_classes:
            return None
        import pyarrow.compute as pc

        found: set[Any] = set()
        name = self._targets[0]
        for path in self.paths:
            with opened(path) as file:
                batches = file.iter_batches(columns=[name])
                while (batch := next_batch(path, batches)) is not None:
                    found.update(pc.unique(batch.column(name)).to_pylist())
        return tuple(sorted(found - {None}))

    def __len__(self) -> int:
        return len(self._groups)

    def __call__(self) -> Iterator[Any]:
        """Read all row groups in their order."""
        for number in range(len(self)):
            yield from self.part(number)

    def name(self, number: int) -> str:
        """What messages call a row group."""
        path, group = self._groups[number]
        return f"row group {group} of {path}"

    def part(self, number: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """Read a row group, counted from 0 over all files."""
        path, group = self._groups[number]
        with opened(path) as file:
            if group >= file.metadata.num_row_groups or any(
                name not in file.schema_arrow.names or file.schema_arrow.field(name).type != kind
                for name, kind in self._types.items()
            ):
                raise refusals.changed(path, "the same row groups and columns", "others")
            batches = file.iter_batches(
                max(1, NUMBERS_AT_ONCE // self._n), row_groups=[group], columns=list(self._types)
            )
            start = 0
            while (batch := next_batch(path, batches)) is not None:
                yield self._block(batch, f"{self.name(number)}, row {{}}", start)
                start += len(batch)

    def _block(self, batch: Any, where: str, start: int) -> tuple[NDArray[Any], ...]:
        for name in self._types:
            column = batch.column(name)
            values = column if column.null_count else _values(batch, name)
            if values.null_count:
                place = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
                row = start + place * len(batch) // len(values)
                hint = "Fill or leave out rows with missing values first."
                what = f"column {name!r} in {where.format(row)}"
                raise DataError(text(what, expected="a value", got="none", hint=hint))
        X = np.empty((len(batch), self._n), dtype=self._dtype)
        at = 0
        for name in self.columns:
            width = self._widths[name]
            X[:, at : at + width] = self._numbers(batch, name).reshape(len(batch), width)
            at += width
        if self._several:
            Y = np.column_stack([self._numbers(batch, name) for name in self._targets])
        elif self.classes is None:
            Y = self._numbers(batch, self._targets[0])
        else:
            Y = self._codes(batch.column(self._targets[0]), where, start)
        return (X, Y, *(self._numbers(batch, name) for name in self._weights))

    def _numbers(self, batch: Any, name: str) -> NDArray[Any]:
        return np.asarray(_values(batch, name).to_numpy(zero_copy_only=False))

    def _codes(self, column: Any, where: str, start: int) -> NDArray[np.int64]:
        """Give the places of values among the classes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = column if column.type == _of_values(column.type) else column.dictionary_decode()
        assert self.classes is not None
        codes = pc.index_in(values, value_set=pa.array(self.classes, type=values.type))
        if codes.null_count:
            row = int(np.argmax(codes.is_null().to_numpy(zero_copy_only=False)))
            what = f"column {self._targets[0]!r} in {where.format(start + row)}"
            expected = f"one of the classes {', '.join(map(str, self.classes[:10]))}"
            hint = "Give all classes that there are."
            raise DataError(text(what, expected=expected, got=repr(values[row].as_py()), hint=hint))
        return np.asarray(codes.to_numpy(zero_copy_only=False)).astype(np.int64)

    def _width(self, name: str, at_most: int | None = None) -> int:
        """How many numbers a row has in a column. Raises DataError for one that holds something else."""
        from pyarrow import types

        kind = self._types[name]
        if types.is_fixed_size_list(kind) and at_most is None and _is_number(kind.value_type):
            return int(kind.list_size)
        if not _is_number(kind):
            hint = "Name columns of numbers: columns=[…]. `chainrule train` encodes text as categories."
            what = f"column {name!r} of {self.paths[0]}"
            raise DataError(text(what, expected="numbers", got=str(kind), hint=hint))
        return 1


def _opened_all(paths: Sequence[str]) -> tuple[Any, list[tuple[str, int]]]:
    """Give the files' schema, and every row group. Raises DataError for files that differ."""
    schema: Any = None
    groups: list[tuple[str, int]] = []
    for path in paths:
        with opened(path) as file:
            check_names(file.schema_arrow.names, path)
            schema = file.schema_arrow if schema is None else schema
            if not schema.equals(file.schema_arrow):
                hint = "Read files of other columns apart."
                raise DataError(text(path, expected=f"the columns and types of {paths[0]}", got="others", hint=hint))
            groups += [(path, group) for group in range(file.metadata.num_row_groups)]
    return schema, groups


def _listed(name: str, given: Any, one: Any) -> list[str]:
    """Give several names as a list, and `one` as a list of one. Raises DataError."""
    if one and isinstance(given, one):
        return [fspath(given)]
    try:
        if isinstance(given, str):
            raise TypeError
        return [fspath(each) for each in given]
    except TypeError:
        expected = "a name, or a sequence of names" if one else "a sequence of names"
        hint = "Write columns=['a', 'b']." if name == "columns" else "Give text, or a list of it."
        raise DataError(text(f"ParquetRows: {name}", expected=expected, got=f"{given!r:.60}", hint=hint)) from None


def _values(batch: Any, name: str) -> Any:
    """Give a column's values, those of lists one after the other."""
    from pyarrow import types

    column = batch.column(name)
    return column.flatten() if types.is_fixed_size_list(column.type) else column


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(_of_values(kind)) or types.is_large_string(_of_values(kind)))


def _of_values(kind: Any) -> Any:
    """Give the type of what a column of a dictionary, or of lists, holds."""
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) or types.is_fixed_size_list(kind) else kind


def _numpy(kind: Any) -> Any:
    return np.dtype(_of_values(kind).to_pandas_dtype())
