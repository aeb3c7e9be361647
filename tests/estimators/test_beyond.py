"""What scikit-learn's perceptrons don't have: each against the network's own derivatives, or against numbers by hand."""

import warnings

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

import chainrule as cr
from chainrule import MLPClassifier, MLPRegressor
from chainrule.maths import activations, costs
from problems import problem

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a few epochs are enough here

ONE_STEP = {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.1, "max_iter": 1, "alpha": 0.3, "batch_size": 40}


ROUNDING = {"rtol": 1e-12}  # one step or pass in float64, its products summed in another order


def _small(name, rows=40):
    _, X, y = problem(name)
    return X[:rows], y[:rows]


def _expected_step(estimator, X, Y, sample_weight=None):
    """θ after one step of (E16) from the estimator's first weights, with scikit-learn's penalty, by the network's own ∇C."""
    net = estimator.network_.copy()
    _, gradient = net.value_and_gradient(X, Y, sample_weight)
    mass = len(X) if sample_weight is None else sample_weight.sum()
    return net.parameters - 0.1 * (gradient.flat + 0.3 / mass * net.plan.is_weight * net.parameters)


# --- activations and costs ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(activations.BUILT_IN))
def test_every_activation_takes_the_step_of_its_derivatives(name):
    X, y = _small("diabetes")
    start = MLPRegressor(hidden_layer_sizes=6, activation=name, random_state=1, **ONE_STEP).initialize(X, y)
    fitted = MLPRegressor(hidden_layer_sizes=6, activation=name, random_state=1, **ONE_STEP).fit(X, y)
    np.testing.assert_allclose(fitted.network_.parameters, _expected_step(start, X, y), **ROUNDING)
    assert fitted.network_.activations[0] == name


@pytest.mark.parametrize("name", sorted({*costs.BUILT_IN, "quantile(0.9)", "huber(0.5)"} - {"cross_entropy"}))
def test_every_cost_takes_the_step_of_its_derivatives(name):
    X, y = _small("diabetes")
    y = np.abs(y) / 3  # within what each of them takes
    start = MLPRegressor(loss=name, hidden_layer_sizes=6, random_state=1, **ONE_STEP).initialize(X, y)
    fitted = MLPRegressor(loss=name, hidden_layer_sizes=6, random_state=1, **ONE_STEP).fit(X, y)
    np.testing.assert_allclose(fitted.network_.parameters, _expected_step(start, X, y), **ROUNDING)
    expected = "half_squared_error" if name == "squared_error" else name
    assert fitted.network_.cost_function.name == expected
    output = {"poisson": "exp", "binary_cross_entropy": "logistic"}.get(name, "identity")
    assert fitted.out_activation_ == output


def test_a_list_gives_each_layer_its_own_activation():
    X, y = _small("digits", 100)
    settings = {"hidden_layer_sizes": (6, 5), "random_state": 1, **ONE_STEP, "batch_size": 100}
    start = MLPClassifier(activation=["tanh", "leaky_relu(0.2)"], **settings).initialize(X, y)
    assert start.network_.activations == ("tanh", "leaky_relu(0.2)", "softmax")
    fitted = MLPClassifier(activation=["tanh", "leaky_relu(0.2)"], **settings).fit(X, y)
    np.testing.assert_allclose(fitted.network_.parameters, _expected_step(start, X, y), **ROUNDING)
    named = MLPClassifier(activation=("tanh", "gelu", "logistic"), **settings).initialize(X, y)
    assert named.out_activation_ == "logistic"
    assert named.network_.cost_function.name == "binary_cross_entropy"
    np.testing.assert_allclose(named.predict_proba(X).sum(axis=1), 1)
    assert (named.predict(X) == named.network_.predict(X).argmax(axis=1)).all()


def test_first_weights_of_a_list_follow_each_layer_s_activation():
    X, y = _small("diabetes")
    names = ["logistic", "tanh", "logistic", "identity"]
    net = MLPRegressor(hidden_layer_sizes=(200, 200, 200), activation=names, random_state=1).initialize(X, y).network_
    for layer, factor in ((1, 2), (2, 6), (3, 2), (4, 2)):  # the output goes by the last hidden layer
        bound = (factor / sum(net.W[layer].shape)) ** 0.5
        assert 0.95 * bound < np.abs(net.W[layer]).max() <= bound


