"""Writing a file so that a reader finds the old one or the new one, whole, and never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from chainrule.errors import ModelFileError, text


def check_writable(path: str | Path) -> Path:
    """See that a file can be put at `path`, before the work that it shall hold. Raises ModelFileError."""
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise ModelFileError(text(str(target), expected="a file's name", got="a folder", hint="Add a file name."))
    if not folder.is_dir():
        hint = f"Make it first: mkdir -p {folder}"
        raise ModelFileError(text(f"the folder of {target}", expected="a folder", got="nothing there", hint=hint))
    if not os.access(folder, os.W_OK):
        hint = "Choose another folder."
        raise ModelFileError(text(f"the folder of {target}", expected="leave to write", got="none", hint=hint))
    return target


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, force it to disk, and put it in place in one step.

    Raises ModelFileError when the disk or the folder refuses; what was at `path` before is then still there.
    """
    target = check_writable(path)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # a temporary file is private; the model gets the rights that any new file would
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
        _sync_folder(target.parent)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        if isinstance(error, OSError):
            hint = "What was there before is unchanged."
            raise ModelFileError(
                text(f"writing {target}", expected="room and leave to write", got=str(error), hint=hint)
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to disk, where folders can be opened at all (not on Windows)."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
