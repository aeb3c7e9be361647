"""What cells mean: their kinds, and what a program's columns become."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from chainrule.data.cells import kind, plain_text, typed
from chainrule.errors import DataError


@pytest.mark.parametrize(
    ("cell", "where_commas_cut", "elsewhere"),
    [
        ("", "missing", "missing"),
        ("1", "number", "number"),
        ("-0", "number", "number"),
        ("+.5", "number", "number"),
        ("5.", "number", "number"),
        ("1e-3", "number", "number"),
        ("1e999", "infinite", "infinite"),
        ("-inf", "infinite", "infinite"),
        ("Infinity", "infinite", "infinite"),
        ("1,5", "separated", "number"),
        ("1,234", "separated", "number"),
        (",5e2", "separated", "number"),
        ("1,234,567", "separated", "separated"),
        ("1,234.5", "separated", "separated"),
        ("1.234,5", "separated", "separated"),
        ("1.234.567", "separated", "separated"),
        ("1 234", "separated", "separated"),
        ("1\u202f234,5", "separated", "separated"),
        ("1'234.5", "separated", "separated"),
        ("2024-12-31", "date", "date"),
        ("31.12.24", "date", "date"),
        ("1/2/1999 4:05 pm", "date", "date"),
        ("2024-12-31T10:00:00.5+01:00", "date", "date"),
        ("2024-12/31", "text", "text"),
        ("1_000", "text", "text"),
        ("0x10", "text", "text"),
        ("12 34", "text", "text"),
        ("1.5 m", "text", "text"),
        ("١٢", "text", "text"),  # digits of another script are no numbers of a file
        ("red", "text", "text"),
    ],
)
def test_the_kind_of_a_cell(cell, where_commas_cut, elsewhere):
    assert (kind(cell, comma=False), kind(cell, comma=True)) == (where_commas_cut, elsewhere)


@pytest.mark.parametrize(
    "values",
    [
        [1, None, 2.5], (1, None, 2.5), np.array([1, np.nan, 2.5]), np.array([1, None, 2.5], dtype=object),
        [Decimal(1), float("nan"), np.float32(2.5)], pd.Series([1, None, 2.5]), pd.array([1, pd.NA, 2.5], dtype="Float64"),
        pl.Series([1.0, None, 2.5]), pa.array([1, None, 2.5]), pa.chunked_array([[1.0, None], [2.5]]), [np.int8(1), pd.NA, 2.5],
    ],
)  # fmt: skip
def test_numbers_stay_numbers(values):
    cells = typed(values, "x")
    assert isinstance(cells, np.ndarray)
    np.testing.assert_array_equal(cells, [1, np.nan, 2.5])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, "a"], ["1", "a"]),
        ([1.0, "a", None], ["1", "a", ""]),
        ([True, 2.0], ["True", "2"]),
        ([True, 2.0, None], ["True", "2", ""]),
        ([np.True_, 10**400, "a"], ["True", "inf", "a"]),
        ([1.0, 1, "1.0", 0.1], ["1", "1", "1.0", "0.1"]),
        ([" a ", "NA", "?"], ["a", "", ""]),
        (["a", float("nan"), pd.NA, pd.NaT], ["a", "", "", ""]),
        (np.array([True, False]), ["True", "False"]),
        (np.array(["a", "nan"]), ["a", ""]),
        (pd.Series([1.0, "a"]), ["1", "a"]),
        (pd.Series([True, None]), ["True", ""]),
        (pl.Series([True, None]), ["True", ""]),
        (pd.Categorical(["a", None]), ["a", ""]),
        ([date(2024, 1, 2), datetime(2024, 1, 2, 3)], ["2024-01-02", "2024-01-02 03:00:00"]),
        (np.array(["2024-01-02", "NaT"], "M8[D]"), ["2024-01-02", ""]),
    ],
)
def test_all_else_is_what_a_csv_file_would_have(values, expected):
    assert typed(values, "x") == expected


@pytest.mark.parametrize("values", [[1.0, "a", None, True, 2**60, 0.5, np.float32(0.5)], ["1.0", 1, 1.0, "a"]])
def test_a_text_never_depends_on_its_neighbours(values):
    def texts(cells):
        return list(map(plain_text, cells)) if isinstance(cells, np.ndarray) else cells

    together = texts(typed(values, "x"))
    assert [texts(typed([value], "x"))[0] for value in values] == together
    assert texts(typed(values[:2], "x")) == together[:2]
    assert texts(typed(pd.Series(values, dtype=object), "x")) == together


@pytest.mark.parametrize(
    ("values", "got"),
    [
        ([1j], "complex"),
        ([[1, 2]], "list"),
        ([b"a"], "bytes"),
        ([timedelta(1)], "durations"),
        ([np.timedelta64(1, "ns")], "durations"),
        (np.array([1, 2], "m8[ns]"), "durations"),
        (np.array([1, 2], "m8[s]"), "durations"),
        (pd.Series(pd.to_timedelta([1, 2])), "durations"),
    ],
)
def test_what_is_neither_number_nor_text_is_refused(values, got):
    with pytest.raises(DataError) as error:
        typed(values, "column 'x'")
    assert str(error.value) == f"column 'x': expected numbers or text, got {got}. Turn it into numbers or text first."


@pytest.mark.parametrize(("value", "expected"), [(1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (1e16, "1e+16"), (np.nan, "")])
def test_a_number_as_a_file_would_write_it(value, expected):
    assert plain_text(value) == expected
