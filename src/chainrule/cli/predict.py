"""`chainrule predict MODEL DATA`: a prediction for each row, as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.options import check_output
from chainrule.cli.output import Printer, write
from chainrule.cli.rows import select
from chainrule.data.pipeline import load_pipeline
from chainrule.data.readers import read
from chainrule.modelfile.atomic import write_atomically


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A file that `chainrule train` wrote.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="As for train; targets aren't needed.")],
    part: Annotated[str, typer.Option(help="all rows, test, or train, as for evaluate.")] = "all",
    out: Annotated[Path | None, typer.Option(help="Write the CSV there instead of to standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Predict every row of DATA."""
    if out is not None:
        check_output(out, model, data)
    pipeline = load_pipeline(model)
    rows, which = select(read(data), pipeline, part)
    predictions = pipeline.predict(rows.X, f"X of {rows.name}")
    if as_json:
        result = {"model": model, "data": data, "rows": len(rows.X), "which": which}
        Printer(True).result(result | {"predictions": predictions.tolist()})
        return
    table = predictions.reshape(len(predictions), -1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = table.shape[1] > 1
    writer.writerow([f"prediction_{j}" for j in range(table.shape[1])] if several else ["prediction"])
    writer.writerows(table.tolist())
    if out is None:
        write(text.getvalue())
    else:
        write_atomically(out, text.getvalue().encode())
