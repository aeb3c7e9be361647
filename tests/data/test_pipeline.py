"""Scaling, encoding, prediction in the user's units, and the pipeline's file."""

import contextlib
import json
import warnings
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import safetensors.numpy

import chainrule as cr
from chainrule.data.columns import Column, LeftOut, Schema
from chainrule.data.encoding import Encoding
from chainrule.data.labelled import LabelledData
from chainrule.data.metrics import classification, regression
from chainrule.data.pipeline import Pipeline, load_pipeline
from chainrule.data.scaling import Scaling
from chainrule.errors import DataError, InputError, ModelFileError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 3)) * [1, 10, 0] + [5, -2, 7]


def classifier():
    net = cr.Network([3, 4, 2], ["tanh", "softmax"], "cross_entropy", seed=1)
    return Pipeline(net, "classification", Scaling.fit(X), Scaling.none(2), np.array(["no", "yes"]))


def regressor():
    net = cr.Network([3, 4, 2], ["tanh", "identity"], "squared_error", dtype="float64", seed=1)
    return Pipeline(net, "regression", Scaling.fit(X), Scaling(np.array([100.0, 0]), np.array([10.0, 2])), np.array([]))


def test_scaling_standardises_and_leaves_constant_columns():
    scaling = Scaling.fit(X)
    scaled = scaling.apply(X)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(scaling.undo(scaled), X, rtol=1e-12)
    assert scaling.scale[2] == 1


def test_scaling_of_many_bytes_in_blocks_equals_numpy():
    pixels = RNG.integers(0, 256, (9000, 4)).astype("uint8")
    scaling = Scaling.fit(pixels)
    np.testing.assert_allclose(scaling.mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaling.scale, pixels.std(axis=0), rtol=1e-12)


def test_predictions_are_labels_or_numbers_in_the_user_s_units():
    model = classifier()
    expected = model.net.predict(((X - X.mean(axis=0)) / [*X.std(axis=0)[:2], 1]).astype("float32")).argmax(axis=1)
    assert model.predict(X).tolist() == [["no", "yes"][i] for i in expected]
    model = regressor()
    raw = model.net.predict(model.transform(X))
    np.testing.assert_allclose(model.predict(X), raw * [10, 2] + [100, 0], rtol=1e-12)


def test_columns_whose_squares_overflow_are_named():
    with pytest.raises(
        DataError, match=r"^column 1: expected numbers whose squares are finite, got numbers up to 1e\+300"
    ):
        Scaling.fit(np.array([[1.0, 1e300], [2.0, -1e300]]))


def test_evaluate_measures_in_the_user_s_units():
    model = regressor()
    truth = RNG.standard_normal((30, 2)) * [10, 2] + [100, 0]
    figures = model.evaluate(LabelledData("set", X, truth))
    error = model.predict(X) - truth
    assert figures["mae"] == pytest.approx(np.abs(error).mean())
    assert figures["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert figures["baseline_rmse"] == pytest.approx(np.sqrt(((truth - truth.mean(axis=0)) ** 2).mean()))
    assert figures["cost"] == pytest.approx(((error / [10, 2]) ** 2).sum(axis=1).mean())


def test_derivatives_go_back_through_scaling_and_encoding_by_hand():
    J = np.arange(1.0, 7).reshape(1, 1, 6)
    np.testing.assert_array_equal(Scaling(np.ones(6), np.full(6, 4.0)).pull_back(J), J / 4)
    inputs = Encoding.fit(RAW, SCHEMA.columns)  # the age, whether it is missing, and four inputs for the colour
    np.testing.assert_allclose(inputs.pull_back(J, RAW[:1]), [[[1 / np.nanstd(RAW[:, 0]), np.nan]]], rtol=1e-15)
    np.testing.assert_array_equal(inputs.pull_back(J, RAW[1:2]), [[[0, np.nan]]])


def test_metrics_by_hand():
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert classification(truth, predicted) == {
        "accuracy": 0.75,
        "balanced_accuracy": pytest.approx(5 / 6),
        "baseline_accuracy": 0.75,
        "baseline_balanced_accuracy": 0.5,
        "confusion_matrix": [[2, 1], [0, 1]],
    }
    p = np.array([[0.8, 0.2], [0.5, 0.5], [0.4, 0.6], [0.1, 0.9]])
    figures = classification(truth, predicted, p, np.array([0.25, 0.75]), 2)
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.5, 0.4, 0.9]).mean())
    assert figures["baseline_log_loss"] == pytest.approx(-np.log([0.25, 0.25, 0.25, 0.75]).mean())
    assert figures["baseline_accuracy"] == 0.25  # the training rows' most frequent class is 1
    figures = classification(truth, predicted, np.c_[p, np.zeros(4)], np.array([0.5, 0.5, 0.0]), 3)
    assert figures["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert figures["balanced_accuracy"] == pytest.approx(5 / 6)  # over the classes that these rows have
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.5, 0.4, 0.9]).mean())


