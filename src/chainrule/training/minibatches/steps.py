"""An epoch of mini-batch steps (E15, E16): step by step in Python, or all at once in the compiled core."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.backend import Trainer
from chainrule.engine.network import Network
from chainrule.engine.reference import Backward, Run
from chainrule.engine.step_options import PLAIN, StepOptions
from chainrule.maths.penalties import squares
from chainrule.maths.updates import SGD, UpdateRule
from chainrule.training.examples.batches import Batches, DataSet, Examples
from chainrule.training.minibatches.kfac import KFAC, Preconditioner
from chainrule.training.minibatches.line_search import LineSearchSGD, Search, Step
from chainrule.training.minibatches.step_gradient import StepGradient, apply_update, step_gradient
from chainrule.training.progress.divergence import all_finite, culprit
from chainrule.training.progress.progressed import Progressed

if TYPE_CHECKING:
    from chainrule.training.minibatches.input_terms import InputTerm

_LOG = logging.getLogger("chainrule.training")

Ending = Literal["", "cost", "gradient"]
"""Why an epoch ended: all steps were taken, or the cost or gradient of the next one is not finite."""


@dataclass(frozen=True)
class Course:
    """What the steps of an epoch are to be, one for each batch.

    Step j follows factors[j] ∇C + penalties[j] W + l1[j] sign W with η = rates[j]; ∇C is the batch's (E10), λ that of
    (E29), λ₁ that of (E52). All are float64; without `l1` there is none. `first` is how many steps were taken before,
    `before` how many of these in the same epoch.
    """

    batches: Batches
    rates: NDArray[np.float64]
    penalties: NDArray[np.float64]
    factors: NDArray[np.float64]
    l1: NDArray[np.float64] | None = None
    first: int = 0
    before: int = 0

    def __len__(self) -> int:
        return len(self.batches)

    def l1_of(self, step: int) -> float:
        """λ₁ of a step."""
        return 0.0 if self.l1 is None else float(self.l1[step])


@dataclass
class Taken:
    """What the steps of an epoch found, one entry each, float64, and NaN where no step was taken.

    `costs` are C of each batch and `squares` Σ W², both before the batch's step; `norms` are those of the gradient
    that a step follows, before it is clipped. Where λ is 0, `squares` may be NaN. `done` steps were taken.
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


class Watcher(Protocol):
    """Is told of every batch, before its step and after it."""

    def before_batch(self, now: Progressed, rows: NDArray[np.int64]) -> None:
        """Rows of X are about to be trained on."""

    def after_batch(self, now: Progressed, rows: NDArray[np.int64], cost: float, run: Run, back: Backward) -> None:
        """The step was taken; `run` and `back` are what it was made of. Raises Ended to end training."""


class Stepper(Protocol):
    """Takes the steps of one run of training; θ is in `now`, the update rule's state in `state`."""

    @property
    def state(self) -> Any:
        """What the update rule remembers, after the last step taken; a copy, or never written to again."""

    @property
    def preconditioner(self) -> Preconditioner | None:
        """What K-FAC remembers besides, and None under another rule."""

    def use(self, data: DataSet) -> None:
        """Take the rows of these examples from now on."""

    def run(self, course: Course, now: Progressed, taken: Taken | None = None) -> Taken:
        """Take the steps of (a part of) an epoch as far as numbers are finite; θ and state are whole however it ends.

        `taken` is filled, from the first step that it lacks on. Raises what `now.breathe` and a watcher raise.
        """


def stepper(
    net: Network,
    data: Examples,
    rule: UpdateRule | KFAC,
    state: Any,
    parameters: NDArray[Any],
    batch_size: int,
    options: StepOptions = PLAIN,
    terms: tuple[InputTerm, ...] = (),
    watcher: Watcher | None = None,
) -> Stepper:
    """Take whole epochs at once where the backend can for this rule, these arrays and options, else step by step.

    Where the examples come in parts, `use` has to be called with each.
    """
    trainer, preconditioner, some = None, None, data.sample
    if isinstance(rule, KFAC):
        preconditioner, rule = Preconditioner(net, rule, options), rule.rule
    if not terms and watcher is None:
        batch = min(batch_size, len(data))
        trainer = net.engine.trainer(net.plan, rule, some.X, some.targets.values, some.weights, batch, options)
    if trainer is None:
        why = "the compiled core has no loop for this optimizer, its options, or these arrays"
        if watcher is not None:
            why = "callbacks look at batches"
        elif terms:
            why = "the cost has derivatives in the inputs"
        elif net.backend != "native":
            why = f"the backend is {net.backend}"
        _LOG.info("training goes step by step in Python: %s", why)
        search = Search(rule, net, options, terms, len(data)) if isinstance(rule, LineSearchSGD) else None
        core = None
        if not (terms or watcher or options.plain):  # the core knows the options, whatever it knows of the rule
            arrays = some.X, some.targets.values, some.weights
            core = net.engine.trainer(net.plan, SGD(), *arrays, min(batch_size, len(data)), options)
        return StepByStep(net, some, rule, state, options, terms, watcher, preconditioner, search, core)
    _LOG.info("training goes in the compiled core")
    return WholeEpoch(trainer, state, parameters, preconditioner=preconditioner, data=some)


