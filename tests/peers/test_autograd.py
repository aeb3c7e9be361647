"""(E1) to (E11) against torch's autograd in float64, on every case; the reference on torch and JAX arrays."""

import numpy as np
import pytest

from cases import all_problems
from chainrule import derivatives
from chainrule.engine import reference
from oracles import relative_error

torch = pytest.importorskip("torch", reason="torch is a peer that users never need: pip install 'chainrule[peers]'")
pytestmark = pytest.mark.peers
PROBLEMS = all_problems()
AUTOGRAD = 1e-10  # of the norm, layer by layer: what the foundation promises


@pytest.fixture(params=PROBLEMS, scope="module")
def pair(request):
    from torch_oracle import run

    problem = PROBLEMS[request.param]
    return problem, run(problem)


def test_E1_to_E4_values(pair):
    problem, expected = pair
    net = problem.net
    assert relative_error(net.predict(problem.X), expected["output"]) < AUTOGRAD
    assert relative_error(net.example_costs(problem.X, problem.Y), expected["costs"]) < AUTOGRAD
    assert net.cost(problem.X, problem.Y, problem.weights) == pytest.approx(expected["cost"], rel=AUTOGRAD)


def test_E5_to_E10_gradients(pair):
    problem, expected = pair
    net = problem.net
    back = net.backward(net.forward(problem.X), problem.Y, problem.weights)
    for layer in net.W:
        assert relative_error(back.W[layer], expected["W"][layer]) < AUTOGRAD
        assert relative_error(back.delta[layer], expected["delta"][layer]) < AUTOGRAD
    for layer in net.b:
        assert relative_error(back.b[layer], expected["b"][layer]) < AUTOGRAD
    assert relative_error(back.x, expected["x"]) < AUTOGRAD


def test_E11_gradient_of_the_network_itself(pair):
    problem, expected = pair
    J = derivatives.jacobian(problem.net, problem.X)
    for output, gradient in enumerate(expected["jacobian"]):
        assert relative_error(J[:, output], gradient) < AUTOGRAD


def _on_arrays_of(asarray, problem):
    arrays = [asarray(array) for array in (problem.net.parameters, problem.X, problem.Y)]
    return arrays, None if problem.weights is None else asarray(problem.weights)


def _compare(problem, run, back):
    expected_run = problem.net.forward(problem.X)
    expected = problem.net.backward(expected_run, problem.Y, problem.weights)
    for layer in problem.plan.layers:
        assert relative_error(np.asarray(run.a[layer]), expected_run.a[layer]) < 1e-13
        assert relative_error(np.asarray(back.delta[layer]), expected.delta[layer]) < AUTOGRAD
    assert relative_error(np.asarray(back.flat), expected.flat) < AUTOGRAD
    assert relative_error(np.asarray(back.x), expected.x) < AUTOGRAD
    assert float(back.cost) == pytest.approx(expected.cost, rel=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_same_forward_and_backward_run_on_torch_arrays(name):
    problem = PROBLEMS[name]
    (theta, X, Y), weights = _on_arrays_of(torch.asarray, problem)
    run = reference.forward(problem.plan, theta, X)
    back = reference.backward(problem.plan, theta, run, Y, weights)
    assert isinstance(back.flat, torch.Tensor)
    _compare(problem, run, back)


SOME = [name for position, name in enumerate(PROBLEMS) if position < 6 or position % 12 == 0]  # each compiles anew


@pytest.mark.parametrize("name", SOME)
def test_the_same_forward_and_backward_run_on_jax_arrays_and_under_jit(name):
    jax = pytest.importorskip("jax", reason="JAX is a peer that users never need: pip install 'chainrule[peers]'")
    jax.config.update("jax_enable_x64", True)
    problem = PROBLEMS[name]
    plan = problem.plan
    (theta, X, Y), weights = _on_arrays_of(jax.numpy.asarray, problem)
    run = reference.forward(plan, theta, X)
    back = reference.backward(plan, theta, run, Y, weights)
    assert isinstance(back.flat, jax.Array)
    _compare(problem, run, back)

    def step(theta, X, Y, weights):
        cost, gradient = reference.value_and_gradient(plan, theta, X, Y, weights)
        return cost, gradient.flat

    cost, flat = jax.jit(step)(theta, X, Y, weights)
    assert relative_error(np.asarray(flat), np.asarray(back.flat)) < AUTOGRAD
    assert float(cost) == pytest.approx(float(back.cost), rel=1e-12)
