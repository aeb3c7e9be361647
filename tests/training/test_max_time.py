"""`max_time`: training ends after a whole step, in the middle of an epoch too, whatever takes its steps."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.training import session
from training_problem import X, Y, regressor

ONE_BY_ONE = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 10, "shuffle": False, "verbose": 0}


@pytest.fixture
def ticks(monkeypatch):
    """A clock that goes on by a second whenever somebody looks at it."""
    clock = SimpleNamespace(now=0.0, perf_counter=time.perf_counter)

    def monotonic():
        clock.now += 1
        return clock.now

    clock.monotonic = monotonic
    monkeypatch.setattr(session, "time", clock)
    return clock


def test_single_steps_end_after_a_whole_one_in_the_middle_of_an_epoch(ticks):
    class Steps:
        taken = ()

        def after_batch(self, moment):
            self.taken += (moment.net.parameters.copy(),)

    steps, net = Steps(), regressor()
    history = cr.train(net, X, Y, epochs=99, callbacks=[steps], max_time=10, **ONE_BY_ONE)
    assert (history.stopped, history.epochs) == ("time", 1)
    assert history.message == "stopped in epoch 2: max_time is over"
    assert 6 < len(steps.taken) < 12
    np.testing.assert_array_equal(net.parameters, steps.taken[-1])


@pytest.mark.parametrize("optimizer", ["lbfgs", "levenberg_marquardt", "gauss_newton_cg", "rprop"])
def test_other_solvers_end_with_the_parameters_of_their_last_whole_step(ticks, optimizer):
    snapshots = []
    look = [lambda net, history: snapshots.append(net.parameters.copy())]
    net = regressor(backend="reference")
    before = net.parameters.copy()
    history = cr.train(net, X, Y, optimizer=optimizer, epochs=9999, callbacks=look, max_time=25, verbose=0)
    assert history.stopped == "time"
    assert 0 < history.epochs < 25
    if optimizer != "rprop":  # whose epoch has two steps
        np.testing.assert_array_equal(net.parameters, snapshots[-1])
    assert not np.array_equal(net.parameters, before)


@pytest.mark.skipif(not HAS_NATIVE, reason="the compiled core is not built")
def test_an_epoch_in_the_compiled_core_ends_after_a_whole_step(ticks):
    m = 3_000_000  # the same row again and again, which takes no memory
    rows, targets = np.broadcast_to(X[:1], (m, 4)), np.broadcast_to(Y[:1], (m,))
    net, twin = regressor(backend="native"), regressor(backend="native")
    steps = []

    class Steps:
        def after_training(self, moment):
            steps.append(moment.steps)

    # the first two looks at the clock come before the epoch, the next after a tenth of a second of it
    options = ONE_BY_ONE | {"batch_size": 8, "learning_rate": 1e-6}
    history = cr.train(net, rows, targets, epochs=9, max_time=3, callbacks=[Steps()], **options)
    assert (history.stopped, history.epochs) == ("time", 0)
    assert 0 < steps[0] < m // 8
    cr.train(twin, rows[: 8 * steps[0]], targets[: 8 * steps[0]], epochs=1, **options)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_the_best_parameters_come_back_all_the_same(ticks):
    snapshots = []
    look = [lambda net, history: snapshots.append(net.parameters.copy())]
    net = regressor(backend="reference")
    options = {"callbacks": look, "early_stopping": cr.EarlyStopping(patience=None)}
    history = cr.train(net, X, Y, epochs=99, max_time=30, **options, **ONE_BY_ONE)
    assert history.stopped == "time"
    assert history.restored_epoch == int(np.argmin(history.cost)) + 1
    np.testing.assert_array_equal(net.parameters, snapshots[history.restored_epoch - 1])


@pytest.mark.parametrize("given", [0, -1, "60", np.inf, True])
def test_a_time_that_is_none_is_refused(given):
    with pytest.raises(cr.InputError) as error:
        cr.train(regressor(), X, Y, max_time=given, verbose=0)
    assert str(error.value) == (
        f"max_time: expected a number in (0, ∞), got {given!r}. It is in seconds; None is no limit."
    )
