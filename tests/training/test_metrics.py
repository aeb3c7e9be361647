"""Several evaluation sets, and metrics of the user's own on each: in the history, monitored, and in its tables."""

import logging
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError
from training_problem import LABELS, X, Y, regressor

SETS = {"late": (X[40:], Y[40:]), "weighted": (X[:20], Y[:20], np.linspace(0, 1, 20))}


def error(outputs, Y):
    return float(np.abs(outputs - Y).mean())


def classifier():
    return cr.Network([4, 6, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64", seed=1)


def accuracy(outputs, Y):
    return np.mean(outputs.argmax(axis=1) == Y)


# --- figures --------------------------------------------------------------------------------------------------------
def test_every_set_has_its_cost_and_metrics_after_each_epoch():
    net, expected = regressor(), {name: {"cost": [], "error": []} for name in SETS}

    def measure(net, history):
        for name, data in SETS.items():
            expected[name]["cost"].append(net.cost(*data))
            expected[name]["error"].append(error(net.predict(data[0]), data[1][:, np.newaxis]))

    options = {"validation": SETS, "metrics": {"error": error}, "callbacks": [measure], "verbose": 0}
    history = cr.train(net, X[:40], Y[:40], epochs=3, **options)
    assert list(history.evaluations) == ["late", "weighted"]
    for name in SETS:
        for figure, values in expected[name].items():
            np.testing.assert_allclose(history.evaluations[name][figure], values, rtol=1e-12)  # sums in another order
    assert history.validation_cost is history.monitored is history.evaluations["late"]["cost"]
    table = history.to_pandas()
    assert list(table.columns) == [
        "cost", "late/cost", "late/error", "weighted/cost", "weighted/error", "penalty", "gradient_norm",
        "learning_rate", "seconds",
    ]  # fmt: skip
    assert table["weighted/error"].tolist() == history.figure("weighted/error") == expected["weighted"]["error"]
    assert history.row(2) == {name: column[1] for name, column in history.to_dict().items()}


def test_a_set_without_a_name_keeps_today_s_name_for_its_cost():
    metrics = {"accuracy": accuracy}
    history = cr.train(classifier(), X, LABELS, epochs=2, validation=0.25, metrics=metrics, verbose=0)
    assert [name for name in history.to_dict() if name.startswith("validation")] == [
        "validation_cost", "validation/accuracy",
    ]  # fmt: skip
    assert history.figure("validation_cost") is history.figure("validation/cost") is history.validation_cost
    assert cr.train(classifier(), X, LABELS, epochs=0, validation=0.25, verbose=0).validation_cost == []


@pytest.mark.parametrize(
    ("net", "targets", "shape"),
    [(classifier(), LABELS, (15,)), (regressor(), Y.astype("float32"), (15, 1))],
)
def test_a_metric_is_given_the_outputs_and_the_targets_as_they_were(net, targets, shape):
    given = []

    def look(outputs, Y):
        given.append((outputs.copy(), Y.copy()))
        outputs[...] = Y[...] = 0  # which changes nothing
        return 0

    history = cr.train(net, X, targets, epochs=1, validation=0.25, metrics={"look": look, "again": look}, verbose=0)
    (outputs, some), again = given
    assert (some.shape, some.dtype, len(outputs)) == (shape, targets.dtype, 15)
    np.testing.assert_array_equal(again[0], outputs)
    np.testing.assert_array_equal(again[1], some)
    assert outputs.any()
    rows = [int(np.flatnonzero(np.isclose(net.predict(X), row).all(axis=1))[0]) for row in outputs]
    np.testing.assert_array_equal(targets[rows], some.ravel())
    assert history.evaluations["validation"]["look"] == [0.0]


def test_a_set_that_is_read_in_blocks_has_metrics_too():
    def blocks():
        return iter([(X[40:45], Y[40:45]), (X[45:], Y[45:])])

    sets = {"in blocks": blocks, "at hand": (X[40:], Y[40:])}
    history = cr.train(regressor(), X, Y, epochs=2, validation=sets, metrics={"error": error}, verbose=0)
    assert history.evaluations["in blocks"] == history.evaluations["at hand"]


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_metrics_change_nothing_of_training(optimizer):
    nets = [regressor(), regressor()]
    options = {"optimizer": optimizer, "epochs": 3, "validation": 0.2, "verbose": 0}
    cr.train(nets[0], X, Y, metrics={"error": error}, **options)
    cr.train(nets[1], X, Y, **options)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_damping_is_in_the_table_where_the_solver_has_one():
    history = cr.train(regressor(), X, Y, optimizer="levenberg_marquardt", epochs=2, verbose=0)
    assert history.to_dict()["damping"] == history.damping
    assert all(value > 0 for value in history.damping)
    history = cr.train(regressor(), X, Y, epochs=2, verbose=0)
    assert np.isnan(history.damping).all()
    assert "damping" not in history.to_dict()


# --- monitored ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "mode", "best"), [
    ("late/rising", "max", 6), ("late/rising", "min", 1), ("late/cost", None, None), ("cost", None, None),
])  # fmt: skip
def test_early_stopping_looks_at_any_figure_and_either_way(name, mode, best):
    epochs = iter(range(1, 100))
    rule = cr.EarlyStopping(patience=3, monitor=name, mode=mode)
    metrics = {"rising": lambda outputs, Y: min(next(epochs), 6)}  # once for each epoch: the only set
    history = cr.train(
        regressor(), X, Y, validation={"late": SETS["late"]}, metrics=metrics, early_stopping=rule, epochs=9, verbose=0
    )
    if best is None:
        best = int(np.argmin(history.figure(name))) + 1
    assert history.restored_epoch == best
    assert history.epochs == min(best + 3, 9)
    if history.epochs < 9:
        assert history.message == f"stopped after epoch {best + 3}: the monitored {name} stopped improving"


