"""Derivations where numbers end: saturated outputs, cancellation, the largest and the smallest floats, hostile names."""

import json
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.glassbox.derivations.numbers import printed, rounding


def network(sizes, activations, cost, parameters):
    net = cr.Network(sizes, activations, cost, dtype="float64", backend="reference")
    net.parameters = parameters
    return net


def cost_step(found):
    return next(step for step in found.steps if step.equation == "E3")


@pytest.mark.parametrize("form", ["units", "matrices"])
@pytest.mark.parametrize(
    ("activation", "cost", "n", "parameters", "y", "formula", "numbers", "value"),
    [
        # a is 1, and 1 − a is 0
        ("logistic", "binary_cross_entropy", 1, [40, 0], [1.0],
         "y_0 softplus(−z^1_0) + (1 − y_0) softplus(z^1_0)", "1 · softplus(−40) + (1 − 1) · softplus(40)",
         math.log1p(math.exp(-40))),
        ("logistic", "binary_cross_entropy", 1, [40, 0], [0.0],
         "y_0 softplus(−z^1_0) + (1 − y_0) softplus(z^1_0)", "0 · softplus(−40) + (1 − 0) · softplus(40)", 40.0),
        # a of the right class is 0
        ("softmax", "cross_entropy", 2, [900, -100, 0, 0], [0.0, 1.0],
         "Σ_{j=0..1} y_j (z^1_0 − z^1_j) + ln(Σ_{o=0..1} e^(z^1_o − z^1_0))",
         "0 · (900 − 900) + 1 · [900 − (−100)] + ln(e^(900 − 900) + e^(−100 − 900))", 1000.0),
        ("softmax", "cross_entropy", 2, [900, -100, 0, 0], [0.5, 1.0],
         "Σ_{j=0..1} y_j (z^1_0 − z^1_j) + (Σ_{j=0..1} y_j) ln(Σ_{o=0..1} e^(z^1_o − z^1_0))",
         "0.5 · (900 − 900) + 1 · [900 − (−100)] + (0.5 + 1) · ln(e^(900 − 900) + e^(−100 − 900))", 1000.0),
        ("exp", "poisson", 1, [-800, 0], [2.0], "a^1_0 − y_0 z^1_0", "0 − 2 · (−800)", 1600.0),
    ],
)  # fmt: skip
def test_the_cost_of_a_saturated_pair_is_of_z(form, activation, cost, n, parameters, y, formula, numbers, value):
    """ln 0 is no formula of a finite C_i (E3): the pair's own, of z, stands there (E5′)."""
    net = network([1, n], [activation], cost, parameters)
    step = cost_step(cr.derive(net, [1.0], y, form=form))
    assert (step.formula, step.numbers) == (formula, numbers)
    assert step.why == f"The cost, {cost}, from z: the digits of a, so near to 0 or 1, don't give it."
    assert step.value == pytest.approx(value, rel=1e-15)  # one rounding of exp and one of log1p
    assert step.agrees()


def test_an_unsaturated_pair_keeps_its_formula():
    step = cost_step(cr.derive(network([1, 1], ["logistic"], "binary_cross_entropy", [10, 0]), [1.0], [1.0]))
    assert step.numbers == "−[1 · ln 0.999955 + (1 − 1) · ln(1 − 0.999955)]"
    assert step.agrees()


@pytest.mark.parametrize("form", ["units", "matrices"])
@pytest.mark.parametrize("z", [[36.0, 0.0, -3.0], [700.0, 100.0, -3.0], [-20.0, -47.0, -55.0]])
def test_coupled_units_near_0_and_1(form, z):
    """Through softmax where 1 − a has lost its digits: what rounding takes is part of what the step allows (E5′)."""
    net = network([1, 3], ["softmax"], "squared_error", [*z, 0, 0, 0])
    for digits in (2, 6, 17):
        found = cr.derive(net, [1.0], [0.1, 0.2, 0.7], of=("delta", 1), form=form, digits=digits)
        assert all(step.agrees() for step in found.steps), (digits, [s for s in found.steps if not s.agrees()])


def test_shares_of_large_z_are_divided_by_the_largest():
    net = network([1, 2], ["softmax"], "cross_entropy", [-600, -700, 0, 0])
    step = next(s for s in cr.derive(net, [1.0], [1.0, 0.0]).steps if s.equation == "E2" and s.units == (0,))
    assert step.formula == "e^(z^1_0 − z^1_0)/(Σ_{o=0..1} e^(z^1_o − z^1_0))"
    assert step.why.endswith("over the sum of all, all divided by the largest, lest they overflow.")
    assert step.value == 1.0
    assert step.agrees()


@pytest.mark.parametrize("value", [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 2.2250738585072014e-308])
def test_what_is_printed_at_the_ends_of_float64(value):
    """1.8e308 is no float: what it was rounded from lies below."""
    for digits in (2, 6, 17):
        low, high = rounding(value, digits)
        assert low <= value <= high, printed(value, digits)
    low, high = rounding(1.7976931348623157e308, 2)
    assert low / 1e308 == pytest.approx(1.75, rel=1e-15)  # 1.8 less half a unit of its last digit, rounded once
    assert high == math.inf


