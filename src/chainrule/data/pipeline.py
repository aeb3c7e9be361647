"""From raw columns to predictions in the user's own units: scaling, network, classes; all data, no code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data import metrics
from chainrule.data.labelled import LabelledData, Task
from chainrule.engine.inputs import cast, check_finite, check_rows, check_targets, row_blocks
from chainrule.engine.network import Network
from chainrule.errors import DataError, InputError, ModelFileError, text
from chainrule.modelfile import format as modelfile
from chainrule.modelfile.networks import arrays_of, build, describe


@dataclass(frozen=True)
class Scaling:
    """Standardising, (x − mean)/scale, column by column; a constant column has scale 1."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[Any]) -> Scaling:
        """Take mean and standard deviation of each column, in blocks of rows."""
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in row_blocks(len(X)):
                scaler.partial_fit(X[rows].astype(np.float64))
        bad = np.flatnonzero(~(np.isfinite(scaler.mean_) & np.isfinite(scaler.var_)))
        if len(bad):
            hint = "Divide it by its largest number first."
            got = f"numbers up to {np.abs(X[:, bad[0]]).max():g}"
            raise DataError(text(f"column {bad[0]}", expected="numbers whose squares are finite", got=got, hint=hint))
        return cls(scaler.mean_, scaler.scale_)

    @classmethod
    def none(cls, n: int) -> Scaling:
        """Leave n columns as they are."""
        return cls(np.zeros(n), np.ones(n))

    def apply(self, X: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
        """Scale; (m, n) -> (m, n) of `dtype`."""
        out = np.empty(X.shape, dtype=dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found by whoever casts it
            for rows in row_blocks(len(X)):
                out[rows] = (X[rows] - self.mean) / self.scale
        return out

    def undo(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Give scaled numbers back in their own units."""
        return np.asarray(X * self.scale + self.mean, dtype=np.float64)


@dataclass(frozen=True)
class Pipeline:
    """A trained network with its preprocessing: what `chainrule train` saves and `cr.load_pipeline` gives.

    `net` works on scaled columns; `predict` takes raw ones and answers in the user's units: labels, or numbers.
    """

    net: Network
    task: Task
    inputs: Scaling
    targets: Scaling
    classes: NDArray[Any]
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict, repr=False)

    def transform(self, X: ArrayLike, name: str = "X") -> NDArray[Any]:
        """Check and scale raw rows, (m, n_0) -> (m, n_0) in the network's dtype. Raises InputError."""
        rows = check_rows(X, self.net.sizes[0], name)
        check_finite(rows, "float64", name)
        return cast(self.inputs.apply(rows, self.net.dtype), self.net.plan.dtype, name)

    def outputs(self, X: ArrayLike, name: str = "X") -> NDArray[Any]:
        """a^L of raw rows, (m, n_L), in the network's own units: probabilities for a softmax output."""
        return self.net.predict(self.transform(X, name))

    def predict(self, X: ArrayLike, name: str = "X") -> NDArray[Any]:
        """Give labels, (m,), or numbers in the targets' units, (m,) or (m, k)."""
        outputs = self.outputs(X, name)
        if self.task == "classification":
            return np.asarray(self.classes[outputs.argmax(axis=1)])
        numbers = self.targets.undo(outputs)
        return numbers[:, 0] if numbers.shape[1] == 1 else numbers

    def encode(self, data: LabelledData) -> NDArray[Any]:
        """Turn labels into what the network is trained on: class indices (m,), or scaled numbers (m, k)."""
        labels = data.required_labels()
        if self.task == "classification":
            return self._class_indices(labels, data.name)
        numbers = labels.reshape(len(labels), -1)
        if numbers.dtype.kind not in "fiub" or numbers.shape[1] != len(self.targets.mean):
            expected = f"{len(self.targets.mean)} number(s) per row"
            got = f"shape {labels.shape} of dtype {labels.dtype}"
            raise DataError(text(f"targets of {data.name}", expected=expected, got=got, hint="Use the same columns."))
        check_finite(numbers, "float64", f"targets of {data.name}")
        return self.targets.apply(numbers, self.net.dtype)

    def _class_indices(self, labels: NDArray[Any], name: str) -> NDArray[np.intp]:
        if labels.ndim != 1:
            hint = "Give one label per row."
            raise DataError(text(f"targets of {name}", expected="1 column", got=f"shape {labels.shape}", hint=hint))
        known = {label: index for index, label in enumerate(self.classes.tolist())}
        for row, label in enumerate(labels.tolist()):
            if label not in known:
                shown = ", ".join(map(str, list(known)[:10]))
                hint = "A model can only be measured on classes that it was trained on."
                what = f"target of row {row} of {name}"
                raise DataError(text(what, expected=f"one of the classes {shown}", got=repr(label), hint=hint))
        return np.array([known[label] for label in labels.tolist()], dtype=np.intp)

    def check(self, data: LabelledData) -> None:
        """See that the pipeline can be trained and measured on these rows, naming them as the source counts them.

        Raises InputError or DataError.
        """
        check_rows(data.X, self.net.sizes[0], f"X of {data.name}")
        check_finite(data.X, "float64", f"X of {data.name}")
        check_targets(self.encode(data), len(data.X), self.net.plan, f"targets of {data.name}", "X")

    def evaluate(self, data: LabelledData) -> dict[str, float]:
        """Measure predictions against labels: accuracies, or errors in the targets' units, beside baselines; and C.

        C (E4) is the network's own: of targets that are scaled where the pipeline scales them.
        """
        X = self.transform(data.X, f"X of {data.name}")
        targets = self.encode(data)
        cost = {"cost": self.net.cost(X, targets)}
        outputs = self.net.predict(X)
        if self.task == "classification":
            return metrics.classification(targets, outputs.argmax(axis=1)) | cost
        return metrics.regression(self.targets.undo(targets), self.targets.undo(outputs)) | cost

    def save(self, path: str | Path) -> None:
        """Write network, preprocessing and training history to a model file, atomically. Raises ModelFileError."""
        header = {
            "network": describe(self.net),
            "pipeline": {
                "task": self.task,
                "classes": self.classes.tolist(),
                "class_names": list(self.class_names),
                "feature_names": list(self.feature_names),
            },
            "training": self.training,
        }
        scalings = {
            "inputs.mean": self.inputs.mean,
            "inputs.scale": self.inputs.scale,
            "targets.mean": self.targets.mean,
            "targets.scale": self.targets.scale,
        }
        modelfile.write(path, header, arrays_of(self.net) | scalings)


def load_pipeline(path: str | Path) -> Pipeline:
    """Read what `chainrule train` saved: the network with its preprocessing.

    Returns
    -------
    Pipeline
        `predict(X)` takes raw columns, (m, n_0), and gives labels or numbers in the targets' units; `net` is the
        network, which works on scaled columns.

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
    header, arrays = modelfile.read(path)
    net = build(header, arrays, str(path))
    if "pipeline" not in header:
        hint = "It holds a network alone: use cr.load(path)."
        raise ModelFileError(text(str(path), expected="a model with its preprocessing", got="none in it", hint=hint))
    hint = "The file is damaged, or was written by a program other than chainrule."
    n_in, n_out = net.sizes[0], net.sizes[-1]
    try:
        given = header["pipeline"]
        task = given["task"]
        inputs = Scaling(arrays["inputs.mean"], arrays["inputs.scale"])
        targets = Scaling(arrays["targets.mean"], arrays["targets.scale"])
        classes = np.array(given["classes"])
        names = tuple(map(str, given["class_names"])), tuple(map(str, given["feature_names"]))
        training = _training(header.get("training", {}))
    except (KeyError, TypeError, ValueError, InputError) as error:
        got = f"{type(error).__name__} {error}"
        raise ModelFileError(text(f"pipeline of {path}", expected="a whole one", got=got, hint=hint)) from None
    fits = (
        task in ("classification", "regression")
        and inputs.mean.shape == inputs.scale.shape == (n_in,)
        and targets.mean.shape == targets.scale.shape == (n_out,)
        and bool(np.all(inputs.scale != 0) and np.all(targets.scale != 0))
        and classes.shape == ((n_out,) if task == "classification" else (0,))
        and classes.dtype.kind in "iufbU"
        and len(set(classes.tolist())) == len(classes)
    )
    if not fits:
        got = "classes or scalings of other sizes"
        raise ModelFileError(text(f"pipeline of {path}", expected="one that fits the network", got=got, hint=hint))
    return Pipeline(net, task, inputs, targets, classes, *names, training)


def _training(given: Any) -> dict[str, Any]:
    """Check what a model file says of its training: nothing, or all that `chainrule train` writes."""
    texts, whole = ("data", "fingerprint", "optimizer", "stopped"), ("seed", "rows")
    kinds: dict[str, type] = dict.fromkeys(texts, str) | dict.fromkeys(whole, int)
    kinds |= {"test_fraction": float, "history": dict, "test": dict}
    if not isinstance(given, dict):
        raise TypeError("training is no object")
    if given:
        for key, kind in kinds.items():
            if not isinstance(given[key], kind):
                raise TypeError(f"training: {key} is no {kind.__name__}")
        lists = [given["history"][key] for key in ("epoch", "cost")]
        if not all(isinstance(numbers, list) for numbers in lists) or not 0 <= given["seed"] < 2**32:
            raise ValueError("training: history or seed")
    return dict(given)
