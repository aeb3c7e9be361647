"""From what a person types as DATA to a data set: a name, a folder, or a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chainrule.data import delimited, embedded, foreign, idx, npz, plane, tables
from chainrule.data.columns import Schema, listed
from chainrule.data.labelled import LabelledData
from chainrule.errors import DataError, text

NAMES = (*embedded.NAMES, *plane.NAMES)
"""Data sets that are there without a file."""

_KINDS = f"{', '.join(NAMES)}, a CSV, TSV, Parquet or NPZ file, or a folder of IDX files"


def read(
    source: str, target: str | None = None, keep: Sequence[str] = (), drop: Sequence[str] = (), task: str | None = None
) -> LabelledData:
    """Read data to train on: an embedded data set or one of the plane by name, a table, a folder of IDX files, an NPZ.

    `target`, `keep` and `drop` name columns of a table; `task` is what --task asks for. Raises DataError for anything
    else, with the nearest names.

    >>> read("iris").X.shape
    (150, 4)
    """
    _refuse_standard_input(source)
    if _is_table(source):
        data = tables.read(source, target, keep, drop, task)
    else:
        data = _arrays(source)
        for option, given in (("--target", target), ("--keep", keep), ("--drop", drop)):
            if given:
                got, hint = f"{option} with {source}", "Leave it out: arrays hold their targets apart from the rows."
                raise DataError(text(option, expected="a table, such as a CSV file", got=got, hint=hint))
    return data


def with_test(data: LabelledData, test: str) -> LabelledData:
    """Let the rows of other data with the same columns be the test part, in place of any that there is.

    Raises DataError.
    """
    part = read_as(test, data.schema)
    if part.X.shape[1] != data.X.shape[1]:
        hint = "Both parts need the same columns."
        got = f"{part.X.shape[1]} of them"
        raise DataError(text(f"--test {test}", expected=f"{data.X.shape[1]} columns", got=got, hint=hint))
    part.required_labels()
    return replace(data, test=replace(part, test=None))


def read_as(source: str, schema: Schema | None) -> LabelledData:
    """Read data for a model whose columns are known: a table for one of a table, arrays for one of arrays.

    Raises DataError for the other kind.
    """
    _refuse_standard_input(source)
    if schema is None and _is_table(source):
        hint = "Give arrays, such as an NPZ file, or train on a table."
        raise DataError(text(source, expected="arrays, as the model was trained on", got="a table", hint=hint))
    if schema is None:
        return _arrays(source)
    if not _is_table(source):
        columns = listed([column.name for column in schema.columns])
        hint = "Write the rows to a CSV file."
        got = "arrays" if source in NAMES else _found(source)
        raise DataError(text(source, expected=f"a table with the columns {columns}", got=got, hint=hint))
    return tables.read_as(source, schema)


def _refuse_standard_input(source: str) -> None:
    if source == delimited.STANDARD_INPUT:
        hint = "Save it to a file first: only predict reads standard input, and all of its rows."
        raise DataError(text("DATA", expected="data that can be read twice", got="standard input", hint=hint))


def _is_table(source: str) -> bool:
    """Say whether DATA is to be read as a table; a folder may have any name."""
    try:
        return tables.is_table(source) and Path(source).is_file()
    except OSError as error:  # a name that is too long
        raise _no_path(error) from None


def _no_path(error: OSError) -> DataError:
    got = error.strerror or str(error)
    return DataError(text("DATA", expected="a name or a path", got=got, hint="Check the path."))


def _found(source: str) -> str:
    """Say what is at a path that is no table."""
    path = Path(source)
    if path.is_dir():
        return "a folder"
    if path.is_file():
        return foreign.what_is(path) or "arrays"
    return "a device or pipe, which can't be read twice" if path.exists() else "no such file"


def _arrays(source: str) -> LabelledData:
    path = Path(source)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise _no_path(error) from None
    if source in embedded.NAMES:
        data = embedded.load(source)
    elif source in plane.NAMES:
        data = plane.load(source)
    elif is_folder:
        data = idx.load(path)
    elif is_file:
        data = npz.load(path)
    elif path.exists():
        hint = "Save it to a file first."
        raise DataError(text(source, expected="a file or a folder", got=_found(source), hint=hint))
    elif tables.is_table(source) or path.suffix or len(path.parts) > 1:
        raise DataError(text(source, expected="a file or a folder", got="no such file", hint="Check the path."))
    else:
        import difflib

        near = difflib.get_close_matches(source, NAMES, n=2, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
        raise DataError(text("DATA", expected=f"one of {_KINDS}", got=repr(source), hint=hint))
    for part in (data, data.test):
        if part is not None and not part.X.size:
            got = f"shape {part.X.shape}"
            hint = "Check how it was made."
            raise DataError(text(part.name, expected="at least one row and one column", got=got, hint=hint))
    if data.test is not None and data.test.X.shape[1] != data.X.shape[1]:
        got = f"{data.test.X.shape[1]} of them"
        hint = "Both parts need the same columns."
        raise DataError(text(data.test.name, expected=f"{data.X.shape[1]} columns", got=got, hint=hint))
    return data
