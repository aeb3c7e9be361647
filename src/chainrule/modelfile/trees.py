"""Nested values <-> a JSON object and arrays by name: what a checkpoint keeps of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"),
    }
)
"""Names of the dtypes that arrays of a tree may have."""

_ARRAY, _SCALAR, _NUMBERS, _SCALARS, _TUPLE, _DICT, _FLOAT = (
    f"${kind}" for kind in ("array", "scalar", "numbers", "scalars", "tuple", "dict", "float")
)


def pack(tree: Any, name: str) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Give a tree of numbers, text, None, arrays, lists, tuples and dicts as JSON and arrays, named after their places.

    Every number comes back with its bits and its type. Raises TypeError, naming the place, for anything else.

    >>> pack({"rate": 0.5, "state": (3, np.zeros(2))}, "run")
    ({'rate': 0.5, 'state': {'$tuple': [3, {'$array': 'run.state.1'}]}}, {'run.state.1': array([0., 0.])})
    """
    arrays: dict[str, NDArray[Any]] = {}
    return _pack(tree, name, arrays), arrays


def _pack(tree: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(tree, np.ndarray | np.generic):
        return {_SCALAR if isinstance(tree, np.generic) else _ARRAY: _put(np.asarray(tree), name, arrays)}
    if tree is None or isinstance(tree, bool | int | str):
        return tree
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else {_FLOAT: repr(tree)}
    if isinstance(tree, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in tree):
            return {key: _pack(part, f"{name}.{key}", arrays) for key, part in tree.items()}
        items = enumerate(tree.items())
        return {_DICT: [[_pack(part, f"{name}.{place}.{i}", arrays) for i, part in enumerate(p)] for place, p in items]}
    if isinstance(tree, list):
        if tree and all(type(part) is float for part in tree):
            return {_NUMBERS: _put(np.array(tree), name, arrays)}
        if tree and isinstance(tree[0], np.generic) and len({type(part) for part in tree}) == 1:
            return {_SCALARS: _put(np.array(tree), name, arrays)}
    if isinstance(tree, list | tuple):
        parts = [_pack(part, f"{name}.{place}", arrays) for place, part in enumerate(tree)]
        return parts if isinstance(tree, list) else {_TUPLE: parts}
    raise TypeError(f"{name} is of type {type(tree).__name__}")


def _put(array: NDArray[Any], name: str, arrays: dict[str, NDArray[Any]]) -> str:
    """Put an array among the others; the same one has one place, however often it is met."""
    if array.dtype.name not in DTYPES:
        raise TypeError(f"{name} is of dtype {array.dtype}")
    for known, other in arrays.items():
        if other is array:
            return known
    while name in arrays:  # a key with a dot in it may read as another place
        name += "'"
    arrays[name] = array
    return name


def unpack(packed: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Give the tree that `pack` was given. Raises KeyError, TypeError or ValueError for what it has not made.

    >>> unpack({"state": {"$tuple": [3, {"$array": "a"}]}}, {"a": np.zeros(2)})
    {'state': (3, array([0., 0.]))}
    """
    if isinstance(packed, list):
        return [unpack(part, arrays) for part in packed]
    if not isinstance(packed, dict):
        return packed
    if len(packed) != 1 or not next(iter(packed)).startswith("$"):
        return {key: unpack(part, arrays) for key, part in packed.items()}
    ((kind, value),) = packed.items()
    if kind == _DICT:
        return {unpack(key, arrays): unpack(part, arrays) for key, part in value}
    if kind == _TUPLE:
        return tuple(unpack(part, arrays) for part in value)
    if kind == _FLOAT:
        return float(value)
    return _OF_ARRAY[kind](arrays[value])


_OF_ARRAY: dict[str, Callable[[NDArray[Any]], Any]] = {
    _ARRAY: np.asarray,
    _SCALAR: lambda array: array[()],
    _NUMBERS: lambda array: array.tolist(),
    _SCALARS: list,
}
