"""Every function of chainrule.derivatives against torch.func and torch.autograd in float64, on every case.

Products with the Hessian and Hessians in the input are in test_second_order.py, the whole Hessian's diagonal of small
networks and BackPACK's conventions in test_curvature.py.
"""

import math

import numpy as np
import pytest
from scipy.special import roots_legendre

from cases import all_problems
from chainrule import derivatives as d
from oracles import relative_error

torch = pytest.importorskip("torch", reason="torch is a peer that users never need: pip install 'chainrule[peers]'")
pytestmark = pytest.mark.peers
PROBLEMS = all_problems()
FIRST, SECOND = 1e-9, 1e-8  # of the norm: what issue 5 asks of first and of second derivatives


@pytest.fixture(scope="module")
def _one_thread():
    """Networks as small as these take longer on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=PROBLEMS, scope="module")
def expected(request, _one_thread):
    from torch_oracle import Autograd

    return Autograd(PROBLEMS[request.param])


@pytest.fixture
def problem(expected):
    return expected.problem


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def assert_close(got, expected, tolerance):
    """What torch says is exactly 0, such as all behind a softmax of one unit, has to be exactly 0."""
    assert got.shape == expected.shape
    assert got.dtype == np.float64
    if not expected.any():
        np.testing.assert_array_equal(got, 0)
    assert relative_error(got, expected) < tolerance


@pytest.mark.parametrize("of", ["a", "z"])
def test_E11_in_the_input(expected, problem, rng, of):
    net, X, J = problem.net, problem.X, expected.jacobian(of)
    u, v = rng.standard_normal((len(X), net.sizes[-1])), rng.standard_normal(X.shape)
    output = int(rng.integers(net.sizes[-1]))
    assert_close(d.jacobian(net, X, of=of), J, FIRST)
    assert_close(d.input_gradient(net, X, output, of=of), J[:, output], FIRST)
    assert_close(d.vjp(net, X, u, of=of), np.einsum("iok,io->ik", J, u), FIRST)
    assert_close(d.jvp(net, X, v, of=of), np.einsum("iok,ik->io", J, v), FIRST)


@pytest.mark.parametrize("of", ["a", "z"])
def test_E41_integrated_gradients(expected, problem, rng, of):
    net, X = problem.net, problem.X
    output, baseline = int(rng.integers(net.sizes[-1])), rng.standard_normal(X.shape)
    points, shares = roots_legendre(20)
    found = d.integrated_gradients(net, X, output, baseline=baseline, steps=20, of=of)
    attributions, change = expected.integrated(output, baseline, (points + 1) / 2, shares / 2, of)
    assert_close(found.attributions, attributions, FIRST)
    size = np.abs(attributions).sum(axis=1) + np.abs(change)  # of which the gap is a difference
    assert (np.abs(found.gap - (attributions.sum(axis=1) - change)) <= FIRST * size).all()


def test_E6_between_layers(expected, problem):
    net, X = problem.net, problem.X
    for t in range(1, net.L + 1):
        for f in range(t):
            assert_close(d.layer_jacobian(net, X, f, t), expected.layer_jacobian(f, t), FIRST)
    norms = np.stack([np.linalg.norm(expected.deltas[layer], axis=1) for layer in range(net.L + 1)], axis=1)
    assert_close(d.sensitivity_profile(net, X, problem.Y), norms, FIRST)
    assert_close(d.cost_input_gradient(net, X, problem.Y), expected.deltas[0], FIRST)


def test_E10_in_the_parameters(expected, problem):
    net, X = problem.net, problem.X
    assert_close(d.gradient(net, X, problem.Y, problem.weights), expected.c @ expected.gradients, FIRST)
    for of in ("a", "z"):
        assert_close(d.parameter_jacobian(net, X, of=of), expected.parameter_jacobian(of), FIRST)


def test_E36_to_E40_per_example(expected, problem):
    net, X, Y, m, g = problem.net, problem.X, problem.Y, len(problem.X), expected.gradients
    norms = np.linalg.norm(g, axis=1)
    assert_close(d.per_example_gradients(net, X, Y), g, FIRST)
    assert_close(d.per_example_norms(net, X, Y), norms, FIRST)
    assert_close(d.sum_of_squares(net, X, Y), (g**2).sum(axis=0), FIRST)
    limit = float(np.median(norms)) or 1.0
    kept = np.minimum(1, limit / np.maximum(norms, 1e-300))
    assert_close(d.clipped_gradient(net, X, Y, limit, problem.weights), (expected.c * kept) @ g, FIRST)
    for ddof in range(min(m, 2)):
        got, variance = d.gradient_variance(net, X, Y, ddof), g.var(axis=0, ddof=ddof)
        assert (got >= 0).all()
        # a difference of squares, of which one example leaves nothing but their rounding
        assert np.linalg.norm(got - variance) <= FIRST * np.linalg.norm(variance) + 1e-15 * np.linalg.norm(g**2)


def test_E39_noise_scale(expected, problem):
    g, m = expected.gradients, len(problem.X)
    if m == 1:
        return  # refused, which test_per_example.py has
    found = d.gradient_noise_scale(problem.net, problem.X, problem.Y)
    trace, norm = float(g.var(axis=0, ddof=1).sum()), float((g.mean(axis=0) ** 2).sum())
    assert found.trace == pytest.approx(trace, rel=FIRST)
    squared_norm = norm - trace / m
    assert found.squared_norm == pytest.approx(squared_norm, abs=FIRST * norm)  # of which it is a difference
    assert found.scale == pytest.approx(found.trace / found.squared_norm if squared_norm > 0 else math.inf, rel=FIRST)


def test_E34_E42_gauss_newton(expected, problem, rng):
    net, X, Y, weights = problem.net, problem.X, problem.Y, problem.weights
    J, H, v = expected.curved_jacobian, expected.curvature, rng.standard_normal(problem.plan.n_parameters)
    HJ = expected.c[:, np.newaxis, np.newaxis] * (H @ J)
    assert_close(d.ggn_vp(net, X, Y, v, weights), np.einsum("iop,io->p", HJ, J @ v), SECOND)
    assert_close(d.ggn_diagonal(net, X, Y, weights), np.einsum("iop,iop->p", HJ, J), SECOND)


def test_E35_fisher(expected, problem, rng):
    net, X, Y, weights, c = problem.net, problem.X, problem.Y, problem.weights, expected.c
    g, v = expected.gradients, rng.standard_normal(problem.plan.n_parameters)
    assert_close(d.fisher_vp(net, X, Y, v, weights, kind="empirical"), (c * (g @ v)) @ g, SECOND)
    scores = expected.scores()
    if scores is not None:
        J = (
            expected.curved_jacobian
            if expected.pair == ("softmax", "cross_entropy")
            else expected.parameter_jacobian("a")
        )
        true = np.einsum("iop,io->p", J, c[:, np.newaxis] * np.einsum("iop,ip->io", scores, J @ v))
        assert_close(d.fisher_vp(net, X, None, v, weights), true, SECOND)


def test_E43_hessian_diagonal(expected, problem, rng):
    n = problem.plan.n_parameters
    some = np.sort(rng.permutation(n)[:40])
    got = d.hessian_diagonal(problem.net, problem.X, problem.Y, problem.weights)
    assert got.shape == (n,)
    assert_close(got[some], expected.hessian_diagonal(some), SECOND)


def test_E12_path_sums(expected, problem):
    net, X, Y, L = problem.net, problem.X, problem.Y, problem.net.L
    coupled = [layer for layer in range(1, L) if net.plan.activation(layer).coupled]  # no paths lead through these
    for layer in range(max(coupled, default=0) + 1, L + 1):
        if math.prod(net.sizes[layer + 1 :]) > 5000:
            continue
        j, k = net.sizes[layer] - 1, net.sizes[layer - 1] // 2
        at = problem.plan.weight_blocks[layer].start + k * net.sizes[layer] + j
        found = d.path_sum(net, X[-1], Y[-1], (layer, j, k))
        gradient = expected.gradients[-1, at]
        # a sum of terms of either sign
        assert found.value == pytest.approx(gradient, rel=FIRST, abs=1e-14 * found.magnitude)
        paths = d.top_paths(net, X[-1], Y[-1], (layer, j, k), k=50)
        if found.n_paths <= 50:
            assert math.fsum(path.value for path in paths) == pytest.approx(found.value, abs=1e-14 * found.magnitude)


def test_E44_to_E46_kronecker_factors(expected, problem, rng):
    net, X, Y, weights, c = problem.net, problem.X, problem.Y, problem.weights, expected.c
    found = {kind: d.kronecker_factors(net, X, Y, weights, kind=kind) for kind in ("kflr", "empirical")}
    for layer in problem.plan.layers:
        J, delta = expected.curved_jacobian_in(layer), expected.deltas[layer]
        G = {"kflr": np.einsum("ioj,iop,ipk,i->jk", J, expected.curvature, J, c, optimize=True)}
        G["empirical"] = np.einsum("ij,ik,i->jk", delta, delta, c)
        inputs = expected.inputs(layer)
        for kind, factors in found.items():
            assert_close(factors.G[layer], G[kind], SECOND)
            assert_close(factors.A[layer], np.einsum("ij,ik,i->jk", inputs, inputs, c / c.sum()), FIRST)
    if problem.plan.n_parameters > 200:
        return  # as the products are formed
    factors, v = found["kflr"], rng.standard_normal(problem.plan.n_parameters)
    pairs = [[torch.tensor(factor[layer]) for factor in (factors.A, factors.G)] for layer in problem.plan.layers]
    blocks = torch.block_diag(*[torch.kron(A, G) for A, G in pairs])
    assert_close(d.kronecker_matvec(factors, v), (blocks @ torch.tensor(v)).numpy(), SECOND)
    damping = 0.1 * float(torch.linalg.matrix_norm(blocks, 2)) or 1.0  # so that no digits are lost in solving
    damped = blocks + damping * torch.eye(len(v), dtype=torch.float64)
    assert_close(
        d.kronecker_solve(factors, v, damping=damping), torch.linalg.solve(damped, torch.tensor(v)).numpy(), SECOND
    )
