"""Factors of a pair's second derivative, and what is drawn, on the standard's strict arrays as on numpy's."""

import array_api_strict
import numpy as np
import pytest

from chainrule.maths.activations import activation
from chainrule.maths.costs import cost
from chainrule.maths.pairs import HAVE_A_DISTRIBUTION, MATCHED, distribution


@pytest.mark.parametrize("names", MATCHED)
def test_columns_add_up_to_the_second_derivative(names):
    g, pair = activation(names[0]), MATCHED[names]
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((6, 4)), rng.uniform(0, 1, (6, 4))
    a, units = g.value(z), np.eye(4)
    hessian = np.stack([pair.delta_tangent(a, y, g.jvp(z, np.broadcast_to(e, a.shape))) for e in units], axis=1)
    if pair.hessian_columns is None:
        assert not hessian[:, ~np.eye(4, dtype=bool)].any()
        return
    columns = np.concatenate([pair.hessian_columns(a, y, start, start + 2) for start in (0, 2)])
    np.testing.assert_allclose(np.einsum("sij,sik->ijk", columns, columns), hessian, rtol=1e-13, atol=1e-15)  # order
    strict = pair.hessian_columns(array_api_strict.asarray(a), array_api_strict.asarray(y), 1, 3)
    np.testing.assert_array_equal(np.asarray(strict), columns[1:3])


@pytest.mark.parametrize("name", HAVE_A_DISTRIBUTION)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mean_of_what_is_drawn_is_a(name, dtype):
    output = "softmax" if name.endswith("(softmax)") else "logistic"
    draw = distribution(activation(output), cost(name.split()[0]))
    a = np.tile(np.array([0.1, 0.2, 0.7], dtype=dtype), (20_000, 1))
    y = draw(a, np.random.default_rng(0))
    assert y.dtype == dtype
    assert (np.abs(y.mean(axis=0, dtype=float) - a[0]) < 5 * y.std(axis=0, dtype=float) / np.sqrt(len(a))).all()
    strict = draw(array_api_strict.asarray(a[:50]), np.random.default_rng(0))
    np.testing.assert_array_equal(np.asarray(strict), draw(a[:50], np.random.default_rng(0)))
