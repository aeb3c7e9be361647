"""Same seed, same data: the coefficients, curves and counts of scikit-learn, option by option.

The bound on coefficients after 20 epochs is the project's promise, 1e-6; rounding alone gives about 1e-13.
"""

import warnings
from itertools import product

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from problems import both, furthest

EPOCHS = 20
BOUND = 1e-6
DATA = ["digits", "breast_cancer_01", "diabetes", "multilabel", "linnerud"]
OPTIONS = {
    "adam": {},
    "adam, other betas and epsilon": {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3},
    "adam, batches of 32": {"batch_size": 32},
    "adam, in order": {"shuffle": False},
    "adam, strong penalty": {"alpha": 1.0},
    "adam, no penalty": {"alpha": 0.0},
    "adam, early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "adam, two hidden layers": {"hidden_layer_sizes": (12, 7)},
    "adam, no hidden layer": {"hidden_layer_sizes": ()},
    "logistic": {"activation": "logistic"},
    "logistic, no hidden layer": {"activation": "logistic", "hidden_layer_sizes": []},
    "tanh": {"activation": "tanh"},
    "identity": {"activation": "identity"},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01},
    "sgd, momentum": {"solver": "sgd", "learning_rate_init": 0.01, "nesterovs_momentum": False, "momentum": 0.5},
    "sgd, plain": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0},
    "sgd, momentum 1": {"solver": "sgd", "learning_rate_init": 1e-4, "momentum": 1.0},
    "sgd, invscaling": {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "power_t": 0.3},
    "sgd, invscaling by power 0": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.0},
    "sgd, adaptive": {
        "solver": "sgd",
        "learning_rate_init": 0.02,
        "learning_rate": "adaptive",
        "tol": 0.05,
        "n_iter_no_change": 2,
    },
    "sgd, early stopping": {"solver": "sgd", "learning_rate_init": 0.05, "early_stopping": True, "batch_size": 50},
    "stopped by tolerance": {"tol": 0.5, "n_iter_no_change": 3},
    "ties of the score": {"early_stopping": True, "tol": 0.0, "n_iter_no_change": 2, "learning_rate_init": 0.01},
    "ties of the loss": {"learning_rate_init": 1e-300, "tol": 0.0, "n_iter_no_change": 2, "shuffle": False},
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs, few evaluations": {"solver": "lbfgs", "max_fun": 7},
}

# For several outputs scikit-learn hands L-BFGS the mean over outputs with the gradient of their sum; chainrule hands it
# the sum with its own gradient (test_lbfgs_with_several_outputs_lowers_what_its_gradient_belongs_to).
OWN_OBJECTIVE = [("linnerud", "lbfgs"), ("linnerud", "lbfgs, few evaluations")]


def _fit(estimator, X, y, sample_weight=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if estimator.batch_size != "auto":
            warnings.filterwarnings("ignore", message="Got `batch_size` less than 1")
        return estimator.fit(X, y, sample_weight=sample_weight)


def _same_figures(theirs, ours):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.out_activation_ == theirs.out_activation_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    if theirs.solver == "lbfgs":
        return
    assert ours.loss_curve_ == pytest.approx(theirs.loss_curve_, rel=1e-6)
    assert ours.best_loss_ == pytest.approx(theirs.best_loss_)
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)
    assert ours.validation_scores_ == pytest.approx(theirs.validation_scores_)
    assert ours._no_improvement_count == theirs._no_improvement_count


@pytest.mark.parametrize(("data", "option"), [pair for pair in product(DATA, OPTIONS) if pair not in OWN_OBJECTIVE])
def test_twenty_epochs_give_scikit_learn_s_coefficients(data, option):
    settings = {"hidden_layer_sizes": 15, "max_iter": EPOCHS, "random_state": 5} | OPTIONS[option]
    theirs, ours, X, y = both(data, **settings)
    _fit(theirs, X, y)
    _fit(ours, X, y)
    assert furthest(theirs, ours) < BOUND
    _same_figures(theirs, ours)
    if data in ("diabetes", "linnerud"):
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=BOUND)
    else:
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_lbfgs_with_several_outputs_lowers_what_its_gradient_belongs_to():
    theirs, ours, X, y = both(
        "linnerud", solver="lbfgs", hidden_layer_sizes=15, max_iter=200, alpha=0.1, random_state=5
    )
    _fit(theirs, X, y)
    _fit(ours, X, y)

    def descended(estimator):
        squares = sum(float((W**2).sum()) for W in estimator.coefs_)
        return 0.5 * ((estimator.predict(X) - y) ** 2).sum() / len(X) + 0.05 * squares / len(X)

    penalty = 0.05 * sum(float((W**2).sum()) for W in ours.coefs_) / len(X)
    assert ours.loss_ - penalty == pytest.approx((descended(ours) - penalty) / 3)  # shown: the mean of three outputs
    assert descended(ours) < descended(theirs)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_poisson(solver):
    theirs, ours, X, y = both(
        "counts", loss="poisson", solver=solver, hidden_layer_sizes=9, max_iter=EPOCHS, random_state=2
    )
    _fit(theirs, X, y)
    _fit(ours, X, y)
    assert ours.out_activation_ == "exp"
    assert furthest(theirs, ours) < BOUND
    _same_figures(theirs, ours)


def test_a_batch_larger_than_the_set_is_clipped_with_scikit_learn_s_warning():
    theirs, ours, X, y = both("diabetes", hidden_layer_sizes=9, max_iter=400, tol=1e-2, random_state=2, batch_size=1000)
    text = "^Got `batch_size` less than 1 or larger than sample size. It is going to be clipped$"
    for estimator in (theirs, ours):
        with pytest.warns(UserWarning, match=text):
            estimator.fit(X, y)
    assert furthest(theirs, ours) < BOUND


