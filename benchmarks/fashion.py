"""60,000 images to train on: Fashion-MNIST from Debian's package dataset-fashion-mnist, or something of that size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path("/usr/share/datasets/fashion-mnist")
ROWS = 60_000
Part = tuple[NDArray[Any], NDArray[Any]]


def load() -> tuple[Part, Part, str]:
    """Give rows and labels to train on, the same to test on, and what they are. Images are rows of uint8."""
    if FOLDER.is_dir():
        from chainrule.data import idx

        data = idx.load(FOLDER)
        if data.test is None:
            raise SystemExit(f"{FOLDER} has no test part")
        return (data.X, data.labels), (data.test.X, data.test.labels), "Fashion-MNIST"
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X, train, test = X.astype(np.uint8), slice(300, None), slice(300)
    often = np.arange(ROWS) % (len(y) - 300)
    name = f"digits, repeated to {ROWS:,} rows (apt-get install dataset-fashion-mnist brings Fashion-MNIST)"
    return (X[train][often], y[train][often]), (X[test], y[test]), name
