"""What both estimators share: scikit-learn's parameters and attributes in front of a `cr.Network`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule.engine.inputs import check_targets
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan, make_plan
from chainrule.engine.reference import Run
from chainrule.engine.threads import limited
from chainrule.errors import InputError, text
from chainrule.estimators import arguments, beyond
from chainrule.estimators.first_weights import draw_parameters, join_parameters, read_parameters
from chainrule.estimators.objective import Objective
from chainrule.estimators.solvers import run_lbfgs, run_stochastic
from chainrule.estimators.validation import (
    as_columns,
    check_fits,
    check_weight_left,
    dense,
    measure_on,
    read_eval_set,
    split,
)
from chainrule.maths.activations import Activation, AnyActivation, CoupledActivation, activation
from chainrule.maths.costs import Cost
from chainrule.training.arguments.settings import check_threads
from chainrule.training.arguments.solvers import KINDS, NAMES
from chainrule.training.examples.batches import DataSet
from chainrule.training.minibatches.kfac import KFAC
from chainrule.training.progress.history import History


class BaseMLP(BaseEstimator, ABC):
    """Base of MLPClassifier and MLPRegressor; use those.

    The parameters of the network have one home, θ of `network_`; `coefs_` and `intercepts_` are views of it. Arrays put
    in their place, as programs written for scikit-learn do, are copied into θ when they are next used.
    """

    history_: History | None  # of `cr.train`, where that has trained

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [str, Activation, CoupledActivation, list, tuple],
        "solver": [
            StrOptions({*NAMES, "auto"}),
            HasMethods(["initial", "update"]),
            *(kind.make for kind in KINDS.values()),
            KFAC,
        ],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), dict, None],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "find"}), HasMethods(["rate"])],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        # beyond scikit-learn
        "loss": [str, Cost],
        "monitor": [StrOptions({"score", "loss"})],
        "initial_parameters": ["array-like", Network, None],
        "backend": [str, None],
        **dict.fromkeys(arguments.DEFAULTS, "no_validation"),  # `cr.train` reads them
    }

    def _keep(self, given: dict[str, Any]) -> None:
        """Keep what the constructor was given, untouched and each under its own name, as scikit-learn wants it."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    # --- what the two estimators differ in ----------------------------------------------------------------------------
    @abstractmethod
    def _validate_targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, NDArray[Any]]:
        """Check X and y by scikit-learn's rules; give X, and y as the network's targets, (m,) or (m, n_L)."""

    @abstractmethod
    def _validation_targets(self, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Check the y of `eval_set`; give it for the score, and as the network's targets, (m, n_L)."""

    @abstractmethod
    def _for_score(self, Y: NDArray[Any]) -> NDArray[Any]:
        """Turn the network's targets back into what `score` compares with."""

    @abstractmethod
    def _default_output(self) -> str:
        """Name the output activation for the task at hand."""

    @abstractmethod
    def _cost(self, output: AnyActivation, n_outputs: int) -> Cost:
        """Find the cost that `loss` names, for this output activation."""

    @abstractmethod
    def _objective(self, net: Network) -> Objective:
        """Say what a step lowers, and how its loss is shown."""

    @abstractmethod
    def _answers(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Turn a^L, (m, n_L), into predictions."""

    @abstractmethod
    def _score_of(self, y: NDArray[Any], predicted: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
        """Measure predictions as `score` does."""

    @abstractmethod
    def _weights(self, y: Any, sample_weight: NDArray[Any] | None, incremental: bool) -> NDArray[Any] | None:
        """Give each example's weight, (m,), or None where all count alike."""

    # --- fitting ------------------------------------------------------------------------------------------------------
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None, derivative_targets: Any = None
    ) -> Self:
        """Fit the network to X and y.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
        y : array (m,) or (m, n_outputs)
            Class labels, or numbers.
        sample_weight : array (m,), optional
            How much each example counts.
        eval_set : (X, y) or (X, y, sample_weight), optional
            A validation set of your own. Its score and loss are noted after every epoch, and early stopping looks at it
            instead of at a part of the training data.
        derivative_targets : array (m, n_features) or (m, n_outputs, n_features), optional
            What ∂a^L/∂x is to be at each row of X, NaN where that isn't known (E59), of a classifier's network_ with
            its outputs in the order of `classes_`, of two classes that of the second alone. `derivative_weight` weighs
            it. With them training is done by `cr.train`.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For a parameter or data that can't be trained with, in the estimator's names.
        ValueError
            For what scikit-learn refuses, in its words; and where training diverges and nothing better was kept.
        """
        self._fit(X, y, sample_weight, eval_set, derivative_targets, incremental=False)
        return self

    def initialize(self, X: Any, y: Any) -> Self:
        """Set the network up for data like X and y, with its first weights, without training it.

        Afterwards `predict` works, `partial_fit` and a `fit` with `warm_start=True` go on from there, and `coefs_`,
        `intercepts_` or `network_` can be written to.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)
        y : array (m,) or (m, n_outputs)
            All classes have to be in it, or the right number of outputs.

        Returns
        -------
        self
        """
        self._validate_params()
        hidden = self._hidden_sizes()
        X, y = self._validate_targets(X, y, incremental=False, reset=True)
        self._random_state = check_random_state(self.random_state)
        self._set_up(hidden, X, as_columns(y))
        self.history_ = None
        return self

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, eval_set: Any, derivative_targets: Any = None, *, incremental: bool
    ) -> None:
        self._validate_params()
        further = arguments.asked_for(self)
        hidden = self._hidden_sizes()
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        labels = y
        X, y = self._validate_targets(X, y, incremental, reset=first_pass)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        sample_weight = self._weights(labels, sample_weight, incremental)
        Y = as_columns(y)
        self._random_state = check_random_state(self.random_state)
        if first_pass:
            self._set_up(hidden, X, Y)
        else:
            self._go_on_with(hidden, X.shape[1], Y.shape[1])
        net = self._linked()
        check_fits(X, net.dtype)
        targets = check_targets(Y, len(Y), net.plan, "y")
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=net.dtype)
        data = DataSet(X, targets, weights, np.arange(len(Y)))
        check_weight_left(data)
        objective = self._objective(net)
        validation = read_eval_set(self, net.plan, eval_set)
        goes_beyond = bool(further) or derivative_targets is not None
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.early_stopping and validation is None and self.solver != "lbfgs":
            data, held_out = split(self, data)
            validation = held_out, self._for_score(Y[held_out.rows])
        self.history_ = None
        check_threads(self.n_threads)
        libraries = net.backend != "native" or data.is_sparse
        with (
            np.errstate(over="ignore", invalid="ignore", divide="ignore"),  # explained in words where it matters
            limited(self.n_threads, libraries=libraries),
        ):
            if goes_beyond:
                beyond.run(self, objective, data, validation, derivative_targets)
            elif self.solver == "lbfgs":
                run_lbfgs(self, objective, data, measure_on(self, objective, validation))
            else:
                run_stochastic(self, objective, data, measure_on(self, objective, validation), incremental)

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        given = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if not all(isinstance(n, Integral) for n in given):
            hint = "For example (100,), or (64, 32)."
            raise InputError(text("hidden_layer_sizes", expected="whole numbers", got=repr(given), hint=hint))
        if any(n <= 0 for n in given):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {given}.")
        return given

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        if further := arguments.asked_for(self):
            hint = "Call fit, with warm_start=True to go on."
            expected, got = "parameters that scikit-learn's adam and sgd have", ", ".join(further)
            raise AttributeError(text("partial_fit", expected=expected, got=got, hint=hint))
        return True

    # --- the network --------------------------------------------------------------------------------------------------
    def _set_up(self, hidden: list[int], X: Any, Y: NDArray[Any]) -> None:
        """Make the network of the parameters and the data, and the attributes that training begins with."""
        dtype = "float32" if X.dtype == np.float32 else "float64"
        plan = self._make_plan([X.shape[1], *hidden, Y.shape[1]], dtype, self._default_output())
        given = self.initial_parameters
        parameters = (
            draw_parameters(plan, self._names_for_drawing(plan), self._random_state)
            if given is None
            else read_parameters(plan, given)
        )
        self._link(Network.from_plan(plan, parameters, self.backend))
        self.n_outputs_ = Y.shape[1]
        self.n_iter_ = 0
        self.t_ = 0
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self._optimizer: Any = None
        self.validation_scores_: Any = None  # a list, once there is a validation set
        self.validation_loss_curve_: Any = None  # a list, once there is a validation set
        self.best_validation_score_: Any = None
        self.best_loss_: Any = None
        self.best_iter_: int | None = None
        self._best_of: str | None = None  # which figure the best so far is of

    def _go_on_with(self, hidden: list[int], n_features: int, n_outputs: int) -> None:
        """See that the fitted network is the one that the parameters describe, under warm_start or partial_fit."""
        net = self._linked()
        sizes = (n_features, *hidden, n_outputs)
        if sizes != net.sizes:
            hint = "Set warm_start=False to begin anew, or give hidden_layer_sizes as they were."
            raise InputError(
                text("layer sizes under warm_start or partial_fit", expected=str(net.sizes), got=str(sizes), hint=hint)
            )
        plan = self._make_plan(sizes, str(net.dtype), self.out_activation_)
        # names stand for one object each; partial_fit, called batch by batch, shall not set all up again
        is_same = plan.activations == net.plan.activations and plan.cost is net.plan.cost
        if not is_same or self.backend not in (None, net.backend):
            self._link(Network.from_plan(plan, net.parameters, self.backend))

    def _make_plan(self, sizes: Sequence[int], dtype: str, output: str) -> Plan:
        names, n_hidden = self.activation, len(sizes) - 2
        if isinstance(names, list | tuple):
            if len(names) not in (n_hidden, n_hidden + 1):
                expected = f"{n_hidden}, one for each hidden layer, or {n_hidden + 1} with the output's"
                hint = "hidden_layer_sizes says how many hidden layers there are."
                raise InputError(text("activation", expected=expected, got=f"{len(names)}: {names!r}", hint=hint))
            hidden, given = list(names[:n_hidden]), names[n_hidden:]
        else:
            hidden, given = [names] * n_hidden, ()
        with _of_parameter("activation"):
            g = activation(given[0] if given else output)
            resolved = [activation(name) for name in hidden]
        with _of_parameter("loss"):
            c = self._cost(g, sizes[-1])
        with _of_parameter("activation and loss"):
            return make_plan(sizes, [*resolved, g], c, True, "mean", dtype)

    def _names_for_drawing(self, plan: Plan) -> list[str]:
        """Name the activation by which each layer's weights are drawn: the output layer goes by the last hidden one."""
        hidden = [g.name for g in plan.activations[:-1]]
        if hidden or isinstance(self.activation, list | tuple):
            return [*hidden, *(hidden[-1:] or [""])]
        return [activation(self.activation).name]

    def _link(self, net: Network) -> None:
        """Let the estimator's attributes be views of a network."""
        self._network = net
        self.coefs_ = list(net.W.values())
        self.intercepts_ = list(net.b.values())
        self.n_layers_ = len(net.sizes)
        self.out_activation_ = net.activations[-1]

    def _linked(self) -> Network:
        """Give the network, with what is in `coefs_` and `intercepts_` also where somebody put other arrays there."""
        net: Network | None = getattr(self, "_network", None)
        if net is not None and len(self.coefs_) == len(self.intercepts_) == net.L:
            own = all(self.coefs_[layer - 1] is net.W[layer] for layer in net.plan.layers)
            if own and all(self.intercepts_[layer - 1] is net.b[layer] for layer in net.plan.layers):
                return net
        return self._relinked(None if net is None else net.plan)

    def _relinked(self, plan: Plan | None) -> Network:
        coefs = [np.atleast_2d(W) for W in self.coefs_]
        sizes = [coefs[0].shape[0], *(W.shape[1] for W in coefs)]
        if plan is None or plan.sizes != tuple(sizes):
            dtype = "float32" if coefs[0].dtype == np.float32 else "float64"
            plan = self._make_plan(sizes, dtype, self.out_activation_)
        parameters = join_parameters(plan, coefs, self.intercepts_, ("coefs_[{}]", "intercepts_[{}]"))
        self._link(Network.from_plan(plan, parameters, self.backend))
        return self._network

    def __getstate__(self) -> dict[str, Any]:
        """Leave the network's numbers out: they are in `coefs_` and `intercepts_`."""
        state: dict[str, Any] = dict(super().__getstate__())
        net = state.pop("_network", None)
        return state | {"_plan": net.plan} if net is not None else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put the network together again."""
        plan = state.pop("_plan", None)
        super().__setstate__(state)
        if plan is not None:
            self._relinked(plan)

    @property
    def network_(self) -> Network:
        """The `cr.Network` behind the estimator; what is written to its parameters is in `coefs_` too."""
        check_is_fitted(self)
        return self._linked()

    # --- using the network --------------------------------------------------------------------------------------------
    def _check_rows(self, X: Any) -> Any:
        """Check X as scikit-learn does, against what `fit` saw."""
        return validate_data(self, X, accept_sparse="csr", reset=False)

    def _outputs(self, X: Any) -> NDArray[Any]:
        """a^L, (m, n_L)."""
        check_is_fitted(self)
        X = self._check_rows(X)
        net = self._linked()
        check_fits(X, net.dtype)
        return net.predict(X)

    def forward_(self, X: Any) -> Run:
        """Forward pass (E1, E2) that keeps everything: activations and weighted inputs of all layers.

        Parameters
        ----------
        X : array or sparse matrix (m, n_features)

        Returns
        -------
        Run
            `a[0..L]` and `z[1..L]`, each (m, n_ℓ); a[0] is X, a[L] the outputs.
        """
        check_is_fitted(self)
        return self._linked().forward(dense(self._check_rows(X)))

    def to_sklearn(self) -> Any:
        """Make scikit-learn's estimator with the same parameters, coefficients, curves and state of the solver.

        What scikit-learn doesn't have stays behind, `history_` and chainrule's own parameters among it. A `solver`,
        `learning_rate` or `batch_size` that it doesn't have becomes its default, and so does what else `cr.train` was
        asked for: predictions are the same, a further `fit` isn't.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor

        Raises
        ------
        InputError
            When it uses what scikit-learn doesn't have: another activation or loss, or several activations.
        """
        from chainrule.estimators.interchange import to_sklearn

        return to_sklearn(self)

    def __sklearn_tags__(self) -> Any:
        """Say that sparse input is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@contextmanager
def _of_parameter(name: str) -> Iterator[None]:
    """Let an InputError begin with the estimator's parameter."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error}") from None
