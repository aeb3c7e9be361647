"""cr.derive: every step's value against the engine, its bounds, and the six notations against each other (E1 to E14)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import chainrule as cr
from cases import named, pairwise, problem
from chainrule.glassbox.derivations.expressions import Negative, Number, Plus, Product, Quantity, evaluate
from chainrule.glassbox.derivations.notations import NOTATIONS
from chainrule.glassbox.derivations.numbers import agree, printed, rounding
from chainrule.glassbox.derivations.steps import Step

PROBLEMS = named() | {case.name: problem(case) for case in pairwise()[::20]}
FORMS = ("units", "matrices")
BACKWARD_KINDS = {"delta": {"delta"}, "both": {"da", "delta"}, "da": {"da"}}


def targets_of(p, layer, j, k):
    bias = [("b", layer, j)] if layer in p.net.b else []
    return [("W", layer, j, k), *bias, ("delta", layer), ("delta", layer, j), "x", "cost"]


def expected(p, run, back, of, output):
    """The same value from the backward pass of the engine (E3, E5 to E9, E11)."""
    net, x, y = p.net, p.X[:1], p.Y[:1]
    if of == "cost":
        return net.example_costs(x, y)[0]
    if of == "x":
        return back.x[0] if output == "cost" else cr.derivatives.input_gradient(net, x, output=output)[0]
    kind, layer, *units = of
    delta = back.delta[layer][0]
    match kind:
        case "W":
            return delta[units[0]] * run.a[layer - 1][0, units[1]]
        case "b":
            return delta[units[0]]
        case _:
            return delta[units[0]] if units else delta


def quantity(run, back, step, output):
    """What a step's target is in the engine's own arrays."""
    kind, layer, units = step.target.kind, step.layer, step.units
    if kind not in ("z", "a", "delta") or (kind == "delta" and output not in (None, "cost")):
        return None
    values = {"z": run.z, "a": run.a, "delta": back.delta}[kind][layer][0]
    return values[units[0]] if units else values


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_values_and_steps(name, form):
    p = PROBLEMS[name]
    rng = np.random.default_rng(len(name))
    layer = int(rng.integers(1, p.net.L + 1))
    j, k = int(rng.integers(p.net.sizes[layer])), int(rng.integers(p.net.sizes[layer - 1]))
    notation = list(NOTATIONS)[int(rng.integers(6))]
    run = p.net.forward(p.X[:1])
    back = p.net.backward(run, p.Y[:1])
    for of in targets_of(p, layer, j, k):
        for output in ("cost", int(rng.integers(p.net.sizes[-1]))) if of == "x" else (None,):
            found = cr.derive(p.net, p.X[0], p.Y[0], of, notation, form=form, output=output, terms=5)
            truth = expected(p, run, back, of, output)
            # sums in another order, and (E6) down five layers: a few ulps of the largest
            np.testing.assert_allclose(found.value, truth, rtol=1e-12, atol=1e-14 * max(1.0, np.abs(truth).max()))
            for step in found.steps:
                again, size = evaluate(step.expression), np.abs(step.value).max()
                # the same formula in another order of operations, through intermediate sums of both signs
                np.testing.assert_allclose(again, step.value, rtol=1e-9, atol=1e-12 * max(1.0, size))
                assert step.agrees(), (of, step.equation, step.target, step.bounds())
                true = quantity(run, back, step, output)
                if true is not None:
                    np.testing.assert_allclose(np.ravel(step.value), np.ravel(true), rtol=1e-10, atol=1e-12)


def test_a_wrong_formula_is_seen_by_its_bounds():
    """The bounds of printed operands are narrow: a factor 2, a sign or a neighbour's number falls out of them."""
    p = PROBLEMS["digits"]
    found = cr.derive(p.net, p.X[0], p.Y[0], of=("W", 1, 3, 5))
    seen = 0
    for step in found.steps:
        if step.value == 0 or step.equation == "E3":
            continue
        for wrong in (
            Product((Number(1.00002, "1.00002"), step.expression)),
            Negative(step.expression),
            Plus((step.expression, Number(1e-4 * step.value, "ε"))),
        ):
            mutated = Step(
                step.equation, step.direction, step.target, wrong, step.why, None, step.notation, 9  # nine digits
            )  # fmt: skip
            assert not mutated.agrees(), (step.equation, step.target)
            seen += 1
    assert seen > 60


