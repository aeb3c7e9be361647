"""What a table's columns are: numbers, categories, the target, and what is left out; by a first pass over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.data import refusals
from chainrule.data.blocks import Table, at
from chainrule.data.columns import Column, LeftOut, Schema, check_name, listed
from chainrule.data.tally import FEW_NUMBERS, Frequent, Tally
from chainrule.errors import DataError, text

LEVELS = 100
"""How many levels of a category have a place of their own: the most frequent ones."""
LONGEST_CLASS = 200
"""How many characters the name of a class has at most. Names stand in the model file, in every prediction and above the
columns of the confusion matrix; a longer one is prose, in a column that was not meant to be the target."""
_TEXTS_COUNTED = 10_000
"""So many different texts of a column are counted one by one; that takes about a megabyte."""
_COUNTED_IN_ALL = 500_000
"""So many different texts of all columns together, so that thousands of columns take no more than fifty do."""
_NUMBERS_COUNTED = 256
"""After so many different numbers, a column of nothing else stops counting. A category of numbers and texts seldom has
as many, so few columns have to be counted again."""
_MANY_VALUES = 10
"""Up to so many values, that all differ, or go up by one, may be chance."""
_MOSTLY = 0.9
"""The share of different texts above which a column names its rows rather than says something of them."""
_DROPPED, _EMPTY = "by --drop", "no value in it"
_FOR_GOOD = (_DROPPED, _EMPTY)
"""Why a column is left out that --keep can't keep."""
_SHOWN = 40
"""So many characters of a cell are shown of it as an example."""


def infer(
    table: Table, target: str | None, keep: Sequence[str] = (), drop: Sequence[str] = (), task: str | None = None
) -> tuple[Schema, int]:
    """Read a table once, and tell what its columns are and how many rows it has; `task` is what --task asks for.

    Raises DataError for a target that isn't there, has missing values or dates, for columns of dates, of infinite
    numbers, of numbers with a few texts, for names that `keep` or `drop` get wrong, and when no column is left.
    """
    if target is None:
        hint = f"If it is the last column: --target {_quoted(table.names[-1])}"
        got = f"none; the columns are {listed(table.names)}"
        raise DataError(text(f"--target for {table.name}", expected="the column to predict", got=got, hint=hint))
    check_name("--target", target, table.names, table.name)
    for option, names in (("--keep", keep), ("--drop", drop)):
        for name in names:
            check_name(option, name, table.names, table.name)
            if name == target:
                hint = "It is kept apart from the others anyway."
                raise DataError(text(option, expected="another column than the target", got=repr(name), hint=hint))
            if option == "--keep" and name in drop:
                raise DataError(
                    text(option, expected="a column that --drop leaves", got=repr(name), hint="Choose one.")
                )
    names = [name for name in table.names if name not in drop]
    tallies, n_rows = _counted(table, names, target)
    left_out = [LeftOut(name, _DROPPED) for name in table.names if name in drop]
    columns, frequent = [], {}
    for name, tally in zip(names, tallies, strict=True):
        if name == target:
            continue
        reason = _reason_to_leave_out(tally, table, name, name in keep)
        if reason:
            left_out.append(LeftOut(name, reason))
            continue
        columns.append(name)
        if _looks_like_numbers(tally):
            _check_numbers(table, name, tally)
        else:
            frequent[name] = Frequent(tally, LEVELS)
    if not columns:
        reasons = listed([f"{out.name} ({out.reason})" for out in left_out])
        hint = "Add the columns that it depends on."
        if any(out.reason not in _FOR_GOOD for out in left_out):
            hint = "--keep COLUMN keeps one nevertheless."
        elif any(out.reason == _DROPPED for out in left_out):
            hint = "Leave --drop out for one of them."
        got = f"none: {reasons}" if left_out else "the target alone"
        raise DataError(text(table.name, expected="columns to predict from", got=got, hint=hint))
    by_name = {out.name: out for out in left_out}
    in_order = tuple(by_name[name] for name in table.names if name in by_name)
    target_column = _target(table, target, tallies[names.index(target)], task)
    # texts that are only known by their hashes
    if hashed := {name: one for name, one in frequent.items() if not one.is_complete}:
        _count(table, hashed, n_rows)
    levels = {name: tuple(sorted(one.levels())) for name, one in frequent.items()}
    return Schema(tuple(Column(name, levels.get(name)) for name in columns), target_column, in_order), n_rows


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'


