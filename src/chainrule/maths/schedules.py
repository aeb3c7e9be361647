"""Learning rate schedules η(t) (E22 to E28): pure functions of t, the epochs done so far, fractions included.

`rate(t)` is asked before each update with t = (updates done)/(updates an epoch), so a schedule means the same for any
batch size. Every setting is checked when the schedule is made; a rate is always a finite number > 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from chainrule.errors import InputError, text
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE, Interval
from chainrule.maths.settings import real_number, settle


class Schedule(Protocol):
    """What training asks of a schedule."""

    def rate(self, t: float) -> float:
        """Give η after t epochs, t ≥ 0."""


@dataclass(frozen=True)
class Constant:
    """η(t) = η₀ (E22), η₀ = `initial` > 0.

    >>> Constant(0.1).rate(7.5)
    0.1
    """

    initial: float

    def __post_init__(self) -> None:
        settle(self, initial=POSITIVE)

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        return self.initial


@dataclass(frozen=True)
class Step:
    """η(t) = η₀ γ^⌊t/T⌋ (E23): γ times the rate every T = `every` epochs.

    >>> Step(0.1, every=10, factor=0.5).rate(20)
    0.025
    """

    initial: float
    every: float = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        settle(self, initial=POSITIVE, every=POSITIVE, factor=POSITIVE)

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        return float(self.initial * self.factor ** math.floor(t / self.every))


@dataclass(frozen=True)
class Exponential:
    """η(t) = η₀ γ^t (E24): γ = `factor` times the rate each epoch, smoothly.

    >>> Exponential(0.8, factor=0.25).rate(0.5)
    0.4
    """

    initial: float
    factor: float = 0.95

    def __post_init__(self) -> None:
        settle(self, initial=POSITIVE, factor=POSITIVE)

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        return float(self.initial * self.factor**t)


@dataclass(frozen=True)
class Cosine:
    """η(t) = η₁ + (η₀ − η₁)(1 + cos(π min(t, T)/T))/2 (E25), from η₀ to η₁ = `final` in T = `epochs` (SGDR, 2017).

    >>> Cosine(0.1, epochs=10, final=0.02).rate(5)
    0.06
    """

    initial: float
    epochs: float
    final: float = 1e-6

    def __post_init__(self) -> None:
        settle(self, initial=POSITIVE, epochs=POSITIVE, final=POSITIVE)

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        share = min(t, self.epochs) / self.epochs
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class InverseScaling:
    """η(t) = η₀/(1 + t)^p (E26), p = `power`.

    >>> InverseScaling(0.6).rate(3)
    0.3
    """

    initial: float
    power: float = 0.5

    def __post_init__(self) -> None:
        settle(self, initial=POSITIVE, power=NOT_NEGATIVE)

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        return float(self.initial / (1 + t) ** self.power)


@dataclass(frozen=True)
class WarmUp:
    """η(t) = η_then(0) · (s + (1 − s) t/T) for t < T, and η_then(t − T) after (E27); s = `start`, T = `epochs`.

    >>> WarmUp(Constant(0.1), epochs=2, start=0.5).rate(2)
    0.1
    """

    then: Schedule
    epochs: float = 1.0
    start: float = 0.01

    def __post_init__(self) -> None:
        settle(self, epochs=POSITIVE, start=POSITIVE)
        if not hasattr(self.then, "rate") or isinstance(self.then, Adaptive):
            hint = "Write WarmUp(Constant(0.1), epochs=2)."
            raise InputError(text("WarmUp: then", expected="a schedule", got=repr(self.then), hint=hint))

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        if t >= self.epochs:
            return self.then.rate(t - self.epochs)
        return self.then.rate(0.0) * (self.start + (1 - self.start) * t / self.epochs)


class AdaptiveState(NamedTuple):
    """η, the least cost so far, and for how many epochs there has been none better."""

    rate: float
    least: float
    waited: int


@dataclass(frozen=True)
class Adaptive:
    """Adaptive step size (E28): η ← γη when `patience` epochs in a row failed to lower the cost by `tolerance`.

    The cost is the validation cost when there is one, the training cost otherwise. Training ends when η would fall
    below `least_rate`. `after_epoch` maps a state and a cost to the next state.
    """

    initial: float
    factor: float = 0.2
    patience: int = 2
    tolerance: float = 1e-4
    least_rate: float = 1e-6

    def __post_init__(self) -> None:
        settle(
            self,
            initial=POSITIVE,
            least_rate=POSITIVE,
            factor=Interval(0, 1),
            tolerance=NOT_NEGATIVE,
            counts=("patience",),
        )

    def start(self) -> AdaptiveState:
        """Make the state before the first epoch."""
        return AdaptiveState(self.initial, math.inf, 0)

    def rate(self, state: AdaptiveState, t: float) -> float:
        """Give η of the state, whatever t is."""
        return state.rate

    def ended(self, state: AdaptiveState) -> bool:
        """Say whether η has fallen below `least_rate`."""
        return state.rate < self.least_rate

    def after_epoch(self, state: AdaptiveState, cost: float) -> AdaptiveState:
        """Take an epoch's cost into account.

        >>> a = Adaptive(0.1, factor=0.5, patience=1)
        >>> a.after_epoch(a.after_epoch(a.start(), 3.0), 3.0).rate
        0.05
        """
        waited = 0 if cost < state.least - self.tolerance else state.waited + 1
        least = min(state.least, cost)
        if waited >= self.patience:
            return AdaptiveState(state.rate * self.factor, least, 0)
        return AdaptiveState(state.rate, least, waited)


class RatePolicy(Protocol):
    """What the mini-batch loop asks: a rate that may depend on time and on the costs so far."""

    def start(self) -> Any:
        """Make the state before the first epoch."""

    def rate(self, state: Any, t: float) -> float:
        """Give η after t epochs."""

    def after_epoch(self, state: Any, cost: float) -> Any:
        """Take an epoch's cost into account."""

    def ended(self, state: Any) -> bool:
        """Say whether there is no use in going on."""


