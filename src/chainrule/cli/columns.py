"""What the verbs say of a table: its columns, what was left out, and what training had not seen."""

from __future__ import annotations

from typing import Any

from chainrule.cli.output import Printer, counted, write_error
from chainrule.data.columns import listed
from chainrule.data.encoding import Encoding
from chainrule.data.pipeline import Pipeline
from chainrule.data.unforeseen import Unforeseen


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


def say_unforeseen(unforeseen: Unforeseen) -> None:
    """Write on standard error, once for each column, what training had not seen."""
    for said in unforeseen.said():
        write_error(f"note: {said}; training had seen none")
