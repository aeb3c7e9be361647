"""What a callback is given: where training is, and the passes of the step that was just taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer
from chainrule.engine.reference import Backward, Gradient, Run
from chainrule.errors import InputError, text
from chainrule.training.progress.history import History
from chainrule.training.progress.progressed import Progressed


class Moment:
    """Where training is. One object for a whole training, brought up to date before each call.

    Attributes
    ----------
    net : Network
        With the parameters of now: in `after_batch` those that the step has led to, in `after_training` the final ones.
        What is written to them is written over.
    history : History
        Figures of the epochs that were finished, and in `after_training` how training ended.
    epoch, step : int
        Counted from 1: the epoch, and the batch within it (of solvers that take the whole set, always 1); 0 before the
        first.
    steps : int
        How many steps were taken in all.
    learning_rate : float
        η of this batch's step, or of the last one.
    cost : float
        In `after_batch` C of the batch, before its step (E4); in `after_epoch` that of `history.cost`; else NaN.
    rows : array (n,) of int64
        Which rows of X this batch is; in `before_batch` and `after_batch` only. Of blocks whose order is shuffled, the
        places in the epoch's order: X has no numbers for its rows there.
    a, z, delta : by layer, (n, n_ℓ)
        In `after_batch` only: a^0..a^L and z^1..z^L (E1, E2), ∂C_i/∂z^ℓ (E5, E6), as the step computed them, masks
        included. Read-only views, copied nowhere: what is to outlive the call, copy.
    gradient : Gradient
        In `after_batch` only: ∂C/∂θ of the batch (E7, E8, E10), `W[l]`, `b[l]` and `flat`, without the penalty.
    """

    def __init__(self, net: Network, history: History, now: Progressed) -> None:
        self.net, self.history, self._now = net, history, now
        self.cost = math.nan
        self._rows: NDArray[np.int64] | None = None
        self._passes: tuple[Run, Backward] | None = None

    @property
    def epoch(self) -> int:
        """The epoch, counted from 1."""
        return self._now.epoch

    @property
    def step(self) -> int:
        """The batch of the epoch, counted from 1."""
        return self._now.step

    @property
    def steps(self) -> int:
        """How many steps were taken in all."""
        return self._now.taken

    @property
    def learning_rate(self) -> float:
        """η (E16)."""
        return self._now.learning_rate

    @property
    def rows(self) -> NDArray[np.int64]:
        """Which rows of X the batch is."""
        if self._rows is None:
            raise _only("rows", "before_batch and after_batch")
        rows: NDArray[np.int64] = _seen(self._rows)
        return rows

    @property
    def a(self) -> ByLayer[Any]:
        """a^0..a^L of the batch (E2)."""
        return ByLayer("a", {layer: _seen(array) for layer, array in self._kept("a")[0].a.items()})

    @property
    def z(self) -> ByLayer[NDArray[Any]]:
        """z^1..z^L of the batch (E1)."""
        return ByLayer("z", {layer: _seen(array) for layer, array in self._kept("z")[0].z.items()})

    @property
    def delta(self) -> ByLayer[NDArray[Any]]:
        """δ^1..δ^L of the batch (E5, E6)."""
        return ByLayer("delta", {layer: _seen(array) for layer, array in self._kept("delta")[1].delta.items()})

    @property
    def gradient(self) -> Gradient:
        """∂C/∂θ of the batch (E10)."""
        back = self._kept("gradient")[1]
        return Gradient(back.plan, _seen(back.flat))

    def _kept(self, what: str) -> tuple[Run, Backward]:
        if self._passes is None:
            raise _only(what, "after_batch")
        return self._passes

    def come(
        self, cost: float = math.nan, rows: NDArray[np.int64] | None = None, passes: tuple[Run, Backward] | None = None
    ) -> None:
        """Training comes to this moment: called between the calls of callbacks."""
        self.cost, self._rows, self._passes = cost, rows, passes


def _only(what: str, hooks: str) -> InputError:
    hint = "Copy there what is needed later."
    return InputError(text(f"moment.{what}", expected=f"a call of {hooks}", got="another", hint=hint))


def _seen(array: Any) -> Any:
    """See an array, or the arrays of sparse rows, without a copy and without leave to write."""
    if isinstance(array, np.ndarray):
        view = array.view()
        view.flags.writeable = False
        return view
    parts = (_seen(array.data), _seen(array.indices), _seen(array.indptr))
    return type(array)(parts, shape=array.shape, copy=False)
