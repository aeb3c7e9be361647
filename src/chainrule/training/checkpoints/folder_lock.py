"""One training at a time in a folder of checkpoints."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from chainrule.errors import InputError, ModelFileError, text

LOCK = "lock"
_LOG = logging.getLogger("chainrule.training")


def locked(folder: Path) -> IO[str]:
    """Make the folder, and keep other trainings out of it as long as the file that is given back is open.

    The system unlocks the file when this process ends, however it does. Raises InputError, ModelFileError.
    """
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a+")
    try:
        import fcntl  # of POSIX systems
    except ImportError:
        return lock
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        who = lock.read().strip() or "another process"
        lock.close()
        raise taken(folder, f"one that {who} trains in", "Wait for its end, or name another folder.") from None
    except OSError as error:  # a file system that has no locks
        _LOG.warning("%s can't be locked (%s): let no other training write there", folder, error)
    with contextlib.suppress(OSError):  # a disk that is full: the name is only for the other's error
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())  # past any buffer
    return lock


def taken(folder: Path, got: str, hint: str) -> InputError:
    """Make the error for a folder that another training has."""
    return InputError(text(f"checkpoint {folder}", expected="a folder of this training alone", got=got, hint=hint))


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Let what the system refuses be an error of the folder. Raises ModelFileError."""
    try:
        yield
    except OSError as error:
        hint, expected = "Name another folder.", "a folder that can be written to"
        raise ModelFileError(text(f"checkpoint {folder}", expected=expected, got=str(error), hint=hint)) from None
