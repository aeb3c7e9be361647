"""The reference backend uses nothing but the Array API standard: it runs on the standard's strict implementation."""

import array_api_strict
import numpy as np
import pytest

from cases import all_problems
from chainrule.engine import reference, tangents
from chainrule.maths.arrays import array_namespace

PROBLEMS = all_problems()
# every activation and cost occurs among a sixth of the cases; the strict arrays are slow
SOME = [name for position, name in enumerate(PROBLEMS) if position < 6 or position % 6 == 0]


@pytest.mark.parametrize("name", SOME)
def test_forward_and_backward_E1_to_E10_on_strict_arrays_equal_numpy(name):
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


@pytest.mark.parametrize("name", SOME)
def test_what_derivatives_are_made_of_E31_to_E37_on_strict_arrays_equals_numpy(name):
    problem = PROBLEMS[name]
    plan, theta, xp = problem.plan, problem.net.parameters, array_api_strict
    v = np.cos(np.arange(plan.n_parameters))
    c = np.ones(len(problem.X)) if problem.weights is None else problem.weights
    expected, got = (
        _of_linearized(plan, *(asarray(array) for array in (theta, problem.X, problem.Y, v, c)))
        for asarray in (np.asarray, xp.asarray)
    )
    assert len(got) == len(expected) == 6 + 2 * plan.L
    for one, other in zip(got, expected, strict=True):
        one = np.asarray(one)
        assert np.abs(one - other).max() <= 1e-12 * np.abs(other).max()  # sums in another order


def _of_linearized(plan, theta, X, Y, v, c):
    """All that `Linearized` gives."""
    at = reference.linearize(plan, theta, X)
    delta = reference.output_delta(plan, at.z, at.a, Y)
    pushed = at.push(v)
    pulled = at.pull(array_namespace(delta).stack([delta, 2 * delta]))
    straight = tangents.gauss_newton_delta(plan, at.z, at.a, pushed.z, Y)
    bent = at.bend(pushed, delta, straight)
    sums = [pulled.inputs(), pulled.gradient(c), pulled.squared_norms(), pulled.squares(c), bent.gradient(c)]
    return [pushed.z, *sums, *at.moments(c), *pulled.moments(c)]
