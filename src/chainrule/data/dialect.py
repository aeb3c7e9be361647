"""How a text file writes its table: what stands between the cells, and what the columns are called."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from chainrule.errors import DataError, text

DELIMITERS = (",", ";", "\t", "|")


def delimiter_of(head: Sequence[str], tab_first: bool = False) -> str:
    """Find what separates the cells: what cuts most rows into as many cells as the first line, and that into most.

    >>> delimiter_of(["a;b", "1,5;2,5", "3,5;4,5"])
    ';'
    """
    best, chosen = (0.0, 1), "\t" if tab_first else ","
    for delimiter in DELIMITERS:
        try:
            rows = [len(row) for row in csv.reader(head, delimiter=delimiter, skipinitialspace=True) if row]
        except csv.Error:
            continue
        if rows and rows[0] > 1:
            agreement = (sum(n == rows[0] for n in rows) / len(rows), rows[0])
            if agreement > best:
                best, chosen = agreement, delimiter
    return chosen


def check_names(names: Sequence[str], table: str) -> tuple[str, ...]:
    """Name the columns that have no name by their number; no two may be alike. Raises DataError."""
    given = tuple(name or f"column_{number}" for number, name in enumerate(names, start=1))
    seen: dict[str, int] = {}
    for number, name in enumerate(given, start=1):
        if name in seen:
            got = f"{name!r} for columns {seen[name]} and {number}"
            raise DataError(text(table, expected="a name of its own for each column", got=got, hint="Rename one."))
        seen[name] = number
    return given
