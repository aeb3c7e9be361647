"""One run of `train`: what happens between its epochs, and at its end."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.maths.penalties import penalty_of
from chainrule.training.checkpoints.resuming import BeforeEnd, resume, state_of
from chainrule.training.progress.bar import ProgressBar
from chainrule.training.progress.divergence import DivergenceError
from chainrule.training.progress.history import EpochFigures, History, Reason
from chainrule.training.progress.interrupt import Ended
from chainrule.training.progress.progressed import Progressed
from chainrule.training.watching.early_stopping import BestParameters
from chainrule.training.watching.listeners import Listeners
from chainrule.training.watching.metrics import Evaluation
from chainrule.training.watching.moment import Moment

if TYPE_CHECKING:
    from chainrule.training.arguments.asked import Asked

_SENTENCES: dict[Reason, str] = {
    "epochs": "all epochs were trained",
    "learning_rate": "the adaptive learning rate fell below its least",
    "converged": "the solver converged",
    "callback": "a callback ended training",
    "time": "max_time is over",
    "interrupt": "interrupted from the keyboard",
}
_LOG = logging.getLogger("chainrule.training")


class Session:
    """What a run of training leaves in the network and in its history, however it ends.

    `evaluation` is what to look at after every epoch.
    """

    def __init__(self, net: Network, now: Progressed, evaluation: Evaluation, asked: Asked, bar: ProgressBar) -> None:
        self.net, self.now, self.evaluation = net, now, evaluation
        self.penalty, self.l1 = asked.penalty, asked.l1
        self.bar, self.checkpoints = bar, asked.checkpoints
        self.history = History.of(evaluation.sets, evaluation.figures)
        self.listeners = Listeners(asked.callbacks, Moment(net, self.history, now))
        self.best = None if asked.stopping is None else BestParameters(asked.stopping, self.history)
        self.finite = self._first = now.parameters  # of the last epoch that ended with finite numbers
        self.ended_by: Reason | None = None
        self.before_end: BeforeEnd | None = None  # while an epoch's end is on its way, and checkpoints are written
        self.unseen: float | None = None  # what the solver would have been told of the last epoch, had it gone on
        self._torn = False  # whether an interrupt may have come between a step's θ and what its rule remembers
        self._last_step: NDArray[np.floating] | None = None
        self.clock = time.perf_counter()
        self._until = time.monotonic() + asked.seconds
        now.due, now.pause = self._due, self._pause
        now.begin_epoch = self._begin_epoch

    def run(self, solver: Callable[[], Reason]) -> None:
        """Call the solver, and settle history and parameters however it ends; an error gets a note, and the history."""
        try:
            self._solve(solver)
            if self.history.stopped != "divergence" and not self._torn:  # a divergence would only come again
                self._save(self.history.stopped)
            self._settle()
            _LOG.log(logging.WARNING if self.history.stopped == "divergence" else logging.INFO, self._outcome())
            self.listeners.after_training()
        except BaseException as error:
            if self.history.stopped == "error":
                self._keep_last_step()
                self._save_what_raised()
            self._settle()
            self._explain(error)
            self.listeners.after_training(failed=True)
            raise

    def _solve(self, solver: Callable[[], Reason]) -> None:
        history = self.history
        try:
            end_awaited = self.checkpoints is not None and resume(self, self.checkpoints)
            self.listeners.before_training()
            reason = self._go_on(solver, end_awaited)
            history.stopped = "interrupt" if self.now.interrupt.requested else self.ended_by or reason
            history.message = f"stopped after epoch {history.epochs}: {self._sentence()}"
        except DivergenceError as error:
            history.stopped = "divergence"
            history.message = self._divergence(str(error))
        except (Ended, KeyboardInterrupt) as error:
            history.stopped = error.reason if isinstance(error, Ended) else "interrupt"
            history.message = f"stopped in epoch {history.epochs + 1}: {self._sentence()}"
            self._keep_last_step()
            self._torn = isinstance(error, KeyboardInterrupt) and self.before_end is None
            if isinstance(error, KeyboardInterrupt) and self.now.interrupt.requested:
                raise  # the second Ctrl-C
        except BaseException as error:
            history.stopped = "error"
            history.message = f"stopped in epoch {max(self.now.epoch, 1)}: {type(error).__name__}: {error}"
            raise

    def _go_on(self, solver: Callable[[], Reason], end_awaited: bool) -> Reason:
        """Call the solver, where a training that is resumed has something left to do."""
        if self.checkpoints is not None and self.checkpoints.over is not None:
            return self.checkpoints.over
        if end_awaited:
            self.now.monitored = self.end_epoch()
            if self.ended_by is not None:
                return self.ended_by
        return solver()

    def _sentence(self) -> str:
        if self.history.stopped == "early_stopping" and self.best is not None:
            return self.best.ended
        return _SENTENCES[self.history.stopped]

    def _outcome(self) -> str:
        restored = self.history.restored_epoch
        return self.history.message + ("" if restored is None else f"; the parameters are those after epoch {restored}")

    def _explain(self, error: BaseException) -> None:
        """Say in a note where training was and what the network holds, and hang the history onto the error."""
        now, done = self.now, self.history.epochs
        where = f"in epoch {now.epoch}, step {now.step}" if now.epoch > done else f"after epoch {done}"
        if not now.epoch:
            where = "before epoch 1"
        error.add_note(
            f"Training was {where}. The network has the parameters {self._kept()}; the history so far, {done} whole "
            f"epoch{'' if done == 1 else 's'}, is this error's attribute `history`."
        )
        error.history = self.history  # type: ignore[attr-defined]

    def _due(self) -> bool:
        return time.monotonic() >= self._until or self._is_due

    @property
    def _is_due(self) -> bool:
        """Whether a checkpoint is; what comes before the solver's first step has nothing to be kept."""
        return self.checkpoints is not None and self.now.snapshot is not None and self.checkpoints.due()

    def _pause(self) -> None:
        if time.monotonic() >= self._until:
            raise Ended("time")
        if self._is_due:
            self._save()

    def _save(self, ended: Reason | None = None) -> None:
        """Write a checkpoint, if there are to be any: between two steps, or in the end of an epoch."""
        solver = self.now.resumed if self.now.snapshot is None else self.now.snapshot()
        if self.checkpoints is not None and solver is not None and self.checkpoints.over is None:
            state = state_of(self, solver, ended)
            self.checkpoints.write(self.net.plan, self.now.parameters, state)

    def _save_what_raised(self) -> None:
        """Write a checkpoint where a callback or a metric raised: there, solver and parameters belong together."""
        if self.before_end is not None or self.listeners.raised:
            try:
                self._save()
            except Exception:  # noqa: BLE001 (the error on its way is the one to be heard of)
                _LOG.warning("no checkpoint of where the error was raised", exc_info=True)

    def _keep_last_step(self) -> None:
        if np.isfinite(self.now.parameters).all():
            self._last_step = self.now.parameters

    def _settle(self) -> None:
        """Give the network its last finite parameters, or the best ones where that was asked for."""
        history, parameters = self.history, self.finite if self._last_step is None else self._last_step
        if self.best is not None and self.best.parameters is not None:
            parameters, history.restored_epoch = self.best.parameters, self.best.epoch
        elif history.stopped == "divergence" and history.epochs:
            history.restored_epoch = history.epochs
        self.net.parameters[...] = parameters

    def _begin_epoch(self) -> None:
        self.now.resumed = None  # the solver has it: what it was is not to be held in memory
        self.listeners.before_epoch(self.now)

    def end_epoch(self) -> float | None:
        """Record the epoch, call whoever wants to know, and give the monitored cost, or None to end training."""
        now, net = self.now, self.net
        self.before_end = None if self.checkpoints is None else BeforeEnd.of(self)
        net.parameters[...] = now.parameters
        figures = self.evaluation(net, now.parameters)
        self.finite = now.parameters
        seconds = time.perf_counter() - self.clock
        penalty = penalty_of(now.parameters, net.plan.is_weight, self.penalty, self.l1)
        self.history.append(
            EpochFigures(now.cost, penalty, now.gradient_norm, now.learning_rate, seconds, now.damping, figures)
        )
        self.bar.after_epoch(self.history)
        if self.best is not None and self.best.after_epoch(self.history, now.parameters):
            self.ended_by = "early_stopping"
        if self.listeners.after_epoch(now):
            self.ended_by = "callback"
        self.clock, self.before_end = time.perf_counter(), None
        if self.checkpoints is not None:
            self.checkpoints.after_epoch(self.history.epochs)
        monitored = self.history.monitored[-1]
        self.unseen = monitored if self.ended_by else None
        return None if self.ended_by else monitored

    def _divergence(self, culprit: str) -> str:
        rate = self.now.learning_rate
        remedy = "Scale the columns of X to about 1"
        if math.isfinite(rate):
            remedy = f"Lower learning_rate, which was {rate:g}, or scale the columns of X to about 1"
        return (
            f"training diverged in epoch {self.now.epoch}, step {self.now.step}: expected finite numbers, got an "
            f"infinite or undefined one: {culprit}. The parameters are those {self._kept()}. {remedy}."
        )

    def _kept(self) -> str:
        """Say whose parameters the network is given in the end."""
        done = self.history.epochs
        if self.best is not None and self.best.parameters is not None:
            return f"after epoch {self.best.epoch}, the best one"
        if self._last_step is not None and self._last_step is not self._first:
            return "after its last whole step"
        last = "the last finite one" if self.history.stopped == "divergence" else "the last one"
        return f"after epoch {done}, {last}" if done else "from before training"
