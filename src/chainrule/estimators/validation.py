"""Rows and targets as scikit-learn's users give them, and the validation set that training is measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from chainrule.engine.inputs import check_finite, check_targets
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text
from chainrule.estimators.objective import Objective
from chainrule.estimators.solvers import Measure
from chainrule.training.examples.batches import DataSet

if TYPE_CHECKING:
    from chainrule.estimators.base import BaseMLP

HeldOut: TypeAlias = tuple[DataSet, NDArray[Any]]
"""A validation set, and the y that the score compares with."""


def accepted_dtypes(X: Any) -> Any:
    """Say which dtypes X may keep: float32 and float64, and whole numbers, which are cast batch by batch."""
    if getattr(getattr(X, "dtype", None), "kind", "") in "uib" and hasattr(X, "shape"):
        return "numeric"
    return (np.float64, np.float32)


def as_columns(y: NDArray[Any]) -> NDArray[Any]:
    """See (m,) as (m, 1)."""
    return y.reshape(-1, 1) if y.ndim == 1 else y


def dense(X: Any) -> NDArray[Any]:
    """Give rows that may be sparse as an array."""
    array: NDArray[Any] = X if isinstance(X, np.ndarray) else X.toarray()
    return array


def check_fits(X: Any, dtype: Any, name: str = "X") -> None:
    """See that casting rows to the network's dtype, which may be narrower, keeps them finite. Raises InputError."""
    if X.dtype.kind not in "fiub":
        hint = "Turn them into numbers first."
        raise InputError(text(name, expected="real numbers", got=f"dtype {X.dtype}", hint=hint))
    if X.dtype != dtype:
        values, name = (X, name) if isinstance(X, np.ndarray) else (X.data, f"{name}.data")
        check_finite(values, str(np.dtype(dtype)), name)


def check_weight_left(data: DataSet) -> None:
    """See that some example counts, after sample_weight and class_weight are multiplied. Raises InputError."""
    if data.weights is not None and not data.weights[data.rows].any():
        expected = "some weight that is not 0, in the training part and in the validation part"
        hint = "An example counts by the product of both; leave one of them out."
        raise InputError(text("sample_weight and class_weight", expected=expected, got="zeros only", hint=hint))


def split(estimator: BaseMLP, data: DataSet) -> tuple[DataSet, DataSet]:
    """Set the validation fraction aside, each class alike, with the random numbers that scikit-learn takes."""
    if not estimator.validation_fraction:
        hint = "Or give a validation set of your own: fit(X, y, eval_set=(Xv, yv))."
        expected = "a number above 0 under early_stopping"
        raise InputError(text("validation_fraction", expected=expected, got="0", hint=hint))
    one_class_column = is_classifier(estimator) and estimator.n_outputs_ == 1
    training, held_out = train_test_split(
        data.rows,
        random_state=estimator._random_state,
        test_size=estimator.validation_fraction,
        stratify=data.targets.values if one_class_column else None,
    )
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    parts = replace(data, rows=training), replace(data, rows=held_out)
    for part in parts:
        check_weight_left(part)
    return parts


def read_eval_set(estimator: BaseMLP, plan: Plan, eval_set: Any) -> HeldOut | None:
    """Read `eval_set`; None without one. Raises InputError."""
    if eval_set is None:
        return None
    given = eval_set[0] if isinstance(eval_set, list) and len(eval_set) == 1 else eval_set
    if not isinstance(given, tuple | list) or len(given) not in (2, 3) or any(one is None for one in given[:2]):
        hint = "Write fit(X, y, eval_set=(X_validation, y_validation))."
        got = (
            f"({', '.join(type(one).__name__ for one in given)})" if isinstance(given, tuple) else type(given).__name__
        )
        expected = "(X, y) or (X, y, sample_weight)"
        raise InputError(text("eval_set", expected=expected, got=got, hint=hint))
    X = estimator._check_rows(given[0])
    if X.shape[0] < 2:
        hint = "The score of a single row says nothing."
        raise InputError(text("eval_set", expected="2 rows or more", got="1", hint=hint))
    y, Y = estimator._validation_targets(given[1])
    check_fits(X, plan.dtype, "X of eval_set")
    weights = None if len(given) == 2 else _check_sample_weight(given[2], X).astype(plan.dtype)
    targets = check_targets(as_columns(Y), X.shape[0], plan, "y of eval_set", "X of eval_set")
    return DataSet(X, targets, weights, np.arange(len(y))), y


def measure_on(estimator: BaseMLP, objective: Objective, validation: HeldOut | None) -> Measure | None:
    """Give the function from θ to score and loss on a validation set; None without one."""
    if validation is None:
        return None
    held_out, y = validation
    weights = None if held_out.weights is None else held_out.weights[held_out.rows]

    def measure(parameters: NDArray[Any]) -> tuple[float, float]:
        a, cost = held_out.outputs_and_cost(objective.net, parameters)
        score = estimator._score_of(y, estimator._answers(a), weights) if np.isfinite(a).all() else np.nan
        return float(score), objective.shown_of(cost, held_out)

    return measure
