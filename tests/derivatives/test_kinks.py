"""At exactly a kink every derivative has its documented value (docs/reference/python.md, Kinks), on both backends.

Weights and rows are small whole numbers, so that z^1 = 0 and a = y are exact and so is what follows from them by hand.
"""

import numpy as np
import pytest

from cases import BACKENDS
from chainrule import Network
from chainrule import derivatives as d

SELU = 1.0507009873554805 * 1.6732632423543772  # scale·alpha
# g, g'(0), g''(0): all from the left but softsign's g'', which is between ±2
KINKS = [
    ("relu", 0, 0),
    ("leaky_relu", 0.01, 0),
    ("leaky_relu(0.25)", 0.25, 0),
    ("elu", 1, 1),
    ("elu(0.5)", 0.5, 0.5),
    ("selu", SELU, SELU),
    ("softsign", 1, 0),
]
X = np.array([[1.0, -1.0], [-2.0, 2.0], [0.0, 0.0], [3.0, -3.0]])  # x_1 + x_2 = 0
W_1 = np.array([[1.0, -2.0, 3.0], [1.0, -2.0, 3.0]])
W_2 = np.array([[2.0], [1.0], [-1.0]])
b_2 = np.array([0.5])
Y = np.array([[0.0], [2.0], [1.0], [0.25]])


def network(activation, cost, dtype, backend):
    net = Network([2, 3, 1], [activation, "identity"], cost, reduction="sum", dtype=dtype, backend=backend)
    net.parameters[...] = np.concatenate([W_1.ravel(), np.zeros(3), W_2.ravel(), b_2])
    return net


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.mark.parametrize(("activation", "slope", "curvature"), KINKS, ids=[name for name, *_ in KINKS])
def test_every_weighted_input_of_the_hidden_layer_is_0(activation, slope, curvature, dtype, backend):
    net = network(activation, "half_squared_error", dtype, backend)
    assert (net.forward(X).z[1] == 0).all()
    close = {"rtol": 4 * float(np.finfo(dtype).eps)}  # leaky_relu's 0.01 and selu's numbers are rounded

    J = (slope * (W_1 @ W_2)).T
    for got in (d.jacobian(net, X), d.jacobian(net, X, of="z")):
        np.testing.assert_allclose(got, np.broadcast_to(J, (4, 1, 2)), **close)
    H = curvature * (W_1 * W_2[:, 0]) @ W_1.T
    np.testing.assert_allclose(d.input_hessian(net, X), np.broadcast_to(H, (4, 2, 2)), **close)

    delta_2 = b_2 - Y  # a^1 = g(0) = 0
    delta_1 = slope * delta_2 * W_2.T
    parts = [np.einsum("ni,no->nio", X, delta_1), delta_1, 0 * delta_1, delta_2]
    each = np.concatenate([part.reshape(4, -1) for part in parts], axis=1)
    np.testing.assert_allclose(d.per_example_gradients(net, X, Y), each, **close)
    np.testing.assert_allclose(net.value_and_gradient(X, Y)[1].flat, each.sum(axis=0), **close)
    np.testing.assert_allclose(d.per_example_norms(net, X, Y), np.linalg.norm(each, axis=1), **close)

    v = np.arange(13.0) - 6
    dW_1, db_1, dW_2, db_2 = v[:6].reshape(2, 3), v[6:9], v[9:12].reshape(3, 1), v[12:]
    dz_1 = X @ dW_1 + db_1  # (E31)
    da_1 = slope * dz_1
    d_delta_2 = da_1 @ W_2 + db_2
    d_delta_1 = slope * (d_delta_2 * W_2.T + delta_2 * dW_2.T) + curvature * delta_2 * W_2.T * dz_1  # (E33)
    product = [X.T @ d_delta_1, d_delta_1.sum(axis=0), da_1.T @ delta_2, d_delta_2.sum(axis=0)]
    expected = np.concatenate([part.ravel() for part in product])
    # sums in which halves cancel: of the largest entry
    within = 16 * float(np.finfo(dtype).eps) * np.abs(expected).max()
    np.testing.assert_allclose(d.hvp(net, X, Y, v), expected, rtol=0, atol=within)


@pytest.mark.parametrize("cost", ["absolute_error", "quantile(0.3)", "huber(2)"])
def test_outputs_that_are_their_targets_have_gradient_0(cost, dtype, backend):
    net = network("identity", cost, dtype, backend)
    targets = net.predict(X)
    assert (targets == 0.5).all()
    for got in (
        d.cost_input_gradient(net, X, targets), net.value_and_gradient(X, targets)[1].flat, d.sum_of_squares(net, X, targets),
        d.per_example_gradients(net, X, targets), d.per_example_norms(net, X, targets), d.clipped_gradient(net, X, targets, 1.0),
    ):  # fmt: skip
        assert (got == 0).all()
    v = np.arange(13.0) - 6
    # there is no curvature at a kink; huber has none there, and is half the squared error
    squared = d.hvp(network("identity", "half_squared_error", dtype, backend), X, targets, v)
    assert (squared != 0).any()
    np.testing.assert_array_equal(d.hvp(net, X, targets, v), squared if "huber" in cost else 0 * squared)


@pytest.mark.parametrize(("cost", "below", "above"), [("absolute_error", -1, 1), ("quantile(0.25)", -0.25, 0.75)])
def test_beside_such_outputs_others_have_their_own(cost, below, above, dtype, backend):
    """a = 1/2 is below the first target, at the second and third, above the fourth."""
    net = network("identity", cost, dtype, backend)
    targets = np.array([[1.0], [0.5], [0.5], [0.0]])
    slopes = np.array([below, 0, 0, above])
    np.testing.assert_array_equal(d.per_example_gradients(net, X, targets)[:, -1], slopes)  # ∂C_i/∂b^2
    np.testing.assert_array_equal(d.cost_input_gradient(net, X, targets), slopes[:, np.newaxis] * (W_1 @ W_2).T)


def test_huber_where_it_turns_into_a_line_is_still_half_the_squared_error(dtype, backend):
    net, squared = (network("identity", cost, dtype, backend) for cost in ("huber(2)", "half_squared_error"))
    targets = np.array([[2.5], [-1.5], [2.5], [-1.5]])  # |a − y| = 2
    v = np.arange(13.0) - 6
    np.testing.assert_array_equal(
        d.per_example_gradients(net, X, targets), d.per_example_gradients(squared, X, targets)
    )
    np.testing.assert_array_equal(d.hvp(net, X, targets, v), d.hvp(squared, X, targets, v))
