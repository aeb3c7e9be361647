"""Gradient descent in mini-batches whose rate is searched for on each batch (E67)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.engine import reference, regularized
from chainrule.engine.network import Network
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError, text
from chainrule.maths.intervals import POSITIVE, UNIT, Interval
from chainrule.maths.penalties import penalty_of
from chainrule.maths.settings import settle
from chainrule.training.examples.batches import Batch
from chainrule.training.minibatches.step_gradient import StepGradient, apply_update, step_gradient

if TYPE_CHECKING:
    from chainrule.training.minibatches.input_terms import InputTerm

_A = NDArray[Any]
_TRIALS = 60
_ROUNDING = 8  # units in the last place by which costs of the same θ may differ


class Searched(NamedTuple):
    """η of the last step."""

    rate: float


@dataclass(frozen=True)
class LineSearchSGD:
    """Gradient descent whose η is searched for on each mini-batch (E67), so that no learning rate has to be found.

    η is the first of η₀, βη₀, β²η₀, … with C_B(θ − ηg) ≤ C_B(θ) − c·η‖g‖² (Armijo 1966), C_B the batch's objective
    with its penalty, its gradient g, and masks and noise the same for every trial. η₀ is the last step's η times
    γ^(n/m) for n rows of m, so that η may grow γ-fold in an epoch, and at most `largest`. A batch for which 60 trials
    find none is passed over. A trial costs a forward pass, with input terms a gradient.

    Parameters
    ----------
    first : float
        η₀ of the first step. > 0.
    armijo : float
        c, 0 < c < 1.
    shrink : float
        β, 0 < β < 1.
    growth : float
        γ ≥ 1.
    largest : float
        η₀ at most. > 0.

    Source: S. Vaswani et al., Painless stochastic gradient: interpolation, line-search, and convergence rates, 2019.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity", dtype="float64")
    >>> X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> history = cr.train(net, X, Y, optimizer=cr.LineSearchSGD(), batch_size=2, epochs=100, verbose=0)
    >>> net.parameters.round(4).tolist()
    [2.0, 1.0]
    """

    first: float = 1.0
    armijo: float = 0.1
    shrink: float = 0.7
    growth: float = 2.0
    largest: float = 10.0
    name: ClassVar[str] = "line_search"

    def __post_init__(self) -> None:
        settle(self, first=POSITIVE, armijo=UNIT, shrink=UNIT, growth=Interval(1, closed_low=True), largest=POSITIVE)
        if self.first > self.largest:
            hint = "The defaults are 1 and 10."
            expected = f"at most the largest rate, {self.largest:g}"
            raise InputError(text("LineSearchSGD: first", expected=expected, got=f"{self.first:g}", hint=hint))

    def initial(self, parameters: _A, decayed: _A) -> Searched:  # noqa: ARG002 (UpdateRule's arguments)
        """η of the first step."""
        return Searched(self.first)

    def update(self, state: Searched, parameters: _A, gradient: _A, rate: float) -> tuple[Searched, _A]:
        """Take one step with a rate that `Search` has found."""
        return state, parameters - rate * gradient


@dataclass(frozen=True)
class Step:
    """A step to take: its batch, whose rows of X are `rows`, its number, and factor, λ and λ₁ as in `step_gradient`."""

    batch: Batch
    rows: NDArray[np.int64]
    number: int
    factor: float
    penalty: float
    l1: float


@dataclass(frozen=True)
class Search:
    """(E67) for the steps of one training, on this many examples."""

    rule: LineSearchSGD
    net: Network
    options: StepOptions
    terms: Sequence[InputTerm]
    examples: int

    def rate(self, state: Searched, theta: _A, found: StepGradient, step: Step) -> tuple[float, Searched]:
        """η of a step from θ along what was found there; 0, and the same η₀ again, where no trial does."""
        rule, gradient = self.rule, found.flat
        start = min(state.rate * rule.growth ** (len(step.rows) / self.examples), rule.largest)
        before = self._objective(theta, found.cost + found.terms, step)
        rounding = _ROUNDING * float(np.finfo(theta.dtype).eps) * abs(before)
        rate = start
        for _ in range(_TRIALS):
            _, there = apply_update(rule, state, theta, gradient, rate, self.options, self.net.plan)
            slope = float(np.einsum("i,i->", gradient, there - theta, dtype=np.float64))  # −η‖g‖² of a plain step
            if self._objective(there, self._cost(there, step), step) <= before + rule.armijo * slope + rounding:
                return rate, Searched(rate)
            rate *= rule.shrink
        return 0.0, Searched(start)

    def _objective(self, theta: _A, cost: float, step: Step) -> float:
        """factor·(C + terms) + λ/2 Σ W² + λ₁ Σ |W|."""
        return step.factor * cost + penalty_of(theta, self.net.plan.is_weight, step.penalty, step.l1)

    def _cost(self, theta: _A, step: Step) -> float:
        """C + terms of the batch as this step sees it, by a forward pass; with terms by way of their gradient."""
        X, Y, weights = step.batch
        plan, engine = self.net.plan, self.net.engine
        if self.terms:
            found = step_gradient(
                self.net, theta, step.batch, self.options, step.number, terms=self.terms, rows=step.rows
            )
            return found.cost + found.terms
        if self.options.perturbs:
            seen = regularized.see(plan, X, Y, self.options, step.number)
            plan, X, Y, engine = seen.plan, seen.X, seen.Y, reference
        run = engine.forward(plan, theta, X)
        return float(engine.batch_cost(plan, engine.example_costs(plan, run, Y), weights))
