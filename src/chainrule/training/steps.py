"""An epoch of mini-batch steps (E15, E16): step by step in Python, or all at once in the compiled core."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.backend import Trainer
from chainrule.engine.network import Network
from chainrule.maths.penalties import l2_gradient, squares
from chainrule.maths.updates import UpdateRule
from chainrule.training.batches import Batches, DataSet
from chainrule.training.divergence import all_finite, culprit, norm
from chainrule.training.interrupt import Interrupt, Interrupted

Ending = Literal["", "cost", "gradient"]
"""Why an epoch ended: all steps were taken, or the cost or gradient of the next one is not finite."""


@dataclass
class Progressed:
    """How far a solver has come; `parameters` is complete after every step. Solvers check `interrupt` between steps."""

    parameters: NDArray[Any]
    interrupt: Interrupt = field(default_factory=Interrupt)
    epoch: int = 0
    step: int = 0
    cost: float = math.nan
    gradient_norm: float = math.nan
    learning_rate: float = math.nan


@dataclass(frozen=True)
class Course:
    """What the steps of an epoch are to be, one for each batch.

    Step j follows factors[j] ∇C + penalties[j] W with η = rates[j]; ∇C is the batch's (E10), λ that of (E29). All three
    are float64.
    """

    batches: Batches
    rates: NDArray[np.float64]
    penalties: NDArray[np.float64]
    factors: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.batches)


@dataclass
class Taken:
    """What the steps of an epoch found, one entry each, float64, and NaN where no step was taken.

    `costs` are C of each batch and `squares` Σ W², both before the batch's step; `norms` are ‖factor·∇C + λW‖₂. Where
    λ is 0, `squares` may be NaN. `done` steps were taken.
    """

    costs: NDArray[np.float64]
    norms: NDArray[np.float64]
    squares: NDArray[np.float64]
    done: int = 0
    ending: Ending = ""

    @classmethod
    def none_of(cls, n_steps: int) -> Taken:
        """Begin with no step taken."""
        costs, norms, squares = np.full((3, n_steps), math.nan)
        return cls(costs, norms, squares)


class Stepper(Protocol):
    """Takes the steps of one run of training; θ is in `now`, the update rule's state in `state`."""

    @property
    def state(self) -> Any:
        """What the update rule remembers, after the last step taken; a copy, or never written to again."""

    def run(self, course: Course, now: Progressed) -> Taken:
        """Take the steps of an epoch, as far as numbers are finite; θ and state are whole after any way to leave.

        Raises Interrupted after Ctrl-C.
        """


def stepper(
    net: Network, data: DataSet, rule: UpdateRule, state: Any, parameters: NDArray[Any], batch_size: int
) -> Stepper:
    """Take whole epochs at once where the backend can for this rule and these arrays, else step by step."""
    batch = min(batch_size, len(data))
    trainer = net.engine.trainer(net.plan, rule, data.X, data.targets.values, data.weights, batch)
    if trainer is None:
        return StepByStep(net, data, rule, state)
    return WholeEpoch(trainer, state, parameters)


class StepByStep:
    """The loop in Python, for any backend and any update rule."""

    def __init__(self, net: Network, data: DataSet, rule: UpdateRule, state: Any) -> None:
        self._net, self._data, self._rule, self.state = net, data, rule, state
        # a rule that squares a larger gradient remembers infinity for good
        self._largest = math.sqrt(np.finfo(net.dtype).max)

    def run(self, course: Course, now: Progressed) -> Taken:
        """Take the steps one after the other."""
        taken = Taken.none_of(len(course))
        for step, rate in enumerate(course.rates.tolist()):
            now.interrupt.check()
            now.step, now.learning_rate = step + 1, rate
            cost, gradient = _value_and_gradient(self._net, self._data, course, step, now.parameters)
            if course.penalties[step]:
                taken.squares[step] = squares(now.parameters, self._net.plan.is_weight)
            taken.costs[step], taken.norms[step] = cost, norm(gradient)
            if not math.isfinite(cost):
                taken.ending = "cost"
                break
            if not taken.norms[step] < self._largest:
                taken.ending = "gradient"
                break
            self.state, now.parameters = self._rule.update(self.state, now.parameters, gradient, rate)  # (E16)
            taken.done += 1
        return taken


class WholeEpoch:
    """An epoch in one call of the compiled core, or in calls of `at_once` steps; θ is up to date after each call."""

    def __init__(self, trainer: Trainer, state: Any, parameters: NDArray[Any], at_once: int | None = None) -> None:
        self._trainer, self._at_once = trainer, at_once
        trainer.load(parameters, state)

    @property
    def state(self) -> Any:
        """A copy of what the core remembers."""
        return self._trainer.state()

    def run(self, course: Course, now: Progressed) -> Taken:
        """Take the steps, some at a time."""
        taken = Taken.none_of(len(course))
        at_once = self._at_once or len(course)
        for first in range(0, len(course), at_once):
            now.interrupt.check()
            self._take(slice(first, min(first + at_once, len(course))), course, taken, now)
            if taken.ending:
                break
        return taken

    def _take(self, steps: slice, course: Course, taken: Taken, now: Progressed) -> None:
        found = (taken.costs[steps], taken.norms[steps], taken.squares[steps])
        bounds = course.batches.bounds[steps.start : steps.stop + 1]
        ending = ""
        try:
            done, ending = self._trainer.run(
                course.batches.rows[bounds[0] : bounds[-1]],
                bounds - bounds[0],
                course.rates[steps],
                course.penalties[steps],
                course.factors[steps],
                *found,
                lambda: now.interrupt.requested,
            )
            taken.done = steps.start + done
        except BaseException:  # a second Ctrl-C, or the only one where there is no `interrupt`
            taken.done = steps.start + int(np.isfinite(found[1]).sum())
            raise
        finally:
            now.parameters = self._trainer.parameters()
            taken.ending = "cost" if ending == "cost" else "gradient" if ending == "gradient" else ""
            now.step = taken.done + bool(taken.ending)
            if now.step:
                now.learning_rate = float(course.rates[now.step - 1])
        if ending == "stopped":
            raise Interrupted


def what_diverged(net: Network, data: DataSet, course: Course, taken: Taken, parameters: NDArray[Any]) -> str:
    """Name the first number that is not finite in the step that was not taken, or of θ after the last one; else ""."""
    if taken.ending:
        _, gradient = _value_and_gradient(net, data, course, taken.done, parameters)
        return culprit(net, parameters, [data.gather(course.batches[taken.done])], gradient)
    return "" if all_finite(parameters) else culprit(net, parameters)


def _value_and_gradient(
    net: Network, data: DataSet, course: Course, step: int, parameters: NDArray[Any]
) -> tuple[float, NDArray[Any]]:
    """C of a step's batch, and the gradient that the update rule is given, (|θ|,)."""
    plan = net.plan
    X, Y, weights = data.gather(course.batches[step])
    cost, gradient = net.engine.value_and_gradient(plan, parameters, X, Y, weights)
    factor, penalty, flat = float(course.factors[step]), float(course.penalties[step]), gradient.flat
    if factor != 1:
        flat = factor * flat
    if penalty:
        flat = flat + l2_gradient(parameters, plan.is_weight, penalty)
    return float(cost), flat
