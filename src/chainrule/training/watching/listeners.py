"""The callbacks of a training: read, called in order, and what checkpoints keep of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.reference import Backward, Run
from chainrule.errors import InputError, text
from chainrule.training.progress.history import History
from chainrule.training.progress.interrupt import Ended
from chainrule.training.progress.progressed import Progressed
from chainrule.training.watching.moment import Moment

Callback: TypeAlias = Callable[[Network, History], Any] | Any
"""A function (net, history), called after every epoch, or an object with some of HOOKS. A true value ends training."""

HOOKS = ("before_training", "before_epoch", "before_batch", "after_batch", "after_epoch", "after_training")
OF_BATCHES = frozenset({"before_batch", "after_batch"})

_GIVEN = "Each method is given one moment: net, history, epoch, …"
_LOG = logging.getLogger("chainrule.training")


def read_callbacks(callbacks: Any, whole_set: str = "") -> list[Callback]:
    """Check `callbacks`; the solver named `whole_set` has no batches that one could look at. Raises InputError."""
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        hint = "Each function is called after every epoch; a true value ends training."
        expected = "a list of functions (net, history), or of objects with methods such as after_epoch"
        raise InputError(text("callbacks", expected=expected, got=f"{callbacks!r:.60}", hint=hint))
    for at, callback in enumerate(callbacks):
        where = f"callbacks[{at}]"
        if isinstance(callback, type):
            hint = f"Write {callback.__name__}(…)."
            raise InputError(text(where, expected="an object", got=f"the class {callback.__name__}", hint=hint))
        hooks = _hooks(callback)
        if not hooks and not callable(callback):
            expected = f"a function (net, history), or an object with one of {', '.join(HOOKS)}"
            hint = f"Did you mean {', '.join(meant)}?" if (meant := _meant(callback)) else _GIVEN
            raise InputError(text(where, expected=expected, got=f"{callback!r:.60}", hint=hint))
        if hooks and (meant := _meant(callback)):
            _LOG.warning("%s has methods that nobody calls: did you mean %s?", where, ", ".join(meant))
        has = [callable(getattr(callback, name, None)) for name in ("state", "restore")]
        if has[0] != has[1]:
            there, missing = ("state", "restore") if has[0] else ("restore", "state")
            hint = "What state() gives when a checkpoint is written, restore(state) is given when training is resumed."
            got = f"{there} alone of {name_of(callback)}"
            raise InputError(text(where, expected=f"{missing} beside {there}", got=got, hint=hint))
        if whole_set and OF_BATCHES.intersection(hooks):
            expected = f"callbacks that look at epochs under {whole_set}, which takes the whole set at once"
            got = " and ".join(hook for hook in hooks if hook in OF_BATCHES)
            hint = "Use after_epoch, or an optimizer of batches such as 'adam'."
            raise InputError(text(where, expected=expected, got=f"{got} of {name_of(callback)}", hint=hint))
    return list(callbacks)


def name_of(callback: Callback) -> str:
    """What a callback is called: a function by its name, an object by its class's."""
    return str(getattr(callback, "__name__", type(callback).__name__))


def _hooks(callback: Callback) -> list[str]:
    return [hook for hook in HOOKS if callable(getattr(callback, hook, None))]


def _meant(callback: Callback) -> list[str]:
    """Say which methods a callback with other names probably means: on_epoch_end is after_epoch."""
    found = []
    for given in dir(callback):
        words = set(given.lower().strip("_").split("_"))
        if (
            given.startswith("_")
            or given in HOOKS
            or not words & {"on", "before", "after", "begin", "start", "end", "pre", "post"}
        ):
            continue
        when = "before" if words & {"before", "begin", "start", "pre"} else "after"
        for what, names in {"batch": {"batch", "step"}, "epoch": {"epoch"}, "training": {"train", "training"}}.items():
            if words & names:
                found.append(f"{when}_{what} for {given}")
                break
    return found


