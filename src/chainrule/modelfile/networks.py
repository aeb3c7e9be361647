"""Networks as headers and arrays: `cr.save`, `cr.load` and `cr.load_certificate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.gradient_report import GradientReport, digest
from chainrule.engine.network import Network, check_network
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
    net = Network.from_plan(plan, parameters)
    _certificate(header, net, where)
    return net


def save(net: Network, path: str | Path, *, certificate: GradientReport | None = None) -> None:
    """Write a network to a model file, atomically.

    The file is a safetensors file: arrays W1, b1, W2, … and one JSON header with sizes, names and dtype. An
    activation or cost of your own is kept by its name.

    Parameters
    ----------
    net : Network
    path : str or Path
    certificate : GradientReport, optional
        What `cr.check_gradients` found for this very network: stored beside it, for `cr.load_certificate`.

    Raises
    ------
    ModelFileError
        When the file can't be written, or a parameter is not finite; what was there before is then unchanged.
    InputError
        For something else than a network, and for a certificate that did not pass, or that was made for other
        parameters or another network.

    Examples
    --------
    >>> import tempfile, chainrule as cr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save(cr.Network([3, 2]), f"{folder}/m.chainrule")
    ...     cr.load(f"{folder}/m.chainrule").sizes
    (3, 2)
    """
    check_network(net)
    header = {"network": describe(net)}
    if certificate is not None:
        _check_certificate(certificate, net)
        header["certificate"] = certificate.to_dict()
    modelfile.write(path, header, arrays_of(net))


def _check_certificate(certificate: Any, net: Network) -> None:
    """See that a report passed and is of this network as it is now. Raises InputError."""
    again = "Call cr.check_gradients(net, X, Y) right before cr.save."
    if not isinstance(certificate, GradientReport):
        got = f"{certificate!r:.40}"
        raise InputError(text("certificate", expected="what cr.check_gradients gives", got=got, hint=again))
    if not certificate.network_sha256:
        raise InputError(
            text("certificate", expected="a report of this network", got=f"one of {certificate.checked}", hint=again)
        )
    if certificate.network_sha256 != digest(net.plan, net.parameters):
        expected, got = "a report of this network and these parameters", "one of others"
        raise InputError(text("certificate", expected=expected, got=got, hint=again))
    if not certificate.passed:
        hint = "Correct what print(certificate) shows, or save without it."
        wrong = f", worst at {certificate.worst.name}" if certificate.failed and certificate.worst else ""
        got = f"one that did not pass{wrong}"
        raise InputError(text("certificate", expected="a report that passed", got=got, hint=hint))


def _certificate(header: dict[str, Any], net: Network, where: str) -> GradientReport | None:
    """Read a certificate, which has to be of the network beside it. Raises ModelFileError."""
    if "certificate" not in header:
        return None
    what, hint = f"certificate of {where}", "The file is damaged, or was changed by a program other than chainrule."
    try:
        certificate = GradientReport.from_dict(header["certificate"])
    except ValueError as error:
        raise ModelFileError(text(what, expected="a whole one", got=str(error), hint=hint)) from None
    if certificate.network_sha256 != digest(net.plan, net.parameters):
        raise ModelFileError(text(what, expected="one of the network in the file", got="one of another", hint=hint))
    return certificate


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


def load_certificate(path: str | Path) -> GradientReport | None:
    """Read what a check of gradients found for the network of a model file; None where it has no certificate.

    It is of the network in the file and of its parameters: one of others is refused. It is not signed: who can
    write the file can write a certificate.

    Raises
    ------
    ModelFileError
        As `load` does, which refuses a damaged certificate too.

    Examples
    --------
    >>> import tempfile, numpy as np, chainrule as cr
    >>> net, X, Y = cr.Network([3, 2], "tanh"), np.eye(3), [0, 1, 1]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cr.save(net, f"{folder}/m.chainrule", certificate=cr.check_gradients(net, X, Y))
    ...     cr.load_certificate(f"{folder}/m.chainrule").passed
    True
    """
    header, arrays = modelfile.read(path)
    return _certificate(header, build(header, arrays, str(path)), str(path))
