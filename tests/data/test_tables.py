"""Tables: what columns are taken for, which are left out, and every value where it belongs."""

import csv
import gzip
import sys
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from chainrule.data import tables
from chainrule.data.blocks import rows_at_once
from chainrule.data.cells import _MISSING, kind
from chainrule.data.columns import Column, LeftOut
from chainrule.data.inference import LEVELS
from chainrule.data.labelled import choose_task
from chainrule.errors import DataError

N = 24
AGES = [20 + 3 * i % 17 for i in range(N)]
COLOURS = ["red", "green", "blue"]


def write(path, *rows, newline="\n", encoding="utf-8"):
    """A file of these lines; `path` comes back as text."""
    path.write_bytes(newline.join(rows).encode(encoding))
    return str(path)


def rows(n=N, sep=","):
    """Lines of age, colour and a target of two classes."""
    return [f"{AGES[i % N]}.5{sep}{COLOURS[i % 3]}{sep}{'yes' if i % 4 else 'no'}" for i in range(n)]


def with_column(cells, name="x", header="age,colour,y"):
    """The same with one more column in front."""
    return [f"{name},{header}", *(f"{cell},{row}" for cell, row in zip(cells, rows(len(cells)), strict=True))]


# --- what is read -----------------------------------------------------------------------------------------------------
def test_numbers_and_categories_become_a_matrix_of_numbers_and_codes(tmp_path):
    data = tables.read(write(tmp_path / "a.csv", "age,colour,y", "1.5,red,no", ",blue,yes", "-2e1,,yes"), "y")
    assert data.columns == (Column("age"), Column("colour", ("blue", "red")))
    np.testing.assert_array_equal(data.X, [[1.5, 1], [np.nan, 0], [-20, np.nan]])
    assert data.labels.tolist() == ["no", "yes", "yes"]
    assert data.feature_names == ("age", "colour")
    assert data.where(2) == f"line 4 of {tmp_path / 'a.csv'}"


