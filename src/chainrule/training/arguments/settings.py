"""The settings of `cr.train`, read and checked; every message uses the argument's name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.engine import threads
from chainrule.engine.plan import Plan
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE, Interval
from chainrule.maths.regularizers import equal_share
from chainrule.maths.settings import FRACTION, real_number
from chainrule.training.examples.batches import BatchSizes

_LAYER = "Layers are counted from 1; 0 is the input."


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """See that a value is one of a few. Raises InputError."""
    if not isinstance(value, int | np.bool_) or value not in choices:
        expected = " or ".join(map(repr, choices))
        raise InputError(text(name, expected=expected, got=repr(value), hint=f"Write {name}={choices[0]!r}."))


def check_epochs(epochs: Any) -> None:
    """See that there is a whole number of epochs. Raises InputError."""
    if not is_count(epochs) and (isinstance(epochs, bool) or epochs != 0):
        hint = "0 trains nothing."
        raise InputError(text("epochs", expected="a whole number ≥ 0", got=repr(epochs), hint=hint))


def check_threads(n_threads: Any) -> None:
    """See that a number of threads is one that can be had. Raises InputError."""
    if n_threads is not None and not (is_count(n_threads) and n_threads <= threads.AT_MOST):
        hint = "The default is a good start."
        expected = f"a whole number 1 to {threads.AT_MOST} or None"
        raise InputError(text("n_threads", expected=expected, got=repr(n_threads), hint=hint))


def seconds_to_train(max_time: Any) -> float:
    """How long training may last, infinite by default. Raises InputError."""
    hint = "It is in seconds; None is no limit."
    return math.inf if max_time is None else _number("max_time", max_time, POSITIVE, hint)


def batch_sizes(batch_size: Any, epochs: int, m: int) -> BatchSizes:
    """How many examples a batch has in each epoch: one number, or {from epoch: number}. Raises InputError."""
    if not isinstance(batch_size, Mapping):
        return BatchSizes(epochs, ((0, _batch_size("batch_size", batch_size, m)),))
    hint = "Write batch_size={1: 32, 10: 128}: 32 from the first epoch on, 128 from the tenth."
    if 1 not in batch_size or not all(is_count(epoch) for epoch in batch_size):
        expected, got = "{epoch: size, …} with epochs ≥ 1, 1 among them", f"epochs {list(batch_size)}"
        raise InputError(text("batch_size", expected=expected, got=got, hint=hint))
    begins = ((int(epoch) - 1, _batch_size(f"batch_size[{epoch}]", size, m)) for epoch, size in batch_size.items())
    return BatchSizes(epochs, tuple(sorted(begins)))


def _batch_size(name: str, size: Any, m: int) -> int:
    if size is not None and not (is_count(size) and size < 2**31):
        hint = "The default is a good start."
        raise InputError(text(name, expected="a whole number ≥ 1 or None", got=repr(size), hint=hint))
    return min(int(size or m), m)


def strength(name: str, value: Any) -> float:
    """A number ≥ 0 that is 0 for nothing. Raises InputError."""
    number = real_number(value)
    if number is None or not NOT_NEGATIVE.contains(number):
        hint = "0 is no penalty; usual values are 1e-5 to 1e-2."
        raise InputError(text(name, expected="a finite number ≥ 0", got=repr(value), hint=hint))
    return number


def _number(name: str, value: Any, allowed: Interval, hint: str) -> float:
    number = real_number(value)
    if number is None or not allowed.contains(number):
        raise InputError(text(name, expected=f"a number in {allowed}", got=repr(value), hint=hint))
    return number


def _limit(name: str, value: Any) -> float:
    """A length > 0, or None for none."""
    return math.inf if value is None else _number(name, value, POSITIVE, "None is no limit; a usual value is 1.")


OF_A_STEP = (
    "dropout",
    "input_noise",
    "label_smoothing",
    "weight_decay",
    "max_norm",
    "clip_norm",
    "clip_example_norm",
    "layer_rates",
    "frozen",
)
"""The arguments that `step_options` reads."""


def step_options(
    plan: Plan,
    *,
    dropout: Any,
    input_noise: Any,
    label_smoothing: Any,
    weight_decay: Any,
    max_norm: Any,
    clip_norm: Any,
    clip_example_norm: Any,
    layer_rates: Any,
    frozen: Any,
    seed: int,
) -> StepOptions:
    """Read the options of a step for one plan. Raises InputError."""
    smoothing = _number("label_smoothing", label_smoothing, FRACTION, "0 is none; a usual value is 0.1.")
    if smoothing:
        equal_share(plan.cost.name, plan.sizes[-1])
    return StepOptions(
        noise=_number("input_noise", input_noise, NOT_NEGATIVE, "0 is none; it is a standard deviation, as X has."),
        dropout=_dropout(plan, dropout),
        smoothing=smoothing,
        clip_example_norm=_limit("clip_example_norm", clip_example_norm),
        clip_norm=_limit("clip_norm", clip_norm),
        layer_rates=_layer_rates(plan, layer_rates, frozen),
        weight_decay=_number("weight_decay", weight_decay, NOT_NEGATIVE, "0 is none; a usual value is 0.01."),
        max_norm=_limit("max_norm", max_norm),
        seed=seed,
    )


def _dropout(plan: Plan, given: Any) -> tuple[float, ...]:
    hint = "Write dropout=0.5 for all hidden layers, or dropout={0: 0.2, 1: 0.5}: layer 0 is the input."
    if not isinstance(given, Mapping):
        p = _number("dropout", given, FRACTION, hint)
        if p and plan.L == 1:
            hint = "Leave it out, or write dropout={0: 0.2} for the inputs."
            raise InputError(text("dropout", expected="a hidden layer", got="a network without one", hint=hint))
        return (0.0, *[p] * (plan.L - 1)) if p and plan.L > 1 else ()
    by_layer = {
        _layer("dropout", layer, range(plan.L), "The outputs, layer L, are never dropped. " + _LAYER): _number(
            f"dropout[{layer}]", p, FRACTION, hint
        )
        for layer, p in given.items()
    }
    return tuple(by_layer.get(layer, 0.0) for layer in range(plan.L)) if any(by_layer.values()) else ()


def _layer_rates(plan: Plan, given: Any, frozen: Any) -> tuple[float, ...]:
    if given is not None and not isinstance(given, Mapping):
        hint = "Write layer_rates={1: 0.1}: a tenth of η in layer 1."
        raise InputError(text("layer_rates", expected="{layer: factor}", got=repr(given), hint=hint))
    rates = dict.fromkeys(plan.layers, 1.0)
    for layer, factor in (given or {}).items():
        at = _layer("layer_rates", layer, plan.layers, _LAYER)
        hint = "It multiplies the learning rate; frozen=[…] names layers that stay as they are."
        rates[at] = _number(f"layer_rates[{layer}]", factor, POSITIVE, hint)
    if not isinstance(frozen, Iterable) or isinstance(frozen, str):
        raise InputError(text("frozen", expected="layers", got=repr(frozen), hint="Write frozen=[1, 2]."))
    for layer in frozen:
        rates[_layer("frozen", layer, plan.layers, _LAYER)] = 0.0
    if not any(rates.values()):
        hint = "Leave out the layer that is to be trained."
        raise InputError(text("frozen", expected="a layer left to train", got=f"all {plan.L}", hint=hint))
    return tuple(rates.values()) if any(rate != 1 for rate in rates.values()) else ()


def _layer(name: str, layer: Any, among: Sequence[int], hint: str) -> int:
    if isinstance(layer, bool) or not isinstance(layer, int | np.integer) or layer not in among:
        raise InputError(text(name, expected=f"layers {among[0]} to {among[-1]}", got=repr(layer), hint=hint))
    return int(layer)


def run_key(rng: np.random.Generator) -> int:
    """Draw the key of the steps' random numbers, without a change of what `rng` gives afterwards.

    Raises InputError for a generator that has nothing to draw new ones from, as NumPy's older RandomState.
    """
    if rng.bit_generator.seed_seq is None:
        hint = "Write seed=numpy.random.default_rng(0), or a number."
        expected, got = "a Generator that can spawn others", "one without a SeedSequence"
        raise InputError(text("seed", expected=expected, got=got, hint=hint))
    return int(rng.bit_generator.seed_seq.spawn(1)[0].generate_state(1, np.uint64)[0])  # type: ignore[attr-defined]
