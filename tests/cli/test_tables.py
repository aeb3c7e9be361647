"""Tables on the command line: what is said of them, what is refused, and what they cost in memory."""

import csv
import gzip
import importlib.util
import io
import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import chainrule as cr

N = 40
HEADER = "age,colour,y"


def lines(n=N, sep=",", mark="."):
    """Rows of a number, a category and a target that follows from the number, with a decimal `mark`."""
    ages = np.random.default_rng(0).uniform(0, 10, n)
    return [
        sep.join([f"{age:.2f}".replace(".", mark), "rgb"[i % 3], "yes" if age > 5 else "no"])
        for i, age in enumerate(ages)
    ]


def write(name, *content, encoding="utf-8"):
    Path(name).write_bytes("\n".join(content).encode(encoding))


@pytest.fixture
def table(run):
    write("t.csv", HEADER, *lines())
    return run


@pytest.fixture
def trained(table):
    assert table("train", "t.csv", "--target", "y", "--epochs", 60, "--learning-rate", "0.01")[0] == 0
    return table


def mixed(m, path):
    """Ten mixed columns and a target of two classes: the table that the benchmark measures."""
    source = Path(__file__).parents[2] / "benchmarks" / "tables.py"
    assert source.is_file(), f"{source} is missing: run the tests from a checkout of the whole repository"
    spec = importlib.util.spec_from_file_location("benchmarks_tables", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_csv(Path(path), m)


# --- the verbs --------------------------------------------------------------------------------------------------------
def test_from_a_csv_file_to_a_model_and_back(run):
    mixed(1000, "m.csv")
    frame = pd.read_csv("m.csv")
    frame.insert(0, "id", [f"c{i}" for i in range(1000)])
    frame.assign(country="DE").to_csv("m.csv")  # pandas writes its index as a column without a name
    code, out, err = run("train", "m.csv", "--target", "bought")
    assert (code, err) == (0, "")
    printed = out.splitlines()
    assert printed[:8] == [
        "m.csv: 800 rows to train on, 200 to test on, 10 columns, classification (the targets are text)",
        "  target: bought",
        "  5 numbers: age, income, height, score, visits",
        "  5 categories: colour (3 levels), size (4 levels), day (7 levels), plan (10 levels), town (40 levels)",
        "  with missing values: income, height, size",
        "  left out: column_1, counts the rows",
        "  left out: id, an identifier: 1,000 different texts in 1,000 rows, such as c0",
        "  left out: country, the same in every row: DE",
    ]
    assert printed[8].startswith("Network 77-100-2: ")  # 5 numbers, 64 levels, 5 others, 3 that tell what is missing
    assert printed[13] == "on the test rows:"
    accuracy, baseline = map(float, printed[15].split()[1:])
    assert accuracy > 0.9 > baseline
    code, out, _ = run("evaluate", "model.chainrule", "m.csv")
    assert out.splitlines()[0] == "m.csv: 200 rows (held out in training)"
    assert out.splitlines()[1:] == printed[14:-1]
    code, out, _ = run("predict", "model.chainrule", "m.csv")
    predictions = out.splitlines()
    assert predictions[0] == "prediction"
    assert np.mean(np.array(predictions[1:]) == frame.bought) > 0.9
    model = cr.load_pipeline("model.chainrule")
    assert model.predict(frame).tolist() == predictions[1:]
    code, out, _ = run("info", "model.chainrule")
    assert out.splitlines()[4:11] == printed[1:8]
    assert out.splitlines()[3] == "classification into 2 classes: no, yes"


def test_json_says_all_of_a_table(table):
    code, out, _ = table("train", "t.csv", "--target", "y", "--json", "--epochs", 2, "--drop", "colour")
    result = json.loads(out)
    assert result["target"] == "y"
    assert result["columns"] == [{"name": "age", "levels": None}]
    assert result["left_out"] == [{"name": "colour", "reason": "by --drop"}]
    assert result["test_data"] is None
    assert list(result["test"]) == [
        "accuracy", "balanced_accuracy", "baseline_accuracy", "baseline_balanced_accuracy", "log_loss",
        "baseline_log_loss", "confusion_matrix", "cost",
    ]  # fmt: skip
    code, out, _ = table("info", "model.chainrule", "--json")
    info = json.loads(out)
    assert {name: info[name] for name in ("target", "columns", "left_out")} == {
        name: result[name] for name in ("target", "columns", "left_out")
    }
    assert "confusion_matrix" not in info["training"]["test"]


def test_a_regression_has_figures_beside_the_mean_of_the_training_rows(run):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    write("r.csv", "x;y", *(f"{a:.4f};{100 + 10 * a:.4f}".replace(".", ",") for a in x))
    code, out, _ = run("train", "r.csv", "--target", "y", "--epochs", 200, "--learning-rate", "0.01", "--json")
    result = json.loads(out)
    assert result["reason"] == "the targets are numbers with decimals"
    test = result["test"]
    assert list(test) == ["r2", "mae", "rmse", "baseline_r2", "baseline_mae", "baseline_rmse", "cost"]
    assert test["r2"] > 0.95 > 0.01 > test["baseline_r2"]
    code, out, _ = run("predict", "model.chainrule", "r.csv")
    assert np.corrcoef([float(line) for line in out.split()[1:]], x)[0, 1] > 0.99
    y = np.array([round(100 + 10 * a, 4) for a in x])
    mean = cr.load_pipeline("model.chainrule").baseline[0]
    assert abs(mean - y.mean()) < 1  # four fifths of them are the training rows
    code, out, _ = run("evaluate", "model.chainrule", "r.csv", "--part", "all", "--json")
    assert json.loads(out)["baseline_mae"] == pytest.approx(np.abs(y - mean).mean())


def test_probabilities_stand_behind_the_prediction(trained):
    code, out, _ = trained("predict", "model.chainrule", "t.csv", "--probabilities")
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["prediction", "p(no)", "p(yes)"]
    p = np.array([row[1:] for row in rows[1:]], dtype=float)
    np.testing.assert_allclose(p, cr.load_pipeline("model.chainrule").probabilities(pd.read_csv("t.csv")), rtol=1e-6)
    assert [row[0] for row in rows[1:]] == np.array(["no", "yes"])[p.argmax(axis=1)].tolist()
    code, out, _ = trained("predict", "model.chainrule", "t.csv", "--probabilities", "--json")
    result = json.loads(out)
    assert result["classes"] == ["no", "yes"]
    assert result["probabilities"] == p.tolist()
    assert result["rows"] == N


def test_predict_reads_standard_input_and_writes_files_whole(trained, monkeypatch):
    _, expected, _ = trained("predict", "model.chainrule", "t.csv")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("t.csv").read_bytes())))
    assert trained("predict", "model.chainrule", "-") == (0, expected, "")
    assert trained("predict", "model.chainrule", "t.csv", "--out", "p.csv") == (0, "", "")
    assert Path("p.csv").read_text() == expected
    assert len(trained("predict", "model.chainrule", "t.csv", "--part", "test")[1].splitlines()) == 1 + N // 5


