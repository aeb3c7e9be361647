"""What is known of the evaluation sets after every epoch: the cost, and metrics of the user's own."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.maths.settings import real_number
from chainrule.training.examples.batches import Examples
from chainrule.training.progress.divergence import DivergenceError, culprit

Metric: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], float]
"""Of the outputs a^L, (m, n_L), and Y: class indices (m,), or numbers (m, n_L). No weights."""

_LOG = logging.getLogger("chainrule.training")
_HINT = "Write metrics={'accuracy': lambda outputs, Y: float(np.mean(outputs.argmax(axis=1) == Y))}."


def read_metrics(given: Any, has_sets: bool) -> dict[str, Metric]:
    """Check `metrics`. Raises InputError."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(text("metrics", expected="{name: function (outputs, Y)}", got=f"{given!r:.40}", hint=_HINT))
    for name, metric in given.items():
        if not isinstance(name, str) or not name or "/" in name or name == "cost":
            hint = "The cost is there anyhow, and a figure's whole name is 'set/metric'."
            expected = "names as text, without '/', other than 'cost'"
            raise InputError(text("metrics", expected=expected, got=repr(name), hint=hint))
        if not callable(metric):
            what = f"metrics[{name!r}]"
            raise InputError(text(what, expected="a function (outputs, Y)", got=f"{metric!r:.40}", hint=_HINT))
    if given and not has_sets:
        hint = "Add validation=0.1, validation=(Xv, Yv), or validation={'train': (X, Y)}."
        raise InputError(text("metrics", expected="validation: sets to measure", got="none", hint=hint))
    return dict(given)


class Evaluation:
    """Looks at evaluation sets after every epoch; of several the first is monitored."""

    def __init__(self, sets: Mapping[str, Examples], metrics: Mapping[str, Metric]) -> None:
        self.sets, self._metrics = sets, metrics
        self.figures = ("cost", *metrics)
        self._warned: set[str] = set()

    def __call__(self, net: Network, parameters: NDArray[Any]) -> dict[str, dict[str, float]]:
        """Give the figures of each set.

        Raises DivergenceError for a cost that is not finite, InputError for a metric that is no number, and what a
        metric raises, with a note of where.
        """
        return {name: self._of(name, data, net, parameters) for name, data in self.sets.items()}

    def _of(self, name: str, data: Examples, net: Network, parameters: NDArray[Any]) -> dict[str, float]:
        outputs, cost = None, 0.0
        if self._metrics:
            outputs, cost = data.outputs_and_cost(net, parameters)
        else:
            cost = data.cost(net, parameters)
        if not math.isfinite(cost):
            set_of = "the validation set" if name == "validation" else f"the set {name!r} of validation"
            raise DivergenceError(f"on {set_of} {culprit(net, parameters, data.blocks())}")
        found = {"cost": cost}
        if outputs is not None:
            Y = data.labels
            for metric in self._metrics:
                found[metric] = self._measure(metric, name, outputs.copy(), Y.copy())  # which it may write to
        return found

    def _measure(self, metric: str, name: str, outputs: NDArray[Any], Y: NDArray[Any]) -> float:
        where = f"metrics[{metric!r}] of the set {name!r}"
        try:
            given = self._metrics[metric](outputs, Y)
        except Exception as error:
            error.add_note(f"raised by {where}, given outputs {outputs.shape} and Y {Y.shape}")
            raise
        value = _number(given)
        if value is None:
            got = f"an array of shape {np.shape(given)}" if np.ndim(given) else f"{given!r:.40}"
            hint = "Reduce it, as in float(np.mean(…))." if np.ndim(given) else "Return a float."
            raise InputError(text(where, expected="one number", got=got, hint=hint))
        if not math.isfinite(value) and where not in self._warned:
            self._warned.add(where)  # once: a figure that is undefined for a set is so every epoch
            _LOG.warning("%s is %s: kept in the history, and no improvement where it is monitored", where, value)
        return value


def _number(given: Any) -> float | None:
    """Read what a metric gave, NumPy's, PyTorch's and JAX's numbers among it; NaN and infinity are numbers."""
    return real_number(given.item() if np.ndim(given) == 0 and hasattr(given, "item") else given)
