"""MLPRegressor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import derivatives
from chainrule.engine.network import Network
from chainrule.estimators.base import BaseMLP
from chainrule.estimators.objective import Objective
from chainrule.estimators.validation import accepted_dtypes, dense
from chainrule.maths.activations import AnyActivation
from chainrule.maths.costs import Cost, cost
from chainrule.maths.intervals import REALS
from chainrule.maths.pairs import MATCHED


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron regressor: scikit-learn's, on chainrule's network, and more.

    With the parameters that scikit-learn has, and the same `random_state`, it gives the coefficients that
    `sklearn.neural_network.MLPRegressor` gives, to rounding. Parameters marked with + are chainrule's own.

    Parameters
    ----------
    loss : str or Cost, default="squared_error"
        "squared_error" is ½ Σ_j (a_j − y_j)², scikit-learn's: `half_squared_error` of `cr.Network`. "poisson" is half
        the Poisson deviance, with outputs e^z and y ≥ 0. + Any other cost of `cr.Network` (E3): "absolute_error",
        "huber", "quantile(0.9)", "log_cosh", … or your own.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, max_fun, initial_parameters, backend, dropout, input_noise, l1, \
weight_decay, max_norm, clip_norm, clip_example_norm, layer_rates, frozen, derivative_weight, monotone, \
monotone_weight, input_gradient_penalty, metrics, callbacks, max_time, checkpoint, checkpoint_every, resume, n_threads
        As for `MLPClassifier`; from `dropout` on training is done by `cr.train`, as it says there. The output's
        activation is "identity"; "exp" under poisson; else what fits `loss`.
    monitor : {"score", "loss"}, default="score"
        + What early stopping looks at on the validation set: R², or the loss without the penalty.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_scores_, validation_loss_curve_, \
best_validation_score_, best_iter_, t_, n_iter_, n_layers_, n_outputs_, n_features_in_, feature_names_in_, \
out_activation_, network_, history_
        As for `MLPClassifier`; scores are R². Under squared_error the losses shown are means over outputs, as
        scikit-learn's are, while the sum over outputs is what is lowered.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import MLPRegressor
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> reg = MLPRegressor(hidden_layer_sizes=8, activation="tanh", solver="lbfgs", alpha=0, random_state=0)
    >>> reg = reg.fit(X, np.sin(3 * X[:, 0]))
    >>> reg.score(X, np.sin(3 * X[:, 0])) > 0.99
    True

    The slope at 0, which for sin 3x is 3:

    >>> round(float(reg.input_gradient([[0.0]])[0, 0]), 1)
    3.0

    Five points alone say less than five points with their slopes, which `cr.train` takes:

    >>> x, end = np.linspace(-1, 1, 5).reshape(-1, 1), lambda net, history: history.epochs == 300
    >>> reg = MLPRegressor(hidden_layer_sizes=8, activation="tanh", learning_rate_init=0.03, max_iter=500, tol=0,
    ...                    n_iter_no_change=500, alpha=0, callbacks=[end], random_state=0)
    >>> alone = reg.fit(x, np.sin(3 * x[:, 0])).score(X, np.sin(3 * X[:, 0]))
    >>> reg = reg.fit(x, np.sin(3 * x[:, 0]), derivative_targets=3 * np.cos(3 * x))
    >>> alone < 0.98 < 0.99 < reg.score(X, np.sin(3 * X[:, 0]))
    True

    Source: scikit-learn's `MLPRegressor`, whose interface and formulas it follows; the passes are (E1) to (E10).
    """

    def __init__(
        self,
        loss: str | Cost = "squared_error",
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
        monitor: str = "score",
        initial_parameters: Any = None,
        backend: str | None = None,
        dropout: float | Mapping[int, float] = 0.0,
        input_noise: float = 0.0,
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

    # --- targets ------------------------------------------------------------------------------------------------------
    def _validate_targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, NDArray[Any]]:  # noqa: ARG002
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=accepted_dtypes(X),
            reset=reset,
        )
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _validation_targets(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        numbers = check_array(y, ensure_2d=False, dtype="numeric", input_name="y of eval_set")
        if numbers.ndim == 2 and numbers.shape[1] == 1:
            numbers = column_or_1d(numbers, warn=True)
        return numbers, numbers

    def _for_score(self, Y: NDArray[Any]) -> NDArray[Any]:
        return Y

    def _weights(self, y: Any, sample_weight: NDArray[Any] | None, incremental: bool) -> NDArray[Any] | None:  # noqa: ARG002
        return sample_weight

    # --- the network's last layer -------------------------------------------------------------------------------------
    def _default_output(self) -> str:
        named = self._named_cost()
        if REALS.within(named.domain):
            return "identity"
        return next((g for g, name in MATCHED if name == named.name), "identity")

    def _named_cost(self) -> Cost:
        return cost("half_squared_error" if self.loss == "squared_error" else self.loss)

    def _cost(self, output: AnyActivation, n_outputs: int) -> Cost:  # noqa: ARG002
        return self._named_cost()

    def _objective(self, net: Network) -> Objective:
        share = 1 / net.sizes[-1] if self.loss == "squared_error" else 1.0
        return Objective(net, float(self.alpha), share, deviance=self.loss == "poisson")

    def _answers(self, outputs: NDArray[Any]) -> NDArray[Any]:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _score_of(self, y: NDArray[Any], predicted: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    # --- what users call ----------------------------------------------------------------------------------------------
    @available_if(lambda estimator: estimator._check_solver())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on X and y, going on from the present parameters.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
        y : array (m,) or (m, n_outputs)
        sample_weight : array (m,), optional

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict numbers, (m,), or (m, n_outputs)."""
        return self._answers(self._outputs(X))

    def input_gradient(self, X: Any, output: int = 0) -> NDArray[Any]:
        """Give the gradient of an output in X (E11), in the units of X and y.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
        output : int
            Counted from 0.

        Returns
        -------
        array (m, n_features)

        Raises
        ------
        InputError
            For an output that there isn't.
        """
        check_is_fitted(self)
        return derivatives.input_gradient(self._linked(), dense(self._check_rows(X)), output)

    def jacobian(self, X: Any) -> NDArray[Any]:
        """Give the gradients of all outputs in X (E11), in the units of X and y.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)

        Returns
        -------
        array (m, n_outputs, n_features)
            [:, o] is `input_gradient(X, o)`. `cr.pipeline_jacobian` gives it through a pipeline.

        Examples
        --------
        >>> from chainrule import MLPRegressor
        >>> reg = MLPRegressor(hidden_layer_sizes=(), initial_parameters=[2.0, -3.0, 1.0])
        >>> reg.initialize([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]).jacobian([[5.0, 5.0]]).tolist()
        [[[2.0, -3.0]]]
        """
        check_is_fitted(self)
        return derivatives.jacobian(self._linked(), dense(self._check_rows(X)))

    def __sklearn_tags__(self) -> Any:
        """Say that several outputs are taken."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
