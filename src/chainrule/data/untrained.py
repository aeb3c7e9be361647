"""From training rows to a pipeline whose network is still to be trained: classes, targets, a baseline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.data.encoding import Encoding
from chainrule.data.labelled import LabelledData, Task
from chainrule.data.pipeline import Pipeline
from chainrule.data.scaling import Scaling
from chainrule.engine.network import Network
from chainrule.maths.intervals import REALS


def untrained(
    source: LabelledData,
    training: LabelledData,
    task: Task,
    inputs: Scaling | Encoding,
    scale: bool,
    make: Callable[[int, int], Network],
) -> Pipeline:
    """Set up a pipeline with all classes that the source has, and what else the training rows say.

    `inputs` are fitted to the training rows; `make` gives a network of so many inputs and outputs. With `scale`, the
    targets of a regression are scaled where nothing ties them to their own units, as exp, logistic or poisson do.
    Raises InputError or DataError.
    """
    classes = np.unique(source.required_labels()) if task == "classification" else np.array([])
    labels = training.required_labels()
    columns = labels.reshape(len(labels), -1)
    n_in = inputs.width if isinstance(inputs, Encoding) else training.X.shape[1]
    n_out = len(classes) if task == "classification" else columns.shape[1]
    net = make(n_in, n_out)
    if isinstance(inputs, Encoding):
        net.W[1][inputs.untrained] = 0  # no training row reaches these weights; a text never seen shall say nothing
    free = net.plan.activation(net.L).range == REALS and net.plan.cost.targets == REALS
    targets = Scaling.none(n_out)
    if scale and free and task == "regression":
        targets = Scaling.fit(columns, _target_names(source, n_out))
    if task == "classification":
        baseline = np.bincount(np.searchsorted(classes, labels), minlength=n_out) / len(labels)
    else:
        baseline = columns.mean(axis=0, dtype=np.float64)
    names = training.class_names if len(training.class_names) == len(classes) else ()
    schema, features = source.schema, training.feature_names
    return Pipeline(net, task, inputs, targets, classes, names, features, schema=schema, baseline=baseline)


def _target_names(source: LabelledData, n_out: int) -> tuple[str, ...]:
    """Name the targets as errors call them."""
    if source.schema is not None:
        return (f"target {source.schema.target.name!r} of {source.name}",)
    what = f"targets of {source.name}"
    return (what,) if n_out == 1 else tuple(f"column {j} of the {what}" for j in range(n_out))