@pytest.mark.parametrize("name", ["digits", "theta", "scalar", "chain", "logistic regression"])
def test_notations_change_every_symbol_and_no_value(name):
    p = PROBLEMS[name]
    for of, form in product([("W", 1, 0, 0), "x"], FORMS):
        output = 0 if of == "x" else None
        by_notation = {
            notation: cr.derive(p.net, p.X[0], p.Y[0], of, notation, form=form, output=output) for notation in NOTATIONS
        }
        values = {notation: np.ravel(found.value).tolist() for notation, found in by_notation.items()}
        assert all(value == values["delta"] for value in values.values())
        known: dict[tuple, list[float]] = {}
        for notation, found in by_notation.items():
            hand = NOTATIONS[notation]
            kinds = {step.target.kind for step in found.steps if step.direction == "backward"} & {"da", "delta"}
            # in matrices (E5) begins with ∂C/∂a in all hands; a matched pair's δ^L has none, nor has an only output
            if p.plan.matched is not None and output is None:
                assert kinds == {"delta"}
            elif form == "matrices" and hand.style != "da":
                assert kinds == ({"delta"} if output is not None and p.net.sizes[-1] == 1 else {"da", "delta"})
            else:
                assert kinds == BACKWARD_KINDS[hand.style]
            for step in found.steps:
                numbers = np.sort(np.ravel(step.value)).tolist()
                at = (step.target.kind, step.layer, step.units)
                assert known.setdefault(at, numbers) == numbers, (notation, at)


def test_written_as_the_sources_write():
    """Letters, indices, marks and layer numbers of one weight, its δ and its derivative, from the table of the spec."""
    quantities = [
        Quantity("W", 2, (3, 5)),
        Quantity("delta", 2, (3,)),
        Quantity("a", 1, (5,)),
        Quantity("dW", 2, (3, 5)),
        Quantity("a", 0, (7,)),
    ]
    from chainrule.glassbox.writing.text import symbol

    found = {name: [symbol(one, hand) for one in quantities] for name, hand in NOTATIONS.items()}
    assert found == {
        "delta": ["w^2_3,5", "δ^2_3", "a^1_5", "∂C_i/∂w^2_3,5", "a^0_7"],
        "theta": ["Θ^(2)_5,3", "s^(2)_3", "a^(1)_5", "∂C_0/∂Θ^(2)_5,3", "a^(0)_7"],
        "dz": ["Θ^(2)_3,5", "dz^(2)_3", "a^(1)_5", "dΘ^(2)_3,5", "a^(0)_7"],
        "S": ["W^(2)_5,3", "S^(2)_3", "a^(1)_5", "∂C/∂W^(2)_5,3", "a^(0)_7"],
        "nabla": ["w^(2)_3,5", "∂C/∂z^(2)_3", "a^(1)_5", "∂C/∂w^(2)_3,5", "a^(0)_7"],
        "input": ["w^[3]_3,5", "δ^[3]_3", "a^[2]_5", "∂C/∂w^[3]_3,5", "a^[1]_7"],
    }


@pytest.mark.parametrize("notation", NOTATIONS)
def test_shifted_numbering_moves_weights_alone(notation):
    """001: Θ^(ℓ) leads out of layer ℓ there, so that the same weight has ℓ one lower."""
    p = PROBLEMS["digits"]
    plain, shifted = (
        cr.derive(p.net, p.X[0], p.Y[0], ("W", 2, 3, 5), notation, shifted=shift) for shift in (False, True)
    )
    assert find_weight(plain) != find_weight(shifted)
    assert [step.value for step in plain.steps] == [step.value for step in shifted.steps]
    assert [step.layer for step in plain.steps] == [step.layer for step in shifted.steps]
    ledgers = [
        cr.derive(p.net, p.X[0], p.Y[0], ("W", 1, 3, 5), notation, shifted=shift).ledger.to_dict()["paths"][0][
            "factors"
        ]
        for shift in (False, True)
    ]
    assert [factor["value"] for factor in ledgers[0]] == [factor["value"] for factor in ledgers[1]]
    pairs = [(one["symbol"], other["symbol"]) for one, other in zip(*ledgers, strict=True)]
    assert [one != other for one, other in pairs] == [False, False, True, False, False]  # the weight alone
    z = [next(s.symbols[0] for s in found.steps if s.target.kind == "z" and s.layer == 2) for found in (plain, shifted)]
    assert z[0] == z[1]


