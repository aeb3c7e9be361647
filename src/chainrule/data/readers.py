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
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        got = str(error)[:200]
        raise DataError(text("DATA", expected="a name or a path", got=got, hint="Check the path.")) from None
    if source in embedded.NAMES:
        data = embedded.load(source)
    elif is_folder:
        data = idx.load(path)
    elif is_file:
        data = npz.load(path)
    else:
        near = difflib.get_close_matches(source, embedded.NAMES, n=2, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Check the path."
        expected = f"one of {', '.join(embedded.NAMES)}, an NPZ file, or a folder of IDX files"
        raise DataError(text("DATA", expected=expected, got=repr(source), hint=hint))
    for part in (data, data.test):
        if part is not None and not part.X.size:
            got = f"shape {part.X.shape}"
            hint = "Check how it was made."
            raise DataError(text(part.name, expected="at least one row and one column", got=got, hint=hint))
    if data.test is not None and data.test.X.shape[1] != data.X.shape[1]:
        got = f"{data.test.X.shape[1]} of them"
        hint = "Both parts need the same columns."
        raise DataError(text(data.test.name, expected=f"{data.X.shape[1]} columns", got=got, hint=hint))
    return data
