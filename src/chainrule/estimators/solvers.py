"""scikit-learn's two loops: mini-batches by SGD or Adam, and L-BFGS, with its counts, texts and rules for stopping.

Both write what they find to the estimator's attributes after every epoch, under scikit-learn's names.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import shuffle

from chainrule.estimators.objective import Objective
from chainrule.maths.penalties import l2
from chainrule.maths.schedules import InverseScaling
from chainrule.maths.updates import Adam, Momentum, Nesterov, UpdateRule
from chainrule.training.examples.batches import DataSet
from chainrule.training.minibatches.steps import Course, Stepper, stepper, what_diverged
from chainrule.training.progress.divergence import DivergenceError
from chainrule.training.progress.progressed import Progressed
from chainrule.training.whole_set.lbfgs import LBFGS, minimise

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

Measure: TypeAlias = Callable[[NDArray[Any]], tuple[float, float]]
"""From θ to score and loss on the validation set."""

STOCHASTIC_SOLVERS = ("sgd", "adam")
SMALLEST_ADAPTIVE_RATE = 1e-6
LBFGS_COST_TOLERANCE = 1e7 * float(np.finfo(float).eps)  # SciPy's own default
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


@dataclass
class Optimizer:
    """What `partial_fit` goes on with: update rule, what it remembers, and the learning rate at hand.

    As in scikit-learn its settings are those of when it was made; a later `set_params` counts from the next `fit` on.
    """

    rule: UpdateRule
    state: Any
    learning_rate: float
    initial_rate: float
    schedule: str = "constant"
    power: float = 0.5

    @classmethod
    def of(cls, estimator: BaseMLP, parameters: NDArray[Any], is_weight: NDArray[Any]) -> Optimizer:
        """Make the update rule of `solver` (E17, E18 or E20), its state at the beginning."""
        rule: UpdateRule
        rate, schedule = float(estimator.learning_rate_init), "constant"  # Adam has no schedule
        if estimator.solver == "adam":
            rule = Adam(estimator.beta_1, estimator.beta_2, estimator.epsilon, epsilon_hat=True)
        else:
            rule = (Nesterov if estimator.nesterovs_momentum else Momentum)(estimator.momentum)
            schedule = estimator.learning_rate
        return cls(rule, rule.initial(parameters, is_weight), rate, rate, schedule, float(estimator.power_t))

    def after_epoch(self, examples_seen: int) -> None:
        """Let an inverse scaling fall (E26), with t in examples instead of epochs."""
        if self.schedule == "invscaling":
            self.learning_rate = InverseScaling(self.initial_rate, self.power).rate(examples_seen)

    def at_end_of_patience(self) -> tuple[bool, str]:
        """Say whether training ends, and in words what comes next; an adaptive rate is divided by 5 first."""
        if self.schedule != "adaptive":
            return True, "Stopping."
        if self.learning_rate <= SMALLEST_ADAPTIVE_RATE:
            return True, "Learning rate too small. Stopping."
        self.learning_rate /= 5.0
        return False, f"Setting learning rate to {self.learning_rate:f}"


class BestEpoch:
    """Follows the epochs of an estimator: the best one so far, and for how many there has been none better.

    It looks at the score or the loss on the validation set under early stopping, at the training loss without. Its rule
    is scikit-learn's, not that of `cr.EarlyStopping`: a tie of exactly `tol` is no wait, patience ends one epoch later,
    and best and patience outlive a fit under warm_start, as long as the same thing is looked at.
    """

    def __init__(self, estimator: BaseMLP, parameters: NDArray[Any], restores: bool) -> None:
        self.estimator, self.restores = estimator, restores
        self.what = f"Validation {estimator.monitor}" if restores else "Training loss"
        self.by_score = self.what == "Validation score"
        if getattr(estimator, "_best_of", None) != self.what:
            estimator._best_of, estimator.best_iter_ = self.what, None
            estimator.best_validation_score_ = -math.inf if self.by_score else None
            estimator.best_loss_ = None if self.by_score else math.inf
        # under warm_start the best so far is what the last fit ended with
        self.parameters: NDArray[Any] | None = None if estimator.best_iter_ is None else parameters

    def after_epoch(self, parameters: NDArray[Any]) -> None:
        """Take the last epoch's figures into account."""
        estimator, tol = self.estimator, self.estimator.tol
        if self.by_score:
            latest, best = estimator.validation_scores_[-1], estimator.best_validation_score_
            improved, waits = latest > best, latest < best + tol
        else:
            latest = (estimator.validation_loss_curve_ if self.restores else estimator.loss_curve_)[-1]
            best = estimator.best_loss_
            improved, waits = latest < best, latest > best - tol
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if waits else 0
        if improved:
            if self.by_score:
                estimator.best_validation_score_ = latest
            else:
                estimator.best_loss_ = latest
            if self.restores:
                estimator.best_iter_ = len(estimator.loss_curve_)
                self.parameters = parameters

    @property
    def waited_enough(self) -> bool:
        """Whether patience is at its end."""
        return bool(self.estimator._no_improvement_count > self.estimator.n_iter_no_change)

    def sentence(self) -> str:
        """Say what has not improved, in scikit-learn's words."""
        tol, epochs = self.estimator.tol, self.estimator.n_iter_no_change
        return f"{self.what} did not improve more than tol={tol:f} for {epochs} consecutive epochs."


