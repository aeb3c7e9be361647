"""From an estimator's parameters to the arguments of `cr.train`, and in errors back again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import check_weights
from chainrule.errors import InputError, text
from chainrule.estimators.objective import Objective
from chainrule.estimators.solvers import LBFGS_COST_TOLERANCE, SMALLEST_ADAPTIVE_RATE, batch_size
from chainrule.estimators.validation import HeldOut
from chainrule.maths.schedules import Adaptive, InverseScaling
from chainrule.maths.updates import Adam, Momentum, Nesterov
from chainrule.training.arguments.solvers import kind_of, read_optimizer
from chainrule.training.examples.batches import DataSet
from chainrule.training.minibatches.line_search import LineSearchSGD
from chainrule.training.watching.early_stopping import EarlyStopping
from chainrule.training.whole_set.lbfgs import LBFGS

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

DEFAULTS: dict[str, Any] = {
    "l1": 0.0,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "input_noise": 0.0,
    "label_smoothing": 0.0,
    "max_norm": None,
    "clip_norm": None,
    "clip_example_norm": None,
    "layer_rates": None,
    "frozen": (),
    "derivative_weight": 1.0,
    "monotone": None,
    "monotone_weight": 1.0,
    "input_gradient_penalty": 0.0,
    "metrics": None,
    "callbacks": (),
    "max_time": None,
    "checkpoint": None,
    "checkpoint_every": 1,
    "resume": False,
    "n_threads": None,
}
"""The estimators' parameters that are handed to `cr.train` as they are, and their defaults."""

_SOLVERS = ("sgd", "adam", "lbfgs")
_SCHEDULES = ("constant", "invscaling", "adaptive")
_IF_CHANGED: dict[str, dict[str, Any]] = {
    "learning_rate": {"learning_rate": "constant", "learning_rate_init": 0.001},
    "batch_size": {"batch_size": "auto"},
    "shuffle": {"shuffle": True},
}


def asked_for(estimator: BaseMLP) -> list[str]:
    """Name the parameters that scikit-learn's loops don't have."""
    own = ((name, default) for name, default in DEFAULTS.items() if name != "n_threads")  # which all loops heed
    found = [name for name, default in own if not _is(getattr(estimator, name, default), default)]
    if estimator.solver not in _SOLVERS:
        found.append("solver")
    if estimator.learning_rate not in _SCHEDULES:
        found.append("learning_rate")
    if _has_own_batches(estimator):
        found.append("batch_size")
    return found


def _is(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple | list) and len(value) == 0
    return value is default or (isinstance(value, Real | np.bool_) and value == default)


def _has_own_batches(estimator: BaseMLP) -> bool:
    return estimator.batch_size is None or isinstance(estimator.batch_size, Mapping)


def refuse_what_cannot_be_resumed(estimator: BaseMLP) -> None:
    """See that a checkpoint can be gone on from by a later `fit`. Raises InputError."""
    if estimator.checkpoint is None:
        return
    if estimator.random_state is None:
        hint = "A training goes on with the random numbers that it began with; write random_state=0."
        raise InputError(text("random_state", expected="a number beside checkpoint", got="None", hint=hint))
    if estimator.resume and estimator.warm_start:
        hint = "resume goes on within one fit, warm_start begins another one."
        raise InputError(text("warm_start", expected="False beside resume=True", got="True", hint=hint))


def arguments(
    estimator: BaseMLP, objective: Objective, data: DataSet, validation: HeldOut | None, derivative_targets: Any
) -> dict[str, Any]:
    """Give the arguments of `cr.train`, callbacks and metrics as the user gave them. Raises InputError."""
    for examples, of in ((data, ""), *([] if validation is None else [(validation[0], " of eval_set")])):
        weights = None if examples.weights is None else examples.weights[examples.rows]
        check_weights(weights, len(examples), objective.net.plan.dtype, f"sample_weight{of}", f"X{of}")
    drawn = estimator._random_state.randint(np.iinfo(np.int32).max, size=4)
    return {
        **{name: getattr(estimator, name) for name in DEFAULTS if hasattr(estimator, name)},
        **_of_mini_batches(estimator, len(data)),
        "X": data,
        "optimizer": _optimizer(estimator),
        "epochs": estimator.max_iter,
        "penalty": objective.penalty(data.mass(slice(None))),
        "derivative_targets": derivative_targets,
        "validation": None if validation is None else {"validation": validation[0]},
        "metrics": _metrics(estimator, validation),
        "early_stopping": _early_stopping(estimator, validation),
        "seed": int.from_bytes(drawn.astype("<u4").tobytes(), "little"),
    }


