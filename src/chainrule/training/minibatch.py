"""The mini-batch loop of (E15) and (E16)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.maths.penalties import l2_gradient
from chainrule.maths.schedules import RatePolicy
from chainrule.maths.updates import UpdateRule
from chainrule.training.batches import DataSet, mass
from chainrule.training.divergence import DivergenceError, culprit, norm
from chainrule.training.history import Reason
from chainrule.training.interrupt import Interrupt


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
    plan, backend = net.plan, net.engine
    state = rule.initial(now.parameters, plan.is_weight)
    rate_state = rates.start()
    n_steps = math.ceil(len(data) / batch_size)
    total = data.mass(slice(None))
    largest = math.sqrt(np.finfo(plan.dtype).max)  # a rule that squares a larger gradient remembers infinity for good
    for epoch in range(epochs):
        now.epoch, now.step = epoch + 1, 0
        costs, shares, norms = [], [], []
        order = np.arange(len(data)) if rng is None else rng.permutation(len(data))
        for batch in data.batches(batch_size, order):
            now.interrupt.check()
            now.learning_rate = rates.rate(rate_state, epoch + now.step / n_steps)
            now.step += 1
            X, Y, weights = batch
            cost, gradient = backend.value_and_gradient(plan, now.parameters, X, Y, weights)
            share = mass(batch)
            # each batch's step is the objective's on average, also where weights differ from batch to batch (E29)
            flat, strength = gradient.flat, penalty
            if plan.reduction == "sum":
                strength = penalty * share / total
            elif weights is not None:
                flat = (share / total * len(data) / len(X)) * flat
            if penalty:
                flat = flat + l2_gradient(now.parameters, plan.is_weight, strength)
            size = norm(flat)
            if not (math.isfinite(cost) and size < largest):
                raise DivergenceError(culprit(net, now.parameters, [batch], flat))
            state, now.parameters = rule.update(state, now.parameters, flat, now.learning_rate)  # (E16)
            costs.append(float(cost))
            shares.append(share)
            norms.append(size)
        if not math.isfinite(norm(now.parameters)):
            raise DivergenceError(culprit(net, now.parameters))
        now.cost = sum(costs) if plan.reduction == "sum" else float(np.average(costs, weights=shares))
        now.gradient_norm = sum(norms) / len(norms)
        monitored = end_epoch()
        if monitored is None:
            break
        rate_state = rates.after_epoch(rate_state, monitored)
        if rates.ended(rate_state):
            return "learning_rate"
    return "epochs"
