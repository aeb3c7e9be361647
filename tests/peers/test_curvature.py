"""(E42) to (E44) against torch's Hessians in float64, and against BackPACK."""

from itertools import pairwise

import numpy as np
import pytest

from cases import all_problems
from chainrule import Network, derivatives
from oracles import relative_error

torch = pytest.importorskip("torch", reason="torch is a peer that users never need: pip install 'chainrule[peers]'")
pytestmark = pytest.mark.peers
SMALL = {name: problem for name, problem in all_problems().items() if problem.plan.n_parameters <= 60}


@pytest.mark.parametrize("name", SMALL)
def test_E43_hessian_diagonal(name):
    from torch_oracle import batch_cost

    problem = SMALL[name]
    theta = torch.tensor(problem.net.parameters)
    expected = torch.autograd.functional.hessian(lambda theta: batch_cost(problem, theta), theta).diagonal().numpy()
    got = derivatives.hessian_diagonal(problem.net, problem.X, problem.Y, problem.weights)
    assert relative_error(got, expected) < 1e-8


@pytest.mark.parametrize("name", SMALL)
def test_parameter_jacobian(name):
    from torch_oracle import outputs

    problem = SMALL[name]
    theta, x = torch.tensor(problem.net.parameters), torch.tensor(problem.X)
    expected = torch.autograd.functional.jacobian(lambda theta: outputs(problem, theta, x), theta).numpy()
    assert relative_error(derivatives.parameter_jacobian(problem.net, problem.X), expected) < 1e-9


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_conventions_are_those_of_backpack(reduction):
    backpack = pytest.importorskip("backpack", reason="BackPACK is a peer: pip install backpack-for-pytorch")
    from backpack import extensions

    sizes = [5, 4, 3, 4]
    net = Network(sizes, ["tanh", "logistic", "softmax"], "cross_entropy", reduction=reduction, dtype="float64")
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((7, 5)), rng.integers(0, 4, 7)
    linears = [torch.nn.Linear(n_in, n_out, dtype=torch.float64) for n_in, n_out in pairwise(sizes)]
    for layer, linear in enumerate(linears, start=1):
        linear.weight.data, linear.bias.data = torch.tensor(net.W[layer].T.copy()), torch.tensor(net.b[layer].copy())
    between = [torch.nn.Tanh(), torch.nn.Sigmoid(), torch.nn.Identity()]
    stack = [module for pair in zip(linears, between, strict=True) for module in pair][:-1]
    model = backpack.extend(torch.nn.Sequential(*stack))
    cost = backpack.extend(torch.nn.CrossEntropyLoss(reduction=reduction))
    with backpack.backpack(extensions.DiagGGNExact(), extensions.DiagHessian(), extensions.KFLR()):
        cost(model(torch.tensor(X, requires_grad=True)), torch.tensor(Y)).backward()

    def flat(name):
        pairs = [(getattr(linear.weight, name).T.ravel(), getattr(linear.bias, name)) for linear in linears]
        return torch.cat([part for pair in pairs for part in pair]).numpy()

    assert relative_error(derivatives.ggn_diagonal(net, X, Y), flat("diag_ggn_exact")) < 1e-9
    assert relative_error(derivatives.hessian_diagonal(net, X, Y), flat("diag_h")) < 1e-8
    factors = derivatives.kronecker_factors(net, X, Y)
    for layer, linear in enumerate(linears, start=1):
        G, A = (factor.numpy() for factor in linear.weight.kflr)
        got = np.kron(factors.A[layer][:-1, :-1], factors.G[layer])  # BackPACK has the bias by itself
        assert relative_error(got, np.kron(A, G)) < 1e-9
        assert relative_error(factors.G[layer], linear.bias.kflr[0].numpy()) < 1e-9
