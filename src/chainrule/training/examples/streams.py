"""Examples that are read block by block, from a factory of iterators, and never held as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeAlias, runtime_checkable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import (
    ROWS_AT_ONCE,
    Targets,
    check_finite,
    check_rows_or_csr,
    check_targets,
    check_total,
    is_sparse,
    is_thin,
    read_weights,
    row_blocks,
)
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text
from chainrule.training.examples.batches import Batch, Batches, DataSet, Examples, Rows, mass_of

NUMBERS_AT_ONCE = 2**21
"""How many numbers of X the parts of an epoch have that keeps the order of rows."""
NUMBERS_SHUFFLED = 2**23
"""How many numbers of X the parts have within which rows are shuffled, where `shuffle_rows` doesn't say how many."""

Factory: TypeAlias = Callable[[], Iterable[Any]]
"""Gives a new iterator over blocks (X, Y) or (X, Y, weights) each time it is called."""

_HINT = "Give a function that makes a new iterator over blocks (X, Y) or (X, Y, weights) each time it is called."


def _go_on() -> None:
    pass


@runtime_checkable
class Parts(Protocol):
    """A factory whose parts, such as files or row groups, can be read in any order, in a thread of the reader's own."""

    def __call__(self) -> Iterator[Any]:
        """Read all parts in their order."""

    def __len__(self) -> int:
        """How many parts there are."""

    def part(self, number: int) -> Iterator[Any]:
        """Read the blocks of a part, counted from 0."""

    def name(self, number: int) -> str:
        """What messages call a part."""


def is_factory(X: Any, name: str = "X") -> bool:
    """Whether X is a factory of blocks. Raises InputError for an iterator, which can be gone through once only."""
    if hasattr(X, "__next__"):
        got = f"a {type(X).__name__}, which can be gone through only once"
        raise InputError(text(name, expected="rows, or a factory of blocks", got=got, hint=_HINT))
    return callable(X)


