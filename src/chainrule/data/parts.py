"""Blocks of rows that a function reads one by one: files, slices of arrays on disk, pages of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chainrule.engine.inputs import is_sparse
from chainrule.errors import InputError, is_count, text


class Blocks:
    """Rows that are read block by block, in any order: an X of `cr.train`, which then takes no Y.

    Parameters
    ----------
    keys : sequence
        What tells blocks apart, such as paths.
    read : function of a key
        Gives (X, Y) or (X, Y, weights): arrays as `cr.train` takes them. It is called in a thread of its own, one block
        ahead of training, and once more for each block in every epoch.

    With shuffle=True an epoch takes the blocks in a new order, and shuffles the rows of what then stands side by side,
    `shuffle_rows` at a time.

    Raises
    ------
    InputError
        For no keys, keys that can't be counted, or a read that is no function.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> def read(year):
    ...     x = np.linspace(0, 1, 50) + year  # in earnest: np.load(f"{year}.npz")
    ...     return x[:, np.newaxis], 2 * x
    >>> net = cr.Network([1, 1], activations="identity", seed=0)
    >>> history = cr.train(net, cr.Blocks([0, 1, 2], read), learning_rate=0.1, epochs=100, verbose=0)
    >>> net.predict([[1.5]]).round(2).tolist()
    [[3.0]]
    """

    def __init__(self, keys: Sequence[Any], read: Callable[[Any], Any]) -> None:
        if not hasattr(keys, "__getitem__") or isinstance(keys, str | bytes):
            hint = "Write cr.Blocks(sorted(folder.glob('*.npz')), read)."
            raise InputError(text("Blocks: keys", expected="a sequence", got=f"{keys!r:.60}", hint=hint))
        if len(keys) == 0:
            hint = "Look at how they were found."
            raise InputError(text("Blocks: keys", expected="at least one", got="none", hint=hint))
        if not callable(read):
            hint = "It gives (X, Y) for a key."
            raise InputError(text("Blocks: read", expected="a function of a key", got=f"{read!r:.60}", hint=hint))
        self.keys, self.read = keys, read

    @classmethod
    def of(cls, X: Any, Y: Any, weights: Any = None, rows: int = 8192) -> Blocks:
        """Blocks of so many rows of arrays, or of what is sliced as they are, as datasets of h5py and zarr.

        >>> import numpy as np, chainrule as cr
        >>> blocks = cr.Blocks.of(np.zeros((10, 3)), np.zeros(10), rows=4)
        >>> len(blocks), [X.shape for X, Y in blocks()]
        (3, [(4, 3), (4, 3), (2, 3)])
        """
        m = X.shape[0] if is_sparse(X) else len(X)
        for name, array in (("Y", Y), ("weights", weights)):
            if array is not None and len(array) != m:
                hint = "Each row needs its own, in the same order."
                raise InputError(text(f"Blocks.of: {name}", expected=f"{m} rows", got=f"{len(array)}", hint=hint))
        if not is_count(rows):
            hint = "The default is a good start."
            raise InputError(text("Blocks.of: rows", expected="a whole number ≥ 1", got=repr(rows), hint=hint))
        arrays = (X, Y) if weights is None else (X, Y, weights)

        def read(some: range) -> tuple[Any, ...]:
            return tuple(array[some.start : some.stop] for array in arrays)

        return cls([range(start, min(start + rows, m)) for start in range(0, m, rows)], read)

    def __len__(self) -> int:
        return len(self.keys)

    def __call__(self) -> Iterator[Any]:
        """Read all blocks in their order."""
        return (self._read(key) for key in self.keys)

    def part(self, number: int) -> Iterator[Any]:
        """Read one block, counted from 0."""
        yield self._read(self.keys[number])

    def _read(self, key: Any) -> Any:
        try:
            return self.read(key)
        except Exception as error:
            error.add_note(f"raised by read({key!r:.80}) of cr.Blocks")
            raise

    def name(self, number: int) -> str:
        """What messages call a block."""
        return f"block {self.keys[number]!r:.80}"
