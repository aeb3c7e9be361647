"""Schedules (E22) to (E28) by value."""

import math

import numpy as np
import pytest

from chainrule import schedules as s
from chainrule.errors import InputError
from chainrule.maths.schedules import ByTime, rate_policy


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (s.Constant(0.3), {0: 0.3, 7.5: 0.3}),  # E22
        (s.Step(0.8, every=2, factor=0.5), {0: 0.8, 1.99: 0.8, 2: 0.4, 3.5: 0.4, 6: 0.1}),  # E23
        (s.Exponential(0.8, factor=0.25), {0: 0.8, 0.5: 0.4, 1: 0.2, 2: 0.05}),  # E24
        (s.Cosine(1.0, epochs=4, final=0.2), {0: 1.0, 2: 0.6, 1: 0.2 + 0.4 * (1 + math.sqrt(0.5)), 4: 0.2, 9: 0.2}),  # E25
        (s.InverseScaling(0.6, power=0.5), {0: 0.6, 3: 0.3, 8: 0.2}),  # E26
        (s.WarmUp(s.Step(0.8, every=1, factor=0.5), epochs=2, start=0.1),  # E27
         {0: 0.08, 1: 0.44, 1.5: 0.62, 2: 0.8, 3: 0.4}),
    ],
)  # fmt: skip
def test_E22_to_E27_rates(schedule, expected):
    for t, rate in expected.items():
        assert schedule.rate(t) == pytest.approx(rate, rel=1e-12), t


def test_E28_adaptive_lowers_the_rate_when_the_cost_stalls():
    rule = s.Adaptive(1.0, factor=0.5, patience=2, tolerance=0.1, least_rate=0.2)
    state, rates = rule.start(), []
    for cost in (5.0, 4.0, 3.95, 3.9, 3.0, 2.99, 2.95, 2.91, 2.905):
        state = rule.after_epoch(state, cost)
        rates.append(rule.rate(state, t=0.0))
    # 3.95 and 3.9 fail to improve 4.0 by 0.1; 3.0 does; 2.99 and 2.95 fail; 2.91 and 2.905 fail again
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert rule.ended(state)
    assert not rule.ended(rule.start())


def test_learning_rate_is_a_number_a_schedule_or_adaptive():
    assert rate_policy(0.5).rate(None, 3.0) == 0.5
    assert rate_policy(np.float32(0.5)).rate(None, 3.0) == 0.5
    assert rate_policy(s.Step(1.0, every=1)).rate(None, 1.0) == pytest.approx(0.1)
    assert isinstance(rate_policy(2), ByTime)
    adaptive = s.Adaptive(0.1)
    assert rate_policy(adaptive) is adaptive


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rate_policy(0), "learning_rate: expected a finite number > 0, got 0. Usual values lie between"),
        (lambda: rate_policy(float("nan")), "learning_rate: expected a finite number > 0, got nan."),
        (lambda: rate_policy("fast"), "learning_rate: expected a number > 0 or a schedule, got 'fast'. Write 1e-3, or"),
        (lambda: rate_policy(True), "learning_rate: expected a number > 0 or a schedule, got True."),
        (lambda: rate_policy(s.Cosine), "learning_rate: expected a number > 0 or a schedule, got <class"),
        (lambda: s.WarmUp(0.1), "WarmUp: then: expected a schedule, got 0.1. Write WarmUp(Constant(0.1), epochs=2)."),
        (lambda: s.Cosine(0.1, epochs=None), "Cosine: epochs: expected a number in (0, ∞), got None."),
        (lambda: s.Constant(-1), "Constant: initial: expected a number in (0, ∞), got -1. Choose a number"),
        (lambda: s.Step(1, every=0), "Step: every: expected a number in (0, ∞), got 0."),
        (lambda: s.Cosine(1, epochs=float("inf")), "Cosine: epochs: expected a number in (0, ∞), got inf."),
        (lambda: s.Adaptive(1, factor=1), "Adaptive: factor: expected a number in (0, 1), got 1."),
        (
            lambda: s.Adaptive(1, patience=0.5),
            "Adaptive: patience: expected a whole number ≥ 1, got 0.5. Usual values are",
        ),
        (lambda: s.Adaptive(1, tolerance=-1), "Adaptive: tolerance: expected a number in [0, ∞), got -1."),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "shown"), [(-1, "-1"), (None, "None"), ("fast", "'fast'"), (float("nan"), "nan"), (0.0, "0.0")]
)
def test_a_schedule_that_gives_no_rate_is_refused_when_it_does(given, shown):
    class Own:
        def rate(self, t):
            return given

    with pytest.raises(InputError) as error:
        rate_policy(Own()).rate(None, 1.5)
    expected = (
        f"learning_rate: the schedule at t = 1.5: expected a finite number > 0, got {shown}. Correct the schedule."
    )
    assert str(error.value) == expected


def test_rates_are_python_numbers_whatever_the_schedule_gives():
    assert type(rate_policy(s.Cosine(np.float64(0.1), epochs=3)).rate(None, 1.0)) is float
    with pytest.raises(InputError, match="expected a finite number > 0, got OverflowError"):
        rate_policy(s.InverseScaling(0.1, power=1e5)).rate(None, 1.0)