def test_metrics_of_a_regression_by_hand():
    truth, predicted = np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])
    assert regression(truth, predicted) == {
        "r2": 0.5,
        "mae": 0.5,
        "rmse": pytest.approx(0.5**0.5),
        "baseline_r2": 0.0,
        "baseline_mae": 1.0,
        "baseline_rmse": 1.0,
    }
    figures = regression(truth, predicted, np.array([0.0]))  # the mean of the training rows
    assert (figures["baseline_mae"], figures["baseline_rmse"]) == (2.0, pytest.approx(5**0.5))
    assert figures["baseline_r2"] == pytest.approx(1 - 10 / 2)
    assert "r2" not in regression(np.array([[1.0]]), np.array([[1.0]]))


TRAINING = {
    "data": "set", "fingerprint": "0", "optimizer": "adam", "stopped": "epochs", "test_fraction": 0.2, "seed": 0, "rows": 30,
    "history": {"epoch": [1], "cost": [0.5]}, "test": {},
}  # fmt: skip


@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_pipeline_comes_back_from_its_file(tmp_path, make):
    model = make()
    model.training.update(TRAINING)
    model.save(tmp_path / "m")
    back = cr.load_pipeline(tmp_path / "m")
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.training == TRAINING
    assert back.task == model.task
    np.testing.assert_array_equal(cr.load(tmp_path / "m").parameters, model.net.parameters)


def test_a_network_alone_is_no_pipeline(tmp_path):
    cr.save(cr.Network([2, 1]), tmp_path / "m")
    with pytest.raises(
        ModelFileError, match=r"expected a model with its preprocessing, got none in it\. .*use cr\.load"
    ):
        cr.load_pipeline(tmp_path / "m")


@pytest.mark.parametrize(
    "change",
    [
        lambda h, a: h["pipeline"].update(task="clustering"),
        lambda h, a: h["pipeline"].update(classes=["no"]),
        lambda h, a: h["pipeline"].update(classes=[{"a": 1}, {"b": 2}]),
        lambda h, a: a.update({"inputs.scale": np.zeros(3)}),
        lambda h, a: a.update({"inputs.mean": np.zeros(4)}),
        lambda h, a: a.pop("targets.mean"),
        lambda h, a: h["pipeline"].pop("task"),
        lambda h, a: h.update(pipeline=3),
        lambda h, a: h["pipeline"].update(feature_names=5),
        lambda h, a: h.update(training=5),
        lambda h, a: h.update(training={"rows": 30}),
        lambda h, a: h.update(training=TRAINING | {"seed": "x"}),
        lambda h, a: h.update(training=TRAINING | {"seed": -1}),
        lambda h, a: h.update(training=TRAINING | {"test_fraction": None}),
        lambda h, a: h.update(training=TRAINING | {"test_fraction": 5.0}),
        lambda h, a: h.update(training=TRAINING | {"test_fraction": float("nan")}),
        lambda h, a: h.update(training=TRAINING | {"rows": -3}),
        lambda h, a: h["pipeline"].update(class_names="ab"),
        lambda h, a: h["pipeline"].update(class_names=["a", "b", "c"]),
        lambda h, a: h["pipeline"].update(classes=["no", "\ud800"]),
        lambda h, a: h.update(training=TRAINING | {"history": {"epoch": 3, "cost": []}}),
        lambda h, a: h["pipeline"].update(classes=["no", "no"]),
        lambda h, a: h.update(training=TRAINING | {"history": {"epoch": [1], "cost": ["x"]}}),
        lambda h, a: h.update(
            training=TRAINING | {"history": {"epoch": [1], "cost": [1.0], "validation_cost": [1, 2]}}
        ),
        lambda h, a: h.update(training=TRAINING | {"restored_epoch": 2}),
        lambda h, a: h.update(training=TRAINING | {"test_data": 3}),
    ],
)
def test_a_pipeline_that_lies_is_refused(tmp_path, change):
    path = tmp_path / "m"
    classifier().save(path)
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    change(header, arrays)
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"chainrule": json.dumps(header)}))
    with pytest.raises(ModelFileError, match=r"^pipeline of .*The file is damaged, or was written by a program other"):
        load_pipeline(path)


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (classifier, ["no", "yes", "maybe"], "target of row 2 of set: expected one of the classes no, yes, got 'maybe'. A "
         "model can only be measured on classes that it was trained on."),
        (classifier, [["no"], ["yes"], ["no"]], "targets of set: expected 1 column, got shape (3, 1). Give one label per"),
        (regressor, [1.0, 2.0, 3.0], "targets of set: expected 2 number(s) per row, got shape (3,) of dtype float64."),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(model, labels, message):
    with pytest.raises(DataError) as error:
        model().evaluate(LabelledData("set", X[:3], np.array(labels)))
    assert str(error.value).startswith(message)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(
        InputError, match=r"^X: expected 3 columns, one for each of the network's inputs, got shape \(30, 2\)"
    ):
        classifier().predict(X[:, :2])
    with pytest.raises(InputError, match=r"^X\[4, 1\]: expected a finite number, got nan"):
        classifier().predict(np.where(np.arange(90).reshape(30, 3) == 13, np.nan, X))


