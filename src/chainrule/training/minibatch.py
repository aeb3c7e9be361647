"""The mini-batch loop of (E15) and (E16)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.maths.schedules import Adaptive, ByTime, Constant, RatePolicy
from chainrule.maths.updates import UpdateRule
from chainrule.training.batches import Batches, DataSet
from chainrule.training.divergence import DivergenceError
from chainrule.training.history import Reason
from chainrule.training.steps import Course, Progressed, stepper, what_diverged


def run(
    net: Network,
    data: DataSet,
    rule: UpdateRule,
    rates: RatePolicy,
    penalty: float,
    batch_size: int,
    rng: np.random.Generator | None,
    epochs: int,
    now: Progressed,
    end_epoch: Callable[[], float | None],
) -> Reason:
    """Train up to `epochs` epochs; `now` is brought up to date after every step, `end_epoch` called after each epoch.

    One step is (E15): forward, backward, then the update of all layers at once (E16). `end_epoch` gives the cost that
    an adaptive rate looks at, or None to end training.
    Raises DivergenceError when a cost, a gradient or a parameter is not finite, Interrupted after Ctrl-C.
    """
    plan = net.plan
    steps = stepper(net, data, rule, rule.initial(now.parameters, plan.is_weight), now.parameters, batch_size)
    rate_state = rates.start()
    total = data.mass(slice(None))
    batches = data.batches(batch_size, np.arange(len(data)))
    for epoch in range(epochs):
        now.epoch, now.step = epoch + 1, 0
        if rng is not None:
            batches = data.batches(batch_size, rng.permutation(len(data)))
        # each batch's step is the objective's on average, also where weights differ from batch to batch (E29)
        penalties, factors = np.full(len(batches), penalty), np.ones(len(batches))
        if plan.reduction == "sum":
            penalties *= batches.masses / total
        elif data.weights is not None:
            factors = batches.masses / total * len(data) / batches.sizes
        course = Course(batches, _rates(rates, rate_state, epoch, batches, len(data), batch_size), penalties, factors)
        taken = steps.run(course, now)
        diverged = what_diverged(net, data, course, taken, now.parameters)
        if diverged:
            raise DivergenceError(diverged)
        if plan.reduction == "mean":
            now.cost = float((taken.costs * batches.masses).sum() / batches.masses.sum())
        else:
            now.cost = float(sum(taken.costs))
        now.gradient_norm = float(taken.norms.mean())
        monitored = end_epoch()
        if monitored is None:
            break
        rate_state = rates.after_epoch(rate_state, monitored)
        if rates.ended(rate_state):
            return "learning_rate"
    return "epochs"


def _rates(rates: RatePolicy, state: Any, epoch: int, batches: Batches, m: int, batch_size: int) -> NDArray[np.float64]:
    """η of each step of an epoch; only a schedule that changes within one is asked for every step."""
    n_steps = len(batches)
    if isinstance(rates, Adaptive) or (isinstance(rates, ByTime) and isinstance(rates.schedule, Constant)):
        return np.full(n_steps, rates.rate(state, epoch))
    of_an_epoch = math.ceil(m / batch_size)  # those that are left out for their weights included
    return np.array([rates.rate(state, epoch + step / of_an_epoch) for step in range(n_steps)])
