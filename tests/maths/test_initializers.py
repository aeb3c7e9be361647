"""Initializers: bounds, variances, orthogonality, and the fans that they are named for."""

import numpy as np
import pytest

from chainrule.errors import InputError
from chainrule.maths.initializers import INITIALIZERS, initializer

FAN_IN, FAN_OUT = 300, 200


def _draw(name):
    return initializer(name)(np.random.default_rng(0), FAN_IN, FAN_OUT)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("normal", 0.01**2),
        ("uniform", 0.05**2 / 3),
        ("glorot_uniform", 2 / 500),
        ("glorot_normal", 2 / 500),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
        ("orthogonal", 1 / 300),
    ],
)
def test_variance(name, variance):
    drawn = _draw(name)
    assert drawn.shape == (FAN_IN, FAN_OUT)
    # 60,000 draws: the sample variance is within 3 % at five standard deviations, the mean within 5 σ/√60000
    assert drawn.var() == pytest.approx(variance, rel=0.03)
    assert abs(drawn.mean()) < 5 * np.sqrt(variance / drawn.size)
    if name.endswith("uniform"):
        bound = np.sqrt(3 * variance)
        assert np.abs(drawn).max() <= bound
        assert np.abs(drawn).max() > 0.999 * bound


def test_zeros_and_orthogonal():
    assert not _draw("zeros").any()
    tall = _draw("orthogonal")
    np.testing.assert_allclose(tall.T @ tall, np.eye(FAN_OUT), atol=1e-12)
    wide = initializer("orthogonal")(np.random.default_rng(0), 20, 30)
    np.testing.assert_allclose(wide @ wide.T, np.eye(20), atol=1e-12)


def test_same_seed_same_weights():
    for name in INITIALIZERS:
        np.testing.assert_array_equal(_draw(name), _draw(name))


def test_unknown_ones_are_refused():
    with pytest.raises(
        InputError, match=r"^unknown initializer: expected one of .*got 'he_norml'\. Did you mean he_norm"
    ):
        initializer("he_norml")
    with pytest.raises(
        InputError, match=r"^initializer: expected a name or a function .*, got 3\. Write \"he_normal\"\.$"
    ):
        initializer(3)
