"""Derivations as text: six notations by hand, numbers put in that give the step's value, widths, colours (E1 to E14)."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.glassbox.derivations.derivation import derive
from chainrule.glassbox.derivations.expressions import Partial, Product, Quantity, Quotient
from chainrule.glassbox.derivations.notations import NOTATIONS, find
from chainrule.glassbox.derivations.numbers import printed
from chainrule.glassbox.writing import text
from chainrule.glassbox.writing.equation_text import equation_box
from chainrule.maths import activations, costs


def network(sizes, activation="logistic", cost="squared_error", **settings):
    return cr.Network(sizes, activation, cost, dtype="float64", seed=4, **settings)


NET = network([2, 2, 2])
X, Y = [1.0, -2.0], [1.0, 0.0]

# typed from the sources and from the table 'One network, five hands'; with layers 1 and 2, 004 has 2 and 3
FORMULAS = {
    "delta": """
        z^1_0 = Σ_{m=0..1} w^1_0,m a^0_m + b^1_0
        a^1_0 = σ(z^1_0)
        C_i = Σ_{j=0..1} (a^2_j − y_j)²
        δ^2_1 = 2(a^2_1 − y_1) σ'(z^2_1)
        δ^1_0 = Σ_{k=0..1} δ^2_k w^2_k,0 σ'(z^1_0)
        ∂C_i/∂w^1_0,1 = δ^1_0 a^0_1
        ∂C_i/∂b^1_0 = δ^1_0
        ∂C_i/∂a^0_1 = Σ_{k=0..1} w^1_k,1 δ^1_k""",
    "theta": """
        z^(1)_0 = Σ_{k=0..1} Θ^(1)_k,0 a^(0)_k + b^(1)_0
        a^(1)_0 = g^(1)_0(z^(1)_0)
        C_0 = Σ_{j=0..1} (a^(2)_j − y_j)²
        s^(2)_1 = g^(2)'_1(z^(2)_1) · ∂C_0/∂a^(2)_1
        ∂C_0/∂a^(1)_0 = Σ_{j=0..1} s^(2)_j Θ^(2)_0,j
        ∂C_0/∂Θ^(1)_1,0 = s^(1)_0 a^(0)_1
        ∂C_0/∂b^(1)_0 = s^(1)_0
        ∂C_0/∂a^(0)_1 = Σ_{j=0..1} s^(1)_j Θ^(1)_1,j""",
    "dz": """
        z^(1)_0 = Σ_{k=0..1} Θ^(1)_0,k a^(0)_k + b^(1)_0
        a^(1)_0 = f(z^(1)_0)
        c = Σ_{j=0..1} (a^(2)_j − y_j)²
        da^(2)_1 = 2(a^(2)_1 − y_1)
        dz^(2)_1 = da^(2)_1 f'(z^(2)_1)
        da^(1)_0 = Σ_{j=0..1} Θ^(2)_j,0 dz^(2)_j
        dz^(1)_0 = da^(1)_0 f'(z^(1)_0)
        dΘ^(1)_0,1 = dz^(1)_0 a^(0)_1
        db^(1)_0 = dz^(1)_0""",
    "S": """
        z^(1)_0 = Σ_{m=0..1} a^(0)_m W^(1)_m,0 + b^(1)_0
        a^(1)_0 = g_1(z^(1)_0)
        C = Σ_{j=0..1} (a^(2)_j − y_j)²
        S^(2)_1 = 2(a^(2)_1 − y_1) g'_2(z^(2)_1)
        S^(1)_0 = Σ_{k=0..1} S^(2)_k W^(2)_0,k g'_1(z^(1)_0)
        ∂C/∂W^(1)_1,0 = a^(0)_1 S^(1)_0
        ∂C/∂b^(1)_0 = S^(1)_0
        ∂C/∂a^(0)_1 = Σ_{k=0..1} S^(1)_k W^(1)_1,k""",
    "nabla": """
        z^(1)_0 = Σ_{k=0..1} w^(1)_0,k a^(0)_k + b^(1)_0
        a^(1)_0 = σ^(1)(z^(1)_0)
        C = Σ_{j=0..1} (a^(2)_j − y_j)²
        ∂C/∂a^(2)_1 = 2(a^(2)_1 − y_1)
        ∂C/∂a^(1)_0 = Σ_{m=0..1} w^(2)_m,0 σ^(2)'(z^(2)_m) · ∂C/∂a^(2)_m
        ∂C/∂w^(1)_0,1 = a^(0)_1 σ^(1)'(z^(1)_0) · ∂C/∂a^(1)_0
        ∂C/∂b^(1)_0 = σ^(1)'(z^(1)_0) · ∂C/∂a^(1)_0""",
    "input": """
        z^[2]_0 = Σ_{k=0..1} w^[2]_0,k a^[1]_k + b^[2]_0
        a^[2]_0 = σ(z^[2]_0)
        δ^[3]_1 = 2(a^[3]_1 − y_1) σ'(z^[3]_1)
        δ^[2]_0 = σ'(z^[2]_0) Σ_{t=0..1} w^[3]_t,0 δ^[3]_t
        ∂C/∂w^[2]_0,1 = δ^[2]_0 a^[1]_1
        ∂C/∂b^[2]_0 = δ^[2]_0
        ∂C/∂a^[1]_1 = Σ_{t=0..1} w^[2]_t,1 δ^[2]_t""",
}
IN_MATRICES = {
    "delta": ("z^2 = W^2 a^1 + b^2", "δ^1 = [(W^2)ᵀ δ^2] ⊙ σ'(z^1)", "∂C_i/∂W^1 = δ^1 (a^0)ᵀ"),
    "theta": (
        "z^(2) = (Θ^(2))ᵀ a^(1) + b^(2)",
        "s^(1) = g^(1)'(z^(1)) .* (Θ^(2) s^(2))",
        "∂C_0/∂Θ^(1) = a^(0) (s^(1))ᵀ",
    ),
    "dz": ("z^(2) = Θ^(2) a^(1) + b^(2)", "dz^(1) = [(Θ^(2))ᵀ dz^(2)] .* f'(z^(1))", "dΘ^(1) = dz^(1) (a^(0))ᵀ"),
    "S": (
        "z^(2) = a^(1) W^(2) + b^(2)",
        "S^(1) = S^(2) (W^(2))ᵀ diag(g'_1(z^(1)))",
        "∂C/∂W^(1) = (a^(0))ᵀ S^(1)",
    ),
    "nabla": (
        "z^(2) = W^(2) a^(1) + b^(2)",
        "∂C/∂a^(1) = (W^(2))ᵀ diag(σ^(2)'(z^(2))) ∂C/∂a^(2)",
        "∂C/∂W^(1) = diag(σ^(1)'(z^(1))) ∂C/∂a^(1) (a^(0))ᵀ",
    ),
    "input": ("z^[3] = W^[3] a^[2] + b^[3]", "δ^[2] = σ'(z^[2]) · [(W^[3])ᵀ δ^[3]]", "∂C/∂W^[2] = δ^[2] (a^[1])ᵀ"),
}


