"""Update rules (E16) to (E21), (E62) and the L2 penalty (E29), worked by hand; pure functions on any Array API array."""

import array_api_strict
import numpy as np
import pytest

from chainrule.errors import InputError
from chainrule.maths.penalties import l2, l2_gradient
from chainrule.maths.updates import RULES, SGD, Adam, AdamW, Momentum, Nesterov, RMSProp, Rprop, update_rule

THETA = np.array([1.0, -2.0, 0.5])
GRADIENTS = [np.array([0.5, 1.0, -4.0]), np.array([-0.25, 2.0, 1.0]), np.array([3.0, 0.0, 0.125])]
IS_WEIGHT = np.array([1.0, 1.0, 0.0])  # the last parameter is a bias
RATE = 0.1


def _run(rule):
    state, theta = rule.initial(THETA, IS_WEIGHT), THETA
    for gradient in GRADIENTS:
        state, theta = rule.update(state, theta, gradient, RATE)
    return theta


def _by_hand(step):
    """Three steps of one parameter at a time, in plain Python numbers."""
    result = []
    for j in range(3):
        theta, memory = float(THETA[j]), {}
        for t, gradient in enumerate(GRADIENTS, start=1):
            theta = step(theta, float(gradient[j]), t, memory, is_weight=j < 2)
        result.append(theta)
    return result


def test_E16_gradient_descent():
    expected = _by_hand(lambda theta, g, t, memory, is_weight: theta - 0.1 * g)
    np.testing.assert_allclose(_run(SGD()), expected, rtol=1e-15)


def test_E17_momentum():
    def step(theta, g, t, memory, is_weight):
        memory["v"] = 0.8 * memory.get("v", 0.0) - 0.1 * g
        return theta + memory["v"]

    np.testing.assert_allclose(_run(Momentum(0.8)), _by_hand(step), rtol=1e-14)


def test_E17_a_momentum_of_1_keeps_every_step_s_velocity():
    velocity = [-0.1 * sum(g[j] for g in GRADIENTS[: t + 1]) for j in range(3) for t in range(3)]
    expected = [THETA[j] + sum(velocity[3 * j : 3 * j + 3]) for j in range(3)]
    np.testing.assert_allclose(_run(Momentum(1.0)), expected, rtol=1e-14)


def test_E18_nesterov():
    def step(theta, g, t, memory, is_weight):
        memory["v"] = 0.8 * memory.get("v", 0.0) - 0.1 * g
        return theta + 0.8 * memory["v"] - 0.1 * g

    np.testing.assert_allclose(_run(Nesterov(0.8)), _by_hand(step), rtol=1e-14)


def test_E19_rmsprop():
    def step(theta, g, t, memory, is_weight):
        memory["s"] = 0.9 * memory.get("s", 0.0) + 0.1 * g * g
        return theta - 0.1 * g / (memory["s"] ** 0.5 + 1e-6)

    np.testing.assert_allclose(_run(RMSProp(decay=0.9, epsilon=1e-6)), _by_hand(step), rtol=1e-13)


def _adam(theta, g, t, memory):
    memory["m"] = 0.8 * memory.get("m", 0.0) + 0.2 * g
    memory["v"] = 0.95 * memory.get("v", 0.0) + 0.05 * g * g
    m, v = memory["m"] / (1 - 0.8**t), memory["v"] / (1 - 0.95**t)
    return theta - 0.1 * m / (v**0.5 + 1e-3)


def test_E20_adam_with_both_corrections():
    rule = Adam(beta1=0.8, beta2=0.95, epsilon=1e-3)
    expected = _by_hand(lambda theta, g, t, memory, is_weight: _adam(theta, g, t, memory))
    np.testing.assert_allclose(_run(rule), expected, rtol=1e-13)


