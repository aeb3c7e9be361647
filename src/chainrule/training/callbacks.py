"""`cr.callbacks`: what comes with chainrule for `callbacks=` of `cr.train`.

A callback is a function (net, history), or an object with some of the methods before_training, before_epoch,
before_batch, after_batch, after_epoch and after_training, each of which is called with a `Moment`. It may have
`state()` and `restore(state)`, for checkpoints: numbers, text, None, arrays, and lists and dicts of these.
"""

from __future__ import annotations

from chainrule.training.watching.best_checkpoint import BestCheckpoint
from chainrule.training.watching.early_stopping import EarlyStopping
from chainrule.training.watching.logs import CSVLog, JSONLinesLog
from chainrule.training.watching.moment import Moment
from chainrule.training.watching.tensorboard import TensorBoard

__all__ = ["BestCheckpoint", "CSVLog", "EarlyStopping", "JSONLinesLog", "Moment", "TensorBoard"]
