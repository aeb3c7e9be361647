"""What an estimator keeps: pickled, cloned, copied, written to by hand, used by two threads."""

import copy
import os
import pickle
import signal
import threading
import tracemalloc
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone

import chainrule as cr
from cases import HAS_NATIVE
from chainrule import MLPClassifier, MLPRegressor
from problems import problem

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a few epochs are enough here


def _fitted(**settings):
    _, X, y = problem("digits")
    return MLPClassifier(**{"hidden_layer_sizes": 20, "max_iter": 5, "random_state": 0, **settings}).fit(X, y), X, y


def _through_pickle(clf, tmp_path):
    return pickle.loads(pickle.dumps(clf))


def _through_joblib(clf, tmp_path):
    joblib.dump(clf, tmp_path / "clf.joblib")
    return joblib.load(tmp_path / "clf.joblib")


def _through_mapped_memory(clf, tmp_path):
    joblib.dump(clf, tmp_path / "clf.joblib")
    return joblib.load(tmp_path / "clf.joblib", mmap_mode="r")


@pytest.mark.parametrize(
    "through", [_through_pickle, _through_joblib, _through_mapped_memory, lambda clf, _: copy.deepcopy(clf)]
)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_copies_predict_and_go_on_to_the_same_bits(through, solver, tmp_path):
    clf, X, y = _fitted(solver=solver, activation=["gelu"], class_weight="balanced")
    clf.set_params(class_weight=None)
    other = through(clf, tmp_path)
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))
    other.coefs_[0][0, 0] += 1
    assert other.network_.W[1][0, 0] == clf.coefs_[0][0, 0] + 1  # views of its own θ, not of the other's
    other.coefs_[0][0, 0] = clf.coefs_[0][0, 0]
    for estimator in (clf, other):
        estimator.partial_fit(X, y)
    np.testing.assert_array_equal(other.network_.parameters, clf.network_.parameters)


def test_a_pickle_holds_the_parameters_once():
    _, X, y = problem("digits")
    clf = MLPClassifier(2000, solver="lbfgs", max_iter=1).fit(X, y)
    assert len(pickle.dumps(clf)) < 1.05 * clf.network_.parameters.nbytes


def test_clone_keeps_parameters_and_forgets_the_rest():
    clf, X, y = _fitted(initial_parameters=None, activation=["tanh"], monitor="loss")
    again = clone(clf)
    assert again.get_params() == clf.get_params()
    assert not hasattr(again, "coefs_")
    np.testing.assert_array_equal(again.fit(X, y).coefs_[0], clf.coefs_[0])


def test_refitting_leaves_earlier_coefs_alone():
    clf, X, y = _fitted()
    earlier = clf.coefs_[0]
    numbers = earlier.copy()
    clf.set_params(random_state=1).fit(X, y)
    np.testing.assert_array_equal(earlier, numbers)
    assert not np.array_equal(clf.coefs_[0], earlier)


def test_arrays_put_in_the_place_of_coefs_count():
    clf, X, y = _fitted()
    donor, _, _ = _fitted(random_state=8)
    clf.coefs_, clf.intercepts_ = [W.copy() for W in donor.coefs_], donor.intercepts_
    np.testing.assert_array_equal(clf.predict_proba(X), donor.predict_proba(X))
    clf.intercepts_[1] = np.arange(10.0)
    assert clf.network_.b[2].tolist() == [*range(10)]
    clf.coefs_[1] = np.zeros_like(clf.coefs_[1])
    assert (clf.predict(X) == 9).all()
    assert not clf.network_.W[2].any()
    assert donor.predict(X).any()
    clf.intercepts_[1] = np.zeros(3)
    with pytest.raises(ValueError, match=r"^intercepts_\[1\]: expected shape \(10,\), got shape \(3,\)"):
        clf.predict(X)


def test_later_set_params_does_not_change_what_was_fitted():
    clf, X, _ = _fitted()
    before = clf.predict_proba(X)
    clf.set_params(activation="tanh", hidden_layer_sizes=(3, 3))
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), before)


def test_seeds_fix_the_bits_and_a_random_state_is_used_up():
    first, X, y = _fitted()
    second, _, _ = _fitted()
    np.testing.assert_array_equal(first.network_.parameters, second.network_.parameters)
    rng = np.random.RandomState(0)
    drawn = [MLPClassifier(20, max_iter=5, random_state=rng).fit(X, y).coefs_[0] for _ in range(2)]
    np.testing.assert_array_equal(drawn[0], first.coefs_[0])
    assert not np.array_equal(drawn[1], drawn[0])


