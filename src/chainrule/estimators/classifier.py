"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import derivatives
from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.estimators.base import BaseMLP
from chainrule.estimators.objective import Objective
from chainrule.estimators.validation import accepted_dtypes, dense
from chainrule.maths.activations import AnyActivation
from chainrule.maths.costs import Cost, cost
from chainrule.maths.intervals import Interval

_PROBABILITIES = Interval(0, 1, closed_low=True, closed_high=True)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron classifier: scikit-learn's, on chainrule's network, and more.

    With the parameters that scikit-learn has, and the same `random_state`, it gives the coefficients that
    `sklearn.neural_network.MLPClassifier` gives, to rounding. Parameters marked with + are chainrule's own.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer.
    activation : str, Activation, or a list of them, default="relu"
        g of the hidden layers (E2), by any name of `cr.Network`. + A list gives one for each hidden layer, and may give
        the output's after them; the output's is otherwise "softmax" for more than two classes, "logistic" for two
        classes and for multilabel targets.
    solver : {"adam", "sgd", "lbfgs"}, any other optimizer of `cr.train`, or "auto", default="adam"
        + "momentum", "nesterov", "rmsprop", "adamw", "rprop", "kfac", "line_search", "levenberg_marquardt",
        "gauss_newton_cg", an object with settings of its own such as `cr.Adam(beta1=0.95)`, or "auto", which chooses.
        `momentum`, `nesterovs_momentum`, `beta_1`, `beta_2`, `epsilon` are those of "sgd" and "adam" alone.
    alpha : float ≥ 0, default=0.0001
        Strength of the penalty α/2 ΣW², which is divided by the (weighted) number of examples of each batch; of the
        whole set where `cr.train` trains.
    batch_size : int ≥ 1, "auto", None, or {epoch: int ≥ 1 or None}, default="auto"
        "auto" is min(200, m); a number above m is clipped to m, with a warning. + None is the whole set;
        {1: 32, 10: 128} takes 128 from the tenth epoch on.
    learning_rate : {"constant", "invscaling", "adaptive", "find"} or a schedule, default="constant"
        Of solvers with mini-batches; "adam" heeds only what is marked with +. "invscaling" is
        learning_rate_init/(t + 1)^power_t after each epoch, t being `t_`; the first epoch of a `fit` has
        learning_rate_init. "adaptive" divides the rate by 5 when patience is at its end, and ends training when the
        rate is 1e-6 or less by then. + "find" makes a range test (E72) first; a schedule of `cr.schedules` says the
        rate over time. Neither looks at `learning_rate_init`.
    learning_rate_init : float > 0, default=0.001
    power_t : float ≥ 0, default=0.5
    max_iter : int ≥ 1, default=200
        Epochs at most; iterations of lbfgs.
    shuffle : bool, default=True
    random_state : int, RandomState or None, default=None
        Fixes first weights, validation split and order of examples.
    tol : float ≥ 0, default=1e-4
        What counts as an improvement of loss or score; under lbfgs the largest entry of the gradient at the end.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the present parameters.
    momentum : float in [0, 1], default=0.9
    nesterovs_momentum : bool, default=True
    early_stopping : bool, default=False
        Whether to stop when the validation set says so, and to end with the parameters of its best epoch. The set is
        `eval_set` of `fit`, or a part of the training data, in which two classes keep their shares. "lbfgs" looks at
        an `eval_set` only.
    validation_fraction : float in [0, 1), default=0.1
    beta_1, beta_2 : float in [0, 1), default=0.9, 0.999
    epsilon : float > 0, default=1e-8
    n_iter_no_change : int ≥ 1 or inf, default=10
        Patience: training ends after more epochs than these without improvement by `tol`. Where `cr.train` trains, the
        rule is that of `cr.EarlyStopping`: after these epochs without a better one by more than `tol`.
    max_fun : int ≥ 1, default=15000
        Evaluations of the loss at most, under lbfgs; not where `cr.train` trains.
    loss : str or Cost, default="log_loss"
        + "log_loss" is cross_entropy under softmax and binary_cross_entropy otherwise (E3); "squared_error" is
        half_squared_error, as everywhere in scikit-learn; or any cost of `cr.Network` that takes 0 and 1.
    class_weight : dict, list of dicts, "balanced" or None, default=None
        + Weight of each class, by its label; for multilabel targets a dict for each column. "balanced" lets all
        classes count alike. Multiplied with `sample_weight`.
    monitor : {"score", "loss"}, default="score"
        + What early stopping looks at on the validation set: accuracy, or the loss without the penalty.
    initial_parameters : (coefs, intercepts), Network, array (|θ|,) or None, default=None
        + First weights, instead of random ones.
    backend : str or None, default=None
        + As for `cr.Network`.
    dropout : float, or {layer: float}, each 0 ≤ p < 1, default=0.0
        + The probability with which a unit is left out of a step (E51): of all hidden layers, or by layer, 0 being the
        input.
    input_noise : float ≥ 0, default=0.0
        + σ of the normal noise that each step adds to its rows (E56).
    label_smoothing : float, 0 ≤ ε < 1, default=0.0
        + Which share of each target goes evenly to all classes (E55), under loss="log_loss".
    l1 : float ≥ 0, default=0.0
        + λ₁ of λ₁ Σ|W| (E52), which isn't divided by anything.
    weight_decay : float ≥ 0, default=0.0
        + λ of W ← W − ηλW before each step, apart from the gradient (E53).
    max_norm : float > 0 or None, default=None
        + After each step, the weights into a unit have at most this length (E54).
    clip_norm, clip_example_norm : float > 0 or None, default=None
        + A longer gradient of a batch (E57), or of an example (E58), is shortened to this length.
    layer_rates : {layer: factor > 0} or None, default=None
        + What the learning rate is multiplied by in a layer; layer 1 is the first hidden one.
    frozen : layers, default=()
        + These layers stay as they are.
    derivative_weight : float ≥ 0, default=1.0
        + Weight of `derivative_targets` of `fit` (E59).
    monotone : {column of X: 1 or -1} or None, default=None
        + In which columns the output is to rise or to fall (E60); of classes only two, the second's probability.
    monotone_weight : float ≥ 0, default=1.0
    input_gradient_penalty : float ≥ 0, default=0.0
        + λ of λ/2 ‖∂C_i/∂x‖² (E61).
    metrics : {name: function (outputs, Y) -> float} or None, default=None
        + Measured on the validation set after every epoch, of outputs a^L, (m, n_L), and targets; `history_` has them.
    callbacks : functions (net, history) -> bool or None, or objects, default=()
        + As for `cr.train`: called after every epoch, or wherever an object has a method for; a true value ends
        training. They are pickled with the estimator; `set_params(callbacks=())` leaves them out.
    max_time : float > 0 or None, default=None
        + Seconds after which `fit` ends, after a whole step.
    checkpoint : folder or None, default=None
        + Where the state of training is kept; it needs a `random_state` that isn't None.
    checkpoint_every : int ≥ 1, or text such as "300s", "10min", "2h", default=1
        + How often: epochs, or a time.
    resume : bool, default=False
        + Whether `fit` goes on from the checkpoint, where there is one, to the same coefficients as without a break.
    n_threads : int, 1 to 256, or None, default=None
        + Threads while training; any number of them gives the same coefficients.

    With any of these but n_threads, or another value marked with + of `solver`, `learning_rate` or `batch_size`,
    training is done by `cr.train` instead of scikit-learn's loops. It lowers the objective that scikit-learn documents,
    with the penalty α/(2m) ΣW² over the whole set (Σ w_i for m with weights, none of them negative), while
    scikit-learn's loops divide it by the size of each batch; batches are drawn by another generator, and count by their
    weight. `partial_fit` refuses all of them.

    Attributes
    ----------
    classes_ : array (n_classes,)
    coefs_ : list of L arrays (n_{ℓ−1}, n_ℓ)
        𝒲^ℓ, layer 1 at index 0: views of θ of `network_`.
    intercepts_ : list of L arrays (n_ℓ,)
    loss_ : float
        Loss of the last epoch, penalty included: of each batch before its step, under lbfgs after the iteration.
    best_loss_ : float or None
        The least so far: of the training loss, under early stopping by loss of the validation loss; None under early
        stopping by score.
    loss_curve_ : list of float
    validation_scores_ : list of float or None
        Accuracy on the validation set after each epoch.
    validation_loss_curve_ : list of float or None
        + Loss on the validation set after each epoch, without the penalty.
    best_validation_score_ : float or None
    best_iter_ : int or None
        + The epoch, counted from 1, whose parameters early stopping has restored.
    t_ : int
        Examples seen.
    n_iter_ : int
    n_layers_ : int
        L + 1: scikit-learn counts the input.
    n_outputs_ : int
    n_features_in_ : int
    feature_names_in_ : array (n_features,), where X had names
    out_activation_ : str
    network_ : Network
        +
    history_ : History or None
        + What `cr.train` noted of the last `fit`, where that has trained; also when a callback raised.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from chainrule import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier(16, "tanh", solver="lbfgs", random_state=0, tol=1e-2).fit(X, y)
    >>> clf.score(X, y) > 0.95, clf.predict(X[:2]).tolist()
    (True, [0, 0])
    >>> clf.network_.sizes, clf.input_gradient(X[:2], class_=1).shape
    ((4, 16, 3), (2, 4))
    >>> clf = MLPClassifier(16, dropout=0.2, solver="adamw", batch_size=16, max_iter=5, n_iter_no_change=5, tol=0)
    >>> clf.set_params(callbacks=[lambda net, history: history.epochs == 3], random_state=0).fit(X, y).history_.stopped
    'callback'

    Source: scikit-learn's `MLPClassifier`, whose interface and formulas it follows; the passes are (E1) to (E10).
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: str | Cost = "log_loss",
        class_weight: Any = None,
        monitor: str = "score",
        initial_parameters: Any = None,
        backend: str | None = None,
        dropout: float | Mapping[int, float] = 0.0,
        input_noise: float = 0.0,
        label_smoothing: float = 0.0,
        l1: float = 0.0,
        weight_decay: float = 0.0,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        clip_example_norm: float | None = None,
        layer_rates: Mapping[int, float] | None = None,
        frozen: Iterable[int] = (),
        derivative_weight: float = 1.0,
        monotone: Mapping[int, int] | None = None,
        monotone_weight: float = 1.0,
        input_gradient_penalty: float = 0.0,
        metrics: Mapping[str, Any] | None = None,
        callbacks: Sequence[Any] = (),
        max_time: float | None = None,
        checkpoint: Any = None,
        checkpoint_every: int | str = 1,
        resume: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self._keep(locals())

    # --- labels -------------------------------------------------------------------------------------------------------
    def _validate_targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, NDArray[Any]]:
        X, y = validate_data(self, X, y, accept_sparse="csr", multi_output=True, dtype=accepted_dtypes(X), reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start:
            classes = unique_labels(y)
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        else:
            self._refuse_unseen(y, "`y`")
        return X, self._binarized(y)

    def _refuse_unseen(self, y: NDArray[Any], name: str) -> None:
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"{name} has classes not in `self.classes_`. `self.classes_` has {self.classes_}. {name} has {classes}."
            )

    def _binarized(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        columns: NDArray[np.bool_] = self._label_binarizer.transform(y).astype(bool)
        return columns

    def _validation_targets(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        self._refuse_unseen(labels, "`y` of `eval_set`")
        return labels, self._binarized(labels)

    def _for_score(self, Y: NDArray[Any]) -> NDArray[Any]:
        labels: NDArray[Any] = self._label_binarizer.inverse_transform(Y)
        return labels

    def _weights(self, y: Any, sample_weight: NDArray[Any] | None, incremental: bool) -> NDArray[Any] | None:
        if self.class_weight is None:
            return sample_weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which does not see all of `y`. Give the "
                "weights that sklearn.utils.class_weight.compute_class_weight('balanced', classes=classes, y=y) "
                "computes from all of it, as a dict."
            )
        by_class: NDArray[Any] = compute_sample_weight(self.class_weight, y)
        return by_class if sample_weight is None else by_class * sample_weight

    # --- the network's last layer -------------------------------------------------------------------------------------
    def _default_output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _cost(self, output: AnyActivation, n_outputs: int) -> Cost:
        if not output.range.within(_PROBABILITIES):
            hint = "Give logistic or softmax as the last of the activations, or leave the last one out."
            raise InputError(
                text("output activation", expected=f"values in {_PROBABILITIES}", got=output.name, hint=hint)
            )
        if self.loss == "log_loss":
            return cost("cross_entropy" if output.name == "softmax" else "binary_cross_entropy")
        if self.loss == "cross_entropy" and n_outputs == 1:
            hint = "Write loss='log_loss', which is binary_cross_entropy here."
            got = "a single output, whose cross_entropy leaves the second class out"
            raise InputError(text("cross_entropy", expected="2 outputs or more", got=got, hint=hint))
        return cost("half_squared_error" if self.loss == "squared_error" else self.loss)

    def _objective(self, net: Network) -> Objective:
        return Objective(net, float(self.alpha))

    def _answers(self, outputs: NDArray[Any]) -> NDArray[Any]:
        labels: NDArray[Any] = self._label_binarizer.inverse_transform(
            outputs.ravel() if outputs.shape[1] == 1 else outputs
        )
        return labels

    def _score_of(self, y: NDArray[Any], predicted: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    # --- what users call ----------------------------------------------------------------------------------------------
    @available_if(lambda estimator: estimator._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train one epoch on X and y, going on from the present parameters.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
        y : array (m,) or (m, n_outputs)
        sample_weight : array (m,), optional
        classes : array (n_classes,)
            All classes that will ever come; needed in the first call only.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        self._fit(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict labels, (m,), or an indicator matrix, (m, n_classes), for multilabel targets."""
        return self._answers(self._outputs(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict probabilities, (m, n_classes), classes in the order of `classes_`; rows sum to 1 unless multilabel.

        A multiclass network whose outputs are not softmax has each row divided by its sum.
        """
        outputs = self._outputs(X)
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        if self._label_binarizer.y_type_ == "multiclass" and self.out_activation_ != "softmax":
            sums = outputs.sum(axis=1, keepdims=True)
            outputs = np.divide(outputs, sums, out=np.full_like(outputs, 1 / outputs.shape[1]), where=sums > 0)
        return outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Predict log(predict_proba(X))."""
        with np.errstate(divide="ignore"):  # the logarithm of 0 is −∞
            logarithms: NDArray[Any] = np.log(self.predict_proba(X))
        return logarithms

    def input_gradient(self, X: Any, class_: Any = None) -> NDArray[Any]:
        """Give the gradient of a class's output in X (E11), in the units of X.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
        class_ : a label of `classes_`, or None
            None takes in each row the class with the largest output.

        Returns
        -------
        array (m, n_features)
            Of the second of two classes it is that of the network's one output, of the first its negative.

        Raises
        ------
        InputError
            For a label that is not in `classes_`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from chainrule import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> clf = MLPClassifier(8, solver="lbfgs", random_state=0, tol=1e-2).fit(X, y)
        >>> clf.input_gradient(X[:3]).shape
        (3, 4)
        """
        check_is_fitted(self)
        rows = dense(self._check_rows(X))
        net, classes = self._linked(), list(self.classes_)
        if class_ is not None and (np.ndim(class_) > 0 or class_ not in classes):
            shown = ", ".join(map(str, classes[:10]))
            hint = "Leave it out for the class that is predicted."
            raise InputError(text("class_", expected=f"one of the classes {shown}", got=repr(class_), hint=hint))
        if net.sizes[-1] == 1:
            gradient = derivatives.input_gradient(net, rows)
            if class_ is None:
                predicted_first = net.predict(rows)[:, 0] <= 0.5
                return np.where(predicted_first[:, np.newaxis], -gradient, gradient)
            return -gradient if len(classes) > 1 and class_ == classes[0] else gradient
        if class_ is not None:
            return derivatives.input_gradient(net, rows, classes.index(class_))
        result = np.empty(rows.shape, dtype=net.dtype)
        largest = net.predict(rows).argmax(axis=1)
        for output in np.unique(largest):
            chosen = largest == output
            result[chosen] = derivatives.input_gradient(net, rows[chosen], int(output))
        return result

    def __sklearn_tags__(self) -> Any:
        """Say that multilabel targets are taken."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
