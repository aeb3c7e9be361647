"""How far a solver has come: what is complete after every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from chainrule.training.progress.interrupt import Interrupt


def _never() -> bool:
    return False


def _nothing() -> None:
    pass


@dataclass
class Progressed:
    """How far a solver has come; `parameters` is complete after every step. Solvers call `breathe` between steps.

    `taken` counts steps over all epochs. `snapshot`, which the solver sets, gives all that it needs to go on from here
    besides `parameters`: numbers, text, None, arrays, and lists and dicts of these; `resumed` is what the snapshot of
    an earlier run gave, and `monitored` what `end_epoch` gave at its end, where that run's solver hasn't
    heard of it. `due` says, quickly and from any thread, whether `pause` has something to do. Solvers call
    `begin_epoch` where they have begun an epoch.
    """

    parameters: NDArray[Any]
    interrupt: Interrupt = field(default_factory=Interrupt)
    epoch: int = 0
    step: int = 0
    taken: int = 0
    cost: float = math.nan
    gradient_norm: float = math.nan
    learning_rate: float = math.nan
    damping: float = math.nan
    snapshot: Callable[[], dict[str, Any]] | None = None
    resumed: dict[str, Any] | None = None
    monitored: float | None = None
    due: Callable[[], bool] = _never
    pause: Callable[[], None] = _nothing
    begin_epoch: Callable[[], None] = _nothing

    def let_go(self) -> None:
        """Forget what reaches back to the session, the solver and its data: a circle would keep them all in memory."""
        self.snapshot = self.resumed = None
        self.due, self.pause, self.begin_epoch = _never, _nothing, _nothing

    def asked(self) -> bool:
        """Whether `breathe` has something to do."""
        return self.interrupt.requested or self.due()

    def breathe(self) -> None:
        """Do what is to be done between two steps. Raises Ended, Interrupted after Ctrl-C."""
        self.interrupt.check()
        if self.due():
            self.pause()
