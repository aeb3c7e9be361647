"""Training beside the requests: a thread that takes (E15)'s steps one by one and says after each how it went."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import row_blocks
from chainrule.engine.network import Network
from chainrule.errors import text
from chainrule.explorer.answers import RefusedError
from chainrule.explorer.material import Material
from chainrule.maths.penalties import l2_gradient
from chainrule.maths.updates import update_rule
from chainrule.training.progress.divergence import DivergenceError, all_finite, culprit, norm

Status = Literal["idle", "running", "paused", "failed", "diverged", "done"]
EPOCHS_A_SECOND = 50
"""At most, so that small networks can be watched, and requests answered between the steps."""
_SHOWN_EVERY = 0.1
"""Seconds between two versions while training runs."""
_WAIT_FOR_EPOCH = 1.0
"""Seconds that the request for one epoch waits for its end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What training is to be; `epochs` is where it ends, or by how much it goes on once it is there."""

    optimizer: str = "adam"
    learning_rate: float = 0.01
    batch_size: int = 32
    seed: int = 0
    epochs: int = 500
    penalty: float = 0.0


@dataclass
class Record:
    """Figures of the epochs, one entry each: mean C of its batches, C and accuracy on the test rows, ‖∂C/∂θ^ℓ‖."""

    cost: list[float] = field(default_factory=list)
    validation_cost: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    gradient_norms: list[list[float]] = field(default_factory=list)


@dataclass
class _Epoch:
    """An epoch on its way: the order of the rows, how many steps are taken, and what they gave."""

    order: NDArray[np.intp]
    batch_size: int
    taken: int = 0
    costs: list[float] = field(default_factory=list)
    norms: list[list[float]] = field(default_factory=list)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def rows(self) -> NDArray[np.intp]:
        """The rows of the next step."""
        return self.order[self.taken * self.batch_size : (self.taken + 1) * self.batch_size]


class Trainer:
    """Trains one network, from its own parameters on; a network of other sizes gets another trainer.

    `publish` is given parameters to show. All that is read from outside is written under `lock`.
    """

    def __init__(
        self,
        net: Network,
        material: Material,
        lock: threading.RLock,
        publish: Callable[[Trainer, NDArray[Any]], None],
        settings: Settings | None = None,
    ) -> None:
        self._net, self._material, self._lock, self._publish = net, material, lock, publish
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.settings = settings or Settings()
        self._reset()

    def _reset(self) -> None:
        self.parameters = self._net.parameters
        self.status: Status = "idle"
        self.message: str | None = None
        self.record = Record()
        self.batch: dict[str, Any] | None = None
        self._until = 0
        self._epoch: _Epoch | None = None
        self._rng = np.random.default_rng(self.settings.seed)
        self._restart_rule()

    def _restart_rule(self) -> None:
        self._rule = update_rule(self.settings.optimizer)
        self._state = self._rule.initial(self.parameters, self._net.plan.is_weight)

    # --- what requests ask for ----------------------------------------------------------------------------------------
    def start(self) -> None:
        """Train in a thread until `settings.epochs`. Raises RefusedError, 409, while training runs."""
        with self._lock:
            self._check_idle()
            done = len(self.record.cost)
            self._run(self.settings.epochs if done < self.settings.epochs else done + self.settings.epochs)

    def epoch(self) -> None:
        """Train to the end of the epoch that is begun, or of the next. Raises RefusedError, 409, if training runs."""
        with self._lock:
            self._check_idle()
            thread = self._run(len(self.record.cost) + 1, then="paused")
        thread.join(_WAIT_FOR_EPOCH)

    def one_batch(self) -> None:
        """Take one step. Raises RefusedError, 409, while training runs."""
        with self._lock:
            self._check_idle()
            if self._guarded(self._step):
                self._end_with("paused")

    def pause(self) -> None:
        """End training after the step that is being taken; where none runs there is nothing to do."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def abandon(self) -> None:
        """End training without waiting for it: what its last step gives is shown to nobody."""
        self._stop.set()

    def reset(self) -> None:
        """Go back to the parameters that the network was opened with, and forget all epochs."""
        self.pause()
        with self._lock:
            self._check_idle()  # another request may have started it again
            self._reset()
            self._publish(self, self.parameters)

    def configure(self, settings: dict[str, Any]) -> None:
        """Change settings; the step size holds from the next step, the batch size and the seed from the next epoch."""
        with self._lock:
            before, self.settings = self.settings, replace(self.settings, **settings)
            if self.settings.optimizer != before.optimizer:
                self._restart_rule()
            if self.settings.seed != before.seed:
                self._rng = np.random.default_rng(self.settings.seed)

    def describe(self, since: int = 0) -> dict[str, Any]:
        """Say how training stands, with the epochs from `since` on."""
        with self._lock:
            record, epoch, settings = self.record, self._epoch, self.settings
            m = self._material.count(self._material.training_part)
            of_an_epoch = len(epoch) if epoch is not None else math.ceil(m / settings.batch_size)
            since = min(since, len(record.cost))
            return {
                "status": self.status,
                "message": self.message,
                "epoch": len(record.cost),
                "step": 0 if epoch is None else epoch.taken,
                "steps_an_epoch": of_an_epoch,
                "settings": vars(settings).copy(),
                "history": {
                    "from_epoch": since,
                    "cost": record.cost[since:],
                    "validation_cost": record.validation_cost[since:],
                    "accuracy": record.accuracy[since:] if self._is_classification else None,
                    "gradient_norms": record.gradient_norms[since:],
                },
                "batch": self.batch,
            }

    def _check_idle(self) -> None:
        if self.status == "running":
            hint = "Pause it first."
            message = text("training", expected="it to stand still", got="training that is running", hint=hint)
            raise RefusedError(409, message, "action")

    # --- the thread ---------------------------------------------------------------------------------------------------
    def _run(self, until: int, then: Status = "done") -> threading.Thread:
        self._until = until
        # an event of its own: one that is set for an earlier thread can't be cleared under it
        self._stop = stop = threading.Event()
        thread = threading.Thread(target=self._train, args=(stop, then), name="training", daemon=True)
        thread.start()  # where the machine has none left, nothing runs; until the lock is given back it says nothing
        self._thread, self.status, self.message = thread, "running", None
        return thread

    def _train(self, stop: threading.Event, then: Status) -> None:
        """Run the loop; whatever ends the thread is said, for nobody else would."""
        try:
            self._loop(stop, then)
        except BaseException as error:  # noqa: BLE001 (logged with its traceback)
            self._fail(error)

    def _loop(self, stop: threading.Event, then: Status) -> None:
        """Take steps until there are enough, or somebody or something ends it; touch nothing once that is said."""
        shown = began = time.monotonic()
        epochs = len(self.record.cost)
        while not stop.is_set():
            if not self._guarded(self._step):
                return
            now = time.monotonic()
            if len(self.record.cost) >= self._until:
                self._end_with(then)
                return
            if len(self.record.cost) > epochs:
                epochs = len(self.record.cost)
                stop.wait(began + 1 / EPOCHS_A_SECOND - now)
                began = time.monotonic()
            if now - shown > _SHOWN_EVERY:
                self._publish(self, self.parameters)
                shown = now
        self._end_with("paused")

    def _end_with(self, status: Status, message: str | None = None) -> None:
        """Say how training ended, and show what it has come to, at once: whoever sees the one sees the other."""
        with self._lock:
            self.status, self.message = status, message
            self._publish(self, self.parameters)

    def _guarded(self, step: Callable[[], None]) -> bool:
        """Take a step and say whether it went well; what goes wrong ends training with a message, not the server."""
        try:
            with np.errstate(all="ignore"):
                step()
        except DivergenceError as error:
            self._end_with("diverged", str(error))
            return False
        except Exception as error:  # noqa: BLE001 (logged with its traceback)
            self._fail(error)
            return False
        return True

    def _fail(self, error: BaseException) -> None:
        """Say what ended training, within the handling of that error."""
        _log.exception("training failed")
        what = ": ".join(filter(None, (type(error).__name__, str(error))))
        self._end_with(
            "failed",
            f"training stopped in epoch {len(self.record.cost) + 1} by an error: {what}. "
            "The parameters are those of the last whole step. Start it again, or reset the network.",
        )

    def _step(self) -> None:
        """One step of (E15): the gradient of a batch, then the update of all layers (E16)."""
        net, plan = self._net, self._net.plan
        with self._lock:
            settings, rule, state, parameters = self.settings, self._rule, self._state, self.parameters
            epoch = self._epoch = self._epoch or self._begin(settings.batch_size)
        if epoch.taken == len(epoch):  # the error that ended training came at its end, which is all that is left of it
            self._end(epoch)
            return
        X, targets = self._material.every(self._material.training_part)
        rows = epoch.rows()
        batch = np.ascontiguousarray(X[rows]), targets.rows(rows)
        cost, gradient = net.engine.value_and_gradient(plan, parameters, *batch, None)
        flat = gradient.flat
        if settings.penalty:  # under the sum a batch takes its share of it (E29)
            share = len(rows) / len(epoch.order) if plan.reduction == "sum" else 1.0
            flat = flat + l2_gradient(parameters, plan.is_weight, share * settings.penalty)
        norms = [norm(flat[slice_]) for slice_ in self._layers()]
        if not math.isfinite(cost) or not max(norms) < math.sqrt(np.finfo(net.dtype).max):
            raise DivergenceError(self._said(culprit(net, parameters, [(*batch, None)], flat)))
        state, after = rule.update(state, parameters, flat, settings.learning_rate)
        if not all_finite(after):
            raise DivergenceError(self._said(culprit(net, after)))
        with self._lock:
            self.parameters, self.batch = after, {"cost": float(cost), "gradient_norms": norms}
            if rule is self._rule:  # else another was chosen meanwhile, which begins anew
                self._state = state
            epoch.costs.append(float(cost) * (len(rows) if plan.reduction == "mean" else 1))
            epoch.norms.append(norms)
            epoch.taken += 1
        if epoch.taken == len(epoch):
            self._end(epoch)

    def _begin(self, batch_size: int) -> _Epoch:
        return _Epoch(self._rng.permutation(self._material.count(self._material.training_part)), batch_size)

    def _end(self, epoch: _Epoch) -> None:
        validation_cost, accuracy = self._validate()
        with self._lock:
            total = sum(epoch.costs)
            self.record.cost.append(total / len(epoch.order) if self._net.plan.reduction == "mean" else total)
            self.record.validation_cost.append(validation_cost)
            self.record.accuracy.append(accuracy)
            self.record.gradient_norms.append(np.mean(epoch.norms, axis=0).tolist())
            self._epoch = None

    def _validate(self) -> tuple[float, float]:
        """C and the share of right answers on the test rows; NaN where there are none."""
        material, net = self._material, self._net
        if not {"train", "test"} <= material.parts.keys():  # rows that are trained on say nothing new
            return math.nan, math.nan
        X, targets = material.every("test")
        costs, right = [], 0
        for rows in row_blocks(len(X)):
            run = net.engine.forward(net.plan, self.parameters, X[rows])
            Y = targets.rows(rows)
            costs.append(net.engine.example_costs(net.plan, run, Y))
            right += int((run.a[net.L].argmax(axis=1) == Y.argmax(axis=1)).sum())
        return float(net.engine.batch_cost(net.plan, np.concatenate(costs), None)), right / len(X)

    def _layers(self) -> list[slice]:
        """Where W and b of each layer lie in θ, side by side."""
        plan = self._net.plan
        ends = {layer: plan.bias_blocks.get(layer, plan.weight_blocks[layer]).stop for layer in plan.layers}
        return [slice(plan.weight_blocks[layer].start, ends[layer]) for layer in plan.layers]

    def _said(self, what: str) -> str:
        epoch = self._epoch
        step = 1 if epoch is None else epoch.taken + 1
        return (
            f"training diverged in epoch {len(self.record.cost) + 1}, step {step}: expected finite numbers, got an "
            f"infinite or undefined one: {what}. The parameters are those before that step. Lower the step size, "
            f"which was {self.settings.learning_rate:g}, or reset the network."
        )

    @property
    def _is_classification(self) -> bool:
        return self._material.pipeline.task == "classification"
