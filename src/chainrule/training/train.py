"""`cr.train`: from a network and data to a trained network and a history."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from chainrule.engine.network import Network, check_network
from chainrule.engine.threads import limited
from chainrule.errors import CheckpointWarning, DivergenceWarning
from chainrule.maths.schedules import Adaptive, Schedule
from chainrule.maths.updates import UpdateRule
from chainrule.training.arguments.asked import read_arguments
from chainrule.training.arguments.solvers import Solver
from chainrule.training.examples.batches import DataSet
from chainrule.training.examples.reading import read_data, read_validation, refuse_of_blocks
from chainrule.training.examples.streams import Factory
from chainrule.training.minibatches.input_terms import OF_INPUTS, read_input_terms
from chainrule.training.progress.bar import ProgressBar
from chainrule.training.progress.history import History
from chainrule.training.progress.progressed import Progressed
from chainrule.training.session import Session
from chainrule.training.solving import choose, solve
from chainrule.training.watching.early_stopping import EarlyStopping
from chainrule.training.watching.listeners import Callback
from chainrule.training.watching.metrics import Evaluation, Metric, read_metrics


def train(
    net: Network,
    X: ArrayLike | Factory,
    Y: ArrayLike | None = None,
    *,
    optimizer: str | UpdateRule | Solver = "adam",
    learning_rate: float | Schedule | Adaptive | Literal["find"] = 1e-3,
    batch_size: int | Mapping[int, int | None] | None = 32,
    epochs: int = 10,
    shuffle: bool = True,
    shuffle_rows: int | None = None,
    penalty: float = 0.0,
    l1: float = 0.0,
    weight_decay: float = 0.0,
    dropout: float | Mapping[int, float] = 0.0,
    input_noise: float = 0.0,
    label_smoothing: float = 0.0,
    max_norm: float | None = None,
    clip_norm: float | None = None,
    clip_example_norm: float | None = None,
    layer_rates: Mapping[int, float] | None = None,
    frozen: Iterable[int] = (),
    derivative_targets: ArrayLike | None = None,
    derivative_weight: float = 1.0,
    monotone: Mapping[int, int] | None = None,
    monotone_weight: float = 1.0,
    input_gradient_penalty: float = 0.0,
    validation: float | tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None = None,
    sample_weight: ArrayLike | None = None,
    early_stopping: bool | int | EarlyStopping | None = None,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callback] = (),
    max_time: float | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: int | str = 1,
    resume: bool = False,
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
        not rescaled. Or a function that gives a new iterator over blocks (X, Y) or (X, Y, weights) each time it is
        called, `cr.Blocks` or `cr.ParquetRows`: all is read once before the first step and once an epoch, and never
        held as a whole. Batches go across blocks. The same rows in memory give the same bits with shuffle=False.
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L). Left out where X is a function.
    optimizer : str or object
        Of mini-batches "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "rprop", "kfac", "line_search"; of
        the whole set "lbfgs", "levenberg_marquardt", "gauss_newton_cg"; "auto" chooses, and says why in
        `History.choice`; or an object with its settings, such as `cr.Adam(beta1=0.95)`. A solver of the whole set finds
        its own step, and refuses whatever says how a mini-batch's step is taken, but for `penalty` and `frozen`.
    learning_rate : float > 0, a schedule of `cr.schedules`, or "find"
        "find" makes a range test first (E72), which is in `History.rate_search` and drawn by `cr.plots.range_test`.
    batch_size : int ≥ 1, None, or {epoch: int ≥ 1 or None}
        Examples per update; None, or more than there are, is the whole set. {1: 32, 10: 128} takes 128 from the tenth
        epoch on.
    epochs : int ≥ 0
        Passes over the data at most; steps of a solver of the whole set.
    shuffle : bool
        Whether each epoch takes the examples in a new order. Of blocks, the order of files or row groups is drawn,
        and then that of so many rows at a time as they come.
    shuffle_rows : int ≥ 1 or None
        How many rows of blocks are shuffled at a time; None is as many as hold 2²³ numbers.
    penalty : float ≥ 0
        λ of (E29), not divided by anything, biases free of it. Under the sum a batch takes its share of the penalty.
    l1 : float ≥ 0
        λ₁ of λ₁ Σ|W| (E52), which the objective has beside the penalty.
    weight_decay : float ≥ 0
        λ of W ← W − ηλW before each step, apart from the gradient (E53), for any optimizer.
    dropout : float, or {layer: float}, each 0 ≤ p < 1
        The probability with which a unit is left out of a step (E51): of all hidden layers, or by layer, 0 being the
        input.
    input_noise : float ≥ 0
        σ of the normal noise that each step adds to its rows (E56), in the units of X.
    label_smoothing : float, 0 ≤ ε < 1
        Which share of each target goes evenly to all classes (E55); for (binary) cross-entropy.
    max_norm : float > 0 or None
        After each step, the weights into a unit have at most this length (E54).
    clip_norm : float > 0 or None
        A longer gradient is shortened to this length before the step (E57).
    clip_example_norm : float > 0 or None
        An example whose gradient is longer counts as if it were this long (E58).
    layer_rates : {layer: factor > 0}, optional
        What the learning rate is multiplied by in a layer.
    frozen : layers
        These layers stay as they are.
    derivative_targets : array (m, n_L, n_0), or (m, n_0) when n_L = 1, optional
        What ∂a^L/∂x is to be at each row of X, NaN where that is not known: `derivative_weight` times the squared
        differences' sum over entries, counted over examples as C is, are added to the objective (E59).
    monotone : {column of X: 1 or -1}, optional
        In which columns every output is to rise or to fall: `monotone_weight` times the squares of slopes of the wrong
        sign are added (E60). At the rows of X; nothing is promised between them.
    input_gradient_penalty : float ≥ 0
        λ of λ/2 ‖∂C_i/∂x‖², averaged or summed as C_i are (E61).
    validation : float, (Xv, Yv), (Xv, Yv, weights), blocks as X may be, {name: one of these sets}, or None
        A set of your own, or the fraction, between 0 and 1, of the data that is drawn by `seed` and left out of
        training. Of several named sets the first is monitored.
    sample_weight : array (m,), optional
        w_i ≥ 0, not all 0. Under the mean a batch counts by its share of the weight, so that the objective is C of
        all examples whatever the batch size.
    early_stopping : None, True, int or EarlyStopping
        When to end before `epochs`, and whether the best parameters come back; an int is the patience in epochs.
    metrics : {name: function (outputs, Y) -> float}, optional
        Measured on every validation set after every epoch: outputs a^L, (m, n_L), and Y, class indices (m,) or
        numbers (m, n_L). The history has them in `evaluations`.
    callbacks : functions (net, history) -> bool or None, or objects
        Functions are called in order after every epoch. Objects have any of the methods before_training, before_epoch,
        before_batch, after_batch, after_epoch, after_training, each called with one `cr.callbacks.Moment`. A true
        value of a function, of after_batch or of after_epoch ends training. They look: what they write to the network
        is written over. With one that looks at batches training goes step by step in Python, on the same passes.
    max_time : float > 0 or None
        Seconds after which training ends, after a whole step; a training that is resumed has them anew.
    checkpoint : folder or None
        Where the state of the training is kept, to go on from after any kind of end: the last checkpoint and the one
        before. The folder is made where there is none; without `resume` it must have no checkpoint.
    checkpoint_every : int ≥ 1, or text such as "300s", "10min", "2h"
        How often: epochs, or a time, which also comes in the middle of an epoch. One more is written at the end,
        however training ends, but for a divergence.
    resume : bool
        Whether to go on from the checkpoint, where there is one, to the same bits as if there had been no break.
        Network, data and settings must be those of the training that is resumed; epochs may be more, and callbacks,
        max_time, n_threads, verbose and checkpoint_every others.
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
    ModelFileError
        For a checkpoint that is damaged or of a newer version, or a folder that the first one can't be written to.
        Where a later one can't, training goes on: this is logged, and if the last one is missing, is a
        CheckpointWarning at the end.

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
    given = dict(locals())
    check_network(net)
    defaults = {at.name: at.default for at in inspect.signature(train).parameters.values()}
    asked = read_arguments(net, given, defaults)
    data = read_data(net, X, Y, sample_weight, shuffle_rows=shuffle_rows)
    refuse_of_blocks(data, batch_size, derivative_targets)
    m = data.X.shape[0] if isinstance(data, DataSet) else len(data)
    terms = read_input_terms(net, m, **{name: given[name] for name in OF_INPUTS})
    data, evaluations = read_validation(net, data, validation, asked.rng)
    evaluation = Evaluation(evaluations, read_metrics(metrics, bool(evaluations)))
    if asked.checkpoints is not None:
        from chainrule.training.checkpoints.identity import identity_of

        asked.checkpoints.identify(identity_of(net, data, evaluations, asked), epochs)

    now = Progressed(net.parameters.copy())
    session = Session(net, now, evaluation, asked, ProgressBar(epochs, verbose))
    asked = choose(net, asked, data, session)
    with (
        asked.checkpoints or nullcontext(),
        now.interrupt,
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
        limited(n_threads, libraries=net.backend != "native" or data.is_sparse),
        session.bar,
    ):
        try:
            session.run(lambda: solve(net, asked, data, terms, session))
        finally:
            now.let_go()
    if session.history.stopped == "divergence":
        warnings.warn(session.history.message, DivergenceWarning, stacklevel=2)
    if asked.checkpoints is not None and asked.checkpoints.failed:
        warnings.warn(asked.checkpoints.lost, CheckpointWarning, stacklevel=2)
    return session.history