# --- models of tables -----------------------------------------------------------------------------------------------------
SCHEMA = Schema(
    (Column("age"), Column("colour", ("blue", "red"))), Column("y", ("no", "yes")), (LeftOut("id", "by --drop"),)
)
RAW = np.array([[30.0, 1], [np.nan, 0], [50, np.nan], [44, 1]])


def table_model(task="classification"):
    inputs = Encoding.fit(RAW, SCHEMA.columns)
    output, cost = ("softmax", "cross_entropy") if task == "classification" else ("identity", "squared_error")
    net = cr.Network([inputs.width, 3, 2], ["tanh", output], cost, dtype="float64", seed=1)
    targets = Scaling.none(2) if task == "classification" else Scaling(np.array([100.0, 0]), np.array([10.0, 2]))
    classes = np.array(["no", "yes"]) if task == "classification" else np.array([])
    baseline = np.array([0.25, 0.75]) if task == "classification" else np.array([90.0, 1.0])
    return Pipeline(
        net, task, inputs, targets, classes, schema=SCHEMA, baseline=baseline, feature_names=("age", "colour")
    )


def frames():
    columns = {"note": ["a", "b", "c", "d"], "colour": ["red", "blue", None, "red"], "age": [30.0, None, 50, 44]}
    typed = {"colour": np.array(["red", "blue", "", "red"]), "age": np.array([30, np.nan, 50, 44])}
    frame = pd.DataFrame(columns)
    return {
        "dict": columns,
        "dict of arrays": typed,
        "pandas": frame,
        "pandas, nullable": frame.convert_dtypes(),
        "pandas, category": frame.assign(colour=frame.colour.astype("category")).set_index(pd.Index([5, 5, 1, 0])),
        "polars": pl.DataFrame(columns),
        "pyarrow": pa.table(columns),
    }


def test_rows_of_pandas_are_taken_in_their_order_whatever_their_index():
    model, frame = table_model(), frames()["pandas"]
    for index in ([3.5, 0.5, 2.5, 1.5], list("dcba"), pd.date_range("2024", periods=4)):
        np.testing.assert_array_equal(model.outputs(frame.set_axis(index)), model.outputs(frame))


def test_a_number_too_large_is_named_by_its_column():
    with pytest.raises(DataError) as error:
        replace(table_model(), net=cr.Network([6, 2], "softmax", "cross_entropy")).predict(
            {"age": [1, 1e300], "colour": ["red", "blue"]}
        )
    assert str(error.value) == (
        "column 'age': expected numbers that fit float32 when scaled, got 1e+300. Correct it, or empty the cell if the value is "
        "missing."
    )


@pytest.mark.parametrize("kind", frames())
def test_a_model_of_a_table_takes_frames_by_the_names_of_their_columns(kind):
    model = table_model()
    expected = model.net.predict(model.inputs.apply(RAW))
    np.testing.assert_array_equal(model.outputs(frames()[kind]), expected)
    np.testing.assert_array_equal(model.predict(frames()[kind]), np.array(["no", "yes"])[expected.argmax(axis=1)])
    np.testing.assert_allclose(model.probabilities(frames()[kind]), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.transform(frames()[kind]), model.inputs.apply(RAW))


