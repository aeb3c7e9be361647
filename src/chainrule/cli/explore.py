"""`chainrule explore [MODEL] [DATA]`: a page that shows a network, its numbers and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.columns import say_unforeseen
from chainrule.cli.output import write, write_error
from chainrule.cli.rows import select
from chainrule.data.labelled import LabelledData
from chainrule.data.pipeline import Pipeline, load_model
from chainrule.data.readers import NAMES, read, read_as
from chainrule.data.unforeseen import Unforeseen
from chainrule.errors import ChainruleError, DataError, InputError, text

if TYPE_CHECKING:
    from chainrule.explorer.material import Material

_FIRST = "xor"
_HIDDEN_OF_A_PLANE, _HIDDEN, _ACTIVATION = [4, 4], [16], "tanh"  # 003 has 16 hidden units


def explore(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="A model file. Left out: a new network, trained on the page.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="As for evaluate, with the target.", show_default=False)
    ] = None,
    row: Annotated[int, typer.Option(help="The row that is shown first, from 0.")] = 0,
    part: Annotated[str | None, typer.Option(help="Its part: test (where there is one), train, or all.")] = None,
    port: Annotated[int, typer.Option(help="The port on this machine; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
) -> None:
    """Open a page that shows a network, derives any of its derivatives, and trains it. Ctrl-C ends it."""
    if not 0 <= port < 2**16:
        hint = "Leave it out to take a free one."
        raise InputError(text("--port", expected="a whole number 0 to 65535", got=str(port), hint=hint))
    server = _server()
    from chainrule.explorer.session import Session

    material, offered = _material(model, data)
    view = _view(material, part, row)
    session = Session(material, {material.name: material} if offered else {})

    def say(address: str) -> None:
        write(f"chainrule explore: {address}\nCtrl-C ends it.\n")

    server.run(session, say, port, view, browser=not no_browser)  # type: ignore[attr-defined]
    write_error("chainrule: ended")


def _server() -> object:
    """Import the server. Raises ChainruleError where the libraries that it needs are not installed."""
    try:
        from chainrule.explorer import server
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in ("starlette", "uvicorn"):
            raise
        hint = "Install them with: pip install 'chainrule[explore]'"
        expected = "starlette and uvicorn"
        raise ChainruleError(text("explore", expected=expected, got=f"no {missing}", hint=hint)) from None
    return server


def _material(model: str | None, data: str | None) -> tuple[Material, bool]:
    """Read MODEL and DATA, or make a new network; and say whether the data are to be offered beside the named sets."""
    from chainrule.explorer.material import Material, of_model, untrained

    if data is None and (model is None or _is_data(model)):
        source = read(_FIRST if model is None else model)
        hidden = _HIDDEN_OF_A_PLANE if source.X.shape[1] == 2 else _HIDDEN
        return untrained(source, hidden, _ACTIVATION, seed=0), source.name not in NAMES
    assert model is not None
    given = load_model(model)
    pipeline = given if isinstance(given, Pipeline) else None
    source = read_as(data or _data_of(model, pipeline), pipeline.schema if pipeline else None)
    parts: dict[str, LabelledData] = {"all": select(source, pipeline, "all")[0]}
    for part in ("test", "train"):
        try:
            parts[part] = select(source, pipeline, part)[0]
        except DataError:  # these data are not cut into parts
            continue
    if not isinstance(given, Pipeline):
        given = of_model(given, source)
    else:
        unforeseen = Unforeseen(given.inputs)
        unforeseen.look(parts["all"].X)
        say_unforeseen(unforeseen)
    return Material(source.name, given, parts, has_pipeline=pipeline is not None), True


def _is_data(name: str) -> bool:
    """Say whether the only argument is DATA: a data set's name, a folder, or an NPZ file."""
    return name in NAMES or Path(name).is_dir() or name.lower().endswith(".npz")


def _data_of(model: str, pipeline: Pipeline | None) -> str:
    """Name the data that a model was trained on, where they are there without a file. Raises DataError."""
    name = pipeline.training.get("data") if pipeline is not None else None
    if name not in NAMES:
        hint = f"Write chainrule explore {model} DATA."
        raise DataError(text("DATA", expected="data to look at the model with", got="none", hint=hint))
    return str(name)


def _view(material: Material, part: str | None, row: int) -> str:
    """Say in the page's address which row is shown first. Raises DataError for one that isn't there."""
    chosen = part or ("test" if "test" in material.parts else "all")
    if chosen not in material.parts:
        there = " or ".join(material.parts)
        raise DataError(text("--part", expected=there, got=repr(chosen), hint="all has every row."))
    m = material.count(chosen)
    if not 0 <= row < m:
        hint = "Rows are counted from 0."
        raise DataError(text("--row", expected=f"a row 0 to {m - 1} of part {chosen}", got=str(row), hint=hint))
    return "&".join([*([] if chosen == "test" else [f"part={chosen}"]), *([f"row={row}"] if row else [])])
