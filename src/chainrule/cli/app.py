"""The verbs, put together."""

from __future__ import annotations

import typer

from chainrule.cli import evaluate, info, predict, train

app = typer.Typer(
    name="chainrule",
    help="Train dense networks by explicit backpropagation.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text reads the same on a terminal, in a pipe and in a log
    pretty_exceptions_enable=False,
)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("info")(info.info)
