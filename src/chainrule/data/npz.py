"""Array files: NPZ with rows and targets under the names that people use."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import foreign
from chainrule.data.labelled import LabelledData
from chainrule.errors import DataError, text

_ROWS = ("X", "x", "X_train", "x_train", "data")
_TARGETS = ("Y", "y", "Y_train", "y_train", "target", "labels")
_TEST_ROWS = ("X_test", "x_test")
_TEST_TARGETS = ("Y_test", "y_test")


def load(path: Path) -> LabelledData:
    """Read an NPZ file; images of more dimensions are flattened to rows.

    Names: X, X_train or data for rows; Y, y_train, target or labels for targets; X_test and Y_test for a test part;
    upper or lower case. Pickled objects are refused: they can run code.
    Raises DataError for another kind of file, one cut short, or one without rows.
    """
    hint = "Write it with numpy.savez(path, X=X, Y=Y)."
    try:
        with path.open("rb") as stream:
            is_zip = zipfile.is_zipfile(stream)
    except OSError as error:
        raise DataError(text(str(path), expected="an NPZ file", got=str(error), hint="Check its rights.")) from None
    other = foreign.known(path)
    if other is not None and not (is_zip and other is not foreign.SPREADSHEET):
        raise DataError(text(str(path), expected="a table or an NPZ file", got=other[0], hint=other[1]))
    if not is_zip:
        raise DataError(text(str(path), expected="an NPZ file", got="a file of another kind, or cut short", hint=hint))
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except ValueError as error:
        problem = "Python objects, which could run code" if "allow_pickle" in str(error) else str(error)
        raise DataError(text(str(path), expected="arrays of numbers or text", got=problem, hint=hint)) from None
    except (OSError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError is zipfile's for a member that is encrypted or compressed in a way it doesn't know
        raise DataError(text(str(path), expected="a whole NPZ file", got=str(error), hint=hint)) from None
    # numpy gives the bytes of a member that is no array
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    X = _first(arrays, _ROWS)
    if X is None:
        got = f"arrays named {', '.join(arrays) or 'nothing'}"
        raise DataError(text(str(path), expected=f"rows under one of {', '.join(_ROWS)}", got=got, hint=hint))
    data = _labelled(str(path), "X", X, _first(arrays, _TARGETS))
    X_test = _first(arrays, _TEST_ROWS)
    if X_test is None:
        return data
    test = _labelled(f"{path} (its test part)", "X_test", X_test, _first(arrays, _TEST_TARGETS))
    return LabelledData(data.name, data.X, data.labels, test=test)


def _first(arrays: dict[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _labelled(path: str, what: str, X: NDArray[Any], Y: NDArray[Any] | None) -> LabelledData:
    if X.ndim < 2:
        hint = "One row per example, one column per feature."
        raise DataError(text(f"{what} in {path}", expected="2 or more dimensions", got=f"shape {X.shape}", hint=hint))
    if X.dtype.kind not in "fiub":
        hint = "Turn text into numbers first, categories into columns of 0 and 1."
        raise DataError(text(f"{what} in {path}", expected="real numbers", got=f"dtype {X.dtype}", hint=hint))
    if Y is not None and Y.ndim == 2 and Y.shape[1] == 1:
        Y = Y[:, 0]
    right = "fiubU" if Y is not None and Y.ndim == 1 else "fiub"
    if Y is not None and (Y.ndim not in (1, 2) or len(Y) != len(X) or Y.dtype.kind not in right):
        hint = "One target, or one row of numbers, for each row of X."
        got = f"shape {Y.shape} of dtype {Y.dtype}"
        raise DataError(text(f"targets of {what} in {path}", expected=f"{len(X)} targets", got=got, hint=hint))
    return LabelledData(path, X.reshape(len(X), math.prod(X.shape[1:])), Y)
