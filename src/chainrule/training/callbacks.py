"""What runs at the end of every epoch: early stopping, and the user's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.errors import InputError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE
from chainrule.maths.settings import settle

if TYPE_CHECKING:
    from chainrule.training.history import History

Callback: TypeAlias = "Callable[[Network, History], bool | None]"
"""Called after every epoch, with its parameters in `net` and its figures in `history`; a true value ends training."""


@dataclass(frozen=True)
class EarlyStopping:
    """End training when the monitored cost hasn't improved for some epochs, and give the best parameters back.

    Parameters
    ----------
    patience : int or None
        How many epochs in a row may pass without improvement, at least 1. None never ends training early, and
        still restores.
    tolerance : float
        What counts as an improvement: a cost below the best by more than this. ≥ 0.
    restore_best : bool
        Whether the network ends with the parameters of the epoch whose monitored cost was the least.

    The monitored cost is the validation cost; without a validation set it is the training cost.

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

    def __post_init__(self) -> None:
        if self.patience is not None and not is_count(self.patience):
            hint = "None never stops early."
            raise InputError(
                text(
                    "EarlyStopping: patience", expected="a whole number ≥ 1 or None", got=repr(self.patience), hint=hint
                )
            )
        settle(self, tolerance=NOT_NEGATIVE)


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

    def __init__(self, rule: EarlyStopping) -> None:
        self._rule = rule
        self._least = math.inf
        self._waited = 0
        self.epoch: int | None = None
        self.parameters: NDArray[Any] | None = None

    def after_epoch(self, epoch: int, cost: float, parameters: NDArray[Any]) -> bool:
        """Take an epoch's monitored cost into account; True means that patience is at its end."""
        self._waited = 0 if cost < self._least - self._rule.tolerance else self._waited + 1
        if cost < self._least:
            self._least, self.epoch = cost, epoch
            if self._rule.restore_best:
                self.parameters = np.array(parameters)
        return self._rule.patience is not None and self._waited >= self._rule.patience
