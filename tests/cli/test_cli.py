"""The command line as a person meets it: what it prints, what it writes, how it fails."""

import csv
import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr


def test_digits_reach_an_accuracy_of_0_96_with_the_defaults(run):
    code, out, err = run("train", "digits")
    assert code == 0
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == (
        "digits: 1,437 rows to train on, 360 to test on, 64 columns, classification (the targets are 10 different "
        "integers that repeat)"
    )
    assert lines[1] == "Network 64-100-10: 7,510 parameters, float32, cost cross_entropy (mean), backend native"
    assert lines[-1] == "saved model.chainrule"
    accuracy, baseline = next(map(float, line.split()[1:]) for line in lines if line.startswith("  accuracy"))
    assert accuracy >= 0.96
    assert baseline < 0.13  # ten digits, about as many of each


def test_train_json_is_one_object_that_says_it_all_and_evaluate_agrees(run):
    code, out, err = run("train", "digits", "--json", "--epochs", 12, "--seed", 3)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["test"]["accuracy"] >= 0.96
    assert result["task"] == "classification"
    assert len(result["history"]["cost"]) == 12
    assert result["stopped"] == "epochs"
    code, out, _ = run("evaluate", "model.chainrule", "digits", "--json")
    evaluated = json.loads(out)
    assert evaluated["rows"] == 360
    assert evaluated["which"] == "held out in training"
    assert {name: evaluated[name] for name in result["test"]} == result["test"]
    code, out, _ = run("evaluate", "model.chainrule", "digits", "--part", "train", "--json")
    assert json.loads(out)["rows"] == 1437
    code, out, _ = run("evaluate", "model.chainrule", "digits", "--part", "all")
    assert out.startswith("digits: 1,797 rows (all rows)\n                          model   baseline\n  accuracy  ")


def test_info_shows_layers_parameters_classes_and_history(run):
    run("train", "iris", "--hidden", "8,4", "--epochs", 5)
    code, out, _ = run("info", "model.chainrule")
    assert code == 0
    assert out.startswith(
        "Network 4-8-4-3: 91 parameters, float32, cost cross_entropy (mean), backend native\n"
        "  layer 1: 4 -> 8 relu, 40 parameters\n"
        "  layer 2: 8 -> 4 relu, 36 parameters\n"
        "  layer 3: 4 -> 3 softmax, 15 parameters\n"
        "classification into 3 classes: setosa, versicolor, virginica\n"
        "trained on 120 rows of iris with adam, 5 epochs, stopped by: epochs\n"
    )
    code, out, _ = run("info", "model.chainrule", "--json")
    result = json.loads(out)
    assert result["parameters"] == 91
    assert result["feature_names"][0] == "sepal length (cm)"
    assert len(result["training"]["history"]["cost"]) == 5


def test_info_of_a_network_that_cr_save_wrote(run):
    cr.save(cr.Network([2, 1]), "net.chainrule")
    code, out, _ = run("info", "net.chainrule")
    assert (code, out) == (0, repr(cr.Network([2, 1])) + "\n")


def test_predict_writes_csv_to_standard_output_or_a_file(run):
    run("train", "iris", "--epochs", 30)
    code, out, _ = run("predict", "model.chainrule", "iris")
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["prediction"]
    model = cr.load_pipeline("model.chainrule")
    from sklearn.datasets import load_iris

    assert [int(row[0]) for row in rows[1:]] == model.predict(load_iris().data).tolist()
    code, printed, _ = run("predict", "model.chainrule", "iris", "--out", "p.csv")
    assert (code, printed) == (0, "")
    assert Path("p.csv").read_text() == out
    code, out, _ = run("predict", "model.chainrule", "iris", "--json", "--part", "test")
    assert len(json.loads(out)["predictions"]) == 30


def test_regression_reports_errors_in_the_target_s_units_beside_the_mean(run):
    code, out, _ = run("train", "diabetes", "--json", "--epochs", 40)
    figures = json.loads(out)["test"]
    assert figures["rmse"] < figures["baseline_rmse"]
    assert 60 < figures["baseline_rmse"] < 90  # the target runs from 25 to 346
    assert figures["r2"] > 0.2