class Stream(Examples):
    """Checked examples of a factory; every pass calls it anew. The same rows in memory give the same bits.

    The first pass, when this is made, checks every row, and counts. Later passes check again, and that the number of
    rows is the same. Of Parts an epoch may draw the order. `shuffle_rows` are shuffled at a time; None takes as many
    as have NUMBERS_SHUFFLED numbers. `name` is what messages call the factory.

    Nothing is held but a few blocks, and what is made of them: the part of an epoch in which steps are taken, and of
    Parts the one that comes next.
    """

    def __init__(self, factory: Factory, plan: Plan, shuffle_rows: int | None = None, name: str = "X") -> None:
        self._factory, self._plan, self._name = factory, plan, name
        self._latest: object = None
        self._form: tuple[bool, int, bool] | None = None  # whether X is sparse, axes of Y, whether there are weights
        self._m: int | None = None
        self._total, first, kinds, numbers, self._sums = self._first_pass()
        X, Y, weights = first
        if is_sparse(X):
            # the backend asks whether rows are thin: an empty one stands for those that are, a full one for others
            make = np.zeros if is_thin(numbers, len(self), X.shape[1]) else np.ones
            X = type(X)(make(X.shape))
        self._kinds = kinds
        self._sample = self._together([(X, Y, weights)], 0)
        width = max(1, -(-numbers // len(self)))
        self._kept = max(1, NUMBERS_AT_ONCE // width)
        self._shuffled = max(1, NUMBERS_SHUFFLED // width) if shuffle_rows is None else shuffle_rows

    def __len__(self) -> int:
        assert self._m is not None, "the first pass counts"
        return self._m

    @property
    def total(self) -> float:
        """Σ w_i of all rows."""
        return self._total

    @property
    def sample(self) -> DataSet:
        """One row."""
        return self._sample

    @property
    def labels(self) -> NDArray[Any]:
        """Y, of all blocks."""
        return np.concatenate([Y for _, Y, _ in self._blocks(None)])

    def fingerprint(self) -> dict[str, int | str]:
        """How many rows and columns there are, and CRC-32 of all their bytes, however they are cut into blocks.

        Of Parts it says how many there are, as an epoch draws their order.
        """
        parts = {"parts": len(self._factory)} if isinstance(self._factory, Parts) else {}
        return {"rows": len(self), "columns": self._plan.sizes[0], **parts, **self._sums}

    def blocks(self) -> Iterator[Batch]:
        """Every example once, in order."""
        for part in self._parts(None, max(1, self._kept // ROWS_AT_ONCE) * ROWS_AT_ONCE):
            yield from part.blocks()

    def epoch(
        self, size: int, rng: np.random.Generator | None, breathe: Callable[[], None] | None = None
    ) -> Iterator[tuple[DataSet, Batches]]:
        """Parts of about as many rows as are held; `rng` draws the order of Parts, then of the rows of each part."""
        order = None
        if rng is not None and isinstance(self._factory, Parts):
            order = rng.permutation(len(self._factory))
        at_once = self._kept if rng is None else self._shuffled
        for part in self._parts(order, max(1, at_once // size) * size, breathe or _go_on):
            m = len(part)
            yield part, part.batches(size, np.arange(m) if rng is None else rng.permutation(m))

    def _first_pass(self) -> tuple[float, Batch, tuple[np.dtype[Any], np.dtype[Any]], int, dict[str, str]]:
        """Give Σ w_i, the first row, the dtypes of all blocks in one array, how many numbers X stores, the sums."""
        sums, m, total, numbers = _Sums(), 0, 0.0, 0
        first: Batch | None = None
        waiting = np.zeros(0, dtype=self._plan.dtype)  # weights, added as those of an array are
        kinds_X: set[np.dtype[Any]] = set()
        kinds_Y: set[np.dtype[Any]] = set()
        for X, Y, weights in self._blocks(None):
            if first is None:
                first = X[:1].copy(), Y[:1].copy(), None if weights is None else weights[:1].copy()
            m += len(Y)
            numbers += X.nnz if is_sparse(X) else X.size
            kinds_X.add(X.dtype)
            kinds_Y.add(Y.dtype)
            sums.add(X, Y, weights)
            if weights is not None:
                waiting = np.concatenate([waiting, weights])
                whole = len(waiting) // ROWS_AT_ONCE * ROWS_AT_ONCE
                total, waiting = mass_of(waiting[:whole], whole, total), waiting[whole:]
        if first is None:
            expected, hint = "blocks with at least one row in all", f"Look at what it gives. {_HINT}"
            raise InputError(text(self._name, expected=expected, got="none", hint=hint))
        if first[2] is None:
            total = float(m)
        else:
            total = mass_of(waiting, len(waiting), total)
            check_total(total, self._plan.dtype, f"weights of {self._name}")
        self._m = m
        kinds = _common(kinds_X), _common(kinds_Y)
        return total, first, kinds, numbers, sums.to_dict()

    def _parts(
        self, order: NDArray[np.intp] | None, at_once: int, breathe: Callable[[], None] = _go_on
    ) -> Iterator[DataSet]:
        """Cut the blocks anew, into parts of so many rows; those of Parts while steps are taken in the part before."""
        if isinstance(self._factory, Parts):
            return ahead(self._cut(order, at_once), breathe)
        return self._cut(order, at_once, breathe)

    def _cut(
        self, order: NDArray[np.intp] | None, at_once: int, breathe: Callable[[], None] = _go_on
    ) -> Iterator[DataSet]:
        waiting: list[Batch] = []
        n = first = 0
        for X, Y, weights in self._blocks(order):
            breathe()
            start = 0
            while start < len(Y):
                some = slice(start, min(start + at_once - n, len(Y)))
                waiting.append((X[some], Y[some], None if weights is None else weights[some]))
                n, start = n + some.stop - some.start, some.stop
                if n == at_once:
                    part = self._together(waiting, first)
                    waiting, n, first = [], 0, first + n
                    yield part
        if waiting:
            yield self._together(waiting, first)

    def _together(self, blocks: Sequence[Batch], first: int) -> DataSet:
        """Make one data set of blocks, of the dtypes that all blocks in one array would have."""
        plan, (kind_X, kind_Y) = self._plan, self._kinds
        Xs, Ys, weights = zip(*blocks, strict=True)
        if len(Xs) == 1:
            X, Y, w = Xs[0], Ys[0], weights[0]
        else:
            Y, w = np.concatenate(Ys), None if weights[0] is None else np.concatenate(weights)
            if is_sparse(Xs[0]):
                from scipy.sparse import vstack

                X = vstack(Xs, format="csr")
            else:
                X = np.concatenate(Xs)
        targets = Targets(Y.astype(kind_Y, copy=False), plan.sizes[-1], plan.dtype)
        return DataSet(X.astype(kind_X, copy=False), targets, w, np.arange(len(Y)), first)

    def _blocks(self, order: NDArray[np.intp] | None) -> Iterator[Batch]:
        """One pass: what the factory gives, checked, and but for empty blocks. Weights are cast, nothing else is."""
        m = 0
        for where, block in self._given(order):
            checked = self._check(block, where)
            if checked is None:
                continue
            m += len(checked[1])
            if self._m is not None and m > self._m:
                raise self._changed(f"more than {self._m}")
            yield checked
        if self._m is not None and m < self._m:
            raise self._changed(str(m))

    def _given(self, order: NDArray[np.intp] | None) -> Iterator[tuple[str, Any]]:
        """Every block, with what messages call it."""
        if isinstance(self._factory, Parts):
            for number in range(len(self._factory)) if order is None else order.tolist():
                for place, block in enumerate(self._factory.part(number)):
                    yield self._factory.name(number) + (f", block {place}" if place else ""), block
            return
        blocks = self._factory()
        if not isinstance(blocks, Iterable):
            got = f"{type(blocks).__name__} from {self._name}()"
            raise InputError(text(self._name, expected="an iterator over blocks", got=got, hint=_HINT))
        if blocks is self._latest:
            expected, got = f"a new iterator from each call of {self._name}()", "the same one again"
            raise InputError(text(self._name, expected=expected, got=got, hint=_HINT))
        self._latest = blocks if hasattr(blocks, "__next__") else None
        for place, block in enumerate(blocks):
            yield f"block {place}", block

    def _changed(self, got: str) -> InputError:
        hint = "Give the same rows each time that it is called."
        return InputError(text(self._name, expected=f"{self._m} rows, as in the first pass", got=got, hint=hint))

    def _check(self, block: Any, where: str) -> Batch | None:
        """Check a block as arrays are checked; None where it has no rows. Raises InputError."""
        plan, name = self._plan, f"{where} of {self._name}"
        if not isinstance(block, tuple | list) or len(block) not in (2, 3):
            of = f" of length {len(block)}" if isinstance(block, tuple | list) else ""
            got = f"{type(block).__name__}{of}"
            hint = "Yield pairs of rows and their targets."
            raise InputError(text(name, expected="(X, Y) or (X, Y, weights)", got=got, hint=hint))
        X, Y, weights = (*block, None)[:3]
        if _is_empty(X) and _is_empty(Y):
            return None
        X = check_rows_or_csr(X, plan.sizes[0], f"{name}: X")
        check_finite(X, plan.dtype, f"{name}: X")
        m = X.shape[0]
        targets = check_targets(Y, m, plan, f"{name}: Y", "its X")
        weights = read_weights(weights, m, plan.dtype, f"{name}: weights", "its X")
        form = is_sparse(X), targets.values.ndim, weights is not None
        self._form = self._form or form
        if form != self._form:
            hint = "Give all blocks alike."
            raise InputError(text(name, expected=_in_words(self._form), got=_in_words(form), hint=hint))
        return X, targets.values, weights


def _common(kinds: set[np.dtype[Any]]) -> np.dtype[Any]:
    """Give the dtype of arrays of such dtypes in one."""
    return next(iter(kinds)) if len(kinds) == 1 else np.result_type(*kinds)


def _is_empty(array: Any) -> bool:
    shape = getattr(array, "shape", None)
    return bool(shape[:1] == (0,) if isinstance(shape, tuple) else isinstance(array, list | tuple) and not array)


def _in_words(form: tuple[bool, int, bool]) -> str:
    sparse, axes, weighted = form
    rows = "sparse rows" if sparse else "dense rows"
    return f"{rows}, {'class indices' if axes == 1 else 'numbers'} as Y, {'weights' if weighted else 'no weights'}"


def ahead(parts: Iterator[DataSet], breathe: Callable[[], None] = _go_on) -> Iterator[DataSet]:
    """Make the next part, in a thread, while somebody looks at this one: where a disk is waited for, both at once.

    Who waits for it calls `breathe` ten times a second.
    """
    with ThreadPoolExecutor(1, "chainrule-reader") as reader:
        coming = reader.submit(next, parts, None)
        while True:
            while not wait([coming], timeout=0.1).done:
                breathe()
            if (part := coming.result()) is None:
                return
            coming = reader.submit(next, parts, None)
            yield part


class _Sums:
    """CRC-32 of the bytes of rows, targets and weights, however they are cut into blocks."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = {}

    def add(self, X: Rows, Y: NDArray[Any], weights: NDArray[Any] | None) -> None:
        """Take the next rows into account."""
        if is_sparse(X):
            self._add("values", X.data[: X.indptr[-1]])
            self._add("indices", X.indices[: X.indptr[-1]].astype(np.int64, copy=False))
            self._add("counts", np.diff(X.indptr).astype(np.int64, copy=False))
        else:
            for rows in row_blocks(len(X)):
                self._add("X", X[rows])
        self._add("Y", Y)
        if weights is not None:
            self._add("weights", weights)

    def _add(self, name: str, array: NDArray[Any]) -> None:
        flat = np.ascontiguousarray(array).reshape(-1)
        self._sums[name] = crc32(flat.view(np.uint8).data, self._sums.get(name, 0))

    def to_dict(self) -> dict[str, str]:
        return {name: f"{value:08x}" for name, value in self._sums.items()}
