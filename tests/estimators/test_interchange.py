"""From scikit-learn's fitted estimators and back: the same predictions, and the same going on."""

import re

import numpy as np
import pandas as pd
import pytest
import sklearn.neural_network
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr
from problems import OURS, THEIRS, both, furthest, problem

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a few epochs are enough here

DATA = ["digits", "breast_cancer", "multilabel", "diabetes", "linnerud"]
SOLVERS = {
    "adam": {"solver": "adam"},
    "sgd": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "lbfgs": {"solver": "lbfgs"},
}


def _public(estimator):
    skipped = {"coefs_", "intercepts_", "validation_loss_curve_", "best_iter_"}
    return {name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")} - skipped


def _continued(estimator, X, y):
    if estimator.solver == "lbfgs":
        return estimator.set_params(warm_start=True).fit(X, y)
    return estimator.partial_fit(X[: len(X) // 2], y[: len(X) // 2])


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("solver", SOLVERS)
def test_from_sklearn_predicts_and_goes_on_the_same(data, solver):
    theirs, _, X, y = both(data, hidden_layer_sizes=(9, 5), max_iter=6, random_state=2, **SOLVERS[solver])
    theirs.fit(X, y)
    ours = cr.from_sklearn(theirs)
    assert isinstance(ours, OURS[problem(data)[0]])
    np.testing.assert_allclose(ours.predict(X) if y.dtype.kind != "U" else ours.predict_proba(X),
                               theirs.predict(X) if y.dtype.kind != "U" else theirs.predict_proba(X), atol=1e-12)  # fmt: skip
    assert {name: getattr(ours, name) for name in theirs.get_params()} == theirs.get_params()
    for name in _public(theirs):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    ours.coefs_[0][0, 0] += 1  # a copy
    assert ours.coefs_[0][0, 0] != theirs.coefs_[0][0, 0]
    ours.coefs_[0][0, 0] = theirs.coefs_[0][0, 0]
    if data == "linnerud" and solver == "lbfgs":
        return  # there its own objective and gradient belong together, scikit-learn's don't
    _continued(theirs, X, y)
    _continued(ours, X, y)
    assert furthest(theirs, ours) < 1e-6


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("solver", SOLVERS)
def test_to_sklearn_predicts_and_goes_on_the_same(data, solver):
    _, ours, X, y = both(data, hidden_layer_sizes=(9, 5), max_iter=6, random_state=2, **SOLVERS[solver])
    ours.fit(X, y)
    theirs = ours.to_sklearn()
    assert type(theirs) is THEIRS[problem(data)[0]]
    assert theirs.score(X, y) == pytest.approx(ours.score(X, y), abs=1e-12)
    assert {name: getattr(ours, name) for name in theirs.get_params()} == theirs.get_params()
    back = cr.from_sklearn(theirs)
    np.testing.assert_array_equal(back.network_.parameters, ours.network_.parameters)
    if data == "linnerud" and solver == "lbfgs":
        return
    _continued(ours, X, y)
    _continued(back, X, y)
    np.testing.assert_array_equal(back.network_.parameters, ours.network_.parameters)
    _continued(theirs, X, y)
    assert furthest(theirs, ours) < 1e-6


@pytest.mark.parametrize("data", ["breast_cancer_01", "diabetes"])
def test_going_on_after_early_stopping(data):
    theirs, _, X, y = both(data, hidden_layer_sizes=9, max_iter=8, random_state=2, early_stopping=True)
    ours = cr.from_sklearn(theirs.fit(X, y))
    assert ours.best_iter_ == 1 + int(np.argmax(theirs.validation_scores_))
    assert np.isnan(ours.validation_loss_curve_).tolist() == [True] * 8
    ours.set_params(warm_start=True, max_iter=3).fit(X, y)
    assert len(ours.validation_scores_) == len(ours.validation_loss_curve_) == 11
    assert ours.best_validation_score_ >= theirs.best_validation_score_


@pytest.mark.parametrize("solvers", [("sgd", "adam"), ("adam", "sgd")], ids="-".join)
def test_the_solver_may_have_been_changed_since(solvers):
    theirs, _, X, y = both("diabetes", hidden_layer_sizes=9, max_iter=4, random_state=2, solver=solvers[0])
    theirs.fit(X, y).set_params(solver=solvers[1])
    ours = cr.from_sklearn(theirs)
    back = ours.to_sklearn()
    for estimator in (theirs, ours, back):
        estimator.partial_fit(X, y)
    assert furthest(theirs, ours) < 1e-6
    assert furthest(back, ours) < 1e-6


@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str)
def test_to_sklearn_before_any_training(settings):
    _, ours, X, y = both("diabetes", hidden_layer_sizes=(), activation=[], max_iter=4, random_state=2, **settings)
    theirs = ours.initialize(X, y).to_sklearn()
    np.testing.assert_allclose(theirs.predict(X), ours.predict(X), atol=1e-12)
    for estimator in (theirs, ours):
        estimator.set_params(warm_start=True).fit(X, y)
    assert furthest(theirs, ours) < 1e-6


def test_feature_names_travel():
    _, X, y = problem("diabetes")
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(10)])
    theirs = sklearn.neural_network.MLPRegressor(max_iter=3, random_state=0).fit(frame, y)
    ours = cr.from_sklearn(theirs)
    assert ours.feature_names_in_.tolist() == list(frame.columns)
    np.testing.assert_allclose(ours.predict(frame), theirs.predict(frame))
    np.testing.assert_allclose(ours.to_sklearn().predict(frame), theirs.predict(frame))


def test_poisson_and_a_list_of_one_name_go_back():
    _, X, y = problem("counts")
    ours = cr.MLPRegressor("poisson", (4, 4), activation=["tanh", "tanh"], max_iter=3, random_state=0).fit(X, y)
    theirs = ours.to_sklearn()
    assert (theirs.activation, theirs.loss) == ("tanh", "poisson")
    np.testing.assert_allclose(theirs.predict(X), ours.predict(X))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"activation": "gelu"},
            "to_sklearn: activation: expected one of identity, logistic, tanh, relu for all hidden layers, got gelu.",
        ),
        (
            {"activation": ["relu", "tanh"], "hidden_layer_sizes": (3, 3)},
            "to_sklearn: activation: expected one of identity, logistic, tanh, relu for all hidden layers, got relu, tanh.",
        ),
        ({"loss": "huber"}, "to_sklearn: loss: expected squared_error or poisson, got huber."),
        (
            {"activation": ["relu", "tanh"], "hidden_layer_sizes": 3},
            "to_sklearn: output activation: expected identity, got tanh.",
        ),
    ],
)
def test_what_scikit_learn_has_not_is_refused(settings, message):
    _, X, y = problem("diabetes")
    ours = cr.MLPRegressor(**settings, max_iter=2, random_state=0).fit(X, y)
    with pytest.raises(cr.InputError, match="^" + re.escape(message)):
        ours.to_sklearn()


def test_what_from_sklearn_refuses():
    with pytest.raises(cr.InputError, match=r"^fitted: expected an MLPClassifier or MLPRegressor of scikit-learn, got "
                       r"Pipeline\. Of a pipeline give the last step: pipeline\[-1\]\.$"):  # fmt: skip
        cr.from_sklearn(make_pipeline(StandardScaler(), sklearn.neural_network.MLPRegressor()))
    with pytest.raises(NotFittedError):
        cr.from_sklearn(sklearn.neural_network.MLPRegressor())
