"""(E11) on the networks that the sources name, and what it refuses. All cases stand in engine/test_equations.py."""

import numpy as np
import pytest

from cases import named
from chainrule import Network
from chainrule import derivatives as d
from chainrule.errors import InputError


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


@pytest.mark.parametrize("output", [2, -1, 1.5, "first"])
def test_an_output_that_is_not_there_is_refused(output):
    with pytest.raises(InputError) as error:
        d.input_gradient(Network([3, 2]), np.zeros((1, 3)), output)
    assert str(error.value) == f"output: expected a whole number 0 to 1, got {output!r}. Outputs are counted from 0."