def lines_of(notation, targets, **settings):
    steps = [
        step
        for of in targets
        for step in derive(NET, X, Y, of, notation, output="cost" if of[0] == "x" else None, **settings).steps
    ]
    return {f"{text.symbol(step.target, step.notation)} = {step.formula}" for step in steps}


@pytest.mark.parametrize("notation", NOTATIONS)
def test_formulas_of_each_notation_are_those_of_its_source(notation):
    written = lines_of(notation, [("W", 1, 0, 1), ("b", 1, 0), ("x", 1), "cost"])
    assert set(map(str.strip, FORMULAS[notation].strip().splitlines())) - written == set()
    in_matrices = lines_of(notation, [("W", 1, 0, 1)], form="matrices")
    assert set(IN_MATRICES[notation]) - in_matrices == set()


def test_shifted_numbers_only_weights_and_biases_by_the_layer_that_they_lead_out_of():
    found = derive(NET, X, Y, ("W", 2, 0, 1), "theta", shifted=True)
    assert "z^(2)_0 = Σ_{k=0..1} Θ^(1)_k,0 a^(1)_k + b^(1)_0" in {f"{s.symbols[0]} = {s.formula}" for s in found.steps}
    assert found.steps[-1].symbols == ("∂C_0/∂Θ^(1)_1,0", "s^(2)_0", "a^(1)_1")