def test_the_rows_of_another_file_are_the_test(table):
    write("more.csv", "y,extra,colour,age", "yes,1,r,9", "no,2,g,1", "no,3,purple,")
    code, out, err = table("train", "t.csv", "--target", "y", "--test", "more.csv", "--epochs", 60, "--json")
    assert err == (
        "note: column 'age': 1 missing value, taken as the mean; training had seen none\n"
        "note: column 'colour': 1 unknown text, taken as none of its levels; training had seen none\n"
    )
    result = json.loads(out)
    assert (result["rows"], result["test_data"]) == (N, "more.csv")
    assert np.sum(result["test"]["confusion_matrix"]) == 3
    code, out, _ = table("evaluate", "model.chainrule", "more.csv", "--json")
    assert json.loads(out)["confusion_matrix"] == result["test"]["confusion_matrix"]
    code, out, _ = table("evaluate", "model.chainrule", "t.csv", "--part", "train")
    assert out.startswith("t.csv: 40 rows (trained on)\n")
    assert table("evaluate", "model.chainrule", "t.csv") == (
        2, "", "chainrule: t.csv: expected rows that the model has not seen, got all the rows that it was trained on. Give "
        "more.csv, or --part train.\n"
    )  # fmt: skip


def test_arrays_can_have_their_test_in_another_file_too(run):
    rng = np.random.default_rng(0)
    for name, m in (("a.npz", 50), ("b.npz", 7)):
        np.savez(name, X=rng.normal(size=(m, 3)), Y=np.arange(m) % 2)
    assert json.loads(run("train", "a.npz", "--test", "b.npz", "--json", "--epochs", 1)[1])["rows"] == 50
    np.savez("c.npz", X=np.zeros((7, 2)), Y=np.arange(7) % 2)
    assert run("train", "a.npz", "--test", "c.npz")[2] == (
        "chainrule: --test c.npz: expected 3 columns, got 2 of them. Both parts need the same columns.\n"
    )


