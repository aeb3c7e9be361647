"""Estimators that are trained by `cr.train`: what reaches it, what is noted of it, and what users are told."""

import pickle
import re
from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import chainrule as cr
from chainrule import MLPClassifier, MLPRegressor
from chainrule.estimators.arguments import DEFAULTS
from chainrule.training.arguments.solvers import AUTO, NAMES
from chainrule.training.minibatches.kfac import KFAC
from chainrule.training.minibatches.line_search import LineSearchSGD
from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG
from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt
from problems import problem

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a few epochs are enough here

M = 60
SETTINGS = {"hidden_layer_sizes": (4, 3), "activation": "tanh", "random_state": 0, "max_iter": 3, "alpha": 0.3}
SKLEARN_S_ADAM = cr.Adam(epsilon_hat=True)
PATIENCE = cr.EarlyStopping(10, 1e-4, restore_best=False, monitor="cost")


@pytest.fixture(scope="module")
def regression():
    _, X, y = problem("diabetes")
    return X[:M], y[:M]


@pytest.fixture(scope="module")
def classes():
    _, X, y = problem("breast_cancer")
    return X[:M], y[:M]


def _seed(estimator):
    """What the estimator's random numbers give as the seed of `cr.train`, after its first weights (and its split)."""
    drawn = estimator._random_state.randint(2**31 - 1, size=4)
    return sum(int(word) << 32 * at for at, word in enumerate(drawn))


def _by_hand(settings, X, y, Y, **arguments):
    """A network with the estimator's first weights, trained by `cr.train`, and its history."""
    kind = MLPRegressor if y is Y else MLPClassifier
    start = kind(**SETTINGS, **settings).initialize(X, y)
    usual = {"optimizer": SKLEARN_S_ADAM, "batch_size": 60, "epochs": 3, "penalty": 0.3 / M, "early_stopping": PATIENCE}
    usual |= {"seed": _seed(start), "verbose": 0}
    return start.network_, cr.train(start.network_, X, Y, **{**usual, **arguments})


# --- every option and every solver reach `cr.train` ---------------------------------------------------------------------
OPTIONS = {
    "l1": 0.01,
    "weight_decay": 0.1,
    "dropout": {0: 0.2, 1: 0.4},
    "input_noise": 0.3,
    "label_smoothing": 0.1,
    "max_norm": 0.5,
    "clip_norm": 0.1,
    "clip_example_norm": 0.1,
    "layer_rates": {1: 0.1},
    "frozen": (2,),
    "monotone": {2: 1},
    "input_gradient_penalty": 0.5,
    "max_time": 1e6,
}
BESIDE = {"monotone_weight": {"monotone": {2: 1}}}  # what an option needs beside it
ELSEWHERE = {"n_threads", "derivative_weight", "metrics", "callbacks", "checkpoint", "checkpoint_every", "resume"}


def test_every_option_is_tested():
    assert {*OPTIONS, *BESIDE, *ELSEWHERE} == {*DEFAULTS}


@pytest.mark.parametrize("name", [*OPTIONS, "monotone_weight"])
def test_an_option_gives_what_cr_train_gives(name, classes):
    X, y = classes
    Y = (y == np.unique(y)[1]).astype(float)
    options = {name: OPTIONS.get(name, 7.0), **BESIDE.get(name, {})}
    fitted = MLPClassifier(**SETTINGS, **options).fit(X, y)
    net, history = _by_hand({}, X, y, Y, **options)
    np.testing.assert_array_equal(fitted.network_.parameters, net.parameters)
    assert fitted.history_.cost == history.cost
    if name != "max_time":
        plain = MLPClassifier(**SETTINGS, max_time=1e6).fit(X, y)
        assert not np.array_equal(plain.network_.parameters, net.parameters)


