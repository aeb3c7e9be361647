"""What `cr.train` is given to train on and to look at, read and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine.inputs import check_finite, check_rows_or_csr, check_targets, check_weights
from chainrule.engine.network import Network
from chainrule.errors import InputError, is_count, text
from chainrule.training.examples.batches import DataSet, Examples
from chainrule.training.examples.streams import Factory, Stream, is_factory

_HINT = "Write validation=0.1, or validation=(Xv, Yv)."
_IN_BLOCKS = "Blocks (X, Y) or (X, Y, weights) of a factory have everything in them; leave it out."


def read_data(
    net: Network,
    X: ArrayLike | Factory,
    Y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    names: Sequence[str] = ("X", "Y", "sample_weight"),
    shuffle_rows: int | None = None,
) -> Examples:
    """Check examples, and keep them as they are; go once through all blocks of a factory. Raises InputError.

    What is checked already, as the estimators have it, is given back.
    """
    if isinstance(X, DataSet):
        return X
    if is_factory(X, names[0]):
        for name, value in zip(names[1:], (Y, sample_weight), strict=True):
            if value is not None:
                got = type(value).__name__
                raise InputError(text(name, expected=f"none beside a factory {names[0]}", got=got, hint=_IN_BLOCKS))
        return Stream(X, net.plan, shuffle_rows, names[0])  # type: ignore[arg-type] # it is callable
    if Y is None:
        hint = f"Only a factory of blocks, which hold targets too, is given as {names[0]} alone."
        raise InputError(text(names[1], expected="targets", got="none", hint=hint))
    if hasattr(X, "chunks") and hasattr(X, "dtype"):  # of h5py, zarr or dask: NumPy would read all of it
        hint = "Give cr.Blocks.of(X, Y), which reads it block by block, or X[:] if it fits."
        got = f"a {type(X).__name__}, which lies in chunks"
        raise InputError(text(names[0], expected="an array in memory or mapped", got=got, hint=hint))
    rows = check_rows_or_csr(X, net.sizes[0], names[0])
    check_finite(rows, net.plan.dtype, names[0])
    m = rows.shape[0]
    targets = check_targets(Y, m, net.plan, names[1], names[0])
    weights = check_weights(sample_weight, m, net.plan.dtype, names[2], names[0])
    return DataSet(rows, targets, weights, np.arange(m))


def check_shuffle_rows(shuffle_rows: Any, X: Any, shuffle: bool) -> None:
    """See that rows are shuffled so many at a time only where they come from a factory. Raises InputError."""
    if shuffle_rows is None:
        return
    if not is_count(shuffle_rows):
        hint = "Rows in that number are shuffled at a time; more mix better and need more memory."
        raise InputError(text("shuffle_rows", expected="a whole number ≥ 1 or None", got=repr(shuffle_rows), hint=hint))
    why = "shuffle=False" if not shuffle else "rows that aren't a factory's" if not is_factory(X) else ""
    if why:
        expected, hint = f"the default None under {why}", "Leave it out."
        raise InputError(text("shuffle_rows", expected=expected, got=repr(shuffle_rows), hint=hint))


def refuse_of_blocks(data: Examples, batch_size: Any, derivative_targets: Any) -> None:
    """Refuse what needs all rows at hand, where they come from a factory. Raises InputError."""
    if isinstance(data, DataSet):
        return
    sizes = batch_size.values() if isinstance(batch_size, Mapping) else [batch_size]
    if None in sizes:
        hint = 'A batch is held in memory; optimizer="lbfgs" takes the whole set block by block.'
        raise InputError(text("batch_size", expected="a whole number ≥ 1 for a factory X", got="None", hint=hint))
    if derivative_targets is not None:
        hint = "They are an array, which belongs to rows that are one, too."
        expected, got = "none beside a factory X", type(derivative_targets).__name__
        raise InputError(text("derivative_targets", expected=expected, got=got, hint=hint))


def read_validation(
    net: Network, data: Examples, validation: Any, rng: np.random.Generator
) -> tuple[Examples, dict[str, Examples]]:
    """Give the training part, and the sets to look at by name: the user's own, or a fraction drawn from the data."""
    if validation is None:
        return data, {}
    if isinstance(validation, Mapping):
        return data, {_name(name): _own(net, given, f"validation[{name!r}]") for name, given in validation.items()}
    if is_factory(validation, "validation") or (isinstance(validation, tuple | list) and len(validation) in (2, 3)):
        return data, {"validation": _own(net, validation, "validation")}
    if not isinstance(validation, float | np.floating) or not 0 < validation < 1:
        raise _refused("validation", validation)
    if not isinstance(data, DataSet):
        hint = "Give a factory, or rows in memory, of their own: validation=(Xv, Yv)."
        expected = "sets to look at beside a factory X"
        raise InputError(text("validation", expected=expected, got=f"the fraction {validation:g}", hint=hint))
    n_held_out = math.ceil(validation * len(data))
    if n_held_out >= len(data):
        got = f"{len(data)} row{'s' if len(data) > 1 else ''}"
        smaller = "Hold out a smaller fraction."
        raise InputError(text("validation", expected="rows left to train on", got=got, hint=smaller))
    order = rng.permutation(len(data))
    return _part(data, order[n_held_out:]), {"validation": _part(data, order[:n_held_out])}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or "/" in name:
        raise InputError(text("validation", expected="names of sets, as text without '/'", got=repr(name), hint=_HINT))
    return name


def _own(net: Network, given: Any, what: str) -> Examples:
    if isinstance(given, DataSet):
        return given
    if is_factory(given, what):
        return Stream(given, net.plan, name=what)
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise _refused(what, given)
    X, Y, weights = (*given, None)[:3]
    return read_data(net, X, Y, weights, (f"{what} X", f"{what} Y", f"{what} weights"))


def _refused(what: str, given: Any) -> InputError:
    is_pair = isinstance(given, tuple | list)
    got = f"{type(given).__name__} of length {len(given)}" if is_pair else f"{given!r:.40}"
    expected = "a fraction between 0 and 1, or (Xv, Yv)" if what == "validation" else "(Xv, Yv), or with weights behind"
    return InputError(text(what, expected=expected, got=got, hint=_HINT))


def _part(data: DataSet, rows: NDArray[np.intp]) -> DataSet:
    if data.weights is not None and not data.weights[rows].any():
        expected = "weight > 0 in each part of the validation split"
        raise InputError(text("sample_weight", expected=expected, got="only zeros", hint=_HINT))
    return DataSet(data.X, data.targets, data.weights, np.sort(rows))
