"""What makes a training the one that a checkpoint is of: network, data, and every setting that its bits depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.maths.activations import activation
from chainrule.maths.costs import cost
from chainrule.maths.schedules import ByTime, Constant
from chainrule.modelfile.networks import describe
from chainrule.training.arguments.solvers import AUTO
from chainrule.training.examples.batches import DataSet, Examples

if TYPE_CHECKING:
    from chainrule.training.arguments.asked import Asked

FREE = frozenset(
    {"epochs", "callbacks", "max_time", "n_threads", "verbose", "checkpoint", "checkpoint_every", "resume"}
)
"""Arguments of `cr.train` that may change when a training is resumed."""
WHOLE, SOME = 2**26, 1024  # bytes that are read in a tenth of a second; rows of a file that is mapped, at a disk's pace
_READ = frozenset({"net", "X", "Y", "sample_weight", "validation", "metrics", "seed"})  # what has an entry of its own
_ADDRESS = " at 0x"


def identity_of(net: Network, data: Examples, evaluations: Mapping[str, Examples], asked: Asked) -> dict[str, Any]:
    """Give what has to be the same where a training is resumed, by argument, as JSON.

    Of data there are shapes, dtypes and checksums; of functions and objects of the user's own the names and settings,
    as their code can't be compared.
    """
    given = asked.given
    _check_registered(net)
    found: dict[str, Any] = {
        "chainrule": importlib.import_module("chainrule").__version__,  # no room to the right is imported by it
        **describe(net),
        "backend": net.backend,
        **dict(zip(("X", "Y", "sample_weight"), _of_data(data), strict=True)),
        "validation": {name: _of_data(examples) for name, examples in evaluations.items()},
        "metrics": sorted(given.get("metrics") or ()),
        "seed": None if given["seed"] is None else _said(given["seed"], "a Generator"),
    }
    if isinstance(given["X"], DataSet):
        found["X"]["of them"] = _digest([given["X"].rows])  # those that whoever checked them has chosen
    if isinstance(given["validation"], float | np.floating):
        found["validation"] = float(given["validation"])  # it and the generator say which rows of X
    read = {
        "optimizer": AUTO if asked.chooses else asked.optimizer,
        "learning_rate": asked.rates or given["learning_rate"],
        "penalty": asked.penalty,
        "l1": asked.l1,
        "frozen": asked.options.frozen(net.plan),
        "early_stopping": asked.stopping,
    }
    arguments = {**given, **read}
    found |= {name: _said(value) for name, value in arguments.items() if name not in FREE | _READ}
    return dict(json.loads(json.dumps(found)))


def _check_registered(net: Network) -> None:
    """See that a checkpoint of the network can be read: it has the names of functions, not the functions."""
    plan = net.plan
    try:
        for g in plan.activations:
            activation(g.name)
        cost(plan.cost.name)
    except InputError:
        hint = "Call cr.register_activation or cr.register_cost before training: a checkpoint keeps names."
        got = ", ".join(plan.own)
        raise InputError(text("checkpoint", expected="functions that are registered", got=got, hint=hint)) from None


def _of_data(examples: Examples) -> list[Any]:
    """Say which rows, targets and weights these are."""
    if not isinstance(examples, DataSet):
        return [examples.fingerprint(), None, None]  # type: ignore[attr-defined] # a stream's own
    X = examples.X
    parts = [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
    rows = {"shape": list(X.shape), "dtype": str(X.dtype), "sha256": _digest(parts)}
    Y, weights = examples.targets.values, examples.weights
    targets = {"shape": list(Y.shape), "dtype": str(Y.dtype), "sha256": _digest([Y])}
    return [rows, targets, None if weights is None else {"shape": list(weights.shape), "sha256": _digest([weights])}]


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    """SHA-256 of arrays; of one of more than `WHOLE` bytes of `SOME` rows, the first, the last and evenly between."""
    found = hashlib.sha256()
    for array in arrays:
        rows = np.unique(np.linspace(0, len(array) - 1, SOME).astype(np.intp)) if array.nbytes > WHOLE else slice(None)
        found.update(np.ascontiguousarray(array[rows]).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _said(value: Any, generator: str = "") -> Any:
    """Say what a setting is, the same in every process."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, ByTime):
        value = value.schedule
    if isinstance(value, Constant):
        value = value.initial
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, float) or np.isfinite(value) else repr(value)
    if isinstance(value, np.random.Generator):
        return generator
    if isinstance(value, Mapping):
        return {str(key): _said(part) for key, part in value.items()}
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        array = np.asarray(value)
        return {"shape": array.shape, "dtype": str(array.dtype), "sha256": _digest([np.atleast_1d(array)])}
    if isinstance(value, frozenset | set):
        return sorted((_said(part) for part in value), key=repr)  # in an order that is the same in every process
    if isinstance(value, Sequence):
        return [_said(part) for part in value]
    return _object(value)


def _object(value: Any) -> str:
    if isinstance(value, FunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    name = type(value).__qualname__
    if dataclasses.is_dataclass(value):
        settings = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        settings |= getattr(value, "__dict__", {})  # of a class that was derived from it
    elif _ADDRESS in repr(value):  # it doesn't say what it is, but where
        settings = getattr(value, "__dict__", {})
    else:
        return repr(value)
    return f"{name}({', '.join(f'{key}={_said(part)}' for key, part in settings.items())})"


def check_same(kept: Mapping[str, Any], now: Mapping[str, Any], path: str) -> None:
    """See that a training is the one that the checkpoint at `path` is of. Raises InputError, naming what differs."""
    for name, value in now.items():
        before = kept.get(name)
        if before == value:
            continue
        hint = (
            "Resume with the arguments and data of the training that the checkpoint is of, or start anew in another "
            f"folder: cr.load({path!r}) gives its network."
        )
        if name == "chainrule":
            hint = f"Other versions may compute other bits: install it, pip install chainrule=={before}, or start anew."
        raise InputError(text(name, expected=f"{_shown(before)}, as in {path}", got=_shown(value), hint=hint))


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "sha256" in value:
        dtype = f" of {value['dtype']}" if "dtype" in value else ""
        return f"shape {tuple(value['shape'])}{dtype} and SHA-256 {value['sha256'][:8]}…"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(part)}" for name, part in value.items()) + "}"
    return value if isinstance(value, str) and value else repr(value)
