"""Intervals: which lie within which."""

from math import inf

import pytest

from chainrule import Interval


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        (Interval(0, 1), Interval(0, 1), True),
        (Interval(0, 1, closed_low=True), Interval(0, 1), False),
        (Interval(0, 1), Interval(0, 1, closed_high=True), True),
        (Interval(0, inf), Interval(0, 1), False),
        (Interval(), Interval(0, inf), False),
        (Interval(0.1, 0.9, True, True), Interval(0, 1), True),
    ],
)
def test_within(inner, outer, within):
    assert inner.within(outer) is within


def test_contains_and_text():
    assert Interval(0, 1, closed_low=True).contains(0)
    assert not Interval(0, 1, closed_low=True).contains(1)
    assert not Interval().contains(inf)
    assert str(Interval(-inf, 2.5, closed_high=True)) == "(-∞, 2.5]"