OF_SGD = {"solver": "sgd", "momentum": 0.5}
SCHEDULE = cr.schedules.Cosine(0.1, epochs=3)
SOLVERS = {
    **{name: ({"solver": name}, {"optimizer": name}) for name in NAMES if name not in ("sgd", "adam", "lbfgs")},
    "nesterov's": ({**OF_SGD, "max_time": 1e6}, {"optimizer": cr.Nesterov(0.5)}),
    "momentum's": ({**OF_SGD, "max_time": 1e6, "nesterovs_momentum": False}, {"optimizer": cr.Momentum(0.5)}),
    "adam's settings": (
        {"beta_1": 0.5, "beta_2": 0.8, "epsilon": 0.1, "max_time": 1e6, "learning_rate": "invscaling"},  # not Adam's
        {"optimizer": cr.Adam(0.5, 0.8, 0.1, epsilon_hat=True)},
    ),
    "objects": ({"solver": cr.AdamW(0.3)}, {"optimizer": cr.AdamW(0.3)}),
    "KFAC": ({"solver": KFAC(damping=0.1)}, {"optimizer": KFAC(damping=0.1)}),
    "LineSearchSGD": ({"solver": LineSearchSGD(first=0.3)}, {"optimizer": LineSearchSGD(first=0.3)}),
    "LevenbergMarquardt": ({"solver": LevenbergMarquardt(damping=1)}, {"optimizer": LevenbergMarquardt(damping=1)}),
    "GaussNewtonCG": ({"solver": GaussNewtonCG(damping=1)}, {"optimizer": GaussNewtonCG(damping=1)}),
    "LBFGS": ({"solver": cr.LBFGS(memory=2)}, {"optimizer": cr.LBFGS(memory=2)}),
    "find": ({"learning_rate": "find"}, {"learning_rate": "find"}),
    "a schedule": ({"learning_rate": SCHEDULE}, {"learning_rate": SCHEDULE}),
    "invscaling": (
        {**OF_SGD, "learning_rate": "invscaling", "learning_rate_init": 0.1, "power_t": 0.25, "max_time": 1e6},
        {"optimizer": cr.Nesterov(0.5), "learning_rate": type("By", (), {
            "rate": staticmethod(lambda t: 0.1 / (1 + int(t) * M) ** 0.25)})()},
    ),
    "adaptive": (
        {**OF_SGD, "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 9, "n_iter_no_change": 1, "l1": 1e-9},
        {"optimizer": cr.Nesterov(0.5), "l1": 1e-9, "early_stopping": None,
         "learning_rate": cr.schedules.Adaptive(0.1, 0.2, 1, 9.0, 1e-6)},
    ),
    "batches": ({"batch_size": {1: 20, 2: None}}, {"batch_size": {1: 20, 2: None}}),
    "the whole set": ({"batch_size": None, "shuffle": False}, {"batch_size": None, "shuffle": False}),
    "batches of 7": ({"batch_size": 7, "max_time": 1e6}, {"batch_size": 7}),
}  # fmt: skip
WHOLE_SET = ("levenberg_marquardt", "gauss_newton_cg", "LevenbergMarquardt", "GaussNewtonCG", "LBFGS")


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_gives_what_cr_train_gives(name, regression):
    X, y = regression
    settings, arguments = SOLVERS[name]
    fitted = MLPRegressor(**SETTINGS, **settings).fit(X, y)
    if name in (*WHOLE_SET, AUTO):  # which are given no batches
        arguments = {"batch_size": 32, **arguments}
    if name in WHOLE_SET:
        arguments = {"early_stopping": None, **arguments}
    net, history = _by_hand({}, X, y, y, **arguments)
    np.testing.assert_array_equal(fitted.network_.parameters, net.parameters)
    assert fitted.history_.learning_rate == pytest.approx(history.learning_rate, rel=0, nan_ok=True)
    assert fitted.history_.choice == history.choice


def test_lbfgs_ends_where_scikit_learn_s_own_loop_does(regression):
    X, y = regression
    one, other = (MLPRegressor(**SETTINGS, solver="lbfgs", max_time=seconds).fit(X, y) for seconds in (None, 1e6))
    np.testing.assert_array_equal(one.network_.parameters, other.network_.parameters)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-14)  # C and penalty, added in either order
    assert one.history_ is None