def test_E20_epsilon_hat_is_added_before_the_correction():
    def step(theta, g, t, memory, is_weight):
        memory["m"] = 0.8 * memory.get("m", 0.0) + 0.2 * g
        memory["v"] = 0.95 * memory.get("v", 0.0) + 0.05 * g * g
        rate = 0.1 * (1 - 0.95**t) ** 0.5 / (1 - 0.8**t)
        return theta - rate * memory["m"] / (memory["v"] ** 0.5 + 1e-3)

    rule = Adam(beta1=0.8, beta2=0.95, epsilon=1e-3, epsilon_hat=True)
    np.testing.assert_allclose(_run(rule), _by_hand(step), rtol=1e-13)


def test_E20_first_step_of_adam_is_the_rate_whatever_the_gradient():
    for scale in (1e-4, 1.0, 1e4):
        state = Adam(epsilon=1e-12).initial(THETA, IS_WEIGHT)
        _, theta = Adam(epsilon=1e-12).update(state, THETA, scale * GRADIENTS[0], RATE)
        np.testing.assert_allclose(THETA - theta, RATE * np.sign(GRADIENTS[0]), rtol=1e-6)


def test_E21_adamw_decays_weights_and_not_biases():
    def step(theta, g, t, memory, is_weight):
        return _adam(theta - 0.1 * 0.3 * theta if is_weight else theta, g, t, memory)

    rule = AdamW(weight_decay=0.3, beta1=0.8, beta2=0.95, epsilon=1e-3)
    np.testing.assert_allclose(_run(rule), _by_hand(step), rtol=1e-13)


def _rprop(theta, g, first_rate, memory):
    before, size = memory.get("g", 0.0), memory.get("size", first_rate)
    if before * g > 0:
        size = min(1.5 * size, 0.14)
    elif before * g < 0:
        size, g = max(0.25 * size, 0.03), 0.0
    memory["g"], memory["size"] = g, size
    return theta - size * ((g > 0) - (g < 0))


def test_E62_rprop_lengthens_shortens_waits_and_keeps_to_its_bounds():
    rule = Rprop(eta_minus=0.25, eta_plus=1.5, least=0.03, largest=0.14)
    expected = _by_hand(lambda theta, g, t, memory, is_weight: _rprop(theta, g, 0.1, memory))
    np.testing.assert_allclose(_run(rule), expected, rtol=1e-14)
    # worked by hand: the sign changes once in the first and the last parameter; the second's step grows to the largest
    np.testing.assert_allclose(expected, [1 - 0.1 + 0 - 0.03, -2 - 0.1 - 0.14 - 0, 0.5 + 0.1 + 0 - 0.03], rtol=1e-14)


def test_E62_step_sizes_begin_as_the_first_rate_alone_also_one_for_each_parameter():
    rule, rates = Rprop(), np.array([0.1, 0.2, 0.4])
    state, theta = rule.update(rule.initial(THETA, IS_WEIGHT), THETA, GRADIENTS[0], rates)
    np.testing.assert_array_equal(state.sizes, rates)
    np.testing.assert_allclose(theta, THETA - rates * np.sign(GRADIENTS[0]), rtol=1e-15)
    again = [rule.update(state, theta, GRADIENTS[1], rate)[1] for rate in (0.1, 7.0)]
    np.testing.assert_array_equal(*again)
    state, _ = rule.update(rule.initial(THETA, IS_WEIGHT), THETA, GRADIENTS[0], 1e-9)
    np.testing.assert_array_equal(state.sizes, 1e-6)  # the least


def test_E62_signs_count_also_where_a_product_of_gradients_is_too_small_for_the_dtype():
    rule, theta, tiny = Rprop(), np.ones(2, "float32"), np.array([1e-30, -1e-30], "float32")
    state, _ = rule.update(rule.initial(theta, theta), theta, tiny, 0.1)
    state, _ = rule.update(state, theta, np.abs(tiny), 0.1)
    np.testing.assert_allclose(state.sizes, [0.12, 0.05], rtol=1e-6)  # float32