@pytest.mark.parametrize("data", ["digits", "breast_cancer_01", "diabetes"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sample_weights(data, solver, early_stopping):
    theirs, ours, X, y = both(
        data, solver=solver, hidden_layer_sizes=9, max_iter=EPOCHS, random_state=2, early_stopping=early_stopping
    )
    weights = np.random.default_rng(0).gamma(2.0, size=len(X))
    _fit(theirs, X, y, weights)
    _fit(ours, X, y, weights)
    assert furthest(theirs, ours) < BOUND
    _same_figures(theirs, ours)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("data", ["digits", "breast_cancer_01", "diabetes"])
def test_warm_start_goes_on_as_scikit_learn_s(data, solver):
    theirs, ours, X, y = both(
        data,
        solver=solver,
        hidden_layer_sizes=9,
        max_iter=7,
        random_state=2,
        warm_start=True,
        learning_rate="invscaling",
    )
    for _ in range(3):
        _fit(theirs, X, y)
        _fit(ours, X, y)
    assert furthest(theirs, ours) < BOUND
    _same_figures(theirs, ours)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("data", ["digits", "breast_cancer_01", "diabetes", "multilabel"])
def test_partial_fit_goes_on_as_scikit_learn_s(data, solver):
    theirs, ours, X, y = both(data, solver=solver, hidden_layer_sizes=9, random_state=2)
    classes = {} if data == "diabetes" else {"classes": np.unique(y) if data != "multilabel" else np.arange(4)}
    for start in range(0, 200, 50):
        for estimator in (theirs, ours):
            estimator.partial_fit(X[start : start + 50], y[start : start + 50], **classes)
    assert furthest(theirs, ours) < BOUND
    _same_figures(theirs, ours)


@pytest.mark.parametrize("first", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize(
    "changed",
    [
        {"learning_rate": "invscaling"},
        {"learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1},
        {"learning_rate_init": 0.5, "power_t": 0.1},
        {"solver": "adam"},
        {"momentum": 0.1, "nesterovs_momentum": False},
    ],
    ids=str,
)
def test_partial_fit_keeps_the_optimizer_that_it_began_with(first, changed):
    theirs, ours, X, y = both(
        "diabetes", solver="sgd", learning_rate=first, learning_rate_init=0.1, hidden_layer_sizes=9, random_state=2
    )
    for estimator in (theirs, ours):
        estimator.partial_fit(X, y).set_params(**changed)
        for _ in range(6):
            estimator.partial_fit(X, y)
    assert furthest(theirs, ours) < BOUND
    _same_figures(theirs, ours)


@pytest.mark.parametrize("data", ["digits", "breast_cancer_01", "diabetes"])
@pytest.mark.parametrize("make_sparse", [scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.csc_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows(data, make_sparse, solver):
    theirs, ours, X, y = both(
        data, solver=solver, hidden_layer_sizes=9, max_iter=EPOCHS, random_state=2, early_stopping=True
    )
    _fit(theirs, make_sparse(X), y)
    _fit(ours, make_sparse(X), y)
    assert furthest(theirs, ours) < BOUND
    np.testing.assert_allclose(
        ours._outputs(make_sparse(X)), ours._outputs(X), atol=1e-12
    )  # the same sums in another order
    assert ours.input_gradient(make_sparse(X[:3])) == pytest.approx(ours.input_gradient(X[:3]))


@pytest.mark.parametrize("data", ["digits", "breast_cancer_01", "diabetes"])
def test_float32_stays_float32(data):
    theirs, ours, X, y = both(data, hidden_layer_sizes=9, max_iter=EPOCHS, random_state=2)
    small = X.astype(np.float32)
    _fit(theirs, small, y)
    _fit(ours, small, y)
    assert {a.dtype.name for a in ours.coefs_ + ours.intercepts_} == {"float32"}
    assert furthest(theirs, ours) < 1e-4  # 20 epochs of float32 rounding, differently ordered


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_whole_numbers_make_a_float64_network_and_are_cast_batch_by_batch(solver):
    theirs, ours, X, y = both("digits", solver=solver, hidden_layer_sizes=9, max_iter=EPOCHS, random_state=2)
    pixels = (16 * X).astype(np.uint8)
    _fit(theirs, pixels, y)
    _fit(ours, pixels, y)
    assert ours.network_.dtype == np.float64
    assert furthest(theirs, ours) < BOUND
    np.testing.assert_allclose(ours.predict_proba(pixels), theirs.predict_proba(pixels), atol=BOUND)


@pytest.mark.parametrize("data", ["digits", "breast_cancer_01", "multilabel"])
def test_probabilities(data):
    theirs, ours, X, y = both(data, hidden_layer_sizes=9, max_iter=EPOCHS, random_state=2)
    _fit(theirs, X, y)
    _fit(ours, X, y)
    # of coefficients that agree to about 1e-13
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-9)
    assert ours.score(X, y) == theirs.score(X, y)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)


@pytest.mark.parametrize(
    "settings", [{}, {"solver": "sgd", "learning_rate": "adaptive", "tol": 10, "n_iter_no_change": 2}]
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_prints_scikit_learn_s_lines(settings, early_stopping, capsys):
    settings = {
        "max_iter": 40,
        "random_state": 0,
        "verbose": True,
        "tol": 10,
        "early_stopping": early_stopping,
    } | settings
    theirs, ours, X, y = both("diabetes", **settings)
    _fit(theirs, X, y)
    expected = capsys.readouterr().out
    _fit(ours, X, y)
    assert capsys.readouterr().out == expected
    assert "Stopping." in expected or "Setting learning rate to" in expected
