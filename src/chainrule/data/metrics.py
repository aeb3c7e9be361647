"""Figures of merit on a test set, each beside the baseline that always gives the same answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def classification(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """Accuracy and balanced accuracy, in 0..1, beside the share of the most frequent class."""
    from sklearn.metrics import accuracy_score

    counts = np.unique(truth, return_counts=True)[1]
    recalls = [float(np.mean(predicted[truth == c] == c)) for c in np.unique(truth)]
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "balanced_accuracy": float(np.mean(recalls)),
        "baseline_accuracy": float(counts.max() / counts.sum()),
    }


def regression(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """R², mean absolute error and root mean squared error in the targets' units, and the errors of the mean."""
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    figures = {
        "mae": float(mean_absolute_error(truth, predicted)),
        "rmse": float(np.sqrt(mean_squared_error(truth, predicted))),
        "baseline_mae": float(mean_absolute_error(truth, mean)),
        "baseline_rmse": float(np.sqrt(mean_squared_error(truth, mean))),
    }
    if len(truth) > 1:  # R² of a single row is undefined
        figures = {"r2": float(r2_score(truth, predicted)), **figures}
    return figures
