"""Logs of a training in files: a row for each epoch, as soon as it is over."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chainrule.errors import InputError, ModelFileError, text
from chainrule.modelfile.atomic import check_writable, write_atomically
from chainrule.training.progress.history import History
from chainrule.training.watching.moment import Moment


class CSVLog:
    """A callback that writes a table: a line of names, then one for each epoch, with all figures of the history.

    Parameters
    ----------
    path : str or Path
        A new training begins a new file in the place of one that is there; one that is resumed goes on in it, without
        rows of epochs that are trained again.

    Each line is in the file when its epoch is over. Numbers are written so that they read back to the same bits; what
    is NaN is `nan`. Training ends with ModelFileError when the disk is full; all rows before are whole.

    Examples
    --------
    >>> import pathlib, tempfile, chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "log.csv")
    ...     log = cr.callbacks.CSVLog(path)
    ...     history = cr.train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=[log], verbose=0)
    ...     lines = path.read_text().splitlines()
    >>> lines[0], len(lines)
    ('epoch,cost,penalty,gradient_norm,learning_rate,seconds', 3)
    """

    def __init__(self, path: str | Path) -> None:
        self._rows = _Rows("CSVLog", path, lambda row: _csv(row.values()), _csv)

    def before_training(self, moment: Moment) -> None:
        """Begin the file. Raises ModelFileError."""
        self._rows.write_all(moment.history)

    def after_epoch(self, moment: Moment) -> None:
        """Add a line. Raises ModelFileError."""
        self._rows.add(moment.history)


class JSONLinesLog:
    """A callback that writes a JSON object for each epoch, one on a line, with all figures of the history.

    Parameters
    ----------
    path : str or Path
        As `CSVLog` has it.

    A figure that is no finite number is `null`.
    """

    def __init__(self, path: str | Path) -> None:
        self._rows = _Rows("JSONLinesLog", path, _json)

    def before_training(self, moment: Moment) -> None:
        """Begin the file. Raises ModelFileError."""
        self._rows.write_all(moment.history)

    def after_epoch(self, moment: Moment) -> None:
        """Add a line. Raises ModelFileError."""
        self._rows.add(moment.history)


class _Rows:
    """A file with a line for each epoch, of a history that has all of them: what is lost can be written again."""

    def __init__(
        self,
        of: str,
        path: Any,
        line: Callable[[dict[str, float]], str],
        head: Callable[[Iterable[str]], str] | None = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            hint = f"Write {of}('log')."
            raise InputError(text(f"{of}: path", expected="a file's name", got=f"{path!r:.40}", hint=hint))
        self._path, self._line, self._head = Path(path), line, head
        self._names: list[str] = []
        self._size = -1

    def write_all(self, history: History) -> None:
        """Put a file with a line for each epoch so far in place."""
        check_writable(self._path)
        rows = [history.row(epoch) for epoch in range(1, history.epochs + 1)]
        self._names = list(rows[-1]) if rows else []
        lines = [self._head(self._names)] if self._head is not None and rows else []
        lines += [self._line(row) for row in rows]
        content = "".join(lines).encode()
        write_atomically(self._path, content)
        self._size = len(content)

    def add(self, history: History) -> None:
        """Append the last epoch's line; write the file anew where it isn't what was written, or names have changed."""
        row = history.row(history.epochs)
        if list(row) != self._names or _size(self._path) != self._size:
            self.write_all(history)
            return
        line = self._line(row).encode()
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self._path, self._size)  # what was written of a line that had no room
            rows = "1 row" if history.epochs == 2 else f"{history.epochs - 1} rows"
            hint = f"It has the {rows} before; history.to_dict() has all."
            what, got = f"writing {self._path}", str(error)
            raise ModelFileError(text(what, expected="room and leave to write", got=got, hint=hint)) from error
        self._size += len(line)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _csv(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def _json(row: dict[str, float]) -> str:
    known = {name: value if math.isfinite(value) else None for name, value in row.items()}
    return json.dumps(known, ensure_ascii=False) + "\n"