@pytest.mark.parametrize("token", ["", "NA", "na", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", " ", '""'])
def test_what_stands_for_a_missing_value(tmp_path, token):
    data = tables.read(write(tmp_path / "a.csv", "a,b,y", f"{token},p,1", f"2,{token},0", "3,q,1"), "y")
    np.testing.assert_array_equal(data.X, [[np.nan, 0], [2, np.nan], [3, 1]])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "csv.gz", "CSV"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(tmp_path, delimiter, suffix):
    path = tmp_path / f"a.{suffix}"
    content = "\n".join([delimiter.join(["age", "colour", "y"]), *rows(sep=delimiter)]).encode()
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    data = tables.read(str(path), "y")
    np.testing.assert_array_equal(data.X[:, 0], np.array(AGES) + 0.5)
    assert data.columns[1].levels == ("blue", "green", "red")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_ends_of_lines(tmp_path, encoding, newline):
    path = write(tmp_path / "a.csv", "größe,y", *(f"{i % 7},{'ä' if i % 2 else 'ö'}" for i in range(N)), "",
                 encoding=encoding, newline=newline)  # fmt: skip
    data = tables.read(path, "y")
    assert data.columns == (Column("größe"),)
    assert data.labels[:2].tolist() == ["ö", "ä"]


def test_a_decimal_comma_where_commas_do_not_separate(tmp_path):
    data = tables.read(write(tmp_path / "a.csv", "a;b;y", "1,5;x;1", "-0,25;x;0", "3;z;1", ",5;z;0"), "y")
    np.testing.assert_array_equal(data.X[:, 0], [1.5, -0.25, 3, 0.5])


def test_quotes_with_delimiters_quotes_and_new_lines_and_lines_still_count(tmp_path):
    lines = ["a,b,y", '1,"x, ""y""",no', '2,"two', 'lines",yes', "", '"3",z,no']
    data = tables.read(write(tmp_path / "a.csv", *lines), "y", keep=["b"])
    assert data.columns[1].levels == ("two\nlines", 'x, "y"', "z")
    assert data.X[:, 0].tolist() == [1, 2, 3]
    assert [data.where(row).split(" of ")[0] for row in range(3)] == ["line 2", "line 3", "line 6"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ('"s1" ', "s1"),
        (' "s1"\t', "s1"),
        ('"a "" ,b" ', 'a "" ,b'.replace('""', '"')),
        ('"two" ,"', None),
        ('"two\nlines"  ', "two\nlines"),
        ('"two\n" ,lines"  ', None),
        ('6" ', '6"'),
    ],
)
def test_spaces_after_a_closing_quote_do_not_count(tmp_path, cells, expected):
    path = write(tmp_path / "a.csv", "b,a,y", f"{cells},3.5,1", '"z" ,"4" , "0" ', f'"z",1, {cells}')
    if expected is None:
        with pytest.raises(DataError):
            tables.read(path, "y")
    else:
        data = tables.read(path, "a")
        assert data.columns[0].levels == tuple(sorted([expected, "z"]))
        assert data.labels.tolist() == [3.5, 4, 1]


@pytest.mark.parametrize("quoted", ['"a"b', '"open', '"open ,1,2\n'])
def test_quotes_that_do_not_close_a_cell_are_still_refused(tmp_path, quoted):
    with pytest.raises(DataError, match=r"line 3 of .*: expected quotes in pairs around a cell"):
        tables.read(write(tmp_path / "a.csv", "b,a,y", '"x" ,1,2', f"{quoted},1,2"), "y")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("sep", ["sep=", "SEP="])
def test_a_line_that_states_the_delimiter_is_followed(tmp_path, sep, delimiter):
    lines = [delimiter.join(cells) for cells in (["a b", "c;d,e|f", "y"], ["1", "2", "x"], ["3", "4", "z"])]
    if delimiter in ";,|":
        lines[0] = delimiter.join(["a b", "c", "y"])
    data = tables.read(write(tmp_path / "a.csv", f"{sep}{delimiter}", *lines), "y")
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.where(0) == f"line 3 of {tmp_path / 'a.csv'}"


def test_a_column_without_a_name_is_named_by_its_number(tmp_path):
    data = tables.read(write(tmp_path / "a.csv", *with_column(range(N), name="")), "y")
    assert data.schema.left_out == (LeftOut("column_1", "counts the rows"),)


def test_a_few_different_numbers_beside_texts_are_a_category(tmp_path):
    data = tables.read(write(tmp_path / "a.csv", *with_column(["1", "2", "many"] * 8)), "y")
    assert data.columns[0] == Column("x", ("1", "2", "many"))


def test_the_most_frequent_levels_have_a_place_and_others_share_one(tmp_path):
    cells = [f"often{i % LEVELS:03d}" for i in range(3 * LEVELS)] + [f"rare{i}" for i in range(20)]
    data = tables.read(write(tmp_path / "a.csv", *with_column(cells)), "y")
    assert data.columns[0].levels == tuple(f"often{i:03d}" for i in range(LEVELS))
    assert data.X[-20:, 0].tolist() == [LEVELS] * 20


def test_what_is_left_out_and_why(tmp_path):
    lines = ["n,id,same,word,nothing,age,y"]
    lines += [f"{i + 7},p{i},3.0,w,NA,{AGES[i]},{i % 2}" for i in range(N)]
    path = write(tmp_path / "a.csv", *lines)
    data = tables.read(path, "y", drop=["word"])
    assert data.columns == (Column("age"),)
    assert data.schema.left_out == (
        LeftOut("n", "counts the rows"),
        LeftOut("id", "an identifier: 24 different texts in 24 rows, such as p0"),
        LeftOut("same", "the same in every row: 3"),
        LeftOut("word", "by --drop"),
        LeftOut("nothing", "no value in it"),
    )
    kept = tables.read(path, "y", keep=["n", "id", "same"])
    assert [column.name for column in kept.columns] == ["n", "id", "same", "age"]
    assert [out.name for out in kept.schema.left_out] == ["word", "nothing"]


def test_what_only_looks_like_an_identifier_is_kept(tmp_path):
    # 9 of 10 values different, not more; a count that stops; a constant with a missing value; few rows
    cells = [f"t{i}" for i in range(18)] + ["t0", "t1"]
    lines = ["a,b,c,y", *(f"{cells[i]},{min(i, 18)},{'' if i == 3 else 7},{i % 2}" for i in range(20))]
    data = tables.read(write(tmp_path / "a.csv", *lines), "y")
    assert [column.name for column in data.columns] == ["a", "b", "c"]
    data = tables.read(write(tmp_path / "b.csv", "a,b,y", *(f"{i},t{i},{i % 2}" for i in range(10))), "y")
    assert [column.name for column in data.columns] == ["a", "b"]


def test_many_different_texts_are_counted_exactly(tmp_path):
    # 30,000 rows, 15,000 different texts: more than are counted one by one, and half of the rows, so no identifier
    cells = [f"t{(i * 7919) % 15_000}" for i in range(30_000)]
    data = tables.read(write(tmp_path / "a.csv", *with_column(cells)), "y")
    assert data.columns[0].name == "x"
    cells = [f"t{i % 28_000}" for i in range(30_000)]
    data = tables.read(write(tmp_path / "a.csv", *with_column(cells)), "y")
    assert data.schema.left_out[0] == LeftOut("x", "an identifier: 28,000 different texts in 30,000 rows, such as t0")


def test_a_column_that_turns_from_numbers_to_texts_far_down_is_counted_from_its_first_row(tmp_path):
    # three blocks of numbers, of which 7 is the most frequent level, and then texts
    numbers = [7 if i % 3 == 0 else i for i in range(3 * rows_at_once(4))]
    cells = [*numbers, *(f"t{i % 150:03d}" for i in range(13_000))]
    data = tables.read(write(tmp_path / "a.csv", *with_column(cells)), "y")
    levels = data.columns[0].levels
    assert len(levels) == LEVELS
    assert "7" in levels
    assert data.X[0, 0] == levels.index("7")
    assert data.X[1, 0] == LEVELS


def test_a_target_that_turns_from_numbers_to_texts_has_all_its_classes(tmp_path):
    cells = [str(i % 4096) for i in range(8192)] + ["a", "b"] * 6000
    lines = ["age,y", *(f"{AGES[i % N]}.5,{cell}" for i, cell in enumerate(cells))]
    data = tables.read(write(tmp_path / "a.csv", *lines), "y")
    assert data.labels.tolist() == cells


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (10_001, "expected at most 10,000 classes, got 10,001. Leave rare ones out"),
        (15_000, "expected classes that repeat, got 15,000 different texts in 24,000 rows. Each class needs rows"),
    ],
)
def test_more_classes_than_are_counted_are_refused_for_what_they_are(tmp_path, n, message):
    path = write(tmp_path / "a.csv", "age,y", *(f"{AGES[i % N]},c{i % n}" for i in range(24_000)))
    with pytest.raises(DataError) as error:
        tables.read(path, "y")
    assert str(error.value).startswith(f"target 'y' of {path}: {message}")


