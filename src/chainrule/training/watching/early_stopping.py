"""Early stopping: when training ends for want of improvement, and whose parameters come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE
from chainrule.maths.settings import settle
from chainrule.training.progress.history import History
from chainrule.training.watching.monitor import Monitor


@dataclass(frozen=True)
class EarlyStopping:
    """End training when the monitored figure hasn't improved for some epochs, and give the best parameters back.

    Parameters
    ----------
    patience : int or None
        How many epochs in a row may pass without improvement, at least 1. None never ends training early, and
        still restores.
    tolerance : float
        What counts as an improvement: a figure better than the best by more than this. ≥ 0.
    restore_best : bool
        Whether the network ends with the parameters of the epoch whose monitored figure was the best.
    monitor : str or None
        A figure of the history: "validation/accuracy" or "test/cost" for a set and its cost or one of `metrics`,
        "cost" for the training cost. None is the validation cost; without a validation set it is the training cost.
    mode : "min", "max" or None
        Which is best, the least or the greatest. None is the least; a metric of your own needs it said.

    A figure that is NaN is no improvement.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity")
    >>> rule = cr.EarlyStopping(patience=2, tolerance=1e9)
    >>> history = cr.train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=50, early_stopping=rule, verbose=0)
    >>> history.stopped, history.epochs
    ('early_stopping', 3)
    """

    patience: int | None = 10
    tolerance: float = 0.0
    restore_best: bool = True
    monitor: str | None = None
    mode: str | None = None

    def __post_init__(self) -> None:
        if self.patience is not None and not is_count(self.patience):
            hint = "None never stops early."
            raise InputError(
                text(
                    "EarlyStopping: patience", expected="a whole number ≥ 1 or None", got=repr(self.patience), hint=hint
                )
            )
        settle(self, tolerance=NOT_NEGATIVE)
        self.monitored()

    def monitored(self) -> Monitor:
        """What it looks at. Raises InputError."""
        return Monitor("EarlyStopping", self.monitor, self.mode)


def early_stopping(spec: bool | int | EarlyStopping | None) -> EarlyStopping | None:
    """Read `early_stopping`: None or False, True, a patience, or an EarlyStopping. Raises InputError otherwise."""
    if spec is None or spec is False:
        return None
    if spec is True:
        return EarlyStopping()
    if isinstance(spec, EarlyStopping):
        return spec
    if isinstance(spec, int | np.integer):
        return EarlyStopping(patience=int(spec))
    hint = "Write early_stopping=10, or cr.EarlyStopping(patience=10, tolerance=1e-4)."
    raise InputError(
        text("early_stopping", expected="True, a patience, or cr.EarlyStopping", got=repr(spec), hint=hint)
    )


class BestParameters:
    """Keeps the parameters of the best epoch so far, and counts how long there has been no better one."""

    def __init__(self, rule: EarlyStopping, history: History) -> None:
        self._rule, self._monitor = rule, rule.monitored()
        self._monitor.check(history)
        self._least = math.inf
        self._waited = 0
        self.epoch: int | None = None
        self.parameters: NDArray[Any] | None = None

    def after_epoch(self, history: History, parameters: NDArray[Any]) -> bool:
        """Take an epoch's monitored figure into account; True means that patience is at its end."""
        figure = self._monitor.latest(history)
        self._waited = 0 if figure < self._least - self._rule.tolerance else self._waited + 1
        if figure < self._least:
            self._least, self.epoch = figure, history.epochs
            if self._rule.restore_best:
                self.parameters = np.array(parameters)
        return self._rule.patience is not None and self._waited >= self._rule.patience

    @property
    def ended(self) -> str:
        """Why training ended when patience did."""
        return f"the monitored {'cost' if self._rule.monitor is None else self._rule.monitor} stopped improving"

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        return {
            "least": None if self._least == math.inf else self._least,
            "waited": self._waited,
            "epoch": self.epoch,
            "parameters": self.parameters,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self._least = math.inf if state["least"] is None else state["least"]
        self._waited, self.epoch, self.parameters = state["waited"], state["epoch"], state["parameters"]
