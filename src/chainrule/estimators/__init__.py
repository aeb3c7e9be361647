"""scikit-learn's multilayer perceptrons on the engine of chainrule, and what goes beyond them."""

from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.interchange import from_sklearn
from chainrule.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn"]