@pytest.mark.parametrize("name", RULES)
def test_rules_are_pure_keep_the_dtype_and_run_on_any_array(name):
    rule = update_rule(name)
    state, theta, gradient = rule.initial(THETA, IS_WEIGHT), THETA.copy(), GRADIENTS[0].copy()
    first = rule.update(state, theta, gradient, RATE)
    second = rule.update(state, theta, gradient, RATE)
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(theta, THETA)
    np.testing.assert_array_equal(gradient, GRADIENTS[0])

    small = THETA.astype("float32")
    state, updated = rule.update(rule.initial(small, small), small, gradient.astype("float32"), RATE)
    assert updated.dtype == np.float32
    assert {a.dtype.name for a in _arrays(state)} <= {"float32"}

    strict = [array_api_strict.asarray(a) for a in (THETA, IS_WEIGHT, gradient)]
    _, updated = rule.update(rule.initial(*strict[:2]), strict[0], strict[2], RATE)
    np.testing.assert_allclose(np.asarray(updated), first[1], rtol=1e-15)


def test_numpy_settings_of_another_precision_become_python_numbers():
    rule = Adam(beta1=np.float64(0.8), epsilon=np.longdouble(1e-8))
    assert type(rule.beta1) is type(rule.epsilon) is float
    small = THETA.astype("float32")
    _, updated = rule.update(rule.initial(small, small), small, small, 0.1)
    assert updated.dtype == np.float32


def _arrays(state):
    for item in state:
        if isinstance(item, tuple):
            yield from _arrays(item)
        elif hasattr(item, "dtype"):
            yield item


def test_E29_penalty_and_its_gradient_are_free_of_biases():
    assert float(l2(THETA, IS_WEIGHT, 0.4)) == pytest.approx(0.2 * (1 + 4))
    np.testing.assert_allclose(l2_gradient(THETA, IS_WEIGHT, 0.4), [0.4, -0.8, 0.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Momentum(1.5), "Momentum: momentum: expected a number in [0, 1], got 1.5. Choose"),
        (lambda: Nesterov(-0.1), "Nesterov: momentum: expected a number in [0, 1], got -0.1. Choose"),
        (lambda: RMSProp(decay=2), "RMSProp: decay: expected a number in [0, 1), got 2. Choose"),
        (lambda: Adam(epsilon_hat=1e-8), "Adam: epsilon_hat: expected True or False, got 1e-08. False is"),
        (lambda: Adam(beta1=1), "Adam: beta1: expected a number in [0, 1), got 1. Choose"),
        (lambda: Adam(epsilon=0), "Adam: epsilon: expected a number in (0, ∞), got 0. Choose a number in that range."),
        (lambda: AdamW(weight_decay=-1), "AdamW: weight_decay: expected a number in [0, ∞), got -1."),
        (lambda: AdamW(beta2=float("nan")), "AdamW: beta2: expected a number in [0, 1), got nan. Choose"),
        (lambda: Rprop(eta_minus=1), "Rprop: eta_minus: expected a number in (0, 1), got 1. Choose"),
        (lambda: Rprop(eta_plus=0.9), "Rprop: eta_plus: expected a number in [1, ∞), got 0.9. Choose"),
        (lambda: Rprop(largest=1e-7), "Rprop: largest: expected at least the least step size, 1e-06, got 1e-07. The "
         "defaults are 1e-6 and 50."),
        (lambda: Adam(beta1=None), "Adam: beta1: expected a number in [0, 1), got None."),
        (lambda: update_rule("adm", also=("lbfgs",)), "unknown optimizer: expected one of adam, adamw, lbfgs, momentum, "
         "nesterov, rmsprop, rprop, sgd, got 'adm'. Did you mean adam"),
        (lambda: update_rule(Adam), "optimizer: expected a name (sgd, momentum, nesterov, rmsprop, adam, adamw, rprop) or an "
         "object with initial() and update(), got <class"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)
