"""(E31) to (E35): products with Hessian, Gauss-Newton and Fisher matrices, against first derivatives, on every case."""

import numpy as np
import pytest
from scipy.sparse.linalg import eigsh

import chainrule as cr
from cases import BACKENDS, all_problems, named
from chainrule import Network
from chainrule import derivatives as d
from chainrule.derivatives.examples import bytes_held
from chainrule.engine import reference
from chainrule.errors import DerivativeError, InputError
from oracles import _fd4, example_weights, relative_error

PROBLEMS = all_problems()
HAS_LIKELIHOOD = ("squared_error", "half_squared_error", "binary_cross_entropy", "poisson", "cross_entropy")


@pytest.fixture(params=PROBLEMS, scope="module")
def problem(request):
    return PROBLEMS[request.param]


def direction(problem, seed=0):
    """Small where many weights meet in one z, so that no kink is crossed."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, problem.plan.n_parameters) / (1 + max(problem.net.sizes))


def gradient_at(problem, theta):
    net = Network.from_plan(problem.plan, theta, "reference")
    return net.value_and_gradient(problem.X, problem.Y, problem.weights)[1].flat


def example_gradients(problem, Y):
    """∇C_i, (m, |θ|), one example after the other."""
    net = problem.net
    rows = range(len(problem.X))
    return np.array([net.value_and_gradient(problem.X[[i]], Y[[i]])[1].flat for i in rows])


@pytest.mark.parametrize("backend", BACKENDS)
def test_E33_hvp_is_the_difference_of_gradients(problem, backend):
    v, theta = direction(problem), problem.net.parameters
    expected = _fd4(lambda h: gradient_at(problem, theta + h * v), problem.step)
    on = problem.on(backend)
    got = d.hvp(on.net, on.X, on.Y, v, on.weights)
    # what rounding of the gradients, divided by the step, and the step's fourth power leave
    noise = 1e-14 * np.linalg.norm(gradient_at(problem, theta)) / problem.step
    assert np.linalg.norm(got - expected) <= 1e-8 * np.linalg.norm(expected) + noise


def test_the_matrices_are_symmetric_and_two_of_them_not_negative(problem):
    u, v = direction(problem, 1), direction(problem, 2)
    X, Y, weights = problem.X, problem.Y, problem.weights
    for product, semidefinite in ((d.hvp, False), (d.ggn_vp, True), (_empirical, True)):
        Mu, Mv = product(problem.net, X, Y, u, weights), product(problem.net, X, Y, v, weights)
        size = np.linalg.norm(Mu) * np.linalg.norm(v) + np.linalg.norm(Mv) * np.linalg.norm(u)
        assert abs(u @ Mv - v @ Mu) <= 1e-13 * size
        assert not semidefinite or v @ Mv >= -1e-14 * size


def _empirical(net, X, Y, v, weights=None, **more):
    return d.fisher_vp(net, X, Y, v, weights, kind="empirical", **more)


def test_E34_without_curvature_of_the_network_the_hessian_is_the_gauss_newton_matrix():
    for output, cost in (
        ("identity", "squared_error"),
        ("softmax", "cross_entropy"),
        ("logistic", "binary_cross_entropy"),
    ):
        net = Network([4, 3], output, cost, dtype="float64", seed=5)  # z^L is linear in θ
        rng = np.random.default_rng(1)
        X, Y = rng.standard_normal((9, 4)), np.eye(3)[rng.integers(0, 3, 9)]
        v = rng.standard_normal(net.plan.n_parameters)
        assert relative_error(d.ggn_vp(net, X, Y, v), d.hvp(net, X, Y, v)) < 1e-13


def test_E34_gauss_newton_is_made_of_the_jacobian_in_the_parameters(problem):
    """vᵀGv = Σ c_i vᵀJᵢᵀHᵢJᵢv, Jᵢv by differences of z^L or a^L, Hᵢ by differences of the cost's derivative."""
    plan, theta, v = problem.plan, problem.net.parameters, direction(problem)
    run = problem.net.forward(problem.X)

    def top(h):
        moved = Network.from_plan(plan, theta + h * v, "reference").forward(problem.X)
        return moved.z[plan.L] if plan.matched is not None else moved.a[plan.L]

    Jv = _fd4(top, problem.step)
    if plan.matched is not None:
        g = plan.activation(plan.L)
        HJv = _fd4(lambda h: plan.matched.delta(g.value(run.z[plan.L] + h * Jv), problem.Y), 1e-4)
    else:
        HJv = _fd4(lambda h: plan.cost.derivative(run.a[plan.L] + h * Jv, problem.Y), 1e-4 * problem.step)
    expected = float(example_weights(problem) @ np.sum(Jv * HJv, axis=1))
    got = float(v @ d.ggn_vp(problem.net, problem.X, problem.Y, v, problem.weights))
    assert got == pytest.approx(expected, rel=1e-6, abs=1e-9)  # two differences, one of them of a tiny step


