"""(E44) to (E46): Kronecker factors, against matrices that products with unit vectors make, and against dense solutions."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from cases import BACKENDS, all_problems
from chainrule import Network
from chainrule import derivatives as d
from chainrule.engine.plan import ByLayer
from chainrule.errors import InputError
from oracles import example_weights, relative_error

SMALL = {name: problem for name, problem in all_problems().items() if problem.plan.n_parameters <= 120}
SINGLE = [name for name, problem in SMALL.items() if len(problem.X) == 1]
KINDS = {"kflr": d.ggn_vp, "empirical": lambda *given: d.fisher_vp(*given, kind="empirical")}


def matrix(product, problem):
    units = np.eye(problem.plan.n_parameters)
    return np.array([product(problem.net, problem.X, problem.Y, unit, problem.weights) for unit in units])


def with_biases(plan, layer):
    """Where 𝒲^ℓ and b^ℓ lie in θ."""
    start, stop = plan.weight_blocks[layer].start, plan.weight_blocks[layer].stop
    return slice(start, plan.bias_blocks[layer].stop if layer in plan.bias_blocks else stop)


def random_factors(sizes=(3, 4, 2), bias=(True, False), dtype="float64"):
    net = Network(list(sizes), "tanh", bias=list(bias), dtype=dtype, seed=1)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, sizes[0])), rng.standard_normal((40, sizes[-1]))
    return net, d.kronecker_factors(net, X, Y)


def dense(factors):
    n = factors.plan.n_parameters
    whole = np.zeros((n, n))
    for layer in factors.plan.layers:
        at = with_biases(factors.plan, layer)
        whole[at, at] = np.kron(factors.A[layer], factors.G[layer])
    return whole


@pytest.mark.parametrize("name", SINGLE)
def test_E44_exact_for_a_single_example(name):
    problem = SMALL[name]
    for kind, product in KINDS.items():
        whole = matrix(product, problem)
        for backend in BACKENDS:
            on = problem.on(backend)
            factors = d.kronecker_factors(on.net, on.X, on.Y, on.weights, kind=kind)
            for layer in problem.plan.layers:
                block = whole[with_biases(problem.plan, layer), with_biases(problem.plan, layer)]
                got = np.kron(factors.A[layer], factors.G[layer])
                np.testing.assert_allclose(got, block, rtol=1e-11, atol=1e-12 * np.abs(whole).max())  # order of sums


@pytest.mark.parametrize("name", [name for name, p in SMALL.items() if name not in SINGLE and p.net.b][::2])
def test_E44_factors_of_a_batch(name):
    """G^ℓ is the curvature in b^ℓ, exactly; A^ℓ is a mean under either reduction."""
    problem, counts = SMALL[name], example_weights(SMALL[name])
    run = problem.net.forward(problem.X)
    for kind, product in KINDS.items():
        whole = matrix(product, problem)
        factors = d.kronecker_factors(problem.net, problem.X, problem.Y, problem.weights, kind=kind)
        for layer, at in problem.plan.bias_blocks.items():
            block = whole[at.start : at.stop, at.start : at.stop]
            np.testing.assert_allclose(
                factors.G[layer], block, rtol=1e-11, atol=1e-12 * np.abs(whole).max()
            )  # as above
            a = np.column_stack([run.a[layer - 1], np.ones(len(counts))])
            mean = (counts / counts.sum() * a.T) @ a
            np.testing.assert_allclose(factors.A[layer], mean, rtol=1e-12, atol=1e-13)  # order of sums


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_E44_exact_for_a_linear_layer_with_squared_error(reduction, weighted):
    net = Network([3, 2], "identity", "squared_error", reduction=reduction, dtype="float64")
    rng = np.random.default_rng(0)
    X, Y, weights = rng.standard_normal((9, 3)), rng.standard_normal((9, 2)), rng.uniform(0, 2, 9) if weighted else None
    factors = d.kronecker_factors(net, X, Y, weights)
    for v in rng.standard_normal((3, net.plan.n_parameters)):
        assert relative_error(d.kronecker_matvec(factors, v), d.ggn_vp(net, X, Y, v, weights)) < 1e-13


def test_E44_drawn_classes_have_the_moments_of_the_exact_ones():
    """The expectation over all classes, each by its probability, is KFLR; the mean of many draws comes near it."""
    net = Network([3, 5, 4], ["tanh", "softmax"], "cross_entropy", reduction="sum", dtype="float64", seed=2)
    X = np.random.default_rng(0).standard_normal((6, 3))
    a, one_hot = net.predict(X), np.eye(4)
    exact = d.kronecker_factors(net, X, a)
    classes = [d.kronecker_factors(net, X, np.tile(one_hot[o], (6, 1)), a[:, o], kind="empirical") for o in range(4)]
    samples = 4000
    many = d.kronecker_factors(net, X, None, kind="kfac", samples=samples)
    for layer in (1, 2):
        expectation = sum(factors.G[layer] for factors in classes)
        np.testing.assert_allclose(expectation, exact.G[layer], rtol=1e-12, atol=1e-14)  # order of sums
        np.testing.assert_array_equal(many.A[layer], exact.A[layer])
        # five standard errors; an entry of δδᵀ is at most ‖δ‖² ≤ 2‖𝒲‖² of each of the six rows
        largest = 2 * max(1, np.linalg.norm(net.W[2], 2) ** 2)
        assert np.abs(many.G[layer] - exact.G[layer]).max() < 5 * largest * np.sqrt(6 / samples)


def test_E44_kfac_is_the_second_moment_of_what_it_draws():
    net = Network([3, 4, 2], ["tanh", "identity"], "half_squared_error", dtype="float64", seed=1)
    X = np.random.default_rng(5).standard_normal((4, 3))
    a = np.repeat(net.predict(X), 3, axis=0)
    Y = (a + np.random.default_rng(7).standard_normal(a.shape)).reshape(4, 3, 2)
    got = d.kronecker_factors(net, X, None, kind="kfac", samples=3, seed=7)
    each = [d.kronecker_factors(net, X, Y[:, s], kind="empirical") for s in range(3)]
    for layer in (1, 2):
        np.testing.assert_allclose(got.G[layer], np.mean([f.G[layer] for f in each], axis=0), rtol=1e-12)  # order


@pytest.mark.parametrize("kind", ["kflr", "kfac", "empirical"])
def test_a_small_budget_of_memory_gives_the_same(kind):
    net = Network([12, 10, 4], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    rng = np.random.default_rng(0)
    X, Y, weights = rng.standard_normal((300, 12)), rng.integers(0, 4, 300), rng.uniform(0, 1, 300)
    whole, cut = (d.kronecker_factors(net, X, Y, weights, kind=kind, max_memory=b) for b in (2**28, 2**16))
    for layer in (1, 2):
        for factors in ("A", "G"):
            assert relative_error(getattr(cut, factors)[layer], getattr(whole, factors)[layer]) < 1e-12  # order of sums


def test_E45_E46_product_and_solution():
    _, factors = random_factors()
    whole, rng = dense(factors), np.random.default_rng(3)
    for v in rng.standard_normal((3, 24)):
        assert relative_error(d.kronecker_matvec(factors, v), whole @ v) < 1e-14
        for damping in (0.1, 1e-6):
            expected = np.linalg.solve(whole + damping * np.eye(24), v)
            assert relative_error(d.kronecker_solve(factors, v, damping=damping), expected) < 1e-9  # condition 1e6
        u = d.kronecker_solve(factors, v)
        assert relative_error(whole @ u, v) < 1e-9  # condition about 1e4
    assert factors.eigen is factors.eigen


def test_E46_a_factor_without_full_rank_needs_damping():
    net = Network([5, 3], "identity", dtype="float64")
    X, Y = np.random.default_rng(0).standard_normal((3, 5)), np.ones((3, 3))
    factors, v = d.kronecker_factors(net, X, Y), np.random.default_rng(1).standard_normal(18)
    with pytest.raises(InputError) as error:
        d.kronecker_solve(factors, v)
    largest = np.linalg.eigvalsh(factors.A[1]).max() * 2  # G is 2I
    assert str(error.value) == (
        "damping: expected a number that makes A ⊗ G + λI of layer 1 invertible, got 0.0, with which it is singular to "
        f"rounding. A thousandth of its largest eigenvalue is {largest / 1000:.2g}."
    )
    expected = np.linalg.solve(dense(factors) + 1e-3 * np.eye(18), v)
    assert relative_error(d.kronecker_solve(factors, v, damping=1e-3), expected) < 1e-11  # condition 1e4


def test_E46_eigenvalues_below_0_by_rounding_change_no_sign():
    net, factors = random_factors((20, 3), (True,), "float32")
    rng = np.random.default_rng(0)
    factors = d.kronecker_factors(net, rng.standard_normal((4, 20)), rng.standard_normal((4, 3)))
    assert min(np.linalg.eigvalsh(factors.A[1].astype(float))) < 0
    for v in rng.standard_normal((5, net.plan.n_parameters)):
        u = d.kronecker_solve(factors, v, damping=1e-9)
        assert u.dtype == np.float32
        assert u @ v > 0


def test_lapack_works_on_one_thread(monkeypatch):
    seen, eigh = [], np.linalg.eigh

    def looked_at(matrices):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return eigh(matrices)

    monkeypatch.setattr(np.linalg, "eigh", looked_at)
    _, factors = random_factors()
    d.kronecker_solve(factors, np.ones(24), damping=1.0)
    assert set(seen) == {1}


def test_what_factors_look_like():
    _, factors = random_factors(dtype="float32")
    assert repr(factors) == "KroneckerFactors: A{1: (4, 4), 2: (4, 4)}, G{1: (4, 4), 2: (2, 2)}"
    for layer in (1, 2):
        assert factors.A[layer].dtype == factors.G[layer].dtype == np.float32
    assert d.kronecker_matvec(factors, np.ones(24)).dtype == np.float32


NET, FACTORS = random_factors()
X1, Y1 = np.ones((2, 3)), np.array([0, 1])
BROKEN = replace(FACTORS, G=ByLayer("G", {**FACTORS.G, 2: np.full((2, 2), np.nan)}))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: d.kronecker_factors(NET, X1, Y1, kind="exact"),
            "unknown kind: expected one of empirical, kfac, kflr, got 'exact'. Choose a name from the list.",
        ),
        (
            lambda: d.kronecker_factors(NET, X1, Y1, kind="kfac", samples=2.5),
            "samples: expected a whole number ≥ 1, got 2.5. It is how many targets are drawn for each example.",
        ),
        (
            lambda: d.kronecker_factors(Network([3, 2], "identity", "huber"), X1, Y1, kind="kfac"),
            "cost: expected a cost that is −ln p(y|a) of a distribution: one of squared_error, half_squared_error, "
            'binary_cross_entropy, poisson, cross_entropy (softmax), got huber. kind="kflr" and kind="empirical" need none.',
        ),
        (
            lambda: d.kronecker_matvec(FACTORS, np.ones(23)),
            "v: expected shape (24,), got shape (23,). It is laid out as net.parameters: 𝒲^1, b^1, 𝒲^2, b^2, …",
        ),
        (
            lambda: d.kronecker_solve(FACTORS, np.full(24, np.inf)),
            "v[0]: expected a finite number, got inf. Remove or fill such rows first.",
        ),
        (
            lambda: d.kronecker_solve(FACTORS, np.ones(24), damping=-1e-3),
            "damping: expected a finite number ≥ 0, got -0.001. It is added to every eigenvalue.",
        ),
        (
            lambda: d.kronecker_solve(FACTORS, np.ones(24), damping="much"),
            "damping: expected a finite number ≥ 0, got 'much'. It is added to every eigenvalue.",
        ),
        (
            lambda: d.kronecker_solve(BROKEN, np.ones(24), damping=1.0),
            "factors.G[2]: expected finite numbers, got a NaN or infinite one. The network's outputs or derivatives "
            "overflow: look at its parameters.",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value) == message