def test_the_tolerance_counts_in_either_direction():
    values = iter([1.0, 1.05, 1.09, 1.2, 1.2])
    rule = cr.EarlyStopping(patience=2, tolerance=0.1, monitor="validation/f", mode="max")
    metrics = {"f": lambda outputs, Y: next(values)}
    history = cr.train(regressor(), X, Y, validation=0.2, metrics=metrics, early_stopping=rule, epochs=5, verbose=0)
    assert (history.epochs, history.restored_epoch) == (
        3,
        3,
    )  # 0.05 and 0.09 better are no improvement; best all the same


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"monitor": "validation/acuracy", "mode": "max"}, "unknown EarlyStopping: monitor: expected one of cost, "
         "gradient_norm, learning_rate, penalty, seconds, validation/accuracy, validation_cost, got "
         "'validation/acuracy'. Did you mean validation/accuracy or validation_cost?"),
        ({"monitor": "validation/accuracy"}, "EarlyStopping: mode, with monitor='validation/accuracy': expected 'min' or "
         "'max', got None. It says whether the least or the greatest is best, which only of a cost is understood."),
        ({"mode": "least"}, "EarlyStopping: mode: expected 'min', 'max' or None, got 'least'. It says whether the least "
         "or the greatest is best."),
        ({"monitor": 3}, "EarlyStopping: monitor: expected a figure of the history, such as 'validation/accuracy', or "
         "None, got 3. None is the validation cost, or without a validation set the cost."),
    ],
)  # fmt: skip
def test_a_figure_that_is_not_there_or_has_no_direction_is_refused(rule, message):
    net = classifier()
    before = net.parameters.copy()
    with pytest.raises(InputError) as error:
        cr.train(
            net, X, LABELS, validation=0.2, metrics={"accuracy": accuracy}, early_stopping=cr.EarlyStopping(**rule),
            verbose=0,
        )  # fmt: skip
    assert str(error.value) == message
    np.testing.assert_array_equal(net.parameters, before)