@pytest.mark.parametrize("order", ["common last", "common first", "mixed"])
def test_the_most_frequent_levels_are_found_in_any_order_of_rows(tmp_path, order):
    rare = [f"rare{i}" for i in range(10_100)]
    common = [f"common{i % 2}" for i in range(500)] + [f"pair{i // 2:03d}" for i in range(2 * 150)]
    cells = {"common last": rare + common, "common first": common + rare}.get(order)
    if cells is None:
        cells = [(rare + common)[i] for i in np.random.default_rng(0).permutation(len(rare) + len(common))]
    lines = ["x,y", *(f"{cell},{i % 2}" for i, cell in enumerate(cells))]
    data = tables.read(write(tmp_path / "a.csv", *lines), "y", keep=["x"])
    levels = ("common0", "common1", *(f"pair{i:03d}" for i in range(LEVELS - 2)))  # of equal ones the first by name
    assert data.columns[0].levels == levels
    codes = [levels.index(cell) if cell in levels else LEVELS for cell in cells]
    assert data.X[:, 0].tolist() == codes


def test_frequent_levels_are_found_in_parquet_too(tmp_path):
    cells = [f"rare{i}" for i in range(10_100)] + ["a", "b", "7"] * 700
    pd.DataFrame({"x": cells, "y": [i % 2 for i in range(len(cells))]}).to_parquet(tmp_path / "a.parquet")
    levels = tables.read(str(tmp_path / "a.parquet"), "y", keep=["x"]).columns[0].levels
    assert {"a", "b", "7"} < set(levels)
    assert len(levels) == LEVELS


