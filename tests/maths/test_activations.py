"""Activations (E2) against 60-digit arithmetic: value, g', g''; no overflow, no lost digits; kinks as stated."""

import mpmath
import numpy as np
import pytest

from chainrule import Activation, CoupledActivation, Interval, register_activation
from chainrule.errors import DerivativeError, InputError
from chainrule.maths import activations
from chainrule.maths.activations import BUILT_IN, activation

SELU_ALPHA, SELU_SCALE = mpmath.mpf("1.6732632423543772"), mpmath.mpf("1.0507009873554805")
EXACT = {  # textbook forms, which lose digits or overflow in double precision and don't with 60 digits
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "leaky_relu(0.2)": lambda z: z if z > 0 else z / 5,
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "elu(0.5)": lambda z: z if z > 0 else mpmath.expm1(z) / 2,
    "selu": lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * mpmath.expm1(z)),
    "gelu": lambda z: z * mpmath.ncdf(z),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "mish": lambda z: z * mpmath.tanh(mpmath.log1p(mpmath.exp(z))),
    "softsign": lambda z: z / (1 + abs(z)),
    "exp": mpmath.exp,
}
POINTS = [1e-12, 1e-5, 0.01, 0.3, 0.7, 1.0, 1.7, 3.0, 5.5, 9.0, 15.0, 19.0, 25.0, 36.0]
DIGITS = 2e-14  # 90 units in the last place: z itself is exact, each of ~10 operations costs one, e^z up to |z| = 36


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("order", ["value", "derivative", "second_derivative"])
def test_no_digits_are_lost_between_minus_36_and_36(name, order):
    z = np.array([sign * point for point in POINTS for sign in (-1, 1)])
    got = getattr(activation(name), order)(z)
    n = ["value", "derivative", "second_derivative"].index(order)
    with mpmath.workdps(120):
        expected = [
            mpmath.diff(EXACT[name], mpmath.mpf(float(x)), n) if n else EXACT[name](mpmath.mpf(float(x))) for x in z
        ]
        expected = np.array([float(x) for x in expected])
    # rounding z/√2 once moves Φ(z) by z² units in the last place, whatever formula follows
    rtol = np.maximum(DIGITS, 2.3e-16 * z**2) if name == "gelu" else DIGITS
    # piecewise linear functions have g'' = 0 exactly, differences of 120 digits only almost
    assert np.all(np.abs(got - expected) <= rtol * np.abs(expected) + (1e-40 if n else 0))


