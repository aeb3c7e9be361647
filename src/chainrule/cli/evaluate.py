"""`chainrule evaluate MODEL DATA`: figures on rows that the model has not seen."""

from __future__ import annotations

from typing import Annotated

import typer

from chainrule.cli.columns import class_names, say_unforeseen
from chainrule.cli.output import Printer, counted
from chainrule.cli.rows import select
from chainrule.data.pipeline import load_pipeline
from chainrule.data.readers import read_as
from chainrule.data.unforeseen import Unforeseen


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A file that `chainrule train` wrote.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="As for train, with the same columns and the target.")],
    part: Annotated[
        str, typer.Option(help="test (rows held out in training, or the source's test part), train, or all.")
    ] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure a model on DATA."""
    say = Printer(as_json)
    pipeline = load_pipeline(model)
    rows, which = select(read_as(data, pipeline.schema), pipeline, part)
    figures = pipeline.evaluate(rows)
    unforeseen = Unforeseen(pipeline.inputs)
    unforeseen.look(rows.X)
    say_unforeseen(unforeseen)
    say.line(f"{data}: {counted(len(rows.X), 'row')} ({which})")
    say.figures(figures)
    if "confusion_matrix" in figures:
        say.confusions(figures["confusion_matrix"], class_names(pipeline))
    say.result({"model": model, "data": data, "rows": len(rows.X), "which": which, **figures})