def test_E35_empirical_fisher_is_the_second_moment_of_the_gradients(problem):
    counts = example_weights(problem)
    g, v = example_gradients(problem, problem.Y), direction(problem)
    got = _empirical(problem.net, problem.X, problem.Y, v, problem.weights)
    np.testing.assert_allclose(got, (counts * (g @ v)) @ g, rtol=1e-9, atol=1e-13 * np.abs(got).max() + 1e-300)


def targets_with_their_probabilities(problem):
    """Targets whose first two moments are those of the distribution that the network predicts; δ is linear in y."""
    a, name = problem.net.predict(problem.X), problem.plan.cost.name
    if name == "cross_entropy":
        return [(np.broadcast_to(np.eye(a.shape[1])[o], a.shape), a[:, o]) for o in range(a.shape[1])]
    deviations = {
        "squared_error": lambda: np.sqrt(0.5) * np.ones_like(a),
        "half_squared_error": lambda: np.ones_like(a),
        "binary_cross_entropy": lambda: np.sqrt(a * (1 - a)),
        "poisson": lambda: np.sqrt(a),
    }
    deviation = deviations[name]()
    signs = np.array(np.meshgrid(*[[-1, 1]] * a.shape[1])).reshape(a.shape[1], -1).T
    return [(a + sign * deviation, np.full(len(a), 1 / len(signs))) for sign in signs]


FEW_OUTPUTS = [
    name
    for name, problem in PROBLEMS.items()
    if problem.plan.cost.name in HAS_LIKELIHOOD
    and problem.net.sizes[-1] <= 6
    and problem.plan.n_parameters < 1500
    and (problem.plan.cost.name != "cross_entropy" or problem.net.activations[-1] == "softmax")
]


@pytest.mark.parametrize("name", FEW_OUTPUTS[::2])
def test_E35_true_fisher_is_the_expectation_over_the_targets_that_the_network_predicts(name):
    problem = PROBLEMS[name]
    plan, run, v = problem.plan, problem.net.forward(problem.X), direction(problem)
    W = problem.net.W
    expected = np.zeros(plan.n_parameters)
    for Y, probability in targets_with_their_probabilities(problem):
        delta = reference.propagate(
            plan, W, run, reference.output_delta(plan, run.z[plan.L], run.a[plan.L], Y)
        )  # Y may leave the cost's domain
        g = np.array(
            [reference.reduced_gradient(plan, run, delta, np.eye(len(problem.X))[i]) for i in range(len(problem.X))]
        )
        expected += (example_weights(problem) * probability * (g @ v)) @ g
    got = d.fisher_vp(problem.net, problem.X, None, v, sample_weight=problem.weights)
    assert relative_error(got, expected) < 1e-9 or np.linalg.norm(got - expected) < 1e-13


