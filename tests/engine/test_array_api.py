"""The reference backend uses nothing but the Array API standard: it runs on the standard's strict implementation."""

import array_api_strict
import numpy as np
import pytest

from cases import all_problems
from chainrule.engine import reference

PROBLEMS = all_problems()
# every activation and cost occurs among a sixth of the cases; the strict arrays are slow
SOME = [name for position, name in enumerate(PROBLEMS) if position < 6 or position % 6 == 0]


@pytest.mark.parametrize("name", SOME)
def test_forward_and_backward_E1_to_E11_on_strict_arrays_equal_numpy(name):
    problem = PROBLEMS[name]
    plan = problem.plan
    theta, X, Y = (array_api_strict.asarray(array) for array in (problem.net.parameters, problem.X, problem.Y))
    weights = None if problem.weights is None else array_api_strict.asarray(problem.weights)
    run = reference.forward(plan, theta, X)
    back = reference.backward(plan, theta, run, Y, weights)

    expected_run = reference.forward(plan, problem.net.parameters, problem.X)
    expected = reference.backward(plan, problem.net.parameters, expected_run, problem.Y, problem.weights)
    for layer in plan.layers:
        np.testing.assert_allclose(np.asarray(run.a[layer]), expected_run.a[layer], rtol=1e-14)  # other summation
        np.testing.assert_allclose(np.asarray(back.delta[layer]), expected.delta[layer], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(np.asarray(back.flat), expected.flat, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(np.asarray(back.x), expected.x, rtol=1e-11, atol=1e-14)
    assert float(back.cost) == pytest.approx(expected.cost, rel=1e-13)
    gradient = reference.input_gradient(plan, theta, run, 0)
    expected_gradient = reference.input_gradient(plan, problem.net.parameters, expected_run, 0)
    np.testing.assert_allclose(np.asarray(gradient), expected_gradient, rtol=1e-11, atol=1e-14)
