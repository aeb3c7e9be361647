"""Derivatives of a pipeline's predictions in its own columns: the chain rule through all of its steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from chainrule import derivatives
from chainrule.data.pipeline import Pipeline as LoadedPipeline
from chainrule.data.pipeline import jacobian_blocks, shares_jacobian
from chainrule.derivatives.examples import MAX_MEMORY
from chainrule.derivatives.outputs import Of
from chainrule.errors import InputError, text, unknown_name
from chainrule.estimators.base import BaseMLP
from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.interchange import from_sklearn
from chainrule.estimators.transformers import SLOPES, Place, Step, Undefined, through
from chainrule.estimators.validation import dense


def pipeline_jacobian(
    pipeline: Any, X: Any, *, of: Of = "a", undefined: Undefined = "raise", max_memory: int = MAX_MEMORY
) -> NDArray[np.float64]:
    """Derivatives of what a pipeline predicts in the columns of X (E11), in the user's units on both sides.

    J = J_net J_S ⋯ J_1 of the network and the steps before it. It is multiplied out from the left, so that there are
    never more than n_outputs rows for an example: a scaler divides columns, a PCA multiplies by its components, a
    ColumnTransformer adds up what each of its parts gives to a column.

    Parameters
    ----------
    pipeline : a fitted Pipeline of scikit-learn, or what `cr.load_pipeline` gives
        StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PCA, SimpleImputer, "passthrough", and Pipelines and
        ColumnTransformers of these, before an MLPClassifier or MLPRegressor of chainrule or scikit-learn. That may be
        given alone; a TransformedTargetRegressor may be around it, or around the pipeline, with one of the scalers.
    X : what `predict` takes
    of : "a" or "z"
        "z" gives derivatives of z^L, before the output activation and in the network's own unit: for two classes the
        log-odds of the second.
    undefined : "raise" or "nan"
        What to do where a part of a ColumnTransformer has no derivative, such as a OneHotEncoder: refuse, or give NaN
        for the columns that this part takes.
    max_memory : int
        Bytes of workspace at most, beside the result and what the steps themselves take.

    Returns
    -------
    array (m, n_outputs, n_features), float64
        Features are the columns of X in their order; for a model of a table its `feature_names`, and NaN for one that
        is a category. Outputs are the numbers that `predict` gives; of a classifier the probabilities that
        `predict_proba` or `probabilities` gives, in the order of `classes_` or `classes`, two for two classes, or the
        `outputs` of a loaded model that has no probabilities.

        The derivative is 0 in a number that is missing and imputed, and in one that MinMaxScaler or MaxAbsScaler clips,
        the bounds themselves not counted as clipped.

    Raises
    ------
    InputError
        For a step that has no derivative, which is named, another model at the end, and a budget too small for one row.
    ValueError, sklearn.exceptions.NotFittedError
        For X and for steps that aren't fitted as the steps themselves do, in scikit-learn's words.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 50.0], [4.0, 30.0]])
    >>> reg = cr.MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, tol=1e-9)
    >>> model = make_pipeline(StandardScaler(), reg).fit(X, 5 * X[:, 0] - X[:, 1])
    >>> np.round(cr.pipeline_jacobian(model, X[:1]), 3).tolist()
    [[[5.0, -1.0]]]

    Source: 004 (its last step), continued through the steps.
    """
    if isinstance(pipeline, LoadedPipeline):
        return pipeline.raw_jacobian(pipeline.rows_of(X), "X", of, max_memory)
    if undefined not in ("raise", "nan"):
        raise unknown_name("undefined", undefined, ("raise", "nan"))
    model = _taken_apart(pipeline)
    rows = _rows(X)
    m, width = rows.shape
    net = model.estimator.network_
    outputs = 2 if net.sizes[-1] == 1 and isinstance(model.estimator, MLPClassifier) and of == "a" else net.sizes[-1]
    widest = max(width, *(getattr(step, "n_features_in_", 0) for _, step in model.steps), 0)
    out = np.empty((m, outputs, width))
    # an X without rows goes through the steps, which refuse it
    for block in jacobian_blocks(m, outputs, widest, net, max_memory) or [slice(0, 0)]:
        some = rows if block == slice(0, m) else _safe_indexing(rows, block)
        inputs, pull = through(model.steps, some, Place(undefined))
        out[block] = pull(_estimator_jacobian(model.estimator, inputs, of, max_memory // 2))
    if of == "a":
        out *= model.unit
    return out


@dataclass(frozen=True)
class _Model:
    """The steps in front of an estimator, and the factor, a number or (k, 1), from its targets' unit to the user's."""

    steps: list[Step]
    estimator: BaseMLP
    unit: Any = 1.0


def _taken_apart(pipeline: Any) -> _Model:
    if isinstance(pipeline, Pipeline) and pipeline.steps:
        *steps, (_, last) = pipeline.steps
        rest = _taken_apart(last)
        return replace(rest, steps=[*steps, *rest.steps])
    if isinstance(pipeline, TransformedTargetRegressor):
        check_is_fitted(pipeline)
        rest = _taken_apart(pipeline.regressor_)
        return replace(rest, unit=rest.unit * _unit(pipeline.transformer_))
    if isinstance(pipeline, BaseMLP):
        return _Model([], pipeline)
    if isinstance(pipeline, TheirClassifier | TheirRegressor):
        return _Model([], from_sklearn(pipeline))
    expected = "a fitted Pipeline that ends with an MLPClassifier or MLPRegressor, or what cr.load_pipeline gives"
    hint = "Of a search give best_estimator_; of a Network cr.derivatives.jacobian(net, X) gives the derivatives."
    raise InputError(text("pipeline", expected=expected, got=type(pipeline).__name__, hint=hint))


def _unit(transformer: Any) -> NDArray[Any] | float:
    """Give the derivative of a fitted transformer's inverse: a number, or (k, 1)."""
    if type(transformer) in SLOPES:
        return np.reshape(1 / np.asarray(SLOPES[type(transformer)](transformer)), (-1, 1))
    if type(transformer) is FunctionTransformer and transformer.inverse_func is None:
        return 1.0
    got = type(transformer).__name__
    if got == "FunctionTransformer":
        got = f"the function {getattr(transformer.inverse_func, '__name__', 'inverse_func')}"
    hint = 'Scale the target by one of these, or give the network an output activation: activation=["tanh", "exp"].'
    expected = f"one of {', '.join(kind.__name__ for kind in SLOPES)}"
    raise InputError(text("transformer of TransformedTargetRegressor", expected=expected, got=got, hint=hint))


