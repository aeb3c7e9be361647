"""Input derivatives in the objective (E59 to E61) against torch's double backward in float64."""

import numpy as np
import pytest

from cases import all_problems
from chainrule.engine import reference, regularized
from chainrule.engine.step_options import StepOptions
from chainrule.training.minibatches.input_terms import InputGradientPenalty, Monotone, SobolevTargets
from oracles import relative_error

torch = pytest.importorskip("torch", reason="torch is a peer that users never need: pip install 'chainrule[peers]'")
pytestmark = pytest.mark.peers
PROBLEMS = {name: problem for name, problem in all_problems().items() if problem.plan.sizes[-1] <= 3}
"""Those of few outputs, each of which torch goes back through twice; every activation and cost is among them."""


@pytest.mark.parametrize("name", PROBLEMS)
def test_terms(name):
    from torch_oracle import COSTS, outputs

    problem = PROBLEMS[name]
    plan, rng = problem.plan, np.random.default_rng(0)
    m, n_in, n_out = len(problem.X), plan.sizes[0], plan.sizes[-1]
    T = rng.standard_normal((m, n_out, n_in))
    T[rng.uniform(size=T.shape) < 0.3] = np.nan
    signs = rng.integers(-1, 2, n_in).astype(float)
    terms = {"E59": SobolevTargets(T, 0.7), "E60": Monotone(signs, 1.3), "E61": InputGradientPenalty(0.6)}

    theta = torch.tensor(problem.net.parameters, requires_grad=True)
    x, y = torch.tensor(problem.X, requires_grad=True), torch.tensor(problem.Y)
    a = outputs(problem, theta, x)
    J = torch.stack([torch.autograd.grad(a[:, o].sum(), x, create_graph=True)[0] for o in range(n_out)], dim=1)
    (g,) = torch.autograd.grad(COSTS[plan.cost.name](a, y).sum(), x, create_graph=True)
    known = torch.tensor(~np.isnan(T))
    c = reference.coefficients(plan, m, problem.weights)
    counted = torch.full((m,), c, dtype=torch.float64) if isinstance(c, float) else torch.tensor(c)
    expected = {
        "E59": 0.7 * counted @ (torch.where(known, J - torch.nan_to_num(torch.tensor(T)), 0.0) ** 2).sum(dim=(1, 2)),
        "E60": 1.3 * counted @ (torch.relu(-torch.tensor(signs) * J) ** 2).sum(dim=(1, 2)),
        "E61": 0.3 * counted @ (g**2).sum(dim=1),
    }
    seen = regularized.see(plan, problem.X, problem.Y, StepOptions(), 0)
    at = seen.linearized(problem.net.parameters)
    for number, term in terms.items():
        value, gradient = term.value_and_gradient(seen, at, c, np.arange(m))
        assert value == pytest.approx(float(expected[number].detach()), rel=1e-8, abs=1e-12), number
        slope = torch.zeros_like(theta)
        if expected[number].requires_grad:  # else nothing depends on θ
            (slope,) = torch.autograd.grad(expected[number], theta, retain_graph=True, materialize_grads=True)
        assert relative_error(gradient, slope.numpy()) < 1e-8, number
