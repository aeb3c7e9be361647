"""`cr.train`: from a network and data to a trained network and a history."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine import threads
from chainrule.engine.inputs import check_finite, check_rows_or_csr, check_targets, check_weights
from chainrule.engine.network import Network, check_network, random_generator
from chainrule.errors import DivergenceWarning, InputError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE
from chainrule.maths.penalties import l2
from chainrule.maths.schedules import Adaptive, Schedule, rate_policy
from chainrule.maths.settings import real_number
from chainrule.maths.updates import UpdateRule, update_rule
from chainrule.training import lbfgs, minibatch
from chainrule.training.batches import DataSet
from chainrule.training.callbacks import BestParameters, Callback, EarlyStopping
from chainrule.training.callbacks import early_stopping as read_early_stopping
from chainrule.training.divergence import DivergenceError, culprit
from chainrule.training.history import EpochFigures, History, Reason
from chainrule.training.interrupt import Interrupted
from chainrule.training.lbfgs import LBFGS
from chainrule.training.progress import ProgressBar
from chainrule.training.steps import Progressed

_SENTENCES: dict[Reason, str] = {
    "epochs": "all epochs were trained",
    "early_stopping": "the monitored cost stopped improving",
    "learning_rate": "the adaptive learning rate fell below its least",
    "converged": "the solver converged",
    "callback": "a callback ended training",
    "interrupt": "interrupted from the keyboard",
}


def train(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    optimizer: str | UpdateRule | LBFGS = "adam",
    learning_rate: float | Schedule | Adaptive = 1e-3,
    batch_size: int | None = 32,
    epochs: int = 10,
    shuffle: bool = True,
    penalty: float = 0.0,
    validation: float | tuple[Any, ...] | None = None,
    sample_weight: ArrayLike | None = None,
    early_stopping: bool | int | EarlyStopping | None = None,
    callbacks: Sequence[Callback] = (),
    n_threads: int | None = None,
    seed: int | np.random.Generator | None = 0,
    verbose: int = 1,
) -> History:
    """Train a network in place (E15, E16), minimising C + λ/2 Σ‖W‖² (E29).

    Parameters
    ----------
    net : Network
        Its parameters are changed, at the latest when training ends.
    X : array (m, n_0) or sparse rows of SciPy in CSR form, any real dtype
        Cast to the network's dtype, and made dense where that is faster, batch by batch, never as a whole; uint8 is
        not rescaled.
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    optimizer : str or object
        "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "lbfgs", or an object with its settings, such as
        `cr.Adam(beta1=0.95)`. L-BFGS takes the whole set at once and finds its own step, so it refuses any
        learning_rate, batch_size or shuffle but the defaults.
    learning_rate : float > 0, or a schedule of `cr.schedules`
    batch_size : int ≥ 1, or None
        Examples per update; None, or more than there are, is the whole set.
    epochs : int ≥ 0
        Passes over the data at most (iterations of L-BFGS).
    shuffle : bool
        Whether each epoch takes the examples in a new order.
    penalty : float ≥ 0
        λ of (E29), not divided by anything, biases free of it. Under the sum a batch takes its share of the penalty.
    validation : float, (Xv, Yv), (Xv, Yv, weights), or None
        A set of your own, or the fraction, between 0 and 1, of the data that is drawn by `seed` and left out of
        training.
    sample_weight : array (m,), optional
        w_i ≥ 0, not all 0. Under the mean a batch counts by its share of the weight, so that the objective is C of
        all examples whatever the batch size.
    early_stopping : None, True, int or EarlyStopping
        When to end before `epochs`, and whether the best parameters come back; an int is the patience in epochs.
    callbacks : functions (net, history) -> bool or None
        Called in order after every epoch; a true value ends training. They look: what they write to the network
        is written over.
    n_threads : int, 1 to 256, or None
        Threads while training: of the native backend, where any number of them gives the same bits, or of NumPy's
        linear algebra under the reference. None takes as many as the size of a step is worth, at most the number of
        cores, OMP_NUM_THREADS and LOKY_MAX_CPU_COUNT, and leaves NumPy's as they are.
    seed : int, Generator or None
        Fixes the validation draw and the order of examples.
    verbose : 0 or 1
        1 shows progress on standard error, when that is a terminal.

    Returns
    -------
    History
        Figures of each epoch, and in `stopped` why training ended. Ctrl-C ends it with "interrupt" and the parameters
        of the last whole step; a second one, before `train` has returned, raises. A NaN or infinite number ends it
        with "divergence", a DivergenceWarning that names epoch, step and layer, and the parameters of the last finite
        epoch. With early_stopping the best epoch's parameters come back in each case.

    Raises
    ------
    InputError
        For any argument that isn't as above.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> Y = np.array([0, 1, 1, 0])
    >>> net = cr.Network([2, 8, 1], activations=["tanh", "logistic"], cost="binary_cross_entropy", seed=1)
    >>> history = cr.train(net, X, Y, optimizer="lbfgs", epochs=100, verbose=0)
    >>> (net.predict(X)[:, 0] > 0.5).astype(int).tolist()
    [0, 1, 1, 0]
    """
    check_network(net)
    rule = _read_optimizer(optimizer)
    rates = rate_policy(learning_rate)
    stopping = read_early_stopping(early_stopping)
    _check_settings(batch_size, epochs, penalty, n_threads, callbacks)
    _check_choice("shuffle", shuffle, (True, False))
    _check_choice("verbose", verbose, (0, 1))
    if isinstance(rule, LBFGS):
        _refuse_what_lbfgs_ignores(learning_rate=learning_rate, batch_size=batch_size, shuffle=shuffle)
    rng = random_generator(seed)
    data = _read_data(net, X, Y, sample_weight)
    data, held_out = _read_validation(net, data, validation, rng)

    penalty = float(penalty)
    now = Progressed(net.parameters.copy())
    session = _Session(net, now, held_out, penalty, stopping, callbacks, ProgressBar(epochs, verbose))
    size = min(int(batch_size or len(data)), len(data))
    order = rng if shuffle else None

    def solver() -> Reason:
        if epochs == 0:
            return "epochs"
        if isinstance(rule, LBFGS):
            return lbfgs.run(net, data, rule, penalty, epochs, now, session.end_epoch)
        return minibatch.run(net, data, rule, rates, penalty, size, order, epochs, now, session.end_epoch)

    with (
        now.interrupt,
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
        _threads(n_threads, data, net),
        session.bar,
    ):
        session.run(solver)
    if session.history.stopped == "divergence":
        warnings.warn(session.history.message, DivergenceWarning, stacklevel=2)
    return session.history


class _Session:
    """One run of `train`: what happens at the end of every epoch, and at the end of all."""

    def __init__(
        self,
        net: Network,
        now: Progressed,
        held_out: DataSet | None,
        penalty: float,
        stopping: EarlyStopping | None,
        callbacks: Sequence[Callback],
        bar: ProgressBar,
    ) -> None:
        self.net, self.now, self.held_out, self.penalty = net, now, held_out, penalty
        self.callbacks, self.bar = callbacks, bar
        self.history = History()
        self.best = BestParameters(stopping) if stopping is not None else None
        self.finite = now.parameters  # of the last epoch that ended with finite numbers
        self.ended_by: Reason | None = None
        self.clock = time.perf_counter()

    def run(self, solver: Callable[[], Reason]) -> None:
        """Call the solver, and settle history and parameters however it ends."""
        history = self.history
        try:
            reason = solver()
            history.stopped = "interrupt" if self.now.interrupt.requested else self.ended_by or reason
            history.message = f"stopped after epoch {history.epochs}: {_SENTENCES[history.stopped]}"
        except DivergenceError as error:
            history.stopped = "divergence"
            history.message = self._divergence(str(error))
        except (Interrupted, KeyboardInterrupt) as error:
            history.stopped = "interrupt"
            history.message = f"stopped in epoch {history.epochs + 1}: {_SENTENCES['interrupt']}"
            if np.isfinite(self.now.parameters).all():
                self.finite = self.now.parameters
            if isinstance(error, KeyboardInterrupt) and self.now.interrupt.requested:
                raise  # the second Ctrl-C
        finally:
            self._settle()

    def _settle(self) -> None:
        """Give the network its last finite parameters, or the best ones where that was asked for."""
        history, parameters = self.history, self.finite
        if self.best is not None and self.best.parameters is not None:
            parameters, history.restored_epoch = self.best.parameters, self.best.epoch
        elif history.stopped == "divergence" and history.epochs:
            history.restored_epoch = history.epochs
        self.net.parameters[...] = parameters

    def end_epoch(self) -> float | None:
        """Record the epoch, call whoever wants to know, and give the monitored cost, or None to end training."""
        now, net = self.now, self.net
        validation_cost = None if self.held_out is None else self.held_out.cost(net, now.parameters)
        if self.held_out is not None and validation_cost is not None and not math.isfinite(validation_cost):
            raise DivergenceError(f"on the validation set {culprit(net, now.parameters, self.held_out.blocks())}")
        net.parameters[...] = now.parameters
        self.finite = now.parameters
        seconds = time.perf_counter() - self.clock
        penalty = float(l2(now.parameters, net.plan.is_weight, self.penalty)) if self.penalty else 0.0
        self.history.append(
            EpochFigures(now.cost, validation_cost, penalty, now.gradient_norm, now.learning_rate, seconds)
        )
        self.bar.after_epoch(self.history)
        monitored = now.cost if validation_cost is None else validation_cost
        if self.best is not None and self.best.after_epoch(self.history.epochs, monitored, now.parameters):
            self.ended_by = "early_stopping"
        for callback in self.callbacks:
            if callback(net, self.history):
                self.ended_by = "callback"
        self.clock = time.perf_counter()
        return None if self.ended_by else monitored

    def _divergence(self, culprit: str) -> str:
        done = self.history.epochs
        rate = self.now.learning_rate
        kept = f"those after epoch {done}, the last finite one" if done else "those from before training"
        if self.best is not None and self.best.parameters is not None:
            kept = f"those after epoch {self.best.epoch}, the best one"
        remedy = "Scale the columns of X to about 1"
        if math.isfinite(rate):
            remedy = f"Lower learning_rate, which was {rate:g}, or scale the columns of X to about 1"
        return (
            f"training diverged in epoch {self.now.epoch}, step {self.now.step}: expected finite numbers, got an "
            f"infinite or undefined one: {culprit}. The parameters are {kept}. {remedy}."
        )


def _read_optimizer(spec: str | UpdateRule | LBFGS) -> UpdateRule | LBFGS:
    if isinstance(spec, LBFGS):
        return spec
    if spec == LBFGS.name:
        return LBFGS()
    return update_rule(spec, also=(LBFGS.name,))


def _refuse_what_lbfgs_ignores(**settings: Any) -> None:
    defaults = inspect.signature(train).parameters
    for name, value in settings.items():
        default = defaults[name].default
        if value is not default and value != default:
            hint = "L-BFGS takes the whole set at once and finds its own step; leave it out."
            raise InputError(text(name, expected=f"the default {default!r} under lbfgs", got=repr(value), hint=hint))


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if not isinstance(value, int | np.bool_) or value not in choices:
        expected = " or ".join(map(repr, choices))
        raise InputError(text(name, expected=expected, got=repr(value), hint=f"Write {name}={choices[0]!r}."))


def _check_settings(
    batch_size: int | None, epochs: int, penalty: float, n_threads: int | None, callbacks: Sequence[Callback]
) -> None:
    if batch_size is not None and not (is_count(batch_size) and batch_size < 2**31):
        hint = "The default is a good start."
        expected = "a whole number ≥ 1 or None"
        raise InputError(text("batch_size", expected=expected, got=repr(batch_size), hint=hint))
    if n_threads is not None and not (is_count(n_threads) and n_threads <= threads.AT_MOST):
        hint = "The default is a good start."
        expected = f"a whole number 1 to {threads.AT_MOST} or None"
        raise InputError(text("n_threads", expected=expected, got=repr(n_threads), hint=hint))
    if not is_count(epochs) and (isinstance(epochs, bool) or epochs != 0):
        hint = "0 trains nothing."
        raise InputError(text("epochs", expected="a whole number ≥ 0", got=repr(epochs), hint=hint))
    number = real_number(penalty)
    if number is None or not NOT_NEGATIVE.contains(number):
        hint = "0 is no penalty; usual values are 1e-5 to 1e-2."
        raise InputError(text("penalty", expected="a finite number ≥ 0", got=repr(penalty), hint=hint))
    given = callbacks if isinstance(callbacks, Sequence) else [None]
    for callback in given:
        if not callable(callback):
            hint = "Each is called after every epoch; a true value ends training."
            got = repr(callbacks)
            raise InputError(text("callbacks", expected="a list of functions (net, history)", got=got, hint=hint))


def _read_data(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None,
    names: Sequence[str] = ("X", "Y", "sample_weight"),
) -> DataSet:
    rows = check_rows_or_csr(X, net.sizes[0], names[0])
    check_finite(rows, net.plan.dtype, names[0])
    m = rows.shape[0]
    targets = check_targets(Y, m, net.plan, names[1], names[0])
    weights = check_weights(sample_weight, m, net.plan.dtype, names[2], names[0])
    return DataSet(rows, targets, weights, np.arange(m))


def _read_validation(
    net: Network, data: DataSet, validation: float | tuple[Any, ...] | None, rng: np.random.Generator
) -> tuple[DataSet, DataSet | None]:
    """Give the training part and the validation set, either the user's own or a fraction drawn from the data."""
    if validation is None:
        return data, None
    if isinstance(validation, tuple | list) and len(validation) in (2, 3):
        names = ("validation X", "validation Y", "validation weights")
        Xv, Yv, weights = (*validation, None)[:3]
        return data, _read_data(net, Xv, Yv, weights, names)
    hint = "Write validation=0.1, or validation=(Xv, Yv)."
    if not isinstance(validation, float | np.floating) or not 0 < validation < 1:
        got = (
            f"{type(validation).__name__} of length {len(validation)}"
            if isinstance(validation, tuple | list)
            else f"{validation!r:.40}"
        )
        raise InputError(text("validation", expected="a fraction between 0 and 1, or (Xv, Yv)", got=got, hint=hint))
    n_held_out = math.ceil(validation * len(data))
    if n_held_out >= len(data):
        got = f"{len(data)} row{'s' if len(data) > 1 else ''}"
        smaller = "Hold out a smaller fraction."
        raise InputError(text("validation", expected="rows left to train on", got=got, hint=smaller))
    order = rng.permutation(len(data))

    def part(rows: NDArray[np.intp]) -> DataSet:
        chosen = DataSet(data.X, data.targets, data.weights, np.sort(rows))
        if data.weights is not None and not data.weights[rows].any():
            raise InputError(
                text(
                    "sample_weight",
                    expected="weight > 0 in each part of the validation split",
                    got="only zeros",
                    hint=hint,
                )
            )
        return chosen

    return part(order[n_held_out:]), part(order[:n_held_out])


@contextmanager
def _threads(n_threads: int | None, data: DataSet, net: Network) -> Iterator[None]:
    if n_threads is None:
        yield
        return
    with threads.exactly(int(n_threads)):
        if net.backend == "native" and isinstance(data.X, np.ndarray):
            yield  # no library's threads to be limited, which takes longer than some trainings
            return
        from threadpoolctl import threadpool_limits  # scikit-learn brings it

        with threadpool_limits(int(n_threads)):
            yield