def test_parquet_on_the_command_line(run):
    mixed(200, "m.csv")
    pd.read_csv("m.csv").to_parquet("m.parquet")
    _, out, _ = run("train", "m.parquet", "--target", "bought", "--epochs", 3)
    assert out.startswith(
        "m.parquet: 160 rows to train on, 40 to test on, 10 columns, classification (the targets are te"
    )
    _, from_parquet, _ = run("predict", "model.chainrule", "m.parquet")
    assert run("predict", "model.chainrule", "m.csv")[1] == from_parquet
    assert run("evaluate", "model.chainrule", "m.csv")[1].startswith("m.csv: 40 rows (held out in training)\n")


def test_a_text_that_training_never_saw_changes_nothing(trained):
    model = cr.load_pipeline("model.chainrule")
    unused = model.inputs.untrained
    assert unused.tolist() == [4]
    assert not model.net.W[1][unused].any()
    with pytest.warns(UserWarning, match="column 'colour': 2 unknown texts, taken as none of its levels"):
        outputs = model.outputs({"age": [3.0, 3.0], "colour": ["purple", "mauve"]})
    assert outputs[0].tolist() == outputs[1].tolist()


def test_of_many_classes_the_most_frequent_confusions_are_shown(run):
    write("c.csv", "x,y", *(f"{i * 7 % 11}.5,class {i % 25:02d}" for i in range(500)))
    _, out, _ = run("train", "c.csv", "--target", "y", "--epochs", 1)
    shown = out.split("most frequent confusions of ")
    assert shown[0].endswith("\n10 ")
    rows = shown[1].splitlines()[1:11]
    counts = [int(row.split()[0]) for row in rows]
    assert all(" of class " in row and " taken for class " in row for row in rows)
    assert counts == sorted(counts, reverse=True)
    matrix = json.loads(run("evaluate", "model.chainrule", "c.csv", "--json")[1])["confusion_matrix"]
    off_diagonal = np.array(matrix) * (1 - np.eye(25, dtype=int))
    assert counts == np.sort(off_diagonal.ravel())[::-1][:10].tolist()