def test_options_reach_the_network_and_the_training(run):
    code, out, _ = run(
        "train", "digits", "--hidden", "16", "--activation", "logistic", "--output", "logistic", "--cost", "squared_error",
        "--optimizer", "nesterov", "--learning-rate", "0.5", "--batch-size", "10", "--penalty", "1e-6", "--validation", "0.1",
        "--patience", "2", "--test-fraction", "0.3", "--dtype", "float64", "--initializer", "glorot_normal", "--epochs", "15",
        "--threads", "1", "--out", "digits.chainrule", "--json",
    )  # fmt: skip
    result = json.loads(out)
    assert result["rows"] == 1257
    assert result["history"]["validation_cost"]
    assert result["history"]["learning_rate"][0] == 0.5
    assert result["history"]["penalty"][0] > 0
    net = cr.load("digits.chainrule")
    assert repr(net).startswith("Network 64-16-10: 1,210 parameters, float64, cost squared_error (mean)")
    assert net.activations == ("logistic", "logistic")
    assert result["test"]["accuracy"] > 5 * result["test"]["baseline_accuracy"]


def test_lbfgs_no_hidden_layer_and_no_scaling(run):
    code, out, _ = run("train", "wine", "--hidden", "", "--optimizer", "lbfgs", "--no-scale", "--epochs", 30, "--json")
    assert code == 0
    assert json.loads(out)["history"]["learning_rate"][0] is None
    model = cr.load_pipeline("model.chainrule")
    assert model.net.sizes == (13, 3)
    assert set(model.inputs.scale) == {1.0}


def test_npz_with_text_classes_and_a_test_part(run):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 2))
    Y = np.where(X[:, 0] > 0, "right", "left")
    np.savez("d.npz", X_train=X[:60], y_train=Y[:60], X_test=X[60:], y_test=Y[60:])
    code, out, _ = run("train", "d.npz", "--epochs", 60)
    assert out.startswith(
        "d.npz: 60 rows to train on, 20 to test on, 2 columns, classification (the targets are text)\n"
    )
    code, out, _ = run("evaluate", "model.chainrule", "d.npz", "--json")
    assert json.loads(out)["accuracy"] >= 0.9
    code, _, err = run("train", "d.npz", "--test-fraction", "0.3")
    assert (code, err) == (
        2, "chainrule: --test-fraction: expected DATA without a test part of its own, got d.npz, which has one. Leave it out: that "
        "part is the test.\n"
    )  # fmt: skip
    np.savez("other.npz", X=X[:7], Y=Y[:7])
    code, out, _ = run("train", "d.npz", "--test", "other.npz", "--epochs", 1)
    assert out.splitlines()[:2] == [
        "not used, because of --test: the test part of d.npz, 20 rows",
        "d.npz: 60 rows to train on, 7 to test on, 2 columns, classification (the targets are text)",
    ]
    run("train", "d.npz", "--epochs", 60)
    np.savez("new.npz", X=X[:3])
    code, out, _ = run("predict", "model.chainrule", "new.npz")
    assert set(out.split()[1:]) <= {"left", "right"}
    np.savez("more.npz", X=X[:10], Y=Y[:10])
    code, out, _ = run("evaluate", "model.chainrule", "more.npz")
    assert out.startswith("more.npz: 10 rows (all rows; the model was trained on other data)\n")


def test_targets_are_scaled_only_where_nothing_ties_them_to_their_units(run):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    np.savez("counts.npz", X=X, Y=rng.poisson(np.exp(X[:, 0])).astype(float))
    run("train", "counts.npz", "--output", "exp", "--cost", "poisson", "--epochs", 5)
    assert cr.load_pipeline("model.chainrule").targets.scale.tolist() == [1.0]
    run("train", "counts.npz", "--epochs", 5)
    assert cr.load_pipeline("model.chainrule").targets.scale[0] != 1.0


