"""The way back through scikit-learn's fitted transformers: J ↦ J·∂step/∂x, which never forms ∂step/∂x."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils import _safe_indexing, check_array

from chainrule.errors import InputError, text
from chainrule.estimators.validation import dense

Undefined = Literal["raise", "nan"]
"""What is done about columns that a step takes which has no derivative."""

_A: TypeAlias = NDArray[Any]
Pull: TypeAlias = Callable[[_A], _A]
"""Takes derivatives in what a step gives, (m, k, n_out), back to derivatives in what it takes, (m, k, n_in)."""
Step: TypeAlias = tuple[str, Any]


class _NoDerivativeError(InputError):
    """A step has no derivative."""


@dataclass(frozen=True)
class Place:
    """Where a step stands, as errors say it: its name, and the columns that a ColumnTransformer gives it."""

    undefined: Undefined
    name: str = ""
    columns: tuple[Any, ...] = ()

    def of(self, name: str, columns: Iterable[Any] = ()) -> Place:
        """Give the place of a step in this one, named as `set_params` names it; the outermost columns stand."""
        inside = f"{self.name}__{name}" if self.name else name
        return replace(self, name=inside, columns=self.columns or tuple(columns))

    def refuse(self, step: Any) -> _NoDerivativeError:
        """Make the error for a step without a derivative."""
        of, undefined = "", ""
        if self.columns:
            shown = ", ".join(map(repr, self.columns[:10])) + (", …" if len(self.columns) > 10 else "")
            of = f" of column{'s' if len(self.columns) > 1 else ''} {shown}"
            undefined = ' For NaN in these columns write undefined="nan".'
        kinds = ", ".join(kind.__name__ for kind in (*SLOPES, *_RULES))
        hint = f"Take it out of the pipeline, and give X as it leaves it.{undefined}"
        what = f"step {self.name!r}{of} has no derivative"
        return _NoDerivativeError(
            text(what, expected=f'one of {kinds}, "passthrough"', got=type(step).__name__, hint=hint)
        )


def through(steps: Sequence[Step], X: Any, place: Place) -> tuple[Any, Pull]:
    """Give what leaves the last of some fitted steps, and the way back from there to X."""
    pulls: list[Pull] = []
    for name, step in steps:
        if is_identity(step):
            continue
        here = place.of(name)
        rule = _rule(step, here)
        given, X = X, step.transform(X)
        pulls.append(rule(step, given, here))

    def pull(J: _A) -> _A:
        for back in reversed(pulls):
            J = back(J)
        return J

    return X, pull


def is_identity(step: Any) -> bool:
    """Say whether a step, or a part of a ColumnTransformer, gives what it takes."""
    if type(step) is FunctionTransformer:
        return step.func is None
    return step is None or (isinstance(step, str) and step == "passthrough")


def _unchanged(J: _A) -> _A:
    return J


def _rule(step: Any, place: Place) -> Callable[[Any, Any, Place], Pull]:
    # by the very class: one that inherits from it may transform in another way
    if type(step) in SLOPES:
        return _scaler
    if type(step) in _RULES:
        return _RULES[type(step)]
    raise place.refuse(step)


def _numbers(X: Any) -> _A:
    """See a step's input, a frame or an array that may be sparse, as float64, NaN where a number is missing."""
    array: _A = check_array(dense(X) if scipy.sparse.issparse(X) else X, dtype=float, ensure_all_finite="allow-nan")
    return array


SLOPES: dict[type[Any], Callable[[Any], Any]] = {
    StandardScaler: lambda step: 1 / step.scale_ if step.with_std else 1.0,
    MinMaxScaler: lambda step: step.scale_,
    MaxAbsScaler: lambda step: 1 / step.scale_,
    RobustScaler: lambda step: 1 / step.scale_ if step.with_scaling else 1.0,
}
"""The derivative of each scaler, by column."""


def _scaler(step: Any, X: Any, place: Place) -> Pull:
    slope = SLOPES[type(step)](step)
    if not getattr(step, "clip", False):
        return lambda J: J * slope
    if type(step) is MinMaxScaler:
        low, high = step.feature_range
        below, above = step.data_min_, np.maximum(step.data_max_, step.data_min_ + (high - low) / slope)
    else:
        below, above = -step.scale_, step.scale_

    def pull(J: _A) -> _A:
        x = _numbers(X)
        slopes: _A = np.where((x < below) | (x > above), 0, slope)
        return J * slopes[:, np.newaxis]

    return pull


def _pca(step: Any, X: Any, place: Place) -> Pull:
    matrix = step.components_
    if step.whiten:
        spread = np.sqrt(step.explained_variance_)
        matrix = matrix / np.maximum(spread, np.finfo(spread.dtype).eps)[:, np.newaxis]  # as scikit-learn bounds it
    return lambda J: (J.reshape(-1, len(matrix)) @ matrix).reshape(*J.shape[:2], -1)


def _imputer(step: Any, X: Any, place: Place) -> Pull:
    def pull(J: _A) -> _A:
        x, value = _numbers(X), step.missing_values
        given = x != value if isinstance(value, Real) and value == value else ~np.isnan(x)
        kept = np.flatnonzero(~np.isnan(np.asarray(step.statistics_, dtype=float)))  # others are left out as empty
        out = np.zeros((*J.shape[:2], x.shape[1]))
        out[:, :, kept] = J[:, :, : len(kept)] * given[:, np.newaxis, kept]  # what follows are indicators
        return out

    return pull


def _pipeline(step: Any, X: Any, place: Place) -> Pull:
    return through(step.steps, X, place)[1]


def _columns(step: Any, X: Any, place: Place) -> Pull:
    # as scikit-learn has it, a frame's columns are found by the names of the frame that it was fitted on
    names = list(X.columns) if hasattr(X, "columns") and hasattr(step, "feature_names_in_") else None
    weights = step.transformer_weights or {}
    parts: list[tuple[_A, slice, float, Pull | None]] = []
    for name, part, _ in step.transformers_:
        outputs = step.output_indices_[name]
        if (isinstance(part, str) and part == "drop") or outputs.start == outputs.stop:
            continue
        at = [int(column) for column in step._transformer_to_input_indices[name]]
        labels: Sequence[Any] = at
        if names is not None:
            labels = [str(label) for label in step.feature_names_in_[at]]
            at = [names.index(label) for label in labels]
        here = place.of(name, labels)
        back: Pull | None
        try:
            back = _unchanged if is_identity(part) else _rule(part, here)(part, _safe_indexing(X, at, axis=1), here)
        except _NoDerivativeError:
            if place.undefined == "raise":
                raise
            back = None
        parts.append((np.array(at, dtype=np.intp), outputs, weights.get(name, 1.0), back))
    width = X.shape[1]

    def pull(J: _A) -> _A:
        out = np.zeros((*J.shape[:2], width))
        for at, outputs, weight, back in parts:
            if back is None:
                out[:, :, at] = np.nan
            else:
                its = weight * back(J[:, :, outputs])
                np.add.at(out.transpose(2, 0, 1), at, its.transpose(2, 0, 1))  # a part may take a column twice
        return out

    return pull


_RULES: dict[type[Any], Callable[[Any, Any, Place], Pull]] = {
    PCA: _pca,
    SimpleImputer: _imputer,
    Pipeline: _pipeline,
    ColumnTransformer: _columns,
}
