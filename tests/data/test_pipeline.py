"""Scaling, encoding, prediction in the user's units, and the pipeline's file."""

import json

import numpy as np
import pytest
import safetensors.numpy

import chainrule as cr
from chainrule.data.labelled import LabelledData
from chainrule.data.metrics import classification, regression
from chainrule.data.pipeline import Pipeline, Scaling, load_pipeline
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


def test_metrics_by_hand():
    figures = classification(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert figures == {"accuracy": 0.75, "balanced_accuracy": pytest.approx(5 / 6), "baseline_accuracy": 0.75}
    figures = regression(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))
    assert figures == {
        "r2": 0.5,
        "mae": 0.5,
        "rmse": pytest.approx(0.5**0.5),
        "baseline_mae": 1.0,
        "baseline_rmse": 1.0,
    }
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
        lambda h, a: h.update(training=TRAINING | {"history": {"epoch": 3, "cost": []}}),
        lambda h, a: h["pipeline"].update(classes=["no", "no"]),
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