# --- what is refused, and what works ------------------------------------------------------------------------------------
BAD = {
    "ragged.csv": ([HEADER, *lines(5), "1,r"], "line 7 of ragged.csv: expected 3 cells, as the first line has, got 2. Add the "
                   "missing cells."),
    "longer.csv": ([HEADER, *lines(5), "1,r,yes,no"], "line 7 of longer.csv: expected 3 cells, as the first line has, got 4. "
                   "Quote cells that hold ','."),
    "both.csv": ([HEADER.replace(",", ";"), *lines(9, ";", ","), "1.5;r;yes"], "line 11, column 'age' of both.csv: expected a "
                 "decimal comma, as in line 2, column 'age', got '1.5'. Write all numbers with the same decimal mark, and none "
                 "with thousands separators."),
    "comma.csv": ([HEADER, *(f'"{i},5",r,{i % 2}' for i in range(30))], "line 2, column 'age' of comma.csv: expected a number "
                  "such as 1234.5, got '0,5'. Write numbers without thousands separators, and with a decimal point where commas "
                  "stand between the cells."),
    "thousands.csv": ([HEADER, *lines(), '"1,234",r,yes'], "line 42, column 'age' of thousands.csv: expected a number such as "
                      "1234.5, got '1,234'. Write"),
    "quote.csv": ([HEADER, *lines(5), '1,"r,yes', *lines(5)], "line 7 of quote.csv: expected quotes in pairs around a cell, got a "
                  "row that can't be cut (unexpected end of data). Close it; inside quotes, write a quote twice, as in "
                  "\"6\"\" pipe\"."),
    "inches.csv": ([HEADER, '1,"6" pipe",yes', *lines(5)], "line 2 of inches.csv: expected quotes in pairs around a cell, got"),
    "gap.csv": ([HEADER, *lines(7), "1,r,"], "line 9, column 'y' of gap.csv: expected a target, got a missing value. Fill the "
                "cell, or leave the row out."),
    "constant.csv": (["age,y", *(f"{i * 7 % 11},2.5" for i in range(30))], "target 'y' of constant.csv: expected numbers that "
                     "differ, got 2.5 in every row. There is nothing to predict."),
    "one.csv": ([HEADER, *(f"{i * 7 % 11},r,yes" for i in range(30))], "target 'y' of one.csv: expected 2 classes or more, got "
                "'yes' in every row. There is nothing to tell apart."),
    "binary.csv": ([b"\x00\x01\x02\x03" * 50], "binary.csv: expected a table as text, got a binary file. Save it as CSV in UTF-8."),
    "sheet.csv": ([b"PK\x03\x04 and so on"], "sheet.csv: expected a table as text, got a binary file. If it is a spreadsheet, "
                  "save it as CSV."),
    "late.csv": ([HEADER, *lines(3000), "1,\0,yes"], "line 3002 of late.csv: expected text, got a zero byte, as in a binary file. "
                 "Save it as CSV in UTF-8."),
    "empty.csv": ([b""], "empty.csv: expected a table, got an empty file. Check how it was made."),
    "blank.csv": (["", "", ""], "blank.csv: expected a table, got blank lines only. Check how it was made."),
    "header.csv": ([HEADER], "header.csv: expected rows below the names, got none. Check how it was made."),
    "latin.csv": (["\n".join([HEADER, *lines(5), "1,ü,yes"]).encode("latin-1")], "line 7 of latin.csv: expected text in UTF-8, got "
                  "the byte 0xfc. Save it as CSV in UTF-8."),
    "numbers.csv": (["1,2,3", "4,5,6"], "line 1 of numbers.csv: expected the names of the columns, got only numbers, such as '1'. "
                    "Write a first line with a name for each column."),
    "twice.csv": (["age,age,y", *lines()], "twice.csv: expected a name of its own for each column, got 'age' for columns 1 and 2. "
                  "Rename one."),
    "only.csv": (["id,y", *(f"x{i},{i % 2}" for i in range(30))], "only.csv: expected columns to predict from, got none: id (an "
                 "identifier: 30 different texts in 30 rows, such as x0). --keep COLUMN keeps one nevertheless."),
    "alone.csv": (["y", *(str(i % 2) for i in range(30))], "alone.csv: expected columns to predict from, got the target alone. Add "
                  "the columns that it depends on."),
    "empty_row.csv": ([HEADER, *lines(3), ",,", *lines(3)], "line 5, column 'y' of empty_row.csv: expected a target, got a missing value. Fill "
                "the cell, or leave the row out."),
    "inf.csv": ([HEADER, *lines(5), "-inf,r,yes"], "line 7, column 'age' of inf.csv: expected a finite number, got '-inf'. Correct "
                "the cell, or empty it if the value is missing."),
    "huge.csv": ([HEADER, *lines(5), "1e999,r,yes"], "line 7, column 'age' of huge.csv: expected a finite number, got '1e999'."),
    "infinite.csv": (["age,y", *(f"{i * 7 % 11},{'inf' if i == 4 else i / 3}" for i in range(30))], "line 6, column 'y' of "
                     "infinite.csv: expected a finite number, got 'inf'. Correct"),
    "word.csv": ([HEADER, *lines(30), "old,r,yes"], "line 32, column 'age' of word.csv: expected a number, as most of this column, "
                 "got 'old'. If it means that the value is missing, empty the cell."),
    "date.csv": (["when,age,y", *(f"2024-03-{i + 1:02d},{i * 7 % 11},{i % 2}" for i in range(30))], "line 2, column 'when' of "
                 "date.csv: expected a number or a category, got the date 2024-03-01. Give the year, the month or a count of "
                 "days instead, or leave it out: --drop when"),
    "german.csv": (["my date;age;y", *(f"{i + 1}.3.24 12:30;{i * 7 % 11};{i % 2}" for i in range(30))], "line 2, column 'my date' "
                   "of german.csv: expected a number or a category, got the date 1.3.24 12:30. Give the year, the month or a "
                   "count of days instead, or leave it out: --drop \"my date\""),
    "when.csv": (["age,y", *(f"{i * 7 % 11},{i + 1}/12/1999" for i in range(30))], "line 2, column 'y' of when.csv: expected a number "
                 "or a category, got the date 1/12/1999."),
    "names.csv": (["age,y", *(f"{i * 7 % 11},name {i}" for i in range(30))], "target 'y' of names.csv: expected classes that "
                  "repeat, got 30 different texts in 30 rows. Each class needs rows to be learned from; choose another column."),
    "long.csv": (["age,y", *(f"{i * 7 % 11},{'ab'[i % 2] * 250}" for i in range(30))], "target 'y' of long.csv: expected classes "
                 "with names of at most 200 characters, got one of 250: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'…. Shorten the "
                 "names of the classes, or choose another column."),
    "cell.csv": ([HEADER, *lines(5), f"1,{'r' * 200_000},yes"], "line 7 of cell.csv: expected cells of at most 131,072 "
                 "characters, got a longer one. If a quote before it was left open, close it; else shorten the cell"),
    "open.csv": ([HEADER, '1,"r,yes', *lines(20_000)], "line 2 of open.csv: expected cells of at most 131,072 characters"),
    "half.csv": (["\n".join([HEADER, *lines()]).encode("utf-16")[:-1]], "half.csv: expected text in UTF-16, as its first bytes "
                 "say, got truncated data. Was it copied completely?"),
    "cut.csv.gz": ([gzip.compress("\n".join([HEADER, *lines()]).encode())[:-12]], "cut.csv.gz: expected a whole gzip file, got "
                   "Compressed file ended before the end-of-stream marker was reached. Was it copied completely?"),
    "no.csv.gz": ([b"not gzip"], "no.csv.gz: expected a whole gzip file, got Not a gzipped file (b'no'). Was it copied"),
    "gzip.csv": ([gzip.compress(b"a,y")], "gzip.csv: expected a table as text, got a binary file. If it is compressed by gzip, let "
                 "its name end in .csv.gz."),
    "no.parquet": ([b"not parquet"], "no.parquet: expected a whole Parquet file, got "),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_ends_with_exit_code_2_a_clear_text_and_nothing_written(run, name):
    content, message = BAD[name]
    if isinstance(content[0], bytes):
        Path(name).write_bytes(content[0])
    else:
        write(name, *content)
    code, out, err = run("train", name, "--target", "y")
    assert err.startswith(f"chainrule: {message}")
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert [file.name for file in Path().iterdir()] == [name]


GOOD = {
    "mark.csv": ("\ufeff" + "\n".join([HEADER, *lines()])).encode(),
    "wide.csv": "\n".join([HEADER, *lines()]).encode("utf-16"),
    "semicolon.csv": "\n".join([HEADER.replace(",", ";"), *lines(sep=";", mark=",")]).encode(),
    "tab.tsv": "\n".join([HEADER.replace(",", "\t"), *lines(sep="\t", mark=",")]).encode(),
    "bar.txt": "\n".join([HEADER.replace(",", "|"), *lines(sep="|")]).encode(),
    "crlf.csv": "\r\n".join([HEADER, *lines(), ""]).encode(),
    "quoted.csv": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in [HEADER, *lines()]).encode(),
    "spaced.csv": "\n".join(line.replace(",", " , ") for line in [HEADER, *lines()]).encode(),
    "blanks.csv": "\n\n".join([HEADER, *lines()]).encode(),
    "empty_rows_at_the_end.csv": "\n".join([HEADER, *lines(), ",,", " , ,", ""]).encode(),
    "small.csv.gz": gzip.compress("\n".join([HEADER, *lines()]).encode()),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_person_expects_to_work_works_and_gives_the_same_model(trained, name):
    Path(name).write_bytes(GOOD[name])
    arguments = ("--target", "y", "--epochs", 60, "--learning-rate", "0.01", "--out", "other.chainrule")
    assert trained("train", name, *arguments)[0] == 0
    assert trained("predict", "other.chainrule", name) == trained("predict", "model.chainrule", "t.csv")
    assert trained("evaluate", "model.chainrule", name)[1].startswith(f"{name}: 8 rows (held out in training)\n")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("t.csv", "target 'y' of t.csv"),
        ("one.npz", "targets of one.npz"),
        ("two.npz", "column 1 of the targets of two.npz"),
    ],
)
def test_a_target_too_large_is_called_what_it_is(run, data, name):
    X = np.arange(30.0)[:, np.newaxis] * 7 % 11
    large = np.arange(30) * 1e200
    write("t.csv", "age,y", *(f"{i * 7 % 11},{i}e200" for i in range(30)))
    np.savez("one.npz", X=X, Y=large)
    np.savez("two.npz", X=X, Y=np.c_[X, large])
    code, _, err = run("train", data, *(["--target", "y"] if data == "t.csv" else []))
    assert code == 2
    assert err.startswith(
        f"chainrule: {name}: expected numbers whose squares are finite, got numbers up to 2.9e+201. Divide"
    )


