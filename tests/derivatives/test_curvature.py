"""(E42), (E43): diagonals of curvature, against the matrices that products with unit vectors make, on every small case."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from cases import BACKENDS, all_problems
from chainrule import Network
from chainrule import derivatives as d
from chainrule.errors import DerivativeError, InputError
from oracles import relative_error

SMALL = {name: problem for name, problem in all_problems().items() if problem.plan.n_parameters <= 120}


def diagonal_of(product, problem):
    units = np.eye(problem.plan.n_parameters)
    return np.array([product(problem.net, problem.X, problem.Y, u, problem.weights) @ u for u in units])


@pytest.mark.parametrize("name", SMALL)
def test_E42_E43_diagonals_of_the_matrices(name):
    problem = SMALL[name]
    expected = {d.ggn_diagonal: diagonal_of(d.ggn_vp, problem), d.hessian_diagonal: diagonal_of(d.hvp, problem)}
    for backend in BACKENDS:
        on = problem.on(backend)
        for function, diagonal in expected.items():
            got = function(on.net, on.X, on.Y, on.weights)
            # sums of the same products, some with a minus that cancels most of them
            np.testing.assert_allclose(got, diagonal, rtol=1e-11, atol=1e-11 * np.abs(diagonal).max())


def test_the_small_cases_have_every_activation_and_cost():
    problems = SMALL.values()
    everything = all_problems().values()
    assert {p.plan.cost.name for p in problems} == {p.plan.cost.name for p in everything}
    for layers in (slice(None, -1), slice(-1, None)):
        assert {g for p in problems for g in p.net.activations[layers]} == {
            g for p in everything for g in p.net.activations[layers]
        }


@pytest.mark.parametrize(
    ("hidden", "output", "cost"), [("tanh", "softmax", "cross_entropy"), ("softmax", "softmax", "squared_error")]
)
def test_layers_wider_than_what_is_pulled_down_at_once(hidden, output, cost):
    net = Network([3, 37, 35], [hidden, output], cost, dtype="float64", initializer="lecun_normal", seed=1)
    rng = np.random.default_rng(0)
    X, Y, weights = rng.standard_normal((6, 3)), rng.dirichlet(np.ones(35), 6), rng.uniform(0, 1, 6)
    some = rng.choice(net.plan.n_parameters, 40, replace=False)
    for diagonal, product in ((d.ggn_diagonal, d.ggn_vp), (d.hessian_diagonal, d.hvp)):
        units = np.eye(net.plan.n_parameters)[some]
        expected = np.array([product(net, X, Y, u, weights) @ u for u in units])
        assert relative_error(diagonal(net, X, Y, weights)[some], expected) < 1e-11  # sums of 35 squares


def bowl(name, **more):
    """1 − exp(−½ rᵀMr): its Hessian couples outputs, and has eigenvalues of both signs."""
    M = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]])

    def inner(a, y):
        return np.exp(-0.5 * np.einsum("ij,jk,ik->i", a - y, M, a - y))[:, np.newaxis]

    def hessian_product(a, y, v):
        r = (a - y) @ M
        return inner(a, y) * (v @ M - r * np.sum(r * v, axis=1, keepdims=True))

    return cr.Cost(
        name,
        value=lambda a, y: 1 - inner(a, y)[:, 0],
        derivative=lambda a, y: inner(a, y) * ((a - y) @ M),
        hessian_product=hessian_product,
        **more,
    )


@pytest.mark.parametrize("output", ["identity", "tanh", "softmax"])
def test_a_cost_of_the_users_own_that_couples_outputs_and_is_not_convex(output):
    net = Network([2, 4, 3], ["tanh", output], bowl("bowl"), dtype="float64", seed=3)
    rng = np.random.default_rng(0)
    X, Y = 2 * rng.standard_normal((7, 2)), 2 * rng.standard_normal((7, 3))
    for diagonal, product in ((d.ggn_diagonal, d.ggn_vp), (d.hessian_diagonal, d.hvp)):
        expected = np.array([product(net, X, Y, u) @ u for u in np.eye(net.plan.n_parameters)])
        assert expected.min() < 0 < expected.max()
        np.testing.assert_allclose(diagonal(net, X, Y), expected, rtol=1e-11, atol=1e-12)  # eigenvectors' rounding


def test_a_cost_that_is_said_to_be_separable_is_worked_without_its_matrix():
    asked = []

    def hessian_product(a, y, v):
        asked.append(v)
        return 12 * (a - y) ** 2 * v

    def fourth(separable):
        return cr.Cost(
            "fourth",
            value=lambda a, y: ((a - y) ** 4).sum(axis=1),
            derivative=lambda a, y: 4 * (a - y) ** 3,
            hessian_product=hessian_product,
            separable=separable,
        )

    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((7, 2)), rng.standard_normal((7, 3))
    results, counts = [], []
    for separable in (True, False):
        net = Network([2, 4, 3], ["tanh", "identity"], fourth(separable), dtype="float64", seed=3)
        asked.clear()
        results.append(d.ggn_diagonal(net, X, Y))
        counts.append(len(asked))
    assert counts == [1, 3]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-13)  # another order of sums


# --- Monte Carlo ------------------------------------------------------------------------------------------------------
LIKELIHOODS = {  # of an output whose mean is a: the variance of δ², from the fourth moment of y − a
    ("identity", "squared_error"): lambda a: 2 * 2.0**2,  # δ = 2(a − y) has variance 2
    ("identity", "half_squared_error"): lambda a: 2.0,
    ("logistic", "binary_cross_entropy"): lambda a: a * (1 - a) * ((1 - a) ** 3 + a**3) - (a * (1 - a)) ** 2,
    ("exp", "poisson"): lambda a: a + 2 * a**2,
}


@pytest.mark.parametrize(("output", "cost"), LIKELIHOODS)
def test_E42_drawn_targets_have_the_curvature_of_the_cost(output, cost):
    net = Network([1, 1], output, cost, dtype="float64")
    net.parameters = [0.0, 0.7]
    X, samples = np.zeros((1, 1)), 100_000
    a = net.predict(X).item()
    exact = d.ggn_diagonal(net, X, [0.5])[1]
    got = d.ggn_diagonal(net, X, None, kind="monte_carlo", samples=samples)[1]
    assert abs(got - exact) < 5 * np.sqrt(LIKELIHOODS[output, cost](a) / samples)  # five standard errors


def test_E42_drawn_classes_have_the_curvature_of_the_cost():
    net = Network([1, 4], "softmax", "cross_entropy", dtype="float64")
    net.parameters = [0, 0, 0, 0, 0.3, -1.0, 1.5, 0.0]
    X, samples = np.zeros((1, 1)), 100_000
    a = net.predict(X)[0]
    got = d.ggn_diagonal(net, X, None, kind="monte_carlo", samples=samples)[4:]
    variance = a * (1 - a) * ((1 - a) ** 3 + a**3) - (a * (1 - a)) ** 2  # each class by itself is drawn or not
    assert (np.abs(got - a * (1 - a)) < 5 * np.sqrt(variance / samples)).all()  # five standard errors


def test_a_poisson_mean_that_numpy_cannot_draw():
    draw = cr.Network([1, 1], "exp", "poisson").cost_function.draw
    a = np.full((4000, 1), 1e20)
    z = (draw(a, np.random.default_rng(0)) - a) / 1e10
    assert abs(z.mean()) < 5 / np.sqrt(4000)  # five standard errors
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / 4000)
    assert draw(np.array([[0.0]]), np.random.default_rng(0)).item() == 0


@pytest.mark.parametrize("samples", [1, 3, 40])
def test_E42_what_is_drawn_is_squared_and_averaged(samples):
    net = Network([3, 4, 2], ["tanh", "identity"], "half_squared_error", dtype="float64", seed=1)
    X, weights = np.random.default_rng(5).standard_normal((4, 3)), np.array([1.0, 2.0, 0.5, 1.5])
    a = np.repeat(net.predict(X), samples, axis=0)  # all targets of a row before those of the next
    Y = (a + np.random.default_rng(7).standard_normal(a.shape)).reshape(4, samples, 2)
    squares = [[d.per_example_gradients(net, X[[i]], Y[[i], s])[0] ** 2 for s in range(samples)] for i in range(4)]
    expected = (weights / weights.sum()) @ np.mean(squares, axis=1)
    got = d.ggn_diagonal(net, X, None, weights, kind="monte_carlo", samples=samples, seed=7)
    np.testing.assert_allclose(got, expected, rtol=1e-12)  # another order of sums


def test_the_same_seed_draws_the_same_whatever_the_blocks_are():
    net = Network([3, 5, 4], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    X = np.random.default_rng(0).standard_normal((60, 3))

    def mc(seed, **more):
        return d.ggn_diagonal(net, X, None, kind="monte_carlo", samples=2, seed=seed, **more)

    whole = mc(3)
    assert np.array_equal(mc(3), whole)
    assert not np.allclose(mc(4), whole, rtol=1e-3)
    np.testing.assert_allclose(mc(np.random.default_rng(3), max_memory=20_000), whole, rtol=1e-12)  # order of sums
    for backend in BACKENDS:
        net = Network.from_plan(net.plan, net.parameters, backend)
        np.testing.assert_allclose(mc(3), whole, rtol=1e-12)  # as above


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    m=st.integers(1, 30),
    bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    order=st.sampled_from(["C", "F", "strided"]),
)
@settings(max_examples=40, deadline=None)
def test_shapes_dtypes_and_strides(sizes, m, bias, dtype, order):
    """With squared error G is 2/m Σ JᵀJ, and under one linear layer it is the Hessian."""
    net = Network(sizes, ["tanh"] * (len(sizes) - 2) + ["identity"], bias=bias, dtype=dtype, seed=m)
    rng = np.random.default_rng(m)
    X = rng.standard_normal((m, sizes[0])).astype(dtype)
    X = {"C": X, "F": np.asfortranarray(X), "strided": np.repeat(X, 2, axis=0)[::2]}[order]
    Y = rng.standard_normal((m, sizes[-1]))
    tolerance = 1e-4 if dtype == "float32" else 1e-11  # some hundred roundings
    J = d.parameter_jacobian(net, X)
    G, H = d.ggn_diagonal(net, X, Y), d.hessian_diagonal(net, X, Y)
    assert J.dtype == G.dtype == H.dtype == net.dtype
    assert relative_error(G, 2 / m * (J.astype(float) ** 2).sum(axis=(0, 1))) < tolerance
    if len(sizes) == 2:
        assert relative_error(H, G) < tolerance
    factors = d.kronecker_factors(net, X, Y)
    for layer, at in net.plan.bias_blocks.items():
        assert relative_error(np.diag(factors.G[layer]), G[at.start : at.stop]) < tolerance
    product = d.kronecker_matvec(factors, np.ones(net.plan.n_parameters))
    assert product.dtype == net.dtype
    pairs = zip(factors.A.values(), factors.G.values(), strict=True)
    whole = np.concatenate([np.kron(A, G).sum(axis=1, dtype=float) for A, G in pairs])
    assert np.linalg.norm(product - whole) < tolerance * np.abs(whole).sum()


def test_what_is_no_number_is_not_taken_for_no_curvature():
    net = Network([1, 1], "softplus", "poisson", dtype="float64", backend="reference")
    net.parameters = [0.0, -800.0]  # a = e^−800, which is no float64: y/a² is infinite
    with np.errstate(all="ignore"):
        assert np.isnan(d.ggn_diagonal(net, [[1.0]], [1.0])).all()


def test_float32_gives_float32_near_float64():
    narrow = Network([20, 30, 5], ["tanh", "softmax"], "cross_entropy", seed=3)
    wide = Network([20, 30, 5], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    wide.parameters = narrow.parameters
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, 20)), rng.integers(0, 5, 50)
    for diagonal in (d.ggn_diagonal, d.hessian_diagonal):
        got = diagonal(narrow, X, Y)
        assert got.dtype == np.float32
        assert relative_error(got, diagonal(wide, X, Y)) < 1e-5  # some tens of roundings of 6e-8


def test_a_small_budget_of_memory_gives_the_same():
    net = Network([30, 20, 4], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    rng = np.random.default_rng(0)
    X, Y, weights = rng.standard_normal((300, 30)), rng.integers(0, 4, 300), rng.uniform(0, 1, 300)
    for diagonal in (d.ggn_diagonal, d.hessian_diagonal):
        got = diagonal(net, X, Y, weights, max_memory=2**17)
        np.testing.assert_allclose(got, diagonal(net, X, Y, weights), rtol=1e-10, atol=1e-14)  # order of sums


X1, Y1 = np.ones((2, 3)), np.array([0, 1])
GOOD = Network([3, 4, 2], ["tanh", "identity"], dtype="float64")
HUBER = Network([3, 4, 2], ["tanh", "identity"], "huber", dtype="float64")
own = cr.Activation("my_square", value=lambda z: z * z, derivative=lambda z: 2 * z)
own_cost = cr.Cost("my_cost", value=lambda a, y: ((a - y) ** 2).sum(axis=1), derivative=lambda a, y: 2 * (a - y))
LIKELIHOOD = (
    "cost: expected a cost that is −ln p(y|a) of a distribution: one of squared_error, half_squared_error, "
    "binary_cross_entropy, poisson, cross_entropy (softmax), got "
)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: d.ggn_diagonal(GOOD, X1, Y1, kind="montecarlo"),
            InputError,
            "unknown kind: expected one of exact, monte_carlo, got 'montecarlo'. Did you mean monte_carlo?",
        ),
        (
            lambda: d.ggn_diagonal(GOOD, X1, None, kind="monte_carlo", samples=0),
            InputError,
            "samples: expected a whole number ≥ 1, got 0. It is how many targets are drawn for each example.",
        ),
        (
            lambda: d.ggn_diagonal(GOOD, X1, None, kind="monte_carlo", seed=-1),
            InputError,
            "seed: expected a whole number ≥ 0, a Generator or None, got -1. Write seed=0.",
        ),
        (
            lambda: d.ggn_diagonal(HUBER, X1, None, kind="monte_carlo"),
            InputError,
            f'{LIKELIHOOD}huber. kind="exact" needs none.',
        ),
        (
            lambda: d.ggn_diagonal(
                Network([3, 4, 2], ["tanh", "logistic"], "cross_entropy"), X1, None, kind="monte_carlo"
            ),
            InputError,
            f'{LIKELIHOOD}cross_entropy of logistic outputs. kind="exact" needs none.',
        ),
        (
            lambda: d.ggn_diagonal(Network([3, 4, 2], ["tanh", "identity"], own_cost), X1, None, kind="monte_carlo"),
            InputError,
            f'{LIKELIHOOD}my_cost. Give cr.Cost(…, draw=…): targets of such a distribution. kind="exact" needs none.',
        ),
        (
            lambda: d.ggn_diagonal(GOOD, X1, None),
            InputError,
            "Y: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(Y, dtype=float).",
        ),
        (
            lambda: d.ggn_diagonal(Network([3, 4, 2], ["tanh", "identity"], own_cost), X1, Y1),
            DerivativeError,
            "cost my_cost: expected a hessian_product, got none. Give cr.Cost(…, hessian_product=…): ∂²C_i/∂a² v, (a, y, "
            "v) -> (m, n).",
        ),
        (
            lambda: d.hessian_diagonal(Network([3, 4, 2], [own, "identity"]), X1, Y1),
            DerivativeError,
            "activation my_square of layer 1: expected a second_derivative, got none. Give cr.Activation(…, "
            "second_derivative=…); products by ggn_vp need none.",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == message