# --- failures -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def trained(run):
    run("train", "iris", "--epochs", 1)
    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "digit"], "chainrule: DATA: expected one of breast_cancer, diabetes, digits, iris, wine, moons, circles, spiral, xor, a CSV, TSV, "
         "Parquet or NPZ file, or a folder of IDX files, got 'digit'. Did you mean digits?\n"),
        (["train", "iris", "--hidden", "3,x"], "chainrule: --hidden: expected whole numbers ≥ 1 with commas, got '3,x'. "
         "Write --hidden 128,64.\n"),
        (["train", "iris", "--hidden", "0"], "chainrule: --hidden: expected whole numbers ≥ 1 with commas, got '0'."),
        (["train", "iris", "--activation", "rleu"], "chainrule: --activation or --output: unknown activation: expected one of"),
        (["train", "iris", "--cost", "mse"], "chainrule: --cost: unknown cost: expected one of"),
        (["train", "iris", "--optimizer", "adm"], "chainrule: --optimizer: unknown optimizer: expected one of"),
        (["train", "iris", "--output", "relu"], "chainrule: --output relu does not fit cost cross_entropy: expected"),
        (["train", "iris", "--learning-rate", "-1"], "chainrule: --learning-rate: expected a finite number > 0, got -1.0."),
        (["train", "iris", "--batch-size", "0"], "chainrule: --batch-size: expected a whole number ≥ 1, got 0."),
        (["train", "iris", "--validation", "0.999"], "chainrule: --validation: expected rows left to train on, got 120 rows. "
         "Hold out a smaller fraction."),
        (["train", "iris", "--validation", "2"], "chainrule: --validation: expected a fraction 0 ≤ f < 1, got 2."),
        (["train", "iris", "--test-fraction", "0"], "chainrule: --test-fraction: expected a number between 0 and 1, got 0."),
        (["train", "iris", "--task", "sorting"], "chainrule: --task: expected classification or regression, got 'sorting'."),
        (["train", "iris", "--seed", "-1"], "chainrule: --seed: expected a whole number from 0 to 4294967295, got -1."),
        (["train", "iris", "--patience", "0"], "chainrule: --patience: expected a whole number ≥ 1, got 0. Leave it out"),
        (["train", "iris", "--threads", "0"], "chainrule: --threads: expected a whole number 1 to 256, got 0."),
        (["train", "iris", "--epochs", "-1"], "chainrule: --epochs: expected a whole number ≥ 0, got -1."),
        (["train", "iris", "--penalty", "-1"], "chainrule: --penalty: expected a finite number ≥ 0, got -1.0."),
        (["train", "iris", "--initializer", "he"], "chainrule: --initializer: unknown initializer: expected one of"),
        (["train", "iris", "--optimizer", "lbfgs", "--learning-rate", "1"], "chainrule: --learning-rate: expected the default "
         "0.001 under lbfgs, got 1.0."),
        (["train", "iris", "--dtype", "int8"], 'chainrule: --dtype: expected "float32" or "float64", got int8.'),
        (["train", "one.npz", "--out", "one.npz"], "chainrule: --out: expected another file than what is read, got one.npz."),
        (["predict", "model.chainrule", "iris", "--out", "model.chainrule"], "chainrule: --out: expected another file than"),
        (["train", "odd.npz"], "chainrule: X of odd.npz (its test part)[1, 2]: expected a finite number, got nan."),
        (["train", "seven.npz"], "chainrule: X of seven.npz[7, 2]: expected a finite number, got nan."),
        (["train", "negative.npz", "--output", "exp", "--cost", "poisson"], "chainrule: targets of negative.npz[5]: expected a "
         "target in [0, ∞), as poisson needs, got -1."),
        (["train", "iris", "--out", "no/where"], "chainrule: the folder of no/where: expected a folder, got nothing there. "
         "Make it first: mkdir -p no\n"),
        (["train", "one.npz"], "chainrule: targets of one.npz: expected 2 classes or more, got ['a']. There is nothing to"),
        (["train", "nan.npz"], "chainrule: X of nan.npz["),
        (["evaluate", "none.chainrule", "iris"], "chainrule: none.chainrule: expected a model file, got no such file."),
        (["evaluate", "cut.chainrule", "iris"], "chainrule: cut.chainrule: expected a whole model file, got"),
        (["evaluate", "one.npz", "iris"], "chainrule: one.npz: expected a whole model file, got"),
        (["evaluate", "net.chainrule", "iris"], "chainrule: net.chainrule: expected a model with its preprocessing, got none"),
        (["evaluate", "model.chainrule", "digits"], "chainrule: X of digits: expected 4 columns, one for each of the "
         "network's inputs, got shape (1797, 64)."),
        (["evaluate", "model.chainrule", "wine.npz"], "chainrule: target of row 0 of wine.npz: expected one of the classes 0, "
         "1, 2, got 7."),
        (["evaluate", "model.chainrule", "iris", "--part", "best"], "chainrule: --part: expected test, train or all, got 'be"),
        (["evaluate", "model.chainrule", "wine.npz", "--part", "train"], "chainrule: --part train: expected the data that the "
         "model was trained on, got wine.npz. Use --part all.\n"),
        (["predict", "model.chainrule", "digits"], "chainrule: X of digits: expected 4 columns"),
        (["predict", "model.chainrule", "iris", "--out", "no/p.csv"], "chainrule: the folder of no/p.csv: expected a folder"),
        (["info", "one.npz"], "chainrule: one.npz: expected a whole model file, got"),
    ],
)  # fmt: skip
def test_mistakes_end_with_exit_code_2_a_clear_text_and_nothing_written(trained, tmp_path, arguments, message):
    np.savez("one.npz", X=np.zeros((10, 4)), Y=["a"] * 10)
    np.savez("nan.npz", X=np.full((10, 4), np.nan), Y=np.arange(10) % 2)
    bad = np.zeros((20, 4))
    bad[7, 2] = np.nan
    np.savez("seven.npz", X=bad, Y=np.arange(20) % 2)
    np.savez("odd.npz", X=np.zeros((10, 4)), Y=np.arange(10) % 2, X_test=bad[6:9], Y_test=[0, 1, 0])
    np.savez("negative.npz", X=np.zeros((20, 4)), Y=np.where(np.arange(20) == 5, -1.0, 1.0))
    np.savez("wine.npz", X=np.zeros((3, 4)), Y=[7, 7, 7])
    (tmp_path / "cut.chainrule").write_bytes((tmp_path / "model.chainrule").read_bytes()[:-10])
    cr.save(cr.Network([4, 3]), "net.chainrule")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    code, out, err = trained(*arguments)
    assert code == 2
    assert err.startswith(message)
    assert "Traceback" not in err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_divergence_is_an_error_and_writes_no_model(run, tmp_path):
    code, out, err = run("train", "diabetes", "--no-scale", "--optimizer", "sgd", "--learning-rate", "1e6")
    assert code == 2
    assert err.startswith("chainrule: training diverged in epoch 1, step ")
    assert err.endswith("No model was written.\n")
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_of_the_command_line_itself(run):
    code, out, err = run("train")
    assert code == 2
    assert "Missing argument 'DATA'" in err
    code, out, err = run("train", "iris", "--epochs", "many")
    assert code == 2
    assert "Invalid value for '--epochs'" in err


