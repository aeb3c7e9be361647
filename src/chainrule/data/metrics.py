"""Figures of merit on a test set, each beside the baseline that always gives the same answer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figures = dict[str, Any]


def classification(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    probabilities: NDArray[Any] | None = None,
    shares: NDArray[np.float64] | None = None,
    n_classes: int | None = None,
) -> Figures:
    """Accuracy and balanced accuracy, in 0..1, log loss and confusion matrix, beside the most frequent class.

    `shares` are the classes' shares of the training rows: the baseline answers the largest, and its probabilities are
    these shares. Without them they are those of `truth`. `probabilities` is (m, n_classes); without it there is no log
    loss. Log loss is scikit-learn's: a probability below machine epsilon, 2.2e-16 in float64, counts as that. Row i,
    column j of the confusion matrix counts rows of class i that are taken for class j.
    """
    with warnings.catch_warnings():
        # scikit-learn guesses from few rows of many classes that they are no classes
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
        return _classification(truth, predicted, probabilities, shares, n_classes)


def _classification(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    probabilities: NDArray[Any] | None,
    shares: NDArray[np.float64] | None,
    n_classes: int | None,
) -> Figures:
    from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, recall_score

    every = np.arange(n_classes if n_classes is not None else 1 + max(truth.max(), predicted.max()))
    there = np.unique(truth)
    if shares is None:
        shares = np.bincount(truth, minlength=len(every)) / len(truth)
    constant = np.full_like(truth, shares.argmax())

    def balanced(answers: NDArray[Any]) -> float:
        return float(recall_score(truth, answers, labels=there, average="macro", zero_division=0))

    def loss(p: NDArray[Any]) -> float:
        return float(log_loss(truth, p, labels=every))

    figures: Figures = {
        "accuracy": float(accuracy_score(truth, predicted)),
        "balanced_accuracy": balanced(predicted),
        "baseline_accuracy": float(accuracy_score(truth, constant)),
        "baseline_balanced_accuracy": balanced(constant),
    }
    if probabilities is not None:
        figures["log_loss"] = loss(probabilities)
        figures["baseline_log_loss"] = loss(np.broadcast_to(shares, (len(truth), len(every))))
    figures["confusion_matrix"] = confusion_matrix(truth, predicted, labels=every).tolist()
    return figures


def regression(truth: NDArray[Any], predicted: NDArray[Any], mean: NDArray[np.float64] | None = None) -> Figures:
    """R², mean absolute error and root mean squared error in the targets' units, and those of always answering `mean`.

    `mean`, (k,), is that of the training rows; without it, that of `truth`. R² of a single row is undefined and left
    out.
    """
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    constant = np.broadcast_to(truth.mean(axis=0) if mean is None else mean, truth.shape)
    figures: Figures = {}
    for prefix, answers in (("", predicted), ("baseline_", constant)):
        if len(truth) > 1:
            figures[f"{prefix}r2"] = float(r2_score(truth, answers))
        figures[f"{prefix}mae"] = float(mean_absolute_error(truth, answers))
        figures[f"{prefix}rmse"] = float(np.sqrt(mean_squared_error(truth, answers)))
    return figures
