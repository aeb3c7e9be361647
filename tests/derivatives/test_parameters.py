"""(E10) block by block, and the Jacobian in the parameters."""

import numpy as np
import pytest

from cases import BACKENDS, all_problems
from chainrule import Network
from chainrule import derivatives as d
from chainrule.errors import InputError
from oracles import relative_error

PROBLEMS = all_problems()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", list(PROBLEMS)[::5])
def test_E10_gradient(name, backend):
    problem = PROBLEMS[name].on(backend)
    expected = problem.net.value_and_gradient(problem.X, problem.Y, problem.weights)[1].flat
    assert (
        relative_error(d.gradient(problem.net, problem.X, problem.Y, problem.weights), expected) < 1e-13
    )  # order of sums


@pytest.mark.parametrize(
    "name", [name for name, p in PROBLEMS.items() if p.plan.n_parameters * p.net.sizes[-1] < 4000][::3]
)
def test_the_jacobian_times_a_direction_is_the_tangent_of_the_outputs(name):
    problem = PROBLEMS[name]
    plan, X = problem.plan, problem.X
    v = np.random.default_rng(0).standard_normal(plan.n_parameters)
    at = problem.net.engine.linearize(plan, problem.net.parameters, X)
    dz = at.push(v).z
    for of, expected in (("z", dz), ("a", plan.activation(plan.L).jvp(at.z, dz))):
        J = d.parameter_jacobian(problem.net, X, of=of)
        assert J.shape == (len(X), problem.net.sizes[-1], plan.n_parameters)
        assert np.linalg.norm(J @ v - expected) <= 1e-12 * np.linalg.norm(J) * np.linalg.norm(v)  # order of sums


def test_a_small_budget_of_memory_gives_the_same():
    net = Network([12, 10, 4], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    rng = np.random.default_rng(0)
    X, Y, weights = rng.standard_normal((300, 12)), rng.integers(0, 4, 300), rng.uniform(0, 1, 300)
    budget = 8 * (4 * net.plan.n_parameters + 2000)
    assert relative_error(d.gradient(net, X, Y, weights, max_memory=budget), d.gradient(net, X, Y, weights)) < 1e-13
    assert relative_error(d.parameter_jacobian(net, X, max_memory=budget), d.parameter_jacobian(net, X)) < 1e-13


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda net: d.parameter_jacobian(net, np.ones((1, 2)), of="y"),
            "unknown of: expected one of a, z, got 'y'. Choose a name from the list.",
        ),
        (
            lambda net: d.gradient(net, np.ones((1, 2)), None),
            "Y: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(Y, dtype=float).",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError) as error:
        call(Network([2, 3, 1], dtype="float64"))
    assert str(error.value) == message
