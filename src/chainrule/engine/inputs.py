"""What users hand over, checked and cast: rows X, targets Y, sample weights. Every message uses the argument's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text

ROWS_AT_ONCE = 512
"""How many rows are cast, checked, predicted or summed over at a time: no large input is ever copied whole, and the
activations of usual layers stay in the cache."""

NUMBERS_AT_ONCE = 65536
"""How many of a sparse matrix's numbers, or of targets, are looked at at a time."""


def row_blocks(m: int, at_once: int = ROWS_AT_ONCE) -> Iterator[slice]:
    """Cut m rows into slices of at most ROWS_AT_ONCE, or of another number."""
    return (slice(start, min(start + at_once, m)) for start in range(0, m, at_once))


def real_array(name: str, values: Any) -> NDArray[Any]:
    """See the argument as a numpy array of real numbers, without casting it."""
    if hasattr(values, "toarray"):
        hint = f"Give {name}.toarray() if it fits in memory."
        raise InputError(text(name, expected="a dense array", got=f"the sparse {type(values).__name__}", hint=hint))
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        hint = f"Fill the masked entries, for example with {name}.filled(0)."
        raise InputError(text(name, expected="an array without a mask", got="masked entries", hint=hint))
    try:
        array = np.asarray(values)
    except ValueError:
        hint = "Every row needs the same number of entries."
        raise InputError(text(name, expected="a rectangular array", got="rows of unequal length", hint=hint)) from None
    if array.dtype.kind not in "fiub":
        hint = "Turn text into numbers first, categories into columns of 0 and 1."
        if array.dtype.kind == "O":
            hint = f"If it holds numbers only, give numpy.array({name}, dtype=float)."
        if array.dtype.kind == "c":
            hint = "Split a complex number into two columns, real and imaginary part."
        raise InputError(text(name, expected="real numbers", got=f"dtype {array.dtype}", hint=hint))
    return array


def is_sparse(X: Any) -> bool:
    """Say whether X is a sparse matrix or array of SciPy's."""
    return hasattr(X, "toarray")


def is_thin(stored: int, m: int, n: int) -> bool:
    """Say whether m sparse rows are so thin that SciPy's product, by what is stored alone, is faster than a dense one.

    The compiled core, which makes a batch dense, multiplies 16 numbers in the time in which SciPy multiplies one.
    """
    return stored * 16 < m * n


def check_rows(X: Any, n_in: int, name: str = "X") -> NDArray[Any]:
    """See X as (m, n_0) with m ≥ 1, of any real dtype, not cast and not copied. Raises InputError."""
    array = real_array(name, X)
    _check_shape(array, n_in, name)
    return array


def check_rows_or_csr(X: Any, n_in: int, name: str = "X") -> Any:
    """`check_rows`, or the same of a SciPy sparse matrix or array in CSR form, whose indices are checked too."""
    if not is_sparse(X):
        return check_rows(X, n_in, name)
    if getattr(X, "format", None) != "csr":
        expected, got = "an array, or sparse rows in CSR form", f"the sparse {type(X).__name__}"
        raise InputError(text(name, expected=expected, got=got, hint=f"Give {name}.tocsr()."))
    real_array(f"{name}.data", X.data)
    _check_shape(X, n_in, name)
    if not _fits(X.indptr, X.indices, len(X.data), *X.shape):
        hint = f"Make {name} by SciPy, and don't write to its indptr and indices."
        got = f"indptr or indices that don't fit shape {X.shape}"
        raise InputError(text(name, expected="the CSR form of a matrix", got=got, hint=hint))
    return X


def _check_shape(array: Any, n_in: int, name: str) -> None:
    got = f"shape {array.shape}"
    if array.ndim != 2:
        hint = f"One example is {name}.reshape(1, -1)." if array.ndim == 1 else f"Try {name}.reshape(len({name}), -1)."
        raise InputError(text(name, expected=f"2 dimensions, (m, {n_in})", got=got, hint=hint))
    if array.shape[1] != n_in:
        hint = "Give the columns that the network was made for, in the same order."
        raise InputError(
            text(name, expected=f"{n_in} columns, one for each of the network's inputs", got=got, hint=hint)
        )
    if array.shape[0] == 0:
        raise InputError(text(name, expected="at least one row", got=got, hint="Check how the rows were selected."))


def _fits(indptr: NDArray[Any], indices: NDArray[Any], n_numbers: int, m: int, n: int) -> bool:
    if len(indptr) != m + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        return False
    used = indices[: indptr[-1]]
    within = len(used) == 0 or (used.min() >= 0 and used.max() < n)
    return bool(indptr[-1] <= min(len(indices), n_numbers) and within)


