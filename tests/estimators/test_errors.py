"""What users can get wrong, and what they are told."""

import re

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import chainrule as cr
from chainrule import MLPClassifier, MLPRegressor
from problems import problem


def _refused(message, call):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1}, "The 'alpha' parameter of MLPClassifier must be a float in the range [0.0, inf). Got -1 instead."),
        ({"solver": "newton"}, "The 'solver' parameter of MLPClassifier must be a str among {"),
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be > 0, got [5, 0]."),
        ({"hidden_layer_sizes": (5.5,)}, "hidden_layer_sizes: expected whole numbers, got [5.5]. For example (100,), or (64, 32)."),
        ({"hidden_layer_sizes": ["64"]}, "hidden_layer_sizes: expected whole numbers, got ['64']."),
        ({"initial_parameters": ([0.5, 0.5], [0, 0])}, "coefs[0] of initial_parameters: expected shape (30, 100), got shape ()."),
        ({"class_weight": dict.fromkeys(["benign", "malignant", "other"], 0)},
         "sample_weight and class_weight: expected some weight that is not 0, in the training part and in the validation "
         "part, got zeros only. An example counts by the product of both; leave one of them out."),
        ({"class_weight": "balance"}, "The 'class_weight' parameter of MLPClassifier must be an instance of 'dict', an"),
        ({"initial_parameters": np.full(3403, np.nan)}, "initial_parameters[0]: expected a finite number, got nan."),
        ({"activation": 3}, "The 'activation' parameter of MLPClassifier must be an instance of 'str', an instance of 'chainrule."),
        ({"activation": "reul"}, "activation: unknown activation: expected one of "),
        ({"activation": ["relu"], "hidden_layer_sizes": (4, 3)},
         "activation: expected 2, one for each hidden layer, or 3 with the output's, got 1: ['relu']. "
         "hidden_layer_sizes says how many hidden layers there are."),
        ({"activation": ["relu", "tanh"]},
         "loss: output activation: expected values in [0, 1], got tanh. Give logistic or softmax as the last of the "
         "activations, or leave the last one out."),
        ({"early_stopping": True, "validation_fraction": 0.0},
         "validation_fraction: expected a number above 0 under early_stopping, got 0. Or give a validation set of your own: "
         "fit(X, y, eval_set=(Xv, yv))."),
        ({"loss": "log_los"}, "loss: unknown cost: expected one of "),
        ({"loss": "poisson", "activation": ["relu", "exp"]}, "loss: output activation: expected values in [0, 1], got exp."),
        ({"monitor": "accuracy"}, "The 'monitor' parameter of MLPClassifier must be a str among {"),
        ({"initial_parameters": np.zeros(3)},
         "initial_parameters: expected shape (3403,), got shape (3,). Give (coefs_, intercepts_) of a fitted estimator, "
         "a cr.Network, or θ."),
        ({"initial_parameters": cr.Network([30, 5, 3])}, "coefs[0] of initial_parameters: expected shape (30, 100), got shape (30, 5)."),
        ({"initial_parameters": ([np.zeros((30, 100))], [0])}, "coefs of initial_parameters: expected 2 arrays, got 1."),
        ({"backend": "gpu"}, "unknown backend: expected one of "),
    ],
)  # fmt: skip
def test_settings(settings, message):
    _, X, y = problem("breast_cancer")
    labels = np.where(np.arange(len(y)) % 5 == 0, "other", y)  # three classes
    _refused(message, lambda: MLPClassifier(**settings).fit(X, labels))


def test_cross_entropy_of_two_classes_in_one_output():
    _, X, y = problem("breast_cancer")
    _refused(
        "loss: cross_entropy: expected 2 outputs or more, got a single output, whose cross_entropy leaves the second "
        "class out. Write loss='log_loss', which is binary_cross_entropy here.",
        lambda: MLPClassifier(loss="cross_entropy").fit(X, y),
    )


def test_a_misfit_of_output_and_loss_names_the_output_that_fits():
    _, X, y = problem("diabetes")
    with pytest.raises(
        cr.PairError, match=r"^activation and loss: output activation identity does not fit cost poisson"
    ):
        MLPRegressor(loss="poisson", activation=["relu", "identity"]).fit(X, np.abs(y))


