"""Costs (E3) against their textbook forms in 60-digit arithmetic: value, first derivative, Hessian product; pairs."""

import mpmath
import numpy as np
import pytest

from cases import COSTS, targets
from chainrule import Cost, Interval, Network, register_cost
from chainrule.errors import DerivativeError, InputError, PairError
from chainrule.maths.activations import activation
from chainrule.maths.claims import check_cost
from chainrule.maths.costs import BUILT_IN, cost
from chainrule.maths.pairs import MATCHED

mpf = mpmath.mpf
EXACT = {  # C_ij of one output
    "squared_error": lambda a, y: (a - y) ** 2,
    "half_squared_error": lambda a, y: (a - y) ** 2 / 2,
    "binary_cross_entropy": lambda a, y: -(y * mpmath.log(a) + (1 - y) * mpmath.log(1 - a)),
    "cross_entropy": lambda a, y: -y * mpmath.log(a),
    "poisson": lambda a, y: a - y * mpmath.log(a),
    "huber": lambda a, y: (a - y) ** 2 / 2 if abs(a - y) <= 1 else abs(a - y) - mpf(1) / 2,
    "huber(0.25)": lambda a, y: (a - y) ** 2 / 2 if abs(a - y) <= 0.25 else (abs(a - y) - mpf(1) / 8) / 4,
    "absolute_error": lambda a, y: abs(a - y),
    "quantile(0.3)": lambda a, y: mpf(0.3) * (y - a) if a < y else (1 - mpf(0.3)) * (a - y),
    "log_cosh": lambda a, y: mpmath.log(mpmath.cosh(a - y)),
}


def _sample(name):
    rng = np.random.default_rng(1)
    a = rng.uniform(0.02, 0.98, (40, 3)) if "entropy" in name else rng.uniform(0.02, 6, (40, 3))
    return a, targets(name, a.shape, rng), rng.standard_normal(a.shape)