def test_a_long_frame_is_read_in_blocks():
    model = table_model()
    many = {"age": np.tile(RAW[:, 0], 5000), "colour": np.tile(np.array(["red", "blue", "", "red"]), 5000)}
    np.testing.assert_allclose(model.outputs(many), np.tile(model.outputs(frames()["dict"]), (5000, 1)), rtol=1e-12)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ({"Age": [1], "colour": ["red"]}, "X: expected column 'age', which the model was trained on, got none of that name. Is it "
         "'Age'? Rename it."),
        ({"age": ["old"], "colour": ["red"]}, "row 0, column 'age' of X: expected a number, got 'old'. If it means"),
        ({"age": [1.0, np.inf], "colour": ["red", "red"]}, "row 1, column 'age' of X: expected a finite number, got 'inf'."),
        ({"age": [1, 2], "colour": ["red"]}, "X: expected columns of equal length, of at least one row, got columns of 1 and 2 r"),
        ({"age": [], "colour": []}, "X: expected columns of equal length, of at least one row, got columns of 0 rows. Check"),
        ({"age": [[1, 2]], "colour": ["red"]}, "column 'age' of X: expected numbers or text, got list. Turn it into numbers or text first."),
        ({"age": np.ones((1, 2)), "colour": ["red"]}, "column 'age' of X: expected 1 dimension, got shape (1, 2). A column holds"),
        ({"age": 3, "colour": "red"}, "column 'age' of X: expected a value for each row, got int. Give a list, an array, or a "
         "column of a frame; of a single row, lists of one value."),
        ({"age": [3.0], "colour": "red"}, "column 'colour' of X: expected a value for each row, got str. Give a list"),
        ({"age": np.array(3.0), "colour": ["red"]}, "column 'age' of X: expected a value for each row, got ndarray. Give a list"),
        ({"age": [timedelta(1)], "colour": ["red"]}, "column 'age' of X: expected numbers or text, got durations. Turn it"),
        ({"age": np.array([1], "m8[ns]"), "colour": ["red"]}, "column 'age' of X: expected numbers or text, got durations. Turn"),
        ({"age": [10**400], "colour": ["red"]}, "row 0, column 'age' of X: expected a finite number, got 'inf'."),
        ({"age": [[1, 2], [3]], "colour": ["red", "red"]}, "column 'age' of X: expected numbers or text, got list. Turn it into"),
        ({"age": [1j], "colour": ["red"]}, "column 'age' of X: expected numbers or text, got complex. Turn it into numbers"),
        (np.zeros((2, 2)), "X: expected columns with the names of the training table, got ndarray without names. Give a pandas "
         "or polars frame, a pyarrow table, or a dict of columns."),
        (pd.DataFrame([[1, 2]], columns=["age", "age"]), "X: expected a name of its own for each column, got 'age' twice. Rename"),
    ],
)  # fmt: skip
def test_frames_that_do_not_fit_are_refused(X, message):
    with pytest.raises((DataError, InputError)) as error:
        table_model().predict(X)
    assert str(error.value).startswith(message)


