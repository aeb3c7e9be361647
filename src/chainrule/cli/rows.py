"""Which rows of DATA a trained model is asked about, and what they are to its network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.columns import say_unforeseen
from chainrule.data.labelled import LabelledData, split
from chainrule.data.pipeline import Pipeline
from chainrule.data.unforeseen import Unforeseen
from chainrule.engine.inputs import check_rows, check_targets
from chainrule.engine.network import Network
from chainrule.errors import DataError, text

Part: TypeAlias = Literal["test", "train", "all"]


def select(data: LabelledData, pipeline: Pipeline | None, part: str) -> tuple[LabelledData, str]:
    """Pick the test part, the training part, or all rows, and say in words which they are.

    The data that the model was trained on are known again by their fingerprint, and cut as they were then. Other
    data, and those for a network alone, None, are cut as their source cuts them; where it doesn't, all their rows are
    the test part.
    """
    if part not in ("test", "train", "all"):
        hint = "test keeps to rows that the model has not seen."
        raise DataError(text("--part", expected="test, train or all", got=repr(part), hint=hint))
    if part == "all":
        return _joined(data), "all rows"
    if pipeline is not None and data.labels is not None and pipeline.training.get("fingerprint") == data.fingerprint():
        return _as_in_training(data, pipeline, part)
    if data.test is not None:
        return (data.test, "its test part") if part == "test" else (replace(data, test=None), "its training part")
    if part == "train":
        hint = "Use --part all."
        raise DataError(
            text("--part train", expected="the data that the model was trained on", got=data.name, hint=hint)
        )
    return data, "all rows" if pipeline is None else "all rows; the model was trained on other data"


def _as_in_training(data: LabelledData, pipeline: Pipeline, part: str) -> tuple[LabelledData, str]:
    """Cut the data that the model was trained on as they were cut then."""
    if pipeline.training.get("test_data") is not None:
        if part == "train":
            return replace(data, test=None), "trained on"
        test_data = pipeline.training["test_data"]
        hint = f"Give {test_data}, or --part train."
        expected = "rows that the model has not seen"
        raise DataError(text(data.name, expected=expected, got="all the rows that it was trained on", hint=hint))
    training, test = split(data, pipeline.training["test_fraction"], pipeline.training["seed"], pipeline.task)
    return (test, "held out in training") if part == "test" else (training, "trained on")


def _joined(data: LabelledData) -> LabelledData:
    if data.test is None:
        return data
    test = data.test
    shapes = [part.labels.shape[1:] for part in (data, test) if part.labels is not None]
    if len(set(shapes)) > 1:
        hint = "Both parts need the same target columns."
        raise DataError(text(test.name, expected=f"targets of shape {shapes[0]}", got=str(shapes[1]), hint=hint))
    labels = None
    if data.labels is not None and test.labels is not None:
        labels = np.concatenate([data.labels, test.labels])
    return replace(data, X=np.concatenate([data.X, test.X]), labels=labels, test=None)


def network_inputs(model: Pipeline | Network, rows: LabelledData) -> tuple[Network, NDArray[Any]]:
    """Give a model's network, and X of some rows as it takes it; what training had not seen is said."""
    if isinstance(model, Pipeline):
        unforeseen = Unforeseen(model.inputs)
        unforeseen.look(rows.X)
        say_unforeseen(unforeseen)
        return model.net, model.inputs_of(rows)
    return model, check_rows(rows.X, model.sizes[0], f"X of {rows.name}")


def network_targets(model: Pipeline | Network, rows: LabelledData) -> NDArray[Any]:
    """Give Y of some rows as a model's network takes it. Raises DataError where they have no targets."""
    if isinstance(model, Pipeline):
        return model.check(rows).values
    labels = rows.required_labels()
    return check_targets(labels, len(rows.X), model.plan, f"targets of {rows.name}", "X").values