@pytest.mark.parametrize("name", EXACT)
def test_value_derivative_and_hessian_product(name):
    a, y, v = _sample(name)
    c = cost(name)
    with mpmath.workdps(80):
        exact = [[[float(mpmath.diff(lambda t, yy=yy: EXACT[name](t, mpf(yy)), mpf(aa), n)) for n in range(3)]
                  for aa, yy in zip(*pair, strict=True)] for pair in zip(a.tolist(), y.tolist(), strict=True)]  # fmt: skip
    value, first, second = np.moveaxis(np.array(exact), -1, 0)
    # near y the residual itself cancels: digits are kept relative to 1, not to the tiny result
    np.testing.assert_allclose(c.value(a, y), value.sum(axis=1), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(c.derivative(a, y), first, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(c.hessian_product(a, y, v), second * v, rtol=1e-11, atol=1e-13)


def test_E3_squared_error_has_the_factor_2_and_half_squared_error_has_not():
    a, y = np.array([[3.0, 1.0]]), np.array([[1.0, 0.5]])
    assert cost("squared_error").value(a, y).tolist() == [4.25]
    assert cost("squared_error").derivative(a, y).tolist() == [[4.0, 1.0]]
    assert cost("half_squared_error").value(a, y).tolist() == [2.125]
    assert cost("half_squared_error").derivative(a, y).tolist() == [[2.0, 0.5]]


def test_kinks_have_derivative_0():
    same = np.array([[2.0]])
    for name in ("absolute_error", "quantile(0.3)"):
        assert cost(name).derivative(same, same).tolist() == [[0.0]]


def test_log_cosh_keeps_digits_near_0_and_does_not_overflow():
    r = np.array([[1e-9], [1e-4], [1e4], [-1e30]])
    with np.errstate(over="raise", invalid="raise"):
        got = cost("log_cosh").value(r, 0 * r)
    np.testing.assert_allclose(got, [0.5e-18, 0.5e-8 * (1 - 1e-8 / 6), 1e4 - np.log(2), 1e30], rtol=1e-13)


def test_zero_times_log_zero_is_zero():
    certain = np.array([[1.0, 0.0]])
    assert cost("cross_entropy").value(certain, certain).tolist() == [0.0]
    assert cost("binary_cross_entropy").value(certain, certain).tolist() == [0.0]
    assert np.isfinite(cost("cross_entropy").derivative(certain, certain)).all()
    assert np.isfinite(cost("binary_cross_entropy").derivative(certain, certain)).all()


def test_quantile_cost_is_least_at_the_quantile():
    y = np.random.default_rng(0).exponential(size=(4001, 1))
    candidates = np.linspace(0, 5, 1001)
    totals = [cost("quantile(0.9)").value(np.full_like(y, a), y).sum() for a in candidates]
    assert candidates[int(np.argmin(totals))] == pytest.approx(np.quantile(y, 0.9), abs=0.01)


# --- matched pairs (E5′) -------------------------------------------------------------------------------------------
def test_E5_prime_only_these_pairs_are_matched():
    assert set(MATCHED) == {("logistic", "binary_cross_entropy"), ("softmax", "cross_entropy"), ("exp", "poisson")}


@pytest.mark.parametrize(("g", "c"), MATCHED)
def test_E5_prime_matched_pairs_equal_the_composition_where_that_is_safe(g, c):
    rng = np.random.default_rng(2)
    z = 2 * rng.standard_normal((50, 4))
    y = targets(c, z.shape, rng)
    a, pair = activation(g).value(z), MATCHED[g, c]
    np.testing.assert_allclose(pair.example_costs(z, y), cost(c).value(a, y), rtol=1e-12)
    composed = activation(g).vjp(z, cost(c).derivative(a, y))
    np.testing.assert_allclose(pair.delta(a, y), composed, rtol=1e-10, atol=1e-13)


def _one_layer(g, c, z, dtype="float64"):
    """A network whose output has exactly the weighted inputs z."""
    n = len(z[0])
    net = Network([n, n], g, c, bias=False, dtype=dtype)
    net.W[1][...] = np.eye(n)
    return net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_confident_wrong_answers_at_1e4_have_a_finite_cost_and_delta(dtype):
    z = [[1e4, -1e4], [-1e4, 1e4]]
    with np.errstate(all="raise", under="ignore"):
        net = _one_layer("logistic", "binary_cross_entropy", z, dtype)
        Y = np.array([[0.0, 1.0], [1.0, 0.0]])
        assert net.example_costs(z, Y).tolist() == [2e4, 2e4]
        assert net.backward(net.forward(z), Y).delta[1].tolist() == [[1.0, -1.0], [-1.0, 1.0]]
        net = _one_layer("softmax", "cross_entropy", z, dtype)
        assert net.example_costs(z, [1, 0]).tolist() == [2e4, 2e4]
        assert net.backward(net.forward(z), [1, 0]).delta[1].tolist() == [[1.0, -1.0], [-1.0, 1.0]]
        z = [[-1e4]]
        net = _one_layer("exp", "poisson", z, dtype)
        assert net.example_costs(z, [3]).tolist() == [3e4]
        assert net.backward(net.forward(z), [3]).delta[1].tolist() == [[-3.0]]


def test_right_and_sure_answers_keep_the_digits_of_a_tiny_cost():
    z = [[40.0, -40.0]]
    tiny = float(mpmath.log1p(mpmath.exp(-80)))
    assert _one_layer("softmax", "cross_entropy", z).example_costs(z, [0])[0] == pytest.approx(tiny, rel=1e-12)
    z = [[80.0]]
    assert _one_layer("logistic", "binary_cross_entropy", z).example_costs(z, [1])[0] == pytest.approx(tiny, rel=1e-12)


def test_E5_prime_softmax_counts_targets_that_do_not_sum_to_1():
    net = Network([3, 3], "softmax", "cross_entropy", dtype="float64", seed=1)
    X, Y = np.array([[0.3, -0.7, 0.2]]), np.array([[2.0, 0.5, 0.25]])
    back = net.backward(net.forward(X), Y)
    np.testing.assert_allclose(back.delta[1], net.predict(X) * 2.75 - Y, rtol=1e-14)


def test_pairs_that_are_not_matched_go_through_E5_even_if_they_look_alike():
    z = np.array([[0.3, -1.2, 0.8]])
    y = np.array([[1.0, 0.0, 0.0]])
    for g, c in [("logistic", "cross_entropy"), ("softmax", "binary_cross_entropy"), ("softmax", "squared_error")]:
        net = _one_layer(g, c, z)
        delta = net.backward(net.forward(z), y).delta[1]
        a = activation(g).value(z)
        np.testing.assert_allclose(delta, activation(g).vjp(z, cost(c).derivative(a, y)), rtol=1e-13)
        assert np.abs(delta - (a - y)).max() > 0.01


@pytest.mark.parametrize(
    ("activations", "c", "n_out", "message"),
    [
        ("relu", "cross_entropy", 3, "output activation relu does not fit cost cross_entropy: expected outputs in (0, 1], "
         "got outputs in [0, ∞). Use activation softmax for the last layer, or another cost, such as squared_error."),
        ("identity", "binary_cross_entropy", 1, "output activation identity does not fit cost binary_cross_entropy: "
         "expected outputs in (0, 1), got outputs in (-∞, ∞). Use activation logistic for the last layer, or another "
         "cost, such as squared_error."),
        ("relu", "poisson", 1, "output activation relu does not fit cost poisson: expected outputs in (0, ∞), got "
         "outputs in [0, ∞). Use activation exp for the last layer, or another cost, such as squared_error."),
        ("softmax", "cross_entropy", 1, "output activation softmax: expected at least 2 outputs, got 1, whose softmax is "
         "always 1. Use logistic with binary_cross_entropy for two classes in one output."),
    ],
)  # fmt: skip
def test_misfit_pairs_are_refused_and_the_matched_output_named(activations, c, n_out, message):
    with pytest.raises(PairError) as error:
        Network([4, n_out], activations, c)
    assert str(error.value) == message


# --- names and the user's own --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("squared_eror", r"^unknown cost: expected one of .*, got 'squared_eror'\. Did you mean squared_error"),
        ("quantile", r"^unknown cost: .*quantile\(0\.5\).*Did you mean quantile\(0\.5\)\?$"),
        ("quantile(1)", r"^cost quantile: q: expected 0 < q < 1, got 1\. Choose another\.$"),
        ("huber(nan)", r"^cost huber: expected a number in brackets, got 'nan'\. Write it as huber\(0\.5\)\.$"),
        (
            None,
            r"^cost: expected a name or an object of its kind, got None of type NoneType\. Write \"squared_error\", or cr\.Cost",
        ),
    ],
)
def test_bad_names_are_refused(spec, message):
    with pytest.raises(InputError, match=message):
        cost(spec)


