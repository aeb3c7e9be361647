"""SGD with a line search (E67): steps worked by hand, and what a trial costs and sees."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError
from chainrule.maths.penalties import l1, l2
from chainrule.maths.schedules import rate_policy
from chainrule.maths.updates import SGD
from chainrule.training.examples.batches import BatchSizes
from chainrule.training.examples.reading import read_data
from chainrule.training.minibatches import loop as minibatch
from chainrule.training.minibatches.line_search import LineSearchSGD
from chainrule.training.minibatches.loop import Recipe
from chainrule.training.minibatches.step_gradient import apply_update, step_gradient
from training_problem import LABELS, X, Y, paused_and_resumed

WEIGHTS = np.random.default_rng(2).uniform(0.2, 2, 60)
USUAL = LineSearchSGD()


def by_hand(rates, first=1.0, c=0.1, beta=0.7, gamma=2.0, largest=10.0):
    """Two epochs of (a − y)² with a = wx of one weight, a row at a time, in plain Python numbers."""
    w, eta = 0.0, first
    for x, y in [(1.0, 2.0), (-3.0, 1.0)] * 2:
        g, eta = 2 * (w * x - y) * x, min(eta * gamma**0.5, largest)
        while ((w - eta * g) * x - y) ** 2 > (w * x - y) ** 2 - c * eta * g * g:
            eta *= beta
        w -= eta * g
        rates.append(eta)
    return w


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"first": 0.1, "armijo": 0.4, "shrink": 0.5},
        {"growth": 1.0},
        {"first": 0.02, "growth": 9.0, "largest": 0.04},
    ],
    ids=str,
)
def test_E67_by_hand(settings):
    net = cr.Network([1, 1], "identity", "squared_error", bias=False, dtype="float64")
    net.parameters[...] = 0
    history = cr.train(
        net, [[1.0], [-3.0]], [2.0, 1.0], optimizer=LineSearchSGD(**settings), batch_size=1, shuffle=False, epochs=2,
        verbose=0,
    )  # fmt: skip
    names = {"first": "first", "armijo": "c", "shrink": "beta", "growth": "gamma", "largest": "largest"}
    rates = []
    expected = by_hand(rates, **{names[name]: value for name, value in settings.items()})
    np.testing.assert_allclose(net.parameters, [expected], rtol=1e-12)  # four steps, worked in another order
    assert history.learning_rate == pytest.approx(rates[1::2], rel=1e-12)  # powers of 0.7, multiplied in another order


def searched(options, penalty=0.0, l1_strength=0.0, *, rule=USUAL, epochs=2, size=16, pause_at=None, weights=None):
    """Train a classifier; go on by another run from the snapshot after a pause at some breath: θ, and the breaths."""
    net = cr.Network([4, 6, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64", seed=1)
    data = read_data(net, X, LABELS, weights)

    def run(now):
        order = np.random.default_rng(1) if size < 60 else None
        recipe = Recipe(rule, rate_policy(1.0), BatchSizes(epochs, ((0, size),)), order, penalty, l1_strength, options)
        minibatch.run(net, data, recipe, now, lambda: now.cost)

    return paused_and_resumed(net, run, pause_at)


@pytest.mark.parametrize(
    "options",
    [
        StepOptions(),
        StepOptions(dropout=(0.1, 0.4), noise=0.3, smoothing=0.1, seed=7),
        StepOptions(layer_rates=(2.0, 0.5), weight_decay=0.01, max_norm=1.5),
        StepOptions(layer_rates=(0.0, 1.0), dropout=(0.0, 0.5), clip_norm=0.1),
    ],
    ids=["plain", "masks", "rates", "frozen"],
)
def test_E67_trials_are_of_the_step_with_its_options_and_the_same_masks(options):
    net = cr.Network([4, 6, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64", seed=1)
    theta, is_weight, batch = net.parameters, net.plan.is_weight, read_data(net, X, LABELS, WEIGHTS).take(slice(60))

    def found(at):
        return step_gradient(net, at, batch, options, 0, penalty=0.02, l1=0.01)

    def objective(at):
        return found(at).cost + float(l2(at, is_weight, 0.02)) + float(l1(at, is_weight, 0.01))

    gradient, rate = found(theta).flat, 256.0
    while True:
        _, there = apply_update(SGD(), (), theta, gradient, rate, options, net.plan)
        if objective(there) <= objective(theta) + 0.1 * gradient @ (there - theta):
            break
        rate *= 0.7
    assert rate < 100
    rule = LineSearchSGD(first=128, largest=1e3)
    trained, _ = searched(options, 0.02, 0.01, rule=rule, epochs=1, size=60, weights=WEIGHTS)
    np.testing.assert_allclose(trained, there, rtol=1e-12)  # sums in another order


def test_the_same_bits_after_a_pause_at_any_moment():
    options = StepOptions(dropout=(0.0, 0.3), seed=7)
    whole, breaths = searched(options)
    assert breaths == 2 * (1 + 4)
    for at in (0, 1, 3, 6, 9):
        np.testing.assert_array_equal(searched(options, pause_at=at)[0], whole)


def test_a_batch_without_a_rate_is_passed_over_and_the_next_search_begins_where_this_one_did():
    rule = LineSearchSGD(first=10, shrink=0.99)  # 60 trials don't get below 5, which is too long here
    net = cr.Network([1, 1], "identity", "squared_error", dtype="float64", seed=0)
    before = net.parameters.copy()
    history = cr.train(net, X[:, :1], Y, optimizer=rule, batch_size=None, epochs=2, verbose=0)
    np.testing.assert_array_equal(net.parameters, before)
    assert history.learning_rate == [0, 0]


def test_it_needs_no_rate_where_gradient_descent_needs_a_good_one():
    rows, net = 30 * X, cr.Network([4, 1], "identity", "squared_error", dtype="float64", seed=1)  # curvature 1e3
    history = cr.train(net, rows, Y, optimizer="line_search", epochs=30, verbose=0)
    assert history.cost[-1] < history.cost[0]
    assert 1e-5 < history.learning_rate[-1] < 1e-2  # about one over the curvature


def test_a_learning_rate_is_refused():
    with pytest.raises(InputError) as error:
        cr.train(cr.Network([4, 1], "identity"), X, Y, optimizer="line_search", learning_rate=0.1)
    assert str(error.value) == (
        "learning_rate: expected the default 0.001 under line_search, got 0.1. It searches for the rate of every step; "
        "leave it out, or give cr.LineSearchSGD(first=…, largest=…)."
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LineSearchSGD(armijo=1), "LineSearchSGD: armijo: expected a number in (0, 1), got 1. Choose"),
        (lambda: LineSearchSGD(growth=0.9), "LineSearchSGD: growth: expected a number in [1, ∞), got 0.9. Choose"),
        (lambda: LineSearchSGD(first=20), "LineSearchSGD: first: expected at most the largest rate, 10, got 20. The "
         "defaults are 1 and 10."),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)