# --- numbers put in ---------------------------------------------------------------------------------------------------
PROBLEMS = {
    "squared": (network([3, 4, 2], "tanh"), [0.5, 1e-7, -3.0], [0.25, -1.0]),
    "half, no bias": (network([3, 3, 3], "logistic", "half_squared_error", bias=False), [2.0, -0.5, 1.0], [0, 1, 0]),
    "matched": (network([3, 4, 3], ["relu", "softmax"], "cross_entropy"), [0.5, 1.0, -1.0], [2]),
    "softmax": (network([3, 3, 3], ["softplus", "softmax"]), [0.5, 1.0, -1.0], [0.0, 1.0, 0.0]),
    "binary": (network([2, 3, 2], ["silu", "logistic"], "binary_cross_entropy"), [0.5, 1.0], [1.0, 0.0]),
    "poisson": (network([2, 3, 2], ["tanh", "softplus"], "poisson"), [0.5, 1.0], [1.0, 3.0]),
    "chain": (network([1, 1, 1, 1]), [0.5], [1.0]),
}
_MATRIX = re.compile(r"\[([-−\d.e; ]+)\](?! ·|$)|\[([-−\d.e; ]+)\]")


def matrix(content):
    return np.array([[float(cell) for cell in line.split()] for line in content.split(";")])


def recomputed(written, step, net):
    """What a line of numbers comes to when it is read as arithmetic."""
    code = written.replace("−", "-").replace("²", "**2").replace("½", "0.5")
    code = re.sub(r"rest: [\d,]+ more terms?: ", "", code)
    code = re.sub(r"[σgf](?:[\^_][\[(]?\d+[\])]?)?'?(?:_\d+)?\(", "_g(", code)
    code = re.sub(r"\[((?:-?[\d.]+(?:e-?\d+)?[ ;]*)+)\]", lambda found: f"_M('{found[1]}')", code)
    code = code.replace("[", "(").replace("]", ")")
    code = re.sub(r"\) (?=_M|\()", ") @ ", code)
    code = code.replace("·", "*").replace(".*", "*").replace("⊙", "*").replace("e^", "_e**")
    code = re.sub(r"ln ([\d.]+(?:e-?\d+)?)", r"_ln(\1)", code).replace("ln(", "_ln(").replace("__ln", "_ln")
    g = net.plan.activation(step.layer)
    function = g.derivative if step.target.kind == "slope" else g.value

    def of(z):
        if g.coupled:
            return function(z if len(z) == 1 else z.T).reshape(np.shape(z))
        return function(np.atleast_1d(np.asarray(z))).reshape(np.shape(z))

    return eval(code, {"_g": of, "_M": matrix, "_e": np.e, "_ln": np.log})


