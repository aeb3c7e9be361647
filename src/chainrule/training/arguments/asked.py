"""The arguments of `cr.train` but for its data: read, checked, and held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.engine.network import Network, random_generator
from chainrule.engine.step_options import StepOptions
from chainrule.maths.schedules import RatePolicy
from chainrule.maths.updates import UpdateRule
from chainrule.training.arguments.settings import (
    OF_A_STEP,
    batch_sizes,
    check_choice,
    check_epochs,
    check_threads,
    run_key,
    seconds_to_train,
    step_options,
    strength,
)
from chainrule.training.arguments.solvers import (
    AUTO,
    Solver,
    kind_of,
    read_optimizer,
    refuse_a_rate,
    refuse_checkpoint,
    refuse_what_is_ignored,
)
from chainrule.training.examples.reading import check_shuffle_rows
from chainrule.training.minibatches import rate_finder
from chainrule.training.minibatches.kfac import KFAC
from chainrule.training.watching.early_stopping import EarlyStopping, early_stopping
from chainrule.training.watching.listeners import Callback, read_callbacks

if TYPE_CHECKING:
    from chainrule.training.checkpoints.folder import Checkpoints


@dataclass(frozen=True)
class Asked:
    """What `cr.train` is asked for.

    `given` has its arguments as they are, `defaults` those that nobody gave. Under "auto" `optimizer` is Adam until
    rows and callbacks are known, and `chooses` is true. `rates` is None where a rate is to be found.
    """

    given: Mapping[str, Any]
    defaults: Mapping[str, Any]
    optimizer: UpdateRule | KFAC | Solver
    chooses: bool
    rates: RatePolicy | None
    penalty: float
    l1: float
    options: StepOptions
    rng: np.random.Generator
    stopping: EarlyStopping | None
    callbacks: list[Callback]
    seconds: float
    checkpoints: Checkpoints | None

    @property
    def epochs(self) -> int:
        """How many there are to be."""
        return int(self.given["epochs"])


def read_arguments(net: Network, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Asked:
    """Read what doesn't depend on the rows. Raises InputError, in the words of the arguments."""
    optimizer = read_optimizer(given["optimizer"])
    kind = kind_of(optimizer)
    rates = rate_finder.read_rate(given["learning_rate"], optimizer)
    stopping = early_stopping(given["early_stopping"])
    check_epochs(given["epochs"])
    batch_sizes(given["batch_size"], 0, 1)
    penalty, l1 = (strength(name, given[name]) for name in ("penalty", "l1"))
    check_threads(given["n_threads"])
    callbacks = read_callbacks(given["callbacks"], "" if kind is None else kind.title)
    seconds = seconds_to_train(given["max_time"])
    check_choice("shuffle", given["shuffle"], (True, False))
    check_shuffle_rows(given["shuffle_rows"], given["X"], given["shuffle"])
    check_choice("verbose", given["verbose"], (0, 1))
    if given["checkpoint"] is not None and kind is not None and not kind.resumes:
        refuse_checkpoint(kind)
    checkpoints = None
    if any(given[name] is not defaults[name] for name in ("checkpoint", "checkpoint_every", "resume")):
        from chainrule.training.checkpoints.folder import read_checkpoints  # with files, digests and locks

        checkpoints = read_checkpoints(given["checkpoint"], given["checkpoint_every"], given["resume"])
    rng = random_generator(given["seed"])
    key = run_key(rng)
    seed = key if checkpoints is None else checkpoints.draws(rng, key)
    options = step_options(net.plan, **{name: given[name] for name in OF_A_STEP}, seed=seed)
    if kind is not None:
        refuse_what_is_ignored(kind, given, defaults)
    refuse_a_rate(optimizer, given["learning_rate"], defaults["learning_rate"])
    chooses = isinstance(given["optimizer"], str) and given["optimizer"] == AUTO
    return Asked(
        given, defaults, optimizer, chooses, rates, penalty, l1, options, rng, stopping, callbacks, seconds, checkpoints
    )