def find_weight(found):
    step = next(s for s in found.steps if s.target.kind == "z" and s.layer == 2)
    hand = step.notation
    return [hand.write(Quantity("W", 2, (3, 5))).above]


@pytest.mark.parametrize(("notation", "above"), [("delta", "1"), ("theta", "(1)"), ("input", "[2]")])
def test_shifted_numbers(notation, above):
    p = PROBLEMS["digits"]
    found = cr.derive(p.net, p.X[0], p.Y[0], ("W", 2, 3, 5), notation, shifted=True)
    assert find_weight(found) == [above]


def test_the_chain_of_single_units_has_five_named_factors():
    """(E14): 003 (11), and its numbers, by hand."""
    net = cr.Network([1, 1, 1, 1], "logistic", dtype="float64")
    net.parameters = [0.5, 0.1, -1.0, 0.2, 2.0, -0.3]
    found = cr.derive(net, [1.5], [1.0], of=("W", 2, 0, 0), notation="nabla")
    step = found.steps[-1]
    assert step.equation == "E14"

    def logistic(z):
        return 1 / (1 + np.exp(-z))

    a1 = logistic(0.5 * 1.5 + 0.1)
    a2 = logistic(-a1 + 0.2)
    a3 = logistic(2 * a2 - 0.3)
    factors = [a1, a2 * (1 - a2), 2.0, a3 * (1 - a3), 2 * (a3 - 1)]
    assert len(step.expression.factors) == 5
    # each factor and their product, computed by hand in the same precision
    np.testing.assert_allclose([evaluate(factor) for factor in step.expression.factors], factors, rtol=1e-14)
    np.testing.assert_allclose(step.value, np.prod(factors), rtol=1e-14)
    assert step.formula == "a^(1)_0 σ^(2)'(z^(2)_0) w^(3)_0,0 σ^(3)'(z^(3)_0) 2(a^(3)_0 − y_0)"


def test_the_gradient_in_x_of_several_outputs_is_the_costs_where_there_is_a_target():
    p = PROBLEMS["digits"]
    found = cr.derive(p.net, p.X[0], p.Y[0], of="x")
    np.testing.assert_array_equal(found.value, cr.derive(p.net, p.X[0], p.Y[0], of="x", output="cost").value)


def test_a_notation_is_found_by_its_source():
    p = PROBLEMS["theta"]
    hands = [cr.derive(p.net, p.X[0], p.Y[0], notation=source).notation.name for source in ("000", "001", "003")]
    assert hands == ["delta", "theta", "nabla"]


def test_functions_that_differ_have_the_number_of_their_layer():
    net = cr.Network([2, 2, 1], ["tanh", "logistic"], dtype="float64")
    for notation, letters in (("delta", ["σ^1", "σ^2"]), ("dz", ["f^(1)", "f^(2)"]), ("input", ["σ^[2]", "σ^[3]"])):
        found = cr.derive(net, [1.0, 2.0], [1.0], notation=notation)
        assert [one["symbol"].split("(z)")[0] for one in found.to_dict()["definitions"][-2:]] == letters
        assert found.steps[2].formula == f"{letters[0]}({found.steps[0].symbols[0]})"