def test_one_s_own_activation_and_cost():
    X, y = _small("diabetes")
    g = cr.Activation(
        "cube_root_like", value=lambda z: z / (1 + z * z) ** 0.5, derivative=lambda z: (1 + z * z) ** -1.5
    )
    c = cr.Cost("fourth_power", value=lambda a, y: ((a - y) ** 4).sum(axis=1), derivative=lambda a, y: 4 * (a - y) ** 3)
    start = MLPRegressor(loss=c, hidden_layer_sizes=6, activation=g, random_state=1, **ONE_STEP).initialize(X, y)
    fitted = MLPRegressor(loss=c, hidden_layer_sizes=6, activation=g, random_state=1, **ONE_STEP).fit(X, y)
    np.testing.assert_allclose(fitted.network_.parameters, _expected_step(start, X, y), **ROUNDING)
    assert fitted.loss_ == pytest.approx(
        start.network_.cost(X, y) + 0.15 / 40 * sum((W**2).sum() for W in start.coefs_)
    )


def test_classifiers_take_other_costs():
    X, y = _small("digits", 100)
    one_hot = np.eye(10)[y]
    settings = {"hidden_layer_sizes": 6, "random_state": 1, **ONE_STEP, "batch_size": 100}
    start = MLPClassifier(loss="squared_error", **settings).initialize(X, y)
    fitted = MLPClassifier(loss="squared_error", **settings).fit(X, y)
    np.testing.assert_allclose(fitted.network_.parameters, _expected_step(start, X, one_hot), **ROUNDING)
    a = start.network_.predict(X)
    assert fitted.loss_ - 0.15 / 100 * sum((W**2).sum() for W in start.coefs_) == pytest.approx(
        0.5 * ((a - one_hot) ** 2).sum() / 100
    )


@pytest.mark.parametrize(("q", "name"), [(0.9, "quantile(0.9)"), (0.5, "absolute_error"), (0.2, "quantile(0.2)")])
def test_quantile_regression_leaves_that_share_below(q, name):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(1000, 1))
    y = X[:, 0] + rng.exponential(size=1000)
    reg = MLPRegressor(loss=name, hidden_layer_sizes=8, activation="tanh", learning_rate_init=0.01, random_state=0)
    reg.set_params(max_iter=150, n_iter_no_change=200).fit(X, y)
    assert np.mean(y <= reg.predict(X)) == pytest.approx(q, abs=0.03)  # 2 standard errors of a share of 1000


