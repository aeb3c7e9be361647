"""The answer of a network with two inputs, over the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import text
from chainrule.explorer.answers import RefusedError
from chainrule.explorer.endpoints import Asked, Endpoint
from chainrule.explorer.parameters import Parameter, Whole
from chainrule.explorer.session import Now

_POINTS = 1000
_MARGIN = 0.1
"""Of the points' extent, on each side."""


def _decision(asked: Asked) -> dict[str, Any]:
    now, n = asked.now, asked["resolution"]
    if not now.material.plane:
        hint = "Open moons, circles, spiral or xor."
        got = f"{now.net.sizes[0]:,}"
        raise RefusedError(400, text("network", expected="2 inputs for a map", got=got, hint=hint), "resolution")
    points, classes, rows = _points(now)
    (x0, x1), (y0, y1) = (_extent(points[:, axis]) for axis in (0, 1))
    grid_x, grid_y = np.meshgrid(np.linspace(x0, x1, n), np.linspace(y0, y1, n))
    outputs = now.net.predict(np.column_stack([grid_x.ravel(), grid_y.ravel()]))
    values = _shown(now, outputs).reshape(n, n)
    return {
        "x": [x0, x1],
        "y": [y0, y1],
        "values": values,
        "classes": now.material.classes or [],
        "points": [[*point, c] for point, c in zip(points.tolist(), classes.tolist(), strict=True)],
        "rows": rows,
    }


def _points(now: Now) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.intp]]:
    """Up to 1,000 rows of all, evenly spread: the network's inputs, the class or the first target, and the row."""
    m = now.material.count("all")
    some = np.unique(np.linspace(0, m - 1, min(m, _POINTS)).round()).astype(np.intp)
    X, targets = now.material.some("all", some)
    values = targets.values
    return X.astype(np.float64), values if values.ndim == 1 else values[:, 0], some


def _extent(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _shown(now: Now, outputs: NDArray[Any]) -> NDArray[Any]:
    """Of two classes the share of class 1, of more the number of the largest, of a regression the first output."""
    classes = now.material.classes
    if classes is None:
        return np.asarray(outputs[:, 0])
    if len(classes) > 2:
        return np.asarray(outputs.argmax(axis=1))
    pipeline = now.material.pipeline
    if not pipeline.has_probabilities:
        return np.asarray(outputs.argmax(axis=1), dtype=np.float64)
    return pipeline.shares(outputs)[:, 1]


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/decision",
        "The answer over a grid of the two inputs, row by row from the lowest y: the share of class 1 of two classes, "
        "the class of more, the output of a regression; with up to 1,000 rows of part all as points [x, y, class].",
        _decision,
        {
            "x": "number[]",
            "y": "number[]",
            "values": "array[]",
            "classes": "string[]",
            "points": "array[]",
            "rows": "integer[]",
        },
        (Parameter("resolution", Whole(2, 256), "points of the grid on each side", 64),),
    ),
)
