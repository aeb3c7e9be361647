"""The step at which training diverges, found by taking the steps of `cr.train` again from the parameters it left."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import Examples
from chainrule.engine.network import Network, random_generator
from chainrule.errors import InputError, is_count, text, unknown_name
from chainrule.maths.schedules import ByTime, RatePolicy, Schedule, rate_policy
from chainrule.maths.updates import UpdateRule, update_rule
from chainrule.training.arguments.settings import OF_A_STEP, batch_sizes, run_key, step_options
from chainrule.training.arguments.solvers import AUTO, is_update_rule, read_optimizer
from chainrule.training.examples.batches import DataSet
from chainrule.training.minibatches import loop as minibatch
from chainrule.training.minibatches.loop import Recipe
from chainrule.training.progress.divergence import DivergenceError, norm
from chainrule.training.progress.history import History
from chainrule.training.progress.progressed import Progressed
from chainrule.training.train import train

_DEFAULTS = {at.name: at.default for at in inspect.signature(train).parameters.values() if at.kind is at.KEYWORD_ONLY}

_UNSEEN = ("dropout", "input_noise", "label_smoothing", "derivative_targets", "monotone", "input_gradient_penalty")
"""Arguments of `cr.train` by which a step's cost is not that of its rows as they are."""


@dataclass(frozen=True)
class DivergedStep:
    """A step that gives no finite cost, gradient or parameters.

    `examples` is its batch, for the network at the parameters before the step, and `rows` says where these are in the X
    that was given. Where it is the update that isn't finite, `after` are the parameters that it gave, and those that it
    gives when it is worked in float64; else it is empty. `penalty` is the batch's λ, `norms` are ‖∇C + λW‖₂ of the
    steps that were taken.
    """

    epoch: int
    step: int
    learning_rate: float
    penalty: float
    examples: Examples
    rows: NDArray[np.int64]
    after: tuple[NDArray[Any], ...]
    norms: tuple[float, ...]


