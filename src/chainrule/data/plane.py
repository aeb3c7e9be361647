"""Data sets of two columns, x1 and x2, for networks whose answer can be drawn as a map; the same each time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chainrule.data.labelled import LabelledData

_ROWS = 400
_SEED = 20
_Points = tuple[NDArray[np.float64], NDArray[np.intp]]


def _moons(rng: np.random.Generator) -> _Points:
    """Two half circles that reach into each other."""
    labels = np.arange(_ROWS) % 2
    angle = rng.uniform(0, np.pi, _ROWS)
    sign = 1 - 2 * labels
    X = np.column_stack([np.cos(angle) * sign + labels - 0.5, np.sin(angle) * sign + 0.5 * labels - 0.25])
    return X + rng.normal(0, 0.12, X.shape), labels


def _circles(rng: np.random.Generator) -> _Points:
    """A disc in a ring."""
    labels = np.arange(_ROWS) % 2
    angle = rng.uniform(0, 2 * np.pi, _ROWS)
    radius = np.where(labels == 1, 0.6 * np.sqrt(rng.uniform(0, 1, _ROWS)), rng.uniform(0.9, 1.4, _ROWS))
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return X + rng.normal(0, 0.05, X.shape), labels


def _spiral(rng: np.random.Generator) -> _Points:
    """Two arms that wind around each other, one and a half times."""
    labels = np.arange(_ROWS) % 2
    along = np.sqrt(rng.uniform(0.01, 1, _ROWS))
    angle = 3 * np.pi * along + np.pi * labels
    X = 1.5 * along[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, 0.04, X.shape), labels


def _xor(rng: np.random.Generator) -> _Points:
    """Four quadrants, those of one diagonal alike, with a gap along the axes."""
    corner = np.arange(_ROWS) % 4
    signs = np.column_stack([1 - 2 * (corner % 2), 1 - 2 * (corner // 2)])
    return signs * rng.uniform(0.1, 1.2, signs.shape), (signs[:, 0] != signs[:, 1]).astype(np.intp)


_MAKERS: dict[str, Callable[[np.random.Generator], _Points]] = {
    "moons": _moons,
    "circles": _circles,
    "spiral": _spiral,
    "xor": _xor,
}
NAMES = tuple(_MAKERS)


def load(name: str) -> LabelledData:
    """Make one of NAMES: 400 rows of two columns around 0, two classes of 200 rows.

    >>> from chainrule.data import plane
    >>> data = plane.load("xor")
    >>> data.X.shape, data.feature_names
    ((400, 2), ('x1', 'x2'))
    >>> bool(((data.X[:, 0] * data.X[:, 1] < 0) == data.labels).all())
    True
    """
    X, labels = _MAKERS[name](np.random.default_rng(_SEED))
    return LabelledData(name, X, labels, feature_names=("x1", "x2"), class_names=("0", "1"))
