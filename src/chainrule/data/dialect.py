"""How a text file writes its table: what stands between the cells."""

from __future__ import annotations

import csv
from collections.abc import Sequence

DELIMITERS = (",", ";", "\t", "|")


def delimiter_of(head: Sequence[str], prefers_tab: bool = False) -> str:
    """Find what separates the cells: what cuts most rows into as many cells as the first line, and that into most.

    With `prefers_tab` that is the tab wherever it cuts the first line: cells of such a file may well hold commas.

    >>> delimiter_of(["a;b", "1,5;2,5", "3,5;4,5"])
    ';'
    """
    best, chosen = (0.0, 1), "\t" if prefers_tab else ","
    for delimiter in DELIMITERS:
        try:
            rows = [len(row) for row in csv.reader(head, delimiter=delimiter, skipinitialspace=True) if row]
        except csv.Error:
            continue
        if rows and rows[0] > 1:
            if prefers_tab and delimiter == "\t":
                return delimiter
            agreement = (sum(n == rows[0] for n in rows) / len(rows), rows[0])
            if agreement > best:
                best, chosen = agreement, delimiter
    return chosen


def stated_delimiter(head: Sequence[str]) -> str:
    """Give the delimiter that a first line for spreadsheets states, or nothing where there is no such line.

    >>> stated_delimiter(["sep=;", "a;b"])
    ';'
    """
    first = head[0].strip("\r\n") if head else ""
    return first[-1] if first.lower() in [f"sep={delimiter}" for delimiter in DELIMITERS] else ""