def fourth_power(a, y):
    return ((a - y) ** 4).sum(axis=1)


def fourth_power_derivative(a, y):
    return 4 * (a - y) ** 3


def test_own_cost_is_accepted_and_known_by_name():
    own = Cost("test_fourth", fourth_power, fourth_power_derivative, lambda a, y, v: 12 * (a - y) ** 2 * v)
    register_cost(own)
    assert cost("test_fourth") is own
    assert Network([2, 1], "identity", own).cost_function is own


def test_own_cost_with_a_wrong_derivative_is_refused_at_its_worst_point():
    with pytest.raises(DerivativeError) as error:
        cost(Cost("fourth", fourth_power, lambda a, y: 3 * (a - y) ** 3))
    message = str(error.value)
    assert message.startswith("derivative of cost 'fourth' is wrong, worst at a = ")
    assert "(central differences of its value), got " in message
    assert message.endswith("Correct the formula; if this point is a kink, declare it or move it out of the domain.")


def test_own_cost_with_a_wrong_hessian_product_is_refused():
    with pytest.raises(DerivativeError, match=r"^hessian_product of cost 'fourth' is wrong, worst at a = "):
        cost(Cost("fourth", fourth_power, fourth_power_derivative, lambda a, y, v: 4 * (a - y) ** 2 * v))