@dataclass
class _Watched:
    """An update rule that keeps the last step which it took. No backend knows it, so that each step is taken here."""

    name: ClassVar[str] = "watched"
    rule: UpdateRule
    now: Progressed
    step: int = 0
    last: tuple[Any, NDArray[Any], NDArray[Any], float] | None = None
    norms: list[float] = field(default_factory=list)

    def initial(self, parameters: NDArray[Any], decayed: NDArray[Any]) -> Any:
        """Make the rule's state."""
        return self.rule.initial(parameters, decayed)

    def update(self, state: Any, parameters: NDArray[Any], gradient: NDArray[Any], rate: float) -> tuple[Any, Any]:
        """Take the rule's step."""
        self.step, self.last = self.now.step, (state, parameters, gradient, rate)
        self.norms.append(norm(gradient))
        return self.rule.update(state, parameters, gradient, rate)

    def again(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Give θ before the last step, and after it, worked in float64 (E16)."""
        assert self.last is not None
        state, parameters, gradient, rate = self.last
        wide = self.rule.update(state, parameters.astype(np.float64), gradient.astype(np.float64), rate)[1]
        return parameters, np.asarray(wide)


@dataclass(frozen=True)
class _Later:
    """A schedule some epochs further on."""

    schedule: Schedule
    epochs: int

    def rate(self, t: float) -> float:
        """Give η after t epochs more."""
        return self.schedule.rate(t + self.epochs)


def diverged_step(
    net: Network, X: ArrayLike, Y: ArrayLike, training: Mapping[str, Any], history: History | None
) -> DivergedStep | None:
    """Train a copy of the network until a number is not finite; None where all epochs pass.

    The epochs whose parameters the network has, by `history`, are not trained again, but their orders of examples are
    gone through. What an update rule remembered of them nobody has kept: it begins anew. Raises InputError for bad
    arguments.
    """
    given = _settings(training)
    # `cr.train` reads every argument, and refuses it in its own words; what would write files is left out
    without = {"callbacks": (), "checkpoint": None, "resume": False, "epochs": 0, "verbose": 0}
    train(net.copy(), X, Y, **{**given, **without})
    done = _finished(history)
    examples = Examples.with_targets(net, X, Y, given["sample_weight"])
    m, plan = len(examples), net.plan
    assert examples.targets is not None
    data = DataSet(examples.X, examples.targets, examples.weights, np.arange(m))
    epochs = max(int(given["epochs"]) - done, 1)
    sizes = batch_sizes(given["batch_size"], done + epochs, m)
    drawn = copy.deepcopy(random_generator(given["seed"]))
    options = step_options(plan, **{name: given[name] for name in OF_A_STEP}, seed=run_key(drawn))
    rng = drawn if given["shuffle"] else None
    if rng is not None:
        for _ in range(done):
            rng.permutation(m)
    orders = copy.deepcopy(rng)
    taken = sum(len(data.batches(sizes[epoch], np.arange(m))) for epoch in range(done))
    now = Progressed(net.parameters.copy(), taken=taken)
    watched = _Watched(update_rule(given["optimizer"]), now)
    rates, penalty = _from_epoch(rate_policy(given["learning_rate"]), done), float(given["penalty"])
    l1 = float(given["l1"])
    recipe = Recipe(watched, rates, sizes.after(done), rng, penalty, l1, options)
    with np.errstate(all="ignore"):
        try:
            minibatch.run(net, data, recipe, now, lambda: now.cost)
        except DivergenceError:
            pass
        else:
            return None
        # where θ itself is not finite, the last update has made it so
        before, step = now.parameters, now.step
        after: tuple[NDArray[Any], ...] = ()
        if not np.isfinite(before).all():
            before, in_float64 = watched.again()
            after, step = (in_float64, now.parameters), watched.step
    order = np.arange(m)
    if orders is not None:
        for _ in range(now.epoch):
            order = orders.permutation(m)
    batches = data.batches(sizes[done + now.epoch - 1], order)
    rows = batches[step - 1]
    batch = Examples(
        Network.from_plan(plan, before, net.backend),
        examples.X[rows],
        replace(examples.targets, values=examples.targets.values[rows]),
        None if examples.weights is None else examples.weights[rows],
    )
    if plan.reduction == "sum":
        penalty *= float(batches.masses[step - 1]) / data.mass(slice(None))
    return DivergedStep(done + now.epoch, step, now.learning_rate, penalty, batch, rows, after, tuple(watched.norms))


def _settings(training: Mapping[str, Any]) -> dict[str, Any]:
    """Read `training`: arguments of `cr.train`, with its defaults for the others. Raises InputError."""
    if not isinstance(training, Mapping):
        hint = 'Write training={"optimizer": "sgd", "learning_rate": 0.1}, as cr.train was called.'
        expected = "a mapping of arguments of cr.train"
        raise InputError(text("training", expected=expected, got=type(training).__name__, hint=hint))
    for name in training:
        if name not in _DEFAULTS:
            raise unknown_name("argument in training", name, _DEFAULTS)
    given = {**_DEFAULTS, **training}
    if not is_count(given["epochs"]):
        hint = "The epochs that history says were finished are not trained again."
        got = repr(given["epochs"])
        raise InputError(text("training: epochs", expected="a whole number ≥ 1", got=got, hint=hint))
    optimizer = read_optimizer(given["optimizer"])
    if given["optimizer"] == AUTO or not is_update_rule(optimizer):
        hint = "Only an update rule's steps are taken again; leave training out to look at the network as it is."
        got = AUTO if given["optimizer"] == AUTO else optimizer.name
        raise InputError(text("training: optimizer", expected="an update rule", got=got, hint=hint))
    if given["learning_rate"] == "find":
        hint = "Give the one that was found, history.rate_search.chosen."
        raise InputError(text("training: learning_rate", expected="a number or a schedule", got="'find'", hint=hint))
    for name in _UNSEEN:
        if given[name] is not _DEFAULTS[name] and (_DEFAULTS[name] is None or given[name] != _DEFAULTS[name]):
            hint = "The failing step is looked at without it; leave training out to look at the network as it is."
            expected, got = "a training without it", f"{given[name]!r:.40}"
            raise InputError(text(f"training: {name}", expected=expected, got=got, hint=hint))
    if isinstance(given["validation"], float | np.floating):
        hint = "Give the rows that were trained on as X and Y, and leave validation out."
        expected, got = "None or (Xv, Yv), for which rows were held out is not kept", repr(given["validation"])
        raise InputError(text("training: validation", expected=expected, got=got, hint=hint))
    return given


def _finished(history: History | None) -> int:
    """Give how many epochs have made the parameters that training left. Raises InputError."""
    if history is None:
        return 0
    if not isinstance(history, History):
        hint = "Give what cr.train returned, or leave it out."
        raise InputError(text("history", expected="a cr.History", got=type(history).__name__, hint=hint))
    if history.stopped != "divergence":
        hint = "Leave training and history out to look at the network as it is."
        expected, got = "one of a training that diverged", f"one that stopped for {history.stopped!r}"
        raise InputError(text("history", expected=expected, got=got, hint=hint))
    return history.restored_epoch or 0


def _from_epoch(rates: RatePolicy, done: int) -> RatePolicy:
    """Go on with a schedule where it was; an adaptive rate begins anew."""
    return ByTime(_Later(rates.schedule, done)) if done and isinstance(rates, ByTime) else rates