def test_targets_that_the_loss_does_not_take():
    _, X, y = problem("diabetes")
    row = int(y.argmin())
    _refused(
        f"y[{row}]: expected a target in [0, ∞), as poisson needs, got {y.min():g}. Scale the targets, or choose another cost.",
        lambda: MLPRegressor(loss="poisson").fit(X, y),
    )


@pytest.mark.parametrize(
    ("eval_set", "message"),
    [
        (
            3,
            "eval_set: expected (X, y) or (X, y, sample_weight), got int. Write fit(X, y, eval_set=(X_validation, y_validation)).",
        ),
        ([1, 2, 3, 4], "eval_set: expected (X, y) or (X, y, sample_weight), got list."),
        ((np.zeros((4, 7)), np.zeros(4)), "X has 7 features, but MLPRegressor is expecting 10 features as input."),
        ((None, None), "eval_set: expected (X, y) or (X, y, sample_weight), got (NoneType, NoneType)."),
        ((np.zeros((4, 10)), None), "eval_set: expected (X, y) or (X, y, sample_weight), got (ndarray, NoneType)."),
        (
            (np.zeros((1, 10)), np.zeros(1)),
            "eval_set: expected 2 rows or more, got 1. The score of a single row says nothing.",
        ),
        ((np.zeros((4, 10)), np.zeros(3)), "y of eval_set: expected 4 rows, as X of eval_set has, got shape (3, 1)."),
        ((np.full((4, 10), np.nan), np.zeros(4)), "Input X contains NaN."),
        ((np.zeros((4, 10)), [0, 1, np.inf, 3]), "Input y of eval_set contains infinity"),
        ((np.zeros((4, 10)), np.zeros((4, 2))), "y of eval_set: expected shape (4, 1), got shape (4, 2)."),
    ],
)
def test_eval_set(eval_set, message):
    _, X, y = problem("diabetes")
    _refused(message, lambda: MLPRegressor().fit(X, y, eval_set=eval_set))


def test_eval_set_with_unseen_classes():
    _, X, y = problem("breast_cancer")
    _refused(
        "`y` of `eval_set` has classes not in `self.classes_`. `self.classes_` has ['benign' 'malignant']. `y` of "
        "`eval_set` has ['benign' 'healthy'].",
        lambda: MLPClassifier().fit(X, y, eval_set=(X[:2], ["benign", "healthy"])),
    )


