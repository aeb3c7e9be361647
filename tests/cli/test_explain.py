"""`chainrule explain MODEL DATA`: one derivative of one row (E1 to E14), as text, LaTeX, HTML and JSON."""

import io
import json
import re
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.explain import explain
from chainrule.cli.rows import select
from chainrule.data.pipeline import load_pipeline
from chainrule.data.readers import read_as


@pytest.fixture
def iris(run):
    run("train", "iris", "--epochs", 2, "--hidden", 6)
    return run


def explained(run, *arguments):
    code, out, err = run("explain", "model.chainrule", "iris", *arguments)
    assert (code, err) == (0, "")
    return out


def test_the_value_is_that_of_the_backward_pass(iris):
    out = explained(iris, "--row", 3, "--of", "W:1:2:0", "--digits", 9)
    pipeline = load_pipeline("model.chainrule")

    rows, _ = select(read_as("iris", None), pipeline, "test")
    row = rows.take(np.array([3]))
    found = cr.derive(pipeline.net, pipeline.inputs_of(row)[0], pipeline.check(row).values[0], "W:1:2:0", digits=9)
    shown = re.search(r"Result\n─+\n +∂C_i/∂w\^1_2,0 = (\S+)\n", out)[1]
    assert shown.replace("−", "-") == f"{found.value:.9g}"
    back = pipeline.net.backward(pipeline.net.forward(pipeline.inputs_of(row)), pipeline.check(row).values)
    assert found.value == pytest.approx(back.W[1][0, 2], rel=1e-5)  # the network is float32, the derivation float64
    lines = out.splitlines()
    assert lines[0].startswith("∂C_i/∂w^1_2,0: the derivative of the cost in the weight from input 0 to unit 2")
    label = str(rows.class_names[int(row.labels[0])]) if rows.class_names else str(row.labels[0])
    assert lines[2].startswith(f"row 3 of iris (held out in training): class {label}, predicted ")
    scaled = pipeline.inputs_of(row)[0]
    columns = [f"{k} is {rows.feature_names[k]} = {row.X[0, k]:g}, scaled to {scaled[k]:.6g}" for k in range(4)]
    assert f"input {'; '.join(columns)}" in " ".join(line.strip() for line in lines[3:6])


def test_without_of_it_takes_the_weight_with_the_largest_derivative_and_says_so(iris):
    result = json.loads(explained(iris, "--row", 1, "--json"))
    pipeline = load_pipeline("model.chainrule")

    row = select(read_as("iris", None), pipeline, "test")[0].take(np.array([1]))
    back = pipeline.net.backward(pipeline.net.forward(pipeline.inputs_of(row)), pipeline.check(row).values)
    largest = max((float(np.abs(W).max()), layer) for layer, W in back.W.items())
    layer = largest[1]
    k, j = np.unravel_index(np.abs(back.W[layer]).argmax(), back.W[layer].shape)
    assert result["of"] == f"W:{layer}:{j}:{k}"
    assert abs(result["value"]) == pytest.approx(largest[0], rel=1e-5)  # float32 beside float64
    assert f"--of is left out: W:{layer}:{j}:{k} is the weight with the largest derivative" in explained(
        iris, "--row", 1
    )


def test_json_has_the_steps_and_the_paths(iris):
    result = json.loads(explained(iris, "--of", "W:2:1:0", "--notation", "dz", "--form", "matrices", "--json"))
    assert [result[name] for name in ("model", "data", "which", "row", "of", "notation", "form", "shifted")] == [
        "model.chainrule", "iris", "held out in training", 0, "W:2:1:0", "dz", "matrices", False,
    ]  # fmt: skip
    assert result["steps"][-1]["symbol"] == "dΘ^(2)"
    assert np.array(result["steps"][-1]["value"])[1, 0] == result["value"]
    assert result["paths"]["by_dynamic_programming"] == result["value"]
    assert json.loads(explained(iris, "--of", "cost", "--json"))["paths"] is None


def test_every_option_reaches_the_derivation(iris):
    out = explained(iris, "--of", "b:1:0", "--notation", "theta", "--shifted", "--terms", 2, "--part", "train")
    assert "∂C_0/∂b^(0)_0: " in out.splitlines()[0]
    assert "(trained on)" in out
    assert "notation theta (source 001)" in out
    assert "(rest: 2 more terms: " in out
    assert "∇_x a^[3]_2" in explained(iris, "--of", "x", "--output", 2, "--notation", "input", "--form", "matrices")
    assert "∂C_i/∂a^0_1: " in explained(iris, "--of", "x:1", "--output", "cost")


