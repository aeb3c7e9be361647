"""What both passes over a table refuse, in the same words."""

from __future__ import annotations

from chainrule.data.blocks import Table, at
from chainrule.data.cells import Kind
from chainrule.errors import DataError, text

_HINTS: dict[Kind, str] = {
    "text": "If it means that the value is missing, empty the cell.",
    "date": "Correct the cell.",
    "separated": (
        "Write numbers without thousands separators, and with a decimal point where commas stand between the cells."
    ),
    "infinite": "Correct the cell, or empty it if the value is missing.",
}
NO_NUMBERS = frozenset(_HINTS)
"""The kinds of cells that a column of numbers can't have."""


def no_number(
    table: Table, place: int, column: str, cell: str, kind: Kind, expected: str = "a number", hint: str | None = None
) -> DataError:
    """Make the error for a cell among numbers that can't be used as one; `kind` is one of NO_NUMBERS.

    `hint` is said of texts and dates in place of the usual one.
    """
    if hint is None or kind in ("separated", "infinite"):
        hint = _HINTS[kind]
    expected = {"separated": "a number such as 1234.5", "infinite": "a finite number"}.get(kind, expected)
    return DataError(text(at(table, place, column), expected=expected, got=repr(cell), hint=hint))


def no_target(table: Table, place: int, column: str) -> DataError:
    """Make the error for a row whose target is missing."""
    cell, what = table.written(place, list(table.names).index(column)).strip(), at(table, place, column)
    if cell:
        got, hint = f"{cell!r}, which counts as missing", "Rename it, or leave the row out."
    else:
        got, hint = "a missing value", "Fill the cell, or leave the row out."
    return DataError(text(what, expected="a target", got=got, hint=hint))


def no_rows(table: Table) -> DataError:
    """Make the error for a table that ends below its names."""
    hint = "Check how it was made."
    return DataError(text(table.name, expected="rows below the names", got="none", hint=hint))


def changed(name: str, expected: str | int, got: str | int) -> DataError:
    """Make the error for a file that is not the same in each pass over it; numbers are counts of rows."""
    expected, got = (
        f"{side:,} row{'' if side == 1 else 's'}" if isinstance(side, int) else side for side in (expected, got)
    )
    hint = "Read it when nothing writes to it, or read a copy."
    return DataError(text(f"{name} changed while it was read", expected=expected, got=got, hint=hint))


def no_classes(target: str, n_different: int, n_rows: int) -> DataError:
    """Make the error for texts that are different in too many rows to be classes; `target` names them."""
    got = f"{n_different:,} different texts in {n_rows:,} rows"
    hint = "Each class needs rows to be learned from; choose another column."
    return DataError(text(target, expected="classes that repeat", got=got, hint=hint))
