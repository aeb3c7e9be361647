"""First weights: drawn as scikit-learn draws them, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import cast, real_array
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.errors import InputError, text


def draw_parameters(plan: Plan, names: Sequence[str], random_state: np.random.RandomState) -> NDArray[Any]:
    """Draw θ, (|θ|,), as scikit-learn does: uniform within ±√(6/(fan_in + fan_out)), biases too (Glorot, Bengio 2010).

    2 stands for 6 where the layer's name, of the L `names`, is logistic.
    Layer by layer, weights before biases, in float64, so that a seed gives the numbers that scikit-learn draws.
    """
    parameters = np.empty(plan.n_parameters, dtype=plan.dtype)
    W, b = plan.split(parameters)
    for layer in plan.layers:
        fan_in, fan_out = plan.sizes[layer - 1], plan.sizes[layer]
        bound = np.sqrt((2.0 if names[layer - 1] == "logistic" else 6.0) / (fan_in + fan_out))
        W[layer][...] = random_state.uniform(-bound, bound, (fan_in, fan_out))
        b[layer][...] = random_state.uniform(-bound, bound, fan_out)
    return parameters


INITIAL = ("coefs[{}] of initial_parameters", "intercepts[{}] of initial_parameters")
"""What errors call the arrays of `initial_parameters`."""
_HINT = "Give (coefs_, intercepts_) of a fitted estimator, a cr.Network, or θ."


def read_parameters(plan: Plan, given: Any) -> NDArray[Any]:
    """Lay `initial_parameters` out as θ, (|θ|,): from a network, from θ itself, or from (coefs, intercepts).

    Raises InputError for other shapes, and for numbers that are not finite.
    """
    if isinstance(given, Network):
        biases = [given.b[layer] if layer in given.b else np.zeros(given.sizes[layer]) for layer in given.plan.layers]
        return join_parameters(plan, list(given.W.values()), biases, INITIAL)
    if isinstance(given, tuple | list) and len(given) == 2 and all(isinstance(one, tuple | list) for one in given):
        coefs, intercepts = given
        return join_parameters(plan, coefs, intercepts, INITIAL)
    name = "initial_parameters"
    values = real_array(name, given)
    if values.shape != (plan.n_parameters,):
        expected, got = f"shape ({plan.n_parameters},)", f"shape {values.shape}"
        raise InputError(text(name, expected=expected, got=got, hint=_HINT))
    return cast(values, plan.dtype, name).copy()


def join_parameters(
    plan: Plan, coefs: Sequence[Any], intercepts: Sequence[Any], names: tuple[str, str]
) -> NDArray[Any]:
    """Lay weights and biases by layer out as θ, (|θ|,); `names` say with {} for the index what errors call them.

    Raises InputError for other shapes, and for numbers that are not finite.
    """
    parameters = np.empty(plan.n_parameters, dtype=plan.dtype)
    for views, arrays, name in zip(plan.split(parameters), (coefs, intercepts), names, strict=True):
        if len(arrays) != plan.L:
            got = str(len(arrays))
            raise InputError(text(name.replace("[{}]", ""), expected=f"{plan.L} arrays", got=got, hint=_HINT))
        for layer, view in views.items():
            called = name.format(layer - 1)
            array = real_array(called, arrays[layer - 1])
            if array.shape != view.shape:
                expected, got = f"shape {view.shape}", f"shape {array.shape}"
                raise InputError(text(called, expected=expected, got=got, hint=_HINT))
            view[...] = cast(array, plan.dtype, called)
    return parameters