def test_warm_start_with_other_layers():
    _, X, y = problem("diabetes")
    reg = MLPRegressor(hidden_layer_sizes=5, warm_start=True, solver="lbfgs", tol=1e9).fit(X, y)
    _refused(
        "layer sizes under warm_start or partial_fit: expected (10, 5, 1), got (10, 6, 1). Set warm_start=False to begin "
        "anew, or give hidden_layer_sizes as they were.",
        lambda: reg.set_params(hidden_layer_sizes=6).fit(X, y),
    )


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_partial_fit_is_not_there_under_lbfgs(Estimator):
    assert not hasattr(Estimator(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError) as error:
        Estimator(solver="lbfgs").partial_fit  # noqa: B018
    assert "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic." in str(
        error.value.__cause__
    )


@pytest.mark.parametrize("use", ["predict", "network_", "forward_", "input_gradient", "jacobian", "to_sklearn"])
def test_before_fitting(use):
    reg = MLPRegressor()
    with pytest.raises(NotFittedError, match="This MLPRegressor instance is not fitted yet"):
        getattr(reg, use)() if use == "to_sklearn" else getattr(reg, use)([[0.0]])
    assert not hasattr(reg, "network_")
    with pytest.raises(NotFittedError, match="This MLPClassifier instance is not fitted yet"):
        MLPClassifier().input_gradient([[0.0]])


@pytest.mark.parametrize("class_", ["healthy", 0, ["benign"], np.array(["benign", "malignant"]), float("nan")])
def test_input_gradient_of_an_unknown_class(class_):
    _, X, y = problem("breast_cancer")
    clf = MLPClassifier(3, solver="lbfgs", tol=1e9).fit(X, y)
    _refused(
        f"class_: expected one of the classes benign, malignant, got {class_!r}. Leave it out for the class that is predicted.",
        lambda: clf.input_gradient(X, class_),
    )


def test_derivatives_in_rows_of_another_width():
    _, X, y = problem("breast_cancer")
    clf = MLPClassifier(3, solver="lbfgs", tol=1e9).fit(X, y)
    reg = MLPRegressor(hidden_layer_sizes=3, solver="lbfgs", tol=1e9).fit(X, X[:, 0])
    for call in (clf.input_gradient, reg.input_gradient, reg.jacobian):
        _refused(
            f"X has 29 features, but {type(call.__self__).__name__} is expecting 30", lambda call=call: call(X[:, 1:])
        )


def test_rows_beyond_the_range_of_a_float32_network():
    _, X, y = problem("diabetes")
    reg = MLPRegressor(hidden_layer_sizes=3, solver="lbfgs", tol=1e9).fit(X.astype(np.float32), y)
    rows = np.zeros((3, 10))
    rows[2, 1] = 1e300
    message = "expected a finite number, got 1e+300. It is too large for float32; scale it, or"
    for call in (reg.predict, reg.forward_, reg.input_gradient):
        _refused(f"X[2, 1]: {message}", lambda call=call: call(rows))
    _refused(f"X of eval_set[2, 1]: {message}", lambda: reg.fit(X.astype(np.float32), y, eval_set=(rows, y[:3])))
    _refused(f"X[2, 1]: {message}", lambda: reg.set_params(warm_start=True).fit(rows, y[:3]))
    _refused(f"X.data[0]: {message}", lambda: reg.predict(scipy.sparse.csr_array(rows)))


def test_rows_that_are_no_numbers():
    reg = MLPRegressor(hidden_layer_sizes=3, solver="lbfgs", tol=1e9).fit([[1.0], [2.0]], [1.0, 2.0])
    _refused("dtype='numeric' is not compatible with arrays of bytes/strings.", lambda: reg.predict([["1"], ["2"]]))
    durations = np.array([[1], [2]], dtype="m8[s]")
    _refused("X: expected real numbers, got dtype timedelta64[s]. Turn them", lambda: reg.predict(durations))


def test_first_weights_of_two_numbers():
    reg = MLPRegressor(hidden_layer_sizes=(), initial_parameters=[2.0, 3.0]).initialize([[1.0], [2.0]], [0.0, 1.0])
    assert reg.predict([[5.0]]).tolist() == [13.0]


# --- divergence -----------------------------------------------------------------------------------------------------------
def test_divergence_is_an_error_that_says_where():
    _, X, y = problem("diabetes")
    reg = MLPRegressor(solver="sgd", learning_rate_init=1e3, momentum=0, random_state=0)
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights\. The input data may contain large values "
                       r"and need to be preprocessed\. Training diverged in epoch \d+: the cost half_squared_error of layer 2's output \(E3\) holds inf\. "
                       r"Lower learning_rate_init, or scale the columns of X to about 1\.$"):  # fmt: skip
        reg.fit(X, y)
    assert np.isfinite(reg.network_.parameters).all()
    assert len(reg.loss_curve_) < 30  # it does not go on to 200


def test_divergence_under_early_stopping_keeps_the_best():
    _, X, y = problem("diabetes")
    reg = MLPRegressor(solver="sgd", learning_rate_init=3.0, momentum=0, random_state=0, early_stopping=True)
    with pytest.warns(ConvergenceWarning, match=r"^Training diverged in epoch \d+: .* The parameters are those after "
                      r"epoch \d+, the best one\. Lower learning_rate_init or scale X\."):  # fmt: skip
        reg.fit(X, y)
    assert np.isfinite(reg.predict(X)).all()
    assert np.isnan(reg.validation_scores_[-1])
    assert reg.best_iter_ == 1 + int(np.nanargmax(reg.validation_scores_))


def test_divergence_under_lbfgs():
    _, X, y = problem("diabetes")
    with pytest.raises(
        ValueError,
        match=r"^Solver produced non-finite .* Training diverged in its first step: a of layer 2 \(E2\) holds inf",
    ):
        MLPRegressor(solver="lbfgs", loss="poisson", random_state=0).fit(1e200 * X, np.abs(y))