def _counted(table: Table, names: Sequence[str], target: str) -> tuple[list[Tally], int]:
    """Count the cells of some columns, and the rows."""
    n_texts = max(LEVELS, min(_TEXTS_COUNTED, _COUNTED_IN_ALL // len(names)))
    n_numbers = max(FEW_NUMBERS + 1, min(_NUMBERS_COUNTED, n_texts // 2))
    tallies = {name: Tally(_TEXTS_COUNTED if name == target else n_texts, n_numbers) for name in names}
    n_rows = _count(table, tallies)
    # what began as numbers and has texts further down; a pass over some columns is cheap
    again = {name: Tally(one.texts_counted, None) for name, one in tallies.items() if one.is_incomplete}
    if again:
        _count(table, again, n_rows)
    return list((tallies | again).values()), n_rows


def _count(table: Table, tallies: Mapping[str, Tally | Frequent], n_rows: int | None = None) -> int:
    """Let each tally take the cells of its column, in one pass; gives the number of rows.

    Raises DataError for no rows, and for other than `n_rows`.
    """
    place = {name: index for index, name in enumerate(table.names)}
    n = 0
    for block in table.blocks([place[name] for name in tallies]):
        n += len(block.places)
        for tally, cells in zip(tallies.values(), block.columns, strict=True):
            if isinstance(tally, Tally):
                tally.add(cells, block.places, table.comma)
            else:
                tally.add(cells)
    if n_rows is not None and n != n_rows:
        raise refusals.changed(table.name, n_rows, n)
    if not n:
        raise refusals.no_rows(table)
    return n


def _reason_to_leave_out(tally: Tally, table: Table, name: str, keep: bool) -> str | None:
    """Say why a column is of no use, or None where it is of some, or is to be kept."""
    if not tally.n_values:
        if keep:
            hint = "Leave --keep out."
            raise DataError(
                text(f"--keep for {table.name}", expected="a column with values", got=repr(name), hint=hint)
            )
        return _EMPTY
    if keep:
        _check_dates(table, name, tally)
        return None
    if not tally.kinds["missing"] and not tally.kinds["infinite"]:
        if tally.is_text and tally.n_different == 1:
            return f"the same in every row: {next(iter(tally.levels))}"
        if not tally.is_text and tally.low == tally.high:
            if abs(tally.low) >= 2**53 and (tally.has_dropped or tally.n_different > 1):
                return f"numbers that differ by less than float64 can hold: {tally.low:g}"
            return f"the same in every row: {tally.low:g}"
    _check_dates(table, name, tally)
    if tally.is_text and not _looks_like_numbers(tally):
        return _identifies(tally)
    counts = tally.counts_rows and float(tally.low).is_integer() and tally.n_values > _MANY_VALUES
    return "counts the rows" if counts else None


def _identifies(tally: Tally) -> str | None:
    n_different, n_values = tally.n_different, tally.n_values
    if n_values > _MANY_VALUES and n_different > _MOSTLY * n_values:
        example = tally.example  # shows, for example, that prices are texts because of their $
        return f"an identifier: {n_different:,} different texts in {n_values:,} rows, such as {example[:_SHOWN]}"
    return None


def _looks_like_numbers(tally: Tally) -> bool:
    """Say whether a column has numbers enough that a text in it is a mistake."""
    if tally.has_codes:
        return False
    return tally.n_numbers == tally.n_values or (_has_mostly_numbers(tally) and tally.has_many_numbers)


def _has_mostly_numbers(tally: Tally) -> bool:
    return 2 * tally.n_numbers >= tally.n_values


def _check_dates(table: Table, name: str, tally: Tally, is_target: bool = False) -> None:
    if tally.kinds["date"] and 2 * tally.kinds["date"] >= tally.n_values:
        place, cell = tally.first["date"]
        otherwise = "choose another target." if is_target else f"leave it out: --drop {_quoted(name)}"
        hint = f"Give the year, the month or a count of days instead, or {otherwise}"
        raise DataError(
            text(at(table, place, name), expected="a number or a category", got=f"the date {cell}", hint=hint)
        )


def _check_numbers(table: Table, name: str, tally: Tally, most: str = "this column", hint: str | None = None) -> None:
    """See that nothing else is among a column's numbers. Raises DataError, naming the first wrong cell."""
    wrong = min(refusals.NO_NUMBERS & tally.first.keys(), key=lambda kind: tally.first[kind][0], default=None)
    if wrong is not None:
        place, cell = tally.first[wrong]
        raise refusals.no_number(table, place, name, cell, wrong, f"a number, as most of {most}", hint)


def _target(table: Table, name: str, tally: Tally, task: str | None) -> Column:
    """Take the target as numbers, or as classes with all their names."""
    if tally.kinds["missing"]:
        raise refusals.no_target(table, tally.first["missing"][0], name)
    _check_dates(table, name, tally, is_target=True)
    are_numbers = tally.n_numbers == tally.n_values and (task == "regression" or not tally.has_codes)
    # one slip among numbers shall not make classes of them
    if are_numbers or (task != "classification" and not tally.has_codes and _has_mostly_numbers(tally)):
        hint = "Correct it." if task == "regression" else "Correct it, or use --task classification."
        _check_numbers(table, name, tally, "the targets", hint)
        return Column(name)
    what = f"target {name!r} of {table.name}"
    if tally.others and 2 * tally.n_different > tally.n_values:
        raise refusals.no_classes(what, tally.n_different, tally.n_values)
    if tally.others:  # they repeat, but not all of them were counted
        hint = "Leave rare ones out, or choose another column."
        got = f"{tally.n_different:,}"
        raise DataError(text(what, expected=f"at most {tally.texts_counted:,} classes", got=got, hint=hint))
    longest = max(tally.levels, key=len)
    if len(longest) > LONGEST_CLASS:
        hint = "Shorten the names of the classes, or choose another column."
        got = f"one of {len(longest):,}: {longest[:_SHOWN]!r}…"
        expected = f"classes with names of at most {LONGEST_CLASS} characters"
        raise DataError(text(what, expected=expected, got=got, hint=hint))
    return Column(name, tuple(sorted(tally.levels)))
