"""Hessian-vector products and Hessians in the input (E31 to E33) against torch's double backward in float64, on every case."""

import numpy as np
import pytest

from cases import all_problems
from chainrule import derivatives
from oracles import relative_error

torch = pytest.importorskip("torch", reason="torch is a peer that users never need: pip install 'chainrule[peers]'")
pytestmark = pytest.mark.peers
PROBLEMS = all_problems()


@pytest.mark.parametrize("name", PROBLEMS)
def test_hvp(name):
    from torch_oracle import batch_cost

    problem = PROBLEMS[name]
    plan = problem.plan
    v = np.random.default_rng(0).standard_normal(plan.n_parameters)
    theta = torch.tensor(problem.net.parameters, requires_grad=True)
    (gradient,) = torch.autograd.grad(batch_cost(problem, theta), theta, create_graph=True)
    expected = np.zeros(plan.n_parameters)
    if gradient.requires_grad:  # else C is piecewise linear in θ
        (bend,) = torch.autograd.grad(gradient @ torch.tensor(v), theta)
        expected = bend.numpy()
    got = derivatives.hvp(problem.net, problem.X, problem.Y, v, problem.weights)
    assert relative_error(got, expected) < 1e-8


@pytest.mark.parametrize("name", PROBLEMS)
def test_input_hessian(name):
    from torch_oracle import outputs

    problem = PROBLEMS[name]
    output = problem.net.sizes[-1] - 1
    theta, x = torch.tensor(problem.net.parameters), torch.tensor(problem.X[-1])
    expected = torch.autograd.functional.hessian(lambda x: outputs(problem, theta, x[None])[0, output], x).numpy()
    got = derivatives.input_hessian(problem.net, problem.X, output)[-1]
    assert relative_error(got, expected) < 1e-8
