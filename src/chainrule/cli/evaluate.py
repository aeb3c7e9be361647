"""`chainrule evaluate MODEL DATA`: figures on rows that the model has not seen."""

from __future__ import annotations

from typing import Annotated

import typer

from chainrule.cli.output import Printer, counted
from chainrule.cli.rows import select
from chainrule.data.pipeline import load_pipeline
from chainrule.data.readers import read


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A file that `chainrule train` wrote.")],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="As for train: a name, an NPZ file, or a folder of IDX files.")
    ],
    part: Annotated[
        str, typer.Option(help="test (rows held out in training, or the source's test part), train, or all.")
    ] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Measure a model on DATA."""
    say = Printer(as_json)
    pipeline = load_pipeline(model)
    rows, which = select(read(data), pipeline, part)
    figures = pipeline.evaluate(rows)
    say.line(f"{data}: {counted(len(rows.X), 'row')} ({which})")
    say.figures(dict(figures))
    say.result({"model": model, "data": data, "rows": len(rows.X), "which": which, **figures})