@pytest.mark.parametrize("name", [n for n in BUILT_IN if n not in ("exp", "softmax")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_overflows_up_to_1e4_and_beyond(name, dtype):
    g = activation(name)
    top = np.finfo(dtype).max / 1.1  # that of selu is 1.05 z
    z = np.array([-top, -1e30, -1e4, -800.0, -100.0, 0.0, 100.0, 800.0, 1e4, 1e30, top], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for function in (g.value, g.derivative, g.second_derivative):
            result = function(z)
            assert result.dtype == dtype
            assert np.isfinite(result).all()
    low, high = g.value(np.array([-1e4, 1e4], dtype=dtype))
    limits = {
        "identity": (-1e4, 1e4), "logistic": (0, 1), "tanh": (-1, 1), "relu": (0, 1e4), "leaky_relu": (-100, 1e4),
        "elu": (-1, 1e4), "selu": (-1.7580993408473766, 10507.009873554805), "gelu": (0, 1e4), "silu": (0, 1e4),
        "softplus": (0, 1e4), "mish": (0, 1e4), "softsign": (-1e4 / 10001, 1e4 / 10001),
    }  # fmt: skip
    assert (low, high) == pytest.approx(limits[name], rel=1e-6, abs=1e-30)


def test_exp_overflows_to_infinity_and_underflows_to_zero():
    with np.errstate(over="ignore"):
        assert activation("exp").value(np.array([-1e4, 1e4])).tolist() == [0.0, np.inf]


def test_float32_keeps_float32_digits():
    z = np.linspace(-30, 30, 2001)
    for name in EXACT:
        g = activation(name)
        for function in (g.value, g.derivative):
            exact = function(z.astype("float32").astype("float64"))
            # relative to the largest of |g| and 1e-2: near a zero crossing of silu' and its kin digits must cancel
            error = np.abs(function(z.astype("float32")) - exact) / np.maximum(np.abs(exact), 1e-2)
            assert error.max() < 1e-5, name


def test_derivative_at_a_kink_is_the_one_from_the_left():
    zero = np.zeros(1)
    at_zero = {"relu": 0.0, "leaky_relu": 0.01, "leaky_relu(0.3)": 0.3, "elu": 1.0, "elu(0.5)": 0.5,
               "selu": 1.0507009873554805 * 1.6732632423543772}  # fmt: skip
    for name, expected in at_zero.items():
        assert activation(name).derivative(zero)[0] == pytest.approx(expected, rel=1e-15), name
        assert 0.0 in activation(name).kinks


@pytest.mark.parametrize("name", BUILT_IN)
def test_nan_stays_nan(name):
    z = np.full((1, 2), np.nan)
    assert np.isnan(activation(name).value(z)).all()


def test_softmax_and_its_products_against_the_full_jacobian():
    rng = np.random.default_rng(0)
    g = activation("softmax")
    z, u, v = (3 * rng.standard_normal((7, 5)) for _ in range(3))
    a = g.value(z)
    np.testing.assert_allclose(a, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), rtol=1e-14)
    for i in range(len(z)):
        J = np.diag(a[i]) - np.outer(a[i], a[i])
        np.testing.assert_allclose(g.jvp(z, u)[i], J @ u[i], rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(g.vjp(z, v)[i], J.T @ v[i], rtol=1e-12, atol=1e-16)
    h = 1e-4
    slope = (8 * (g.vjp(z + h * u, v) - g.vjp(z - h * u, v)) - (g.vjp(z + 2 * h * u, v) - g.vjp(z - 2 * h * u, v))) / (
        12 * h
    )
    np.testing.assert_allclose(g.second_vjp(z, v, u), slope, rtol=1e-9, atol=1e-11)


def test_softmax_of_huge_rows_is_finite_and_sums_to_1():
    a = activation("softmax").value(np.array([[1e4, -1e4, 0.0], [1e30, 1e30, -1e30]]))
    np.testing.assert_allclose(a, [[1, 0, 0], [0.5, 0.5, 0]])


def test_ranges_hold_and_are_reached():
    z = np.concatenate([[-1e6], np.linspace(-40, 40, 80001)])  # softsign reaches its ends like 1/z
    for name in EXACT:
        g = activation(name)
        values = g.value(z)
        assert values.min() >= g.range.low, name
        assert values.max() <= g.range.high, name
        if np.isfinite(g.range.low):
            assert values.min() == pytest.approx(g.range.low, abs=1e-3), name


def test_sigmoid_is_logistic_and_families_take_a_parameter():
    assert activation("sigmoid") is activation("logistic")
    assert activation("leaky_relu(0.25)").name == "leaky_relu(0.25)"
    assert activation("leaky_relu(0.01)").name == "leaky_relu"
    assert activation("elu(2)").value(np.array([-1.0]))[0] == pytest.approx(2 * np.expm1(-1))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reul", "unknown activation: expected one of elu, exp, gelu, identity, leaky_relu, logistic, mish, relu,"),
        (
            "leaky_relu(x)",
            "activation leaky_relu: expected a number in brackets, got 'x'. Write it as leaky_relu(0.5).",
        ),
        ("leaky_relu(1.5)", "activation leaky_relu: slope: expected 0 < slope < 1, got 1.5. Choose another."),
        ("elu(-1)", "activation elu: alpha: expected 0 < alpha < inf, got -1. Choose another."),
        (3, 'activation: expected a name or an object of its kind, got 3 of type int. Write "relu", or cr.Activation('),
    ],
)
def test_bad_names_are_refused(spec, message):
    with pytest.raises(InputError) as error:
        activation(spec)
    assert str(error.value).startswith(message)


def test_the_nearest_name_is_suggested():
    with pytest.raises(InputError, match="Did you mean relu"):
        activation("reul")
    with pytest.raises(InputError, match="Did you mean softplus"):
        activation("soft_plus")


# --- the user's own ------------------------------------------------------------------------------------------------
def cube(z):
    return z**3


def cube_derivative(z):
    return 3 * z**2


def test_own_activation_with_right_derivatives_is_accepted_and_known_by_name():
    own = Activation("test_cube", cube, cube_derivative, lambda z: 6 * z)
    register_activation(own)
    assert activation("test_cube") is own


def test_only_activations_can_be_registered():
    with pytest.raises(
        InputError, match=r"^activation: expected a name or an object of its kind, got 'relu' of type str\."
    ):
        register_activation("relu")


def test_own_activation_with_a_wrong_derivative_is_refused_at_its_worst_point():
    with pytest.raises(DerivativeError) as error:
        activation(Activation("cube", cube, lambda z: 2 * z**2))
    assert str(error.value) == (
        "derivative of activation 'cube' is wrong, worst at z = -8.0363: expected 193.746353 (central differences of its "
        "value), got 129.164235. Correct the formula; if this point is a kink, declare it or move it out of the domain."
    )


def test_own_activation_with_a_wrong_second_derivative_is_refused():
    with pytest.raises(DerivativeError, match=r"^second_derivative of activation 'cube' is wrong, worst at z = "):
        activation(Activation("cube", cube, cube_derivative, lambda z: 5 * z))


def test_a_tiny_slip_is_found_and_a_right_formula_is_not_refused():
    with pytest.raises(DerivativeError, match="derivative of activation 'almost_tanh' is wrong"):
        activation(Activation("almost_tanh", np.tanh, lambda z: (1 - np.tanh(z) ** 2) * (1 + 1e-5)))
    activation(Activation("own_tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2, range=Interval(-1, 1)))


def test_own_activation_may_declare_a_kink():
    def hard_tanh(z):
        return np.clip(z, -1, 1)

    def derivative(z):
        return (np.abs(z) < 1) * 1.0

    activation(Activation("hard_tanh", hard_tanh, derivative, kinks=(-1.0, 1.0)))
    shifted = Activation("shifted", lambda z: np.abs(z - 0.0142), lambda z: np.sign(z - 0.0142))
    with pytest.raises(DerivativeError, match=r"worst at z = 0\.0137\b.*if this point is a kink, declare it"):
        activation(shifted)
    activation(Activation("declared", shifted.value, shifted.derivative, kinks=(0.0142,)))


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (
            Activation("log", np.log, lambda z: 1 / z),
            "value of activation 'log': expected finite numbers, got a NaN or infinite one at z = -9.9863.",
        ),
        (
            Activation("total", np.sum, np.ones_like),
            "value of activation 'total': expected an array of shape (401,), got shape ().",
        ),
        (
            Activation("wide", lambda z: 2 * np.tanh(z), lambda z: 2 - 2 * np.tanh(z) ** 2, range=Interval(-1, 1)),
            "value of activation 'wide': expected numbers in the range (-1, 1) that it declares, got -1.99999999 at z = -9.9863.",
        ),
        (
            Activation("in_place", lambda z: np.multiply(z, z, out=z), lambda z: 2 * z),
            "value of activation 'in_place': expected an array, got ValueError: output array is read-only. It is given "
            "read-only arrays, which it must not change, and has to return a new one.",
        ),
        (
            Activation("complex", lambda z: z + 0j, np.ones_like),
            "value of activation 'complex': expected real numbers, got dtype complex128. It has to return one real number",
        ),
        (
            Activation("nothing", lambda z: None, np.ones_like),
            "value of activation 'nothing': expected real numbers, got dtype object.",
        ),
        (
            Activation("pair", np.tanh, np.ones_like, range=(-1, 1)),
            "activation 'pair': range: expected a cr.Interval, got (-1, 1). Write cr.Interval(0, 1), for example.",
        ),
        (
            Activation("one", np.tanh, np.ones_like, kinks=0.0),
            "activation 'one': kinks: expected a tuple of numbers, got 0.0.",
        ),
        (Activation(None, np.tanh, np.ones_like), "activation None: name: expected a text, got None."),
        (
            Activation("relu", np.tanh, lambda z: 1 - np.tanh(z) ** 2),
            "activation name: expected a new name, got 'relu', which is built in. Rename it.",
        ),
    ],
)
def test_unusable_own_activations_are_refused(own, message):
    with pytest.raises(InputError) as error:
        activation(own)
    assert str(error.value).startswith(message)


def _row_mean_vjp(z, v):
    return v - v.mean(axis=1, keepdims=True)


def test_own_coupled_activation_is_checked_too():
    def centred(z):
        return z - z.mean(axis=1, keepdims=True)

    activation(CoupledActivation("centred", centred, _row_mean_vjp, _row_mean_vjp, lambda z, v, u: 0 * z))
    with pytest.raises(DerivativeError, match=r"^jvp of activation 'centred' is wrong, worst at z = "):
        activation(CoupledActivation("centred", centred, _row_mean_vjp, lambda z, u: u))
    with pytest.raises(DerivativeError, match=r"^vjp of activation 'centred' is wrong, worst at z = "):
        activation(CoupledActivation("centred", centred, lambda z, v: v, _row_mean_vjp))
    with pytest.raises(DerivativeError, match=r"^second_vjp of activation 'centred' is wrong, worst at z = "):
        activation(CoupledActivation("centred", centred, _row_mean_vjp, _row_mean_vjp, lambda z, v, u: u))


def test_every_built_in_passes_the_check_that_users_pass():
    for name in BUILT_IN:
        activations.check_activation(activation(name))
