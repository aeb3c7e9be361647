"""The verbs, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from chainrule.cli import check, evaluate, explain, explore, info, predict, train
from chainrule.cli.help import GroupedCommand

app = typer.Typer(
    name="chainrule",
    help="Train dense networks by explicit backpropagation.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text reads the same on a terminal, in a pipe and in a log
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # imported late: as long as half of numpy

        typer.echo(f"chainrule {version('chainrule')}")
        raise typer.Exit


@app.callback()
def _chainrule(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train dense networks by explicit backpropagation."""


app.command("train", cls=GroupedCommand)(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("info")(info.info)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("explore")(explore.explore)