@pytest.mark.parametrize("task", [None, "regression"])
def test_a_slip_among_a_targets_numbers_is_named(tmp_path, task):
    cells = [str(i % 10 + 1) for i in range(200)]
    cells[9] = "n.a."
    path = write(tmp_path / "a.csv", "age,y", *(f"{AGES[i % N]},{cell}" for i, cell in enumerate(cells)))
    with pytest.raises(DataError) as error:
        tables.read(path, "y", task=task)
    hint = "Correct it." if task else "Correct it, or use --task classification."
    assert str(error.value) == (
        f"line 11, column 'y' of {path}: expected a number, as most of the targets, got 'n.a.'. {hint}"
    )
    assert tables.read(path, "y", task="classification").labels.tolist() == cells


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (["x,y", "1,0", "2,1"], ["x,y", "1,0", "2,1", "3,1"], "expected 2 rows, got 3"),
        (["x,y", "1,0", "2,1"], ["x,y", "1,0"], "expected 2 rows, got 1 row"),
        (["x,y", "1,0", "2,1"], ["y,x", "0,1", "1,2"], "expected the same first line, got another"),
        (["x,y", "1,0", "2,1"], ["x", "0", "1"], "expected the same first line, got another"),
    ],
)
def test_a_file_that_changes_between_the_passes_is_refused(tmp_path, monkeypatch, before, after, message):
    path, infer = write(tmp_path / "a.csv", *before), tables.infer

    def infer_and_change(*arguments):
        found = infer(*arguments)
        write(tmp_path / "a.csv", *after)
        return found

    monkeypatch.setattr(tables, "infer", infer_and_change)
    with pytest.raises(DataError) as error:
        tables.read(path, "y")
    assert str(error.value).startswith(f"{path} changed while it was read: {message}")
    assert str(error.value).endswith("Read it when nothing writes to it, or read a copy.")


def test_a_parquet_file_whose_columns_change_is_refused(tmp_path):
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"x": [1, 2], "y": [0, 1]}), path)
    table = tables.open_table(path)
    parquet.write_table(pa.table({"y": [1, 2], "x": [0, 1]}), path)
    with pytest.raises(DataError, match=r"a\.parquet changed while it was read: expected the same columns, got others"):
        list(table.blocks([0]))


@pytest.mark.parametrize("cell", ["None", "NA", "null"])
def test_a_target_that_counts_as_missing_is_shown(tmp_path, cell):
    message = f"expected a target, got {cell!r}, which counts as missing. Rename it, or leave the row out."
    path = write(tmp_path / "a.csv", "age,y", "1,Some", f"2, {cell} ", "3,Some")
    with pytest.raises(DataError) as error:
        tables.read(path, "y")
    assert str(error.value) == f"line 3, column 'y' of {path}: {message}"
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"age": [1, 2, 3], "y": ["Some", cell, "Some"]}), path)
    with pytest.raises(DataError) as error:
        tables.read(path, "y")
    assert str(error.value) == f"row 1, column 'y' of {path}: {message}"


def test_numbers_that_float64_cannot_tell_apart_are_left_out_for_that(tmp_path):
    cells = [90071992547409920 + i % 7 for i in range(N)]
    data = tables.read(write(tmp_path / "a.csv", *with_column(cells)), "y")
    reason = "numbers that differ by less than float64 can hold: 9.0072e+16"
    assert data.schema.left_out == (LeftOut("x", reason),)
    data = tables.read(write(tmp_path / "a.csv", *with_column([90071992547409920] * N)), "y")
    assert data.schema.left_out == (LeftOut("x", "the same in every row: 9.0072e+16"),)


def test_whole_targets_that_are_large_are_called_so(tmp_path):
    lines = ["age,y", *(f"{AGES[i]},{2**53 + 2 * i}" for i in range(N))]
    data = tables.read(write(tmp_path / "a.csv", *lines), "y")
    assert choose_task(data, None) == ("regression", "the targets are whole numbers, some beyond 2^53")