@dataclass(frozen=True)
class ByTime:
    """A schedule as a rate policy that no cost changes."""

    schedule: Schedule

    def start(self) -> None:
        """Nothing to remember."""

    def rate(self, state: None, t: float) -> float:
        """Give η after t epochs. Raises InputError when the schedule gives something else than a number > 0."""
        try:
            given: object = self.schedule.rate(t)
        except OverflowError as error:
            given = error
        rate = real_number(given)
        if rate is None or not POSITIVE.contains(rate):
            what, hint = f"learning_rate: the schedule at t = {t:g}", "Correct the schedule."
            raise InputError(text(what, expected="a finite number > 0", got=repr(given), hint=hint))
        return rate

    def after_epoch(self, state: None, cost: float) -> None:
        """Nothing to learn from a cost."""

    def ended(self, state: None) -> bool:
        """Never."""
        return False


def rate_policy(spec: float | Schedule | Adaptive) -> RatePolicy:
    """Read `learning_rate`: a number, a schedule, or Adaptive. Raises InputError for anything else.

    >>> rate_policy(0.1)
    ByTime(schedule=Constant(initial=0.1))
    """
    if isinstance(spec, Adaptive):
        return spec
    number = real_number(spec)
    if number is not None:
        if not POSITIVE.contains(number):
            hint = "Usual values lie between 1e-4 and 1."
            raise InputError(text("learning_rate", expected="a finite number > 0", got=repr(spec), hint=hint))
        return ByTime(Constant(number))
    if isinstance(spec, type | bool) or not hasattr(spec, "rate"):
        hint = "Write 1e-3, or cr.schedules.Cosine(1e-3, epochs=20)."
        raise InputError(text("learning_rate", expected="a number > 0 or a schedule", got=repr(spec), hint=hint))
    return ByTime(spec)  # type: ignore[arg-type] # it is no number, and it has a rate
