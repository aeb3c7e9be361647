"""Bytes <-> header and arrays: a safetensors file whose metadata is {"chainrule": one JSON object}.

A sealed file has its SHA-256 beside the header, and besides a model's arrays those of a training, whose names begin
with `STATE`: of any dtype of numbers, and of any numbers. Who reads a sealed file as a model passes over these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ModelFileError, text
from chainrule.modelfile.atomic import atomic_file

VERSION = 2
STATE = "state."
_KEY = "chainrule"
_SEAL = "sha256"
_DTYPES = ("F32", "F64")


class DamagedError(ModelFileError):
    """A sealed file that isn't the one that was written."""


def write(path: str | Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write header and arrays atomically. Raises ModelFileError when the file can't be written."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            what, hint = f"array {name!r} for {path}", "Train again, or load the last good model."
            raise ModelFileError(text(what, expected="finite numbers", got="a NaN or infinite one", hint=hint))
    with atomic_file(path) as file:
        for piece in pieces(header, arrays):
            file.write(piece)


def write_sealed(
    path: str | Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]], *, previous: str, temporary: str
) -> None:
    """Write a sealed file as `atomic_file` does. Raises ModelFileError when it can't be written."""
    with atomic_file(path, previous=previous, temporary=temporary) as file:
        for piece in pieces(header, arrays, sealed=True):
            file.write(piece)


def pieces(
    header: dict[str, Any], arrays: dict[str, NDArray[Any]], *, sealed: bool = False
) -> Iterator[bytes | memoryview]:
    """Give the bytes of a file one after the other: safetensors' own writer would copy all arrays, twice.

    The length of a JSON object in 8 bytes; the object, with blanks up to a multiple of 8; the arrays, where it says:
    without gaps, the largest numbers first, the least byte of each first.
    """
    content = json.dumps({"version": VERSION, **header}, allow_nan=False)
    plain = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    plain = dict(sorted(plain.items(), key=lambda item: (-item[1].itemsize, item[0])))
    metadata = {_KEY: content, _SEAL: _digest(content, plain)} if sealed else {_KEY: content}
    places: dict[str, Any] = {"__metadata__": metadata}
    begin = 0
    for name, array in plain.items():
        dtype = "BOOL" if array.dtype == bool else f"{array.dtype.kind}{8 * array.itemsize}".upper()
        places[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    index = json.dumps(places, ensure_ascii=False, separators=(",", ":")).encode()
    index += b" " * (-len(index) % 8)
    yield len(index).to_bytes(8, "little") + index
    for array in plain.values():
        yield array.reshape(-1).view(np.uint8).data


def _digest(content: str, arrays: dict[str, NDArray[Any]]) -> str:
    """SHA-256 of a header's text and of all arrays with their names, dtypes and shapes."""
    found = hashlib.sha256(content.encode())
    for name, array in sorted(arrays.items()):
        found.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read header and arrays, every array finite and float32 or float64.

    Raises ModelFileError for a file that is missing, cut short, of another format, or of a newer version, and for a
    sealed one that is damaged.
    """
    file, metadata, arrays = _parts(path, sealed=False)
    header = _header(file, metadata.get(_KEY))
    if _SEAL in metadata:
        read_sealed(path)  # as long as it can be told, no bit may be another
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            what = f"array {name!r} of {file}"
            raise ModelFileError(text(what, expected="finite numbers", got="a NaN or infinite one", hint=_HINT))
    return header, arrays


def read_sealed(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read header and all arrays of a sealed file.

    Raises DamagedError where a single bit isn't what it was, ModelFileError for another or a newer kind of file.
    """
    try:
        file, metadata, arrays = _parts(path, sealed=True)
    except ModelFileError as error:
        raise DamagedError(str(error)) from None
    content = metadata.get(_KEY)
    if content is not None and _SEAL in metadata and metadata[_SEAL] != _digest(content, arrays):
        what, expected = str(file), "the bytes that were written"
        raise DamagedError(text(what, expected=expected, got="others: the file is damaged", hint=_HINT))
    header = _header(file, content)
    if _SEAL not in metadata:
        raise ModelFileError(text(str(file), expected="a checkpoint", got="a model file", hint="Load it with cr.load."))
    return header, arrays


_HINT = "Was it copied completely, and was it written by chainrule?"


def _parts(path: str | Path, *, sealed: bool) -> tuple[Path, dict[str, str], dict[str, NDArray[Any]]]:
    """Give the path, the metadata and the arrays of a safetensors file; unless it is read as sealed, only a model's."""
    from safetensors import SafetensorError, safe_open

    try:
        file = Path(path)
        if not file.is_file():
            got = "a folder" if file.is_dir() else "no such file"
            raise ModelFileError(text(str(file), expected="a model file", got=got, hint="Check the path."))
        file.open("rb").close()
    except (OSError, TypeError) as error:
        raise ModelFileError(text(f"{path!r:.80}", expected="a model file", got=str(error), hint="Check it.")) from None
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            names = [name for name in opened.keys() if sealed or not name.startswith(STATE)]  # noqa: SIM118 (no dict)
            for name in names:
                dtype = opened.get_slice(name).get_dtype()
                if not sealed and dtype not in _DTYPES:
                    what = f"array {name!r} of {file}"
                    raise ModelFileError(text(what, expected="float32 or float64", got=str(dtype), hint=_HINT))
            arrays = {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(text(str(file), expected="a whole model file", got=str(error), hint=_HINT)) from None
    return file, metadata, arrays


def _header(file: Path, content: str | None) -> dict[str, Any]:
    if content is None:
        hint = "It may be another program's model; chainrule reads only its own."
        got = "a safetensors file without it"
        raise ModelFileError(text(str(file), expected="a chainrule header", got=got, hint=hint))
    try:
        header = json.loads(content)
        version = header["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        hint = "The file is damaged."
        got = f"{content[:40]!r}…"
        raise ModelFileError(
            text(f"header of {file}", expected="a JSON object with a version", got=got, hint=hint)
        ) from None
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= VERSION:
        hint = "Install a newer chainrule: pip install -U chainrule"
        got = f"version {version!r:.40}"
        raise ModelFileError(text(f"header of {file}", expected=f"a version up to {VERSION}", got=got, hint=hint))
    return dict(header)
