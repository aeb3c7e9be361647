"""From raw columns to predictions in the user's own units: encoding, network, classes; all data, no code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data import metrics, stored, tables
from chainrule.data.blocks import Table
from chainrule.data.columns import Schema
from chainrule.data.encoding import Cell, Encoding, encoded_blocks
from chainrule.data.frames import FrameTable
from chainrule.data.labelled import LabelledData, Task
from chainrule.data.metrics import Figures
from chainrule.data.scaling import Scaling
from chainrule.data.unforeseen import Unforeseen
from chainrule.engine.inputs import Targets, cast, check_finite, check_rows, check_targets
from chainrule.engine.network import Network
from chainrule.errors import DataError, InputError, ModelFileError, is_count, text
from chainrule.maths.intervals import NOT_NEGATIVE
from chainrule.modelfile import format as modelfile
from chainrule.modelfile.networks import arrays_of, build, describe

if TYPE_CHECKING:
    from chainrule.derivatives.outputs import Of

_ARRAYS, _PER_UNIT = 4, 16
"""Numbers at work on a row's Jacobian: so many arrays like it while it is pulled back, and in a pass for each unit."""
_SAID_AT_MOST = 20
"""So many columns are named in a warning."""


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Pipeline:
    """A trained network with its preprocessing: what `chainrule train` saves and `cr.load_pipeline` gives.

    `net` works on encoded columns; `predict` takes raw ones and answers in the user's units: labels, or numbers. A
    model of a table has its `schema`, and an `Encoding` as `inputs`; one of arrays has a `Scaling`. `baseline` is what
    always gives the same answer: the classes' shares of the training rows, or their mean target.
    """

    net: Network
    task: Task
    inputs: Scaling | Encoding
    targets: Scaling
    classes: NDArray[Any]
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict, repr=False)
    schema: Schema | None = None
    baseline: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """See that there is a schema if and only if there is an encoding by it. Raises InputError."""
        if (self.schema is not None) != isinstance(self.inputs, Encoding):
            hint = "A model of a table has both, one of arrays has neither."
            got = f"{type(self.inputs).__name__} {'without' if self.schema is None else 'with'} a schema"
            raise InputError(text("inputs", expected="an Encoding with its schema, or a Scaling", got=got, hint=hint))

    def transform(self, X: Any, name: str = "X") -> NDArray[Any]:
        """Check and encode raw rows, (m, n_0), in the network's dtype.

        X is a pandas or polars frame, a pyarrow table or a dict of columns for a model of a table, and an array for a
        model of arrays. Raises InputError or DataError.
        """
        return self._encoded(self.rows_of(X, name), name, 0)

    def outputs(self, X: Any, name: str = "X") -> NDArray[Any]:
        """a^L of raw rows, (m, n_L), in the network's own units: probabilities for a softmax output."""
        return self.raw_outputs(self.rows_of(X, name), name)

    def predict(self, X: Any, name: str = "X") -> NDArray[Any]:
        """Give labels, (m,), or numbers in the targets' units, (m,) or (m, k).

        Parameters
        ----------
        X : frame, table, dict or array
            For a model of a table a pandas or polars frame, a pyarrow table, or a dict of columns, whose columns are
            found by name; for a model of arrays an array, (m, n_0).
        name : str
            What errors call X.

        Raises
        ------
        InputError
            For an array of another shape, dtype or with numbers that are not finite; for what has no named columns.
        DataError
            For a column that is missing, and for a text in a column of numbers.

        Warns
        -----
        UserWarning
            For missing values, and for texts in a category, in columns that had none in training: once a call, with
            the columns and how many rows it was.

        Examples
        --------
        >>> import numpy as np, chainrule as cr
        >>> net = cr.Network([2, 2], "softmax", "cross_entropy", initializer="zeros")
        >>> net.W[1][...] = [[1, -1], [0, 0]]
        >>> model = Pipeline(net, "classification", Scaling.none(2), Scaling.none(2), np.array(["up", "down"]))
        >>> model.predict([[2.0, 0.0], [-2.0, 0.0]]).tolist()
        ['up', 'down']
        """
        return self.answers(self.raw_outputs(self.rows_of(X, name), name))

    def probabilities(self, X: Any, name: str = "X") -> NDArray[np.float64]:
        """Give the probability of each class, (m, n_classes), in the order of `classes`; X is as in `predict`.

        Outputs that are no distribution, such as those of logistic units, are divided by their sum. Raises InputError
        for a regression, and where outputs may be negative.

        >>> import numpy as np, chainrule as cr
        >>> net = cr.Network([2, 2], "softmax", "cross_entropy", initializer="zeros")
        >>> model = Pipeline(net, "classification", Scaling.none(2), Scaling.none(2), np.array(["no", "yes"]))
        >>> model.probabilities([[3.0, -1.0]]).tolist()
        [[0.5, 0.5]]
        """
        self.check_probabilities()
        return self.shares(self.raw_outputs(self.rows_of(X, name), name))

    # --- in steps, for those who read a table block by block ----------------------------------------------------------
    def raw_outputs(self, raw: NDArray[Any], name: str = "X", cell: Cell | None = None) -> NDArray[Any]:
        """a^L, (m, n_L), of checked rows of an array or of a table's raw matrix, whose cells errors name by `cell`."""
        out = np.empty((len(raw), self.net.sizes[-1]), dtype=self.net.dtype)
        for rows in self._row_blocks(len(raw)):
            out[rows] = self.net.predict(self._encoded(raw[rows], name, rows.start, cell))
        return out

    def raw_jacobian(self, raw: NDArray[Any], name: str, of: Of, max_memory: int) -> NDArray[np.float64]:
        """Give derivatives in the columns of checked rows, (m, n_L, n), as `cr.pipeline_jacobian` says."""
        from chainrule.derivatives import jacobian  # imported late: predicting doesn't need it

        net = self.net
        out = np.empty((len(raw), net.sizes[-1], raw.shape[1]))
        for rows in jacobian_blocks(len(raw), net.sizes[-1], raw.shape[1], net, max_memory):
            encoded = self._encoded(raw[rows], name, rows.start)
            J = jacobian(net, encoded, of=of, max_memory=max_memory // 2).astype(np.float64)
            if of == "a" and self.has_probabilities and net.activations[-1] != "softmax":
                J = shares_jacobian(net.predict(encoded), J)
            if isinstance(self.inputs, Encoding):
                out[rows] = self.inputs.pull_back(J, raw[rows])
            else:
                out[rows] = self.inputs.pull_back(J)
        if of == "a" and self.task == "regression":
            out *= self.targets.scale[:, np.newaxis]
        return out

    def answers(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Turn a^L into labels, (m,), or numbers in the targets' units, (m,) or (m, k)."""
        if self.task == "classification":
            return np.asarray(self.classes[outputs.argmax(axis=1)])
        numbers = self.targets.undo(outputs)
        return numbers[:, 0] if numbers.shape[1] == 1 else numbers

    @property
    def has_probabilities(self) -> bool:
        """Whether outputs are probabilities of classes, or can be made to be."""
        g = self.net.plan.activation(self.net.L)
        return self.task == "classification" and g.range.within(NOT_NEGATIVE)

    def check_probabilities(self) -> None:
        """See that there are probabilities. Raises InputError."""
        if not self.has_probabilities:
            g = self.net.plan.activation(self.net.L)
            got = "a regression" if self.task == "regression" else f"outputs of {g.name}, which may be negative"
            hint = "Train with a softmax output, the default for classes."
            raise InputError(text("probabilities", expected="a classification by outputs ≥ 0", got=got, hint=hint))

    def shares(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Divide each row by its sum; a row of zeros becomes equal shares."""
        numbers = outputs.astype(np.float64)
        total = numbers.sum(axis=1, keepdims=True)
        numbers[(total == 0)[:, 0]] = 1
        return np.asarray(numbers / np.where(total == 0, numbers.shape[1], total))

    def read(self, table: Table) -> Iterator[tables.RawBlock]:
        """Read the columns that the model takes from a table, block by block. Raises DataError."""
        if self.schema is None:
            hint = f"Give an NPZ file, or a folder of IDX files, with {self.net.sizes[0]} columns."
            got = "a table"
            raise DataError(text(table.name, expected="arrays, as the model was trained on", got=got, hint=hint))
        return tables.blocks(table, self.schema, with_target=False)

    def raw(self, data: LabelledData) -> NDArray[Any]:
        """Give the rows of a data set for `raw_outputs`, checked. Raises InputError."""
        return data.X if self.schema is not None else self._raw(data.X, f"X of {data.name}")

    def rows_of(self, X: Any, name: str = "X") -> NDArray[Any]:
        """Check rows for a function that users call, and warn there of what training had not seen."""
        raw, unforeseen = self._raw(X, name), Unforeseen(self.inputs)
        unforeseen.look(raw)
        if said := unforeseen.said():
            more = [f"and {len(said) - _SAID_AT_MOST:,} columns more"] if len(said) > _SAID_AT_MOST else []
            message = f"{name}: {'; '.join([*said[:_SAID_AT_MOST], *more])}; training had seen none"
            warnings.warn(message, UserWarning, stacklevel=3)  # where that was called
        return raw

    def _raw(self, X: ArrayLike, name: str) -> NDArray[Any]:
        """Check rows: those of a frame as a raw matrix, those of an array as they are."""
        if self.schema is None:
            rows = check_rows(X, self.net.sizes[0], name)
            check_finite(rows, "float64", name)
            return rows
        some = [block.X for block in self.read(FrameTable(X, name))]
        return some[0] if len(some) == 1 else np.concatenate(some)

    def _row_blocks(self, m: int) -> list[slice]:
        return encoded_blocks(m, max(self.net.sizes))

    def _encoded(self, raw: NDArray[Any], name: str, first_row: int, cell: Cell | None = None) -> NDArray[Any]:
        if isinstance(self.inputs, Encoding):
            there = cell and (lambda row, column: cell(first_row + row, column))
            encoded = self.inputs.apply(raw, self.net.dtype, there)
        else:
            encoded = self.inputs.apply(raw, self.net.dtype)
        return cast(encoded, self.net.plan.dtype, name, first_row)

    # --- with targets -------------------------------------------------------------------------------------------------
    def targets_of(self, data: LabelledData) -> NDArray[Any]:
        """Turn the labels of a data set into the network's targets: class indices (m,), or scaled numbers (m, k)."""
        labels = data.required_labels()
        if self.task == "classification":
            return self._class_indices(labels, data)
        numbers = labels.reshape(len(labels), -1)
        if numbers.dtype.kind not in "fiub" or numbers.shape[1] != len(self.targets.mean):
            expected = f"{len(self.targets.mean)} number(s) per row"
            got = f"shape {labels.shape} of dtype {labels.dtype}"
            raise DataError(text(f"targets of {data.name}", expected=expected, got=got, hint="Use the same columns."))
        check_finite(numbers, "float64", f"targets of {data.name}")
        scaled = self.targets.apply(numbers, self.net.dtype)
        if self.schema is not None and not np.isfinite(scaled).all():
            row = int(np.argwhere(~np.isfinite(scaled))[0][0])
            what, got = data.cell(row, self.schema.target.name), f"{labels[row]:g}"
            expected = f"a number that fits {scaled.dtype} when scaled"
            raise DataError(text(what, expected=expected, got=got, hint="Correct it, or leave the row out."))
        return scaled

    def _class_indices(self, labels: NDArray[Any], data: LabelledData) -> NDArray[np.intp]:
        if labels.ndim != 1:
            hint = "Give one label per row."
            what = f"targets of {data.name}"
            raise DataError(text(what, expected="1 column", got=f"shape {labels.shape}", hint=hint))
        if (labels.dtype.kind == "U") == (self.classes.dtype.kind == "U"):
            order = self.classes.argsort(kind="stable")
            found = order[np.searchsorted(self.classes, labels, sorter=order).clip(max=len(order) - 1)]
            unknown = self.classes[found] != labels
        else:  # no text is a number
            found, unknown = np.zeros(len(labels), dtype=np.intp), np.ones(len(labels), dtype=np.bool_)
        if unknown.any():
            row = int(unknown.argmax())
            shown = ", ".join(map(str, self.classes[:10].tolist()))
            hint = "A model can only be measured on classes that it was trained on."
            got, what = repr(labels[row].item()), f"target of {data.where(row)}"
            raise DataError(text(what, expected=f"one of the classes {shown}", got=got, hint=hint))
        return np.asarray(found)

    def check(self, data: LabelledData) -> Targets:
        """See that the pipeline can be trained and measured on these rows, naming them as the source counts them.

        Gives their targets as the network takes them. Raises InputError or DataError.
        """
        name = f"X of {data.name}"
        check_rows(data.X, self.net.sizes[0] if self.schema is None else len(self.schema.columns), name)
        if self.schema is None:
            check_finite(data.X, "float64", name)
        return check_targets(self.targets_of(data), len(data.X), self.net.plan, f"targets of {data.name}", "X")

    def inputs_of(self, data: LabelledData) -> NDArray[Any]:
        """Turn the rows of a data set that `check` has seen into the network's inputs, (m, n_0), in its dtype."""
        return self._encoded(data.X, f"X of {data.name}", 0, data.cell)

    def evaluate(self, data: LabelledData) -> Figures:
        """Measure predictions against labels: `metrics.classification` or `metrics.regression`; and C.

        C (E4) is the network's own: of targets that are scaled where the pipeline scales them.
        """
        checked = self.check(data)
        targets = checked.values
        net, name = self.net, f"X of {data.name}"
        outputs = np.empty((len(data.X), net.sizes[-1]), dtype=net.dtype)
        costs = np.empty(len(data.X), dtype=net.dtype)
        for rows in self._row_blocks(len(data.X)):
            run = net.engine.forward(net.plan, net.parameters, self._encoded(data.X[rows], name, rows.start, data.cell))
            outputs[rows] = run.a[net.L]
            costs[rows] = net.engine.example_costs(net.plan, run, checked.rows(rows))
        cost = {"cost": float(net.engine.batch_cost(net.plan, costs, None))}
        if self.task == "classification":
            p = self.shares(outputs) if self.has_probabilities else None
            return metrics.classification(targets, outputs.argmax(axis=1), p, self.baseline, len(self.classes)) | cost
        return metrics.regression(self.targets.undo(targets), self.targets.undo(outputs), self.baseline) | cost

    def save(self, path: str | Path) -> None:
        """Write network, preprocessing and training history to a model file, atomically. Raises ModelFileError."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        header, arrays = stored.describe(parts)
        modelfile.write(path, {"network": describe(self.net), **header}, arrays_of(self.net) | arrays)


def shares_jacobian(outputs: NDArray[Any], J: NDArray[np.float64]) -> NDArray[np.float64]:
    """∂(a_o/Σa)/∂x = (∂a_o/∂x − (a_o/Σa) Σ_j ∂a_j/∂x)/Σa of `Pipeline.shares`: (m, k) and (m, k, n) -> (m, k, n).

    0 where all outputs are 0, whose shares are equal.

    >>> shares_jacobian(np.array([[1.0, 3.0]]), np.array([[[1.0], [0.0]]])).tolist()  # a/(a + 3): 3/16
    [[[0.1875], [-0.1875]]]
    """
    total = outputs.sum(axis=1, dtype=np.float64)[:, np.newaxis]
    is_zero = total == 0
    inverse = np.where(is_zero, 0, 1 / np.where(is_zero, 1, total))
    shares = (outputs * inverse)[:, :, np.newaxis]
    return np.asarray((J - shares * J.sum(axis=1, keepdims=True)) * inverse[:, :, np.newaxis])


def jacobian_blocks(m: int, outputs: int, width: int, net: Network, max_memory: int) -> list[slice]:
    """Cut m rows into slices whose Jacobians, outputs × width, take `max_memory` bytes, half of them in the network.

    Raises InputError where a single row needs more.
    """
    from chainrule.derivatives.inputs import least_memory_of_jacobian  # imported late: predicting doesn't need it

    row = 8 * (_ARRAYS * outputs * max(width, net.sizes[0]) + _PER_UNIT * (width + sum(net.sizes)))
    least = 2 * max(row, least_memory_of_jacobian(net))
    if not is_count(max_memory) or max_memory < least:
        expected = f"a whole number of bytes, at least {least:,}, which one example takes here"
        hint = "Make it larger, or leave it out."
        raise InputError(text("max_memory", expected=expected, got=repr(max_memory), hint=hint))
    size = max_memory // 2 // row
    return [slice(start, min(start + size, m)) for start in range(0, m, size)]


def load_pipeline(path: str | Path) -> Pipeline:
    """Read what `chainrule train` saved: the network with its preprocessing.

    Returns
    -------
    Pipeline
        `predict(X)` takes raw columns and gives labels or numbers in the targets' units; `probabilities(X)` gives those
        of the classes; `net` is the network, which works on encoded columns. `cr.pipeline_jacobian(model, X)` gives the
        derivatives of what it predicts in the raw columns.

    Raises
    ------
    ModelFileError
        For a file that is missing, damaged, or holds a network alone (`cr.load` reads that).

    Examples
    --------
    `chainrule train DATA` writes such a file; so does a pipeline's `save`:

    >>> import tempfile, numpy as np, chainrule as cr
    >>> net = cr.Network([2, 2], "softmax", "cross_entropy", seed=1)
    >>> model = Pipeline(net, "classification", Scaling.none(2), Scaling.none(2), np.array(["no", "yes"]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/m.chainrule")
    ...     same = cr.load_pipeline(f"{folder}/m.chainrule")
    >>> bool(same.predict([[3.0, -1.0]]) == model.predict([[3.0, -1.0]])), same.classes.tolist()
    (True, ['no', 'yes'])
    """
    model = load_model(path)
    if isinstance(model, Network):
        hint = "It holds a network alone: use cr.load(path)."
        raise ModelFileError(text(str(path), expected="a model with its preprocessing", got="none in it", hint=hint))
    return model


def load_model(path: str | Path) -> Pipeline | Network:
    """Read what any model file holds: a network with its preprocessing, or a network alone. Raises ModelFileError."""
    header, arrays = modelfile.read(path)
    net = build(header, arrays, str(path))
    if "pipeline" not in header:
        return net
    return Pipeline(net, **stored.parts(header, arrays, net.sizes, str(path)))
