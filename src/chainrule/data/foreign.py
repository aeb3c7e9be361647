"""Files of other programs, known by their suffix or first bytes, and what to do with them."""

from __future__ import annotations

import contextlib
from pathlib import Path

SPREADSHEET = ("a spreadsheet", "Save it as CSV.")
_COMPRESSED = ("a compressed file", "Unpack it first; only .csv.gz, .tsv.gz and .txt.gz are read as they are.")
_SUFFIXES = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), SPREADSHEET),
    **dict.fromkeys((".bz2", ".xz", ".zst", ".zip", ".gz", ".7z"), _COMPRESSED),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), ("a JSON file", "Save its table as CSV.")),
    ".npy": ("a single array", "Write rows and targets together, with numpy.savez(path, X=X, Y=Y)."),
    ".chainrule": ("a model file", "Give the data; the model comes before them."),
}
_FIRST_BYTES = {
    b"\xd0\xcf\x11\xe0": SPREADSHEET,
    b"BZh": _COMPRESSED,
    b"\x1f\x8b": _COMPRESSED,
    b"\xfd7zXZ\0": _COMPRESSED,
    b"\x28\xb5\x2f\xfd": _COMPRESSED,
    b"PAR1": ("a Parquet file", "Let its name end in .parquet."),
}


def known(path: Path) -> tuple[str, str] | None:
    """Say what a file is that is no data set, and what to do; None for one that isn't known."""
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    with contextlib.suppress(OSError), path.open("rb") as file:
        begins = file.read(8)
        return next((what for magic, what in _FIRST_BYTES.items() if begins.startswith(magic)), None)
    return None


def what_is(path: Path) -> str | None:
    """Say what a file is that is no data set; None for one that isn't known."""
    found = known(path)
    return found and found[0]
