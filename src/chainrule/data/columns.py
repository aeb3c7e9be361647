"""What a table's columns are: numbers or categories, which one is the target, and which are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chainrule.data.cells import kind, plain_text
from chainrule.errors import DataError, text


@dataclass(frozen=True)
class Column:
    """A column by its name: a category has its levels, numbers have none.

    In a raw matrix a level is its place in `levels`, and every other text is `len(levels)`; NaN is a missing value.
    """

    name: str
    levels: tuple[str, ...] | None = None

    @cached_property
    def codes(self) -> dict[str, int]:
        """The place of each level, in any of the ways that programs write true, false and numbers."""
        codes = {level: code for code, level in enumerate(self.levels or ())}
        if {level.lower() for level in codes} <= {"true", "false"}:
            for level, code in list(codes.items()):
                for form in (level.lower(), level.capitalize(), level.upper()):
                    codes.setdefault(form, code)
        plain: dict[str, set[int]] = {}  # what a frame has of "1.0" is the number 1
        for level, code in list(codes.items()):
            if kind(level, comma=False) == "number":
                plain.setdefault(plain_text(float(level)), set()).add(code)
        for form, those in plain.items():
            if len(those) == 1:  # a number that stands for two levels is neither
                codes.setdefault(form, *those)
        return codes

    def describe(self) -> dict[str, Any]:
        """Give name and levels for a JSON object."""
        return {"name": self.name, "levels": None if self.levels is None else list(self.levels)}


@dataclass(frozen=True)
class LeftOut:
    """A column that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Schema:
    """The columns that a model takes in their order, its target, and what was left out of the table."""

    columns: tuple[Column, ...]
    target: Column
    left_out: tuple[LeftOut, ...] = ()

    def find(self, names: Sequence[str], table: str) -> tuple[list[int], int | None]:
        """Find the columns among the names of a table, in any order, and the target, if it is there.

        Raises DataError, naming the first column that is missing, and the nearest of those that are there.
        """
        place = {name: index for index, name in enumerate(names)}
        for column in self.columns:
            if column.name not in place:
                known = {c.name for c in self.columns}
                near = nearest(column.name, [name for name in names if name not in known])
                hint = f"Is it {near}? Rename it." if near else "Columns are found by their names, in any order."
                n = sum(c.name not in place for c in self.columns)
                got = "none of that name" if n == 1 else f"none of that name; {n} columns are missing"
                what = f"column {column.name!r}, which the model was trained on"
                raise DataError(text(table, expected=what, got=got, hint=hint))
        return [place[column.name] for column in self.columns], place.get(self.target.name)


def nearest(name: str, names: Sequence[str]) -> str:
    """Give up to three names that are like `name`, quoted, or an empty text."""
    import difflib

    by_lower = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return " or ".join(repr(by_lower[close]) for close in near)


def listed(names: Sequence[str], at_most: int = 20) -> str:
    """Write names with commas, the first `at_most` of them."""
    more = f" and {len(names) - at_most:,} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


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


def check_name(option: str, name: str, names: Sequence[str], table: str) -> None:
    """See that an option names a column of the table. Raises DataError with the nearest names."""
    if name not in names:
        near = nearest(name, names)
        hint = f"Did you mean {near}?" if near else "Upper and lower case count."
        expected = f"one of the columns {listed(names)}"
        raise DataError(text(f"{option} for {table}", expected=expected, got=repr(name), hint=hint))
