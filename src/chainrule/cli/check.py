"""`chainrule check MODEL DATA`: whether a model's gradients are right."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from chainrule.cli.options import check_options
from chainrule.cli.output import Printer, counted
from chainrule.cli.rows import network_inputs, network_targets, select
from chainrule.data.pipeline import Pipeline, load_model
from chainrule.data.readers import read_as
from chainrule.derivatives.checker import check_gradients
from chainrule.errors import InputError, is_count, text
from chainrule.modelfile.networks import load_certificate


def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, of `chainrule train` or of cr.save.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="As for evaluate.")],
    part: Annotated[
        str, typer.Option(help="test (rows held out in training, or the source's test part), train, or all.")
    ] = "test",
    rows: Annotated[int, typer.Option(help="So many of these rows at most, evenly spread.")] = 100,
    parameters: Annotated[int, typer.Option(help="So many parameters at most are compared one by one.")] = 1000,
    seed: Annotated[int, typer.Option(help="Draws the parameters and the directions.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Hold a model's gradients on DATA against central differences; exit code 1 where one is wrong."""
    say = Printer(as_json)
    for option, given in (("--rows", rows), ("--parameters", parameters)):
        if not is_count(given):
            hint = "Leave it out for the default."
            raise InputError(text(option, expected="a whole number ≥ 1", got=str(given), hint=hint))
    check_options(seed, 0.0, None)
    given_model = load_model(model)
    pipeline = given_model if isinstance(given_model, Pipeline) else None
    every, which = select(read_as(data, pipeline.schema if pipeline else None), pipeline, part)
    chosen = every.take(_spread(len(every.X), rows))
    net, X = network_inputs(given_model, chosen)
    Y = network_targets(given_model, chosen)
    report = check_gradients(net, X, Y, max_parameters=parameters, seed=seed)
    certificate = load_certificate(model)
    say.line(f"{data}: {len(chosen.X):,} of {counted(len(every.X), 'row')} ({which})")
    say.line(str(report))
    if certificate is not None:
        say.line(f"the file's certificate: {str(certificate).splitlines()[0]}")
    stored = None if certificate is None else certificate.to_dict()
    say.result({"model": model, "data": data, "which": which, **report.to_dict(), "certificate": stored})
    if not report.passed:
        raise typer.Exit(1)


def _spread(m: int, most: int) -> NDArray[np.intp]:
    """Up to `most` of m rows, evenly spread: data sets are often sorted."""
    return np.unique(np.linspace(0, m - 1, min(m, most)).round()).astype(np.intp)