def test_a_sum_that_rounding_alone_makes_0():
    """0.2·ln 2 − 0.1·ln 2 − 0.1·ln 2 by two orders of adding up (E1)."""
    net = network([3, 1], ["identity"], "squared_error", [0.1, 0.1, -0.2, 0.0])
    for form in ("units", "matrices"):
        found = cr.derive(net, [math.log(2)] * 3, [0.0], form=form, digits=17)
        assert all(step.agrees() for step in found.steps)


@pytest.mark.parametrize(
    ("parameters", "x", "of", "text"),
    [
        ([1e200, 1.0], [1.0], "cost",
         "x: C_i: expected a finite number, got inf. cr.diagnose(net, X, Y) says where it comes from."),
        ([1e150, 0.0], [1e150], ("W", 1, 0, 0),
         "x: C_i: expected a finite number, got inf. cr.diagnose(net, X, Y) says where it comes from."),
    ],
)  # fmt: skip
def test_a_cost_beyond_float64(parameters, x, of, text):
    with pytest.raises(cr.InputError) as error:
        cr.derive(network([1, 1], ["identity"], "squared_error", parameters), x, [0.0], of=of)
    assert str(error.value) == text


def test_a_derivative_beyond_float64():
    wide = network([1, 2, 1], ["identity", "identity"], "absolute_error", [1e200, 0, 0, 0, 1e200, 0, 0])
    with pytest.raises(cr.InputError) as error:
        cr.derive(wide, [0.0], [1.0], of="x", output=0)
    assert str(error.value) == (
        "of='x': expected a derivative that float64 holds, got one beyond it. Scale x, or draw smaller weights."
    )


def test_a_ledger_of_a_derivative_that_is_0_is_json():
    """0/0 is no share: null, and a dash."""
    net = network([1, 1, 1], ["relu", "identity"], "squared_error", [-1.0, 0.0, 1.0, 0.0])
    paths = json.loads(json.dumps(cr.path_ledger(net, [1.0], [1.0], (1, 0, 0)).to_dict(), allow_nan=False))["paths"]
    assert [path["share"] for path in paths] == [None]
    assert "share –" in cr.derive(net, [1.0], [1.0], of="W:1:0:0").to_text()


@pytest.mark.parametrize("bad", ["\x00\x1b[31m", "\ud800", "\u202e"])
@pytest.mark.parametrize("form", ["units", "matrices"])
def test_names_bring_no_controls(bad, form):
    """A name or an equation of one's own acts on no terminal, and every page can be written as UTF-8."""
    g = cr.Activation(bad, np.tanh, lambda z: 1 - np.tanh(z) ** 2, equation=bad)
    cost = cr.Cost(bad, lambda a, y: ((a - y) ** 2).sum(axis=-1), lambda a, y: 2 * (a - y), equation=bad)
    found = cr.derive(cr.Network([1, 1], [g], cost), [1.0], [0.5], form=form)
    for content in (found.to_text(), found.to_html(), found.to_latex(), found._repr_html_()):
        assert not set(bad) - set("[31m") & set(content)
        content.encode()
    assert "\x1b[1m" in found.to_text(colour=True)
    assert "\x1b[31m" not in found.to_text(colour=True)


def test_arguments_of_other_kinds():
    net = cr.Network([1, 2], ["tanh"], dtype="float64")
    with pytest.raises(cr.InputError) as error:
        cr.derive(net, [1.0], of="x", output=np.array([0, 1]))
    assert str(error.value) == (
        'output: expected a whole number 0 to 1, or "cost", got array([0, 1]). '
        'Say which output\'s gradient is wanted; "cost" is ∂C/∂x (E9).'
    )
    for width in (0, None, "x"):
        with pytest.raises(cr.InputError) as error:
            cr.derive(net, [1.0], [0.0, 1.0]).to_text(width=width)
        assert str(error.value) == (
            f"width: expected a whole number ≥ 1, got {width!r}. A page is 100 wide; less than 40 are taken as 40."
        )


def test_matrices_write_out_no_more_terms_than_asked_for():
    """The sums over outputs (E3) and (E5′) among matrices have `terms`, too."""
    net = cr.Network([1, 300], ["softmax"], "cross_entropy", dtype="float64", initializer="zeros")
    steps = cr.derive(net, [1.0], np.full(300, 0.01), of=("delta", 1), form="matrices", terms=2).steps
    assert cost_step(cr.derive(net, [1.0], np.full(300, 0.01), form="matrices", terms=2)).written_out == (
        "−(y_0 ln a^1_0 + y_1 ln a^1_1 + …)"
    )
    assert steps[-1].written_out == "(y_0 + y_1 + …) a^1 − y"
    assert steps[-1].numbers.startswith("(0.01 + 0.01 + (rest: 298 more terms: 2.98)) · [")
    assert all(step.agrees() for step in steps)
