"""Writing a file so that a reader finds the old one or the new one, whole, and never a part."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from chainrule.errors import ModelFileError, text


def check_writable(path: str | Path) -> Path:
    """See that a file can be put at `path`, before the work that it shall hold; a link is followed to its target.

    Raises ModelFileError for a folder, a device or pipe, a folder that isn't there or that can't be written to.
    """
    try:
        target = Path(path).resolve()
        folder, kind = target.parent, what_is_at(target)
        folder_is_there = folder.is_dir()
    except (OSError, TypeError, ValueError) as error:
        hint = "Choose another name."
        raise ModelFileError(text(f"{path!r:.80}", expected="a file's name", got=str(error), hint=hint)) from None
    if kind not in ("nothing", "a file"):
        raise ModelFileError(text(str(path), expected="a file's name", got=kind, hint="Choose another name."))
    if not folder_is_there:
        hint = f"Make it first: mkdir -p {Path(path).parent}"
        raise ModelFileError(text(f"the folder of {path}", expected="a folder", got="nothing there", hint=hint))
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = "Choose another folder."
        raise ModelFileError(text(f"the folder of {path}", expected="leave to write", got="none", hint=hint))
    return target


def what_is_at(path: Path) -> str:
    """Say what is at a path. Raises OSError or ValueError where nothing can be."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "nothing"
    if stat.S_ISREG(mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(mode) else "a device or pipe"


class Writable(Protocol):
    """Anything that bytes can be written to."""

    def write(self, content: bytes | memoryview, /) -> object:
        """Write bytes behind those that are there."""
        ...


class _NamedWriter:
    """Writes to a file in whose errors the user finds the path."""

    def __init__(self, file: IO[bytes], path: str | Path) -> None:
        self._file = file
        self._path = path

    def write(self, content: bytes | memoryview, /) -> None:
        with _named(self._path):
            self._file.write(content)


@contextlib.contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Let what the system refuses be an error of `path`. Raises ModelFileError."""
    try:
        yield
    except OSError as error:
        hint = "What was there before is unchanged."
        what, got = f"writing {path}", str(error)
        raise ModelFileError(text(what, expected="room and leave to write", got=got, hint=hint)) from error


@contextlib.contextmanager
def atomic_file(path: str | Path, *, previous: str | None = None, temporary: str | None = None) -> Iterator[Writable]:
    """Open a temporary file beside `path` to write to; at the end force it to disk, and put it in place in one step.

    A file that was there keeps its rights; a new one has those of any new file. An error within leaves no file, and is
    raised as it is. Raises ModelFileError when the disk or the folder refuses; what was at `path` before is then still
    there.

    With `previous`, a name, what was at `path` is kept by that name, put there when the new file is whole: between the
    two steps there is nothing at `path`. `temporary` names the temporary file where the caller knows that nobody else
    writes in the folder, so that a writer that was killed leaves one at most.
    """
    target = check_writable(path)
    place = target.parent / (temporary or f".chainrule-{secrets.token_hex(8)}")
    kept = None if previous is None else target.parent / previous
    try:
        with _named(path):
            if temporary is not None:
                place.unlink(missing_ok=True)
            file = os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")
        try:
            yield _NamedWriter(file, path)
            with _named(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(OSError):  # after an error the buffer may still fail, and without one it is empty
                file.close()
        with _named(path):
            if target.exists():
                place.chmod(stat.S_IMODE(target.stat().st_mode))
                if kept is not None:
                    target.replace(kept)
            place.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            place.unlink()
        if kept is not None and not target.exists():
            with contextlib.suppress(OSError):
                kept.replace(target)
        raise
    _sync_folder(target.parent)


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a whole file by `atomic_file`. Raises ModelFileError."""
    with atomic_file(path) as file:
        file.write(content)


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to disk, where the file system offers that; the file is in place either way."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