@pytest.mark.parametrize("form", ["units", "matrices"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_printed_numbers_give_the_value_when_they_are_read_as_arithmetic(name, form):
    net, x, y = PROBLEMS[name]
    checked = 0
    for notation in NOTATIONS:
        found = derive(net, x, y, ("W", 1, 0, 0), notation, form=form, terms=2)
        for step in found.steps:
            if "named" in repr(step.expression) or step.numbers.startswith(tuple("abcdhijklmnopqrstuvwxyz")):
                continue  # a function that has no formula in text
            low, high = step.bounds()
            got = recomputed(step.numbers, step, net)
            slack = 1e-12 * np.abs(step.value) + 1e-300  # float64's own rounding, in sums of a few terms
            assert np.all(low - slack <= got), (step.equation, step.numbers)
            assert np.all(got <= high + slack), (step.equation, step.numbers)
            checked += 1
    assert checked > 40


def test_each_step_ends_with_its_printed_value():
    net, x, y = PROBLEMS["squared"]
    found = derive(net, x, y, ("W", 1, 2, 1), digits=4)
    page = text.render(found)
    for step in found.steps:
        assert f"= {printed(step.value, 4).replace('-', '−', 1)}\n".replace("e−", "e-") in page
    assert page.endswith("\n")
    values = re.findall(r"Result\n─+\n +∂C_i/∂w\^1_2,1 = (\S+)", page)
    assert float(values[0].replace("−", "-")) == float(printed(found.value, 4))


def test_a_sum_names_its_largest_terms_and_their_rest():
    net = network([20, 2, 1])
    x = np.linspace(-1, 1, 20)
    step = next(s for s in derive(net, x, [1.0], ("W", 1, 0, 0), terms=3).steps if s.equation == "E1")
    assert step.formula == "Σ_{m=0..19} w^1_0,m a^0_m + b^1_0"
    terms = net.W[1][:, 0] * x
    order = np.argsort(-np.abs(terms))
    named = " + ".join(f"w^1_0,{k} a^0_{k}" for k in order[:3])
    assert step.written_out == f"{named} + … + b^1_0"
    assert f"+ (rest: 17 more terms: {printed(terms[order[3:]].sum())})".replace("-", "−") in step.numbers


# --- the page ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("form", "width"), [("units", 60), ("units", 80), ("units", 100), ("matrices", 100)])
def test_no_line_is_wider_than_the_terminal(form, width):
    found = derive(network([30, 12, 10]), np.linspace(-1, 1, 30), np.eye(10)[3], ("W", 1, 3, 5), form=form)
    assert [line for line in text.render(found, width=width).splitlines() if len(line) > width] == []


def test_colours_are_added_and_nothing_else():
    found = derive(NET, X, Y, ("W", 1, 0, 1))
    plain, coloured = text.render(found), text.render(found, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[36m(E1)\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_a_page_in_full():
    net = cr.Network([2, 1], "logistic", dtype="float64")
    net.parameters = [0.5, -1.0, 0.25]
    assert text.render(derive(net, [1.0, 2.0], [1.0], ("W", 1, 0, 1)), about=["row 7"]) == (
        """\
∂C_i/∂w^1_0,1: the derivative of the cost in the weight from input 1 to unit 0 of layer 1
2 inputs → 1 logistic; cost squared_error
row 7
notation delta (source 000): δ from all paths

What the symbols mean
─────────────────────
  a^0_j                   the input x; it is layer 0, and an activation
  w^ℓ_jk                  weight from layer ℓ−1 to layer ℓ; indices (to, from)
  b^ℓ_j                   bias, where a layer has one
  z^ℓ_j                   weighted input of layer ℓ
  a^ℓ_j                   activation of layer ℓ
  C_i = Σ_j (a_j − y_j)²  the cost of the example, squared_error
  δ^ℓ_j = ∂C_i/∂z^ℓ_j     what goes back through the layers
  σ(z) = 1/(1 + e^(−z))   activation function, logistic

Forward
───────

(E1)   Unit 0 of layer 1 adds up the inputs, each times its weight, and its bias.
       z^1_0 = Σ_{m=0..1} w^1_0,m a^0_m + b^1_0
             = w^1_0,0 a^0_0 + w^1_0,1 a^0_1 + b^1_0
             = 0.5 · 1 + (−1) · 2 + 0.25
             = −1.25

(E2)   Unit 0 of layer 1 is logistic.
       a^1_0 = σ(z^1_0) = σ(−1.25) = 0.2227

(E3)   The cost is squared_error, summed over the outputs.
       C_i = (a^1_0 − y_0)² = (0.2227 − 1)² = 0.604195

Backward
────────

(E5)   The slope of logistic at z.
       σ'(z^1_0) = σ'(−1.25) = 0.173105

(E5)   The cost's derivative in the output, times the slope of its activation.
       δ^1_0 = ∂C_i/∂a^1_0 · ∂a^1_0/∂z^1_0
             = 2(a^1_0 − y_0) σ'(z^1_0)
             = 2 · (0.2227 − 1) · 0.173105
             = −0.269109

The derivative
──────────────

(E7)   The weight moves z of unit 0 alone, by the activation that comes through it.
       ∂C_i/∂w^1_0,1 = ∂C_i/∂z^1_0 · ∂z^1_0/∂w^1_0,1
                     = δ^1_0 a^0_1
                     = (−0.269109) · 2
                     = −0.538217

Result
──────
       ∂C_i/∂w^1_0,1 = −0.538217

Path by path
────────────
A share is a path's part of the derivative; where paths of either sign cancel, shares pass 100 %.
  1.  units 1 → 0   share 100.0 %
       ∂C_i/∂a^1_0 · σ'(z^1_0) a^0_1 = (−1.5546) · 0.173105 · 2
                                     = −0.538217
  1          paths
  −0.538217  sum of all paths (E12)
  −0.538217  by dynamic programming (E6, E7)
  0          cancellation, 1 − |Σ|/Σ|·|
  1          multiplications for layer 1 by paths (E13)
  1          multiplications for layer 1 by dynamic programming (E13)
"""
    )


def test_matrices_stand_in_brackets_with_their_shapes():
    page = text.render(derive(NET, [0.5, -2.0], Y, ("W", 1, 0, 1), form="matrices", digits=2))
    assert (
        "       δ^1 = ∂C_i/∂z^2 · ∂z^2/∂a^1 · ∂a^1/∂z^1\n"
        "           = [(W^2)ᵀ δ^2] ⊙ σ'(z^1)\n"
        "             shapes [(2×2) (2×1)] ⊙ (2×1)\n"
    ) in page
    W, z = NET.W[1].T, NET.W[1].T @ [0.5, -2.0]
    cells = [[printed(value, 2).replace("-", "−") for value in line] for line in [*W.tolist(), z.tolist()]]
    first, second = (max(map(len, (cells[0][k], cells[1][k]))) for k in (0, 1))
    last = max(map(len, cells[2]))
    assert (
        f"= ⎡ {cells[0][0]:>{first}}  {cells[0][1]:>{second}} ⎤ ⎡ 0.5 ⎤ + ⎡ 0 ⎤\n"
        f"             ⎣ {cells[1][0]:>{first}}  {cells[1][1]:>{second}} ⎦ ⎣  −2 ⎦   ⎣ 0 ⎦\n"
        f"           = ⎡ {cells[2][0]:>{last}} ⎤\n             ⎣ {cells[2][1]:>{last}} ⎦\n"
    ) in page


def test_large_matrices_are_shown_by_their_corners():
    net = network([40, 3, 2])
    page = text.render(derive(net, np.arange(40.0), [0.0, 1.0], ("W", 1, 0, 1), form="matrices"))
    assert page.count("⋯") >= 2
    assert "(3×40)" in page
    assert "(40×1)" in page


# --- single expressions -----------------------------------------------------------------------------------------------
def test_quotients_and_partials_keep_their_brackets_on_one_line():
    hand = find("delta")
    a, y = Quantity("a", 2, (0,), 0.25), Quantity("y", 2, (0,), -1.5)
    assert text.numbers(Product((Quotient(y, a), a)), hand) == "(−1.5/0.25) · 0.25"
    assert text.formula(Product((Partial(a, y), a)), hand) == "∂a^2_0/∂y_0 · a^2_0"


@pytest.mark.parametrize("table", [activations._REGISTRY, costs._REGISTRY], ids=["activations", "costs"])
def test_every_equation_is_read_and_written_again(table):
    for name in table.built_in:
        if equation := table.find(name).equation:
            same = text.written(equation_box(equation)).replace("|  ", "| ")
            assert re.sub(r"\s+", " ", same) == equation, name


@pytest.mark.parametrize("equation", ["((z", "z)", "^", "_", "e^", "Σ_", "|z", "", "z^^2", "<b>", "((" * 500])
def test_what_is_no_equation_stands_there_as_it_is(equation):
    assert text.written(equation_box(equation)).replace(" ", "") == equation.replace(" ", "")
