"""The mini-batch loop of (E15) and (E16)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.step_options import PLAIN, StepOptions
from chainrule.maths.schedules import Adaptive, ByTime, Constant, RatePolicy
from chainrule.maths.updates import UpdateRule
from chainrule.training.examples.batches import BatchSizes, DataSet, Examples
from chainrule.training.minibatches.kfac import KFAC
from chainrule.training.minibatches.states import leaves, rebuilt
from chainrule.training.minibatches.steps import Course, Taken, Watcher, stepper, what_diverged
from chainrule.training.progress.divergence import DivergenceError
from chainrule.training.progress.history import Reason
from chainrule.training.progress.progressed import Progressed

if TYPE_CHECKING:
    from chainrule.training.minibatches.input_terms import InputTerm


@dataclass(frozen=True)
class Recipe:
    """How mini-batches are trained on: `sizes` of the batches of each epoch, and what every step is made of.

    `penalty` and `l1` are λ of (E29) and λ₁ of (E52). `rng` draws the order of the examples; None keeps theirs.
    """

    rule: UpdateRule | KFAC
    rates: RatePolicy
    sizes: BatchSizes
    rng: np.random.Generator | None = None
    penalty: float = 0.0
    l1: float = 0.0
    options: StepOptions = PLAIN
    terms: tuple[InputTerm, ...] = ()
    watcher: Watcher | None = None


@dataclass(frozen=True)
class Sums:
    """Over the steps of an epoch so far, in their order: C of the batches times what they count, masses, norms."""

    steps: int = 0
    cost: float = 0.0
    mass: float = 0.0
    norm: float = 0.0

    def plus(self, course: Course, taken: Taken, reduction: str) -> Sums:
        """Add the steps taken of a course that stands behind these sums, some of whose first ones may be in them."""
        new = slice(self.steps - course.before, taken.done)
        masses, costs = course.batches.masses[new], taken.costs[new]
        return Sums(
            course.before + taken.done,
            _added(self.cost, costs * masses if reduction == "mean" else costs),
            _added(self.mass, masses),
            _added(self.norm, taken.norms[new]),
        )


def _added(begun: float, numbers: NDArray[np.float64]) -> float:
    """Add numbers one after the other, so that it makes no difference in how many parts they come."""
    return float(np.add.accumulate(np.concatenate([[begun], numbers]))[-1])


def run(net: Network, data: Examples, recipe: Recipe, now: Progressed, end_epoch: Callable[[], float | None]) -> Reason:
    """Train an epoch for each of `recipe.sizes`; `now` is brought up to date after every step.

    One step is (E15): forward, backward, then the update of all layers at once (E16). `end_epoch` is called after each
    epoch; it gives the cost that an adaptive rate looks at, or None to end training.
    Raises DivergenceError when a cost, a gradient or a parameter is not finite, and what `now.breathe` raises.
    """
    plan, rule, rates, rng = net.plan, recipe.rule, recipe.rates, recipe.rng
    state, rate_state = rule.initial(now.parameters, plan.is_weight), rates.start()
    order_before = None if rng is None else rng.bit_generator.state  # of the epoch that is on its way
    epoch, sums = 0, Sums()
    part: tuple[Course, Taken] | None = None  # of the epoch that is on its way, while steps are taken in it
    if now.resumed is not None:
        epoch, sums = now.resumed["epoch"], Sums(**now.resumed["sums"])
        state = rebuilt(state, now.resumed["rule"])
        rate_state = rebuilt(rate_state, now.resumed["rates"])
        if rng is not None:
            rng.bit_generator.state = order_before = now.resumed["order"]
        if now.monitored is not None:
            rate_state = rates.after_epoch(rate_state, now.monitored)
            if rates.ended(rate_state):
                return "learning_rate"
    largest = recipe.sizes.largest
    steps = stepper(net, data, rule, state, now.parameters, largest, recipe.options, recipe.terms, recipe.watcher)
    if now.resumed is not None and steps.preconditioner is not None:
        steps.preconditioner.resume(now.resumed["preconditioner"])

    def snapshot() -> dict[str, Any]:
        so_far = sums if part is None else sums.plus(*part, plan.reduction)
        return {
            "epoch": epoch,
            "rule": leaves(steps.state),
            "rates": leaves(rate_state),
            "order": copy.deepcopy(order_before),
            "sums": asdict(so_far),
            "preconditioner": None if steps.preconditioner is None else steps.preconditioner.snapshot(),
        }

    now.snapshot = snapshot
    while epoch < recipe.sizes.epochs:
        now.epoch, now.step = epoch + 1, 0
        now.breathe()
        now.begin_epoch()
        size = recipe.sizes[epoch]
        first = now.taken - sums.steps
        for some, course in courses(data, recipe, plan.reduction, rate_state, epoch, first, size, now.breathe):
            taken = Taken.none_of(len(course))
            taken.done = min(sums.steps - course.before, len(course))  # more than 0 where a run goes on
            if taken.done == len(course):
                continue
            part = course, taken
            steps.use(some)
            steps.run(course, now, taken)
            diverged = what_diverged(net, some, course, taken, now.parameters, recipe.options, recipe.terms)
            if diverged:
                raise DivergenceError(diverged)
            sums, part = sums.plus(course, taken, plan.reduction), None
        now.cost = sums.cost / sums.mass if plan.reduction == "mean" else sums.cost
        now.gradient_norm = sums.norm / sums.steps
        sums, epoch = Sums(), epoch + 1
        order_before = None if rng is None else rng.bit_generator.state
        monitored = end_epoch()
        if monitored is None:
            break
        rate_state = rates.after_epoch(rate_state, monitored)
        if rates.ended(rate_state):
            return "learning_rate"
    return "epochs"


def courses(
    data: Examples,
    recipe: Recipe,
    reduction: str,
    rate_state: Any,
    epoch: int,
    first: int,
    size: int,
    breathe: Callable[[], None],
) -> Iterator[tuple[DataSet, Course]]:
    """Draw the order of an epoch's examples, and say for each part of them what its steps are to be.

    `first` is how many steps were taken before the epoch; `breathe` is called while rows are waited for.
    """
    m, total, before = len(data), data.total, 0
    for part, batches in data.epoch(size, recipe.rng, breathe):
        # each batch's step is the objective's on average, also where weights differ from batch to batch (E29)
        shares, factors = np.ones(len(batches)), np.ones(len(batches))
        if reduction == "sum":
            shares = batches.masses / total
        elif part.weights is not None:
            factors = batches.masses / total * m / batches.sizes
        rates = _rates(recipe.rates, rate_state, epoch, slice(before, before + len(batches)), m, size)
        l1 = recipe.l1 * shares if recipe.l1 else None
        yield part, Course(batches, rates, recipe.penalty * shares, factors, l1, first + before, before)
        before += len(batches)


def _rates(rates: RatePolicy, state: Any, epoch: int, steps: slice, m: int, batch_size: int) -> NDArray[np.float64]:
    """η of some steps of an epoch; only a schedule that changes within one is asked for every step."""
    if isinstance(rates, Adaptive) or (isinstance(rates, ByTime) and isinstance(rates.schedule, Constant)):
        return np.full(steps.stop - steps.start, rates.rate(state, epoch))
    of_an_epoch = math.ceil(m / batch_size)  # those that are left out for their weights included
    return np.array([rates.rate(state, epoch + step / of_an_epoch) for step in range(steps.start, steps.stop)])