def test_a_category_of_all_different_values_is_left_out_and_said(run):
    write("id.csv", f"id,{HEADER}", *(f"x{i},{line}" for i, line in enumerate(lines())))
    _, out, _ = run("train", "id.csv", "--target", "y", "--epochs", 1)
    assert "  left out: id, an identifier: 40 different texts in 40 rows, such as x0\n" in out
    assert run("train", "id.csv", "--target", "y", "--epochs", 1, "--keep", "id")[0] == 0
    assert [column.name for column in cr.load_pipeline("model.chainrule").schema.columns] == ["id", "age", "colour"]


def test_dates_can_be_left_out(run):
    write("d.csv", f"when,{HEADER}", *(f"2024-01-{1 + i % 28:02d},{line}" for i, line in enumerate(lines())))
    _, out, _ = run("train", "d.csv", "--target", "y", "--epochs", 1, "--drop", "when")
    assert "  left out: when, by --drop\n" in out
    code, _, err = run("train", "d.csv", "--target", "y", "--keep", "when")
    assert code == 2
    assert err.startswith(
        "chainrule: line 2, column 'when' of d.csv: expected a number or a category, got the date 2024-01-01."
    )


def test_ten_thousand_columns(run):
    rng = np.random.default_rng(0)
    header = [*(f"n{i}" for i in range(5000)), *(f"c{i}" for i in range(5000)), "y"]
    with Path("wide.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([
            [*rng.normal(size=5000).round(3).tolist(), *np.array(list("abc"))[rng.integers(0, 3, 5000)].tolist(), i % 2]
            for i in range(30)
        ])  # fmt: skip
    code, out, _ = run("train", "wide.csv", "--target", "y", "--epochs", 1, "--hidden", "2")
    assert code == 0
    assert "  5,000 numbers: n0, n1, " in out
    assert ", n19 and 4,980 more\n" in out
    assert len(run("predict", "model.chainrule", "wide.csv")[1].splitlines()) == 31


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "t.csv"], "--target for t.csv: expected the column to predict, got none; the columns are age, colour, y. If it "
         "is the last column: --target y\n"),
        (["train", "t.csv", "--target", "Yes"], "--target for t.csv: expected one of the columns age, colour, y, got 'Yes'. Upper and "
         "lower case count.\n"),
        (["train", "t.csv", "--target", "colur"], "--target for t.csv: expected one of the columns age, colour, y, got 'colur'. Did "
         "you mean 'colour'?\n"),
        (["train", "t.csv", "--target", "y", "--drop", "agee"], "--drop for t.csv: expected one of the columns age, colour, y, got "
         "'agee'. Did you mean 'age'?\n"),
        (["train", "t.csv", "--target", "y", "--keep", "y"], "--keep: expected another column than the target, got 'y'. It is"),
        (["train", "t.csv", "--target", "y", "--keep", "age", "--drop", "age"], "--keep: expected a column that --drop leaves, got"),
        (["train", "empty_column.csv", "--target", "y", "--keep", "e"], "--keep for empty_column.csv: expected a column with values, "
         "got 'e'. Leave --keep out.\n"),
        (["train", "t.csv", "--target", "y", "--task", "regression"], "--task regression: expected numbers as targets, got text, "
         "such as 'yes'. Use --task classification.\n"),
        (["train", "iris", "--target", "y"], "--target: expected a table, such as a CSV file, got --target with iris. Leave it out"),
        (["train", "iris", "--drop", "y"], "--drop: expected a table, such as a CSV file, got --drop with iris."),
        (["train", "-", "--target", "y"], "DATA: expected data that can be read twice, got standard input. Save it to a file"),
        (["train", "t.csv", "--target", "y", "--test", "no_target.csv"], "no_target.csv: expected targets beside the rows, got rows "
         "only. They stand in the column 'y'.\n"),
        (["train", "t.csv", "--target", "y", "--test", "renamed.csv"], "renamed.csv: expected column 'age', which the model was "
         "trained on, got none of that name. Is it 'Age'? Rename it.\n"),
        (["train", "t.csv", "--target", "y", "--test", "unseen.csv"], "line 3, column 'y' of unseen.csv: expected one of the classes "
         "no, yes, got 'maybe'. A model can only be measured on classes that it was trained on.\n"),
        (["train", "t.csv", "--target", "y", "--test", "iris"], "iris: expected a table with the columns age, colour, got arrays."),
        (["train", "iris", "--test", "t.csv"], "t.csv: expected arrays, as the model was trained on, got a table. Give arrays"),
        (["train", "t.csv", "--target", "y", "--out", "t.csv"], "--out: expected another file than what is read, got t.csv."),
        (["train", "t.csv", "--target", "y", "--test", "unseen.csv", "--out", "unseen.csv"], "--out: expected another file than"),
        (["train", "t.csv", "--target", "y", "--test", "t.csv", "--test-fraction", "7"], "--test-fraction: expected no --test "
         "beside it, got --test t.csv. Leave one of them out: with --test no rows are split off.\n"),
        (["train", "none.csv", "--target", "y"], "none.csv: expected a file or a folder, got no such file. Check the path.\n"),
        (["train", f"{'x' * 300}.csv", "--target", "y"], "DATA: expected a name or a path, got File name too long. Check the path.\n"),
        (["predict", "model.chainrule", f"{'x' * 300}.csv"], "DATA: expected a name or a path, got File name too long. Check"),
        (["train", "a.xlsx", "--target", "y"], "a.xlsx: expected a table or an NPZ file, got a spreadsheet. Save it as CSV.\n"),
        (["train", "a.json"], "a.json: expected a table or an NPZ file, got a JSON file. Save its table as CSV.\n"),
        (["train", "bz"], "bz: expected a table or an NPZ file, got a compressed file. Unpack it first; only"),
        (["train", "fifo"], "fifo: expected a file or a folder, got a device or pipe, which can't be read twice. Save it to a file "
         "first.\n"),
        (["predict", "model.chainrule", "fifo"], "fifo: expected a table with the columns age, colour, got a device or pipe, which"),
        (["predict", "model.chainrule", "t.csv", "--json", "--out", "p.csv"], "--out: expected no --json beside it, got p.csv. Leave "
         "--json out, or write the object by your shell: > FILE.\n"),
        (["train", "t.csv", "--target", "y", "--test", "./t.csv"], "--test: expected other data than DATA, got ./t.csv. Leave --test "
         "out: a part of DATA is split off for the test.\n"),
        (["predict", "model.chainrule", "large.csv"], "line 3, column 'age' of large.csv: expected numbers that fit float32 when scaled, "
         "got 1e+40. Correct it, or empty the cell if the value is missing.\n"),
        (["evaluate", "model.chainrule", "large.csv"], "line 3, column 'age' of large.csv: expected numbers that fit float32 when scaled, "
         "got 1e+40. Correct it, or"),
        (["evaluate", "number.chainrule", "target.csv"], "line 3, column 'age' of target.csv: expected a number that fits float32 when "
         "scaled, got 1e+300. Correct it, or leave the row out.\n"),
        (["train", "huge.csv", "--target", "y"], "line 5, column 'age' of huge.csv: expected numbers whose squares are finite, got "
         "1e+308. Correct it, or divide its column by a large number.\n"),
        (["train", "t.csv", "--target", "y", "--learning-rate", "nan"], "--learning-rate: expected "),
        (["train", "t.csv", "--target", "y", "--threads", "0"], "--threads: expected a whole number 1 to 256, got 0."),
        (["train", "t.csv", "--target", "y", "--dtype", "float16"], "--dtype"),
        (["train", "t.csv", "--target", "y", "--epochs", "-1"], "--epochs: expected a whole number ≥ 0, got -1."),
        (["evaluate", "model.chainrule", "unseen.csv"], "line 3, column 'y' of unseen.csv: expected one of the classes no, yes, got "
         "'maybe'. A model can only be measured on classes that it was trained on.\n"),
        (["evaluate", "model.chainrule", "no_target.csv"], "no_target.csv: expected targets beside the rows, got rows only. They "
         "stand in the column 'y'.\n"),
        (["evaluate", "model.chainrule", "iris"], "iris: expected a table with the columns age, colour, got arrays. Write the rows"),
        (["evaluate", "model.chainrule", "-"], "DATA: expected data that can be read twice, got standard input. Save it to a file"),
        (["evaluate", "iris.chainrule", "t.csv"], "t.csv: expected arrays, as the model was trained on, got a table. Give arrays"),
        (["predict", "iris.chainrule", "t.csv"], "t.csv: expected arrays, as the model was trained on, got a table. Give"),
        (["predict", "model.chainrule", "none.csv"], "none.csv: expected a table, got no such file. Check the path.\n"),
        (["predict", "model.chainrule", "renamed.csv"], "renamed.csv: expected column 'age', which the model was trained on, got none "
         "of that name. Is it 'Age'? Rename it.\n"),
        (["predict", "model.chainrule", "short.csv"], "short.csv: expected column 'colour', which the model was trained on, got none "
         "of that name. Columns are found by their names, in any order.\n"),
        (["predict", "model.chainrule", "late.csv", "--out", "p.csv"], "line 5001, column 'age' of late.csv: expected a number, got "
         "'old'. If it means that the value is missing, empty the cell.\n"),
        (["predict", "model.chainrule", "late.csv"], "line 5001, column 'age' of late.csv: expected a number, got 'old'."),
        (["predict", "model.chainrule", "ragged.csv"], "line 5001 of ragged.csv: expected 2 cells, as the first line has, got 3."),
        (["predict", "model.chainrule", "t.csv", "--out", "t.csv"], "--out: expected another file than what is read, got t.csv."),
        (["predict", "number.chainrule", "t.csv", "--probabilities"], "--probabilities: expected a classification by outputs ≥ 0, got "
         "a regression. Train with a softmax output, the default for classes.\n"),
    ],
)  # fmt: skip
def test_mistakes_with_tables_end_with_exit_code_2_a_clear_text_and_nothing_written(
    trained, tmp_path, arguments, message
):
    trained("train", "iris", "--epochs", 1, "--out", "iris.chainrule")
    write("empty_column.csv", "age,e,y", *(f"{i * 7 % 11},,{i % 2}" for i in range(20)))
    write("no_target.csv", "age,colour", "1,r")
    write("a.xlsx", "PK")
    write("a.json", "{}")
    write("bz", "BZh91AY")
    os.mkfifo("fifo")
    write("large.csv", HEADER, "1,r,yes", "1e40,r,no")
    write("target.csv", HEADER, "1,r,yes", "1e300,r,no")
    write("huge.csv", HEADER, "1,r,yes", "2,r,no", "3,g,yes", "1e308,r,no", *["4,g,yes", "5,r,no"] * 20)
    write("renamed.csv", "Age,colour,y", "1,r,yes")
    write("short.csv", "age,y", "1,yes")
    write("unseen.csv", HEADER, "1,r,yes", "2,r,maybe")
    write("late.csv", "age,colour", *["1,r"] * 4999, "old,r")
    write("ragged.csv", "age,colour", *["1,r"] * 4999, "1,r,3")
    trained("train", "t.csv", "--target", "age", "--epochs", 1, "--out", "number.chainrule")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    code, out, err = trained(*arguments)
    assert err.startswith(f"chainrule: {message}")
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_a_missing_number_that_training_never_missed_is_the_mean_and_said_once(trained):
    write("new.csv", "age,colour", *[",r"] * 3000, "1,purple", "2,")
    code, out, err = trained("predict", "model.chainrule", "new.csv")
    assert code == 0
    assert err == (
        "note: column 'age': 3,000 missing values, taken as the mean; training had seen none\n"
        "note: column 'colour': 1 missing value and 1 unknown text, taken as none of its levels; training had seen none\n"
    )
    model = cr.load_pipeline("model.chainrule")
    mean = model.inputs.scaling.mean[0]
    assert out.splitlines()[1] == model.predict({"age": [mean], "colour": ["r"]})[0]


# --- memory ---------------------------------------------------------------------------------------------------------------
def peak(action):
    """The most memory that Python's allocators, numpy's among them, hand out during an action, beyond what is there."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_training_takes_less_than_five_times_the_file_as_float64(run):
    mixed(20, "few.csv")
    mixed(20_000, "many.csv")
    arguments = ("--target", "bought", "--epochs", 1)
    assert run("train", "few.csv", *arguments)[0] == 0  # imports what the first training imports
    assert peak(lambda: run("train", "many.csv", *arguments)) < 5 * 20_000 * 11 * 8


def test_predict_takes_the_same_memory_for_a_table_five_times_as_long(trained):
    peaks = []
    for m in (20_000, 100_000):
        write("new.csv", "age,colour", *(f"{i % 11},{'rgb'[i % 3]}" for i in range(m)))
        peaks.append(peak(lambda: trained("predict", "model.chainrule", "new.csv", "--out", "p.csv")))
        assert len(Path("p.csv").read_text().splitlines()) == m + 1
    assert peaks[1] < 1.1 * peaks[0]  # blocks of rows come and go; what varies is when the collector runs
