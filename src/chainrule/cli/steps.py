"""Options of `chainrule train` that say how a step is taken, as `cr.train` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.data.encoding import Encoding
from chainrule.data.pipeline import Pipeline
from chainrule.errors import InputError, text, unknown_name
from chainrule.maths.settings import FRACTION
from chainrule.training.callbacks import CSVLog, JSONLinesLog

_SIGNS = {"+": 1, "-": -1}
_LOGS = {".csv": CSVLog, ".jsonl": JSONLinesLog}


def rate(given: str) -> float | str:
    """Read --learning-rate: a number, or "find". Raises InputError."""
    if given == "find":
        return given
    try:
        return float(given)
    except ValueError:
        hint = "Write --learning-rate 0.001."
        raise InputError(text("--learning-rate", expected="a number, or find", got=given, hint=hint)) from None


def by_layer(hidden: float, of_inputs: float, n_hidden: int) -> float | dict[int, float]:
    """Give the p of dropout, of all hidden layers alone where none of the inputs are left out. Raises InputError."""
    for option, p in (("--dropout", hidden), ("--input-dropout", of_inputs)):
        if not FRACTION.contains(p):
            hint = "0.2 leaves out a fifth of them in each step."
            raise InputError(text(option, expected=f"a share in {FRACTION}", got=f"{p:g}", hint=hint))
    if hidden and not n_hidden:
        hint = "Leave it out, or give --input-dropout."
        raise InputError(text("--dropout", expected="a hidden layer", got="none", hint=hint))
    return {0: of_inputs, **dict.fromkeys(range(1, n_hidden + 1), hidden)} if of_inputs else hidden


def monotone_inputs(given: Sequence[str], pipeline: Pipeline) -> dict[int, int] | None:
    """Read --monotone COLUMN=+ or COLUMN=-, of numbers whose prediction is one. Raises InputError."""
    if not given:
        return None
    hint = "Write --monotone age=+ for a prediction that rises with age, age=- for one that falls."
    if pipeline.task != "regression":
        what, expected = "--monotone", "a regression"
        raise InputError(text(what, expected=expected, got=f"a {pipeline.task}", hint="Leave it out, or give --task."))
    columns = _inputs_of_numbers(pipeline)
    found: dict[int, int] = {}
    for one in given:
        column, _, sign = one.rpartition("=")
        if sign not in _SIGNS or not column:
            raise InputError(text("--monotone", expected="COLUMN=+ or COLUMN=-", got=repr(one), hint=hint))
        if column not in columns:
            raise unknown_name("column of numbers in --monotone", column, columns)
        if found.setdefault(columns[column], _SIGNS[sign]) != _SIGNS[sign]:
            got = f"{column}=+ and {column}=-"
            raise InputError(text("--monotone", expected="one sign for a column", got=got, hint="Leave one out."))
    return found


def _inputs_of_numbers(pipeline: Pipeline) -> dict[str, int]:
    """Give the network's input of each column of numbers; a category's can't rise. Without names they are numbers."""
    if not isinstance(pipeline.inputs, Encoding):
        names = pipeline.feature_names or tuple(map(str, range(pipeline.net.sizes[0])))
        return {name: at for at, name in enumerate(names)}
    names = pipeline.inputs.names
    return {column.name: names.index(column.name) for column in pipeline.inputs.columns if column.levels is None}


def epoch_log(path: Path | None) -> list[Any]:
    """Read --log: a callback that writes a row for each epoch, by the file's ending. Raises InputError."""
    if path is None:
        return []
    if path.suffix not in _LOGS:
        hint = "Write --log training.csv."
        raise InputError(text("--log", expected="a file that ends in .csv or .jsonl", got=str(path), hint=hint))
    return [_LOGS[path.suffix](path)]
