"""chainrule: dense feed-forward networks by explicit backpropagation, every derivative open to inspection."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule import derivatives
    from chainrule.data.parts import Blocks
    from chainrule.data.pipeline import load_pipeline
    from chainrule.data.row_groups import ParquetRows
    from chainrule.derivatives.checker import check_gradients
    from chainrule.engine.gradient_report import GradientReport
    from chainrule.engine.network import Network
    from chainrule.errors import (
        ChainruleError,
        CheckpointWarning,
        DataError,
        DerivativeError,
        DivergenceWarning,
        InputError,
        ModelFileError,
        NativeError,
        NativeMissingWarning,
        PairError,
    )
    from chainrule.estimators import MLPClassifier, MLPRegressor, from_sklearn
    from chainrule.estimators.pipelines import pipeline_jacobian
    from chainrule.glassbox import plots
    from chainrule.glassbox.derivations.derivation import Derivation, derive
    from chainrule.glassbox.derivations.ledger import PathLedger, path_ledger
    from chainrule.glassbox.diagnosis.diagnosis import Diagnosis, diagnose
    from chainrule.maths import schedules
    from chainrule.maths.activations import Activation, CoupledActivation, register_activation
    from chainrule.maths.costs import Cost, register_cost
    from chainrule.maths.intervals import Interval
    from chainrule.maths.updates import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp, Rprop
    from chainrule.modelfile.networks import load, load_certificate, save
    from chainrule.training import callbacks
    from chainrule.training.minibatches.kfac import KFAC
    from chainrule.training.minibatches.line_search import LineSearchSGD
    from chainrule.training.progress.history import History, RateSearch
    from chainrule.training.train import train
    from chainrule.training.watching.early_stopping import EarlyStopping
    from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG
    from chainrule.training.whole_set.lbfgs import LBFGS
    from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt

__version__ = "0.1.0"

__all__ = [
    "KFAC",
    "LBFGS",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Blocks",
    "ChainruleError",
    "CheckpointWarning",
    "Cost",
    "CoupledActivation",
    "DataError",
    "Derivation",
    "DerivativeError",
    "Diagnosis",
    "DivergenceWarning",
    "EarlyStopping",
    "GaussNewtonCG",
    "GradientReport",
    "History",
    "InputError",
    "Interval",
    "LevenbergMarquardt",
    "LineSearchSGD",
    "MLPClassifier",
    "MLPRegressor",
    "ModelFileError",
    "Momentum",
    "NativeError",
    "NativeMissingWarning",
    "Nesterov",
    "Network",
    "PairError",
    "ParquetRows",
    "PathLedger",
    "RMSProp",
    "RateSearch",
    "Rprop",
    "callbacks",
    "check_gradients",
    "derivatives",
    "derive",
    "diagnose",
    "from_sklearn",
    "load",
    "load_certificate",
    "load_pipeline",
    "path_ledger",
    "pipeline_jacobian",
    "plots",
    "register_activation",
    "register_cost",
    "save",
    "schedules",
    "train",
]

# Nothing is imported before it is asked for: numpy alone takes longer than all of chainrule, scikit-learn ten times as
# long. A test holds the imports above and these tables to each other.
_HOMES = {
    "Activation": "maths.activations",
    "Adam": "maths.updates",
    "AdamW": "maths.updates",
    "Blocks": "data.parts",
    "ChainruleError": "errors",
    "CheckpointWarning": "errors",
    "Cost": "maths.costs",
    "CoupledActivation": "maths.activations",
    "DataError": "errors",
    "Derivation": "glassbox.derivations.derivation",
    "DerivativeError": "errors",
    "Diagnosis": "glassbox.diagnosis.diagnosis",
    "DivergenceWarning": "errors",
    "EarlyStopping": "training.watching.early_stopping",
    "GaussNewtonCG": "training.whole_set.gauss_newton_cg",
    "GradientReport": "engine.gradient_report",
    "History": "training.progress.history",
    "InputError": "errors",
    "Interval": "maths.intervals",
    "KFAC": "training.minibatches.kfac",
    "LBFGS": "training.whole_set.lbfgs",
    "LevenbergMarquardt": "training.whole_set.levenberg_marquardt",
    "LineSearchSGD": "training.minibatches.line_search",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "ModelFileError": "errors",
    "Momentum": "maths.updates",
    "NativeError": "errors",
    "NativeMissingWarning": "errors",
    "Nesterov": "maths.updates",
    "Network": "engine.network",
    "PairError": "errors",
    "ParquetRows": "data.row_groups",
    "PathLedger": "glassbox.derivations.ledger",
    "RateSearch": "training.progress.history",
    "RMSProp": "maths.updates",
    "Rprop": "maths.updates",
    "SGD": "maths.updates",
    "check_gradients": "derivatives.checker",
    "derive": "glassbox.derivations.derivation",
    "diagnose": "glassbox.diagnosis.diagnosis",
    "from_sklearn": "estimators",
    "load": "modelfile.networks",
    "load_certificate": "modelfile.networks",
    "load_pipeline": "data.pipeline",
    "path_ledger": "glassbox.derivations.ledger",
    "pipeline_jacobian": "estimators.pipelines",
    "register_activation": "maths.activations",
    "register_cost": "maths.costs",
    "save": "modelfile.networks",
    "train": "training.train",
}
_MODULES = {
    "callbacks": "training.callbacks",
    "derivatives": "derivatives",
    "plots": "glassbox.plots",
    "schedules": "maths.schedules",
    # the rooms, as in `import chainrule` and then `chainrule.errors.text`
    "data": "data",
    "engine": "engine",
    "errors": "errors",
    "glassbox": "glassbox",
    "maths": "maths",
    "modelfile": "modelfile",
    "training": "training",
}

if not TYPE_CHECKING:  # to a type checker this function would make every name a public one

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            value = getattr(import_module(f"chainrule.{_HOMES[name]}"), name)
        elif name in _MODULES:
            value = import_module(f"chainrule.{_MODULES[name]}")
        else:
            raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
        globals()[name] = value  # found there from now on, without this function
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
