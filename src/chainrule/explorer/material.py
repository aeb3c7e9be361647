"""What is looked at: a data set cut into parts, and how its rows become a network's inputs and targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.labelled import LabelledData, Task, check_variety, choose_task, split
from chainrule.data.pipeline import Pipeline
from chainrule.data.scaling import Scaling
from chainrule.data.untrained import untrained as pipeline_of
from chainrule.engine.inputs import Targets
from chainrule.engine.network import Network
from chainrule.explorer.answers import not_there

PARTS = ("test", "train", "all")
_TEST_FRACTION = 0.2
_OUTPUTS = {"classification": ("softmax", "cross_entropy"), "regression": ("identity", "squared_error")}


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Material:
    """Rows of each part, as read, and the pipeline that makes a network's inputs and targets of them.

    `pipeline.net` is the network as it was when this was opened; what training makes of it is the session's. A part
    that the data have not is missing in `parts`; "all" never is. `has_pipeline` is false where the pipeline was made
    for a network that had none in its file, and is saved without one again.
    """

    name: str
    pipeline: Pipeline
    parts: Mapping[str, LabelledData]
    has_pipeline: bool = True
    _encoded: dict[str, tuple[NDArray[Any], Targets]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """See that every row fits the network, before any is asked for. Raises InputError or DataError."""
        for rows in self.parts.values():
            self.pipeline.check(rows)

    def rows(self, part: str) -> LabelledData:
        """Give the rows of a part. Raises RefusedError, 404, where it has none."""
        if part not in self.parts:
            there = " or ".join(name for name in PARTS if name in self.parts)
            raise not_there("part", f"{there}, the parts that {self.name} has", part, "all has every row.")
        return self.parts[part]

    def count(self, part: str) -> int:
        """How many rows a part has."""
        return len(self.parts[part].X) if part in self.parts else 0

    def row(self, part: str, row: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the inputs, (1, n_0), and the targets, (1, n_L), of a row. Raises RefusedError, 404."""
        X, targets = self.some(part, np.array([self.check(part, row)]))
        return X, targets.rows(slice(None))

    def check(self, part: str, row: int) -> int:
        """See that a part has a row. Raises RefusedError, 404."""
        m = len(self.rows(part).X)
        if row >= m:
            hint = "Rows are counted from 0."
            raise not_there("row", f"a row 0 to {m - 1} of part {part} of {self.name}", row, hint)
        return row

    def some(self, part: str, rows: NDArray[np.intp]) -> tuple[NDArray[Any], Targets]:
        """Make some rows of a part the network's inputs and targets."""
        chosen = self.rows(part).take(rows)
        return self.pipeline.inputs_of(chosen), self.pipeline.check(chosen)

    def every(self, part: str) -> tuple[NDArray[Any], Targets]:
        """Make a whole part the network's inputs and targets, once."""
        if part not in self._encoded:
            rows = self.rows(part)
            self._encoded[part] = self.pipeline.inputs_of(rows), self.pipeline.check(rows)
        return self._encoded[part]

    @property
    def training_part(self) -> str:
        """The part that is trained on: the rows of training, or all where the data were not cut."""
        return "train" if "train" in self.parts else "all"

    @property
    def plane(self) -> bool:
        """Whether the network has two inputs, so that its answer can be drawn as a map."""
        return self.pipeline.net.sizes[0] == 2

    @property
    def features(self) -> list[str] | None:
        """The names of the network's inputs, where there is one for each."""
        names = self.pipeline.feature_names if self.pipeline.schema is None else ()
        names = names or self.parts["all"].feature_names
        return list(names) if len(names) == self.pipeline.net.sizes[0] else None

    @property
    def classes(self) -> list[str] | None:
        """What the classes are called; None for a regression."""
        if self.pipeline.task != "classification":
            return None
        return list(self.pipeline.class_names) or [str(label) for label in self.pipeline.classes.tolist()]

    @property
    def image(self) -> dict[str, int] | None:
        """Width and height, where a row is a picture."""
        return picture(self.parts["all"]) if self.pipeline.schema is None else None

    def untrained(self, hidden: list[int], activation: str, seed: int) -> Material:
        """Give the same rows to a new network of other hidden layers, its output and cost as before."""
        plan = self.pipeline.net.plan
        sizes = [plan.sizes[0], *hidden, plan.sizes[-1]]
        activations = [activation] * len(hidden) + [plan.activation(plan.L)]
        settings: dict[str, Any] = {"reduction": plan.reduction, "dtype": plan.dtype, "seed": seed}
        return self.with_network(Network(sizes, activations, plan.cost, **settings))

    def with_network(self, net: Network) -> Material:
        """The same rows for another network of as many inputs and outputs."""
        return replace(self, pipeline=replace(self.pipeline, net=net))


