"""(E14) The one-unit chain of 003, its five factors worked by hand."""

import math

import numpy as np
import pytest

from cases import BACKENDS
from chainrule import Network

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def test_E14_five_factors_of_the_weight_next_to_last(backend):
    # x = 0.5 -> w1 = 0.8, b1 = 0.1 -> w2 = -1.5, b2 = 0.3, both logistic, y = 1
    net = Network([1, 1, 1], activations="logistic", cost="squared_error", dtype="float64", backend=backend)
    net.parameters = [0.8, 0.1, -1.5, 0.3]
    run = net.forward([[0.5]])
    back = net.backward(run, [1.0])

    z1 = 0.8 * 0.5 + 0.1  # 0.5
    a1 = 1 / (1 + math.exp(-z1))  # 0.6224593312018546
    z2 = -1.5 * a1 + 0.3  # -0.6336889968027818
    a2 = 1 / (1 + math.exp(-z2))  # 0.34667454020673716
    factors = {
        "∂z^(L−1)/∂w^(L−1) = a^(L−2)": 0.5,
        "∂a^(L−1)/∂z^(L−1) = σ'(z^(L−1))": a1 * (1 - a1),  # 0.2350037122015945
        "∂z^(L)/∂a^(L−1) = w^(L)": -1.5,
        "∂a^(L)/∂z^(L) = σ'(z^(L))": a2 * (1 - a2),  # 0.22649130337918455
        "∂C/∂a^(L) = 2(a^(L) − y)": 2 * (a2 - 1),  # -1.3066509195865257
    }
    assert list(factors.values()) == pytest.approx(
        [0.5, 0.2350037122015945, -1.5, 0.22649130337918455, -1.3066509195865257], rel=1e-12
    )
    # 003 (11): one product of five factors; 0.0521611…
    by_hand = math.prod(factors.values())
    assert by_hand == pytest.approx(0.05216114251490195, rel=1e-12)
    assert back.W[1][0, 0] == pytest.approx(by_hand, rel=1e-14)
    # 003 (7) to (9), and the bias of the layer below
    assert back.W[2][0, 0] == pytest.approx(a1 * factors["∂a^(L)/∂z^(L) = σ'(z^(L))"] * 2 * (a2 - 1), rel=1e-14)
    assert back.b[2][0] == pytest.approx(1 * a2 * (1 - a2) * 2 * (a2 - 1), rel=1e-14)
    assert back.b[1][0] == pytest.approx(by_hand / 0.5, rel=1e-14)
    # every symbol is a number to look at
    assert run.z[1][0, 0] == pytest.approx(z1, rel=1e-15)
    assert run.a[2][0, 0] == pytest.approx(a2, rel=1e-15)
    assert back.delta[2][0, 0] == pytest.approx(a2 * (1 - a2) * 2 * (a2 - 1), rel=1e-14)


def test_E14_any_chain_is_one_product(backend):
    net = Network([1] * 6, activations="tanh", cost="half_squared_error", dtype="float64", seed=3, backend=backend)
    run = net.forward([[0.7]])
    back = net.backward(run, [0.2])
    delta = run.a[5][0, 0] - 0.2
    for layer in range(5, 0, -1):
        delta *= 1 - run.a[layer][0, 0] ** 2
        np.testing.assert_allclose(back.W[layer][0, 0], delta * run.a[layer - 1][0, 0], rtol=1e-13)
        delta *= net.W[layer][0, 0]
    np.testing.assert_allclose(back.x[0, 0], delta, rtol=1e-13)