def test_zeros_are_not_written_out_of_a_long_sum_nor_followed():
    """Of a one-hot target (E3) has one term; what is followed first is the largest term of each sum."""
    net = cr.Network([3, 12], "softmax", "cross_entropy", dtype="float64", seed=2)
    steps = cr.derive(net, [1.0, 0.0, -1.0], 7, terms=4).steps
    total = steps[-1].expression.of
    assert [term.factors[0].units for term in total.shown] == [(7,)]
    assert (total.rest.count, total.rest.value) == (11, 0.0)
    largest = np.argsort(-net.predict([[1.0, 0.0, -1.0]])[0])[:3].tolist()
    assert {s.units[0] for s in steps if s.target.kind == "z"} == {7, *largest}


def test_a_step_prints_itself():
    net = cr.Network([1, 1], "logistic", dtype="float64")
    net.parameters = [2.0, -1.0]
    step = cr.derive(net, [1.5], [1.0], of=("W", 1, 0, 0)).steps[-2]
    assert repr(step) == "Step E7: ∂C_i/∂w^1_0,0 = δ^1_0 a^0_0"
    assert str(step).splitlines() == [
        "(E7)   The weight moves z of unit 0 alone, by the activation that comes through it.",
        "       ∂C_i/∂w^1_0,0 = ∂C_i/∂z^1_0 · ∂z^1_0/∂w^1_0,0",
        "                     = δ^1_0 a^0_0",
        "                     = (−0.0250311) · 1.5",
        "                     = −0.0375466",
    ]


def test_a_ledger_prints_itself_and_takes_a_weight_as_derive_does():
    p = PROBLEMS["scalar"]
    ledgers = [cr.path_ledger(p.net, p.X[0], p.Y[0], weight, 2) for weight in ((1, 2, 0), ("W", 1, 2, 0), "W:1:2:0")]
    assert len({str(ledger) for ledger in ledgers}) == 1
    first = ledgers[0].paths[0]
    assert [factor.kind for factor in first.factors] == ["da", "slope", "W", "slope", "W", "slope", "a"]
    np.testing.assert_allclose(np.prod([factor.value for factor in first.factors]), first.value, rtol=1e-14)
    lines = str(ledgers[0]).splitlines()
    assert lines[0].startswith("A share is a path's part of the derivative; where paths of either sign cancel")
    assert lines[1] == f"  1.  units {' → '.join(map(str, first.units))}   share {100 * first.share:.1f} %".replace(
        "-", "−"
    )
    assert repr(ledgers[0]) == f"PathLedger of W:1:2:0: 5 paths, {ledgers[0].by_dynamic_programming:.6g} by (E6)"
    with pytest.raises(cr.InputError) as caught:
        cr.path_ledger(p.net, p.X[0], p.Y[0], "b:1:2")
    assert str(caught.value) == "weight: expected a weight, got 'b:1:2'. Write weight=(1, 2, 0), or \"W:1:2:0\"."


def test_003_has_no_letter_for_delta_and_still_derives_it():
    """(E6): the product that 003 writes out, as the last step."""
    p = PROBLEMS["digits"]
    for form, of in product(FORMS, [("delta", 1), ("delta", 1, 3), ("delta", 2, 0)]):
        step = cr.derive(p.net, p.X[0], p.Y[0], of, "nabla", form=form, terms=16).steps[-1]
        delta = p.net.backward(p.net.forward(p.X[:1]), p.Y[:1]).delta[of[1]][0]
        units = of[2:] if form == "units" else ()
        # of a layer, unit by unit, the last step is that of its last unit
        true = delta[units[0]] if units else delta[-1] if form == "units" else delta
        np.testing.assert_allclose(np.ravel(step.value), true, rtol=1e-12)
        assert step.symbols[0] == f"∂C/∂z^({of[1]})" + (f"_{(*units, len(delta) - 1)[0]}" if form == "units" else "")


def test_sums_name_their_largest_terms_and_the_rest():
    net = cr.Network([6, 1], "identity", dtype="float64", bias=False)
    net.parameters = [1.0, -20.0, 3.0, 0.5, 40.0, -0.25]
    step = cr.derive(net, np.ones(6), [0.0], terms=2).steps[0]
    total = step.expression
    assert [term.factors[0].units for term in total.shown] == [(0, 4), (0, 1)]
    assert (total.rest.count, total.rest.value, total.size) == (4, 4.25, 6)


