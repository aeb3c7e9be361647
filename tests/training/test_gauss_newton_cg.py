"""Gauss-Newton by conjugate gradients (E65, E66): against dense matrices written out."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivatives import ggn_vp
from chainrule.errors import InputError
from chainrule.training.whole_set import gauss_newton_cg
from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG, conjugate_gradients, next_damping
from training_problem import LABELS, X

WEIGHTS = np.random.default_rng(2).uniform(0, 2, 60)
EXACT = GaussNewtonCG(damping=0.5, cg_iterations=100, cg_tolerance=0)


def classifier(**changes):
    settings = {"dtype": "float64", "seed": 3, "bias": [True, False]} | changes
    return cr.Network([4, 5, 3], ["tanh", "softmax"], "cross_entropy", **settings)


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize(("reduction", "penalty", "weights"), [("mean", 0.0, None), ("sum", 0.7, WEIGHTS)])
def test_E65_a_step_is_that_of_the_dense_system(backend, reduction, penalty, weights):
    net = classifier(backend=backend, reduction=reduction)
    is_weight, identity = net.plan.is_weight, np.eye(net.plan.n_parameters)
    matrix = np.array([ggn_vp(net, X, LABELS, v, weights) for v in identity]) + penalty * np.diag(is_weight)
    gradient = net.value_and_gradient(X, LABELS, weights)[1].flat + penalty * is_weight * net.parameters
    damping = 0.5 * (gradient @ matrix @ gradient) / (gradient @ gradient)
    expected = net.parameters + np.linalg.solve(matrix + damping * identity, -gradient)
    history = cr.train(net, X, LABELS, sample_weight=weights, penalty=penalty, optimizer=EXACT, epochs=1, verbose=0)
    np.testing.assert_allclose(net.parameters, expected, rtol=1e-8)  # CG to the end, of a condition of some 10
    assert history.damping == [pytest.approx(damping, rel=1e-10)]  # a share of the largest of a sum's diagonal
    assert history.cost[0] == pytest.approx(net.cost(X, LABELS, weights), rel=1e-12)


def test_E65_conjugate_gradients_on_a_matrix_from_zero_and_from_a_start():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((12, 12))
    matrix, g = root @ root.T, rng.standard_normal(12)
    expected = np.linalg.solve(matrix + 0.3 * np.eye(12), -g)
    for start in (np.zeros(12), rng.standard_normal(12)):
        p, q = conjugate_gradients(matrix, 0.3, g, start, EXACT, lambda: None)
        np.testing.assert_allclose(p, expected, rtol=1e-9)  # twelve steps and more, of a condition of 1e2
        assert q == pytest.approx(g @ p + 0.5 * p @ matrix @ p + 0.15 * p @ p, rel=1e-9)  # as p


def test_E65_ends_when_little_is_gained_or_allowed_and_breathes_before_each_product():
    rng = np.random.default_rng(0)
    matrix, g, breaths = np.diag(np.geomspace(1e-3, 1e3, 200)), rng.standard_normal(200), []
    counts = []
    for rule in (EXACT, GaussNewtonCG(cg_tolerance=5e-2, cg_iterations=100), GaussNewtonCG(cg_iterations=7)):
        breaths.clear()
        conjugate_gradients(matrix, 0.0, g, np.zeros(200), rule, lambda: breaths.append(None))
        counts.append(len(breaths))
    assert counts[0] == 100
    assert 10 < counts[1] < 100
    assert counts[2] == 7


def test_E66_damping_follows_what_was_foretold():
    assert [next_damping(6.0, ratio) for ratio in (1.5, 0.76, 0.75, 0.25, 0.24, -1.0, np.nan)] == [4, 4, 6, 6, 9, 9, 9]


def test_networks_that_are_linearized_anew_for_each_product_give_the_same_bits(monkeypatch):
    found = []
    for budget in (gauss_newton_cg.MAX_MEMORY, 0):
        monkeypatch.setattr(gauss_newton_cg, "MAX_MEMORY", budget)
        net = classifier()
        cr.train(net, X, LABELS, optimizer="gauss_newton_cg", epochs=3, verbose=0)
        found.append(net.parameters.copy())
    np.testing.assert_array_equal(*found)


def test_the_objective_never_rises_and_falls_further_than_adam_s():
    net, other = classifier(dtype="float32"), classifier(dtype="float32")
    history = cr.train(net, X, LABELS, optimizer="gauss_newton_cg", penalty=1e-3, epochs=30, verbose=0)
    adam = cr.train(other, X, LABELS, learning_rate=0.01, penalty=1e-3, epochs=100, verbose=0)
    objective = np.array(history.cost) + history.penalty
    assert (np.diff(objective) <= 1e-7).all()  # float32
    assert objective[-1] < 0.5 * (adam.cost[-1] + adam.penalty[-1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussNewtonCG(damping=-1), "GaussNewtonCG: damping: expected a number in (0, ∞), got -1. Choose"),
        (lambda: GaussNewtonCG(decay=1), "GaussNewtonCG: decay: expected a number in [0, 1), got 1. Choose"),
        (lambda: GaussNewtonCG(cg_tolerance=-1), "GaussNewtonCG: cg_tolerance: expected a number in [0, ∞), got -1."),
        (lambda: GaussNewtonCG(cg_iterations=0), "GaussNewtonCG: cg_iterations: expected a whole number ≥ 1, got 0. "
         "Usual values are 20 to 250."),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)
