"""Solvers that are more than an update rule: their names, and which arguments of `cr.train` each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from chainrule.errors import InputError, text
from chainrule.maths.updates import RULES, Adam, UpdateRule, update_rule
from chainrule.training.arguments.settings import OF_A_STEP
from chainrule.training.minibatches.kfac import KFAC
from chainrule.training.minibatches.line_search import LineSearchSGD
from chainrule.training.progress.history import Reason
from chainrule.training.whole_set import gauss_newton_cg, lbfgs, levenberg_marquardt
from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG
from chainrule.training.whole_set.lbfgs import LBFGS
from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt

Solver: TypeAlias = LBFGS | LevenbergMarquardt | GaussNewtonCG


@dataclass(frozen=True)
class Kind:
    """A solver of the whole set: what it is called in a sentence, and the function that trains by it.

    `takes` are arguments of `cr.train` that say how a step is taken, and that it heeds; the others it refuses.
    `resumes` says whether a checkpoint can keep what it remembers.
    """

    title: str
    make: type[Solver]
    run: Callable[..., Reason]
    takes: frozenset[str] = frozenset()
    resumes: bool = True


_ALL = (
    Kind("L-BFGS", LBFGS, lbfgs.run, frozenset({"frozen"}), resumes=False),
    Kind("Levenberg-Marquardt", LevenbergMarquardt, levenberg_marquardt.run, frozenset({"frozen"})),
    Kind("Gauss-Newton-CG", GaussNewtonCG, gauss_newton_cg.run, frozenset({"frozen"})),
)
KINDS = {kind.make.name: kind for kind in _ALL}

AUTO = "auto"
"""Adam, or what `choice.choose` takes instead."""

_MADE: dict[str, type[Any]] = {
    AUTO: Adam,
    KFAC.name: KFAC,
    LineSearchSGD.name: LineSearchSGD,
    **{name: kind.make for name, kind in KINDS.items()},
}
NAMES = (*RULES, *_MADE)
"""What `optimizer` may be by name."""

OF_MINI_BATCHES = (
    "derivative_targets",
    "derivative_weight",
    "monotone",
    "monotone_weight",
    "input_gradient_penalty",
    "learning_rate",
    "batch_size",
    "shuffle",
    "shuffle_rows",
    "l1",
    *OF_A_STEP,
)
"""The arguments that say how a mini-batch's step is taken, in the order in which they are refused."""


def read_optimizer(spec: Any) -> UpdateRule | KFAC | Solver:
    """Find an update rule or a solver by name, with its usual settings, or pass an object through. Raises InputError.

    >>> read_optimizer("lbfgs")
    LBFGS(memory=10, gradient_tolerance=1e-06, cost_tolerance=1e-12)
    """
    if isinstance(spec, str) and spec in _MADE:
        made: UpdateRule | KFAC | Solver = _MADE[spec]()
        return made
    given: UpdateRule | KFAC | Solver = spec
    return given if isinstance(spec, tuple(_MADE.values())) else update_rule(spec, also=(*_MADE,))


def is_update_rule(optimizer: UpdateRule | KFAC | Solver) -> TypeGuard[UpdateRule]:
    """Say whether a step is what (E16) says, of the state, θ, the gradient and η alone."""
    return isinstance(optimizer, Adam) or not isinstance(optimizer, tuple(_MADE.values()))


def kind_of(optimizer: UpdateRule | KFAC | Solver) -> Kind | None:
    """Give the kind of a solver; None for an update rule, which the mini-batch loop takes."""
    return next((kind for kind in KINDS.values() if isinstance(optimizer, kind.make)), None)


def refuse_a_rate(optimizer: UpdateRule | KFAC | Solver, learning_rate: Any, default: Any) -> None:
    """See that a line search over mini-batches, which finds η itself, was given none. Raises InputError."""
    if isinstance(optimizer, LineSearchSGD) and learning_rate is not default and learning_rate != default:
        hint = "It searches for the rate of every step; leave it out, or give cr.LineSearchSGD(first=…, largest=…)."
        expected = f"the default {default!r} under {optimizer.name}"
        raise InputError(text("learning_rate", expected=expected, got=f"{learning_rate!r:.40}", hint=hint))


def is_ignored(kind: Kind, name: str, value: Any, default: Any) -> bool:
    """Whether an argument of `cr.train` was given that this solver would pass over."""
    # what has no default may be an array
    return name not in kind.takes and value is not default and (default is None or bool(value != default))


def refuse_what_is_ignored(kind: Kind, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """See that nothing was asked for that this solver would pass over. Raises InputError."""
    for name in OF_MINI_BATCHES:
        value, default = given[name], defaults[name]
        if is_ignored(kind, name, value, default):
            hint = f"{kind.title} takes the whole set at once and finds its own step; leave it out."
            expected = f"the default {default!r} under {kind.make.name}"
            raise InputError(text(name, expected=expected, got=f"{value!r:.40}", hint=hint))


def refuse_checkpoint(kind: Kind) -> None:
    """Say that a solver keeps what it remembers to itself, as SciPy's L-BFGS does. Raises InputError."""
    others = "levenberg_marquardt or gauss_newton_cg, which take the whole set too"
    hint = f"Leave checkpoint out, or take {others}."
    expected, got = "an optimizer whose state can be kept", f"{kind.make.name}, whose memory SciPy keeps to itself"
    raise InputError(text("checkpoint", expected=expected, got=got, hint=hint))
