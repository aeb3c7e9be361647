"""Training beyond scikit-learn's loops: other solvers, options of a step, callbacks and checkpoints, by `cr.train`.

An estimator whose parameters scikit-learn has too is trained by `solvers.py`, to the same coefficients. Any other is
trained here, for the objective that scikit-learn documents: C + α/(2m) Σ W² over the whole set, Σ w_i instead of m with
weights (its own loops divide the penalty by the size of the batch).
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import ConvergenceWarning

from chainrule.errors import DivergenceWarning
from chainrule.estimators.arguments import (
    arguments,
    in_parameters,
    named_by_parameter,
    refuse_what_cannot_be_resumed,
    takes_batches,
    with_callback,
)
from chainrule.estimators.objective import Objective
from chainrule.estimators.solvers import NOT_FINITE
from chainrule.estimators.validation import HeldOut
from chainrule.training.examples.batches import DataSet
from chainrule.training.progress.history import History
from chainrule.training.train import train
from chainrule.training.watching.moment import Moment

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP


class _Curves:
    """A callback that writes what is known after every epoch to the estimator, under scikit-learn's names."""

    def __init__(self, estimator: BaseMLP, objective: Objective, data: DataSet, validation: HeldOut | None) -> None:
        self._estimator, self._m = estimator, len(data)
        self._share, self._least = objective.share, objective.shown_of(0.0, data)
        self._least_of_validation = math.nan
        self._measured = validation is not None
        if validation is not None:
            self._least_of_validation = objective.shown_of(0.0, validation[0])
            if estimator.validation_scores_ is None:
                estimator.validation_scores_, estimator.validation_loss_curve_ = [], []

    def before_training(self, moment: Moment) -> None:
        """Say what "auto" has chosen, and note the epochs that a training which is resumed has behind it."""
        if self._estimator.verbose and moment.history.choice:
            print(f"Chosen: {moment.history.choice}")  # noqa: T201
        self.catch_up(moment.history)

    def after_epoch(self, moment: Moment) -> None:
        """Note and print an epoch's figures."""
        estimator = self._estimator
        self.catch_up(moment.history)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")  # noqa: T201 (scikit-learn's own)
            if self._measured:
                print(f"Validation score: {estimator.validation_scores_[-1]:f}")  # noqa: T201

    def catch_up(self, history: History) -> None:
        """Note all epochs that a history has and the estimator hasn't."""
        estimator = self._estimator
        for epoch in range(estimator.n_iter_, history.epochs):
            estimator.n_iter_ += 1
            estimator.t_ += self._m
            estimator.loss_ = self._share * history.cost[epoch] + self._least + history.penalty[epoch]
            estimator.loss_curve_.append(estimator.loss_)
            if self._measured:
                estimator.validation_scores_.append(history.evaluations["validation"]["score"][epoch])
                loss = self._share * history.validation_cost[epoch] + self._least_of_validation
                estimator.validation_loss_curve_.append(loss)


def run(
    estimator: BaseMLP,
    objective: Objective,
    data: DataSet,
    validation: HeldOut | None,
    derivative_targets: Any,
) -> None:
    """Train the estimator's network by `cr.train`, and note what came of it.

    Raises InputError for a parameter that `cr.train` refuses, ValueError where training diverged and nothing better was
    kept, and whatever a callback or a metric raises; `history_` is there then, too.
    """
    refuse_what_cannot_be_resumed(estimator)
    curves = _Curves(estimator, objective, data, validation)
    estimator.n_iter_ = 0
    # what scikit-learn's loops would go on with is no longer where this network is
    estimator._optimizer, estimator._best_of, estimator._no_improvement_count = None, None, 0
    try:
        with warnings.catch_warnings(), named_by_parameter(estimator):
            warnings.simplefilter("ignore", DivergenceWarning)  # said below, in scikit-learn's way
            given = arguments(estimator, objective, data, validation, derivative_targets)
            given["callbacks"] = with_callback(given["callbacks"], curves)
            history = train(objective.net, **given, verbose=0)
    except BaseException as error:
        if hasattr(error, "history"):  # training had begun
            estimator.history_ = error.history
            curves.catch_up(error.history)  # a callback that raises comes before `curves`
        raise
    restores = bool(estimator.early_stopping) and validation is not None
    _note(estimator, history, restores)
    _say_how_it_ended(estimator, history, restores)


def _note(estimator: BaseMLP, history: History, restores: bool) -> None:
    """Set the attributes that are known at the end."""
    estimator.history_ = history
    scores = [score for score in estimator.validation_scores_ or () if not math.isnan(score)]
    by_score = restores and estimator.monitor == "score"
    curve = estimator.validation_loss_curve_ if restores else estimator.loss_curve_
    estimator.best_validation_score_ = max(scores, default=None) if by_score else None
    estimator.best_loss_ = None if by_score else min(curve, default=None)
    earlier, restored = len(estimator.loss_curve_) - history.epochs, history.restored_epoch
    estimator.best_iter_ = earlier + restored if restores and restored is not None else None
    if not estimator.loss_curve_:
        estimator.loss_ = math.nan


def _say_how_it_ended(estimator: BaseMLP, history: History, restores: bool) -> None:
    """Print, warn or raise as scikit-learn's loops do."""
    stacklevel = 5  # where `fit` was called
    if history.stopped == "divergence":
        message = in_parameters(history.message, estimator)
        message = message[:1].upper() + message[1:]
        has_something = history.restored_epoch is not None and (restores or not takes_batches(estimator))
        if not has_something:
            raise ValueError(f"{NOT_FINITE} {message}")
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)
        return
    if estimator.verbose:
        print(f"{history.message[:1].upper()}{history.message[1:]}.")  # noqa: T201 (scikit-learn prints why, too)
    if history.stopped == "epochs":
        message = f"Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't converged yet."
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)
    elif history.stopped == "interrupt":
        warnings.warn("Training interrupted by user.", stacklevel=stacklevel)