def with_noise(a, rng):
    return a + rng.standard_normal(a.shape)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Cost("total", lambda a, y: (a - y).sum(axis=1) ** 2, lambda a, y: 2 * (a - y) @ np.ones((3, 3)),
              lambda a, y, v: 2 * v @ np.ones((3, 3)), separable=True),
         r"hessian_product of cost 'total' is wrong, worst at .*\(v times the product with ones, as separable=True says\)"),
        (Cost("shifted", lambda a, y: ((a - y - 1) ** 2).sum(axis=1), lambda a, y: 2 * (a - y - 1), draw=with_noise),
         r"derivative of cost 'shifted' is wrong, .*expected 0 \(0 at y = a, the mean of what draw gives\), got -2\."),
        (Cost("fourth", fourth_power, fourth_power_derivative, draw=with_noise),
         r"derivative of cost 'fourth' is wrong, worst at .*\(linear in y, as draw needs it\), got "),
        (Cost("one", lambda a, y: ((a - y) ** 2).sum(axis=1), lambda a, y: 2 * (a - y), draw=lambda a, rng: rng.random()),
         r"draw of cost 'one': expected an array of shape \(60, 3\), got shape \(\)\."),
    ],
)  # fmt: skip
def test_what_a_cost_says_of_itself_is_checked(own, message):
    with pytest.raises(DerivativeError, match=message):
        cost(own)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Cost("mean", lambda a, y: ((a - y) ** 2).mean(), lambda a, y: a - y),
         "value of cost 'mean': expected an array of shape (60,), got shape ()."),
        (Cost("ratio", lambda a, y: np.log(a).sum(axis=1), lambda a, y: 1 / a),
         "value of cost 'ratio': expected finite numbers, got a NaN or infinite one at a = "),
        (Cost("in_place", lambda a, y: np.subtract(y, a, out=y).sum(axis=1), lambda a, y: a - y),
         "value of cost 'in_place': expected an array, got ValueError: output array is read-only."),
        (Cost("pair", fourth_power, fourth_power_derivative, domain=(0, 1)), "cost 'pair': domain: expected a cr.Interval"),
        (Cost("huber", fourth_power, fourth_power_derivative), "cost name: expected a new name, got 'huber', which is"),
    ],
)  # fmt: skip
def test_unusable_own_costs_are_refused(own, message):
    with pytest.raises(InputError) as error:
        cost(own)
    assert str(error.value).startswith(message)


def test_own_cost_may_declare_the_kinks_of_its_residual():
    def insensitive(kinks):
        return Cost("insensitive", lambda a, y: np.maximum(np.abs(a - y) - e, 0).sum(axis=1),
                    lambda a, y: np.sign(a - y) * (np.abs(a - y) > e), kinks=kinks)  # fmt: skip

    rng = np.random.default_rng(0)
    a, y = rng.uniform(-3, 3, (60, 3)), rng.uniform(-3, 3, (60, 3))  # the points that check_cost draws
    e = float(abs(a[0, 0] - y[0, 0])) + 1e-4
    with pytest.raises(DerivativeError, match=r"^derivative of cost 'insensitive' is wrong, worst at a = .*declare it"):
        cost(insensitive(()))
    cost(insensitive((-e, e)))


def test_own_cost_is_asked_only_inside_its_domain():
    cost(Cost("log_ratio", lambda a, y: (np.log(a / y) ** 2).sum(axis=1), lambda a, y: 2 * np.log(a / y) / a,
              domain=Interval(0), targets=Interval(0)))  # fmt: skip


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_passes_the_check_that_users_pass(name):
    check_cost(cost(name))


def test_cases_know_all_costs():
    assert {name.split("(")[0] for name in COSTS} == {name.split("(")[0] for name in EXACT}