def test_two_threads_train_two_estimators():
    _, X, y = problem("digits")
    alone = [MLPClassifier(20, max_iter=5, random_state=seed).fit(X, y).network_.parameters for seed in (0, 1)]
    fitted = {}

    def fit(seed):
        fitted[seed] = MLPClassifier(20, max_iter=5, random_state=seed).fit(X, y)

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (0, 1):
        np.testing.assert_array_equal(fitted[seed].network_.parameters, alone[seed])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_keeps_what_was_trained(solver, monkeypatch):
    _, X, y = problem("digits")
    from chainrule.engine import reference

    calls = 0
    passes = reference.value_and_gradient

    def interrupted(*arguments):
        nonlocal calls
        calls += 1
        if calls == 11:
            raise KeyboardInterrupt
        return passes(*arguments)

    monkeypatch.setattr(reference, "value_and_gradient", interrupted)
    clf = MLPClassifier(20, solver=solver, random_state=0, batch_size=200, shuffle=False, backend="reference")
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        clf.fit(X, y)
    monkeypatch.undo()
    if solver == "adam":
        # ten whole steps: three epochs of three batches, and one batch more
        expected = MLPClassifier(20, random_state=0, shuffle=False, max_iter=3, backend="reference")
        expected.fit(X, y).partial_fit(X[:200], y[:200])
        np.testing.assert_array_equal(clf.network_.parameters, expected.network_.parameters)
        assert clf._optimizer.state.step == expected._optimizer.state.step == 10
    assert 2 <= clf.n_iter_ <= 9
    assert clf.network_.cost(X, y) < MLPClassifier(20, solver=solver, random_state=0).initialize(X, y).network_.cost(
        X, y
    )


@pytest.mark.skipif(not HAS_NATIVE, reason="the compiled core is not built")
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT as a terminal does on POSIX systems")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_ctrl_c_ends_the_core_s_loop_after_a_whole_step_with_the_state_of_that_step(solver):
    _, X, y = problem("digits")
    rows = np.resize(np.arange(len(X)), 20_000)
    X, y = X[rows], y[rows]
    settings = {"hidden_layer_sizes": 50, "solver": solver, "random_state": 0, "batch_size": 100, "shuffle": False}
    clf = MLPClassifier(**settings, max_iter=100_000, tol=0, n_iter_no_change=np.inf, backend="native")
    press = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    press.start()
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        clf.fit(X, y)
    press.join()

    # the epochs that were finished, and then the batches of the one that was not, one by one
    twin = MLPClassifier(**settings, tol=0, n_iter_no_change=np.inf, backend="native")
    for _ in range(clf.n_iter_):
        twin.partial_fit(X, y, classes=np.unique(y))
    for start in range(0, len(X), 100):
        if np.array_equal(twin.network_.parameters, clf.network_.parameters):
            break
        twin.partial_fit(X[start : start + 100], y[start : start + 100], classes=np.unique(y))
    assert clf.network_.parameters.tobytes() == twin.network_.parameters.tobytes()
    states = [[*map(np.asarray, one._optimizer.state)] for one in (clf, twin)]
    for mine, expected in zip(*states, strict=True):
        assert mine.tobytes() == expected.tobytes()


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_and_warm_start_go_on_from_the_state_also_through_a_pickle(solver):
    _, X, y = problem("digits")
    settings = {"solver": solver, "random_state": 0, "shuffle": False, "tol": 0, "batch_size": 100}
    classes = np.unique(y)
    whole = MLPClassifier(20, **settings, max_iter=4).fit(X, y)
    again = MLPClassifier(20, **settings, max_iter=4)
    for _ in range(4):
        again = pickle.loads(pickle.dumps(again.partial_fit(X, y, classes=classes)))
    by_batch = MLPClassifier(20, **settings)
    for _ in range(4):
        for start in range(0, len(X), 100):
            by_batch.partial_fit(X[start : start + 100], y[start : start + 100], classes=classes)
    for other in (again, by_batch):
        assert other.network_.parameters.tobytes() == whole.network_.parameters.tobytes()
        for mine, expected in zip(other._optimizer.state, whole._optimizer.state, strict=True):
            assert np.asarray(mine).tobytes() == np.asarray(expected).tobytes()


def test_float32_and_large_blocks_of_rows_give_the_same_predictions():
    reg = MLPRegressor(hidden_layer_sizes=4, random_state=0, max_iter=3)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 3)).astype(np.float32)
    reg.fit(X, X[:, 0])
    assert reg.predict(X).dtype == np.float32
    np.testing.assert_array_equal(reg.predict(X)[5000:5010], reg.predict(X[5000:5010]))
    assert reg.predict(X.astype(np.float64)).dtype == np.float32


def test_estimators_are_imported_only_when_they_are_asked_for():
    import subprocess
    import sys

    code = "import sys, chainrule; print('sklearn' in sys.modules, 'MLPClassifier' in dir(chainrule)); chainrule.MLPRegressor; print('sklearn' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "True", "True"]
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'MLPClasifier'"):
        cr.MLPClasifier  # noqa: B018


def test_whole_numbers_are_never_copied_as_a_whole():
    X = np.random.default_rng(0).integers(0, 256, (20_000, 100), dtype=np.uint8)
    tracemalloc.start()
    reg = MLPRegressor(hidden_layer_sizes=4, solver="adam", max_iter=1, random_state=0, learning_rate_init=1e-5)
    reg.fit(X, X[:, 0] / 255).predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * X.nbytes  # as float64 they would take 8 times X


def test_no_warning_in_an_ordinary_fit():
    _, X, y = problem("breast_cancer")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(10, random_state=0, max_iter=500, tol=1e-3).fit(X, y)
