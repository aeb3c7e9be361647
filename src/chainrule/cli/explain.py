"""`chainrule explain MODEL DATA`: one derivative of one row, step by step, with its numbers."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from chainrule.cli.columns import class_names
from chainrule.cli.options import check_output, named_by_option
from chainrule.cli.output import Printer, cleaned, write
from chainrule.cli.rows import network_inputs, network_targets, select
from chainrule.data.encoding import Encoding
from chainrule.data.labelled import LabelledData
from chainrule.data.pipeline import Pipeline, load_model
from chainrule.data.readers import read_as
from chainrule.engine.network import Network
from chainrule.errors import InputError, text, unknown_name
from chainrule.glassbox.derivations.derivation import Derivation, derive
from chainrule.glassbox.derivations.example import pass_example
from chainrule.glassbox.derivations.expressions import quantities
from chainrule.glassbox.derivations.numbers import DIGITS, printed
from chainrule.glassbox.writing import html, latex
from chainrule.glassbox.writing import text as plain
from chainrule.modelfile.atomic import write_atomically

_WIDTH = 100  # of text that doesn't go to a terminal
_INPUTS_NAMED = 20
_BY_SUFFIX = {"": "text", ".txt": "text", ".tex": "latex", ".html": "html", ".htm": "html"}
_WRITERS = ("html", "latex", "text")


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, of `chainrule train` or of cr.save.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="As for evaluate.")],
    row: Annotated[int, typer.Option(help="Which row of the part, counted from 0.")] = 0,
    part: Annotated[
        str, typer.Option(help="test (rows held out in training, or the source's test part), train, or all.")
    ] = "test",
    of: Annotated[
        str | None,
        typer.Option(
            help="W:2:3:5, the weight from unit 5 of layer 1 to unit 3 of layer 2; b:2:3; delta:2 or delta:2:3; x or "
            "x:7; cost. Left out, the weight with the largest derivative."
        ),
    ] = None,
    notation: Annotated[
        str, typer.Option(help="delta (000), theta (001), dz (001's end), S (002), nabla (003) or input (004).")
    ] = "delta",
    shifted: Annotated[
        bool, typer.Option("--shifted", help="Number a weight by the layer that it leads out of.")
    ] = False,
    form: Annotated[str, typer.Option(help="units, with sums written out, or matrices.")] = "units",
    terms: Annotated[int, typer.Option(help="So many terms of a sum are written out, the largest first.")] = 8,
    digits: Annotated[int, typer.Option(help="Significant digits of numbers, 2 to 17.")] = DIGITS,
    output: Annotated[str | None, typer.Option(help="Of x: the output whose gradient it is, 0, 1, …, or cost.")] = None,
    to: Annotated[
        str | None, typer.Option(help="text, latex or html. Left out, by the ending of --out, or else text.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write there instead of to standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Derive one derivative of one row of DATA by the chain rule, with its numbers."""
    if out is not None:
        check_output(out, model, data)
    writer = _writer(to, out, as_json)
    given_model = load_model(model)
    pipeline = given_model if isinstance(given_model, Pipeline) else None
    rows, which = select(read_as(data, pipeline.schema if pipeline else None), pipeline, part)
    if not 0 <= row < len(rows.X):
        hint = "Rows are counted from 0 within the part: --part test, train or all."
        expected = f"a row 0 to {len(rows.X) - 1} of {data} ({which})"
        raise InputError(text("--row", expected=expected, got=str(row), hint=hint))
    chosen = rows.take(np.array([row]))
    if pipeline is not None:
        pipeline.raw(chosen)  # which says by name that columns differ
    needs_target = of is None or not of.startswith("x") or output == "cost"
    net, X = network_inputs(given_model, chosen)
    Y = network_targets(given_model, chosen) if needs_target or chosen.labels is not None else None
    y = None if Y is None else Y[0]
    about = [cleaned(f"row {row} of {data} ({which}){_answer(given_model, chosen)}", "")]
    if of is None:
        of = _largest(net, X[0], y)
        about.append(f"--of is left out: {of} is the weight with the largest derivative")
    with named_by_option():
        found = derive(
            net, X[0], y, of, notation,
            shifted=shifted, form=form, terms=terms, digits=digits, output=_output(output),
        )  # fmt: skip
    named = _named_inputs(found, _input_names(given_model, chosen), chosen, pipeline)
    about += [cleaned(line, "") for line in named]
    if as_json:
        Printer(True).result({"model": model, "data": data, "which": which, "row": row, **found.to_dict()})
    elif out is not None:
        write_atomically(out, _content(found, writer, about, False, _WIDTH).encode())
    else:
        is_terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size((_WIDTH, 24)).columns if is_terminal else _WIDTH
        write(_content(found, writer, about, is_terminal and _wants_colour(), width))


