"""(E11), (E9), and what is made of them: in the input, before and after the output activation, on every case."""

import numpy as np
import pytest

import chainrule as cr
from cases import BACKENDS, all_problems, named
from chainrule import Network
from chainrule import derivatives as d
from chainrule.errors import DerivativeError, InputError
from oracles import _fd4, relative_error

PROBLEMS = all_problems()
ROUNDING = 1e-12  # of the norm: the same products in another order


@pytest.fixture(params=PROBLEMS, scope="module")
def problem(request):
    return PROBLEMS[request.param]


def test_E11_scalar_network_of_004_by_its_own_algorithm():
    net, X = named()["scalar"].net, named()["scalar"].X
    run = net.forward(X)
    for i in range(len(X)):
        delta = 1 - run.a[net.L][i] ** 2  # δ^L = σ'(z^L)
        for layer in range(net.L - 1, 0, -1):
            delta = (1 - run.a[layer][i] ** 2) * (net.W[layer + 1] @ delta)  # σ'(z^ℓ) · (W^{ℓ+1})ᵀ δ^{ℓ+1}
        np.testing.assert_allclose(d.input_gradient(net, X)[i], net.W[1] @ delta, rtol=1e-12)


def test_E11_many_rows_are_worked_in_blocks():
    net = Network([2, 3, 2], "tanh", dtype="float64")
    X = np.random.default_rng(0).standard_normal((5000, 2))
    np.testing.assert_allclose(d.jacobian(net, X)[4321], d.jacobian(net, X[[4321]])[0], rtol=1e-13)


def in_layer_1(problem, v):
    """v made so small that no weighted input of layer 1 moves by more than finite differences may move it."""
    return v / np.maximum(1, np.abs(v @ problem.net.W[1]).max())


@pytest.mark.parametrize("backend", BACKENDS)
def test_E11_jvp_vjp_and_jacobian_are_one(problem, backend):
    on = problem.on(backend)
    net, X = on.net, on.X
    rng = np.random.default_rng(0)
    v, u = rng.standard_normal(X.shape), rng.standard_normal((len(X), net.sizes[-1]))
    for of in ("a", "z"):
        J = d.jacobian(net, X, of=of)
        np.testing.assert_allclose(d.input_gradient(net, X, J.shape[1] - 1, of=of), J[:, -1], rtol=1e-13)
        Jv, uJ = np.einsum("ijk,ik->ij", J, v), np.einsum("ijk,ij->ik", J, u)
        size = np.linalg.norm(J)
        assert np.linalg.norm(d.jvp(net, X, v, of=of) - Jv) <= ROUNDING * size * np.linalg.norm(v)
        assert np.linalg.norm(d.vjp(net, X, u, of=of) - uJ) <= ROUNDING * size * np.linalg.norm(u)
        assert np.linalg.norm(d.jvp(net, X, v[0], of=of)[-1] - J[-1] @ v[0]) <= ROUNDING * size * np.linalg.norm(v)


def test_E11_of_z_is_the_difference_of_z(problem):
    v = in_layer_1(problem, np.random.default_rng(0).standard_normal(problem.X.shape))
    expected = _fd4(lambda h: problem.net.forward(problem.X + h * v).z[problem.net.L], problem.step)
    assert relative_error(d.jvp(problem.net, problem.X, v, of="z"), expected) < 1e-8


def test_E9_cost_input_gradient(problem):
    back = problem.net.backward(problem.net.forward(problem.X), problem.Y)
    assert relative_error(d.cost_input_gradient(problem.net, problem.X, problem.Y), back.x) < ROUNDING


@pytest.mark.parametrize("of", ["a", "z"])
def test_E33_input_hessian_is_the_difference_of_input_gradients(problem, of):
    net, X = problem.net, problem.X
    output = net.sizes[-1] - 1
    H = d.input_hessian(net, X, output, of=of)
    np.testing.assert_array_equal(H, H.transpose(0, 2, 1))
    v = in_layer_1(problem, np.random.default_rng(1).standard_normal(X.shape))
    expected = _fd4(lambda h: d.input_gradient(net, X + h * v, output, of=of), problem.step)
    noise = 1e-14 * np.linalg.norm(d.input_gradient(net, X, output, of=of)) / problem.step
    assert np.linalg.norm(np.einsum("ijk,ik->ij", H, v) - expected) <= 1e-8 * np.linalg.norm(expected) + noise


