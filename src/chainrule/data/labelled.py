"""A data set in memory: rows, targets, and what they mean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from chainrule.data import refusals
from chainrule.data.columns import Column, Schema
from chainrule.errors import DataError, text

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Places:
    """Where rows stand in their file: `numbers` (m,) counts lines from 1, the header's, or rows from 0."""

    unit: Literal["line", "row"]
    numbers: NDArray[np.int64]

    def of(self, row: int) -> str:
        """Name the place of a row."""
        return f"{self.unit} {self.numbers[row]}"


@dataclass(frozen=True)
class LabelledData:
    """Rows of features with their targets, as read.

    `X` is (m, n); `labels` is (m,), or (m, k) for k numbers each row, or None where a file has none. `test` is the
    part that the source itself sets aside, if it does. A table has a `schema`, and its X holds numbers, and categories
    as places among their levels, NaN where a value is missing; `places` says where each row stands in the file.
    """

    name: str
    X: NDArray[Any]
    labels: NDArray[Any] | None
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    test: LabelledData | None = field(default=None, repr=False)
    schema: Schema | None = None
    places: Places | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a table; none for arrays."""
        return () if self.schema is None else self.schema.columns

    def take(self, rows: NDArray[np.intp]) -> LabelledData:
        """Pick some rows."""
        labels = None if self.labels is None else self.labels[rows]
        places = None if self.places is None else replace(self.places, numbers=self.places.numbers[rows])
        return replace(self, X=self.X[rows], labels=labels, test=None, places=places)

    def where(self, row: int) -> str:
        """Say where a row is, as its source counts: "line 7 of a.csv", "row 3 of b.npz"."""
        place = f"row {row}" if self.places is None else self.places.of(row)
        return f"{place} of {self.name}"

    def cell(self, row: int, column: str) -> str:
        """Say where a cell of a table is: "line 7, column 'age' of a.csv"."""
        place = f"row {row}" if self.places is None else self.places.of(row)
        return f"{place}, column {column!r} of {self.name}"

    def fingerprint(self) -> str:
        """SHA-256 of the rows and labels, by which `evaluate` knows the data again that a model was trained on."""
        digest = hashlib.sha256(f"{self.X.shape} {self.X.dtype}".encode())
        for column in self.columns:
            digest.update(repr((column.name, column.levels)).encode())
        digest.update(np.ascontiguousarray(self.X).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels).tobytes())
        return digest.hexdigest()

    def required_labels(self) -> NDArray[Any]:
        """Give the labels, or a DataError where there are none."""
        if self.labels is None:
            hint = "Store them under the name Y (or y_train, y_test)."
            if self.schema is not None:
                hint = f"They stand in the column {self.schema.target.name!r}."
            raise DataError(text(self.name, expected="targets beside the rows", got="rows only", hint=hint))
        return self.labels


def choose_task(data: LabelledData, requested: str | None) -> tuple[Task, str]:
    """Tell classification from regression, and say why.

    Classes are text, booleans, and integers that repeat at least twice on average, if there are at most 20 different
    ones, or at most 100 that number the classes from 0 or 1 without a gap; everything else is numbers to predict.
    Raises DataError for a task that the labels don't allow.
    """
    labels = data.required_labels()
    if requested == "regression" and labels.dtype.kind not in "fiu":
        hint = "Use --task classification."
        got = f"{labels.dtype}" if data.schema is None else f"text, such as {str(labels[0])!r}"
        raise DataError(text("--task regression", expected="numbers as targets", got=got, hint=hint))
    if requested == "classification" and labels.ndim != 1:
        hint = "Give one label per row."
        raise DataError(text("--task classification", expected="1 column", got=f"shape {labels.shape}", hint=hint))
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        row = int(np.argwhere(~np.isfinite(labels.reshape(len(labels), -1)))[0][0])
        what, hint = f"target of {data.where(row)}", "Remove or fill such rows first."
        raise DataError(text(what, expected="a finite number", got=str(labels[row]), hint=hint))
    if requested in get_args(Task):
        return cast(Task, requested), "as requested"
    if requested is not None:
        hint = "Leave it out to let the labels decide."
        raise DataError(text("--task", expected="classification or regression", got=repr(requested), hint=hint))
    if labels.ndim == 1 and labels.dtype.kind in "USb":
        return "classification", "the targets are text" if labels.dtype.kind != "b" else "the targets are true or false"
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        different = np.unique(labels)
        n = len(different)
        numbered = n <= 100 and int(different[0]) in (0, 1) and int(different[-1]) - int(different[0]) == n - 1
        if (n <= 20 or numbered) and 2 * n <= len(labels):
            return "classification", f"the targets are {n} different integers that repeat"
        return "regression", f"the targets are {n} different integers"
    if data.schema is not None and labels.ndim == 1 and bool((np.rint(labels) == labels).all()):
        return "regression", "the targets are whole numbers, some beyond 2^53"
    if data.schema is not None:
        return "regression", "the targets are numbers with decimals"
    return "regression", f"the targets are numbers of dtype {labels.dtype}"


def check_variety(data: LabelledData, task: Task) -> None:
    """See that there is something to learn: two classes, or two numbers, and classes that repeat. Raises DataError."""
    labels = data.required_labels()
    what = f"targets of {data.name}" if data.schema is None else f"target {data.schema.target.name!r} of {data.name}"
    if task == "regression":
        if len(labels) > 1 and bool((labels == labels[0]).all()):
            hint = "There is nothing to predict."
            got = f"{labels[0]} in every row"
            raise DataError(text(what, expected="numbers that differ", got=got, hint=hint))
        return
    n = len(np.unique(labels))
    if n < 2:
        hint = "There is nothing to tell apart."
        got = str(np.unique(labels)) if data.schema is None else f"{str(labels[0])!r} in every row"
        raise DataError(text(what, expected="2 classes or more", got=got, hint=hint))
    if labels.dtype.kind in "US" and n > 20 and 2 * n > len(labels):
        raise refusals.no_classes(what, n, len(labels))


def split(data: LabelledData, fraction: float, seed: int, task: Task) -> tuple[LabelledData, LabelledData]:
    """Cut into a training and a test part: the source's own, or `fraction` drawn by `seed`, each class alike.

    Classes are drawn in proportion where each has at least two rows. Raises DataError when either part is empty.
    """
    if data.test is not None:
        return replace(data, test=None), data.test
    from sklearn.model_selection import train_test_split

    if not 0 < fraction < 1:
        hint = "0.2 keeps a fifth of the rows for the test."
        raise DataError(text("--test-fraction", expected="a number between 0 and 1", got=f"{fraction:g}", hint=hint))
    labels, m = data.required_labels(), len(data.X)
    n_test = int(np.ceil(fraction * m))
    if n_test >= m:
        hint = "Use more data."
        raise DataError(text(data.name, expected="rows for training and test", got=f"{m} in all", hint=hint))
    stratify = None
    if task == "classification":
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(n_test, m - n_test):
            stratify = labels
    training, test = train_test_split(np.arange(m), test_size=n_test, random_state=seed, stratify=stratify)
    return data.take(training), data.take(test)