def test_a_number_stands_for_its_text_in_a_column_of_categories():
    schema = Schema((Column("size", ("1", "2.5", "x")),), Column("y"))
    inputs = Encoding.fit(np.array([[0.0], [1], [2]]), schema.columns)
    model = replace(table_model(), schema=schema, inputs=inputs, net=cr.Network([4, 2], "softmax", "cross_entropy"))
    np.testing.assert_array_equal(model.transform({"size": [2.5, 1.0]}), model.transform({"size": ["2.5", "1"]}))
    np.testing.assert_array_equal(model.transform({"size": [2.5, "1"]}), [[0, 1, 0, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_model_of_a_table_comes_back_from_its_file(tmp_path, task):
    model = table_model(task)
    model.training.update(TRAINING | {"test_data": "more.csv"})
    model.save(tmp_path / "m")
    back = cr.load_pipeline(tmp_path / "m")
    np.testing.assert_array_equal(back.predict(frames()["dict"]), model.predict(frames()["dict"]))
    assert back.schema == SCHEMA
    assert back.inputs.names == model.inputs.names == ("age", "age (missing)", "colour=blue", "colour=red", "colour (other)",
                                                       "colour (missing)")  # fmt: skip
    np.testing.assert_array_equal(back.baseline, model.baseline)
    assert back.training == model.training


def test_evaluate_measures_a_table_beside_the_baseline_of_the_training_rows():
    model = table_model()
    figures = model.evaluate(LabelledData("set", RAW, np.array(["no", "yes", "no", "no"]), schema=SCHEMA))
    p = model.probabilities(frames()["dict"])
    assert figures["log_loss"] == pytest.approx(-np.log(p[[0, 1, 2, 3], [0, 1, 0, 0]]).mean())
    assert figures["cost"] == pytest.approx(figures["log_loss"])
    assert figures["baseline_accuracy"] == 0.25
    assert figures["baseline_log_loss"] == pytest.approx(-np.log([0.25, 0.75, 0.25, 0.25]).mean())
    assert np.sum(figures["confusion_matrix"]) == 4


def test_what_training_had_not_seen_is_warned_of_once_a_call_where_the_call_is():
    training = np.array([[30.0, 1], [50, 0]])
    inputs = Encoding.fit(training, SCHEMA.columns)
    model = replace(table_model(), inputs=inputs, net=cr.Network([inputs.width, 2], "softmax", "cross_entropy"))
    frame = {"age": [None, None, 30.0] * 3000, "colour": ["mauve", "red", None] * 3000}
    message = (
        "X: column 'age': 6,000 missing values, taken as the mean; column 'colour': 3,000 missing values and 3,000 unknown "
        "texts, taken as none of its levels; training had seen none"
    )
    for action in (model.predict, model.probabilities, model.outputs, model.transform):
        with pytest.warns(UserWarning, match="training had seen none") as caught:
            action(frame)
        assert [str(one.message) for one in caught] == [message]
        assert caught[0].filename == __file__
    assert model.predict({"age": [30.0], "colour": ["red"]}).shape == (1,)  # no warning, which would be an error here


def test_of_many_columns_a_warning_names_twenty():
    columns = tuple(Column(f"n{i}") for i in range(23))
    inputs = Encoding.fit(np.ones((2, 23)), columns)
    model = replace(table_model(), schema=replace(SCHEMA, columns=columns), inputs=inputs,
                    net=cr.Network([23, 2], "softmax", "cross_entropy"))  # fmt: skip
    with pytest.warns(
        UserWarning, match=r"column 'n19': 1 missing value, .*; and 3 columns more; training had seen none"
    ):
        model.predict({column.name: [None] for column in columns})


def test_a_schema_and_an_encoding_come_together():
    for parts, got in (
        ({"schema": None}, "Encoding without a schema"),
        ({"inputs": Scaling.none(6)}, "Scaling with a schema"),
    ):
        with pytest.raises(InputError) as error:
            replace(table_model(), **parts)
        assert str(error.value) == (
            f"inputs: expected an Encoding with its schema, or a Scaling, got {got}. A model of a table has both, one of arrays "
            "has neither."
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, a: h["pipeline"].update(task="sorting"), "task: expected classification or regression, got 'sorting'."),
        (lambda h, a: h["pipeline"].update(classes=["no"]), "classes: expected 2 of them, as the network has outputs for, got "),
        (lambda h, a: h["pipeline"].update(classes=["no", "no"]), "classes: expected different ones, got two alike."),
        (lambda h, a: a.update({"inputs.scale": np.zeros(3)}), "inputs.scale: expected numbers above 0, got 0."),
        (lambda h, a: a.update({"targets.scale": np.array([1.0, -2])}), "targets.scale: expected numbers above 0, got -2."),
        (lambda h, a: h["pipeline"].update(class_names=["no"]), "class_names: expected 2 of them, or none, got 1."),
        (lambda h, a: a.update({"inputs.mean": np.zeros(4)}), "inputs.mean: expected shape (3,), got shape (4,)."),
        (lambda h, a: a.update({"targets.mean": np.zeros(3)}), "targets.mean: expected shape (2,), got shape (3,)."),
        (lambda h, a: a.update({"baseline": np.zeros(1)}), "baseline: expected shape (2,), got shape (1,)."),
        (lambda h, a: a.update({"baseline": np.array([0.5, 0.2])}), "baseline: expected shares ≥ 0 whose sum is 1, got 0.5, 0.2."),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_file_is_named(tmp_path, change, message):
    classifier().save(tmp_path / "m")
    rewrite(tmp_path / "m", change)
    with pytest.raises(ModelFileError) as error:
        load_pipeline(tmp_path / "m")
    assert str(error.value).startswith(f"pipeline of {tmp_path / 'm'}: {message}")


def test_a_number_is_found_among_levels_that_a_file_writes_with_decimals():
    # pandas reads the same file's column as floats
    schema = Schema((Column("size", ("1.0", "2.50", "x")),), Column("y"))
    inputs = Encoding.fit(np.array([[0.0], [1], [2]]), schema.columns)
    model = replace(table_model(), schema=schema, inputs=inputs, net=cr.Network([4, 2], "softmax", "cross_entropy"))
    np.testing.assert_array_equal(
        model.transform({"size": np.array([1.0, 2.5])}), model.transform({"size": ["1.0", "2.50"]})
    )
    assert Column("size", ("1", "1.0", "2.0", "2.00")).codes == {"1": 0, "1.0": 1, "2.0": 2, "2.00": 3}


def test_a_value_has_the_same_text_whatever_stands_beside_it():
    schema = Schema((Column("size", ("1", "True", "a")),), Column("y"))
    inputs = Encoding.fit(np.array([[0.0], [1], [2]]), schema.columns)
    model = replace(table_model(), schema=schema, inputs=inputs, net=cr.Network([4, 2], "softmax", "cross_entropy"))
    one, true, a = np.eye(4)[:3]
    np.testing.assert_array_equal(model.transform({"size": [1.0, "a"]}), [one, a])
    np.testing.assert_array_equal(model.transform({"size": [1.0]}), [one])
    np.testing.assert_array_equal(model.transform({"size": [True, 1.0]}), [true, one])
    np.testing.assert_array_equal(model.transform({"size": [1.0] * 20_000 + ["a", True]})[-3:], [one, a, true])


def with_output(activation, cost):
    net = cr.Network([3, 2], activation, cost, seed=1)
    return replace(classifier(), net=net)


def test_outputs_that_are_no_distribution_are_divided_by_their_sum_where_none_is_negative():
    model = with_output("logistic", "squared_error")
    outputs = model.outputs(X).astype(float)
    np.testing.assert_allclose(model.probabilities(X), outputs / outputs.sum(axis=1, keepdims=True), rtol=1e-6)
    model.net.parameters = np.zeros(8)
    assert "log_loss" in model.evaluate(LabelledData("set", X, np.array(["no", "yes"] * 15)))
    model = with_output("relu", "squared_error")
    model.net.parameters = np.zeros(8)
    assert model.probabilities(X[:1]).tolist() == [[0.5, 0.5]]
    model = with_output("identity", "squared_error")
    assert "log_loss" not in model.evaluate(LabelledData("set", X, np.array(["no", "yes"] * 15)))
    for refusing, got in ((model, "outputs of identity, which may be negative"), (regressor(), "a regression")):
        with pytest.raises(InputError) as error:
            refusing.probabilities(X)
        assert str(error.value) == (
            f"probabilities: expected a classification by outputs ≥ 0, got {got}. Train with a softmax output, the default for "
            "classes."
        )


def rewrite(path, change):
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    change(header, arrays)
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"chainrule": json.dumps(header)}))


