"""L-BFGS (E30)."""

import math

import numpy as np
import pytest

import chainrule as cr
from training_problem import X, Y, overfitting, regressor


def test_E30_lbfgs_reaches_the_least_squares_solution():
    net = cr.Network([4, 1], "identity", "squared_error", dtype="float64", seed=1)
    history = cr.train(net, X, Y, optimizer="lbfgs", epochs=200, verbose=0)
    design = np.column_stack([X, np.ones(60)])
    expected, residual, *_ = np.linalg.lstsq(design, Y, rcond=None)
    np.testing.assert_allclose(net.parameters, expected, atol=1e-6)
    assert history.stopped == "converged"
    assert history.cost[-1] == pytest.approx(residual[0] / 60, rel=1e-9)
    assert history.gradient_norm[-1] < 1e-5
    assert math.isnan(history.learning_rate[0])


def test_E30_lbfgs_with_penalty_weights_and_blocks_of_rows_reaches_ridge_regression():
    rng = np.random.default_rng(0)
    rows, w = rng.standard_normal((9000, 3)), rng.uniform(0, 2, 9000)
    y = rows @ [1, 2, 3] + rng.standard_normal(9000)
    net = cr.Network([3, 1], "identity", "half_squared_error", dtype="float64")
    history = cr.train(net, rows, y, sample_weight=w, penalty=0.1, optimizer="lbfgs", epochs=100, verbose=0)
    design = np.column_stack([rows, np.ones(9000)])
    normal = (design.T * w) @ design / w.sum() + 0.1 * np.diag([1, 1, 1, 0])
    np.testing.assert_allclose(net.parameters, np.linalg.solve(normal, (design.T * w) @ y / w.sum()), atol=1e-6)
    assert history.cost[-1] == pytest.approx(net.cost(rows, y, w), rel=1e-12)


def test_E30_lbfgs_stops_early_restores_and_obeys_callbacks():
    _, history, _ = overfitting(optimizer="lbfgs", early_stopping=5)
    assert history.stopped == "early_stopping"
    assert history.restored_epoch == int(np.argmin(history.validation_cost)) + 1
    history = cr.train(regressor(), X, Y, optimizer=cr.LBFGS(memory=3), epochs=4, verbose=0)
    assert history.epochs == 4
    assert history.stopped == "epochs"
