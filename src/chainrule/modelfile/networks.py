"""Networks as headers and arrays: `cr.save` and `cr.load`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.plan import make_plan
from chainrule.errors import InputError, ModelFileError, text
from chainrule.modelfile import format as modelfile


def describe(net: Network) -> dict[str, Any]:
    """Say what a network is in a JSON object: everything but its numbers."""
    plan = net.plan
    return {
        "sizes": list(plan.sizes),
        "activations": [g.name for g in plan.activations],
        "cost": plan.cost.name,
        "bias": list(plan.bias),
        "reduction": plan.reduction,
        "dtype": plan.dtype,
    }


def arrays_of(net: Network) -> dict[str, NDArray[Any]]:
    """Name a network's arrays W1, b1, W2, b2, …, 𝒲^ℓ being (n_{ℓ−1}, n_ℓ)."""
    weights = {f"W{layer}": array for layer, array in net.W.items()}
    return weights | {f"b{layer}": array for layer, array in net.b.items()}


def build(header: dict[str, Any], arrays: dict[str, NDArray[Any]], where: str) -> Network:
    """Make a network of what `describe` and `arrays_of` gave. Raises ModelFileError, naming `where`."""
    hint = "The file is damaged, or was written by a program other than chainrule."
    try:
        given = header["network"]
        plan = make_plan(*(given[key] for key in ("sizes", "activations", "cost", "bias", "reduction", "dtype")))
    except (KeyError, TypeError) as error:
        got = f"{type(error).__name__} {error}"
        raise ModelFileError(text(f"header of {where}", expected="a network", got=got, hint=hint)) from None
    except InputError as error:
        own = "If it is your own activation or cost, call cr.register_activation or cr.register_cost before loading."
        raise ModelFileError(f"header of {where}: {error} {own}") from error
    shapes = {f"W{layer}": at.shape for layer, at in plan.weight_blocks.items()}
    shapes |= {f"b{layer}": at.shape for layer, at in plan.bias_blocks.items()}
    for name, shape in shapes.items():
        array = arrays.get(name)
        got = "none" if array is None else f"shape {array.shape} of {array.dtype}"
        if array is None or array.shape != shape or array.dtype != plan.dtype:
            what = f"array {name} of {where}"
            raise ModelFileError(text(what, expected=f"shape {shape} of {plan.dtype}", got=got, hint=hint))
    parameters = np.empty(plan.n_parameters, dtype=plan.dtype)
    for views, symbol in zip(plan.split(parameters), "Wb", strict=True):
        for layer, view in views.items():
            view[...] = arrays[f"{symbol}{layer}"]
    return Network.from_plan(plan, parameters)


def save(net: Network, path: str | Path) -> None:
    """Write a network to a model file, atomically.

    The file is a safetensors file: arrays W1, b1, W2, … and one JSON header with sizes, names and dtype. An
    activation or cost of your own is kept by its name.

    Raises
    ------
    ModelFileError
        When the file can't be written, or a parameter is not finite; what was there before is then unchanged.

    Examples
    --------
    >>> import tempfile, chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save(cr.Network([3, 2]), f"{folder}/m.chainrule")
    ...     cr.load(f"{folder}/m.chainrule").sizes
    (3, 2)
    """
    if not isinstance(net, Network):
        hint = "Write cr.save(net, path)."
        raise InputError(text("net", expected="a cr.Network", got=type(net).__name__, hint=hint))
    modelfile.write(path, {"network": describe(net)}, arrays_of(net))


def load(path: str | Path) -> Network:
    """Read the network of a model file; of what the command line saved, the network without its preprocessing.

    Loading runs no code of the file's. An activation or cost of your own has to be registered before.

    Raises
    ------
    ModelFileError
        For a file that is missing, cut short, damaged, not a chainrule model, of a newer version, or that names an
        unknown activation or cost.

    Examples
    --------
    >>> import tempfile, chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net = cr.Network([3, 2], seed=7)
    ...     cr.save(net, f"{folder}/m.chainrule")
    ...     (cr.load(f"{folder}/m.chainrule").parameters == net.parameters).all().item()
    True
    """
    header, arrays = modelfile.read(path)
    return build(header, arrays, str(path))