def cast(array: NDArray[Any], dtype: str, name: str = "X", first_row: int = 0) -> NDArray[Any]:
    """Give `array` in the network's dtype, without a copy where it has it already; every number must be finite.

    `first_row` is the row of the user's array at which `array` begins, for the message. Raises InputError.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = _contiguous(array, dtype)
        if np.isfinite(result.sum()):  # one pass without a temporary; a sum can overflow though each term is finite
            return result
    bad = np.argwhere(~np.isfinite(result))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        got = array[index]
        at = ", ".join(str(i) for i in (index[0] + first_row, *index[1:]))
        hint = "Remove or fill such rows first."
        if np.isfinite(got):
            wider = ", or make the network with dtype='float64'" if dtype == "float32" else ""
            hint = f"It is too large for {dtype}; scale it{wider}."
        raise InputError(text(f"{name}[{at}]", expected="a finite number", got=str(got), hint=hint))
    return result


def _contiguous(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Give `array` row by row and at addresses that compiled code can read, a field of records for example."""
    result = np.ascontiguousarray(array, dtype=dtype)
    return result if result.flags.aligned else result.copy()


def cast_rows(X: Any, dtype: str, name: str = "X", first_row: int = 0) -> Any:
    """`cast` of rows that may be sparse."""
    if not is_sparse(X):
        return cast(X, dtype, name, first_row)
    check_finite(X, dtype, name, first_row)
    return X.astype(dtype, copy=False)


def check_finite(array: Any, dtype: str, name: str, first_row: int = 0) -> None:
    """Pass over a whole array in blocks of rows: every number must be finite in `dtype`. Raises InputError."""
    if array.dtype.kind in "uib":
        return  # integers of up to 64 bits are finite in float32 too
    if is_sparse(array):
        _check_finite_csr(array, dtype, name, first_row)
        return
    for rows in row_blocks(len(array)):
        cast(array[rows], dtype, name, first_row + rows.start)


def _check_finite_csr(X: Any, dtype: str, name: str, first_row: int) -> None:
    numbers = X.data[: X.indptr[-1]]
    for start in range(0, len(numbers), NUMBERS_AT_ONCE):
        with np.errstate(over="ignore", invalid="ignore"):
            bad = np.flatnonzero(~np.isfinite(numbers[start : start + NUMBERS_AT_ONCE].astype(dtype, copy=False)))
        if len(bad):
            at = start + int(bad[0])
            row = int(np.searchsorted(X.indptr, at, side="right")) - 1
            cast(X[row : row + 1].toarray(), dtype, name, first_row + row)


@dataclass(frozen=True)
class Targets:
    """Y as the user gave it, checked: class indices, (m,), or numbers, (m, n_L)."""

    values: NDArray[Any]
    n_out: int
    dtype: str

    def rows(self, which: slice | NDArray[np.intp]) -> NDArray[Any]:
        """Give the targets of some examples as (·, n_L) in the network's dtype; class indices become one-hot rows."""
        some = self.values[which]
        if some.ndim == 1:
            one_hot = np.zeros((len(some), self.n_out), dtype=self.dtype)
            one_hot[np.arange(len(some)), some] = 1
            return one_hot
        return _contiguous(some, self.dtype)


def check_targets(Y: Any, m: int, plan: Plan, name: str = "Y", rows_of: str = "X") -> Targets:
    """Read Y: class indices when it is one-dimensional, integer and n_L > 1; a column when n_L = 1; else (m, n_L).

    Raises InputError for another shape, a number that is not finite, a label out of range, or a target outside what
    the cost takes.
    """
    array = real_array(name, Y)
    n_out = plan.sizes[-1]
    got = f"shape {array.shape}"
    if array.ndim not in (1, 2) or len(array) != m:
        hint = "Each example needs its target, in the same order."
        raise InputError(text(name, expected=f"{m} rows, as {rows_of} has", got=got, hint=hint))
    if array.ndim == 1 and n_out > 1:
        if array.dtype.kind not in "iub":
            hint = f"If these are class indices, give {name}.astype(int)."
            got = f"shape {array.shape} of dtype {array.dtype}"
            expected = f"class indices (integers) of shape ({m},), or numbers of shape ({m}, {n_out})"
            raise InputError(text(name, expected=expected, got=got, hint=hint))
        at = _first_outside(array, n_out)
        if at is not None:
            hint = f"The network has {n_out} outputs; count classes from 0, or make the last of its sizes larger."
            raise InputError(
                text(f"{name}[{at}]", expected=f"a class index 0 to {n_out - 1}", got=str(array[at]), hint=hint)
            )
        if not (plan.cost.targets.contains(0) and plan.cost.targets.contains(1)):
            expected = f"targets in {plan.cost.targets}, as {plan.cost.name} needs"
            hint = f"Give numbers of shape ({m}, {n_out}) instead."
            raise InputError(text(name, expected=expected, got="class indices, which become 0 and 1", hint=hint))
        return Targets(array.astype(np.intp, copy=False), n_out, plan.dtype)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.shape[1] != n_out:
        hint = "The last of the network's sizes has to be the number of target columns."
        raise InputError(text(name, expected=f"shape ({m}, {n_out})", got=got, hint=hint))
    check_finite(array, plan.dtype, name)
    allowed = plan.cost.targets
    for row, column in _extremes(array):
        value = float(array[row, column])
        if not allowed.contains(value):
            where = f"{name}[{row}]" if n_out == 1 else f"{name}[{row}, {column}]"
            hint = "Scale the targets, or choose another cost."
            raise InputError(
                text(where, expected=f"a target in {allowed}, as {plan.cost.name} needs", got=f"{value:g}", hint=hint)
            )
    return Targets(array, n_out, plan.dtype)


