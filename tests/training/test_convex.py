"""Every solver of `cr.train` on convex problems, of which the optimum is known otherwise: least squares, and logistic.

Where a method needs one, the step decays. Two columns and a bias of about unit scale, so that plain gradient descent is
as quick as the others.
"""

import numpy as np
import pytest

import chainrule as cr
from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG

RNG = np.random.default_rng(5)
X = RNG.standard_normal((40, 2))
W = RNG.uniform(0.5, 1.5, 40)
Y = X @ [1.0, -0.5] + 0.3 + 0.4 * RNG.standard_normal(40)
DESIGN = np.column_stack([X, np.ones(40)])
DECAYED = np.array([1.0, 1.0, 0.0])  # biases are free of the penalty
PENALTY = 0.05


WHOLE = {"batch_size": None}
SOLVERS = {
    "sgd": {"learning_rate": 0.8, "epochs": 500, **WHOLE},
    "momentum": {"learning_rate": 0.1, "epochs": 400, **WHOLE},
    "nesterov": {"learning_rate": 0.1, "epochs": 400, **WHOLE},
    "rmsprop": {"learning_rate": cr.schedules.Exponential(0.1, factor=0.97), "epochs": 600, **WHOLE},
    "adam": {"learning_rate": 0.05, "epochs": 800, **WHOLE},
    "adamw": {"optimizer": cr.AdamW(weight_decay=0.0), "learning_rate": 0.05, "epochs": 800, **WHOLE},
    "rprop": {"learning_rate": 0.1, "epochs": 150, **WHOLE},
    "kfac": {"learning_rate": 0.1, "epochs": 400, **WHOLE},
    "lbfgs": {"optimizer": cr.LBFGS(gradient_tolerance=1e-9), "epochs": 50},
    "levenberg_marquardt": {"epochs": 30},
    "gauss_newton_cg": {"optimizer": GaussNewtonCG(gradient_tolerance=1e-9), "epochs": 60},
    "line_search": {"epochs": 150, **WHOLE},
}
"""How each solver is asked; AdamW's own decay would move the optimum, so it has none."""

NEW = ("levenberg_marquardt", "gauss_newton_cg", "line_search")


def least_squares():
    """Σ w (a − y)²/2Σw + λ/2 ‖W‖²: the normal equations."""
    normal = (DESIGN.T * W) @ DESIGN / W.sum() + PENALTY * np.diag(DECAYED)
    return np.linalg.solve(normal, (DESIGN.T * W) @ Y / W.sum())


def logistic():
    """The same penalty of the binary cross-entropy of y > 0: Newton's method, written out."""
    theta, labels = np.zeros(3), Y > 0
    for _ in range(30):
        a = 1 / (1 + np.exp(-DESIGN @ theta))
        gradient = DESIGN.T @ (W * (a - labels)) / W.sum() + PENALTY * DECAYED * theta
        hessian = (DESIGN.T * (W * a * (1 - a))) @ DESIGN / W.sum() + PENALTY * np.diag(DECAYED)
        theta = theta - np.linalg.solve(hessian, gradient)
    return theta


PROBLEMS = {
    "least squares": ("identity", "half_squared_error", Y, least_squares()),
    "logistic": ("logistic", "binary_cross_entropy", (Y > 0).astype(float), logistic()),
}


def _trained(problem, solver, reduction="mean", **network):
    activation, cost, targets, _ = PROBLEMS[problem]
    options = {"optimizer": solver, "penalty": PENALTY, **SOLVERS[solver]}
    if reduction == "sum":
        options["penalty"] *= W.sum()  # so that the optimum is the same
    net = cr.Network([2, 1], activation, cost, reduction=reduction, seed=0, **network)
    return net, cr.train(net, X, targets, sample_weight=W, verbose=0, **options)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_reaches_the_optimum(solver, problem):
    net, _ = _trained(problem, solver, dtype="float64")
    np.testing.assert_allclose(net.parameters, PROBLEMS[problem][-1], atol=1e-6)  # issue 7


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("solver", NEW)
def test_sums_and_float32_on_both_backends(solver, backend, problem):
    expected = PROBLEMS[problem][-1]
    net, _ = _trained(problem, solver, "sum", dtype="float64", backend=backend)
    np.testing.assert_allclose(net.parameters, expected, atol=1e-6)  # issue 7
    net, _ = _trained(problem, solver, dtype="float32", backend=backend)
    # a cost of ½ is known to 1e-7 of it, and its least curvature is 0.1: √(1e-7/0.1)
    np.testing.assert_allclose(net.parameters, expected, atol=1e-3)


def test_all_solvers_are_here():
    with pytest.raises(cr.ChainruleError) as error:
        cr.train(cr.Network([2, 1], "identity"), X, Y, optimizer="none")
    names = str(error.value).split("one of ")[1].split(", got")[0].split(", ")
    assert set(names) - {"auto"} == set(SOLVERS)  # which chooses one of them
