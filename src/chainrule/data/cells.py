"""What one cell of a table means: missing, a number, a date, or text."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError, text

Cells: TypeAlias = "Sequence[str] | NDArray[np.float64]"
"""A column of a block: texts without spaces around them, "" for missing; or numbers, NaN for missing."""
Kind = Literal["missing", "number", "infinite", "separated", "date", "text"]
"""What a cell is. "separated" is a number that can't be read as it stands: one with thousands separators, such as
1,234,567, or with a decimal comma where commas stand between the cells."""

MISSING = ("NA", "N/A", "NaN", "null", "None", "?")
"""What stands for a missing value beside an empty cell; also in lower and upper case."""
_MISSING = frozenset({"", *(form for token in MISSING for form in (token, token.lower(), token.upper()))})
_PLAIN = frozenset("0123456789+-.eE")
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}", re.ASCII)
_COMMA = re.compile(rf"[+-]?(?:\d+,\d*|,\d+){_EXPONENT}", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(
    r"[+-]?\d{1,3}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3}){2,}(?:,\d+)?|(?:\.\d{3})+,\d+"
    r"|(?:[ '’\u00a0\u202f]\d{3})+(?:[.,]\d+)?)",
    re.ASCII,
)
_DATE = re.compile(
    r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2}))"
    r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?:Z| ?[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


def normalised(cells: Sequence[str]) -> list[str]:
    """Take the spaces around cells away, and let an empty text stand for what is missing."""
    stripped = [cell.strip() for cell in cells]
    return ["" if cell in _MISSING else cell for cell in stripped]


def kind(cell: str, comma: bool) -> Kind:
    """Tell what a cell is. `comma` says whether a comma can be the decimal mark, as it isn't the delimiter.

    >>> kind("1e3", False), kind("1,5", True), kind("1,5", False), kind("1.234,5", True), kind("31.12.1999", True)
    ('number', 'number', 'separated', 'separated', 'date')
    """
    if not cell:
        return "missing"
    if _NUMBER.fullmatch(cell):
        return "number" if np.isfinite(float(cell)) else "infinite"
    if _COMMA.fullmatch(cell):
        return "number" if comma else "separated"
    if _INFINITE.fullmatch(cell):
        return "infinite"
    if _GROUPED.fullmatch(cell):
        return "separated"
    return "date" if _DATE.fullmatch(cell) else "text"


def plain_numbers(cells: Cells) -> NDArray[np.float64] | None:
    """Give a whole column of numbers with a decimal point, NaN for missing; None where a cell is anything else."""
    if isinstance(cells, np.ndarray):
        return cells
    if not _PLAIN.issuperset("".join(cells)):
        return None
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return None


def number(cell: str) -> float:
    """Read a cell whose kind is missing (NaN), number or infinite, with a point or a comma as decimal mark."""
    return float(cell.replace(",", ".")) if cell else np.nan


def texts(cells: Cells) -> Iterable[str]:
    """Give the cells of a column as texts, "" for missing."""
    return map(plain_text, cells.tolist()) if isinstance(cells, np.ndarray) else cells


def typed(values: Any, what: str) -> Cells:
    """See a column of a program, such as a data frame's, as cells: numbers as they are, all else as a CSV file has it.

    A value's text follows from the value, and from the dtype of a column that has one, never from its neighbours.
    Raises DataError for values that are neither numbers nor text.
    """
    if not hasattr(values, "__array__"):  # numpy would make [1.0, "a"] texts and [True, 2] numbers
        return _of_items(list(values), what)
    array = np.asarray(values)
    if array.ndim != 1:
        hint = "A column holds one number or text a row."
        raise DataError(text(what, expected="1 dimension", got=f"shape {array.shape}", hint=hint))
    if array.dtype.kind in "fiu":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "M":
        return ["" if np.isnat(value) else str(value) for value in array]
    if array.dtype.kind == "m":  # whose items are whole numbers or timedeltas, as its unit happens to be
        raise unusable(what, "durations")
    if array.dtype.kind in "bU":
        return normalised([str(value) for value in array.tolist()])
    return _of_items(array.tolist(), what)


def _of_items(items: list[Any], what: str) -> Cells:
    if all(_is_missing(item) or _is_number(item) for item in items):
        return np.array([np.nan if _is_missing(item) else _float(item) for item in items], dtype=np.float64)
    return normalised([_text(item, what) for item in items])


def _is_missing(item: Any) -> bool:
    # pandas' NA and NaT by their names, so that pandas is not imported for them; NaN is the number unlike itself
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (isinstance(item, float) and item != item)


def _is_number(item: Any) -> bool:
    # numpy counts its durations among the whole numbers
    return isinstance(item, numbers.Real | decimal.Decimal) and not isinstance(item, bool | np.timedelta64)


def _float(item: Any) -> float:
    try:
        return float(item)
    except OverflowError:  # a whole number beyond float64
        return np.inf if item > 0 else -np.inf


def _text(item: Any, what: str) -> str:
    if _is_missing(item):
        return ""
    if isinstance(item, str | bool | np.bool_ | datetime.date | datetime.time):
        return str(item)
    if _is_number(item):
        return plain_text(_float(item))
    raise unusable(what, "durations" if isinstance(item, datetime.timedelta | np.timedelta64) else type(item).__name__)


def unusable(what: str, got: str) -> DataError:
    """Make the error for values that are neither numbers nor text."""
    hint = "Turn it into numbers or text first."
    return DataError(text(what, expected="numbers or text", got=got, hint=hint))


def plain_text(value: float) -> str:
    """Write a number as a CSV file would: a whole one without a decimal point, a missing one as nothing."""
    if np.isnan(value):
        return ""
    return str(int(value)) if value == np.rint(value) and abs(value) < 2**53 else repr(float(value))