# --- weights of classes and examples -------------------------------------------------------------------------------------
@pytest.mark.parametrize("class_weight", [{"benign": 1.0, "malignant": 7.0}, "balanced"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weight_is_the_sample_weight_of_each_class(class_weight, solver):
    X, y = _small("breast_cancer", 300)
    own = np.random.default_rng(0).gamma(2.0, size=300)
    settings = {"hidden_layer_sizes": 6, "solver": solver, "max_iter": 8, "random_state": 0}
    by_class = compute_sample_weight(class_weight, y)
    weighted = MLPClassifier(class_weight=class_weight, **settings)
    plain = MLPClassifier(**settings)
    for sample_weight, product in ((None, by_class), (own, own * by_class)):
        weighted.fit(X, y, sample_weight=sample_weight)
        plain.fit(X, y, sample_weight=product)
        for a, b in zip(weighted.coefs_, plain.coefs_, strict=True):
            np.testing.assert_allclose(a, b, **ROUNDING)


def test_class_weight_in_partial_fit():
    X, y = _small("breast_cancer", 100)
    weights = {"benign": 1.0, "malignant": 3.0}
    weighted = MLPClassifier(class_weight=weights, random_state=0).partial_fit(X, y, classes=sorted(weights))
    plain = MLPClassifier(random_state=0).partial_fit(X, y, [weights[label] for label in y], classes=sorted(weights))
    np.testing.assert_array_equal(weighted.coefs_[0], plain.coefs_[0])
    with pytest.raises(ValueError, match=r"class_weight 'balanced' is not supported for partial_fit, .* as a dict\."):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=sorted(weights))


# --- a validation set of one's own --------------------------------------------------------------------------------------
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_eval_set_is_measured_after_every_epoch(solver):
    X, y = _small("digits", 600)
    held_out, labels = X[500:], y[500:]
    weights = np.linspace(1, 2, 100)
    settings = {"hidden_layer_sizes": 9, "random_state": 0, "solver": solver}
    full = MLPClassifier(max_iter=6, **settings).fit(X[:500], y[:500], eval_set=(held_out, labels, weights))
    assert len(full.validation_scores_) == len(full.validation_loss_curve_) == 6
    for epochs in (1, 3, 6):
        part = MLPClassifier(max_iter=epochs, **settings).fit(X[:500], y[:500])
        assert full.validation_scores_[epochs - 1] == pytest.approx(part.score(held_out, labels, weights))
        loss = log_loss(labels, part.predict_proba(held_out), sample_weight=weights, labels=part.classes_)
        assert full.validation_loss_curve_[epochs - 1] == pytest.approx(loss)
    np.testing.assert_array_equal(full.coefs_[0], part.coefs_[0])  # it looks, and changes nothing


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("monitor", ["score", "loss"])
def test_early_stopping_on_it_restores_the_best_epoch(monitor, as_list):
    X, y = _small("breast_cancer", 400)
    settings = {"hidden_layer_sizes": 30, "random_state": 0, "learning_rate_init": 0.02, "tol": 0.0, "alpha": 0}
    eval_set = (X[250:], y[250:])
    clf = MLPClassifier(early_stopping=True, monitor=monitor, max_iter=300, **settings)
    clf.fit(X[:250], y[:250], eval_set=[eval_set] if as_list else eval_set)
    assert clf.best_iter_ < clf.n_iter_ < 300
    if monitor == "score":
        assert clf.best_iter_ == 1 + int(np.argmax(clf.validation_scores_))
        assert clf.best_validation_score_ == max(clf.validation_scores_) == clf.score(*eval_set)
        assert clf.best_loss_ is None
    else:
        assert clf.best_iter_ == 1 + int(np.argmin(clf.validation_loss_curve_))
        assert clf.best_loss_ == min(clf.validation_loss_curve_)
        assert clf.n_iter_ == clf.best_iter_ + clf.n_iter_no_change + 1
    again = MLPClassifier(max_iter=clf.best_iter_, **settings).fit(X[:250], y[:250])
    np.testing.assert_array_equal(clf.network_.parameters, again.network_.parameters)


@pytest.mark.parametrize("monitor", ["score", "loss"])
def test_early_stopping_of_lbfgs_on_it(monitor):
    X, y = _small("diabetes", 400)
    settings = {"hidden_layer_sizes": 30, "random_state": 0, "solver": "lbfgs", "alpha": 0, "tol": 1e-6}
    reg = MLPRegressor(early_stopping=True, monitor=monitor, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it stopped because it was told to
        reg.fit(X[:200], y[:200], eval_set=(X[200:], y[200:]))
    best = np.argmax(reg.validation_scores_) if monitor == "score" else np.argmin(reg.validation_loss_curve_)
    assert reg.n_iter_ == reg.best_iter_ + reg.n_iter_no_change + 1 == best + 12
    again = MLPRegressor(max_iter=reg.best_iter_, **settings).fit(X[:200], y[:200])
    np.testing.assert_array_equal(reg.network_.parameters, again.network_.parameters)
    whole = MLPRegressor(early_stopping=True, max_iter=30, **settings).fit(X, y)  # without one, as scikit-learn
    assert (whole.validation_scores_, whole.n_iter_) == (None, 30)


def test_the_best_begins_anew_when_something_else_is_looked_at():
    X, y = _small("breast_cancer", 400)
    clf = MLPClassifier(30, warm_start=True, random_state=0, max_iter=150, alpha=0).fit(X[:250], y[:250])
    trained = clf.best_loss_
    clf.set_params(early_stopping=True, monitor="loss", max_iter=3)
    clf.fit(X[:250], y[:250], eval_set=(X[250:], y[250:]))
    assert clf.best_loss_ == min(clf.validation_loss_curve_) > trained
    assert clf.best_iter_ == 150 + 1 + int(np.argmin(clf.validation_loss_curve_))


def test_a_validation_loss_is_kept_for_the_fraction_too_and_for_regressors():
    X, y = _small("diabetes", 400)
    reg = MLPRegressor(hidden_layer_sizes=5, early_stopping=True, random_state=0, max_iter=4).fit(X, y)
    assert len(reg.validation_loss_curve_) == len(reg.validation_scores_) == 4
    own = MLPRegressor(loss="poisson", hidden_layer_sizes=5, random_state=0, max_iter=3)
    counts = np.round(np.abs(y) * 3)
    own.fit(X[:300], counts[:300], eval_set=(X[300:], counts[300:]))
    from sklearn.metrics import mean_poisson_deviance

    deviance = mean_poisson_deviance(counts[300:], own.predict(X[300:]))
    assert own.validation_loss_curve_[-1] == pytest.approx(deviance / 2)
    assert own.validation_scores_[-1] == pytest.approx(own.score(X[300:], counts[300:]))


def test_the_best_of_an_earlier_fit_is_not_lost_under_warm_start():
    X, y = _small("breast_cancer", 400)
    clf = MLPClassifier(30, early_stopping=True, warm_start=True, random_state=0, learning_rate_init=0.02, max_iter=30)
    clf.fit(X[:250], y[:250], eval_set=(X[250:], y[250:]))
    best = clf.best_validation_score_
    kept = clf.network_.parameters.copy()
    clf.set_params(learning_rate_init=5.0, max_iter=3).fit(X[:250], y[:250], eval_set=(X[250:], y[250:]))
    assert max(clf.validation_scores_[-3:]) <= best
    assert clf.validation_scores_[-1] < best
    np.testing.assert_array_equal(clf.network_.parameters, kept)


# --- first weights, and a network set up without fitting -----------------------------------------------------------------
def test_initialize_draws_what_scikit_learn_draws_and_trains_nothing():
    X, y = _small("digits", 100)
    clf = MLPClassifier((7, 5), activation="logistic", random_state=3).initialize(X, y)
    rng = np.random.RandomState(3)
    for W, b, sizes in zip(clf.coefs_, clf.intercepts_, [(64, 7), (7, 5), (5, 10)], strict=True):
        bound = (2 / sum(sizes)) ** 0.5
        np.testing.assert_array_equal(W, rng.uniform(-bound, bound, sizes))
        np.testing.assert_array_equal(b, rng.uniform(-bound, bound, sizes[1]))
    assert clf.loss_curve_ == []
    assert clf.predict(X).shape == (100,)
    assert clf.predict_proba(X[:2]) == pytest.approx(softmax(clf.forward_(X[:2]).z[3], axis=1))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_fitting_goes_on_from_initialize_under_warm_start(solver):
    X, y = _small("digits", 100)
    settings = {"hidden_layer_sizes": 7, "solver": solver, "random_state": 3, "shuffle": False, "max_iter": 5}
    whole = MLPClassifier(**settings).fit(X, y)
    parts = MLPClassifier(warm_start=True, **settings).initialize(X, y).fit(X, y)
    np.testing.assert_array_equal(parts.coefs_[0], whole.coefs_[0])
    assert parts.loss_curve_ == whole.loss_curve_


def test_partial_fit_goes_on_from_initialize():
    X, y = _small("diabetes", 100)
    settings = {"hidden_layer_sizes": 7, "random_state": 3, "shuffle": False}
    expected = MLPRegressor(**settings, max_iter=1).fit(X, y)
    given = MLPRegressor(**settings).initialize(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(given.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize("form", ["pair", "network", "flat"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_parameters_in_every_form(form, dtype):
    X, y = _small("diabetes")
    X = X.astype(dtype)
    net = cr.Network([10, 6, 1], ["relu", "identity"], seed=9, dtype="float64")
    given = {
        "pair": (list(net.W.values()), list(net.b.values())),
        "network": net,
        "flat": net.parameters.copy(),
    }[form]
    reg = MLPRegressor(hidden_layer_sizes=6, initial_parameters=given, **ONE_STEP).initialize(X, y)
    np.testing.assert_array_equal(reg.network_.parameters, net.parameters.astype(dtype))
    fitted = MLPRegressor(hidden_layer_sizes=6, initial_parameters=given, **ONE_STEP).fit(X, y)
    np.testing.assert_allclose(
        fitted.network_.parameters,
        _expected_step(reg, X, y),
        rtol=1e-5 if dtype == np.float32 else 1e-12,  # rounding of either
    )
    assert not np.shares_memory(reg.network_.parameters, net.parameters)


# --- the network behind it ----------------------------------------------------------------------------------------------
def test_network_is_the_same_memory_as_coefs(tmp_path):
    X, y = _small("digits", 200)
    clf = MLPClassifier(9, random_state=0, max_iter=5).fit(X, y)
    net = clf.network_
    assert isinstance(net, cr.Network)
    np.testing.assert_array_equal(net.predict(X), clf.predict_proba(X))
    net.W[1][...] = 0
    assert not clf.coefs_[0].any()
    clf.coefs_[1][...] = 0
    clf.intercepts_[1][...] = [*range(9), 20]
    assert clf.predict(X).tolist() == [9] * 200
    cr.save(net, tmp_path / "m.chainrule")
    np.testing.assert_array_equal(cr.load(tmp_path / "m.chainrule").predict(X), net.predict(X))
    before = net.cost(X, y)
    cr.train(net, X, y, epochs=3, verbose=0)
    assert net.cost(X, y) < before
    np.testing.assert_array_equal(clf.coefs_[0], net.W[1])


def test_forward_keeps_every_layer():
    X, y = _small("digits", 50)
    clf = MLPClassifier((9, 8), "tanh", random_state=0, max_iter=5).fit(X, y)
    run = clf.forward_(X)
    np.testing.assert_array_equal(run.a[0], X)
    a = X
    for layer in (1, 2, 3):
        z = a @ clf.coefs_[layer - 1] + clf.intercepts_[layer - 1]
        np.testing.assert_allclose(run.z[layer], z, atol=1e-13)  # the same sums in another order
        a = np.tanh(z) if layer < 3 else softmax(z, axis=1)
        np.testing.assert_allclose(run.a[layer], a, atol=1e-13)


def _differences(function, X, step=1e-6):
    """Central differences of a function from (m, n) to (m,), column by column: (m, n)."""
    columns = []
    for j in range(X.shape[1]):
        shift = np.zeros(X.shape[1])
        shift[j] = step
        columns.append((function(X + shift) - function(X - shift)) / (2 * step))
    return np.stack(columns, axis=1)


DIFFERENCES = {"atol": 1e-8}  # their truncation error is step² times a third derivative of about 1e3


@pytest.mark.parametrize("data", ["digits", "breast_cancer", "multilabel"])
def test_E11_input_gradient_of_a_class(data):
    X, y = _small(data, 120)
    clf = MLPClassifier(9, "tanh", random_state=0, max_iter=20).fit(X, y)
    rows = X[:7]
    for index, label in enumerate(clf.classes_):
        expected = _differences(lambda X, index=index: clf.predict_proba(X)[:, index], rows)
        np.testing.assert_allclose(clf.input_gradient(rows, label), expected, **DIFFERENCES)
    largest = clf.predict_proba(rows).argmax(axis=1)
    by_class = np.stack([clf.input_gradient(rows, label) for label in clf.classes_])
    np.testing.assert_allclose(clf.input_gradient(rows), by_class[largest, np.arange(7)])


def test_E11_input_gradient_of_a_regressor():
    X, y = _small("linnerud", 20)
    reg = MLPRegressor(hidden_layer_sizes=9, activation="tanh", random_state=0, max_iter=20).fit(X, y)
    for output in range(3):
        expected = _differences(lambda X, output=output: reg.predict(X)[:, output], X[:5])
        np.testing.assert_allclose(reg.input_gradient(X[:5], output), expected, **DIFFERENCES)
        np.testing.assert_allclose(reg.jacobian(X[:5])[:, output], expected, **DIFFERENCES)
    assert reg.jacobian(X[:5]).shape == (5, 3, X.shape[1])
    with pytest.raises(
        cr.InputError, match=r"output: expected a whole number 0 to 2, got 3. Outputs are counted from 0\."
    ):
        reg.input_gradient(X, 3)


def test_no_hidden_layer_is_a_linear_model():
    X, y = _small("diabetes", 300)
    reg = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, tol=1e-9, max_iter=500, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        reg.fit(X, y)
    exact = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y, rcond=None)[0]
    np.testing.assert_allclose(
        np.append(reg.coefs_[0][:, 0], reg.intercepts_[0]), exact, atol=1e-3
    )  # where L-BFGS stops
    np.testing.assert_allclose(reg.input_gradient(X[:2]), [reg.coefs_[0][:, 0]] * 2)