def test_version(run):
    code, out, _ = run("--version")
    assert (code, out) == (0, f"chainrule {cr.__version__}\n")


def test_early_stopping_reports_the_epoch_whose_parameters_are_kept(run):
    _, out, _ = run("train", "diabetes", "--validation", "0.2", "--patience", "3", "--epochs", "500")
    stopped, costs = out.splitlines()[4:6]
    history = cr.load_pipeline("model.chainrule").training
    best = history["restored_epoch"]
    assert stopped.startswith(
        f"stopped after epoch {best + 3}: the monitored cost stopped improving; {best + 3} epochs in"
    )
    figures = history["history"]
    assert costs == (
        f"cost {figures['cost'][0]:.4g} in the first epoch, {figures['cost'][best - 1]:.4g} in epoch {best}, whose parameters "
        f"are restored, validation cost {min(figures['validation_cost']):.4g}"
    )


def test_an_interrupt_in_the_first_epoch_writes_no_model(run, monkeypatch, tmp_path):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.training.examples.batches.DataSet.batches", interrupt)
    code, _, err = run("train", "iris")
    assert (code, err) == (130, "chainrule: interrupted in the first epoch. No model was written.\n")
    assert list(tmp_path.iterdir()) == []


def test_json_prints_nothing_but_json_also_when_it_fails(run):
    code, out, err = run("train", "digit", "--json")
    assert (code, out) == (2, "")


def test_python_m_chainrule_runs_in_a_process_of_its_own(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "train", "iris", "--epochs", "2", "--json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert json.loads(done.stdout)["model"] == "model.chainrule"


def _shell(command, folder):
    return subprocess.run(command.replace("chainrule", f"{sys.executable} -m chainrule", 1), shell=True, cwd=folder,
                          capture_output=True, text=True, timeout=120, check=False, executable="/bin/bash")  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="redirects standard streams as POSIX shells do")
