"""Jacobians between layers against the chain of those of single layers, and norms of δ against the backward pass."""

import numpy as np
import pytest

from cases import BACKENDS, all_problems
from chainrule import Network
from chainrule import derivatives as d
from oracles import relative_error

PROBLEMS = all_problems()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_layer_jacobians_chain_to_the_jacobian(name, backend):
    problem = PROBLEMS[name].on(backend)
    net, X = problem.net, problem.X
    chained = d.layer_jacobian(net, X, 0, 1)
    for layer in range(2, net.L + 1):
        step = d.layer_jacobian(net, X, layer - 1, layer)
        assert step.shape == (len(X), net.sizes[layer], net.sizes[layer - 1])
        chained = step @ chained
        # a chain of products keeps the digits of its largest factor
        assert relative_error(d.layer_jacobian(net, X, 0, layer), chained) < 1e-11
    assert relative_error(d.jacobian(net, X), chained) < 1e-11


@pytest.mark.parametrize("name", PROBLEMS)
def test_sensitivity_profile_is_the_norm_of_each_delta(name):
    problem = PROBLEMS[name]
    back = problem.net.backward(problem.net.forward(problem.X), problem.Y)
    expected = np.stack([np.linalg.norm(rows, axis=1) for rows in (back.x, *back.delta.values())], axis=1)
    got = d.sensitivity_profile(problem.net, problem.X, problem.Y)
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-300)


def test_a_gradient_that_vanishes_is_no_zero():
    """δ^1 is about 1e-24: its square is no number of float32."""
    net = Network([4, *[8] * 40, 3], "logistic")
    rows = np.eye(4)
    profile = d.sensitivity_profile(net, rows, [0, 1, 2, 0])
    delta = net.backward(net.forward(rows), [0, 1, 2, 0]).delta
    assert 0 < np.abs(delta[1]).max() < 1e-20
    for layer in delta:
        expected = np.linalg.norm(delta[layer].astype("float64"), axis=1)
        np.testing.assert_allclose(profile[:, layer], expected, rtol=1e-5)  # rounding of forty layers
