"""The figure by which one epoch is better than another."""

from __future__ import annotations

from typing import Any

from chainrule.errors import InputError, text
from chainrule.training.progress.history import History

MODES = ("min", "max")


class Monitor:
    """What early stopping, or a best checkpoint, looks at after every epoch: less is better.

    `name` is a figure of the history, None its monitored cost. `mode` says whether the least or the greatest is best;
    None is the least, which only a cost takes as understood. `check` refuses what the history doesn't have.
    """

    def __init__(self, of: str, name: Any, mode: Any) -> None:
        if name is not None and not isinstance(name, str):
            expected = "a figure of the history, such as 'validation/accuracy', or None"
            hint = "None is the validation cost, or without a validation set the cost."
            raise InputError(text(f"{of}: monitor", expected=expected, got=repr(name), hint=hint))
        if mode is not None and mode not in MODES:
            hint = "It says whether the least or the greatest is best."
            raise InputError(text(f"{of}: mode", expected="'min', 'max' or None", got=repr(mode), hint=hint))
        if mode is None and name is not None and name.split("/")[-1] not in ("cost", "validation_cost"):
            hint = "It says whether the least or the greatest is best, which only of a cost is understood."
            what = f"{of}: mode, with monitor={name!r}"
            raise InputError(text(what, expected="'min' or 'max'", got="None", hint=hint))
        self._of, self._name, self._sign = of, name, -1.0 if mode == "max" else 1.0

    def check(self, history: History) -> None:
        """See that the history has this figure. Raises InputError."""
        if self._name is not None:
            history.figure(self._name, f"{self._of}: monitor")

    def figures(self, history: History) -> list[float]:
        """Give the figure of each epoch so far, its sign changed where more is better."""
        found = history.monitored if self._name is None else history.figure(self._name)
        return [self._sign * value for value in found]

    def latest(self, history: History) -> float:
        """Give that of the last epoch."""
        return self._sign * (history.monitored if self._name is None else history.figure(self._name))[-1]

    def shown(self, signed: float) -> str:
        """Say what the figure is called, and its value, of what `latest` gave."""
        return f"{self._name or 'monitored cost'} {self._sign * signed:.6g}"
