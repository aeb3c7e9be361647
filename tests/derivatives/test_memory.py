"""Workspace stays within `max_memory`, whatever the number of rows and the activation's own temporaries."""

import tracemalloc
from importlib import import_module

import numpy as np
import pytest

from cases import BACKENDS, HAS_NATIVE
from chainrule import Network
from chainrule import derivatives as d

bytes_held = import_module("chainrule._core").bytes_held if HAS_NATIVE else lambda: (0, 0)
ROWS = 600
BUDGET = 2**20
BUDGETS = {"kronecker_factors": 3 * 2**20}  # as blocks of it have matrices of 300 × 300 besides
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
    "gradient": lambda net, X, Y, v, **more: d.gradient(net, X, Y, **more),
    "parameter_jacobian": lambda net, X, Y, v, **more: d.parameter_jacobian(net, X[:20], **more),
    "ggn_diagonal": lambda net, X, Y, v, **more: d.ggn_diagonal(net, X[:200], Y[:200], **more),
    "ggn_diagonal, drawn": lambda net, X, Y, v, **more: d.ggn_diagonal(
        net, X[:100], None, kind="monte_carlo", samples=40, **more
    ),
    "hessian_diagonal": lambda net, X, Y, v, **more: d.hessian_diagonal(net, X[:200], Y[:200], **more),
    "kronecker_factors": lambda net, X, Y, v, **more: d.kronecker_factors(net, X[:200], Y[:200], **more),
}


def size_of(result):
    if isinstance(result, d.KroneckerFactors):
        return size_of((*result.A.values(), *result.G.values()))
    arrays = result if isinstance(result, tuple) else (result,)
    return sum(getattr(array, "nbytes", 0) for array in arrays)


def measured(call, budget):
    """Bytes that a call takes at most beside its result, by Python and by the core."""
    call(2)  # imports, and what is made once
    before, _ = bytes_held()
    tracemalloc.start()
    try:
        result = call(ROWS, max_memory=budget)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak - size_of(result) + bytes_held()[1] - before


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ["tanh", "mish", "softmax"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_workspace(name, activation, backend):
    net, budget = Network([40, 300, 5], [activation, "identity"], backend=backend), BUDGETS.get(name, BUDGET)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, 40)).astype("float32")
    Y = rng.standard_normal((ROWS, 5)).astype("float32")
    v = rng.standard_normal(net.plan.n_parameters).astype("float32")
    workspace = measured(lambda rows, **more: FUNCTIONS[name](net, X[:rows], Y[:rows], v, **more), budget)
    assert workspace <= budget + SMALL


@pytest.mark.parametrize("activation", ["tanh", "softmax"])
def test_workspace_of_what_layers_above_the_first_bend(activation):
    net = Network([10, 20, 60, 5], [activation, activation, "identity"], backend="reference")
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, 10)).astype("float32"), rng.standard_normal((40, 5)).astype("float32")
    workspace = measured(lambda rows, **more: d.hessian_diagonal(net, X[:rows], Y[:rows], **more), BUDGET)
    assert workspace <= BUDGET + SMALL