class StepByStep:
    """The loop in Python, for any backend and any update rule."""

    def __init__(
        self,
        net: Network,
        data: DataSet,
        rule: UpdateRule,
        state: Any,
        options: StepOptions = PLAIN,
        terms: tuple[InputTerm, ...] = (),
        watcher: Watcher | None = None,
        preconditioner: Preconditioner | None = None,
        search: Search | None = None,
        core: Trainer | None = None,
    ) -> None:
        """`core` makes gradients by the same options, where the backend can; its own rule takes no step."""
        self._net, self._data, self._rule, self.state, self._core = net, data, rule, state, core
        self.preconditioner, self._search = preconditioner, search
        self._options, self._terms, self._watcher = options, terms, watcher
        # a rule that squares a larger gradient remembers infinity for good
        self._largest = math.sqrt(np.finfo(net.dtype).max)

    def use(self, data: DataSet) -> None:
        """Gather from these rows."""
        self._data = data
        if self._core is not None:
            self._core.use(data.X, data.targets.values, data.weights)

    def run(self, course: Course, now: Progressed, taken: Taken | None = None) -> Taken:
        """Take the steps one after the other."""
        taken = Taken.none_of(len(course)) if taken is None else taken
        plan, watcher = self._net.plan, self._watcher
        for step in range(taken.done, len(course)):
            now.breathe()
            rate, rows = float(course.rates[step]), course.batches[step]
            now.step, now.learning_rate = course.before + step + 1, rate
            if watcher is not None:
                watcher.before_batch(now, rows + self._data.first)
            found = self._gradient(course, step, now.parameters)
            if course.penalties[step]:
                taken.squares[step] = squares(now.parameters, plan.is_weight)
            taken.costs[step], taken.norms[step] = found.cost, found.norm
            if not math.isfinite(found.cost):
                taken.ending = "cost"
                break
            if not taken.norms[step] < self._largest:
                taken.ending = "gradient"
                break
            flat = found.flat
            if self.preconditioner is not None:
                _look(self.preconditioner, self._data, course, step, now.parameters)
                flat = self.preconditioner.direction(flat, rate)
            if self._search is not None:
                batch, number, factor = self._data.gather(rows), course.first + step, float(course.factors[step])
                this = Step(batch, rows, number, factor, float(course.penalties[step]), course.l1_of(step))
                rate, self.state = self._search.rate(self.state, now.parameters, found, this)
                now.learning_rate = rate
            self.state, now.parameters = apply_update(
                self._rule, self.state, now.parameters, flat, rate, self._options, plan
            )  # (E16)
            taken.done += 1
            now.taken += 1
            if watcher is not None and found.run is not None and found.back is not None:
                watcher.after_batch(now, rows + self._data.first, found.cost, found.run, found.back)
        return taken

    def _gradient(self, course: Course, step: int, parameters: NDArray[Any]) -> StepGradient:
        """What a step follows."""
        if self._core is None:
            keep = self._watcher is not None
            return _gradient(self._net, self._data, course, step, parameters, self._options, self._terms, keep)
        self._core.load(parameters, ())
        strengths = float(course.penalties[step]), course.l1_of(step), float(course.factors[step])
        cost, norm, flat = self._core.gradient(course.batches[step], *strengths, course.first + step)
        return StepGradient(cost, flat, norm)