def test_E41_integrated_gradients_are_complete():
    net = Network([5, 20, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64", seed=1)
    rng = np.random.default_rng(0)
    X, baseline = rng.standard_normal((600, 5)), rng.standard_normal(5)
    for of in ("a", "z"):
        found = d.integrated_gradients(net, X, 2, baseline=baseline, steps=40, of=of)
        run, start = net.forward(X), net.forward(baseline[None])
        change = (run.a if of == "a" else run.z)[2][:, 2] - (start.a if of == "a" else start.z)[2][:, 2]
        np.testing.assert_allclose(found.attributions.sum(axis=1) - change, found.gap, atol=1e-13)
        assert np.abs(found.gap).max() < 1e-9
    coarse = d.integrated_gradients(net, X, 2, baseline=baseline, steps=2)
    assert 1e-5 < np.abs(coarse.gap).max() < 1  # and says so
    np.testing.assert_array_equal(
        d.integrated_gradients(net, X[:3], 1).attributions,
        d.integrated_gradients(net, X[:3], 1, baseline=np.zeros((3, 5))).attributions,
    )


def test_E41_of_a_linear_network_is_weight_times_input():
    net = Network([3, 1], "identity", dtype="float64", seed=4)
    X = np.random.default_rng(0).standard_normal((7, 3))
    found = d.integrated_gradients(net, X, steps=1)
    np.testing.assert_allclose(found.attributions, X * net.W[1][:, 0], rtol=1e-13)
    assert np.abs(found.gap).max() < 1e-15


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_small_budget_of_memory_gives_the_same(backend):
    net = Network([6, 9, 4], "tanh", dtype="float64", backend=backend)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((50, 6)), rng.standard_normal((50, 4))
    budget = (9 * 19 + 8 * 9 + 2 * 36) * 8 * 3
    for call in (
        lambda **more: d.input_gradient(net, X, 1, **more),
        lambda **more: d.jacobian(net, X, **more),
        lambda **more: d.jacobian(net, X, of="z", **more),
        lambda **more: d.cost_input_gradient(net, X, Y, **more),
        lambda **more: d.jvp(net, X, X, **more),
        lambda **more: d.vjp(net, X, Y, **more),
        lambda **more: d.input_hessian(net, X, **more),
        lambda **more: d.integrated_gradients(net, X, **more).attributions,
        lambda **more: d.layer_jacobian(net, X, 0, 1, **more),
        lambda **more: d.sensitivity_profile(net, X, Y, **more),
    ):
        np.testing.assert_allclose(call(max_memory=budget), call(), rtol=1e-11, atol=1e-15)
        with pytest.raises(
            InputError, match=r"^max_memory: expected at least [\d,]+ bytes, which one example of this "
        ):
            call(max_memory=100)


@pytest.mark.parametrize("output", [2, -1, 1.5, "first"])
def test_an_output_that_is_not_there_is_refused(output):
    with pytest.raises(InputError) as error:
        d.input_gradient(Network([3, 2]), np.zeros((1, 3)), output)
    assert str(error.value) == f"output: expected a whole number 0 to 1, got {output!r}. Outputs are counted from 0."


NET, X = Network([3, 4, 2], ["tanh", "identity"], dtype="float64"), np.ones((5, 3))
bend = cr.Activation("no_bend", value=lambda z: z**3, derivative=lambda z: 3 * z**2)
ALL_ALIKE = "One row of it is taken for all examples."


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: d.jacobian(NET, X, of="y"),
            InputError,
            "unknown of: expected one of a, z, got 'y'. Choose a name from the list.",
        ),
        (
            lambda: d.jvp(NET, X, np.ones((5, 2))),
            InputError,
            f"v: expected shape (5, 3) or (3,), got shape (5, 2). {ALL_ALIKE}",
        ),
        (lambda: d.vjp(NET, X, 1.0), InputError, f"u: expected shape (5, 2) or (2,), got shape (). {ALL_ALIKE}"),
        (
            lambda: d.vjp(NET, X, [np.inf, 1]),
            InputError,
            "u[0]: expected a finite number, got inf. Remove or fill such rows first.",
        ),
        (
            lambda: d.integrated_gradients(NET, X, baseline=np.ones(4)),
            InputError,
            f"baseline: expected shape (5, 3) or (3,), got shape (4,). {ALL_ALIKE}",
        ),
        (
            lambda: d.integrated_gradients(NET, X, steps=0),
            InputError,
            "steps: expected a whole number ≥ 1, got 0. It is the number of gradients.",
        ),
        (
            lambda: d.input_hessian(Network([3, 4, 2], [bend, "identity"]), X),
            DerivativeError,
            "activation no_bend of layer 1: expected a second_derivative, got none. Give cr.Activation(…, "
            "second_derivative=…); products by ggn_vp need none.",
        ),
        (
            lambda: d.layer_jacobian(NET, X, 1, 1),
            InputError,
            "from_layer, to_layer: expected layers 0 ≤ from_layer < to_layer ≤ 2, got 1 and 1. Layers are counted from 1; "
            "layer 0 is the input.",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == message
