"""Data and pairs of estimators that the tests of this folder share."""

from functools import cache

import numpy as np
import sklearn.neural_network
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_linnerud,
    make_multilabel_classification,
)
from sklearn.preprocessing import scale

import chainrule as cr

THEIRS = {"classifier": sklearn.neural_network.MLPClassifier, "regressor": sklearn.neural_network.MLPRegressor}
OURS = {"classifier": cr.MLPClassifier, "regressor": cr.MLPRegressor}


@cache
def problem(name):
    """(kind of estimator, X, y), X scaled, small enough for 20 epochs in a fraction of a second."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return "classifier", X[:600] / 16, y[:600]
    if name in ("breast_cancer", "breast_cancer_01"):
        X, y = load_breast_cancer(return_X_y=True)
        return "classifier", scale(X), np.array(["malignant", "benign"])[y] if name == "breast_cancer" else y
    if name == "multilabel":
        X, y = make_multilabel_classification(200, 12, n_classes=4, random_state=0)
        return "classifier", scale(X), y
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        return "regressor", scale(X), scale(y)
    if name == "counts":
        X, y = load_diabetes(return_X_y=True)
        return "regressor", scale(X), np.floor(y / 40)
    X, y = load_linnerud(return_X_y=True)
    return "regressor", scale(X), scale(y)


def both(name, **settings):
    """Give scikit-learn's estimator and chainrule's with the same settings, and the data."""
    kind, X, y = problem(name)
    return THEIRS[kind](**settings), OURS[kind](**settings), X, y


def furthest(theirs, ours):
    """The largest difference of any coefficient or intercept."""
    pairs = zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)
