"""chainrule: dense feed-forward networks by explicit backpropagation, every derivative open to inspection."""

from typing import TYPE_CHECKING, Any

from chainrule import derivatives
from chainrule.data.pipeline import load_pipeline
from chainrule.engine.network import Network
from chainrule.errors import (
    ChainruleError,
    DataError,
    DerivativeError,
    DivergenceWarning,
    InputError,
    ModelFileError,
    PairError,
)
from chainrule.maths import schedules
from chainrule.maths.activations import Activation, CoupledActivation, register_activation
from chainrule.maths.costs import Cost, register_cost
from chainrule.maths.intervals import Interval
from chainrule.maths.updates import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp
from chainrule.modelfile.networks import load, save
from chainrule.training.callbacks import EarlyStopping
from chainrule.training.history import History
from chainrule.training.lbfgs import LBFGS
from chainrule.training.train import train

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier, MLPRegressor, from_sklearn

__version__ = "0.1.0"

__all__ = [
    "LBFGS",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "ChainruleError",
    "Cost",
    "CoupledActivation",
    "DataError",
    "DerivativeError",
    "DivergenceWarning",
    "EarlyStopping",
    "History",
    "InputError",
    "Interval",
    "MLPClassifier",
    "MLPRegressor",
    "ModelFileError",
    "Momentum",
    "Nesterov",
    "Network",
    "PairError",
    "RMSProp",
    "derivatives",
    "from_sklearn",
    "load",
    "load_pipeline",
    "register_activation",
    "register_cost",
    "save",
    "schedules",
    "train",
]


def __getattr__(name: str) -> Any:
    # the estimators inherit from scikit-learn, whose import takes longer than all of chainrule
    if name in ("MLPClassifier", "MLPRegressor", "from_sklearn"):
        from chainrule import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