def _first_outside(labels: NDArray[Any], n_out: int) -> int | None:
    """Where the first label stands that is no class index."""
    for rows in row_blocks(len(labels), NUMBERS_AT_ONCE):
        outside = (labels[rows] < 0) | (labels[rows] >= n_out)
        if outside.any():
            return int(rows.start) + int(outside.argmax())
    return None


def _extremes(array: NDArray[Any]) -> list[tuple[int, int]]:
    """Row and column of the least number and of the greatest; not over a whole array at once, which might copy it."""
    found: list[tuple[int, int]] = []
    for rows in row_blocks(len(array), max(1, NUMBERS_AT_ONCE // array.shape[1])):
        block = array[rows]
        places = [divmod(int(flat), array.shape[1]) for flat in (block.argmin(), block.argmax())]
        least, greatest = ((row + rows.start, column) for row, column in places)
        if not found:
            found = [least, greatest]
        if array[least] < array[found[0]]:
            found[0] = least
        if array[greatest] > array[found[1]]:
            found[1] = greatest
    return found


def check_example(x: Any, plan: Plan) -> NDArray[Any]:
    """See one example, with or without an axis for it, as (1, n_0) of the plan's dtype. Raises InputError."""
    rows = check_rows(np.atleast_2d(real_array("x", x)), plan.sizes[0], "x")
    if len(rows) != 1:
        hint = "Give one of them, x[0]."
        raise InputError(text("x", expected="one example", got=f"{len(rows)} rows", hint=hint))
    return cast(rows, plan.dtype, "x")


def check_example_target(y: Any, plan: Plan) -> NDArray[Any]:
    """See the target of one example, with or without an axis for it, as (1, n_L). Raises InputError."""
    target = real_array("y", y)
    if target.ndim == 0 or (target.ndim == 1 and len(target) == plan.sizes[-1] > 1):
        target = target[np.newaxis]
    return check_targets(target, 1, plan, "y", "x").rows(slice(None))


def check_weights(
    sample_weight: Any, m: int, dtype: str, name: str = "sample_weight", rows_of: str = "X"
) -> NDArray[Any] | None:
    """Read sample weights w_i ≥ 0, (m,), not all 0; None stays None. Raises InputError."""
    weights = read_weights(sample_weight, m, dtype, name, rows_of)
    if weights is not None:
        with np.errstate(over="ignore"):
            check_total(float(weights.sum()), dtype, name)
    return weights


def read_weights(
    sample_weight: Any, m: int, dtype: str, name: str = "sample_weight", rows_of: str = "X"
) -> NDArray[Any] | None:
    """`check_weights` of some of the weights, which may be 0 all of them. Raises InputError."""
    if sample_weight is None:
        return None
    array = real_array(name, sample_weight)
    if array.shape != (m,):
        hint = "Each example needs one weight."
        raise InputError(
            text(name, expected=f"shape ({m},), one for each row of {rows_of}", got=f"shape {array.shape}", hint=hint)
        )
    weights = cast(array, dtype, name)
    if weights.min() < 0:
        at = int(weights.argmin())
        raise InputError(
            text(f"{name}[{at}]", expected="a weight ≥ 0", got=f"{weights[at]:g}", hint="0 leaves an example out.")
        )
    return weights


def check_total(total: float, dtype: str, name: str) -> None:
    """See that Σ w_i is a number > 0 in `dtype`. Raises InputError."""
    with np.errstate(over="ignore"):
        total = float(np.asarray(total, dtype=dtype))
    if not np.isfinite(total):
        hint = "Divide them all by the largest: only their ratios count under the mean."
        raise InputError(text(name, expected=f"weights whose sum is finite in {dtype}", got=f"{total}", hint=hint))
    if total == 0:
        raise InputError(
            text(name, expected="at least one weight > 0", got=f"only zeros in {dtype}", hint="None weighs all alike.")
        )