def test_a_file_of_version_1_is_read_and_measured_beside_its_own_rows(tmp_path):
    model = replace(classifier(), baseline=np.array([0.1, 0.9]))
    model.save(tmp_path / "m")

    def older(header, arrays):
        header["version"] = 1
        del header["pipeline"]["table"], arrays["baseline"]

    rewrite(tmp_path / "m", older)
    back = cr.load_pipeline(tmp_path / "m")
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.schema is None
    data = LabelledData("set", X, np.array(["no", "no", "yes"] * 10))
    assert back.evaluate(data)["baseline_accuracy"] == pytest.approx(2 / 3)
    assert model.evaluate(data)["baseline_accuracy"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda t, a: t.update(columns=[]),
        lambda t, a: t.update(columns=3),
        lambda t, a: t.update(columns=[5, 6]),
        lambda t, a: t["columns"][0].update(name=7),
        lambda t, a: t["columns"][0].update(name="colour"),
        lambda t, a: t["columns"][0].update(name="y"),
        lambda t, a: t["columns"][1].update(levels=None),
        lambda t, a: t["columns"][1].update(levels=[]),
        lambda t, a: t["columns"][1].update(levels=["red", "red"]),
        lambda t, a: t["columns"][1].update(levels=["red", 3]),
        lambda t, a: t["columns"][1].update(levels="blue"),
        lambda t, a: t["columns"][1].update(seen=[0, 2]),
        lambda t, a: t["columns"][1].update(seen=[1, 0]),
        lambda t, a: t["columns"][1].update(seen=[0, 0]),
        lambda t, a: t["columns"][1].update(seen=[-1, 0]),
        lambda t, a: t["columns"][1].update(seen=[0.0, 1.0]),
        lambda t, a: t["columns"][1].update(seen=[True]),
        lambda t, a: t["columns"][1].update(seen=[0]),
        lambda t, a: t["columns"][1].update(seen=[10**30]),
        lambda t, a: t["columns"][1].update(missing=1),
        lambda t, a: t["columns"][1].update(missing=False),
        lambda t, a: t["columns"][1].update(others="no"),
        lambda t, a: t["columns"][1].pop("others"),
        lambda t, a: t.update(target=None),
        lambda t, a: t["target"].update(levels=[None]),
        lambda t, a: t["columns"][1].update(levels=["blue", "\ud800"]),
        lambda t, a: t.pop("left_out"),
        lambda t, a: t.update(left_out=[{"name": "id"}]),
        lambda t, a: t.update(left_out=[{"name": "id", "reason": ["x"]}]),
        lambda t, a: a.update({"inputs.mean": np.zeros(3)}),
        lambda t, a: a.update({"inputs.scale": np.zeros(2)}),
        lambda t, a: a.update({"baseline": np.zeros(2)}),
        lambda t, a: a.update({"baseline": np.array([1.5, -0.5])}),
        lambda t, a: a.update({"baseline": np.ones(1)}),
    ],
)
def test_a_table_that_lies_is_refused(tmp_path, change):
    path = tmp_path / "m"
    table_model().save(path)
    rewrite(path, lambda header, arrays: change(header["pipeline"]["table"], arrays))
    with pytest.raises(ModelFileError, match=r"^pipeline of .*The file is damaged, or was written by a program other"):
        load_pipeline(path)


