"""(E1) to (E11) by value, on each backend: against sums written out, and central finite differences in float64."""

from functools import cache

import numpy as np
import pytest

from cases import BACKENDS, Problem, all_problems
from chainrule import derivatives
from oracles import example_weights, numeric_gradient, numeric_in_layer, relative_error

PROBLEMS = all_problems()
ROUNDING = 1e-13  # a sum of at most 64 terms of size 1 in another order: 64 · 1e-16, and room for cancellation
DIFFERENCES = 1e-7  # of the norm, layer by layer: what the foundation promises
FUNCTIONS = 2e-15  # of g(z): the core's own exp, log and erf are good to some nine units in the last place


@pytest.fixture(params=PROBLEMS, scope="module")
def name(request) -> str:
    return request.param


@pytest.fixture(params=BACKENDS, scope="module")
def problem(request, name) -> Problem:
    return PROBLEMS[name].on(request.param)


@cache
def gradient_differences(name: str) -> list[tuple[str, int, np.ndarray]]:
    return list(numeric_gradient(PROBLEMS[name]))


@cache
def differences_in_layer(name: str, layer: int) -> np.ndarray:
    return numeric_in_layer(PROBLEMS[name], layer)


def assert_equal(got, expected, problem: Problem, within: float) -> None:
    """Hold the reference to every bit, the compiled core to rounding, relative to each number."""
    rtol = 0.0 if problem.net.backend == "reference" else within
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=0)


def test_E1_weighted_inputs_and_E2_activations(problem):
    net = problem.net
    run = net.forward(problem.X)
    np.testing.assert_array_equal(run.a[0], problem.X)  # a^0 = x
    for layer in range(1, net.L + 1):
        W = net.W[layer].T  # W^ℓ_jk, from unit k to unit j
        b = net.b[layer] if layer in net.b else np.zeros(len(W))
        for i in range(len(problem.X)):
            a = run.a[layer - 1][i]
            z = [sum(W[j, k] * a[k] for k in range(len(a))) + b[j] for j in range(len(W))]
            size = 1 + np.abs(W) @ np.abs(a)
            assert np.all(np.abs(run.z[layer][i] - z) <= ROUNDING * size)
        g = net.plan.activation(layer)
        assert_equal(run.a[layer], g.value(run.z[layer]), problem, FUNCTIONS)
    np.testing.assert_array_equal(net.predict(problem.X), run.a[net.L])


def test_E3_cost_is_summed_over_outputs(problem):
    net = problem.net
    costs = net.example_costs(problem.X, problem.Y)
    a = net.predict(problem.X)
    by_output = [net.cost_function.value(a[:, [j]], problem.Y[:, [j]]) for j in range(a.shape[1])]
    # a matched pair computes C_i from z, so both forms agree to rounding only
    np.testing.assert_allclose(costs, np.sum(by_output, axis=0), rtol=1e-11, atol=1e-13)


def test_E4_batch_cost_is_the_mean_or_sum_of_the_example_costs(problem):
    net = problem.net
    costs = net.example_costs(problem.X, problem.Y)
    expected = sum(w * c for w, c in zip(example_weights(problem), costs, strict=True))
    assert net.cost(problem.X, problem.Y, problem.weights) == pytest.approx(expected, rel=ROUNDING)
    back = net.backward(net.forward(problem.X), problem.Y, problem.weights)
    assert back.cost == pytest.approx(expected, rel=ROUNDING)


def test_E5_delta_of_the_output_and_E6_of_hidden_layers_against_differences(problem, name):
    net = problem.net
    back = net.backward(net.forward(problem.X), problem.Y, problem.weights)
    for layer in range(net.L, 0, -1):
        assert relative_error(back.delta[layer], differences_in_layer(name, layer)) < DIFFERENCES


def test_E7_weights_and_E8_biases_against_differences(problem, name):
    net = problem.net
    back = net.backward(net.forward(problem.X), problem.Y, problem.weights)
    seen = set()
    for symbol, layer, expected in gradient_differences(name):
        got = getattr(back, symbol)[layer]
        assert got.shape == expected.shape
        assert relative_error(got, expected) < DIFFERENCES, (symbol, layer)
        seen.add((symbol, layer))
    assert seen == {("W", layer) for layer in net.W} | {("b", layer) for layer in net.b}


def test_E7_and_E8_are_delta_times_activation_summed_over_examples(problem):
    net = problem.net
    run = net.forward(problem.X)
    back = net.backward(run, problem.Y, problem.weights)
    w = example_weights(problem)
    for layer in range(1, net.L + 1):
        outer = [w[i] * np.outer(run.a[layer - 1][i], back.delta[layer][i]) for i in range(len(w))]
        assert relative_error(back.W[layer], np.sum(outer, axis=0)) < ROUNDING
        if layer in net.b:
            assert relative_error(back.b[layer], w @ back.delta[layer]) < ROUNDING


def test_E9_gradient_in_the_input_against_differences(problem, name):
    back = problem.net.backward(problem.net.forward(problem.X), problem.Y, problem.weights)
    assert relative_error(back.x, differences_in_layer(name, 0)) < DIFFERENCES


def test_E10_flat_gradient_has_the_order_of_theta(problem):
    net = problem.net
    back = net.backward(net.forward(problem.X), problem.Y, problem.weights)
    blocks = []
    for layer in range(1, net.L + 1):
        blocks.append(back.W[layer].ravel())
        if layer in net.b:
            blocks.append(back.b[layer])
    np.testing.assert_array_equal(back.flat, np.concatenate(blocks))
    assert back.flat.shape == net.parameters.shape
    cost, gradient = net.value_and_gradient(problem.X, problem.Y, problem.weights)
    if net.backend == "reference":
        np.testing.assert_array_equal(gradient.flat, back.flat)
    else:  # the core weighs δ^L instead of every δ^ℓ, and rounds elsewhere
        assert relative_error(gradient.flat, back.flat) < ROUNDING
    assert cost == back.cost


def test_E11_gradient_of_the_network_itself_against_differences(problem):
    net, X = problem.net, problem.X
    J = derivatives.jacobian(net, X)
    h = problem.step

    def outputs(step: float) -> np.ndarray:  # (n_0, m, n_L): each input of each example moved on its own
        moved = X + step * np.eye(X.shape[1])[:, np.newaxis, :]
        return net.predict(moved.reshape(-1, X.shape[1])).reshape(X.shape[1], len(X), -1)

    numeric = (8 * (outputs(h) - outputs(-h)) - (outputs(2 * h) - outputs(-2 * h))) / (12 * h)
    expected = np.transpose(numeric, (1, 2, 0))
    for output in range(net.sizes[-1]):
        # outputs may be much smaller than the cost that the step was chosen for: 1e-16 · |a|/h of rounding is allowed
        noise = 1e-15 * np.linalg.norm(net.predict(X)[:, output]) * np.sqrt(X.shape[1]) / h
        error = np.linalg.norm(J[:, output] - expected[:, output])
        assert error <= DIFFERENCES * np.linalg.norm(expected[:, output]) + noise
        np.testing.assert_array_equal(derivatives.input_gradient(net, X, output), J[:, output])
