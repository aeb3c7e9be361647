"""Bytes <-> header and arrays: a safetensors file whose metadata is {"chainrule": one JSON object}."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ModelFileError, text
from chainrule.modelfile.atomic import write_atomically

VERSION = 2
_KEY = "chainrule"
_DTYPES = ("F32", "F64")


def write(path: str | Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write header and arrays atomically. Raises ModelFileError when the file can't be written."""
    from safetensors.numpy import save

    for name, array in arrays.items():
        if not np.isfinite(array).all():
            what, hint = f"array {name!r} for {path}", "Train again, or load the last good model."
            raise ModelFileError(text(what, expected="finite numbers", got="a NaN or infinite one", hint=hint))
    content = json.dumps({"version": VERSION, **header}, allow_nan=False)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomically(path, save(contiguous, metadata={_KEY: content}))


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read header and arrays, every array finite and float32 or float64.

    Raises ModelFileError for a file that is missing, cut short, of another format, or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        file = Path(path)
        if not file.is_file():
            got = "a folder" if file.is_dir() else "no such file"
            raise ModelFileError(text(str(file), expected="a model file", got=got, hint="Check the path."))
        file.open("rb").close()
    except (OSError, TypeError) as error:
        raise ModelFileError(text(f"{path!r:.80}", expected="a model file", got=str(error), hint="Check it.")) from None
    hint = "Was it copied completely, and was it written by chainrule?"
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            names = opened.keys()
            for name in names:
                dtype = opened.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    what = f"array {name!r} of {file}"
                    raise ModelFileError(text(what, expected="float32 or float64", got=str(dtype), hint=hint))
            arrays = {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(text(str(file), expected="a whole model file", got=str(error), hint=hint)) from None
    header = _header(file, metadata.get(_KEY))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            what = f"array {name!r} of {file}"
            raise ModelFileError(text(what, expected="finite numbers", got="a NaN or infinite one", hint=hint))
    return header, arrays


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
