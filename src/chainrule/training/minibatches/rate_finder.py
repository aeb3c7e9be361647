"""`learning_rate="find"`: a range test (E72), on a copy of the network, before training begins."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.maths.schedules import ByTime, Constant, RatePolicy, rate_policy
from chainrule.maths.updates import Rprop
from chainrule.training.examples.batches import Batches, Examples
from chainrule.training.minibatches.loop import Recipe, courses
from chainrule.training.minibatches.steps import Course, Taken, stepper
from chainrule.training.progress.divergence import DivergenceError, all_finite
from chainrule.training.progress.history import RateSearch
from chainrule.training.progress.progressed import Progressed

FIND = "find"
_LEAST, _LARGEST, _A_DECADE = 1e-8, 1e2, 20
_SMOOTHING = 0.9  # β of (E72)
_SHARE = 1 / 8
_EXPLODED = 3.0
_AT_ONCE = 10  # steps between two looks at the cost

RATES: NDArray[np.float64] = np.geomspace(_LEAST, _LARGEST, round(_A_DECADE * math.log10(_LARGEST / _LEAST)) + 1)
"""η of each step of a range test: 201 rates from 1e-8 to 100, twenty a decade."""


def read_rate(learning_rate: Any, optimizer: Any) -> RatePolicy | None:
    """Read `learning_rate`; None where it is to be found. Rprop takes a number alone. Raises InputError."""
    is_found = isinstance(learning_rate, str) and learning_rate == FIND
    policy = None if is_found else rate_policy(learning_rate)
    constant = isinstance(policy, ByTime) and isinstance(policy.schedule, Constant)
    if isinstance(optimizer, Rprop) and not constant:
        hint = "Its step sizes find themselves; leave learning_rate out."
        got = "rprop, which looks at that of its first step alone"
        what = 'learning_rate="find"' if is_found else f"learning_rate={learning_rate!r:.60}"
        raise InputError(text(what, expected="a rule whose steps have a rate", got=got, hint=hint))
    return policy


def find_rate(net: Network, data: Examples, recipe: Recipe, now: Progressed) -> RateSearch:
    """(E72) Take steps with growing rates from `now.parameters` on, and choose a rate by what they cost.

    η_j = 10⁻⁸ · 10^(j/20); s_j = βs_{j−1} + (1 − β) C_j, ŝ_j = s_j/(1 − β^{j+1}), β = 0.9, s_{−1} = 0, C_j the cost of
    step j's batch. It ends at η = 100, or where ŝ_j exceeds its least by 3 max(|ŝ_0|, |its least|) or isn't finite.
    The rate is an eighth of that with the least ŝ, the first decade, in which ŝ settles, left out.

    The steps are the recipe's: its rule, batches of the first epoch's size, penalties and options. θ, the generator of
    the recipe and so the order of examples in training are as if there had been no test.

    Raises InputError where the cost grows out of bounds in the first decade, and what `now.breathe` raises.

    Why an eighth: of 56 trainings (`python -m benchmarks.rates`) the final cost was, in the geometric mean, 1.2 times
    that of the best of ten rates from 1e-3 to 1; by a quarter of that rate instead of an eighth it was 1.8 times, by a
    sixteenth 1.4, by the rate of the steepest descent of ŝ 3.3, by 1e-3 itself 4.5.

    Source: L. Smith, Cyclical learning rates for training neural networks, 2017, section 3.3, for the test.
    """
    begin = time.perf_counter()
    probe = Progressed(now.parameters.copy(), interrupt=now.interrupt, due=now.due, pause=now.pause)
    recipe = replace(recipe, rates=rate_policy(1.0), rng=copy.deepcopy(recipe.rng), watcher=None)
    rule, size = recipe.rule, recipe.sizes[0]
    state = rule.initial(probe.parameters, net.plan.is_weight)
    steps = stepper(net, data, rule, state, probe.parameters, size, recipe.options, recipe.terms)
    costs: list[float] = []
    smoothed: list[float] = []
    exploded = False
    reduction, begun = net.plan.reduction, recipe.rates.start()
    epochs = iter(lambda: courses(data, recipe, reduction, begun, 0, len(costs), size, now.breathe), None)
    for part, course in chain.from_iterable(epochs):
        steps.use(part)
        for start in range(0, len(course), _AT_ONCE):
            rates = RATES[len(costs) : len(costs) + min(_AT_ONCE, len(course) - start)]
            taken = Taken.none_of(len(rates))
            try:
                steps.run(_part(course, start, rates), probe, taken)
            except DivergenceError:  # K-FAC's, of a matrix
                taken.ending = "gradient"
            costs += taken.costs[: taken.done].tolist()
            smoothed = smooth(costs)
            exploded = bool(taken.ending) or not all_finite(probe.parameters) or _explosion(smoothed) is not None
            if exploded or len(costs) == len(RATES):
                break
        if exploded or len(costs) == len(RATES):
            break
    end = _explosion(smoothed)
    chosen = choose(smoothed if end is None else smoothed[:end])
    n = len(costs) if end is None else end + 1
    seconds = time.perf_counter() - begin
    return RateSearch(RATES[:n].tolist(), costs[:n], smoothed[:n], chosen, exploded, seconds)


def smooth(costs: list[float]) -> list[float]:
    """ŝ of (E72).

    >>> [round(s, 6) for s in smooth([2.0, 1.0])]
    [2.0, 1.473684]
    """
    smoothed, s = [], 0.0
    for j, cost in enumerate(costs):
        s = _SMOOTHING * s + (1 - _SMOOTHING) * cost
        smoothed.append(s / (1 - _SMOOTHING ** (j + 1)))
    return smoothed


def choose(smoothed: list[float]) -> float:
    """Give the rate of (E72) for ŝ of the rates before the explosion. Raises InputError where they are too few."""
    if len(smoothed) <= _A_DECADE:
        raise InputError(
            text(
                'learning_rate="find"',
                expected=f"a finite cost at rates of {_LEAST:g} to {RATES[_A_DECADE]:g}",
                got="one that grows out of bounds there",
                hint="Scale the columns of X, and of Y in a regression, to about 1.",
            )
        )
    return float(RATES[_A_DECADE + int(np.argmin(smoothed[_A_DECADE:]))]) * _SHARE


def _explosion(smoothed: list[float]) -> int | None:
    """Where ŝ has grown out of bounds, if it has."""
    s = np.array(smoothed)
    least = np.minimum.accumulate(s)
    beyond = ~(s - least <= _EXPLODED * np.maximum(abs(s[:1]), abs(least)))
    return int(np.argmax(beyond)) if beyond.any() else None


def _part(course: Course, start: int, rates: NDArray[np.float64]) -> Course:
    """As many steps of a course as there are rates, with these rates."""
    batches, steps = course.batches, slice(start, start + len(rates))
    bounds = batches.bounds[start : start + len(rates) + 1]
    return replace(
        course,
        batches=Batches(batches.rows[bounds[0] : bounds[-1]], bounds - bounds[0], batches.masses[steps]),
        rates=rates,
        penalties=course.penalties[steps],
        factors=course.factors[steps],
        l1=None if course.l1 is None else course.l1[steps],
        first=course.first + start,
    )
