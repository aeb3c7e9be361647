"""`chainrule info MODEL`: what is in a model file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chainrule.cli.columns import class_names, describe_columns, say_columns
from chainrule.cli.output import Printer, counted, say_costs
from chainrule.data.pipeline import Pipeline, load_model
from chainrule.modelfile.networks import describe, load_certificate


def info(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, of `chainrule train` or of cr.save.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show layers, sizes, parameters, columns, classes, training history and certificate of a model."""
    say = Printer(as_json)
    given = load_model(model)
    pipeline = given if isinstance(given, Pipeline) else None
    net = given.net if isinstance(given, Pipeline) else given
    say.line(repr(net))
    result: dict[str, Any] = {"model": model, "network": describe(net), "parameters": net.plan.n_parameters}
    if pipeline is not None:
        _say_pipeline(say, pipeline)
        result |= {
            "task": pipeline.task,
            "classes": pipeline.classes.tolist(),
            "class_names": list(pipeline.class_names),
            "feature_names": list(pipeline.feature_names),
            **describe_columns(pipeline),
            "training": pipeline.training,
        }
    if (certificate := load_certificate(model)) is not None:
        say.line(f"certificate: {certificate}")
        result["certificate"] = certificate.to_dict()
    say.result(result)


def _say_pipeline(say: Printer, pipeline: Pipeline) -> None:
    names = class_names(pipeline)
    say.line(f"{pipeline.task}" + (f" into {len(names)} classes: {', '.join(names)}" if names else ""))
    say_columns(say, pipeline)
    training = pipeline.training
    if not training:
        return
    history = training["history"]
    say.line(
        f"trained on {counted(training['rows'], 'row')} of {training['data']} with {training['optimizer']}, "
        f"{counted(len(history['epoch']), 'epoch')}, stopped by: {training['stopped']}"
    )
    say_costs(say, history["cost"], history.get("validation_cost", []), training.get("restored_epoch"))
    if training["test"]:
        say.line("on its test rows:")
        say.figures(training["test"])