def test_derivative_targets(regression):
    X, y = regression
    T = np.where(np.arange(10) == 2, 5.0, np.nan) * np.ones((M, 1))
    fitted = MLPRegressor(**SETTINGS, derivative_weight=3.0).fit(X, y, derivative_targets=T)
    net, _ = _by_hand({}, X, y, y, derivative_targets=T, derivative_weight=3.0)
    np.testing.assert_array_equal(fitted.network_.parameters, net.parameters)
    # rows that validation has are left out of them, too
    T[:, 0] = np.arange(M)
    settings = {**SETTINGS, "early_stopping": True, "monitor": "loss"}
    fitted = MLPRegressor(**settings).fit(X, y, derivative_targets=T)
    start = MLPRegressor(**settings).initialize(X, y)
    from sklearn.model_selection import train_test_split

    training, held_out = train_test_split(np.arange(M), random_state=start._random_state, test_size=0.1)
    cr.train(
        start.network_, X[training], y[training], derivative_targets=T[training], validation=(X[held_out], y[held_out]),
        optimizer=SKLEARN_S_ADAM, batch_size=54, epochs=3, penalty=0.3 / 54, early_stopping=cr.EarlyStopping(10, 1e-4),
        seed=_seed(start), verbose=0,
    )  # fmt: skip
    np.testing.assert_array_equal(fitted.network_.parameters, start.network_.parameters)


def test_weights_of_examples_and_classes_and_sparse_rows(classes):
    X, y = classes
    weights = np.arange(M) % 3 + 0.5
    fitted = MLPClassifier(**SETTINGS, dropout=0.2, class_weight={"benign": 2, "malignant": 1})
    fitted.fit(scipy.sparse.csr_array(X), y, weights)
    counted = weights * np.where(y == "benign", 2, 1)
    Y = (y == "malignant").astype(float)
    rows = scipy.sparse.csr_array(X)
    net, _ = _by_hand({}, rows, y, Y, dropout=0.2, sample_weight=counted, penalty=0.3 / counted.sum())
    np.testing.assert_array_equal(fitted.network_.parameters, net.parameters)


# --- what is noted ------------------------------------------------------------------------------------------------------
def test_curves_are_those_of_the_history(classes):
    X, y = classes
    clf = MLPClassifier(**SETTINGS, l1=0.01).fit(X, y, eval_set=(X[:20], y[:20]))
    history = clf.history_
    assert clf.loss_curve_ == np.add(history.cost, history.penalty).tolist()
    assert clf.validation_scores_ == history.evaluations["validation"]["score"]
    assert clf.validation_loss_curve_ == history.validation_cost
    assert clf.validation_scores_[-1] == clf.score(X[:20], y[:20])
    assert (clf.n_iter_, clf.t_, clf.loss_) == (3, 3 * M, clf.loss_curve_[-1])
    assert clf.best_loss_ == min(clf.loss_curve_)
    assert clf.best_iter_ is clf.best_validation_score_ is None
    W = np.concatenate([W.ravel() for W in clf.coefs_])
    assert history.penalty[-1] == pytest.approx(0.3 / M / 2 * (W @ W) + 0.01 * abs(W).sum(), rel=1e-12)


def test_losses_of_several_outputs_and_of_poisson_are_shown_as_scikit_learn_shows_them():
    _, X, y = problem("linnerud")
    held_out = (X[:5], y[:5])
    reg = MLPRegressor(**{**SETTINGS, "alpha": 0.0}, max_time=1e6).fit(X, y, eval_set=held_out)
    np.testing.assert_allclose(reg.loss_curve_, np.divide(reg.history_.cost, 3), rtol=1e-15)
    counts = np.arange(20.0) % 3
    reg = MLPRegressor("poisson", **{**SETTINGS, "alpha": 0.0}, max_time=1e6).fit(
        X, counts, eval_set=(X[:5], counts[:5])
    )
    least = np.where(counts > 0, counts - counts * np.log(np.maximum(counts, 1)), 0)
    np.testing.assert_allclose(reg.loss_curve_, reg.history_.cost - least.mean(), rtol=1e-12)
    np.testing.assert_allclose(reg.validation_loss_curve_, reg.history_.validation_cost - least[:5].mean(), rtol=1e-12)


