"""The case list itself: small enough, and complete in pairs."""

from dataclasses import fields

from cases import COSTS, VALUES, Case, fits, missing_pairs, pairwise
from chainrule.maths.costs import BUILT_IN


def test_every_pair_of_settings_occurs_in_at_most_1000_cases():
    cases = list(pairwise())
    assert len(cases) <= 1000
    assert missing_pairs(cases) == []
    assert len(set(cases)) == len(cases)


def test_a_case_left_out_would_be_noticed():
    cases = list(pairwise())
    only = next(case for case in cases if case.width == 40 and case.depth == 5)
    rest = [case for case in cases if (case.width, case.depth) != (40, 5)]
    assert {"width": only.width, "depth": only.depth} in missing_pairs(rest)


def test_the_values_are_those_that_the_foundation_promises():
    assert set(VALUES) == {field.name for field in fields(Case)}
    assert VALUES["depth"] == [1, 2, 3, 4, 5]
    assert VALUES["width"] == list(range(1, 41))
    assert {name.split("(")[0] for name in BUILT_IN} == {name.split("(")[0] for name in COSTS}
    assert all(fits(case.output, case.cost) for case in pairwise())