class WholeEpoch:
    """An epoch in one call of the compiled core, or in calls of `at_once` steps; θ is up to date after each call."""

    def __init__(
        self,
        trainer: Trainer,
        state: Any,
        parameters: NDArray[Any],
        at_once: int | None = None,
        preconditioner: Preconditioner | None = None,
        data: DataSet | None = None,
    ) -> None:
        """`data` are what a preconditioner looks at."""
        self._trainer, self._at_once = trainer, at_once
        self.preconditioner, self._data = preconditioner, data
        self._told = False  # whether the core has the inverses
        trainer.load(parameters, state)

    @property
    def state(self) -> Any:
        """A copy of what the core remembers."""
        return self._trainer.state()

    def use(self, data: DataSet) -> None:
        """Hand the core other arrays."""
        self._data = data
        self._trainer.use(data.X, data.targets.values, data.weights)

    def run(self, course: Course, now: Progressed, taken: Taken | None = None) -> Taken:
        """Take the steps, some at a time."""
        taken = Taken.none_of(len(course)) if taken is None else taken
        while taken.done < len(course) and not taken.ending:
            now.breathe()
            at_once = min(self._at_once or len(course), self._look(course, taken.done, now))
            self._take(slice(taken.done, min(taken.done + at_once, len(course))), course, taken, now)
        return taken

    def _look(self, course: Course, step: int, now: Progressed) -> int:
        """Let K-FAC look at a step's batch, where it is time to; give how many steps it has seen enough for."""
        if self.preconditioner is None or self._data is None:
            return len(course)
        now.step, now.learning_rate = course.before + step + 1, float(course.rates[step])
        if _look(self.preconditioner, self._data, course, step, now.parameters) or not self._told:
            self._trainer.precondition(self.preconditioner.inverses, self.preconditioner.kl_clip)
            self._told = True
        return self.preconditioner.until(course.first + step)

    def _take(self, steps: slice, course: Course, taken: Taken, now: Progressed) -> None:
        found = (taken.costs[steps], taken.norms[steps], taken.squares[steps])
        bounds = course.batches.bounds[steps.start : steps.stop + 1]
        l1 = np.zeros(len(course)) if course.l1 is None else course.l1
        ending = ""
        try:
            done, ending = self._trainer.run(
                course.batches.rows[bounds[0] : bounds[-1]],
                bounds - bounds[0],
                course.rates[steps],
                course.penalties[steps],
                l1[steps],
                course.factors[steps],
                course.first + steps.start,
                *found,
                now.asked,
            )
            taken.done = steps.start + done
        except BaseException:  # a second Ctrl-C, or the only one where there is no `interrupt`
            taken.done = steps.start + int(np.isfinite(found[1]).sum())
            raise
        finally:
            now.taken += taken.done - steps.start
            now.parameters = self._trainer.parameters()
            taken.ending = "cost" if ending == "cost" else "gradient" if ending == "gradient" else ""
            step = taken.done + bool(taken.ending)
            now.step = course.before + step
            if step:
                now.learning_rate = float(course.rates[step - 1])


def _look(preconditioner: Preconditioner, data: DataSet, course: Course, step: int, parameters: NDArray[Any]) -> bool:
    """Let K-FAC look at a step's batch; say whether its inverses are new."""
    factor, penalty = float(course.factors[step]), float(course.penalties[step])
    return preconditioner.look(
        course.first + step, parameters, lambda: data.gather(course.batches[step]), factor, penalty
    )


def what_diverged(
    net: Network,
    data: DataSet,
    course: Course,
    taken: Taken,
    parameters: NDArray[Any],
    options: StepOptions = PLAIN,
    terms: tuple[InputTerm, ...] = (),
) -> str:
    """Name the first number that is not finite in the step that was not taken, or of θ after the last one; else ""."""
    if taken.ending:
        found = _gradient(net, data, course, taken.done, parameters, options, terms)
        optional = not options.plain or bool(terms) or bool(course.l1_of(taken.done))
        batch = data.gather(course.batches[taken.done])
        return culprit(net, parameters, [batch], found.flat, optional=optional)
    return "" if all_finite(parameters) else culprit(net, parameters)


def _gradient(
    net: Network,
    data: DataSet,
    course: Course,
    step: int,
    parameters: NDArray[Any],
    options: StepOptions,
    terms: tuple[InputTerm, ...],
    keep: bool = False,
) -> StepGradient:
    """C of a step's batch, and the gradient that the update rule is given, (|θ|,)."""
    return step_gradient(
        net,
        parameters,
        data.gather(course.batches[step]),
        options,
        course.first + step,
        factor=float(course.factors[step]),
        penalty=float(course.penalties[step]),
        l1=course.l1_of(step),
        terms=terms,
        rows=course.batches[step],
        keep=keep,
    )