def picture(data: LabelledData) -> dict[str, int] | None:
    """Tell the width and height of pictures, by columns named pixel_0_0, or by bytes that fill a square."""
    n = data.X.shape[1]
    names = data.feature_names
    if names and all(name.startswith("pixel_") for name in (names[0], names[-1])):
        corner = names[-1].split("_")[1:]
        if len(corner) == 2 and all(map(str.isdecimal, corner)):
            height, width = (int(place) + 1 for place in corner)
            return {"width": width, "height": height} if width * height == n else None
    side = math.isqrt(n)
    if not names and data.X.dtype == np.uint8 and side > 3 and side * side == n:
        return {"width": side, "height": side}
    return None


def of_model(net: Network, data: LabelledData) -> Pipeline:
    """Give the pipeline of a network that was saved alone: rows and targets are taken as they are."""
    n_in, n_out = net.sizes[0], net.sizes[-1]
    labels = data.required_labels()
    is_class = labels.ndim == 1 and labels.dtype.kind in "iub" and n_out > 1
    classes = np.arange(n_out) if is_class else np.array([])
    names = data.class_names if len(data.class_names) == len(classes) else ()
    task: Task = "classification" if is_class else "regression"
    return Pipeline(net, task, Scaling.none(n_in), Scaling.none(n_out), classes, names, data.feature_names)


def untrained(data: LabelledData, hidden: list[int], activation: str, seed: int) -> Material:
    """Make a new network for a data set of arrays, and cut a fifth of its rows off for the test, unless it is cut.

    Columns are standardised, but pixels are divided by the largest of all, so that a picture stays one, and the two
    columns of a plane are left as they are. Raises InputError or DataError.
    """
    task, _ = choose_task(data, None)
    check_variety(data, task)
    training, test = split(data, _TEST_FRACTION, seed, task)
    n_in, (output, cost) = data.X.shape[1], _OUTPUTS[task]
    if n_in == 2:
        inputs = Scaling.none(n_in)
    elif picture(data) is not None:
        inputs = Scaling(np.zeros(n_in), np.full(n_in, float(training.X.max()) or 1.0))
    else:
        inputs = Scaling.fit(training.X)

    def make(n_in: int, n_out: int) -> Network:
        return Network([n_in, *hidden, n_out], [activation] * len(hidden) + [output], cost, seed=seed)

    about: dict[str, Any] = {"data": data.name, "fingerprint": data.fingerprint(), "test_data": None}
    about |= {"test_fraction": _TEST_FRACTION, "seed": seed, "rows": len(training.X)}
    pipeline = replace(pipeline_of(data, training, task, inputs, True, make), training=about)
    whole = data if data.test is None else _joined(data)
    return Material(data.name, pipeline, {"test": test, "train": training, "all": whole})


def _joined(data: LabelledData) -> LabelledData:
    test = data.test
    assert test is not None
    labels = np.concatenate([data.required_labels(), test.required_labels()])
    return replace(data, X=np.concatenate([data.X, test.X]), labels=labels, test=None)