def _metrics(estimator: BaseMLP, validation: HeldOut | None) -> Any:
    """Put the estimator's own score before the metrics of the user."""
    given = estimator.metrics
    if given is not None and not isinstance(given, Mapping):
        return given  # which `cr.train` refuses
    if given and "score" in given:
        hint = "That is what the estimator's score is called, which is measured anyhow."
        raise InputError(text("metrics", expected="names other than 'score'", got="'score'", hint=hint))
    if validation is None:
        if given:
            hint = "Write fit(X, y, eval_set=(Xv, yv)), or early_stopping=True for a part of the training data."
            raise InputError(text("metrics", expected="a validation set to measure", got="none", hint=hint))
        return None
    held_out, y = validation
    weights = None if held_out.weights is None else held_out.weights[held_out.rows]

    def score(outputs: NDArray[Any], Y: NDArray[Any]) -> float:  # noqa: ARG001 (in its place: y, as `score` knows it)
        return estimator._score_of(y, estimator._answers(outputs), weights) if np.isfinite(outputs).all() else math.nan

    return {"score": score, **(given or {})}


def _optimizer(estimator: BaseMLP) -> Any:
    """Give the update rule that scikit-learn's name stands for, with the estimator's settings, or `solver` itself."""
    if estimator.solver == "adam":
        return Adam(estimator.beta_1, estimator.beta_2, estimator.epsilon, epsilon_hat=True)
    if estimator.solver == "sgd":
        return (Nesterov if estimator.nesterovs_momentum else Momentum)(float(estimator.momentum))
    if estimator.solver == "lbfgs":
        return LBFGS(gradient_tolerance=estimator.tol, cost_tolerance=LBFGS_COST_TOLERANCE)
    return estimator.solver


def _of_mini_batches(estimator: BaseMLP, m: int) -> dict[str, Any]:
    """Give rate, batches and order.

    As in scikit-learn, a solver that doesn't use a parameter of scikit-learn's isn't bothered with it; what goes beyond
    is handed over, to be refused where nobody heeds it.
    """
    found: dict[str, Any] = {}
    has_own_rate = estimator.learning_rate not in _SCHEDULES
    if has_own_rate or _heeds(estimator, "learning_rate"):
        found["learning_rate"] = _learning_rate(estimator, m)
    if _has_own_batches(estimator):
        found["batch_size"] = estimator.batch_size
    elif _heeds(estimator, "batch_size"):
        found["batch_size"] = batch_size(estimator, m, stacklevel=7)
    if _heeds(estimator, "shuffle"):
        found["shuffle"] = estimator.shuffle
    return found


def _heeds(estimator: BaseMLP, argument: str) -> bool:
    """Say whether the solver heeds an argument that says how mini-batches are trained on.

    What "auto" will choose isn't known yet: it is told what differs from the default.
    """
    if estimator.solver == "auto":
        return any(getattr(estimator, name) != default for name, default in _IF_CHANGED[argument].items())
    solver = read_optimizer(estimator.solver)
    if argument == "learning_rate" and isinstance(solver, LineSearchSGD):
        return False
    kind = kind_of(solver)
    return kind is None or argument in kind.takes


def takes_batches(estimator: BaseMLP) -> bool:
    """Say whether the solver takes mini-batches; one of the whole set has an end of its own."""
    return estimator.solver == "auto" or kind_of(read_optimizer(estimator.solver)) is None


@dataclass(frozen=True)
class _ByExamples:
    """An inverse scaling (E26) whose t is the examples of the epochs that are done, as scikit-learn's is."""

    schedule: InverseScaling
    m: int

    def rate(self, t: float) -> float:
        """Give η after t epochs."""
        return self.schedule.rate(math.floor(t) * self.m)