def test_numbers_with_leading_zeros_are_texts(tmp_path):
    cells = [f"{i % 5:02d}" for i in range(N)]
    data = tables.read(write(tmp_path / "a.csv", *with_column(cells)), "y")
    assert data.columns[0] == Column("x", ("00", "01", "02", "03", "04"))
    codes = [f"{1000 + i % 300:05d}" for i in range(900)] + ["99999"] * 9  # more than a column of numbers counts
    data = tables.read(write(tmp_path / "b.csv", *with_column([*codes[100:], *codes[:100]])), "y")
    assert len(data.columns[0].levels) == LEVELS
    assert "99999" in data.columns[0].levels
    for one in ("0.5", "-1", "7e1"):  # what else is written with zeros in front is a number
        assert tables.read(write(tmp_path / "c.csv", *with_column([*cells[:-1], one])), "y").columns[0] == Column("x")
    data = tables.read(write(tmp_path / "d.csv", *with_column([0, 10] * 12)), "y")
    assert data.columns[0] == Column("x")


def test_targets_with_leading_zeros_keep_them(tmp_path):
    path = write(tmp_path / "a.csv", "age,y", *(f"{AGES[i]},{i % 2 + 1:02d}" for i in range(N)))
    assert tables.read(path, "y").labels.tolist() == ["01", "02"] * 12
    assert tables.read(path, "y", task="regression").labels.tolist() == [1, 2] * 12


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["x,y", *(f",{i % 2}" for i in range(N))], {}, "none: x (no value in it). Add the columns that it depends on."),
        (["x,y", "1,0", "2,1"], {"drop": ["x"]}, "none: x (by --drop). Leave --drop out for one of them."),
        (["x,y", "1,0", "1,1"], {}, "none: x (the same in every row: 1). --keep COLUMN keeps one nevertheless."),
    ],
)  # fmt: skip
def test_hints_on_no_columns_do_not_lead_into_the_next_error(tmp_path, lines, options, message):
    with pytest.raises(DataError) as error:
        tables.read(write(tmp_path / "a.csv", *lines), "y", **options)
    assert str(error.value) == f"{tmp_path / 'a.csv'}: expected columns to predict from, got {message}"


def test_a_target_of_dates_is_to_be_given_otherwise(tmp_path):
    with pytest.raises(DataError) as error:
        tables.read(write(tmp_path / "a.csv", "x,y", "1,2024-01-01", "2,2024-01-02"), "y")
    assert str(error.value).endswith(
        "got the date 2024-01-01. Give the year, the month or a count of days instead, or choose another target."
    )


@pytest.mark.parametrize("suffix", ["tsv", "TSV", "tsv.gz"])
def test_in_a_tsv_file_the_tab_wins_wherever_it_cuts(tmp_path, suffix):
    lines = ["last, first\ty", *(f"Doe, J{i % 3}\t{i % 2}" for i in range(N))]
    path = tmp_path / f"a.{suffix}"
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    assert tables.read(str(path), "y").columns == (Column("last, first", ("Doe, J0", "Doe, J1", "Doe, J2")),)


def test_decimal_marks_are_compared_with_the_place_of_the_first(tmp_path):
    # read column by column: the first mark is that of a's second row, above which b has another
    path = write(tmp_path / "a.csv", "a;b;y", "1;2.5;x", "1,5;2;x", "2;3;z")
    with pytest.raises(
        DataError, match=r"^line 2, column 'b' of .*: expected a decimal comma, as in line 3, column 'a', got "
    ):
        tables.read(path, "y")


@pytest.mark.parametrize(
    ("cells", "dtype", "task"),
    [
        (["0", "1"] * 12, "i", "classification"),
        (["0.0", "1.0"] * 12, "i", "classification"),
        (["True", "False"] * 12, "U", "classification"),
        (["1", "x", "y"] * 8, "U", "classification"),
        (["01", "02"] * 12, "U", "classification"),
        ([str(i) for i in range(24)], "i", "regression"),
        (["0.5", "1.5"] * 12, "f", "regression"),
        (["30", "10"] * 12, "i", "classification"),
    ],
)
def test_the_target_tells_the_task(tmp_path, cells, dtype, task):
    lines = ["age,y", *(f"{AGES[i]},{cell}" for i, cell in enumerate(cells))]
    data = tables.read(write(tmp_path / "a.csv", *lines), "y")
    assert data.labels.dtype.kind == dtype
    assert choose_task(data, None)[0] == task


