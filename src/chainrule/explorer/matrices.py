"""Weights, their derivatives and the terms of (E9): slices, pooled where they are large, and the largest entries."""

from __future__ import annotations

import math
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
    now, what = asked.now, asked["what"]
    layer = now.layer(asked["layer"])
    passed = now.row(asked["part"], asked["row"])
    shape = now.net.sizes[layer], now.net.sizes[layer - 1]
    rows, columns = (_within(name, asked[name], n) for name, n in zip(("rows", "columns"), shape, strict=True))
    height, width = (math.ceil((stop - start) / asked["at_most"]) for start, stop in (rows, columns))
    key = ("matrix", what, layer, rows, columns, height, width, *_row_of(asked))
    values = now.once(key, lambda: pooled(passed, what, layer, rows, columns, height, width))
    return {
        "layer": layer,
        "what": what,
        "shape": shape,
        "rows": rows,
        "columns": columns,
        "pooled": (height, width) != (1, 1),
        "cell": (height, width),
        "values": values,
        "largest": np.abs(values).max(),
    }


def _row_of(asked: Asked) -> tuple[str | int, ...]:
    """Say which row an answer depends on; W alone depends on none."""
    return () if asked["what"] == "W" else (asked["part"], asked["row"])


def _within(name: str, span: tuple[int, int] | None, n: int) -> tuple[int, int]:
    """Cut a range to what there is. Raises RefusedError, 404, where it begins beyond."""
    if span is None:
        return 0, n
    if span[0] >= n:
        raise not_there(name, f"a range that begins below {n}", f"{span[0]}:{span[1]}", "Units are counted from 0.")
    return span[0], min(span[1], n)


def pooled(
    passed: Pass, what: str, layer: int, rows: tuple[int, int], columns: tuple[int, int], height: int, width: int
) -> _F:
    """Give of each cell, height × width, the entry largest in magnitude, with its sign; rows are those of W = 𝒲ᵀ."""
    strips = []
    at_once = width * max(1, _ENTRIES_AT_ONCE // (width * (rows[1] - rows[0])))
    for start in range(columns[0], columns[1], at_once):
        strip = passed.entries(what, layer, slice(start, min(start + at_once, columns[1])), slice(*rows))
        strips.append(strip if (height, width) == (1, 1) else _extremes(strip, width, height))
    return np.concatenate(strips).T


def _extremes(block: _F, height: int, width: int) -> _F:
    high, low = block, block
    for axis, cell in ((1, width), (0, height)):  # the inner axis first: along it numbers are neighbours
        starts = np.arange(0, block.shape[axis], cell)
        high = np.maximum.reduceat(high, starts, axis=axis)
        low = np.minimum.reduceat(low, starts, axis=axis)
    extremes: _F = np.where(high >= -low, high, low)
    return extremes


def _edges(asked: Asked) -> dict[str, Any]:
    now, what, limit = asked.now, asked["what"], asked["limit"]
    layer = now.layer(asked["layer"])
    passed = now.row(asked["part"], asked["row"])
    key = ("edges", what, layer, limit, *_row_of(asked))
    return {"edges": now.once(key, lambda: largest(passed, what, layer, limit))}


def largest(passed: Pass, what: str, layer: int, limit: int) -> list[tuple[int, int, float]]:
    """Give the (j, k, value) largest in magnitude, the largest first, equal ones by unit, from a block at a time."""
    below, n = passed.at.plan.sizes[layer - 1], passed.at.plan.sizes[layer]
    ks, js = np.arange(below), np.arange(n)
    if what == "dW":  # an outer product: its largest entries are among those of the largest factors
        ks, js = _largest_of(passed.a[layer - 1], limit), _largest_of(passed.delta[layer], limit)
    best_k, best_j, best = np.array([], np.intp), np.array([], np.intp), np.array([])
    at_once = max(1, _ENTRIES_AT_ONCE // n)
    for start in range(0, len(ks), at_once):
        some = ks[start : start + at_once]
        if what == "dW":
            block = passed.a[layer - 1][some, np.newaxis] * passed.delta[layer][js]  # (E7)
        else:
            block = passed.entries(what, layer, slice(start, start + at_once), slice(None))
        size = np.abs(block)
        least = np.abs(best[-1]) if len(best) == limit else -1.0
        k, j = np.nonzero(size >= least)
        if len(k) > limit:
            chosen = np.argpartition(size[k, j], -limit)[-limit:]
            k, j = k[chosen], j[chosen]
        best_k, best_j = np.concatenate([best_k, some[k]]), np.concatenate([best_j, js[j]])
        best = np.concatenate([best, block[k, j]])
        order = np.lexsort((best_k, best_j, -np.abs(best)))[:limit]
        best_k, best_j, best = best_k[order], best_j[order], best[order]
    return list(zip(best_j.tolist(), best_k.tolist(), best.tolist(), strict=True))


def _largest_of(values: _F, limit: int) -> NDArray[np.intp]:
    """Where the `limit` largest in magnitude are, in order of place."""
    if limit >= len(values):
        return np.arange(len(values))
    return np.sort(np.argpartition(np.abs(values), -limit)[-limit:])


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