def test_E35_true_fisher_of_a_likelihood_of_the_users_own():
    """A gamma distribution of mean a and shape 2: −ln p = 2 ln a + 2y/a and terms without a."""
    gamma = cr.Cost(
        "gamma",
        value=lambda a, y: (2 * np.log(a) + 2 * y / a).sum(axis=1),
        derivative=lambda a, y: 2 / a - 2 * y / a**2,
        hessian_product=lambda a, y, v: (4 * y / a**3 - 2 / a**2) * v,
        domain=cr.Interval(0),
        targets=cr.Interval(0),
        separable=True,
        draw=lambda a, rng: rng.gamma(2.0, a / 2),
    )
    net = Network([1, 1], "exp", gamma, dtype="float64")
    net.parameters = [0.0, 0.7]
    X, v, samples = np.zeros((1, 1)), np.array([0.0, 1.0]), 100_000
    exact = d.fisher_vp(net, X, None, v)[1]
    assert exact == pytest.approx(2, rel=1e-13)  # δ = 2(1 − y/a), of variance 4 · ½
    drawn = d.ggn_diagonal(net, X, None, kind="monte_carlo", samples=samples)[1]
    assert abs(drawn - exact) < 5 * np.sqrt(20 / samples)  # five standard errors; E[δ⁴] is 24


@pytest.mark.parametrize("product", [d.hvp, d.ggn_vp, _empirical])
def test_a_small_budget_of_memory_gives_the_same(product):
    problem = named()["digits"]
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((700, 64)), rng.integers(0, 10, 700)
    v, weights = rng.standard_normal(problem.plan.n_parameters), rng.uniform(0, 1, 700)
    whole = product(problem.net, X, Y, v, weights)
    fixed, row = bytes_held(problem.net, arrays=14, fixed=2 * problem.plan.n_parameters, networks=2)
    for rows in (1, 7):
        budget = fixed + rows * row
        assert relative_error(product(problem.net, X, Y, v, weights, max_memory=budget), whole) < 1e-12
    with pytest.raises(InputError) as error:
        product(problem.net, X, Y, v, weights, max_memory=budget - 7 * row)
    assert str(error.value) == (
        f"max_memory: expected at least {fixed + row:,} bytes, which one example of this network takes here, got "
        f"{fixed:,}. Make it larger, or leave it out."
    )


