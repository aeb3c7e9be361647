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


def read_parameters(plan: Plan, given: Any) -> NDArray[Any]:
    """Lay first weights out as θ, (|θ|,): from a network, from θ itself, or from (coefs, intercepts).

    Raises InputError for other shapes, and for numbers that are not finite.
    """
    name, hint = "initial_parameters", "Give (coefs_, intercepts_) of a fitted estimator, a cr.Network, or θ."
    if isinstance(given, Network):
        given = (list(given.W.values()), [given.b.get(layer, 0) for layer in given.plan.layers])
    parameters = np.empty(plan.n_parameters, dtype=plan.dtype)
    is_pair = (
        isinstance(given, tuple | list) and len(given) == 2 and all(isinstance(one, tuple | list) for one in given)
    )
    if not is_pair:
        values = real_array(name, given)
        if values.shape != parameters.shape:
            raise InputError(text(name, expected=f"shape {parameters.shape}", got=f"shape {values.shape}", hint=hint))
        parameters[...] = cast(values, plan.dtype, name)
        return parameters
    for views, arrays, symbol in zip(plan.split(parameters), given, ("coefs", "intercepts"), strict=True):
        if len(arrays) != plan.L:
            raise InputError(text(f"{symbol} of {name}", expected=f"{plan.L} arrays", got=str(len(arrays)), hint=hint))
        for layer, view in views.items():
            array = real_array(f"{symbol}[{layer - 1}]", arrays[layer - 1])
            if array.shape not in (view.shape, ()):
                expected, got = f"shape {view.shape}", f"shape {array.shape}"
                raise InputError(text(f"{symbol}[{layer - 1}]", expected=expected, got=got, hint=hint))
            view[...] = cast(array, plan.dtype, f"{symbol}[{layer - 1}]")
    return parameters
