"""A training's figures, for TensorBoard to draw."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError, InputError, ModelFileError, is_count, text
from chainrule.training.watching.moment import Moment


class TensorBoard:
    """A callback that writes the figures of each epoch as scalars, in the format that TensorBoard reads.

    Parameters
    ----------
    folder : str or Path
        Made where it isn't there. Use one for each training: TensorBoard draws the curves of a new training in the
        same folder over those of the old one. One that is resumed goes on with them.
    histograms : int ≥ 1 or None
        Every so many epochs, histograms of 𝒲^ℓ and b^ℓ of each layer, too.

    It needs the package tensorboardX, which the extra `tensorboard` installs, and TensorBoard itself only to look.
    """

    def __init__(self, folder: str | Path, *, histograms: int | None = None) -> None:
        if histograms is not None and not is_count(histograms):
            hint = "1 writes histograms of the parameters after every epoch."
            what = "TensorBoard: histograms"
            raise InputError(text(what, expected="a whole number ≥ 1 or None", got=repr(histograms), hint=hint))
        try:
            self._event = importlib.import_module("tensorboardX.proto.event_pb2")
            self._summary = importlib.import_module("tensorboardX.summary")
            self._writer = importlib.import_module("tensorboardX.record_writer").RecordWriter
        except ImportError:
            hint = "Install it with: pip install 'chainrule[tensorboard]'."
            raise ChainruleError(
                text("TensorBoard", expected="tensorboardX", got="no such package", hint=hint)
            ) from None
        self._folder, self._histograms = Path(folder), histograms
        self._file: Any = None

    def before_training(self, moment: Moment) -> None:
        """Begin a file of events in the folder. Raises ModelFileError."""
        now = time.time_ns()
        name = f"events.out.tfevents.{now // 10**9:010d}.{socket.gethostname()}.{os.getpid()}.{now}"
        with self._named():
            self._folder.mkdir(parents=True, exist_ok=True)
            # not its SummaryWriter, which writes in a thread: what that raises is lost, and then it waits for ever
            self._file = self._writer(str(self._folder / name))
        self._write(file_version="brain.Event:2")
        # from here on, what other files of the folder have is of no account: of a run before, or of epochs done again
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._write(step=moment.history.epochs + 1, session_log=start)

    def after_epoch(self, moment: Moment) -> None:
        """Write the epoch's figures. Raises ModelFileError."""
        epoch = moment.history.epochs
        row = moment.history.row(epoch)
        scalars = [self._summary.Summary.Value(tag=name, simple_value=row[name]) for name in row if name != "epoch"]
        self._write(step=epoch, summary=self._summary.Summary(value=scalars))
        if self._histograms is not None and epoch % self._histograms == 0:
            for symbol, arrays in (("W", moment.net.W), ("b", moment.net.b)):
                for layer, array in arrays.items():
                    self._write(step=epoch, summary=self._summary.histogram(f"{symbol}/{layer}", array.ravel(), 30))
        with self._named():
            self._file.flush()

    def after_training(self, moment: Moment) -> None:  # noqa: ARG002 (every method of a callback is given one)
        """Close the file."""
        if self._file is not None:
            with self._named():
                self._file.close()

    def _write(self, **event: Any) -> None:
        with self._named():
            self._file.write(self._event.Event(wall_time=time.time(), **event).SerializeToString())

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "What was written before is unchanged."
            what = f"writing to {self._folder}"
            raise ModelFileError(text(what, expected="room and leave to write", got=str(error), hint=hint)) from error
