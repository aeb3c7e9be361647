"""Weights, their derivatives and the terms of (E9): slices, pooled where they are large, and the largest entries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.explorer.answers import not_there
from chainrule.explorer.endpoints import LAYER, PART_AND_ROW, Asked, Endpoint
from chainrule.explorer.parameters import Choice, Parameter, Span, Whole
from chainrule.explorer.passes import Pass

CELLS_AT_MOST = 256
_ENTRIES_AT_ONCE = 1 << 20
_F = NDArray[np.float64]
_WHAT = Parameter("what", Choice(("W", "dW", "Wdelta")), "W, ∂C_i/∂W (E7), or W δ, the terms of (E9)", "W")


def _matrix(asked: Asked) -> dict[str, Any]:
    now = asked.now
    layer = now.layer(asked["layer"])
    passed = now.row(asked["part"], asked["row"])
    shape = now.net.sizes[layer], now.net.sizes[layer - 1]
    rows, columns = (_within(name, asked[name], n) for name, n in zip(("rows", "columns"), shape, strict=True))
    cell = tuple(math.ceil((stop - start) / asked["at_most"]) for start, stop in (rows, columns))
    values = np.array(
        [
            pooled(passed.entries(asked["what"], layer, slice(j, min(j + cell[0], rows[1])), slice(*columns)), cell[1])
            for j in range(rows[0], rows[1], cell[0])
        ]
    )
    return {
        "layer": layer,
        "what": asked["what"],
        "shape": shape,
        "rows": rows,
        "columns": columns,
        "pooled": cell != (1, 1),
        "cell": cell,
        "values": values,
        "largest": np.abs(values).max(),
    }


def _within(name: str, span: tuple[int, int] | None, n: int) -> tuple[int, int]:
    """Cut a range to what there is. Raises RefusedError, 404, where it begins beyond."""
    if span is None:
        return 0, n
    if span[0] >= n:
        raise not_there(name, f"a range that begins below {n}", f"{span[0]}:{span[1]}", "Units are counted from 0.")
    return span[0], min(span[1], n)


def pooled(rows: _F, width: int) -> _F:
    """Give of each block of `width` columns the entry largest in magnitude, with its sign; (h, n) -> (⌈n/width⌉,).

    >>> pooled(np.array([[1.0, -3.0, 2.0], [0.0, 1.0, -1.0]]), 2).tolist()
    [-3.0, 2.0]
    """
    starts = np.arange(0, rows.shape[1], width)
    high = np.maximum.reduceat(rows.max(axis=0), starts)
    low = np.minimum.reduceat(rows.min(axis=0), starts)
    chosen: _F = np.where(high >= -low, high, low)
    return chosen


def _edges(asked: Asked) -> dict[str, Any]:
    now, what, limit = asked.now, asked["what"], asked["limit"]
    layer, key = now.layer(asked["layer"]), (asked["part"], asked["row"])
    passed = now.row(*key)
    # W alone does not depend on the row
    kept = ("edges", what, layer, limit, () if what == "W" else key)
    return {"edges": now.once(kept, lambda: largest(passed, what, layer, limit))}


def largest(passed: Pass, what: str, layer: int, limit: int) -> list[tuple[int, int, float]]:
    """Give the (j, k, value) largest in magnitude, the largest first, equal ones by unit, from a block at a time."""
    best_j, best_k, best = np.array([], np.intp), np.array([], np.intp), np.array([])
    for start, block in _blocks(passed, what, layer):
        flat = block.ravel()
        size = np.abs(flat)
        chosen = np.argpartition(size, -limit)[-limit:] if limit < len(size) else np.arange(len(size))
        j, k = np.divmod(chosen, block.shape[1])
        best_j, best_k = np.concatenate([best_j, j + start]), np.concatenate([best_k, k])
        best = np.concatenate([best, flat[chosen]])
        order = np.lexsort((best_k, best_j, -np.abs(best)))[:limit]
        best_j, best_k, best = best_j[order], best_k[order], best[order]
    return list(zip(best_j.tolist(), best_k.tolist(), best.tolist(), strict=True))


def _blocks(passed: Pass, what: str, layer: int) -> Iterator[tuple[int, _F]]:
    n, below = passed.at.plan.sizes[layer], passed.at.plan.sizes[layer - 1]
    step = max(1, _ENTRIES_AT_ONCE // below)
    for start in range(0, n, step):
        yield start, passed.entries(what, layer, slice(start, min(start + step, n)), slice(None))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/matrix",
        "A slice of a layer's matrix, row j into unit j, column k from unit k of the layer below. Where it has more "
        "than at_most rows or columns, each value is the largest in magnitude of a cell.",
        _matrix,
        {
            "layer": "integer",
            "what": "string",
            "shape": "integer[]",
            "rows": "integer[]",
            "columns": "integer[]",
            "pooled": "boolean",
            "cell": "integer[]",
            "values": "array[]",
            "largest": "number|null",
        },
        (
            *PART_AND_ROW,
            LAYER,
            _WHAT,
            Parameter("rows", Span(), "units of the layer; all of them if left out"),
            Parameter("columns", Span(), "units of the layer below; all of them if left out"),
            Parameter("at_most", Whole(1, CELLS_AT_MOST), "so many rows and columns of values at most", 64),
        ),
    ),
    Endpoint(
        "GET",
        "/api/edges",
        "The entries [j, k, value] of a layer's matrix that are largest in magnitude, the largest first.",
        _edges,
        {"edges": "array[]"},
        (*PART_AND_ROW, LAYER, _WHAT, Parameter("limit", Whole(1, 2000), "how many", 200)),
    ),
)