@pytest.mark.parametrize("monitor", ["score", "loss"])
def test_early_stopping_restores_the_best_epoch(monitor, classes):
    X, y = classes
    settings = {**SETTINGS, "max_iter": 60, "learning_rate_init": 0.1, "tol": 0, "n_iter_no_change": 3}
    clf = MLPClassifier(**settings, dropout=0.1, early_stopping=True, monitor=monitor)
    clf.fit(X[:40], y[:40], eval_set=(X[40:], y[40:]))
    assert clf.history_.stopped == "early_stopping"
    curve = clf.validation_scores_ if monitor == "score" else [-loss for loss in clf.validation_loss_curve_]
    assert clf.best_iter_ == 1 + int(np.argmax(curve)) == clf.n_iter_ - 3
    assert clf.score(X[40:], y[40:]) == clf.validation_scores_[clf.best_iter_ - 1]
    assert (clf.best_validation_score_, clf.best_loss_) == (
        (max(curve), None) if monitor == "score" else (None, -max(curve))
    )


def test_an_adaptive_rate_falls_at_the_end_of_patience_also_under_early_stopping(regression):
    X, y = regression
    reg = MLPRegressor(
        **{**SETTINGS, "max_iter": 500}, solver="sgd", learning_rate="adaptive", learning_rate_init=0.1, tol=1e9,
        n_iter_no_change=2, early_stopping=True, l1=1e-6,
    ).fit(X, y)  # fmt: skip
    assert reg.history_.stopped == "learning_rate"
    assert reg.history_.learning_rate[0] == 0.1
    assert reg.history_.learning_rate[-1] < 1e-5


def test_warm_start_goes_on(classes):
    X, y = classes
    clf = MLPClassifier(**SETTINGS, solver="momentum", warm_start=True, early_stopping=True).fit(X, y)
    first, scores = clf.loss_curve_[:], clf.validation_scores_[:]
    clf.fit(X, y)
    assert (len(clf.loss_curve_), clf.loss_curve_[:3], clf.n_iter_, clf.t_) == (6, first, 3, 6 * 54)
    assert clf.validation_scores_[:3] == scores
    assert clf.history_.epochs == 3
    assert clf.best_iter_ == 3 + clf.history_.restored_epoch
    clf.set_params(solver="adam", early_stopping=False).fit(X, y)  # scikit-learn's own loop
    assert len(clf.loss_curve_) == 9
    assert clf.history_ is None


def test_a_metric_and_callbacks(classes, capsys):
    X, y = classes
    seen = []

    class Looks:
        hooks: ClassVar = []

        def after_batch(self, moment):
            self.hooks.append(moment.a[1].shape)

    def ends(net, history):
        seen.append(history.epochs)
        return history.epochs == 2

    clf = MLPClassifier(
        **SETTINGS, callbacks=(Looks(), ends), verbose=1, metrics={"mean": lambda outputs, Y: outputs.mean() - Y.mean()}
    ).fit(X, y, eval_set=(X, y))
    assert (seen, Looks.hooks, clf.history_.stopped, clf.n_iter_) == ([1, 2], [(60, 4)] * 2, "callback", 2)
    mean = clf.network_.predict(X).mean() - np.mean(y == "malignant")
    assert clf.history_.evaluations["validation"]["mean"][-1] == pytest.approx(mean, rel=1e-12)  # summed in float64
    assert capsys.readouterr().out == (
        f"Iteration 1, loss = {clf.loss_curve_[0]:.8f}\nValidation score: {clf.validation_scores_[0]:f}\n"
        f"Iteration 2, loss = {clf.loss_curve_[1]:.8f}\nValidation score: {clf.validation_scores_[1]:f}\n"
        "Stopped after epoch 2: a callback ended training.\n"
    )


