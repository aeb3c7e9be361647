"""The gradient that a step follows, and what becomes of θ: the readable twin of the compiled core's step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine import reference, regularized
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.engine.reference import Backward, Run
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError, text
from chainrule.maths.penalties import l1_gradient, l2_gradient
from chainrule.maths.regularizers import clipped, decayed, within_norm
from chainrule.maths.updates import RULES, UpdateRule
from chainrule.training.examples.batches import Batch
from chainrule.training.progress.divergence import norm

if TYPE_CHECKING:
    from chainrule.training.minibatches.input_terms import InputTerm


@dataclass(frozen=True)
class StepGradient:
    """What a step is made of: C of its batch, the gradient that its rule is given, and ‖·‖₂ of it before clipping.

    `terms` is what the input terms add to C. `run` and `back` are the passes, kept where they were asked for: those of
    C alone, with the step's masks.
    """

    cost: float
    flat: NDArray[Any]
    norm: float
    terms: float = 0.0
    run: Run | None = None
    back: Backward | None = None


def step_gradient(
    net: Network,
    parameters: NDArray[Any],
    batch: Batch,
    options: StepOptions,
    step: int,
    *,
    factor: float = 1.0,
    penalty: float = 0.0,
    l1: float = 0.0,
    terms: Sequence[InputTerm] = (),
    rows: NDArray[np.int64] | None = None,
    keep: bool = False,
) -> StepGradient:
    """factor·∇(C + terms) + λW + λ₁ sign W, 0 at frozen layers, clipped: what the rule of step number `step` is given.

    `factor` is what the batch's C counts in the objective, λ = penalty, λ₁ = l1; `rows` are the batch's of X, for terms
    that have targets of their own.
    """
    plan = net.plan
    cost, flat, run, back = _of_cost(net, parameters, batch, options, step, keep)
    of_terms = 0.0
    if terms:
        X, Y, weights = batch
        seen = regularized.see(plan, X, Y, options, step)
        at = seen.linearized(parameters)
        c = reference.coefficients(plan, len(Y), weights)
        for term in terms:
            value, gradient = term.value_and_gradient(seen, at, c, rows)
            of_terms += value
            flat = flat + gradient
    if factor != 1:
        flat = factor * flat
    if penalty:
        flat = flat + l2_gradient(parameters, plan.is_weight, penalty)
    if l1:
        flat = flat + l1_gradient(parameters, plan.is_weight, l1)  # (E52)
    if 0 in options.layer_rates:
        flat = np.where(_rates(plan, options) > 0, flat, 0)
    length = norm(flat)
    return StepGradient(float(cost), clipped(flat, length, options.clip_norm), length, of_terms, run, back)  # (E57)


def _of_cost(
    net: Network, parameters: NDArray[Any], batch: Batch, options: StepOptions, step: int, keep: bool
) -> tuple[float, NDArray[Any], Run | None, Backward | None]:
    """C and ∇C of the batch, and the passes where they are to be kept."""
    plan, engine = net.plan, net.engine
    X, Y, weights = batch
    if options.perturbs or not math.isinf(options.clip_example_norm):
        if keep:
            run, back = regularized.passes(plan, parameters, X, Y, weights, options, step)
            return float(back.cost), back.flat, run, back
        cost, gradient = regularized.value_and_gradient(plan, parameters, X, Y, weights, options, step)
    elif keep:
        run = engine.forward(plan, parameters, X)
        back = engine.backward(plan, parameters, run, Y, weights)
        return float(back.cost), back.flat, run, back
    else:
        cost, gradient = engine.value_and_gradient(plan, parameters, X, Y, weights)
    return float(cost), gradient.flat, None, None


def apply_update(
    rule: UpdateRule,
    state: Any,
    parameters: NDArray[Any],
    gradient: NDArray[Any],
    rate: float,
    options: StepOptions,
    plan: Plan,
) -> tuple[Any, NDArray[Any]]:
    """Take the step: decay (E53), the rule (E16) with each layer's rate, max-norm (E54).

    Frozen layers stay as they are, and so does their part of every vector like θ in the rule's state. Raises InputError
    for a rule of the user's own that is asked for several rates and takes none.
    """
    if options.plain:
        return rule.update(state, parameters, gradient, rate)
    factors = _rates(plan, options)
    trained = factors > 0
    one = max(options.layer_rates, default=1.0)
    alike = bool(np.all(factors[trained] == factors.dtype.type(one)))  # one rate for all that is trained: any rule's
    rates: float | NDArray[Any] = rate * one if alike else rate * factors
    theta = parameters
    if options.weight_decay:
        theta = decayed(theta, plan.is_weight, rates, options.weight_decay)
    after, theta = _updated(rule, state, theta, gradient, rates)
    if not math.isinf(options.max_norm):
        W, b = plan.split(theta)
        theta = plan.join({layer: within_norm(one, options.max_norm) for layer, one in W.items()}, b)
    if trained.all():
        return after, theta
    return _thawed(state, after, trained), np.where(trained, theta, parameters)


def _rates(plan: Plan, options: StepOptions) -> NDArray[Any]:
    """What η is multiplied by for each parameter, (|θ|,)."""
    factors = np.empty(plan.n_parameters, dtype=plan.dtype)
    for blocks in (plan.weight_blocks, plan.bias_blocks):
        for layer, at in blocks.items():
            factors[at.start : at.stop] = options.rate_of(layer)
    return factors


def _updated(
    rule: UpdateRule, state: Any, parameters: NDArray[Any], gradient: NDArray[Any], rate: float | NDArray[Any]
) -> tuple[Any, NDArray[Any]]:
    """Give what the rule gives for one rate, or for one of each parameter, as rules that work entry by entry can."""
    if not isinstance(rate, np.ndarray):
        return rule.update(state, parameters, gradient, rate)
    try:
        after, theta = rule.update(state, parameters, gradient, rate)  # type: ignore[arg-type] # so do those of RULES
        if np.shape(theta) == parameters.shape:
            return after, theta
        got, cause = f"parameters of shape {np.shape(theta)}", None
    except (TypeError, ValueError) as error:
        if type(rule) in RULES.values():
            raise
        got, cause = f"{type(error).__name__}: {error}", error
    expected = f"an update that takes rate as an array ({len(parameters)},), one entry for each parameter"
    hint = "Write it entry by entry, or leave layer_rates out; frozen layers need no array."
    raise InputError(text(f"optimizer {type(rule).__name__}", expected=expected, got=got, hint=hint)) from cause


def _thawed(before: Any, after: Any, trained: NDArray[np.bool_]) -> Any:
    """Give a rule's state after a step, but of vectors like θ what they were where nothing is trained."""
    if isinstance(after, dict):
        return {key: _thawed(before[key], part, trained) for key, part in after.items()}
    if isinstance(after, tuple | list):
        parts = [_thawed(*pair, trained) for pair in zip(before, after, strict=True)]
        return type(after)(*parts) if hasattr(after, "_fields") else type(after)(parts)
    return np.where(trained, after, before) if np.shape(after) == trained.shape else after
