"""From a fitted estimator of scikit-learn to one of chainrule, and back, with what training needs to go on."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neural_network as theirs
from sklearn.utils.validation import check_is_fitted

from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text
from chainrule.estimators.arguments import asked_for
from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.regressor import MLPRegressor
from chainrule.estimators.solvers import STOCHASTIC_SOLVERS, Optimizer
from chainrule.maths.updates import Adam, Moments, Momentum, Nesterov, Velocity

_PAIRS: tuple[tuple[type[Any], type[Any]], ...] = (
    (theirs.MLPClassifier, MLPClassifier),
    (theirs.MLPRegressor, MLPRegressor),
)
_ATTRIBUTES = (
    "n_features_in_", "feature_names_in_", "n_outputs_", "n_layers_", "n_iter_", "t_", "out_activation_", "classes_",
    "loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "coefs_", "intercepts_",
    "_label_binarizer", "_random_state", "_no_improvement_count",
)  # fmt: skip
_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def from_sklearn(fitted: Any) -> Any:
    """Make chainrule's estimator of a fitted MLPClassifier or MLPRegressor of scikit-learn.

    Parameters, coefficients, curves and the state of the solver are copied: predictions are the same, and
    `partial_fit` goes on where the other would have.

    Parameters
    ----------
    fitted : sklearn.neural_network.MLPClassifier or MLPRegressor

    Returns
    -------
    chainrule.MLPClassifier or chainrule.MLPRegressor

    Raises
    ------
    InputError
        For another object.
    sklearn.exceptions.NotFittedError
        For one that isn't fitted.

    Examples
    --------
    >>> import sklearn.neural_network, chainrule as cr
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> theirs = sklearn.neural_network.MLPRegressor(hidden_layer_sizes=8, random_state=0, tol=1.0).fit(X, y)
    >>> ours = cr.from_sklearn(theirs)
    >>> bool(abs(ours.predict(X) - theirs.predict(X)).max() < 1e-9), ours.input_gradient(X).shape
    (True, (442, 10))
    """
    kinds = next((pair for pair in _PAIRS if isinstance(fitted, pair[0])), None)
    if kinds is None:
        hint = "Of a pipeline give the last step: pipeline[-1]."
        expected = "an MLPClassifier or MLPRegressor of scikit-learn"
        raise InputError(text("fitted", expected=expected, got=type(fitted).__name__, hint=hint))
    check_is_fitted(fitted)
    ours = kinds[1](**{name: copy.deepcopy(value) for name, value in fitted.get_params(deep=False).items()})
    _copy_attributes(fitted, ours)
    for name in ("loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_", "_no_improvement_count"):
        if not hasattr(ours, name):  # scikit-learn has none under lbfgs
            setattr(ours, name, {"loss_curve_": [], "_no_improvement_count": 0}.get(name))
    scores = ours.validation_scores_
    ours.validation_loss_curve_ = None if scores is None else [np.nan] * len(scores)  # scikit-learn keeps none
    ours.best_iter_ = None if scores is None or np.isnan(scores).all() else 1 + int(np.nanargmax(scores))
    ours._best_of = (
        "Validation score" if scores is not None else "Training loss" if ours.best_loss_ is not None else None
    )
    ours._optimizer = ours.history_ = None
    net = ours._linked()
    if getattr(fitted, "_optimizer", None) is not None:
        ours._optimizer = _our_optimizer(fitted._optimizer, net.plan)
    return ours


def to_sklearn(ours: Any) -> Any:
    """Make scikit-learn's estimator of a fitted one of chainrule; `to_sklearn` of the estimators."""
    check_is_fitted(ours)
    net = ours._linked()
    kind = next(their_kind for their_kind, our_kind in _PAIRS if isinstance(ours, our_kind))
    fitted = kind(**{name: copy.deepcopy(getattr(ours, name)) for name in kind().get_params()})
    fitted.set_params(**{name: getattr(kind(), name) for name in asked_for(ours) if hasattr(fitted, name)})
    fitted.activation = _one_activation(ours)
    if ours.loss not in ("log_loss", "squared_error", "poisson") or (
        ours.loss == "squared_error" and isinstance(ours, MLPClassifier)
    ):
        _refuse("loss", "log_loss" if isinstance(ours, MLPClassifier) else "squared_error or poisson", ours.loss)
    default = ours._default_output()
    if ours.out_activation_ != default:
        _refuse("output activation", default, ours.out_activation_)
    _copy_attributes(ours, fitted)
    if ours._optimizer is not None:
        fitted._optimizer = _their_optimizer(fitted.coefs_ + fitted.intercepts_, ours._optimizer, net.plan)
    # what scikit-learn's loops expect to find after its own set-up
    if ours.early_stopping and fitted.solver in STOCHASTIC_SOLVERS:
        fitted._best_coefs, fitted._best_intercepts = copy.deepcopy((fitted.coefs_, fitted.intercepts_))
        fitted.validation_scores_ = fitted.validation_scores_ or []
        fitted.best_validation_score_ = max([-np.inf, *fitted.validation_scores_])
    elif fitted.best_loss_ is None:
        fitted.best_loss_ = np.inf
    return fitted