def run_stochastic(
    estimator: BaseMLP, objective: Objective, data: DataSet, measure: Measure | None, incremental: bool
) -> None:
    """Train by mini-batches; the network's θ is brought up to date at the end, however it comes.

    Raises ValueError, in scikit-learn's words, when numbers stop being finite and nothing better was kept.
    """
    net, m = objective.net, len(data)
    finite = net.parameters.copy()
    now = Progressed(finite)
    if not incremental or getattr(estimator, "_optimizer", None) is None:
        estimator._optimizer = Optimizer.of(estimator, finite, net.plan.is_weight)
    optimizer = estimator._optimizer
    best = BestEpoch(estimator, finite, restores=estimator.early_stopping)
    size = batch_size(estimator, m)
    steps = stepper(net, data, optimizer.rule, optimizer.state, finite, size)
    least = objective.least(data)
    order = np.arange(m)
    diverged = ""
    _begin(estimator, measure)
    try:
        for _ in range(estimator.max_iter):
            if estimator.shuffle:
                order = shuffle(order, random_state=estimator._random_state)
            course = objective.course(data.batches(size, order), optimizer.learning_rate)
            total_loss, diverged = _epoch(objective, steps, course, least, data, now)
            estimator.n_iter_ += 1
            estimator.t_ += m
            _record(estimator, total_loss / m, measure, None if diverged else now.parameters)
            if diverged:
                break
            finite = now.parameters
            best.after_epoch(finite)
            optimizer.after_epoch(estimator.t_)
            if best.waited_enough:
                stops, then = optimizer.at_end_of_patience()
                if estimator.verbose:
                    print(f"{best.sentence()} {then}")  # noqa: T201
                if stops:
                    break
                estimator._no_improvement_count = 0
            if incremental:
                break
            if estimator.n_iter_ == estimator.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization "
                    "hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
        finite = now.parameters if np.isfinite(now.parameters).all() else finite
    finally:
        optimizer.state = steps.state
    net.parameters[...] = finite if best.parameters is None else best.parameters
    if diverged:
        _say_divergence(estimator, diverged, best.parameters is not None)


def _epoch(
    objective: Objective, steps: Stepper, course: Course, least: NDArray[Any] | None, data: DataSet, now: Progressed
) -> tuple[float, str]:
    """Take a step for each batch. Gives the sum of losses, and where the first number is that isn't finite, or ""."""
    taken = steps.run(course, now)
    tried = slice(taken.done + bool(taken.ending))
    total = float(objective.losses(course, taken, least, data)[tried] @ course.batches.sizes[tried])
    return total, what_diverged(objective.net, data, course, taken, now.parameters)


def _begin(estimator: BaseMLP, measure: Measure | None) -> None:
    """Set what counts from the beginning of a fit, and the lists of a validation set where there is one."""
    estimator.n_iter_ = 0
    if measure is not None and estimator.validation_scores_ is None:
        estimator.validation_scores_, estimator.validation_loss_curve_ = [], []