def test_what_auto_chooses_is_printed_before_the_first_epoch(regression, capsys):
    reg = MLPRegressor(**SETTINGS, solver="auto", verbose=True).fit(*regression)
    assert capsys.readouterr().out.startswith(f"Chosen: {reg.history_.choice}\nIteration 1, loss = ")
    assert reg.history_.choice.startswith("levenberg_marquardt for ")
    batches = MLPRegressor(**SETTINGS, solver="auto", batch_size=20).fit(*regression)
    assert batches.history_.choice.startswith("adam for 63 parameters, 60 rows: batch_size is for mini-batches")


def test_a_callback_that_raises_leaves_what_was_trained(regression):
    X, y = regression

    def raises(net, history):
        if history.epochs == 2:
            raise cr.InputError("optimizer: mine")

    reg = MLPRegressor(**SETTINGS, callbacks=[raises])
    with pytest.raises(cr.InputError, match=r"^optimizer: mine\n"):
        reg.fit(X, y)
    net, history = _by_hand({}, X, y, y, epochs=2)
    assert (reg.history_.epochs, reg.history_.cost, len(reg.loss_curve_)) == (2, history.cost, 2)
    np.testing.assert_array_equal(reg.network_.parameters, net.parameters)


# --- checkpoints --------------------------------------------------------------------------------------------------------
def test_a_resumed_fit_is_the_unbroken_one(classes, tmp_path):
    X, y = classes
    settings = {**SETTINGS, "max_iter": 5, "batch_size": 20, "dropout": 0.3, "early_stopping": True}
    whole = MLPClassifier(**settings).fit(X, y)
    kept = {**settings, "checkpoint": tmp_path / "run", "resume": True}
    MLPClassifier(**{**kept, "max_iter": 2}).fit(X, y)
    again = MLPClassifier(**kept).fit(X, y)
    np.testing.assert_array_equal(again.network_.parameters, whole.network_.parameters)
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_", "n_iter_", "t_", "best_iter_"):
        assert getattr(again, name) == getattr(whole, name)
    for changed, message in (
        ({"alpha": 1.0}, "alpha/m: expected 0.00555"),
        ({"solver": "rprop"}, "solver: expected Adam("),
        ({"max_iter": 1}, "max_iter: expected at least the 5 that "),
        ({"hidden_layer_sizes": 5}, "hidden_layer_sizes: expected [30, 4, 3, 1], as in "),
        ({"activation": "relu"}, "activation: expected ['tanh', 'tanh', 'logistic'], as in "),
        ({"loss": "squared_error"}, "loss: expected binary_cross_entropy, as in "),
        ({"learning_rate_init": 0.1}, "learning_rate_init: expected 0.001, as in "),
        ({"resume": False}, "checkpoint: expected a folder without one, got "),
        ({"warm_start": True}, "warm_start: expected False beside resume=True, got True. resume goes on within one fit, "),
    ):  # fmt: skip
        with pytest.raises(cr.InputError, match="^" + re.escape(message)):
            MLPClassifier(**{**kept, **changed}).fit(X, y)


def test_another_random_state_is_another_training(regression, tmp_path):
    X, y = regression
    settings = {**SETTINGS, "max_iter": 1, "checkpoint": tmp_path / "run", "resume": True}
    MLPRegressor(**settings).fit(X, y)
    message = (
        "random_state: expected that of the checkpoint, got another, random_state=1. Give the number that the training to "
        "be resumed was given, or start anew in another folder."
    )
    with pytest.raises(cr.InputError, match="^" + re.escape(message) + "$"):
        MLPRegressor(**{**settings, "random_state": 1}).fit(X, y)
    with pytest.raises(cr.InputError, match=r"^y: expected shape \(60, 1\) of float64 and SHA-256 "):
        MLPRegressor(**settings).fit(X, y + 1)