def _rows(X: Any) -> Any:
    """See X as something with a shape, whose rows can be taken."""
    rows: Any = X if hasattr(X, "shape") else np.asarray(X)
    if rows is not X and rows.dtype.kind in "US":  # numbers of a list that has texts, too, stay numbers
        rows = np.asarray(X, dtype=object)
    if len(rows.shape) != 2:
        hint = "One example is X[i:i + 1], one column X[:, [j]]."
        raise InputError(text("X", expected="shape (m, n_features)", got=f"shape {rows.shape}", hint=hint))
    is_sparse: bool = scipy.sparse.issparse(rows)
    return rows.tocsr() if is_sparse else rows


def _estimator_jacobian(estimator: BaseMLP, X: Any, of: Of, max_memory: int) -> NDArray[np.float64]:
    """Derivatives of `predict`, or of `predict_proba`, in what the estimator is given."""
    rows, net = dense(estimator._check_rows(X)), estimator.network_
    J: NDArray[np.float64] = derivatives.jacobian(net, rows, of=of, max_memory=max_memory).astype(np.float64)
    if of == "z" or not isinstance(estimator, MLPClassifier):
        return J
    if J.shape[1] == 1:
        return np.concatenate([-J, J], axis=1)
    if estimator._label_binarizer.y_type_ == "multiclass" and estimator.out_activation_ != "softmax":
        return shares_jacobian(net.predict(rows), J)
    return J