def _learning_rate(estimator: BaseMLP, m: int) -> Any:
    rate, how = float(estimator.learning_rate_init), estimator.learning_rate
    if how == "constant" or (estimator.solver == "adam" and how in _SCHEDULES):  # scikit-learn's Adam has no schedule
        return rate
    if how == "invscaling":
        return _ByExamples(InverseScaling(rate, float(estimator.power_t)), m)
    if how == "adaptive":
        patience = estimator.n_iter_no_change
        if patience == math.inf:
            hint = "Choose the epochs after which the rate falls."
            what = "n_iter_no_change under learning_rate='adaptive'"
            raise InputError(text(what, expected="a whole number", got="inf", hint=hint))
        return Adaptive(rate, 0.2, int(patience), float(estimator.tol), SMALLEST_ADAPTIVE_RATE)
    return how


def _early_stopping(estimator: BaseMLP, validation: HeldOut | None) -> EarlyStopping | None:
    """Patience with the validation set under `early_stopping`, else with the training cost, of mini-batch solvers.

    At the end of patience an adaptive rate falls instead, until training ends by it.
    """
    adapts = estimator.solver != "adam" and estimator.learning_rate == "adaptive" and takes_batches(estimator)
    patience = None if adapts or estimator.n_iter_no_change == math.inf else int(estimator.n_iter_no_change)
    tolerance = float(estimator.tol)
    if estimator.early_stopping and validation is not None:
        if estimator.monitor == "score":
            return EarlyStopping(patience, tolerance, monitor="validation/score", mode="max")
        return EarlyStopping(patience, tolerance)
    if adapts or not takes_batches(estimator):
        return None
    return EarlyStopping(patience, tolerance, restore_best=False, monitor="cost")


# --- errors -----------------------------------------------------------------------------------------------------------
_NAMES = {
    "optimizer": "solver",
    "penalty": "alpha/m",
    "epochs": "max_iter",
    "sizes": "hidden_layer_sizes",
    "activations": "activation",
    "cost": "loss",
    "EarlyStopping: tolerance": "tol",
    "Y": "y",
}
"""What arguments of `cr.train` are called here, where an error begins with them."""
_TEXTS = {
    "batch_size: expected the default 32": "batch_size: expected the default 'auto'",
    "learning_rate: expected the default 0.001": "learning_rate: expected the default 'constant'",
    "validation['validation'] weights": "sample_weight of eval_set",
    "Call cr.train again": "Call fit again",
}


@contextmanager
def named_by_parameter(estimator: BaseMLP) -> Iterator[None]:
    """Let an InputError about an argument of `cr.train` name the estimator's parameter, but not one of a callback."""
    try:
        yield
    except InputError as error:
        if hasattr(error, "history"):  # training had begun
            raise
        raise type(error)(in_parameters(str(error), estimator)) from None


def in_parameters(message: str, estimator: BaseMLP) -> str:
    """Write arguments of `cr.train` in an error's text as parameters of the estimator."""
    if message.startswith("seed:"):
        hint = "Give the number that the training to be resumed was given, or start anew in another folder."
        got = f"another, random_state={estimator.random_state!r:.40}"
        return text("random_state", expected="that of the checkpoint", got=got, hint=hint)
    message = re.sub(
        r"^learning_rate=.*?: expected", f"learning_rate={estimator.learning_rate!r:.60}: expected", message
    )
    names = dict(_NAMES)
    if isinstance(estimator.learning_rate, str) and estimator.learning_rate in _SCHEDULES:
        names["learning_rate"] = "learning_rate_init"
    for argument, parameter in names.items():
        if message.startswith((f"{argument}:", f"{argument}[", f"{argument} ")):
            message = parameter + message[len(argument) :]
            break
    for theirs, ours in _TEXTS.items():
        message = message.replace(theirs, ours)
    return re.sub(r"(?<=Lower )learning_rate\b", names.get("learning_rate", "learning_rate"), message)


def with_callback(callbacks: Any, own: Any) -> Any:
    """Put a callback of the estimator's behind those of the user, unless these will be refused."""
    is_list = isinstance(callbacks, Sequence) and not isinstance(callbacks, str)
    return [*callbacks, own] if is_list else callbacks