def test_the_same_values_in_other_columns_are_other_data(tmp_path):
    prints = set()
    for header in ("age,colour,y", "years,colour,y"):
        data = tables.read(write(tmp_path / "a.csv", header, *rows()), "y")
        prints.add(data.fingerprint())
        assert data.fingerprint() == tables.read_as(str(tmp_path / "a.csv"), data.schema).fingerprint()
    prints.add(tables.read(write(tmp_path / "a.csv", "age,colour,y", *rows()), "y", drop=["age"]).fingerprint())
    assert len(prints) == 3


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda word: word == word.strip() and word not in _MISSING and kind(word, True) == "text"
)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_table_that_csv_writes_is_read_back(tmp_path_factory, data):
    m = data.draw(st.integers(1, 30))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    numbers = data.draw(st.lists(st.none() | finite, min_size=m, max_size=m).filter(any_value))
    words = data.draw(st.lists(st.none() | WORDS, min_size=m, max_size=m).filter(any_value))
    classes = data.draw(st.lists(WORDS, min_size=m, max_size=m))
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=data.draw(st.sampled_from(",;\t|")))
        writer.writerow(["number", "word", "class"])
        writer.writerows(zip(numbers, words, classes, strict=True))
    read = tables.read(str(path), "class", keep=["number", "word"])
    np.testing.assert_array_equal(read.X[:, 0], np.array(numbers, dtype=float))
    levels = read.columns[1].levels
    assert [None if np.isnan(code) else levels[int(code)] for code in read.X[:, 1]] == words
    assert read.labels.tolist() == classes


def any_value(values):
    return any(value is not None for value in values)


# --- with the columns of a model ----------------------------------------------------------------------------------------
def test_columns_are_found_by_name_in_any_order_and_others_passed_over(tmp_path):
    schema = tables.read(write(tmp_path / "a.csv", "age,colour,y", *rows()), "y").schema
    data = tables.read_as(write(tmp_path / "b.csv", "note,colour,age", "hello,red,3", ",purple,", "x,,4.5"), schema)
    np.testing.assert_array_equal(data.X, [[3, 2], [np.nan, 3], [4.5, np.nan]])
    assert data.labels is None
    assert data.columns == schema.columns


def test_true_and_false_are_known_however_they_are_written(tmp_path):
    schema = tables.read(write(tmp_path / "a.csv", *with_column(["True", "False"] * 12)), "y").schema
    data = tables.read_as(write(tmp_path / "b.csv", *with_column(["true", "FALSE", "maybe"])), schema)
    assert data.X[:, 0].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["agee,colour", "1,red"], "b.csv: expected column 'age', which the model was trained on, got none of that name. Is it "
         "'agee'? Rename it."),
        (["colour", "red"], "b.csv: expected column 'age', which the model was trained on, got none of that name. Columns are "
         "found by their names, in any order."),
        (["q", "red"], "b.csv: expected column 'age', which the model was trained on, got none of that name; 2 columns are "
         "missing. Columns are"),
        (["age,colour", "1,red", "old,red"], "line 3, column 'age' of b.csv: expected a number, got 'old'. If it means that the "
         "value is missing, empty the cell."),
        (["age,colour", "1,red", "inf,red"], "line 3, column 'age' of b.csv: expected a finite number, got 'inf'. Correct"),
        (["age;colour", "1,5;red", "1.5;red"], "line 3, column 'age' of b.csv: expected a decimal comma, as in line 2, column 'age', "
         "got '1.5'. Write all numbers with the same decimal mark, and none with thousands separators."),
        (["age;colour", "1,5;red", "1.234,5;red"], "line 3, column 'age' of b.csv: expected a number such as 1234.5, got '1.2"),
        (["age,colour,y", "1,red,no", "1,red,maybe"], "line 3, column 'y' of b.csv: expected one of the classes no, yes, got "
         "'maybe'. A model can only be measured on classes that it was trained on."),
        (["age,colour,y", "1,red,no", "1,red,"], "line 3, column 'y' of b.csv: expected a target, got a missing value. Fill"),
        (["age,colour", ""], "b.csv: expected rows below the names, got none. Check how it was made."),
    ],
)  # fmt: skip
def test_what_a_model_cannot_take_is_named(tmp_path, monkeypatch, lines, message):
    monkeypatch.chdir(tmp_path)
    schema = tables.read(write(tmp_path / "a.csv", "age,colour,y", *rows()), "y").schema
    write(tmp_path / "b.csv", *lines)
    with pytest.raises(DataError) as error:
        tables.read_as("b.csv", schema)
    assert str(error.value).startswith(message)


