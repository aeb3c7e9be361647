"""Levenberg-Marquardt (E63, E64): steps against dense matrices written out."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import derivatives as d
from chainrule.errors import InputError
from chainrule.training.examples.reading import read_data
from chainrule.training.whole_set import levenberg_marquardt
from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt, next_damping
from chainrule.training.whole_set.objective import WholeSet
from training_problem import LABELS, X, Y

RNG = np.random.default_rng(2)
WEIGHTS = RNG.uniform(0, 2, 60)
TARGETS = RNG.uniform(0.05, 0.95, (60, 2))
SHARES = TARGETS / TARGETS.sum(axis=1, keepdims=True)
CASES = {
    "squared_error of identity": ("identity", "squared_error", TARGETS, lambda a: 2 * np.eye(2), "a"),
    "squared_error of tanh": ("tanh", "squared_error", TARGETS, lambda a: 2 * np.eye(2), "a"),
    "squared_error of softmax": ("softmax", "squared_error", TARGETS, lambda a: 2 * np.eye(2), "a"),
    "cross_entropy of softmax": ("softmax", "cross_entropy", SHARES, lambda a: np.diag(a) - np.outer(a, a), "z"),
    "binary_cross_entropy": ("logistic", "binary_cross_entropy", TARGETS, lambda a: np.diag(a * (1 - a)), "z"),
    "poisson": ("exp", "poisson", TARGETS, lambda a: np.diag(a), "z"),
}
"""Output activation, cost, targets, ∂²C_i/∂a² or ∂²C_i/∂z² from a^L, and which."""


def network(case, **changes):
    activation, cost, *_ = CASES[case]
    settings = {"dtype": "float64", "seed": 3, "bias": [True, False]} | changes
    return cr.Network([4, 3, 2], ["tanh", activation], cost, **settings)


def dense(case, net, penalty, weights=None):
    """JᵀHJ + λD by example, and ∇C + λW."""
    _, _, targets, hessian, of = CASES[case]
    c = np.ones(60) if weights is None else weights
    if net.plan.reduction == "mean":
        c = c / c.sum()
    J = d.parameter_jacobian(net, X, of=of)
    matrix = sum(ci * Ji.T @ hessian(a) @ Ji for ci, Ji, a in zip(c, J, net.predict(X), strict=True))
    gradient = net.value_and_gradient(X, targets, weights)[1].flat + penalty * net.plan.is_weight * net.parameters
    return matrix + penalty * np.diag(net.plan.is_weight), gradient


def test_E63_the_matrix_of_several_layers_and_of_many_outputs_is_that_of_products_with_vectors():
    for sizes, activations, cost, targets in (
        ([4, 5, 3, 2], ["tanh", "logistic", "identity"], "squared_error", TARGETS),
        ([4, 3, 40], ["tanh", "softmax"], "cross_entropy", np.arange(60) % 40),
    ):
        net = cr.Network(
            sizes, activations, cost, dtype="float64", seed=3, bias=[True, False, True][-len(activations) :]
        )
        identity = np.eye(net.plan.n_parameters)
        expected = np.array([d.ggn_vp(net, X, targets, v, WEIGHTS) for v in identity])
        whole = WholeSet(net, read_data(net, X, targets, WEIGHTS))
        found = levenberg_marquardt.gauss_newton_matrix(whole, net.parameters)
        np.testing.assert_allclose(np.triu(found), np.triu(expected), atol=1e-14)  # entries up to 1


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("case", CASES)
def test_E63_a_step_is_that_of_the_dense_system(case, backend):
    for reduction, penalty, weights in (("mean", 0.0, None), ("sum", 0.7, WEIGHTS), ("mean", 0.01, WEIGHTS)):
        net = network(case, reduction=reduction, backend=backend)
        matrix, gradient = dense(case, net, penalty, weights)
        damping = 0.5 * matrix.diagonal().max()
        p = np.linalg.solve(matrix + damping * np.eye(len(gradient)), -gradient)
        expected = net.parameters + p
        rule = LevenbergMarquardt(damping=0.5, acceleration=0)
        history = cr.train(
            net, X, CASES[case][2], sample_weight=weights, penalty=penalty, optimizer=rule, epochs=1, verbose=0
        )
        np.testing.assert_allclose(net.parameters, expected, rtol=1e-9)  # of a system whose condition is some 10
        assert history.damping == [pytest.approx(damping, rel=1e-12)]  # a share of a sum in another order
        assert math.isnan(history.learning_rate[0])
        assert history.cost[-1] == pytest.approx(net.cost(X, CASES[case][2], weights), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_E63_a_step_bends_with_the_network(case):
    _, _, targets, hessian, of = CASES[case]
    net = network(case)
    matrix, gradient = dense(case, net, 0.01)
    damped = matrix + 0.5 * matrix.diagonal().max() * np.eye(len(gradient))
    p = np.linalg.solve(damped, -gradient)
    J, theta = d.parameter_jacobian(net, X, of=of), net.parameters.copy()

    def f(t):  # z^L or a^L of all rows
        net.parameters[...] = theta + t * p
        return net.predict(X) if of == "a" else net.forward(X).z[2]

    second = 2 / 0.1 * ((f(0.1) - f(0)) / 0.1 - J @ p)
    outputs = network(case).predict(X)
    pulled = sum(Ji.T @ hessian(a) @ f2 for Ji, a, f2 in zip(J, outputs, second, strict=True)) / 60
    bent = np.linalg.solve(damped, -pulled)
    share = np.linalg.norm(bent) / np.linalg.norm(p)
    for acceleration, expected in ((1.01 * share, theta + p + 0.5 * bent), (0.99 * share, theta + p)):
        net.parameters[...] = theta
        rule = LevenbergMarquardt(damping=0.5, acceleration=acceleration)
        cr.train(net, X, targets, penalty=0.01, optimizer=rule, epochs=1, verbose=0)
        np.testing.assert_allclose(net.parameters, expected, rtol=1e-9)  # a difference over h² of numbers of 1e-16


def test_E63_blocks_of_rows_of_J_change_nothing_but_rounding(monkeypatch):
    found = []
    for at_once in (2**21, 1, 300):
        monkeypatch.setattr(levenberg_marquardt, "NUMBERS_AT_ONCE", at_once)
        net = network("cross_entropy of softmax")
        cr.train(net, X, SHARES, optimizer=LevenbergMarquardt(), epochs=2, verbose=0)
        found.append(net.parameters.copy())
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-9)  # two solutions of systems of condition 1e3


def test_E64_damping_after_a_gain_and_after_none():
    assert next_damping(2.0, 8.0, 0.5) == (2.0, 2.0)
    assert next_damping(2.0, 8.0, 0.75) == (pytest.approx(2 * (1 - 0.5**3)), 2.0)
    assert next_damping(2.0, 8.0, 0.25) == (pytest.approx(2 * (1 + 0.5**3)), 2.0)
    assert next_damping(2.0, 8.0, 3.0) == next_damping(2.0, 8.0, 1.0) == (pytest.approx(0.2), 2.0)
    assert next_damping(2.0, 8.0, 0.0) == next_damping(2.0, 8.0, -math.inf) == (16.0, 16.0)


def test_E64_a_step_that_raises_the_cost_is_taken_back_and_tried_again_with_more_damping():
    net = cr.Network([4, 8, 1], ["relu", "identity"], "squared_error", dtype="float64", seed=5)
    rule = LevenbergMarquardt(damping=1e-9)
    history = cr.train(net, X, Y, optimizer=rule, penalty=1e-3, epochs=40, verbose=0)
    objective = np.array(history.cost) + history.penalty
    assert (np.diff(objective) < 0).all()
    assert history.damping[0] > 2 * 1e-9 * dense_diagonal(X)  # some were tried in vain


def dense_diagonal(rows):
    net = cr.Network([4, 8, 1], ["relu", "identity"], "squared_error", dtype="float64", seed=5)
    J = d.parameter_jacobian(net, rows)[:, 0]
    return (2 * J**2).mean(axis=0).max()


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_sine_is_fitted(seed):
    rows = np.linspace(-np.pi, np.pi, 100)[:, np.newaxis]
    net = cr.Network([1, 10, 1], ["tanh", "identity"], "squared_error", dtype="float64", seed=seed)
    history = cr.train(net, rows, np.sin(rows), optimizer="levenberg_marquardt", epochs=600, verbose=0)
    assert history.cost[-1] < 1e-10  # by the last bits of LAPACK, paths along the floor of the valley differ


def test_a_network_that_is_too_large_is_refused_with_what_it_would_take():
    net = cr.Network([100, 60, 10], ["tanh", "softmax"], "cross_entropy")
    rows, labels = np.zeros((500, 100)), np.zeros(500, dtype=int)
    with pytest.raises(InputError) as error:
        cr.train(net, rows, labels, optimizer="levenberg_marquardt", verbose=0)
    assert str(error.value) == (
        "optimizer levenberg_marquardt: expected a network of at most 5,000 parameters, got 6,670, whose matrices take "
        "0.7 GB, and a step 1e+11 operations. Take gauss_newton_cg or lbfgs, which form no matrix, or allow it: "
        "cr.LevenbergMarquardt(max_parameters=6670)."
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LevenbergMarquardt(damping=0), "LevenbergMarquardt: damping: expected a number in (0, ∞), got 0."),
        (lambda: LevenbergMarquardt(acceleration=-1), "LevenbergMarquardt: acceleration: expected a number in [0, ∞), got"),
        (lambda: LevenbergMarquardt(cost_tolerance=-1), "LevenbergMarquardt: cost_tolerance: expected a number in [0,"),
        (lambda: LevenbergMarquardt(max_parameters=1e3), "LevenbergMarquardt: max_parameters: expected a whole number "
         "≥ 1, got 1000.0. The default is 5000."),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)


def test_class_indices_and_a_validation_set_go_as_with_any_solver():
    net = cr.Network([4, 3, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64", seed=1)
    history = cr.train(
        net, X, LABELS, validation=0.25, optimizer="levenberg_marquardt", epochs=30, early_stopping=2, verbose=0
    )
    assert history.stopped == "early_stopping"
    assert history.validation_cost[history.restored_epoch - 1] == min(history.validation_cost)
