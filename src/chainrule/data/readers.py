"""From what a person types as DATA to a data set: a name, a folder, or a file."""

from __future__ import annotations

import difflib
from pathlib import Path

from chainrule.data import embedded, idx, npz
from chainrule.data.labelled import LabelledData
from chainrule.errors import DataError, text


def read(source: str) -> LabelledData:
    """Read an embedded data set by name, a folder of IDX files, or an NPZ file.

    Raises DataError for anything else, with the nearest names.

    >>> read("iris").X.shape
    (150, 4)
    """
    path = Path(source)
    if source in embedded.NAMES:
        data = embedded.load(source)
    elif path.is_dir():
        data = idx.load(path)
    elif path.is_file():
        data = npz.load(path)
    else:
        near = difflib.get_close_matches(source, embedded.NAMES, n=2, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
        expected = f"one of {', '.join(embedded.NAMES)}, an NPZ file, or a folder of IDX files"
        raise DataError(text("DATA", expected=expected, got=repr(source), hint=hint))
    if len(data.X) == 0:
        raise DataError(text(data.name, expected="at least one row", got="none", hint="Check how it was made."))
    return data
