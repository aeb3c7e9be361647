"""What a solver remembers, nested as it may be, as a flat list and back: for checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def leaves(state: Any) -> list[Any]:
    """Give the arrays and numbers of a state of tuples, lists, dicts and dataclass-free values, in their order.

    >>> leaves((1, [2.0, None], {"v": 3}))
    [1, 2.0, None, 3]
    """
    if isinstance(state, dict):
        return [leaf for part in state.values() for leaf in leaves(part)]
    if isinstance(state, tuple | list):
        return [leaf for part in state for leaf in leaves(part)]
    return [state]


def rebuilt(like: Any, found: list[Any]) -> Any:
    """Give a state of the form of `like` with these leaves.

    >>> rebuilt((0, [0.0]), [1, 2.0])
    (1, [2.0])
    """
    return _rebuilt(like, iter(found))


def _rebuilt(like: Any, found: Iterator[Any]) -> Any:
    if isinstance(like, dict):
        return {key: _rebuilt(part, found) for key, part in like.items()}
    if isinstance(like, tuple | list):
        parts = [_rebuilt(part, found) for part in like]
        return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)
    leaf = next(found)
    return leaf.astype(like.dtype, copy=False) if isinstance(leaf, np.ndarray) and hasattr(like, "dtype") else leaf