# --- what scikit-learn does with estimators -----------------------------------------------------------------------------
def test_clone_grid_search_and_pickle(classes):
    X, y = classes
    clf = MLPClassifier(**SETTINGS, dropout=0.2, frozen=[2], layer_rates={1: 0.5}, metrics=None, solver=cr.AdamW(0.1))
    assert clone(clf).get_params() == clf.get_params()
    search = GridSearchCV(clf, {"dropout": [0.0, {1: 0.5}], "solver": ["rprop", "adam"], "frozen": [()]}, cv=2).fit(
        X, y
    )
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.get_params()["frozen"] == ()
    again = pickle.loads(pickle.dumps(clf.fit(X, y)))
    assert again.history_.to_dict() == clf.history_.to_dict()
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    clf.set_params(callbacks=[lambda net, history: None])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(clf)
    pickle.dumps(clf.set_params(callbacks=()))


def test_to_sklearn_leaves_the_training_behind(classes):
    X, y = classes
    clf = MLPClassifier(**SETTINGS, solver="rprop", learning_rate="constant", batch_size={1: 20}, dropout=0.1)
    theirs = clf.fit(X, y).to_sklearn()
    np.testing.assert_allclose(theirs.predict_proba(X), clf.predict_proba(X), rtol=1e-12)  # products in another order
    assert (theirs.solver, theirs.batch_size, theirs.alpha) == ("adam", "auto", 0.3)
    assert theirs.loss_curve_ == clf.loss_curve_
    assert cr.from_sklearn(theirs.fit(X, y)).history_ is None


@pytest.mark.parametrize("changed", [{"dropout": 0.1}, {"solver": "rprop"}, {"max_time": 9.0, "batch_size": None}])
def test_partial_fit_is_not_there(changed, regression):
    reg = MLPRegressor(**SETTINGS, **changed)
    assert not hasattr(reg, "partial_fit")
    with pytest.raises(AttributeError) as error:
        reg.partial_fit(*regression)
    assert str(error.value.__cause__) == (
        f"partial_fit: expected parameters that scikit-learn's adam and sgd have, got {', '.join(changed)}. Call fit, with "
        "warm_start=True to go on."
    )


def test_zeros_of_numpy_are_zeros():
    assert hasattr(MLPClassifier(dropout=np.float32(0), frozen=[], resume=np.False_, max_norm=None), "partial_fit")


# --- how it ends --------------------------------------------------------------------------------------------------------
def test_divergence(regression):
    X, y = regression
    reg = MLPRegressor(**{**SETTINGS, "activation": "relu"}, solver="momentum", learning_rate_init=1e300)
    message = (
        r"^Solver produced non-finite parameter weights\. .* preprocessed\. Training diverged in epoch \d, step 1: expected finite "
        r"numbers, .* Lower learning_rate_init, which was 1e\+300, or scale the columns of X to about 1\.$"
    )
    with pytest.raises(ValueError, match=message):
        reg.fit(X, y)
    assert reg.history_.stopped == "divergence"
    assert np.isfinite(reg.network_.parameters).all()


def test_convergence_warning_at_the_last_epoch_and_only_there(regression):
    X, y = regression
    with pytest.warns(
        ConvergenceWarning, match=r"^Maximum iterations \(3\) reached and the optimization hasn't converged"
    ):
        MLPRegressor(**SETTINGS, solver="rprop").fit(X, y)
    reg = MLPRegressor(**{**SETTINGS, "max_iter": 10**6}, solver="rprop", max_time=1e-9).fit(X, y)
    assert reg.history_.stopped == "time"
    assert len(reg.loss_curve_) <= 1


