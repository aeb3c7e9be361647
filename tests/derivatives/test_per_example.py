"""(E36) to (E40): the gradients of single examples, and sums over them, against one example after the other."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import BACKENDS, all_problems
from chainrule import Network
from chainrule import derivatives as d
from chainrule.derivatives.examples import bytes_held
from chainrule.errors import InputError
from oracles import example_weights, relative_error

PROBLEMS = all_problems()
ROUNDING = 1e-12  # of the norm: both sides are sums of the same products, in another order


@pytest.fixture(params=PROBLEMS, scope="module")
def pair(request):
    problem = PROBLEMS[request.param]
    rows = range(len(problem.X))
    one_by_one = [problem.net.value_and_gradient(problem.X[[i]], problem.Y[[i]])[1].flat for i in rows]
    return problem, np.array(one_by_one)


@pytest.mark.parametrize("backend", BACKENDS)
def test_E7_without_the_sum(pair, backend):
    problem, expected = pair
    on = problem.on(backend)
    assert relative_error(d.per_example_gradients(on.net, on.X, on.Y), expected) < ROUNDING


@pytest.mark.parametrize("backend", BACKENDS)
def test_E36_norms(pair, backend):
    problem, expected = pair
    on = problem.on(backend)
    norms = d.per_example_norms(on.net, on.X, on.Y)
    np.testing.assert_allclose(norms, np.linalg.norm(expected, axis=1), rtol=1e-11, atol=1e-300)


def test_E37_E38_squares_and_variance(pair):
    problem, expected = pair
    squares = d.sum_of_squares(problem.net, problem.X, problem.Y)
    assert relative_error(squares, (expected**2).sum(axis=0)) < ROUNDING
    for ddof in range(min(2, len(expected))):
        variance = d.gradient_variance(problem.net, problem.X, problem.Y, ddof)
        # Σg² − (Σg)²/m loses what the two have in common
        noise = 1e-14 * np.linalg.norm(squares)
        assert np.linalg.norm(variance - expected.var(axis=0, ddof=ddof)) <= noise
        assert variance.min() >= 0


def test_E40_clipped_gradient(pair):
    problem, expected = pair
    norms = np.linalg.norm(expected, axis=1)
    for max_norm in (0.5 * np.median(norms) + 1e-9, norms.max() * 2 + 1e-9):
        kept = np.minimum(1, max_norm / np.maximum(norms, 1e-300))
        clipped = (example_weights(problem) * kept) @ expected
        got = d.clipped_gradient(problem.net, problem.X, problem.Y, max_norm, problem.weights)
        assert relative_error(got, clipped) < ROUNDING or np.linalg.norm(got - clipped) < 1e-14 * norms.sum()
    whole = problem.net.value_and_gradient(problem.X, problem.Y, problem.weights)[1].flat
    assert relative_error(got, whole) < ROUNDING  # nothing was clipped
    assert (
        relative_error(d.clipped_gradient(problem.net, problem.X, problem.Y, np.inf, problem.weights), whole) < ROUNDING
    )


def test_E39_noise_scale(pair):
    problem, g = pair
    m = len(g)
    if m == 1:
        return
    trace = g.var(axis=0, ddof=1).sum()
    squared_norm = float(np.sum(g.mean(axis=0) ** 2) - trace / m)
    got = d.gradient_noise_scale(problem.net, problem.X, problem.Y)
    size = float(np.sum(g**2))
    assert got.trace == pytest.approx(trace, rel=1e-10, abs=1e-13 * size)
    assert got.squared_norm == pytest.approx(squared_norm, rel=1e-10, abs=1e-13 * size)
    assert got.scale == (got.trace / got.squared_norm if got.squared_norm > 0 else math.inf)


def test_a_population_whose_noise_is_known():
    """Gradients of a bias under half squared error are a − y: mean −1, variance 4 of what y is drawn from."""
    net = Network([1, 1], "identity", "half_squared_error", initializer="zeros", dtype="float64")
    Y = 1 + 2 * np.random.default_rng(0).standard_normal(200_000)
    got = d.gradient_noise_scale(net, np.zeros((200_000, 1)), Y)
    assert got.trace == pytest.approx(4, rel=0.01)  # three standard errors: 4·√(2/200000)·3
    assert got.squared_norm == pytest.approx(1, rel=0.03)
    assert d.gradient_variance(net, np.zeros((200_000, 1)), Y)[1] == pytest.approx(Y.var(), rel=1e-12)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    m=st.integers(1, 30),
    bias=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    order=st.sampled_from(["C", "F", "strided"]),
)
@settings(max_examples=80, deadline=None)
def test_shapes_dtypes_and_strides(sizes, m, bias, dtype, order):
    net = Network(sizes, "tanh", bias=bias, dtype=dtype, seed=m)
    rng = np.random.default_rng(m)
    X = rng.standard_normal((m, sizes[0])).astype(dtype)
    X = {"C": X, "F": np.asfortranarray(X), "strided": np.repeat(X, 2, axis=0)[::2]}[order]
    Y = rng.standard_normal((m, sizes[-1]))
    g = d.per_example_gradients(net, X, Y)
    assert g.dtype == net.dtype
    assert g.shape == (m, net.plan.n_parameters)
    tolerance = 1e-4 if dtype == "float32" else 1e-11  # some hundred roundings
    assert relative_error(g.mean(axis=0), net.value_and_gradient(X, Y)[1].flat) < tolerance
    assert relative_error(d.per_example_norms(net, X, Y), np.linalg.norm(g, axis=1)) < tolerance
    assert relative_error(d.sum_of_squares(net, X, Y), (g**2).sum(axis=0)) < tolerance
    for result in (d.per_example_norms(net, X, Y), d.sum_of_squares(net, X, Y), d.clipped_gradient(net, X, Y, 1)):
        assert result.dtype == net.dtype


def test_a_small_budget_of_memory_gives_the_same():
    net = Network([30, 20, 4], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((700, 30)), rng.integers(0, 4, 700)
    budget = 16 * net.plan.n_parameters * 8 + 3 * (14 * 54 + 8 * 30) * 8  # three rows
    for function in (d.per_example_gradients, d.per_example_norms, d.sum_of_squares, d.gradient_variance):
        assert relative_error(function(net, X, Y, max_memory=budget), function(net, X, Y)) < 1e-11
    clipped = d.clipped_gradient(net, X, Y, 0.3, max_memory=budget)
    assert relative_error(clipped, d.clipped_gradient(net, X, Y, 0.3)) < 1e-12
    noise = d.gradient_noise_scale(net, X, Y, max_memory=budget)
    np.testing.assert_allclose(noise, d.gradient_noise_scale(net, X, Y), rtol=1e-9)


def test_float32_loses_no_digits_to_the_difference():
    """Gradients that are nearly equal: their variance is 1e-8 of their squares."""
    rng = np.random.default_rng(1)
    X, Y = (1 + 1e-4 * rng.standard_normal((2048, 1))).astype("float32"), np.ones(2048, dtype="float32")
    narrow, wide = (Network([1, 1], "identity", initializer="zeros", dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_allclose(
        d.gradient_variance(narrow, X, Y), d.gradient_variance(wide, X, Y), rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(d.gradient_noise_scale(narrow, X, Y), d.gradient_noise_scale(wide, X, Y), rtol=1e-6)


def test_float32_whose_squares_are_too_small_or_too_large():
    net = Network([1, 1], "identity", bias=False, initializer="zeros")
    for x, y in ((1e-15, 1e-10), (1e10, 1e11)):  # the gradient is −2xy
        assert d.per_example_norms(net, [[x]], [y])[0] == pytest.approx(2 * x * y, rel=1e-5)
    assert d.clipped_gradient(net, [[1e10]], [1e11], 1.0)[0] == pytest.approx(-1, rel=1e-6)
    assert d.clipped_gradient(net, [[1.0], [1.0]], [0.0, 1.0], 1e-50).tolist() == [0.0]


NET, X, Y = Network([2, 3, 1], dtype="float64"), np.ones((1, 2)), np.ones(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: d.per_example_norms(NET, X, Y, max_memory=10),
            f"max_memory: expected at least {sum(bytes_held(NET, arrays=9)):,} bytes, which one example of "
            "this network takes here, got 10. Make it larger, or leave it out.",
        ),
        (
            lambda: d.clipped_gradient(NET, np.ones((2, 2)), np.array([1, 1e200]), 1),
            "gradient of X[1]: expected a finite length, got inf. Outputs or derivatives overflow there: look at the row, "
            "and at net.parameters.",
        ),
        (
            lambda: d.clipped_gradient(NET, X, Y, 0),
            "max_norm: expected a number > 0, got 0. It is the length that no example's gradient exceeds.",
        ),
        (
            lambda: d.clipped_gradient(NET, X, Y, "one"),
            "max_norm: expected a number > 0, got 'one'. It is the length that no example's gradient exceeds.",
        ),
        (
            lambda: d.clipped_gradient(NET, X, Y, True),
            "max_norm: expected a number > 0, got True. It is the length that no example's gradient exceeds.",
        ),
        (
            lambda: d.per_example_norms(NET, X, None),
            "Y: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(Y, dtype=float).",
        ),
        (lambda: d.gradient_variance(NET, X, Y, 2), "ddof: expected 0 or 1, got 2. 0 divides by m, 1 by m − 1."),
        (
            lambda: d.gradient_variance(NET, X, Y, 1),
            "X: expected at least two rows for ddof=1, got one row. Give more examples, or ddof=0.",
        ),
        (
            lambda: d.gradient_noise_scale(NET, X, Y),
            "X: expected at least two rows, got one row. How much gradients differ takes two of them.",
        ),
        (
            lambda: d.per_example_gradients(NET, np.ones((1, 3)), Y),
            "X: expected 2 columns, one for each of the network's inputs, got shape (1, 3). Give the columns that the "
            "network was made for, in the same order.",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value) == message