@pytest.mark.parametrize("redirection", ["| head -1", "> /dev/full", ">&-", ">&- 2>&-"])
def test_a_training_outlives_its_standard_output(tmp_path, redirection):
    done = _shell(f"chainrule train iris --epochs 3 {redirection}", tmp_path)
    assert "Traceback" not in done.stderr
    assert list(cr.load_pipeline(tmp_path / "model.chainrule").training["test"]) == [
        "accuracy", "balanced_accuracy", "baseline_accuracy", "baseline_balanced_accuracy", "log_loss", "baseline_log_loss",
        "cost",
    ]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="redirects standard streams as POSIX shells do")
@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_a_note_that_nobody_can_read_is_no_failure(tmp_path, redirection):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i * 7 % 11},{'pq'[i % 2]},{i % 2}\n" for i in range(30)))
    (tmp_path / "new.csv").write_text("a,b,y\n,q,1\n1,never seen,0\n")
    done = _shell(f"chainrule train t.csv --target y --epochs 1 --test new.csv {redirection}", tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "saved model.chainrule")
    done = _shell(f"chainrule predict model.chainrule new.csv {redirection}", tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)


def test_ascii_output_replaces_what_it_cannot_show(tmp_path):
    done = _shell("PYTHONIOENCODING=ascii chainrule train diabetes --epochs 2", tmp_path)
    assert done.returncode == 0
    assert "  R?  " in done.stdout


def test_a_singleton_class_that_lands_in_the_test_part_is_no_reason_to_fail(run):
    np.savez("one.npz", X=np.random.default_rng(0).standard_normal((60, 2)), Y=np.arange(60) == 3)
    for seed in range(4):
        assert run("train", "one.npz", "--epochs", 1, "--seed", seed, "--json")[0] == 0


def test_figures_that_are_not_finite_are_said_to_be_and_saved_as_null(run, monkeypatch):
    figures = {"accuracy": 0.5, "cost": math.inf}
    monkeypatch.setattr("chainrule.data.pipeline.Pipeline.evaluate", lambda self, data: figures)
    for arguments in (
        ("train", "iris", "--epochs", 1),
        ("info", "model.chainrule"),
        ("evaluate", "model.chainrule", "iris"),
    ):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "  accuracy               0.5000\n  cost, as trained   not finite\n" in out
    code, out, _ = run("info", "model.chainrule", "--json")
    assert json.loads(out)["training"]["test"] == {"accuracy": 0.5, "cost": None}


def test_control_characters_of_a_stranger_s_file_do_not_reach_the_terminal(run):
    run("train", "iris", "--epochs", 1)
    model = cr.load_pipeline("model.chainrule")
    replace(model, class_names=("\x1b]0;owned\x07", "b", "c")).save("evil.chainrule")
    code, out, _ = run("info", "evil.chainrule")
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out


def test_labels_are_written_as_they_are_and_only_lines_for_people_are_cleaned(run):
    labels = ["a\u00a0b", "全\u3000角", "\U0001f469\u200d\U0001f680", "tab\there", "\u202eevil\x1b[2J"]
    np.savez("d.npz", X=np.eye(5).repeat(8, axis=0), Y=np.repeat(labels, 8))
    _, out, _ = run("train", "d.npz", "--epochs", 300, "--learning-rate", "0.01")
    for shown in ("a\u00a0b", "全\u3000角", "\U0001f469\u200d\U0001f680", "tab\ufffdhere", "\ufffdevil\ufffd[2J"):
        assert f" {shown} " in out
    assert "\x1b" not in out
    np.savez("new.npz", X=np.eye(5))
    _, out, _ = run("predict", "model.chainrule", "new.npz")
    assert [row[0] for row in csv.reader(io.StringIO(out))] == ["prediction", *labels]
    _, out, _ = run("predict", "model.chainrule", "new.npz", "--json")
    assert json.loads(out)["predictions"] == labels
    assert "\x1b" not in out  # JSON's own escapes


def test_a_reader_that_closes_early_is_no_traceback(tmp_path):
    subprocess.run([sys.executable, "-m", "chainrule", "train", "digits", "--epochs", "1"], cwd=tmp_path, check=True,
                   capture_output=True, timeout=120)  # fmt: skip
    piped = f"{sys.executable} -m chainrule predict model.chainrule digits | head -1"
    done = subprocess.run(piped, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "prediction\n"
    assert "Traceback" not in done.stderr