# --- what users can get wrong -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 2}, "dropout: expected a number in [0, 1), got 2. Write dropout=0.5 for all hidden layers, or "),
        ({"frozen": [5]}, "frozen: expected layers 1 to 3, got 5. Layers are counted from 1; 0 is the input."),
        ({"monotone": {40: 1}}, "monotone: expected a column of X, 0 to 29, got 40."),
        ({"derivative_weight": 2}, "derivative_weight: expected derivative_targets beside it, got 2 alone."),
        ({"metrics": 3}, "metrics: expected {name: function (outputs, Y)}, got 3."),
        ({"metrics": {"score": np.mean}}, "metrics: expected names other than 'score', got 'score'. That is what the "),
        ({"metrics": {"mean": np.mean}}, "metrics: expected a validation set to measure, got none. Write fit(X, y, "
         "eval_set=(Xv, yv)), or early_stopping=True for a part of the training data."),
        ({"callbacks": None}, "callbacks: expected a list of functions (net, history), or of objects with methods such as "),
        ({"callbacks": [3]}, "callbacks[0]: expected a function (net, history), or an object with one of "),
        ({"max_time": -1}, "max_time: expected a number in (0, ∞), got -1. It is in seconds; None is no limit."),
        ({"resume": True}, "resume: expected a checkpoint to go on from, got checkpoint=None."),
        ({"checkpoint": "run", "random_state": None}, "random_state: expected a number beside checkpoint, got None. A "
         "training goes on with the random numbers that it began with; write random_state=0."),
        ({"checkpoint": "run", "solver": "lbfgs"}, "checkpoint: expected an optimizer whose state can be kept, got lbfgs"),
        ({"solver": "lbfgs", "dropout": 0.1}, "dropout: expected the default 0.0 under lbfgs, got 0.1."),
        ({"solver": "lbfgs", "learning_rate": "find"}, "learning_rate: expected the default 'constant' under lbfgs, got 'find'."),
        ({"solver": "lbfgs", "batch_size": {1: 3}}, "batch_size: expected the default 'auto' under lbfgs, got {1: 3}."),
        ({"solver": "line_search", "learning_rate": "find"}, "learning_rate: expected the default 'constant' under line_search"),
        ({"solver": "rprop", "learning_rate": "invscaling"}, "learning_rate='invscaling': expected a rule whose steps have a rate"),
        ({"batch_size": {2: 3}}, "batch_size: expected {epoch: size, …} with epochs ≥ 1, 1 among them, got epochs [2]."),
        ({"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": np.inf, "l1": 0.1},
         "n_iter_no_change under learning_rate='adaptive': expected a whole number, got inf. Choose the epochs after "
         "which the rate falls."),
        ({"label_smoothing": 0.1, "loss": "squared_error"}, "label_smoothing: expected a cost of cross_entropy, binary_cro"),
    ],
)  # fmt: skip
def test_settings(settings, message, classes):
    X, y = classes
    with pytest.raises(cr.InputError, match="^" + re.escape(message)):
        MLPClassifier(**{**SETTINGS, **settings}).fit(X, y)


def test_data(regression):
    X, y = regression
    message = "expected shape (60, 10), the derivative of each output in each column for "
    for early_stopping in (False, True):
        with pytest.raises(cr.InputError, match="^derivative_targets: " + re.escape(message)):
            MLPRegressor(**SETTINGS, early_stopping=early_stopping).fit(X, y, derivative_targets=np.zeros((3, 10)))
    with pytest.raises(cr.InputError, match=r"^sample_weight\[0\]: expected a weight ≥ 0, got -1\."):
        MLPRegressor(**SETTINGS, l1=0.1).fit(X, y, -np.ones(M))
    with pytest.raises(cr.InputError, match=r"^sample_weight of eval_set\[0\]: expected a weight ≥ 0, got -1\."):
        MLPRegressor(**SETTINGS, l1=0.1).fit(X, y, eval_set=(X, y, -np.ones(M)))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs", "rprop"])
def test_any_number_of_threads_gives_the_same_coefficients(solver, classes):
    X, y = classes
    fitted = [MLPClassifier(**SETTINGS, solver=solver, n_threads=n).fit(X, y) for n in (None, 1, 3)]
    for other in fitted[1:]:
        np.testing.assert_array_equal(other.network_.parameters, fitted[0].network_.parameters)


def test_a_wrong_number_of_threads_is_refused_in_every_loop(classes):
    for further in ({}, {"l1": 0.1}):
        with pytest.raises(cr.InputError, match=r"^n_threads: expected a whole number 1 to 256 or None, got 0\."):
            MLPClassifier(**SETTINGS, n_threads=0, **further).fit(*classes)