@pytest.mark.parametrize(
    ("kind", "product"),
    [
        ("hessian", d.hvp),
        ("ggn", d.ggn_vp),
        ("fisher", lambda net, X, Y, v: d.fisher_vp(net, X, Y, v)),
        ("empirical_fisher", _empirical),
    ],
)
def test_the_operator_is_the_matrix_at_the_parameters_of_its_making(kind, product):
    net = Network([3, 4, 2], ["tanh", "identity"], "half_squared_error", dtype="float64", seed=1)
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    n = net.plan.n_parameters
    dense = np.array([product(net, X, Y, unit) for unit in np.eye(n)])
    operator = d.as_linear_operator(net, X, Y, kind=kind)
    assert operator.shape == (n, n)
    assert operator.dtype == np.float64
    net.parameters = np.zeros(n)
    np.testing.assert_allclose(operator @ np.eye(n), dense, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(operator.T @ np.eye(n)[:, :2], dense[:, :2], rtol=1e-10, atol=1e-14)
    top = eigsh(operator, k=2, which="LA", return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(top), np.linalg.eigvalsh(dense)[-2:], rtol=1e-9)


def test_float32_gives_float32_near_float64():
    net = Network([20, 30, 5], ["tanh", "softmax"], "cross_entropy", seed=3)
    rng = np.random.default_rng(0)
    X, Y, v = rng.standard_normal((50, 20)), rng.integers(0, 5, 50), rng.standard_normal(net.plan.n_parameters)
    wide = Network([20, 30, 5], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    wide.parameters = net.parameters
    for product in (d.hvp, d.ggn_vp, _empirical):
        got = product(net, X, Y, v)
        assert got.dtype == np.float32
        assert relative_error(got, product(wide, X, Y, v)) < 1e-5  # some tens of roundings of 6e-8


def test_an_unmatched_pair_with_an_output_whose_square_is_no_float32():
    net = Network([1, 1], "softplus", "poisson")
    net.parameters = [-60.0, 0.0]  # a = ln(1 + e^−60) = e^−60, and so is g'
    expected = float(np.exp(np.float64(-60.0)))  # g'²/a
    np.testing.assert_allclose(d.fisher_vp(net, [[1.0]], None, [1.0, 0.0]), [expected, expected], rtol=1e-5)


X1, Y1 = np.ones((2, 3)), np.array([0, 1])
GOOD = Network([3, 4, 2], ["tanh", "identity"], dtype="float64")
HUBER = Network([3, 4, 2], ["tanh", "identity"], "huber", dtype="float64")
LAID_OUT = "It is laid out as net.parameters: 𝒲^1, b^1, 𝒲^2, b^2, …"
own = cr.Activation("my_square", value=lambda z: z * z, derivative=lambda z: 2 * z)
own_cost = cr.Cost("my_cost", value=lambda a, y: ((a - y) ** 2).sum(axis=1), derivative=lambda a, y: 2 * (a - y))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: d.hvp(GOOD, X1, Y1, np.ones(25)),
            InputError,
            f"v: expected shape (26,), got shape (25,). {LAID_OUT}",
        ),
        (
            lambda: d.ggn_vp(GOOD, X1, Y1, np.ones(26, dtype=complex)),
            InputError,
            "v: expected real numbers, got dtype complex128. Split a complex number into two columns, real and imaginary part.",
        ),
        (
            lambda: d.fisher_vp(GOOD, X1, Y1, np.ones(26), kind=["true"]),
            InputError,
            "unknown kind: expected one of empirical, true, got ['true']. Did you mean true?",
        ),
        (
            lambda: d.as_linear_operator(GOOD, X1, Y1, max_memory=np.uint8(200)),
            InputError,
            f"max_memory: expected at least {sum(bytes_held(GOOD, arrays=14, fixed=2 * 26, networks=2)):,} bytes, which "
            "one example of this network takes here, got 200. Make it larger, or leave it out.",
        ),
        (
            lambda: d.hvp(GOOD, X1, None, np.ones(26)),
            InputError,
            "Y: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(Y, dtype=float).",
        ),
        (
            lambda: d.hvp(GOOD, X1, Y1, np.full(26, np.nan)),
            InputError,
            "v[0]: expected a finite number, got nan. Remove or fill such rows first.",
        ),
        (
            lambda: d.hvp(GOOD, X1, Y1, np.ones(26), max_memory=0),
            InputError,
            "max_memory: expected a whole number ≥ 1, got 0. Give a number of bytes, such as 2**28.",
        ),
        (
            lambda: d.fisher_vp(HUBER, X1, None, np.ones(26)),
            InputError,
            "cost: expected a cost that is −ln p(y|a) of a distribution: one of squared_error, half_squared_error, "
            "binary_cross_entropy, poisson, cross_entropy (softmax), got huber. ggn_vp needs no distribution, nor does "
            "the empirical Fisher matrix.",
        ),
        (
            lambda: d.as_linear_operator(HUBER, X1, np.ones((2, 2)), kind="fisher"),
            InputError,
            "cost: expected a cost that is −ln p(y|a) of a distribution: one of squared_error, half_squared_error, "
            "binary_cross_entropy, poisson, cross_entropy (softmax), got huber. ggn_vp needs no distribution, nor does "
            "the empirical Fisher matrix.",
        ),
        (
            lambda: d.fisher_vp(GOOD, X1, None, np.ones(26), kind="empirical"),
            InputError,
            "Y: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(Y, dtype=float).",
        ),
        (
            lambda: d.fisher_vp(GOOD, X1, Y1, np.ones(26), kind="treu"),
            InputError,
            "unknown kind: expected one of empirical, true, got 'treu'. Did you mean true?",
        ),
        (
            lambda: d.as_linear_operator(GOOD, X1, Y1, kind="hesse"),
            InputError,
            "unknown kind: expected one of empirical_fisher, fisher, ggn, hessian, got 'hesse'. Did you mean hessian?",
        ),
        (
            lambda: d.hvp(Network([3, 4, 2], [own, "identity"]), X1, Y1, np.ones(26)),
            DerivativeError,
            "activation my_square of layer 1: expected a second_derivative, got none. Give cr.Activation(…, "
            "second_derivative=…); products by ggn_vp need none.",
        ),
        (
            lambda: d.ggn_vp(Network([3, 4, 2], ["tanh", "identity"], own_cost), X1, Y1, np.ones(26)),
            DerivativeError,
            "cost my_cost: expected a hessian_product, got none. Give cr.Cost(…, hessian_product=…): ∂²C_i/∂a² v, (a, y, "
            "v) -> (m, n).",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == message
