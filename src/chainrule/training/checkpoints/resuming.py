"""What a checkpoint keeps of a training besides its parameters, and how a training goes on from it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from chainrule.training.progress.history import History, RateSearch, Reason

if TYPE_CHECKING:
    from chainrule.training.checkpoints.folder import Checkpoints
    from chainrule.training.session import Session

_OF_THE_END = ("stopped", "message", "restored_epoch")


@dataclass(frozen=True)
class BeforeEnd:
    """What the end of an epoch changes, as it was before: where a callback or a metric raises, it is done once more."""

    epochs: int
    finite: NDArray[Any]
    best: dict[str, Any] | None
    callbacks: list[dict[str, Any]]

    @classmethod
    def of(cls, session: Session) -> BeforeEnd:
        """Look at a session."""
        best = None if session.best is None else session.best.state()
        return cls(session.history.epochs, session.finite, best, session.listeners.state())


def state_of(session: Session, solver: dict[str, Any], ended: Reason | None) -> dict[str, Any]:
    """Give what a training remembers between two steps: numbers, text, None, arrays, and lists and dicts of these.

    `solver` is the snapshot of its solver, `ended` why it has come to its end, if it has. An end of an epoch that is
    on its way is left out, to be done again.
    """
    now, before = session.now, session.before_end
    at = BeforeEnd.of(session) if before is None else before
    return {
        "progress": {name: value for name, value in vars(now).items() if isinstance(value, int | float)},
        "solver": solver,
        "finite": None if at.finite is now.parameters else at.finite,
        "best": at.best,
        "history": _history_state(session.history, at.epochs),
        "callbacks": at.callbacks,
        "seconds": time.perf_counter() - session.clock,
        "monitored": session.unseen,
        "end_awaited": before is not None,
        "ended": ended,
    }


def _history_state(history: History, epochs: int) -> dict[str, Any]:
    """Give the fields of a history, of its first epochs."""
    kept = {name: _first(value, epochs) for name, value in vars(history).items() if name not in _OF_THE_END}
    search = history.rate_search
    return kept | {"rate_search": None if search is None else dataclasses.asdict(search)}


def _first(value: Any, epochs: int) -> Any:
    if isinstance(value, dict):
        return {name: _first(part, epochs) for name, part in value.items()}
    return value[:epochs] if isinstance(value, list) else value


def resume(session: Session, checkpoints: Checkpoints) -> bool:
    """Put a session, network, history and callbacks into the state of the checkpoint that was found, if one was.

    Whether the end of the last epoch in it is to be done yet.
    """
    found = checkpoints.take()
    if found is None:
        return False
    now, history, parameters, state = session.now, session.history, found.parameters, found.state
    for name, value in state["progress"].items():
        setattr(now, name, value)
    for name, value in state["history"].items():
        setattr(history, name, value)
    if history.rate_search is not None:
        history.rate_search = RateSearch(**state["history"]["rate_search"])
    session.net.parameters[...] = parameters
    now.parameters, now.resumed = parameters, state["solver"]
    session.finite = parameters if state["finite"] is None else state["finite"]
    if session.best is not None:
        session.best.restore(state["best"])
    session.listeners.restore(state["callbacks"])
    session.clock = time.perf_counter() - state["seconds"]
    now.monitored = state["monitored"]
    return bool(state["end_awaited"])
