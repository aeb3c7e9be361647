"""(E-fd), (E48) to (E50): the step that is chosen, the error that is estimated, and kinks that are told from curvature."""

import numpy as np
import pytest

from chainrule.maths.finite_differences import compare, difference, rounding, slope_jump

SMOOTH = {  # φ, φ'(0), and how far it may be followed
    "exp": (np.exp, 1.0, 0.1),
    "sin of 100 t": (lambda t: np.sin(100 * t + 1), 100 * np.cos(1), 0.1),  # the first step is most of a period
    "beside 1e6": (lambda t: 1e6 + np.exp(t), 1.0, 0.1),
    "1e-6 of it": (lambda t: 1e-6 * np.tanh(t + 0.3), 1e-6 / np.cosh(0.3) ** 2, 0.1),
    "a line": (lambda t: 3 - 2 * t, -2.0, 0.1),
    "constant": (lambda t: 5 + 0 * t, 0.0, 0.1),
    "x to the 4th": (lambda t: (1 + t) ** 4, 4.0, 0.1),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_E49_the_difference_is_as_exact_as_it_says_and_nearly_as_exact_as_can_be(name):
    phi, exact, start = SMOOTH[name]
    noise = rounding(phi, np.array(1e-11))
    found = difference(phi, np.array(start), noise)
    assert abs(found.value - exact) <= found.error
    scale = max(1.0, abs(exact), float(np.abs(phi(np.zeros(())))))
    assert found.error < 1e-10 * scale  # plain central differences leave 1e-10 at their best step


def test_E49_each_line_has_a_step_of_its_own():
    speed = np.array([0.1, 1.0, 10.0, 1000.0])
    found = difference(lambda t: np.sin(speed * t + 1), np.full(4, 0.05), np.full(4, 1e-16))
    np.testing.assert_allclose(found.value, speed * np.cos(1), rtol=1e-10)  # ten times what rounding leaves
    assert (np.diff(found.step) <= 0).all()
    assert found.step[-1] < 1e-4
    # (m, 1) steps for (m, n) values: one for each row
    rows = difference(lambda t: np.sin(speed[:, None] * [1.0, 2.0] * t), np.full((4, 1), 0.05), np.full((4, 2), 1e-16))
    np.testing.assert_allclose(rows.value, speed[:, None] * [1.0, 2.0], rtol=1e-10)


def test_E48_rounding_is_that_of_the_sums_that_are_made():
    rng = np.random.default_rng(0)
    a, w = rng.standard_normal((50, 1000)), rng.standard_normal(1000)
    noise = rounding(lambda t: (a + t) @ w, np.array(1e-11))
    size = np.abs(a) @ np.abs(w)  # a sum of n products is off by at most n u Σ|products|, and hardly ever by √n u of it
    assert (noise > 1e-18 * size).all()
    assert (noise < np.sqrt(1000) * 1.2e-16 * size).all()
    assert rounding(np.abs, np.array(1e-11)) < 1e-26  # a kink at 0 is none of it


def test_E50_the_jump_of_a_slope_is_told_from_curvature():
    h, noise = np.array(1e-3), np.array(2e-16)
    assert slope_jump(lambda t: np.abs(t) + 5 * t + 100 * t**2, h, noise) == pytest.approx(2, rel=1e-6)
    assert slope_jump(lambda t: 1 + 1000 * t**2 + t**3, h, noise) == 0
    # beside 0 by a thousandth of the step: 5 s/h of the jump is missing, as the docstring of the extrapolation has it
    assert slope_jump(lambda t: np.abs(t - 1e-6), h, noise) == pytest.approx(2, rel=0.006)


def test_a_wrong_derivative_is_no_kink_and_a_kink_no_wrong_derivative():
    def verdict(phi, got, tolerance=1e-7):
        noise = rounding(phi, np.array(1e-11))
        found = compare(phi, np.array(got), np.array(tolerance), np.array(0.05), noise)
        return next((name for name in ("failed", "kink", "unresolved") if getattr(found, name)), "right")

    assert verdict(np.exp, 1.0) == "right"
    assert verdict(np.exp, 1.00001) == "failed"
    assert verdict(lambda t: 1000 * t**2 + t, 1.001) == "failed"  # however bent
    for got in (-1.0, 0.5, 1.0):
        assert verdict(np.abs, got) == "kink"
    assert verdict(np.abs, 0.0) == "right"  # the mean of both slopes is what a central difference gives
    assert verdict(np.abs, 1.2) == "failed"  # not between the slopes
    assert verdict(lambda t: np.abs(t - 1e-3), -1.0) == "right"  # a smaller step keeps off it
    assert verdict(lambda t: np.abs(t - 1e-3), 1.0) == "failed"
    assert verdict(lambda t: 1e6 + 1e-9 * t, 1.1e-9, 1e-12) == "unresolved"  # rounding of 1e6 hides it
    for got in (np.nan, np.inf):
        assert verdict(np.exp, got) == "failed"
