"""`chainrule predict MODEL DATA`: a prediction for each row, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray

from chainrule.cli.columns import say_unforeseen
from chainrule.cli.options import check_output, named_by_option
from chainrule.cli.output import Printer, write
from chainrule.cli.rows import select
from chainrule.data.blocks import Table, at
from chainrule.data.encoding import Cell
from chainrule.data.pipeline import Pipeline, load_pipeline
from chainrule.data.readers import read_as
from chainrule.data.tables import is_table, open_table
from chainrule.data.unforeseen import Unforeseen
from chainrule.errors import InputError, text
from chainrule.modelfile.atomic import Writable, atomic_file

_CHARACTERS_AT_ONCE = 1 << 16
_Block: TypeAlias = tuple[NDArray[Any], Cell]


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A file that `chainrule train` wrote.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="As for train; targets aren't needed. - reads CSV from standard input."),
    ],
    part: Annotated[str, typer.Option(help="all rows, test, or train, as for evaluate.")] = "all",
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add the probability of each class.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the CSV there instead of to standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Predict every row of DATA."""
    if out is not None and as_json:
        hint = "Leave --json out, or write the object by your shell: > FILE."
        raise InputError(text("--out", expected="no --json beside it", got=str(out), hint=hint))
    if out is not None:
        check_output(out, model, data)
    pipeline = load_pipeline(model)
    if probabilities:
        with named_by_option():
            pipeline.check_probabilities()
    if part == "all" and pipeline.schema is not None and is_table(data):
        which = "all rows"
        table = open_table(data)
        blocks: Iterable[_Block] = ((block.X, partial(_cell, table, block.places)) for block in pipeline.read(table))
    else:
        rows, which = select(read_as(data, pipeline.schema), pipeline, part)
        blocks = [(pipeline.raw(rows), rows.cell)]
    unforeseen = Unforeseen(pipeline.inputs)
    answers = _answers(pipeline, blocks, f"X of {data}", unforeseen, probabilities)
    if as_json:
        result = {"model": model, "data": data, **_collected(pipeline, answers, which, probabilities)}
        say_unforeseen(unforeseen)
        Printer(True).result(result)
        return
    header = _header(pipeline, probabilities)
    if out is not None:
        with atomic_file(out) as file:
            _write_csv(file, header, answers)
    else:
        import tempfile

        with tempfile.TemporaryFile() as whole:  # so that an error in the last row leaves nothing half-written
            _write_csv(whole, header, answers)
            whole.seek(0)
            written = io.TextIOWrapper(whole, encoding="utf-8", newline="")
            while content := written.read(_CHARACTERS_AT_ONCE):
                write(content)
    say_unforeseen(unforeseen)


def _cell(table: Table, places: NDArray[np.int64], row: int, column: str) -> str:
    return at(table, int(places[row]), column)


def _answers(
    pipeline: Pipeline, blocks: Iterable[_Block], name: str, unforeseen: Unforeseen, probabilities: bool
) -> Iterator[tuple[NDArray[Any], NDArray[np.float64] | None]]:
    """Give predictions, (m,) or (m, k), and probabilities, (m, n_classes), block by block."""
    for raw, cell in blocks:
        unforeseen.look(raw)
        outputs = pipeline.raw_outputs(raw, name, cell)
        yield pipeline.answers(outputs), pipeline.shares(outputs) if probabilities else None


def _header(pipeline: Pipeline, probabilities: bool) -> list[str]:
    k = pipeline.net.sizes[-1]
    several = pipeline.task == "regression" and k > 1
    header = [f"prediction_{j}" for j in range(k)] if several else ["prediction"]
    return header + ([f"p({label})" for label in pipeline.classes.tolist()] if probabilities else [])


def _write_csv(
    file: Writable, header: list[str], answers: Iterator[tuple[NDArray[Any], NDArray[np.float64] | None]]
) -> None:
    rows: list[list[Any]] = [header]
    for predictions, shares in answers:
        answered = predictions.reshape(len(predictions), -1).tolist()
        behind = [[]] * len(answered) if shares is None else shares.tolist()
        rows += [[*some, *more] for some, more in zip(answered, behind, strict=True)]
        _write_rows(file, rows)
        rows = []
    _write_rows(file, rows)


def _write_rows(file: Writable, rows: list[list[Any]]) -> None:
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    file.write(content.getvalue().encode())


def _collected(
    pipeline: Pipeline,
    answers: Iterator[tuple[NDArray[Any], NDArray[np.float64] | None]],
    which: str,
    probabilities: bool,
) -> dict[str, Any]:
    """Collect all answers for one JSON object."""
    predictions: list[Any] = []
    shares: list[Any] = []
    for some, some_shares in answers:
        predictions += some.tolist()
        shares += [] if some_shares is None else some_shares.tolist()
    result = {"rows": len(predictions), "which": which, "predictions": predictions}
    return result | ({"classes": pipeline.classes.tolist(), "probabilities": shares} if probabilities else {})