# --- bad input ------------------------------------------------------------------------------------------------------
def test_an_error_of_a_metric_reaches_the_user_with_a_note_and_the_history():
    calls = []

    def fail(outputs, Y):
        calls.append(1)
        if len(calls) == 4:  # of two sets: the second in epoch 2
            raise ZeroDivisionError("mine")
        return 1.0

    net = regressor()
    last = []
    options = {"callbacks": [lambda net, history: last.append(net.parameters.copy())], "verbose": 0}
    with pytest.raises(ZeroDivisionError, match="mine") as error:
        cr.train(net, X, Y, validation=SETS, metrics={"fail": fail}, epochs=5, **options)
    assert error.value.__notes__ == [
        "raised by metrics['fail'] of the set 'weighted', given outputs (20, 1) and Y (20, 1)",
        "Training was in epoch 2, step 2. The network has the parameters after its last whole step; the history so "
        "far, 1 whole epoch, is this error's attribute `history`.",
    ]
    assert error.traceback[-1].name == "fail"
    history = error.value.history
    assert (history.epochs, history.stopped) == (1, "error")
    assert all(len(values) == 1 for figures in history.evaluations.values() for values in figures.values())
    assert np.isfinite(net.parameters).all()
    assert not np.array_equal(net.parameters, last[0])  # epoch 2's steps are in it


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (None, "None. Return a float."),
        ("0.9", "'0.9'. Return a float."),
        (True, "True. Return a float."),
        (np.ones(12), "an array of shape (12,). Reduce it, as in float(np.mean(…))."),
    ],
)
def test_a_metric_that_is_no_number_is_refused(given, got):
    with pytest.raises(InputError) as error:
        cr.train(regressor(), X, Y, validation=0.2, metrics={"mine": lambda outputs, Y: given}, verbose=0)
    assert str(error.value) == f"metrics['mine'] of the set 'validation': expected one number, got {got}"
    assert error.value.history.epochs == 0


@pytest.mark.parametrize("number", [3, np.float32(0.5), np.array(0.25), np.int64(2)])
def test_any_kind_of_number_is_one(number):
    history = cr.train(regressor(), X, Y, epochs=1, validation=0.2, metrics={"n": lambda *_: number}, verbose=0)
    (value,) = history.evaluations["validation"]["n"]
    assert (value, type(value)) == (float(number), float)


def test_a_metric_that_is_nan_is_kept_logged_once_and_no_improvement(caplog):
    values = iter([2.0, math.nan, 1.0, math.nan, math.nan, math.nan])
    rule = cr.EarlyStopping(patience=3, monitor="validation/f", mode="min")
    history = cr.train(
        regressor(), X, Y, validation=0.2, metrics={"f": lambda *_: next(values)}, early_stopping=rule, verbose=0
    )
    np.testing.assert_array_equal(
        history.evaluations["validation"]["f"], [2, math.nan, 1, math.nan, math.nan, math.nan]
    )
    assert (history.restored_epoch, history.epochs) == (3, 6)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "metrics['f'] of the set 'validation' is nan: kept in the history, and no improvement where it "
         "is monitored"),
    ]  # fmt: skip


FUNCTIONS = "Write metrics={'accuracy': lambda outputs, Y: float(np.mean(outputs.argmax(axis=1) == Y))}."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": 3}, f"metrics: expected {{name: function (outputs, Y)}}, got 3. {FUNCTIONS}"),
        ({"metrics": {"a": 3}}, f"metrics['a']: expected a function (outputs, Y), got 3. {FUNCTIONS}"),
        ({"metrics": {"cost": error}}, "metrics: expected names as text, without '/', other than 'cost', got 'cost'. The "
         "cost is there anyhow, and a figure's whole name is 'set/metric'."),
        ({"metrics": {"a/b": error}}, "metrics: expected names as text, without '/', other than 'cost', got 'a/b'."),
        ({"metrics": {"error": error}, "validation": None}, "metrics: expected validation: sets to measure, got none. Add "
         "validation=0.1, validation=(Xv, Yv), or validation={'train': (X, Y)}."),
        ({"validation": {"a/b": (X, Y)}}, "validation: expected names of sets, as text without '/', got 'a/b'."),
        ({"validation": {1: (X, Y)}}, "validation: expected names of sets, as text without '/', got 1."),
    ],
)  # fmt: skip
def test_metrics_and_sets_that_can_not_be_are_refused(options, message):
    with pytest.raises(InputError) as refused:
        cr.train(regressor(), X, Y, **{"validation": 0.2, "verbose": 0} | options)
    assert str(refused.value).startswith(message)