def _copy_attributes(source: Any, target: Any) -> None:
    for name in _ATTRIBUTES:
        if hasattr(source, name):
            setattr(target, name, copy.deepcopy(getattr(source, name)))


def _one_activation(ours: Any) -> str:
    hidden = [g.name for g in ours.network_.plan.activations[:-1]]
    if not hidden:
        return ours.activation if ours.activation in _ACTIVATIONS else "relu"  # none is used
    if len(set(hidden)) > 1 or hidden[0] not in _ACTIVATIONS:
        _refuse("activation", f"one of {', '.join(_ACTIVATIONS)} for all hidden layers", ", ".join(hidden))
    return str(hidden[0])


def _refuse(what: str, expected: str, got: Any) -> None:
    hint = "scikit-learn has nothing that computes the same; keep this estimator, or save network_ with cr.save."
    raise InputError(text(f"to_sklearn: {what}", expected=expected, got=str(got), hint=hint))


def _joined(plan: Plan, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Lay scikit-learn's list of arrays, all weights and then all biases, out as θ is."""
    weights, biases = arrays[: plan.L], arrays[plan.L :]
    flat: NDArray[Any] = plan.join(
        dict(zip(plan.layers, weights, strict=True)), dict(zip(plan.layers, biases, strict=True))
    )
    return flat


def _separated(plan: Plan, flat: NDArray[Any]) -> list[NDArray[Any]]:
    weights, biases = plan.split(flat)
    return [array.copy() for array in (*weights.values(), *biases.values())]


def _our_optimizer(theirs: Any, plan: Plan) -> Optimizer:
    """Take over scikit-learn's optimizer: that of adam has t, ms and vs, that of sgd velocities."""
    rate = float(theirs.learning_rate_init)
    if hasattr(theirs, "ms"):
        rule = Adam(theirs.beta_1, theirs.beta_2, theirs.epsilon, epsilon_hat=True)
        return Optimizer(rule, Moments(theirs.t, _joined(plan, theirs.ms), _joined(plan, theirs.vs)), rate, rate)
    kind = Nesterov if theirs.nesterov else Momentum
    return Optimizer(
        kind(theirs.momentum),
        Velocity(_joined(plan, theirs.velocities)),
        float(theirs.learning_rate),
        rate,
        theirs.lr_schedule,
        float(theirs.power_t),
    )


def _their_optimizer(parameters: list[NDArray[Any]], ours: Optimizer, plan: Plan) -> Any:
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

    if isinstance(ours.rule, Adam):
        adam = AdamOptimizer(parameters, ours.initial_rate, ours.rule.beta1, ours.rule.beta2, ours.rule.epsilon)
        adam.t = ours.state.step
        adam.ms = _separated(plan, ours.state.first)
        adam.vs = _separated(plan, ours.state.second)
        return adam
    nesterov, momentum = isinstance(ours.rule, Nesterov), getattr(ours.rule, "momentum", 0.0)
    sgd = SGDOptimizer(parameters, ours.initial_rate, ours.schedule, momentum, nesterov, ours.power)
    sgd.velocities = _separated(plan, ours.state.velocity)
    sgd.learning_rate = ours.learning_rate
    return sgd