# --- Parquet --------------------------------------------------------------------------------------------------------------
def test_parquet_gives_what_csv_gives(tmp_path):
    frame = pd.DataFrame({
        "age": pd.array([None if i == 5 else AGES[i] for i in range(N)], dtype="Int64"),
        "height": [np.nan if i == 2 else i % 7 + 0.25 for i in range(N)],
        "colour": pd.Categorical([None if i == 3 else COLOURS[i % 3] for i in range(N)]),
        "member": [i % 2 == 0 for i in range(N)],
        "y": [i % 3 for i in range(N)],
    })  # fmt: skip
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    a, b = tables.read(str(tmp_path / "a.parquet"), "y"), tables.read(str(tmp_path / "a.csv"), "y")
    np.testing.assert_array_equal(a.X, b.X)
    assert a.columns == b.columns
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.labels.dtype == b.labels.dtype == np.int64
    assert a.fingerprint() == b.fingerprint()
    assert a.where(4) == f"row 4 of {tmp_path / 'a.parquet'}"
    assert tables.read_as(str(tmp_path / "a.parquet"), b.schema).fingerprint() == b.fingerprint()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([date(2024, 1, 1 + i) for i in range(N)], "row 0, column 'x' of a.parquet: expected a number or a category, got the "
         "date 2024-01-01. Give the year, the month or a count of days instead, or leave it out: --drop x"),
        ([datetime(2024, 1, 1, i, 30) for i in range(N)], "row 0, column 'x' of a.parquet: expected a number or a category, got"),
        ([np.inf if i == 6 else float(i % 5) for i in range(N)], "row 6, column 'x' of a.parquet: expected a finite number, got"),
        (pd.to_timedelta(range(N), unit="h"), "column 'x' of a.parquet: expected numbers or text, got durations. Turn it"),
        ([[i, 1] for i in range(N)], "column 'x' of a.parquet: expected numbers or text, got ndarray. Turn it into numbers"),
    ],
)  # fmt: skip
def test_parquet_columns_that_cannot_be_used(tmp_path, monkeypatch, column, message):
    monkeypatch.chdir(tmp_path)
    parquet.write_table(pa.table({"x": column, "age": AGES, "y": [i % 2 for i in range(N)]}), "a.parquet")
    with pytest.raises(DataError) as error:
        tables.read("a.parquet", "y")
    assert str(error.value).startswith(message)


def test_a_parquet_column_without_a_name_is_named_by_its_number(tmp_path):
    parquet.write_table(pa.table([AGES, COLOURS * 8, [0, 1] * 12], names=["", "a.b", "y"]), tmp_path / "a.parquet")
    data = tables.read(str(tmp_path / "a.parquet"), "y")
    assert data.columns == (Column("column_1"), Column("a.b", ("blue", "green", "red")))
    assert data.X[:, 0].tolist() == AGES


def test_parquet_without_pyarrow_says_how_to_install_it(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError) as error:
        tables.read(str(tmp_path / "a.parquet"), "y")
    assert str(error.value) == (
        f"{tmp_path / 'a.parquet'}: expected pyarrow, to read Parquet, got none. Install it: pip install 'chainrule[parquet]'"
    )


def test_damaged_parquet_is_an_error(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"age": AGES * 50, "y": [i % 2 for i in range(N)] * 50}), path)
    content = path.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"a\.parquet: expected a whole Parquet file, got "):
            tables.read(str(path), "y")
