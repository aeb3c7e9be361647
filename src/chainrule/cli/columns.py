"""What the verbs say of a table: its columns, what was left out, and what training had not seen."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.output import Printer, counted
from chainrule.data.columns import listed
from chainrule.data.encoding import Encoding
from chainrule.data.pipeline import Pipeline


def class_names(pipeline: Pipeline) -> tuple[str, ...]:
    """Name the classes for people: as the data set does, or as they stand in the data."""
    return pipeline.class_names or tuple(map(str, pipeline.classes.tolist()))


def describe_columns(pipeline: Pipeline) -> dict[str, Any]:
    """Give target, columns and what was left out for the JSON of a model of a table; nothing for one of arrays."""
    if pipeline.schema is None:
        return {}
    schema = pipeline.schema
    return {
        "target": schema.target.name,
        "columns": [column.describe() for column in schema.columns],
        "left_out": [{"name": out.name, "reason": out.reason} for out in schema.left_out],
    }


def say_columns(say: Printer, pipeline: Pipeline) -> None:
    """Print the columns by kind, those with missing values, and those left out with the reason."""
    schema, inputs = pipeline.schema, pipeline.inputs
    if schema is None or not isinstance(inputs, Encoding):
        return
    numbers = [column.name for column in schema.columns if column.levels is None]
    categories = [
        f"{column.name} ({counted(len(seen), 'level')})"
        for column, seen in zip(schema.columns, inputs.seen, strict=True)
        if column.levels is not None
    ]
    missing = [column.name for column, flag in zip(schema.columns, inputs.missing, strict=True) if flag]
    say.line(f"  target: {schema.target.name}")
    if numbers:
        say.line(f"  {counted(len(numbers), 'number')}: {listed(numbers)}")
    if categories:
        noun = "category" if len(categories) == 1 else "categories"
        say.line(f"  {len(categories):,} {noun}: {listed(categories)}")
    if missing:
        say.line(f"  with missing values: {listed(missing)}")
    for out in schema.left_out[:20]:
        say.line(f"  left out: {out.name}, {out.reason}")
    if len(schema.left_out) > 20:
        say.line(f"  left out: {listed([out.name for out in schema.left_out[20:]])}")


class Unforeseen:
    """Counts what training had not seen, and says it once for each column on standard error."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._inputs = pipeline.inputs
        self._missing: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def look(self, raw: NDArray[np.float64]) -> None:
        """Count in the rows of a raw matrix."""
        if isinstance(self._inputs, Encoding):
            for name, (n_missing, n_unknown) in self._inputs.unforeseen(raw).items():
                self._missing[name] += n_missing
                self._unknown[name] += n_unknown

    def say(self) -> None:
        """Write a line for each column that has any."""
        if not isinstance(self._inputs, Encoding):
            return
        for column in self._inputs.columns:
            parts = [
                f"{n:,} {what}{'' if n == 1 else 's'}"
                for n, what in (
                    (self._missing[column.name], "missing value"),
                    (self._unknown[column.name], "unknown text"),
                )
                if n
            ]
            if parts:
                answer = "taken as the mean" if column.levels is None else "taken as none of its levels"
                name = "".join(c if c.isprintable() else "\ufffd" for c in column.name)
                sys.stderr.write(f"note: column {name!r}: {' and '.join(parts)}, {answer}; training had seen none\n")


def say_unforeseen(pipeline: Pipeline, raw: NDArray[np.float64]) -> None:
    """Say what training had not seen in the rows of a raw matrix."""
    unforeseen = Unforeseen(pipeline)
    unforeseen.look(raw)
    unforeseen.say()