def _record(estimator: BaseMLP, loss: float, measure: Measure | None, parameters: NDArray[Any] | None) -> None:
    """Note and print an epoch's figures; those of the validation set are NaN where there are no finite parameters."""
    estimator.loss_ = loss
    estimator.loss_curve_.append(loss)
    if estimator.verbose:
        print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")  # noqa: T201 (scikit-learn's own)
    if measure is not None:
        score, validation_loss = (math.nan, math.nan) if parameters is None else measure(parameters)
        estimator.validation_scores_.append(score)
        estimator.validation_loss_curve_.append(validation_loss)
        if estimator.verbose:
            print(f"Validation score: {score:f}")  # noqa: T201


def batch_size(estimator: BaseMLP, m: int, stacklevel: int = 5) -> int:
    """How many examples a batch has; warns where scikit-learn does."""
    if estimator.batch_size == "auto":
        return min(200, m)
    if estimator.batch_size > m:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=stacklevel,
        )
    return int(estimator.batch_size)


def _say_divergence(estimator: BaseMLP, where: str, kept_best: bool) -> None:
    what = f"Training diverged in epoch {len(estimator.loss_curve_)}: {where}."
    if kept_best:
        remedy = "Lower learning_rate_init or scale X."
        warnings.warn(
            f"{what} The parameters are those after epoch {estimator.best_iter_}, the best one. {remedy}",
            ConvergenceWarning,
            stacklevel=5,
        )
        return
    raise ValueError(f"{NOT_FINITE} {what} Lower learning_rate_init, or scale the columns of X to about 1.")


def run_lbfgs(estimator: BaseMLP, objective: Objective, data: DataSet, measure: Measure | None) -> None:
    """Train by L-BFGS (E30) on the whole set; the network's θ is brought up to date at the end, however it comes.

    Raises ValueError, in scikit-learn's words, when the first cost or gradient is not finite.
    """
    net = objective.net
    strength = objective.penalty(data.mass(slice(None)))
    now = Progressed(net.parameters.copy())
    rule = LBFGS(gradient_tolerance=estimator.tol, cost_tolerance=LBFGS_COST_TOLERANCE)
    # scikit-learn's lbfgs passes early_stopping over; a validation set of the user's own is there to be looked at
    stops = estimator.early_stopping and measure is not None
    best = BestEpoch(estimator, now.parameters, restores=stops)

    def shown(cost: float, parameters: NDArray[Any]) -> float:
        return objective.shown_of(cost, data) + float(l2(parameters, net.plan.is_weight, strength))

    def end_epoch() -> float | None:
        estimator.n_iter_ += 1
        _record(estimator, shown(now.cost, now.parameters), measure, now.parameters)
        best.after_epoch(now.parameters)
        if stops and best.waited_enough:
            if estimator.verbose:
                print(f"{best.sentence()} Stopping.")  # noqa: T201
            return None
        return float(estimator.loss_)

    _begin(estimator, measure)
    try:
        result = minimise(net, data, rule, strength, estimator.max_iter, estimator.max_fun, now, end_epoch)
        if not estimator.n_iter_:
            estimator.loss_ = shown(data.cost(net, now.parameters), now.parameters)
        if result.status != 0 and not (stops and best.waited_enough):
            warnings.warn(
                f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) (status={result.status}):\n"
                f"{result.message}\n\nIncrease the number of iterations (max_iter) or scale the data as shown in:\n"
                "    https://scikit-learn.org/stable/modules/preprocessing.html",
                ConvergenceWarning,
                stacklevel=4,
            )
    except DivergenceError as error:
        if not estimator.n_iter_:
            raise ValueError(f"{NOT_FINITE} Training diverged in its first step: {error}.") from None
        warnings.warn(
            f"lbfgs stopped after {estimator.n_iter_} iteration(s): its next step led to numbers that are not finite: "
            f"{error}. The parameters are those before that step. Scale the columns of X to about 1.",
            ConvergenceWarning,
            stacklevel=4,
        )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    net.parameters[...] = now.parameters if best.parameters is None else best.parameters