def test_out_takes_its_format_from_its_ending_or_from_to(iris, tmp_path):
    for name, arguments, begins in (
        ("a.tex", (), "\\documentclass"),
        ("a.html", (), "<!DOCTYPE html>"),
        ("a.txt", (), "∂C_i/∂w^1_0,1: "),
        ("a", (), "∂C_i/∂w^1_0,1: "),
        ("a.pdf", ("--to", "text"), "∂C_i/∂w^1_0,1: "),
        ("b.tex", ("--to", "html"), "<!DOCTYPE html>"),
    ):
        assert explained(iris, "--of", "W:1:0:1", "--out", name, *arguments) == ""
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    assert explained(iris, "--of", "W:1:0:1", "--to", "latex").startswith("\\documentclass")
    assert "row 0 of iris (held out in training): class " in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_colours_are_for_terminals_and_not_where_no_color_is_set(iris, monkeypatch):

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown():
        monkeypatch.setattr(sys, "stdout", Terminal())
        explain("model.chainrule", "iris", of="W:2:0:0")
        return sys.stdout.getvalue()

    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = shown()
    assert "\x1b[36m(E1)\x1b[0m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown()
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 70
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert shown() == plain


def test_tables_and_bare_networks_and_rows_without_targets(run, tmp_path):
    rows = ["size,colour,price", *(f"{i % 7},{['red', '', 'blue'][i % 3]},{i * 1.5}" for i in range(30))]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    run("train", "t.csv", "--target", "price", "--epochs", 2, "--hidden", 3)
    code, out, err = run("explain", "model.chainrule", "t.csv", "--of", "delta:1")
    assert (code, err) == (0, "")
    assert re.search(r"row 0 of t\.csv \(held out in training\): target [\d.]+, predicted \S+\n", out)
    assert re.search(r"input 0 is size; 1 is colour=\w+; 2 is colour=\w+", out.replace("\n ", ""))

    rng = np.random.default_rng(0)
    np.savez("d.npz", X=rng.standard_normal((20, 3)))
    cr.save(cr.Network([3, 1], "logistic"), "net.chainrule")
    code, out, err = run("explain", "net.chainrule", "d.npz", "--row", 19, "--of", "x")
    assert (code, err) == (0, "")
    assert "row 19 of d.npz (all rows)\n" in out
    code, _, err = run("explain", "net.chainrule", "d.npz", "--of", "cost")
    assert (code, err) == (
        2,
        "chainrule: d.npz: expected targets beside the rows, got rows only. Store them under the name Y (or y_train, "
        "y_test).\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--row", 400],
            "--row: expected a row 0 to 29 of iris (held out in training), got 400. Rows are counted from 0 within the "
            "part: --part test, train or all.",
        ),
        (
            ["--row", -1, "--part", "all"],
            "--row: expected a row 0 to 149 of iris (all rows), got -1. Rows are counted from 0 within the part: --part "
            "test, train or all.",
        ),
        (["--of", "W:9:0:0"], "--of='W:9:0:0': expected a layer 1 to 2, got 9. Layers are counted from 1; layer 0 is the input."),
        (
            ["--of", "W:1:6:0"],
            "--of='W:1:6:0': expected a unit 0 to 5 of layer 1, got 6. Units are counted from 0; a weight is (layer, j, k), "
            "from unit k of the layer below to unit j.",
        ),
        (
            ["--notation", "deltas"],
            "--notation: unknown notation: expected one of S, delta, dz, input, nabla, theta, got 'deltas'. Did you mean "
            "delta or theta?",
        ),
        (["--form", "unit"], "--form: unknown form: expected one of matrices, units, got 'unit'. Did you mean units?"),
        (["--terms", 0], "--terms: expected a whole number ≥ 1, got 0. So many terms of each sum are written out."),
        (["--digits", 18], "--digits: expected a whole number 2 to 17, got 18. 17 digits print a float64 in full."),
        (
            ["--of", "x", "--output", "3"],
            '--output: expected a whole number 0 to 2, or "cost", got 3. Say which output\'s gradient is wanted; "cost" is '
            "∂C/∂x (E9).",
        ),
        (
            ["--to", "pdf"],
            "--to: unknown format: expected one of html, latex, text, got 'pdf'. Choose a name from the list.",
        ),
        (
            ["--json", "--out", "a.html"],
            "--out: expected no --json beside it, got a.html. Leave --json out, or write the object by your shell: > FILE.",
        ),
        (
            ["--json", "--to", "html"],
            "--to: expected no --json beside it, got html. Leave --json out, or write the object by your shell: > FILE.",
        ),
        (["--out", "a.pdf"], "--out: expected a name that ends in .txt, .tex, .html, .htm, got a.pdf. Say which it is by --to text, latex or html."),
        (["--out", "model.chainrule"], "--out: expected another file than what is read, got model.chainrule. Choose another name."),
    ],
)  # fmt: skip
def test_bad_input_ends_with_exit_code_2_and_one_line(iris, arguments, message):
    assert iris("explain", "model.chainrule", "iris", *arguments) == (2, "", f"chainrule: {message}\n")


def test_data_of_other_columns_are_refused_by_name(iris):
    message = (
        "X of xor: expected 4 columns, one for each of the network's inputs, got shape (1, 2). Give the columns that the "
        "network was made for, in the same order."
    )
    assert iris("explain", "model.chainrule", "xor", "--part", "all") == (2, "", f"chainrule: {message}\n")