def test_any_byte_of_the_header_may_be_changed(tmp_path):
    path = tmp_path / "m"
    table_model().save(path)
    model, content = table_model(), path.read_bytes()
    rng = np.random.default_rng(0)
    loaded = 0
    for at in range(8, content.index(b'"W1"'), 3):
        changed = bytearray(content)
        changed[at] ^= int(rng.integers(1, 128))
        path.write_bytes(bytes(changed))
        with contextlib.suppress(ModelFileError):
            back = load_pipeline(path)
            # the byte was one of a name: of a column, a level, a class or a reason; no number of the model is another
            np.testing.assert_array_equal(back.net.parameters, model.net.parameters)
            assert back.net.sizes == model.net.sizes
            assert len(back.schema.columns) == 2
            loaded += 1
            with contextlib.suppress(DataError), warnings.catch_warnings():  # a column may have another name now
                warnings.simplefilter("ignore", UserWarning)  # and a level too
                assert np.isfinite(back.probabilities(frames()["dict"])).all()
    assert loaded > 10


def test_a_table_in_a_file_of_version_1_is_refused(tmp_path):
    table_model().save(tmp_path / "m")
    rewrite(tmp_path / "m", lambda header, arrays: header.update(version=1))
    with pytest.raises(ModelFileError, match=r"^pipeline of .*: expected no table in a file of version 1, got one\."):
        cr.load_pipeline(tmp_path / "m")


def test_classes_other_than_the_levels_of_the_target_are_refused(tmp_path):
    net = cr.Network([1, 2], ["softmax"], "cross_entropy", seed=0)
    schema = Schema((Column("age"),), Column("y", ("no", "yes")))
    inputs = Encoding.fit(np.array([[0.0], [2]]), schema.columns)
    model = Pipeline(
        net, "classification", inputs, Scaling.none(2), np.array(["no", "yes"]), feature_names=("age",), schema=schema
    )
    model.save(tmp_path / "m")
    assert cr.load_pipeline(tmp_path / "m").classes.tolist() == ["no", "yes"]
    rewrite(tmp_path / "m", lambda header, arrays: header["pipeline"].update(classes=["yes", "no"]))
    with pytest.raises(ModelFileError, match=r"classes: expected the levels of the table's target, got yes, no\."):
        cr.load_pipeline(tmp_path / "m")
