"""The best model so far, kept in a file."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from chainrule.modelfile.atomic import check_writable
from chainrule.modelfile.networks import save
from chainrule.training.watching.moment import Moment
from chainrule.training.watching.monitor import Monitor

_LOG = logging.getLogger("chainrule.training")


class BestCheckpoint:
    """A callback that keeps the network of the best epoch so far in a model file, which `cr.load` reads.

    Parameters
    ----------
    path : str or Path
        Replaced as a whole by each better network, or not at all.
    monitor, mode
        Which figure says what is better, as `EarlyStopping` has them.

    Examples
    --------
    >>> import tempfile, chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity", dtype="float64")
    >>> X, Y = [[0.0], [1.0]], [0.0, 1.0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     best = cr.callbacks.BestCheckpoint(f"{folder}/best.chainrule")
    ...     history = cr.train(net, X, Y, epochs=5, validation=(X, Y), callbacks=[best], verbose=0)
    ...     float(cr.load(f"{folder}/best.chainrule").cost(X, Y)) == min(history.validation_cost)
    True
    """

    def __init__(self, path: str | Path, *, monitor: str | None = None, mode: str | None = None) -> None:
        self._path, self._monitor = path, Monitor("BestCheckpoint", monitor, mode)
        self._least = math.inf

    def before_training(self, moment: Moment) -> None:
        """See that the file can be written, and what was the best so far of a training that is resumed."""
        self._monitor.check(moment.history)
        check_writable(self._path)
        figures = self._monitor.figures(moment.history)
        self._least = min((figure for figure in figures if not math.isnan(figure)), default=math.inf)

    def after_epoch(self, moment: Moment) -> None:
        """Write the network where it is the best. Raises ModelFileError."""
        figure = self._monitor.latest(moment.history)
        if figure < self._least:
            save(moment.net, self._path)
            self._least = figure
            _LOG.info("epoch %d is the best so far, %s: %s", moment.epoch, self._monitor.shown(figure), self._path)