def test_a_layer_follows_no_more_units_than_terms():
    net = cr.Network([30, 20, 20, 10], "tanh", dtype="float64", seed=3)
    x = np.linspace(-1, 1, 30)
    for terms in (1, 4):
        found = cr.derive(net, x, 3, of=("W", 1, 2, 3), terms=terms)
        counts = [sum(s.target.kind == "z" and s.layer == layer for s in found.steps) for layer in (1, 2, 3)]
        # the target's own unit, and the outputs that the cost and δ name, may come on top
        assert max(counts) <= 2 * terms + 1
        units = [(s.target.kind, s.layer, s.units) for s in found.steps]
        assert len(set(units)) == len(units)


def test_the_induction_of_004_goes_layer_by_layer():
    """(E11): δ^L, then a step a layer down to the input, where no slope is multiplied in."""
    p = PROBLEMS["scalar"]
    found = cr.derive(p.net, p.X[0], of="x", notation="input", form="matrices")
    backward = [(s.target.kind, s.layer) for s in found.steps if s.direction == "backward" and s.target.kind != "slope"]
    assert backward == [("delta", 3), ("delta", 2), ("delta", 1), ("dx", 0)]
    assert {s.equation for s in found.steps if s.target.kind == "delta"} == {"E11"}
    by_units = cr.derive(p.net, p.X[0], of=("x", 2), notation="input")
    assert by_units.steps[-1].symbols[0] == "∂a^[4]_0/∂a^[1]_2"
    assert "induction step" in next(s for s in by_units.steps if s.target.kind == "delta" and s.layer == 2).why


def test_float32_networks_are_derived_in_float64():
    net = cr.Network([4, 3, 2], "tanh", seed=2)
    wide = cr.Network([4, 3, 2], "tanh", dtype="float64")
    wide.parameters = net.parameters
    of = ("W", 1, 1, 2)
    x, y = [0.1, 0.2, 0.3, 0.4], [0.0, 1.0]
    assert cr.derive(net, x, y, of=of).value == cr.derive(wide, x, y, of=of).value


def test_functions_of_the_users_own():
    """A coupled activation and a cost that is no sum over outputs: named, with values and bounds."""

    def centre(z, v):
        return v - v.mean(axis=1, keepdims=True)

    centred = cr.CoupledActivation("centred", value=lambda z: centre(z, z), vjp=centre, jvp=centre)
    spread = cr.Cost(
        "spread",
        value=lambda a, y: (a - y).sum(axis=1) ** 2,
        derivative=lambda a, y: 2 * (a - y).sum(axis=1, keepdims=True) * np.ones_like(a),
    )
    net = cr.Network([3, 4, 2], [centred, "tanh"], spread, dtype="float64", seed=1)
    x, y = np.array([0.3, -0.2, 0.5]), np.array([0.1, 0.7])
    back = net.backward(net.forward(x[np.newaxis]), y[np.newaxis])
    for form, notation in product(FORMS, NOTATIONS):
        found = cr.derive(net, x, y, ("W", 1, 2, 0), notation, form=form)
        assert found.value == pytest.approx(back.W[1][0, 2], rel=1e-13)  # one example: the batch is it
        assert all(step.agrees() for step in found.steps)