class Listeners:
    """Calls the callbacks of one training; a `Watcher` of its batches, where one of them looks at these."""

    def __init__(self, callbacks: Sequence[Callback], moment: Moment) -> None:
        self._callbacks, self._moment = list(callbacks), moment
        self._begun = 0  # so many callbacks have seen training begin, and are told of its end
        self.raised = False

    @property
    def of_batches(self) -> list[str]:
        """Names of the callbacks that look at batches."""
        return [name_of(callback) for callback in self._callbacks if OF_BATCHES.intersection(_hooks(callback))]

    def before_training(self) -> None:
        """Call all, in order, as far as none raises."""
        for callback in self._callbacks:
            self._begun += 1
            self._call(callback, "before_training")

    def before_epoch(self, now: Progressed) -> None:
        """An epoch begins, or goes on in a training that is resumed."""
        self._moment.net.parameters[...] = now.parameters
        self._all("before_epoch")

    def before_batch(self, now: Progressed, rows: NDArray[np.int64]) -> None:
        """Rows of X are about to be trained on."""
        self._moment.net.parameters[...] = now.parameters
        self._all("before_batch", rows=rows)

    def after_batch(self, now: Progressed, rows: NDArray[np.int64], cost: float, run: Run, back: Backward) -> None:
        """The step was taken. Raises Ended where a callback ends training."""
        self._moment.net.parameters[...] = now.parameters
        if self._all("after_batch", cost=cost, rows=rows, passes=(run, back)):
            raise Ended("callback")

    def after_epoch(self, now: Progressed) -> bool:
        """Call functions and methods; True ends training."""
        return self._all("after_epoch", cost=now.cost)

    def after_training(self, *, failed: bool = False) -> None:
        """Call all that saw training begin. Raises their first error, but logs it where training `failed`."""
        first: Exception | None = None
        told, self._begun = self._callbacks[: self._begun], 0
        for callback in told:
            try:
                self._call(callback, "after_training")
            except Exception as error:  # noqa: BLE001 (the others are called all the same, and it is raised then)
                if failed or first is not None:
                    _LOG.warning("after_training of the callback %s raised, too", name_of(callback), exc_info=True)
                else:
                    first = error
        if first is not None:
            raise first

    def _all(self, hook: str, **now: Any) -> bool:
        """Call all, also behind one that ends training; True where one does."""
        self._moment.come(**now)
        try:
            ends = [self._call(callback, hook) for callback in self._callbacks]
        finally:
            self._moment.come()
        return any(ends)

    def _call(self, callback: Callback, hook: str) -> bool:
        method = getattr(callback, hook, None)
        try:
            ends = bool(method(self._moment)) if callable(method) else False
            if hook == "after_epoch" and callable(callback):
                ends = bool(callback(self._moment.net, self._moment.history)) or ends
        except Exception as error:
            self.raised = True
            error.add_note(f"raised by {hook} of the callback {name_of(callback)}")
            raise
        return ends and hook in ("after_batch", "after_epoch")

    def state(self) -> list[dict[str, Any]]:
        """Give what a checkpoint keeps: of each callback with a method `state` its name, and what that gives."""
        with_state = [callback for callback in self._callbacks if callable(getattr(callback, "state", None))]
        return [{"callback": name_of(callback), "state": self._kept(callback, "state")} for callback in with_state]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """Give each callback its state back. Raises InputError where they are others than those of the checkpoint."""
        with_state = [callback for callback in self._callbacks if callable(getattr(callback, "restore", None))]
        names, now = [kept["callback"] for kept in states], [name_of(callback) for callback in with_state]
        if names != now:
            hint = "Resume with the callbacks of the training that is resumed, in their order."
            expected = f"callbacks with a state: {', '.join(names) or 'none'}"
            raise InputError(text("callbacks", expected=expected, got=", ".join(now) or "none", hint=hint))
        for callback, kept in zip(with_state, states, strict=True):
            self._kept(callback, "restore", kept["state"])

    def _kept(self, callback: Callback, method: str, *given: Any) -> Any:
        try:
            return getattr(callback, method)(*given)
        except Exception as error:
            error.add_note(f"raised by {method} of the callback {name_of(callback)}")
            raise
