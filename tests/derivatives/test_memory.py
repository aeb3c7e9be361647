"""Workspace stays within `max_memory`, whatever the number of rows and the activation's own temporaries."""

import tracemalloc

import numpy as np
import pytest

from cases import BACKENDS
from chainrule import Network
from chainrule import derivatives as d

ROWS = 600
BUDGET = 2**20
SMALL = 64 * 1024  # what Python's own objects take
FUNCTIONS = {
    "input_gradient": lambda net, X, Y, v, **more: d.input_gradient(net, X, **more),
    "jacobian": lambda net, X, Y, v, **more: d.jacobian(net, X, of="z", **more),
    "cost_input_gradient": lambda net, X, Y, v, **more: d.cost_input_gradient(net, X, Y, **more),
    "jvp": lambda net, X, Y, v, **more: d.jvp(net, X, X, **more),
    "vjp": lambda net, X, Y, v, **more: d.vjp(net, X, Y, **more),
    "input_hessian": lambda net, X, Y, v, **more: d.input_hessian(net, X, **more),
    "integrated_gradients": lambda net, X, Y, v, **more: d.integrated_gradients(net, X, steps=3, **more),
    "layer_jacobian": lambda net, X, Y, v, **more: d.layer_jacobian(net, X, 1, 2, **more),
    "sensitivity_profile": lambda net, X, Y, v, **more: d.sensitivity_profile(net, X, Y, **more),
    "hvp": lambda net, X, Y, v, **more: d.hvp(net, X, Y, v, **more),
    "ggn_vp": lambda net, X, Y, v, **more: d.ggn_vp(net, X, Y, v, **more),
    "fisher_vp": lambda net, X, Y, v, **more: d.fisher_vp(net, X, Y, v, kind="empirical", **more),
    "per_example_gradients": lambda net, X, Y, v, **more: d.per_example_gradients(net, X, Y, **more),
    "per_example_norms": lambda net, X, Y, v, **more: d.per_example_norms(net, X, Y, **more),
    "gradient_variance": lambda net, X, Y, v, **more: d.gradient_variance(net, X, Y, **more),
    "gradient_noise_scale": lambda net, X, Y, v, **more: d.gradient_noise_scale(net, X, Y, **more),
    "clipped_gradient": lambda net, X, Y, v, **more: d.clipped_gradient(net, X, Y, 1.0, **more),
}


def size_of(result):
    arrays = result if isinstance(result, tuple) else (result,)
    return sum(getattr(array, "nbytes", 0) for array in arrays)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ["tanh", "mish", "softmax"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_workspace(name, activation, backend):
    net = Network([40, 300, 5], [activation, "identity"], backend=backend)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, 40)).astype("float32")
    Y = rng.standard_normal((ROWS, 5)).astype("float32")
    v = rng.standard_normal(net.plan.n_parameters).astype("float32")
    FUNCTIONS[name](net, X[:2], Y[:2], v)  # imports, and what is made once
    tracemalloc.start()
    try:
        result = FUNCTIONS[name](net, X, Y, v, max_memory=BUDGET)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - size_of(result) <= BUDGET + SMALL