def _writer(to: str | None, out: Path | None, as_json: bool) -> str:
    """Read --to, or guess it. Raises InputError."""
    if as_json and (out is not None or to is not None):
        option, given = ("--out", str(out)) if out is not None else ("--to", str(to))
        hint = "Leave --json out, or write the object by your shell: > FILE."
        raise InputError(text(option, expected="no --json beside it", got=given, hint=hint))
    if to is None:
        suffix = "" if out is None else out.suffix.lower()
        if suffix not in _BY_SUFFIX:
            hint = "Say which it is by --to text, latex or html."
            expected = f"a name that ends in {', '.join(filter(None, _BY_SUFFIX))}"
            raise InputError(text("--out", expected=expected, got=str(out), hint=hint))
        return _BY_SUFFIX[suffix]
    if to not in _WRITERS:
        error = unknown_name("format", to, _WRITERS)
        raise InputError(f"--to: {error}")
    return to


def _wants_colour() -> bool:
    """Say whether a terminal is one for colours, as far as its environment says."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _output(given: str | None) -> int | str | None:
    return int(given) if given is not None and given.isdecimal() else given


def _content(found: Derivation, writer: str, about: list[str], colour: bool, width: int) -> str:
    match writer:
        case "latex":
            return latex.render(found, about)
        case "html":
            return html.render(found, about)
        case _:
            return plain.render(found, colour, width, about)


def _largest(net: Network, x: NDArray[Any], y: NDArray[Any] | None) -> str:
    """The weight with the largest |∂C_i/∂W| = |δ_j| |a_k| (E7), as --of takes it."""
    example = pass_example(net, x, y, None, with_cost=True)
    places = []
    for layer in example.plan.layers:
        delta, a = np.abs(example.delta[layer]), np.abs(example.a[layer - 1])
        places.append((float(delta.max() * a.max()), layer, int(delta.argmax()), int(a.argmax())))
    _, layer, j, k = max(places, key=lambda place: place[0])
    return f"W:{layer}:{j}:{k}"


def _answer(model: Pipeline | Network, rows: LabelledData) -> str:
    """Say what the row is, and what the model takes it for."""
    if not isinstance(model, Pipeline):
        return ""
    answer = model.answers(model.raw_outputs(model.raw(rows)))[0]
    if model.task == "regression":
        predicted = ", ".join(printed(float(value)) for value in np.ravel(answer))
        truth = "" if rows.labels is None else ", ".join(printed(float(value)) for value in np.ravel(rows.labels[0]))
        return f": {f'target {truth}, ' if truth else ''}predicted {predicted}"
    labels, names = model.classes.tolist(), class_names(model)
    predicted = names[labels.index(answer.item())]
    truth = "" if rows.labels is None else names[labels.index(rows.labels[0].item())]
    return f": {f'class {truth}, ' if truth else ''}predicted {predicted}"


def _input_names(model: Pipeline | Network, rows: LabelledData) -> tuple[str, ...]:
    """What the network's inputs are called; nothing where they have no names."""
    if isinstance(model, Pipeline) and isinstance(model.inputs, Encoding):
        return model.inputs.names
    names = model.feature_names if isinstance(model, Pipeline) else ()
    names = names or rows.feature_names
    return names if len(names) == rows.X.shape[1] else ()


def _named_inputs(
    found: Derivation, names: tuple[str, ...], rows: LabelledData, pipeline: Pipeline | None
) -> list[str]:
    """Say which columns of the data the inputs are that stand in a derivation."""
    used = [
        one.units[-1] for step in found.steps for one in quantities(step.expression) if one.layer == 0 and one.units
    ]
    used += list(found.target.units) if found.target.kind == "x" else []
    numbers = sorted({unit for unit in used if isinstance(unit, int)}) or list(range(len(names)))
    if not names or not numbers:
        return []
    as_read = pipeline is None or not isinstance(pipeline.inputs, Encoding)
    shown = []
    for k in numbers[:_INPUTS_NAMED]:
        value = f" = {printed(float(rows.X[0, k]))}" if as_read else ""
        is_scaled = as_read and float(rows.X[0, k]) != found.x[k]
        shown.append(f"{k} is {names[k]}{value}" + (f", scaled to {printed(float(found.x[k]))}" if is_scaled else ""))
    more = len(numbers) - len(shown)
    return [f"input {'; '.join(shown)}" + (f"; and {more:,} more" if more else "")]
