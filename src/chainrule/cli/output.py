"""What the verbs share: where results go, as text for people or as one JSON object for programs."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

_LABELS = {"r2": "R²", "cost": "cost, as trained"}  # its targets are scaled, the other figures are in their own units
_BASELINE = "baseline_"
_CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")  # category Cc, and bidi overrides
_CLASSES_SHOWN, _CONFUSIONS_SHOWN, _NAME_SHOWN = 20, 10, 16


class Printer:
    """Prints lines for people, or nothing but one JSON object at the end."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, content: str = "") -> None:
        """Print a line for people."""
        if not self.as_json:
            write(cleaned(f"{content}\n"))

    def figures(self, figures: dict[str, Any]) -> None:
        """Print named figures for people, one a line, beside the baseline's; None stands for one JSON can't write."""
        shown = {name: value for name, value in figures.items() if value is None or isinstance(value, float)}
        if any(name.startswith(_BASELINE) for name in shown):
            self.line(f"  {'':18} {'model':>10} {'baseline':>10}")
        for name, value in shown.items():
            if not name.startswith(_BASELINE):
                values = [value, shown[_BASELINE + name]] if _BASELINE + name in shown else [value]
                columns = " ".join(f"{_decimals(one):>10}" for one in values)
                self.line(f"  {_LABELS.get(name, name.replace('_', ' ')):18} {columns}")

    def confusions(self, matrix: list[list[int]], classes: Sequence[str]) -> None:
        """Print a confusion matrix, or of more than 20 classes the ten most frequent confusions."""
        names = [name if len(name) <= _NAME_SHOWN else f"{name[: _NAME_SHOWN - 1]}…" for name in classes]
        if len(names) <= _CLASSES_SHOWN:
            self.line("confusion matrix, a row for each true class, a column for each prediction:")
            first = max(map(len, names))
            widths = [max(len(name), *(len(str(row[j])) for row in matrix)) for j, name in enumerate(names)]
            lines = [names, *([str(n) for n in row] for row in matrix)]
            for label, row in zip(["", *names], lines, strict=True):
                cells = "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
                self.line(f"  {label:{first}}  {cells}")
            return
        wrong = [(n, i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
        most = sorted(wrong, key=lambda one: (-one[0], *one[1:]))[:_CONFUSIONS_SHOWN]
        self.line(
            f"{len(most)} most frequent confusions of {counted(len(wrong), 'kind')}:" if most else "no confusions"
        )
        for n, i, j in most:
            self.line(f"  {counted(n, 'row')} of {names[i]} taken for {names[j]}")

    def result(self, result: dict[str, Any]) -> None:
        """Print the JSON object for programs."""
        if self.as_json:
            write(json.dumps(without_nan(result), ensure_ascii=False) + "\n")


def _decimals(value: float | None) -> str:
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.4f}"


def write(content: str) -> None:
    """Write to standard output as it is; a reader that has closed it, or a full disk behind it, stops no work."""
    _write("stdout", content)


def write_error(line: str) -> None:
    """Write one line for people to standard error; where that is closed or full, nobody is left to be told."""
    _write("stderr", cleaned(line, "") + "\n")


def _write(name: Literal["stdout", "stderr"], content: str) -> None:
    stream = getattr(sys, name)
    try:
        stream.write(content)
        stream.flush()
    except OSError:
        # the stream lasts as long as the process, which would else meet the same error once more at its end
        setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def cleaned(content: str, keep: str = "\n") -> str:
    """Show control characters but those to `keep`, and what turns the direction of text, as a replacement.

    A stranger's file may bring them, in names and labels: on a terminal they act, or show another text than is there.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else "\ufffd", content)


def without_nan(value: Any) -> Any:
    """Give the same tree with null for numbers that JSON can't write."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def counted(n: int, noun: str) -> str:
    """Write "1 row", "1,437 rows"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def say_costs(say: Printer, cost: list[float], validation_cost: list[float], restored_epoch: int | None) -> None:
    """Print the cost of the first epoch and of the one whose parameters the model has."""
    if not cost:
        return
    kept = restored_epoch or len(cost)
    which = "the last" if kept == len(cost) else f"epoch {kept}, whose parameters are restored"
    validation = f", validation cost {validation_cost[kept - 1]:.4g}" if validation_cost else ""
    say.line(f"cost {cost[0]:.4g} in the first epoch, {cost[kept - 1]:.4g} in {which}{validation}")
