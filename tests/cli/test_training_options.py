"""`chainrule train`: the options that say how training goes reach `cr.train`, and their errors name them."""

import csv
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.train import train as verb
from chainrule.data.labelled import split
from chainrule.data.readers import read

DIABETES = ("train", "diabetes", "--hidden", "6,4", "--activation", "tanh", "--epochs", "3", "--dtype", "float64")


def _arguments_of(*arguments, run):
    code, out, err = run(*DIABETES, *arguments)
    assert (code, err) == (0, "")
    return cr.load_pipeline("model.chainrule"), out


def _by_hand(pipeline, **arguments):
    """θ of a network that was set up as the command line does, trained by `cr.train`."""
    training, _ = split(read("diabetes"), 0.2, 0, "regression")
    net = cr.Network([10, 6, 4, 1], ["tanh", "tanh", "identity"], "squared_error", dtype="float64", seed=0)
    X, y = pipeline.inputs_of(training), pipeline.targets_of(training)
    cr.train(net, X, y, **{"epochs": 3, "verbose": 0, **arguments})
    return net.parameters


# option -> the arguments of cr.train that it stands for
OPTIONS = {
    "--l1 0.01": {"l1": 0.01},
    "--weight-decay 0.1": {"weight_decay": 0.1},
    "--dropout 0.3": {"dropout": 0.3},
    "--input-dropout 0.1": {"dropout": {0: 0.1, 1: 0, 2: 0}},
    "--dropout 0.3 --input-dropout 0.1": {"dropout": {0: 0.1, 1: 0.3, 2: 0.3}},
    "--input-noise 0.5": {"input_noise": 0.5},
    "--max-norm 0.5": {"max_norm": 0.5},
    "--clip-norm 0.1": {"clip_norm": 0.1},
    "--clip-example-norm 0.1": {"clip_example_norm": 0.1},
    "--input-gradient-penalty 0.3": {"input_gradient_penalty": 0.3},
    "--monotone bmi=- --monotone age=+": {"monotone": {2: -1, 0: 1}},
    "--monotone bmi=- --monotone-weight 9": {"monotone": {2: -1}, "monotone_weight": 9.0},
    "--learning-rate find": {"learning_rate": "find"},
    "--optimizer levenberg_marquardt": {"optimizer": "levenberg_marquardt"},
    "--optimizer kfac --learning-rate 0.01": {"optimizer": "kfac", "learning_rate": 0.01},
    "--optimizer auto": {"optimizer": "auto"},
    "--max-time 1000 --checkpoint ck --checkpoint-every 10min --log log.csv": {},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_an_option_gives_what_cr_train_gives(options, run):
    pipeline, _ = _arguments_of(*options.split(), run=run)
    np.testing.assert_array_equal(pipeline.net.parameters, _by_hand(pipeline, **OPTIONS[options]))
    if OPTIONS[options]:
        assert not np.array_equal(pipeline.net.parameters, _by_hand(pipeline))


def test_what_is_chosen_and_found_is_said(run):
    for options, pattern in {
        "--optimizer auto": r"chosen: levenberg_marquardt for 99 parameters, 353 rows: .*",
        "--learning-rate find": r"found the learning rate \S+ in \d+ steps",
    }.items():
        _, out, _ = run(*DIABETES, *options.split())
        assert re.search(rf"\n{pattern}\nstopped after epoch 3: ", out), out
    _, out, _ = run(*DIABETES, "--optimizer", "auto", "--json")
    assert json.loads(out)["optimizer"] == "levenberg_marquardt"


def test_smoothed_labels_cost_less_when_they_are_certain(run):
    costs = []
    for smoothing in ("0", "0.3"):
        _, out, _ = run(
            "train", "iris", "--epochs", "60", "--learning-rate", "0.1", "--label-smoothing", smoothing, "--json"
        )
        costs.append(json.loads(out)["history"]["cost"][-1])
    entropy = -(0.8 * np.log(0.8) + 2 * 0.1 * np.log(0.1))  # of a target 0.3 of which is spread over three classes
    assert costs[0] < 0.1 < entropy < costs[1]


def test_a_resumed_training_gives_the_model_of_an_unbroken_one(run):
    usual = ("--dropout", "0.2", "--validation", "0.2", "--patience", "50", "--log", "log.csv")
    run(*DIABETES, *usual, "--epochs", "6", "--out", "whole.chainrule")
    whole_log = Path("log.csv").read_text()
    kept = (*usual, "--checkpoint", "ck", "--resume")
    run(*DIABETES, *kept, "--epochs", "2")
    code, out, err = run(*DIABETES, *kept, "--epochs", "6", "--json")
    assert (code, err) == (0, "")
    whole, resumed = (cr.load_pipeline(f"{name}.chainrule") for name in ("whole", "model"))
    assert resumed.net.parameters.tobytes() == whole.net.parameters.tobytes()
    result = json.loads(out)
    assert result["history"]["epoch"] == [1, 2, 3, 4, 5, 6]
    without_seconds = [
        [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(log.splitlines())]
        for log in (whole_log, Path("log.csv").read_text())
    ]
    assert without_seconds[0] == without_seconds[1]
    assert [float(row["cost"]) for row in without_seconds[0]] == result["history"]["cost"]


def test_a_log_of_json_lines(run):
    code, out, _ = run(*DIABETES, "--log", "log.jsonl", "--json")
    rows = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [row["cost"] for row in rows] == json.loads(out)["history"]["cost"]


def test_max_time_ends_training_and_the_model_is_written(run):
    code, out, err = run("train", "digits", "--epochs", "1000000", "--max-time", "0.05")
    assert (code, err) == (0, "")
    assert re.search(r"^stopped (in|after) epoch \d+: max_time is over; \d+ epochs? in ", out, re.MULTILINE)
    code, out, err = run("train", "digits", "--max-time", "1e-9")  # not a whole epoch
    assert (code, err) == (0, "")
    assert "\nstopped in epoch 1: max_time is over; 0 epochs in 0.00 s\non the test rows:\n" in out
    assert run("info", "model.chainrule")[0] == 0


def _table():
    rng = np.random.default_rng(0)
    lines = ["colour,age,height,price"]
    for _ in range(120):
        colour, age, height = rng.choice(["red", "blue"]), rng.uniform(0, 9), rng.uniform(0, 9)
        shown = "" if rng.random() < 0.1 else f"{age:.2f}"
        lines.append(f"{colour},{shown},{height:.2f},{(colour == 'red') * 3 - age + rng.normal():.2f}")
    Path("table.csv").write_text("\n".join(lines))


def test_monotone_columns_of_a_table_with_categories_and_missing_values(run):
    _table()
    train = ("train", "table.csv", "--target", "price", "--hidden", "8", "--activation", "tanh", "--learning-rate", "0.01",
             "--epochs", "40")  # fmt: skip
    slopes = {}
    for name, options in {"plain": (), "rising": ("--monotone", "age=+", "--monotone-weight", "100")}.items():
        code, _, err = run(*train, *options)
        assert (code, err) == (0, "")
        model = cr.load_pipeline("model.chainrule")
        ages = {"colour": ["red"] * 50, "age": np.linspace(0, 9, 50), "height": [5.0] * 50}
        slopes[name] = np.diff(model.predict(ages))
        assert model.inputs.names == ("colour=blue", "colour=red", "colour (other)", "age", "age (missing)", "height")
    assert slopes["plain"].max() < 0
    assert slopes["rising"].min() > -0.02  # what the penalty lets through of a slope of −1 every 0.18
    code, _, err = run(*train, "--monotone", "colour=+")
    assert (code, err) == (2, "chainrule: unknown column of numbers in --monotone: expected one of age, height, got 'colour'. "
                              "Choose a name from the list.\n")  # fmt: skip


def test_columns_of_arrays_without_names_are_numbers(run):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    np.savez("d.npz", X=X, Y=X @ [1.0, -1, 0])
    run("train", "d.npz", "--monotone", "1=+", "--monotone-weight", "1e4", "--epochs", "5")
    assert cr.load_pipeline("model.chainrule").net.predict(np.eye(3)).shape == (3, 1)
    code, _, err = run("train", "d.npz", "--monotone", "3=+")
    assert err.startswith("chainrule: unknown column of numbers in --monotone: expected one of 0, 1, 2, got '3'.")


IN_WORDS = (
    ("--max-norm 0", "--max-norm: expected a number in (0, ∞), got 0.0. Left out, it is no limit; a usual value is 1."),
    ("--max-time 0", "--max-time: expected a number in (0, ∞), got 0.0. It is in seconds; left out, it is no limit."),
    ("--dropout 1", "--dropout: expected a share in [0, 1), got 1. 0.2 leaves out a fifth of them in each step."),
    ("--input-dropout -1", "--input-dropout: expected a share in [0, 1), got -1."),
    ("--hidden= --dropout 0.1", "--dropout: expected a hidden layer, got none. Leave it out, or give --input-dropout."),
    ("--input-noise -1", "--input-noise: expected a number in [0, ∞), got -1.0."),
    ("--label-smoothing 0.1", "--label-smoothing: expected a cost of cross_entropy, binary_cross_entropy, got "
     "squared_error. Leave --label-smoothing out: "),
    ("--l1 -1", "--l1: expected a finite number ≥ 0, got -1.0."),
    ("--weight-decay -1", "--weight-decay: expected a number in [0, ∞), got -1.0."),
    ("--clip-norm 0", "--clip-norm: expected a number in (0, ∞), got 0.0."),
    ("--clip-example-norm 0", "--clip-example-norm: expected a number in (0, ∞), got 0.0."),
    ("--input-gradient-penalty -1", "--input-gradient-penalty: expected a finite number ≥ 0, got -1.0."),
    ("--monotone bmi", "--monotone: expected COLUMN=+ or COLUMN=-, got 'bmi'. Write --monotone age=+ for a prediction "),
    ("--monotone bmi=1", "--monotone: expected COLUMN=+ or COLUMN=-, got 'bmi=1'."),
    ("--monotone bmu=+", "unknown column of numbers in --monotone: expected one of age, bmi, bp, "),
    ("--monotone-weight 3", "--monotone-weight: expected --monotone beside it, got 3 alone. It weighs the term of "
     "--monotone: give these, too."),
    ("--monotone bmi=+ --task classification", "--monotone: expected a regression, got a classification."),
    ("--checkpoint-every 3d", "--checkpoint-every: expected a whole number of epochs ≥ 1, or a time as text, got '3d'. "
     "Write --checkpoint-every 5 for every fifth epoch, or --checkpoint-every 300s, "),
    ("--resume", "--resume: expected a checkpoint to go on from, got no --checkpoint. Write --checkpoint run/, the folder "),
    ("--checkpoint old.chainrule", "--checkpoint: expected a folder, got a file, old.chainrule."),
    ("--optimizer lbfgs --checkpoint ck", "--checkpoint: expected an optimizer whose state can be kept, got lbfgs, whose "
     "memory SciPy keeps to itself. Leave --checkpoint out, or take "),
    ("--optimizer lbfgs --dropout 0.1", "--dropout or --input-dropout: expected the default 0.0 under lbfgs, got 0.1."),
    ("--optimizer line_search --learning-rate 0.1", "--learning-rate: expected the default 0.001 under line_search, got "
     "0.1. It searches for the rate of every step; leave it out.\n"),
    ("--optimizer rprop --learning-rate find", '--learning-rate="find": expected a rule whose steps have a rate, got '),
    ("--learning-rate fast", "--learning-rate: expected a number, or find, got fast. Write --learning-rate 0.001."),
    ("--log a.txt", "--log: expected a file that ends in .csv or .jsonl, got a.txt. Write --log training.csv."),
    ("--log no/a.csv", "the folder of no/a.csv: expected a folder, got nothing there."),
    ("--log x.csv --out x.csv", "--log: expected another file than what is read, and than --out, got x.csv. Choose "),
)  # fmt: skip


def test_mistakes_are_said_in_the_words_of_the_command_line(run):
    Path("old.chainrule").write_bytes(b"")
    for options, message in IN_WORDS:
        code, out, err = run("train", "diabetes", "--epochs", "1", *options.split())
        assert (code, out) == (2, ""), options
        assert err.startswith(f"chainrule: {message}"), err
    assert [path.name for path in Path().iterdir()] == ["old.chainrule"]


def test_a_folder_with_the_checkpoint_of_another_training(run):
    run(*DIABETES, "--checkpoint", "ck")
    for options, message in (
        ("", "--checkpoint: expected a folder without one, got ck/checkpoint.chainrule. Add --resume to go on from it"),
        ("--resume --seed 1", "DATA: expected shape (353, 10) of float64 and SHA-256 "),
        ("--resume --optimizer rprop", "--optimizer: expected Adam("),
        ("--resume --hidden 5", "--hidden: expected [10, 6, 4, 1], as in ck/checkpoint.chainrule, got [10, 5, 1]. Resume with "
         "the arguments and data of the training that the checkpoint is of, or start anew in another folder: chainrule info "
         "ck/checkpoint.chainrule shows its network.\n"),
        ("--resume --activation relu", "--activation or --output: expected ['tanh', 'tanh', 'identity'], as in "),
        ("--resume --patience 3", "--patience: expected None, as in "),
        ("--resume --epochs 2", "--epochs: expected at least the 3 that ck/checkpoint.chainrule has, got 2."),
    ):  # fmt: skip
        code, _, err = run(*DIABETES, "--checkpoint", "ck", *options.split())
        assert code == 2, options
        assert err.startswith(f"chainrule: {message}"), err
    assert run("info", "ck/checkpoint.chainrule")[1].startswith("Network 10-6-4-1: ")


def test_the_help_has_every_option_once_in_groups(run):
    code, out, _ = run("train", "--help")
    assert code == 0
    headings = re.findall(r"^(\S.*):$", out, re.MULTILINE)
    groups = ["Data", "Network", "Training", "Regularisation", "Stopping and checkpoints", "Output"]
    assert headings == ["Arguments", *groups, "Options"]
    for name in inspect.signature(verb).parameters:
        option = {"data": "DATA", "as_json": "--json"}.get(name, f"--{name.replace('_', '-')}")
        assert len(re.findall(rf"^  {option}\s", out, re.MULTILINE)) == 1, option
    assert max(map(len, out.splitlines())) <= 80
