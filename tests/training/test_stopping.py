"""Validation, early stopping, callbacks, history."""

import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.watching.early_stopping import BestParameters
from training_problem import X, Y, overfitting, regressor


def test_own_validation_set_is_measured_after_each_epoch():
    net = regressor()
    costs = []
    history = cr.train(
        net, X[:40], Y[:40], validation=(X[40:], Y[40:]), epochs=3, verbose=0,
        callbacks=[lambda net, history: costs.append(net.cost(X[40:], Y[40:]))],
    )  # fmt: skip
    np.testing.assert_allclose(history.validation_cost, costs, rtol=1e-12)


def test_weighted_validation_set():
    weights = np.linspace(0, 2, 20)
    net = regressor()
    history = cr.train(net, X[:40], Y[:40], validation=(X[40:], Y[40:], weights), epochs=1, verbose=0)
    assert history.validation_cost == [pytest.approx(net.cost(X[40:], Y[40:], weights))]


def test_validation_fraction_is_left_out_of_training():
    seen = set()

    class Spy(cr.SGD):
        def update(self, state, parameters, gradient, rate):
            seen.add(round(float(gradient[0]) ** 0.5))
            return state, parameters

    net = cr.Network([1, 1], "identity", "half_squared_error", bias=False, dtype="float64", initializer="zeros")
    rows = np.arange(1.0, 11.0)[:, np.newaxis]
    history = cr.train(net, rows, -rows[:, 0], optimizer=Spy(), batch_size=1, epochs=3, validation=0.25, verbose=0)
    assert len(seen) == 7  # ⌈0.25 · 10⌉ = 3 rows are held out
    held_out = [x for x in range(1, 11) if x not in seen]
    assert history.validation_cost[0] == pytest.approx(np.mean([x**2 / 2 for x in held_out]))


def test_early_stopping_waits_for_its_patience_and_restores_the_best_epoch():
    net, history, snapshots = overfitting(early_stopping=7)
    best = int(np.argmin(history.validation_cost))
    assert history.stopped == "early_stopping"
    assert history.epochs == best + 1 + 7 < 120
    assert history.restored_epoch == best + 1
    np.testing.assert_array_equal(net.parameters, snapshots[best])


def test_early_stopping_can_leave_the_last_parameters_or_only_restore():
    net, history, snapshots = overfitting(early_stopping=cr.EarlyStopping(patience=7, restore_best=False))
    assert history.restored_epoch is None
    np.testing.assert_array_equal(net.parameters, snapshots[-1])
    net, history, snapshots = overfitting(early_stopping=cr.EarlyStopping(patience=None))
    assert history.epochs == 120
    assert history.stopped == "epochs"
    np.testing.assert_array_equal(net.parameters, snapshots[int(np.argmin(history.validation_cost))])


def test_slow_progress_below_the_tolerance_never_counts():
    # 0.6 of the tolerance better each epoch: every cost is the best so far, none by more than the tolerance
    history = cr.History()
    best, ends = BestParameters(cr.EarlyStopping(patience=3, tolerance=0.1), history), []
    for epoch in range(1, 6):
        history.cost.append(1 - 0.06 * epoch)
        ends.append(best.after_epoch(history, np.zeros(1)))
    assert ends == [False, False, False, True, True]
    assert best.epoch == 5


def test_early_stopping_tolerance_counts_from_the_last_real_improvement():
    rule = cr.EarlyStopping(patience=3, tolerance=1e9)
    net = regressor()
    history = cr.train(net, X, Y, early_stopping=rule, epochs=50, verbose=0)
    assert history.epochs == 4  # the first improves on infinity, three don't improve by 1e9
    assert history.restored_epoch == int(np.argmin(history.cost)) + 1


def test_early_stopping_without_a_validation_set_looks_at_the_training_cost():
    net = regressor()
    # uphill after the first epoch: the only update rule that makes every later training cost worse
    history = cr.train(net, X, Y, optimizer=Uphill(), learning_rate=1e-3, early_stopping=2, epochs=100, verbose=0)
    assert not history.validation_cost
    assert history.monitored is history.cost
    assert history.stopped == "early_stopping"
    assert history.epochs == 3
    assert history.restored_epoch == 1


class Uphill(cr.SGD):
    def update(self, state, parameters, gradient, rate):
        return state, parameters + rate * gradient


def test_a_callback_sees_the_epoch_and_ends_training_by_returning_true():
    seen = []

    def stop(net, history):
        seen.append((history.epochs, net.cost(X, Y)))
        return np.bool_(history.epochs == 3)  # what a comparison of numpy numbers gives

    history = cr.train(regressor(), X, Y, epochs=10, callbacks=[stop], verbose=0)
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert history.stopped == "callback"
    assert history.message == "stopped after epoch 3: a callback ended training"


def test_an_exception_of_a_callback_comes_through_and_leaves_the_epoch_s_parameters():
    net = regressor()
    snapshots = []

    def fail(net, history):
        snapshots.append(net.parameters.copy())
        if history.epochs == 2:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        cr.train(net, X, Y, epochs=5, callbacks=[fail], verbose=0)
    np.testing.assert_array_equal(net.parameters, snapshots[1])


def test_history_as_a_table():
    history = cr.train(regressor(), X, Y, epochs=3, validation=0.2, verbose=0)
    table = history.to_pandas()
    assert list(table.columns) == ["cost", "validation_cost", "penalty", "gradient_norm", "learning_rate", "seconds"]
    assert table.index.tolist() == [1, 2, 3]
    assert table.index.name == "epoch"
    assert table["cost"].tolist() == history.cost
    assert history.to_dict()["epoch"] == [1.0, 2.0, 3.0]
    assert all(second > 0 for second in history.seconds)


def test_history_without_pandas_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(cr.ChainruleError) as error:
        cr.History().to_pandas()
    assert str(error.value) == (
        "to_pandas(): expected pandas, got no such package. Install it with: pip install 'chainrule[pandas]', or use "
        "to_dict()."
    )