def test_numbers_are_printed_and_rounded():
    assert [printed(v) for v in (0.1, -0.25, 1e6, 123456789.0, 1.5e-9, 0.0, -0.0, 1 / 3)] == [
        "0.1", "-0.25", "1000000", "1.23457e8", "1.5e-9", "0", "0", "0.333333",
    ]  # fmt: skip
    for value in np.random.default_rng(0).standard_normal(200) * 10.0 ** np.arange(-100, 100):
        low, high = rounding(value, 4)
        assert low <= value <= high
        assert high - low <= 1.001e-3 * abs(value)  # one unit in the fourth digit, of a leading 1
    assert rounding(0.5) == (0.5, 0.5)
    assert agree((0.33333, 0.33334), 1 / 3)
    assert not agree((0.33335, 0.33336), 1 / 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"of": ("W", 3, 0, 0)}, "of=('W', 3, 0, 0): expected a layer 1 to 2, got 3. Layers are counted from 1; layer 0 is the input."),
        ({"of": "W:2:1:9"}, "of='W:2:1:9': expected a unit 0 to 3 of layer 1, got 9. Units are counted from 0; a weight is (layer, j, k), from unit k of the layer below to unit j."),
        ({"of": "W:2:1:x"}, 'of=\'W:2:1:x\': expected whole numbers for layers and units, got \'x\'. Write of=("W", 2, 3, 5) or "W:2:3:5", ("b", 2, 3), ("delta", 2), ("delta", 2, 3), "x", ("x", 7) or "cost".'),
        ({"of": ("b", 1, 0)}, "of=('b', 1, 0): expected a layer that has a bias, got layer 1. A layer made with bias=False has none."),
        ({"of": "V:1"}, 'of: expected a weight, a bias, a δ, the input or the cost, got \'V:1\'. Write of=("W", 2, 3, 5) or "W:2:3:5", ("b", 2, 3), ("delta", 2), ("delta", 2, 3), "x", ("x", 7) or "cost".'),
        ({"of": 7}, 'of: expected a weight, a bias, a δ, the input or the cost, got 7. Write of=("W", 2, 3, 5) or "W:2:3:5", ("b", 2, 3), ("delta", 2), ("delta", 2, 3), "x", ("x", 7) or "cost".'),
        ({"of": "x", "y": None}, 'output: expected a whole number 0 to 1, or "cost", got None. Say which output\'s gradient is wanted; "cost" is ∂C/∂x (E9).'),
        ({"of": "x", "output": 2}, 'output: expected a whole number 0 to 1, or "cost", got 2. Say which output\'s gradient is wanted; "cost" is ∂C/∂x (E9).'),
        ({"output": 0}, 'output: expected None, unless of="x", got 0. Leave it out, or ask for of="x".'),
        ({"notation": "deltas"}, "unknown notation: expected one of S, delta, dz, input, nabla, theta, got 'deltas'. Did you mean delta or theta?"),
        ({"shifted": 1}, "shifted: expected True or False, got 1. True numbers a weight by the layer that it leads out of."),
        ({"form": "unit"}, "unknown form: expected one of matrices, units, got 'unit'. Did you mean units?"),
        ({"terms": 0}, "terms: expected a whole number ≥ 1, got 0. So many terms of each sum are written out."),
        ({"digits": 1}, "digits: expected a whole number 2 to 17, got 1. 17 digits print a float64 in full."),
        ({"y": None}, "y: expected the target of x, got None. Only the gradient of an output in x needs none: of='x', output=0."),
        ({"x": [[1, 2, 3], [4, 5, 6]]}, "x: expected one example, got 2 rows. Give one of them, x[0]."),
        ({"net": "model"}, "net: expected a cr.Network, got str. Make one: net = cr.Network([n_inputs, …, n_outputs]). A fitted estimator's is estimator.network_."),
    ],
)  # fmt: skip
def test_errors(changes, message):
    net = cr.Network([3, 4, 2], "tanh", bias=[False, True])
    arguments = {"net": net, "x": [1.0, 2.0, 3.0], "y": [0.0, 1.0], "of": "cost"} | changes
    with pytest.raises(cr.InputError) as caught:
        cr.derive(**arguments)
    assert str(caught.value) == message


def test_numbers_beyond_float64_are_refused_by_name():
    net = cr.Network([1, 1, 1], ["exp", "identity"], dtype="float64", initializer="zeros")
    net.W[1][...] = 1000.0
    with pytest.raises(cr.InputError) as caught:
        cr.derive(net, [1.0], [0.0])
    expected_text = (
        "x: a of layer 1: expected finite numbers, got inf in unit 0. cr.diagnose(net, X, Y) says where it comes from."
    )
    assert str(caught.value) == expected_text
