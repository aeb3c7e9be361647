"""What every solver that takes Gauss-Newton steps on the whole set owes its caller: Levenberg-Marquardt and by CG."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

import chainrule as cr
from chainrule.training.arguments.solvers import kind_of
from chainrule.training.examples.reading import read_data
from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG
from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt
from training_problem import X, Y, paused_and_resumed, regressor

BOTH = pytest.mark.parametrize("rule", [LevenbergMarquardt(), GaussNewtonCG()], ids=lambda rule: rule.name)


def trained(rule, pause_at=None):
    """Train 4 epochs, by another run from the snapshot on after a pause at some breath: θ, and how many breaths."""
    net = cr.Network([4, 8, 1], ["relu", "identity"], "squared_error", dtype="float64", seed=5)
    data = read_data(net, X, Y, None)
    run = kind_of(rule).run
    return paused_and_resumed(net, lambda now: run(net, data, rule, 1e-3, 4, now, lambda: now.cost), pause_at)


@BOTH
def test_frozen_layers_stay_and_the_others_take_the_step_without_them(rule):
    net, free = regressor(), regressor()
    free.W[2][...] = 0.3
    net.parameters[...] = free.parameters
    history = cr.train(net, X, Y, optimizer=rule, frozen=[1], penalty=0.01, epochs=30, verbose=0)
    np.testing.assert_array_equal(net.W[1], free.W[1])
    np.testing.assert_array_equal(net.b[1], free.b[1])
    hidden = np.column_stack([np.tanh(X @ free.W[1] + free.b[1]), np.ones(60)])
    normal = 2 * hidden.T @ hidden / 60 + 0.01 * np.diag([1] * 6 + [0])
    expected = np.linalg.solve(normal, 2 * hidden.T @ Y / 60)
    np.testing.assert_allclose(np.append(net.W[2][:, 0], net.b[2]), expected, atol=2e-5)  # gradients of 1e-6
    assert history.stopped == "converged"


@BOTH
def test_sparse_rows_are_as_good_as_dense_ones(rule):
    rows = X * (np.abs(X) > 0.5)
    dense, sparse = (cr.train(regressor(), x, Y, optimizer=rule, epochs=1, verbose=0) for x in (rows, csr_array(rows)))
    assert sparse.cost[0] == pytest.approx(dense.cost[0], rel=1e-3)  # conjugate gradients end at 5e-4 of what they gain
    assert sparse.damping == pytest.approx(dense.damping, rel=1e-9)  # sums in another order


@BOTH
def test_rows_that_come_in_blocks_give_the_same_bits(rule):
    rng = np.random.default_rng(0)
    rows, weights = rng.standard_normal((700, 4)), rng.uniform(0, 2, 700)
    y = np.sin(rows[:, 0])

    def blocks():
        return ((rows[at : at + 300], y[at : at + 300], weights[at : at + 300]) for at in range(0, 700, 300))

    at_hand, read = regressor(), regressor()
    cr.train(at_hand, rows, y, sample_weight=weights, optimizer=rule, penalty=1e-3, epochs=2, verbose=0)
    cr.train(read, blocks, optimizer=rule, penalty=1e-3, epochs=2, verbose=0)
    np.testing.assert_array_equal(read.parameters, at_hand.parameters)


@BOTH
def test_any_number_of_threads_gives_the_same_bits(rule):
    wide = np.random.default_rng(0).standard_normal((700, 30))
    found = []
    for n_threads in (1, 2):
        net = cr.Network([30, 20, 3], ["tanh", "softmax"], "cross_entropy", seed=0)
        cr.train(net, wide, np.arange(700) % 3, optimizer=rule, epochs=2, n_threads=n_threads, verbose=0)
        found.append(net.parameters.copy())
    np.testing.assert_array_equal(*found)


@BOTH
def test_the_same_bits_after_a_pause_at_any_moment(rule):
    whole, breaths = trained(rule)
    assert breaths > 5  # more than one of some steps
    for at in (0, 1, breaths // 2, breaths - 1):
        parts, _ = trained(rule, pause_at=at)
        np.testing.assert_array_equal(parts, whole)


@BOTH
def test_what_is_not_finite_is_named(rule):
    net = regressor()
    net.parameters[...] *= 1e200
    with pytest.warns(cr.DivergenceWarning, match=r"in epoch 1, step 1: .* the cost squared_error of layer 2's"):
        history = cr.train(net, X, Y * 1e200, optimizer=rule, epochs=3, verbose=0)
    assert history.stopped == "divergence"


@BOTH
def test_a_cost_without_curvature_is_descended(rule):
    net = cr.Network([4, 6, 1], ["tanh", "identity"], "absolute_error", dtype="float64", seed=1)
    before = net.cost(X, Y)
    cr.train(net, X, Y, optimizer=rule, epochs=20, verbose=0)
    assert net.cost(X, Y) < 0.7 * before


@BOTH
def test_it_ends_where_the_dtype_does(rule):
    net = regressor(dtype="float32")
    exact = net.predict(X)
    net.W[2][...] *= 1.001
    rule = replace(rule, gradient_tolerance=0, cost_tolerance=0)
    history = cr.train(net, X, exact, optimizer=rule, epochs=300, verbose=0)
    assert history.stopped == "converged"
    assert history.cost[-1] < 1e-12  # float32's seven digits, squared, of numbers of about 1


@BOTH
def test_a_cost_of_one_s_own_needs_its_curvature(rule):
    fourth = {"value": lambda a, y: ((a - y) ** 4).sum(axis=1), "derivative": lambda a, y: 4 * (a - y) ** 3}
    net = cr.Network([4, 3, 1], "tanh", cost=cr.Cost("fourth_power", **fourth), dtype="float64")
    with pytest.raises(
        cr.DerivativeError, match=r"^cost fourth_power: expected a hessian_product, got none\. Give cr\.Cost"
    ):
        cr.train(net, X, Y, optimizer=rule, verbose=0)
    curved = cr.Cost("fourth_power", **fourth, hessian_product=lambda a, y, v: 12 * (a - y) ** 2 * v)
    net = cr.Network([4, 3, 1], "tanh", cost=curved, dtype="float64", seed=0)
    before = net.cost(X, Y)
    cr.train(net, X, Y, optimizer=rule, epochs=30, verbose=0)
    assert net.cost(X, Y) < 0.01 * before
