"""Derivations as LaTeX: symbols of six notations by hand, ASCII alone, and documents that compile without a wide line."""

from __future__ import annotations

import re
import subprocess
from itertools import product

import numpy as np
import pytest

import chainrule as cr
from chainrule.glassbox.derivations.derivation import derive
from chainrule.glassbox.derivations.notations import NOTATIONS
from chainrule.glassbox.writing import latex
from chainrule.glassbox.writing.equation_text import equation_box
from chainrule.glassbox.writing.latex_characters import plain
from chainrule.maths import activations, costs


def network(sizes, activation="logistic", cost="squared_error", **settings):
    return cr.Network(sizes, activation, cost, dtype="float64", seed=4, **settings)


NET = network([2, 2, 1])
X, Y = [1.0, -2.0], [1.0]

# typed from the sources: what each kind of target is called, and what it is found from; 2-2-1 has one output
FORMULAS = {
    "delta": {
        ("W", 1, 0, 1): r"\frac{\partial C_{i}}{\partial w^{1}_{0,1}} = \delta^{1}_{0}\,a^{0}_{1}",
        ("b", 1, 0): r"\frac{\partial C_{i}}{\partial b^{1}_{0}} = \delta^{1}_{0}",
        ("delta", 1, 0): r"\delta^{1}_{0} = \delta^{2}_{0}\,w^{2}_{0,0}\,\sigma'(z^{1}_{0})",
        ("x", 1): r"\frac{\partial a^{2}_{0}}{\partial a^{0}_{1}} = \sum_{k=0}^{1} w^{1}_{k,1}\,\delta^{1}_{k}",
        "cost": r"C_{i} = (a^{2}_{0} - y_{0})^{2}",
    },
    "theta": {
        ("W", 1, 0, 1): r"\frac{\partial C_{0}}{\partial \Theta^{(1)}_{1,0}} = s^{(1)}_{0}\,a^{(0)}_{1}",
        ("b", 1, 0): r"\frac{\partial C_{0}}{\partial b^{(1)}_{0}} = s^{(1)}_{0}",
        ("delta", 1, 0): r"s^{(1)}_{0} = g^{(1)\prime}_{0}(z^{(1)}_{0})\,\frac{\partial C_{0}}{\partial a^{(1)}_{0}}",
        ("x", 1): (
            r"\frac{\partial a^{(2)}_{0}}{\partial a^{(0)}_{1}} = \sum_{j=0}^{1} s^{(1)}_{j}\,\Theta^{(1)}_{1,j}"
        ),
        "cost": r"C_{0} = (a^{(2)}_{0} - y_{0})^{2}",
    },
    "dz": {
        ("W", 1, 0, 1): r"d\Theta^{(1)}_{0,1} = dz^{(1)}_{0}\,a^{(0)}_{1}",
        ("b", 1, 0): r"db^{(1)}_{0} = dz^{(1)}_{0}",
        ("delta", 1, 0): r"dz^{(1)}_{0} = da^{(1)}_{0}\,f'(z^{(1)}_{0})",
        ("x", 1): (
            r"\frac{\partial a^{(2)}_{0}}{\partial a^{(0)}_{1}} = \sum_{j=0}^{1} \Theta^{(1)}_{j,1}\,dz^{(1)}_{j}"
        ),
        "cost": r"c = (a^{(2)}_{0} - y_{0})^{2}",
    },
    "S": {
        ("W", 1, 0, 1): r"\frac{\partial C}{\partial W^{(1)}_{1,0}} = a^{(0)}_{1}\,S^{(1)}_{0}",
        ("b", 1, 0): r"\frac{\partial C}{\partial b^{(1)}_{0}} = S^{(1)}_{0}",
        ("delta", 1, 0): r"S^{(1)}_{0} = S^{(2)}_{0}\,W^{(2)}_{0,0}\,g'_{1}(z^{(1)}_{0})",
        ("x", 1): r"\frac{\partial a^{(2)}_{0}}{\partial a^{(0)}_{1}} = \sum_{k=0}^{1} S^{(1)}_{k}\,W^{(1)}_{1,k}",
        "cost": r"C = (a^{(2)}_{0} - y_{0})^{2}",
    },
    "nabla": {
        ("W", 1, 0, 1): (
            r"\frac{\partial C}{\partial w^{(1)}_{0,1}} = "
            r"a^{(0)}_{1}\,\sigma^{(1)\prime}(z^{(1)}_{0})\,\frac{\partial C}{\partial a^{(1)}_{0}}"
        ),
        ("b", 1, 0): (
            r"\frac{\partial C}{\partial b^{(1)}_{0}} = "
            r"\sigma^{(1)\prime}(z^{(1)}_{0})\,\frac{\partial C}{\partial a^{(1)}_{0}}"
        ),
        ("x", 1): (
            r"\frac{\partial a^{(2)}_{0}}{\partial a^{(0)}_{1}} = "
            r"\sum_{m=0}^{1} w^{(1)}_{m,1}\,\sigma^{(1)\prime}(z^{(1)}_{m})\,"
            r"\frac{\partial a^{(2)}_{0}}{\partial a^{(1)}_{m}}"
        ),
        "cost": r"C = (a^{(2)}_{0} - y_{0})^{2}",
    },
    "input": {
        ("W", 1, 0, 1): r"\frac{\partial C}{\partial w^{[2]}_{0,1}} = \delta^{[2]}_{0}\,a^{[1]}_{1}",
        ("b", 1, 0): r"\frac{\partial C}{\partial b^{[2]}_{0}} = \delta^{[2]}_{0}",
        ("delta", 1, 0): r"\delta^{[2]}_{0} = \sigma'(z^{[2]}_{0})\,w^{[3]}_{0,0}\,\delta^{[3]}_{0}",
        ("x", 1): r"\frac{\partial a^{[3]}_{0}}{\partial a^{[1]}_{1}} = \sum_{t=0}^{1} w^{[2]}_{t,1}\,\delta^{[2]}_{t}",
        "cost": r"C = (a^{[3]}_{0} - y_{0})^{2}",
    },
}


@pytest.mark.parametrize("notation", NOTATIONS)
def test_symbols_of_each_notation_and_target(notation):
    for of, expected in FORMULAS[notation].items():
        found = derive(NET, X, Y, of, notation)
        step = found.steps[-1]
        written = f"{latex.symbol(step.target, found.notation)} = {latex.formula(step.expression, found.notation)}"
        assert written == expected
        # what was asked for stands in the last section, too, with its value
        asked = expected.partition(" = ")[0]
        assert re.search(rf"subsection\*{{Result}}\n\\begin{{align\*}}\n{re.escape(asked)} &=", latex.body(found))


def test_matrices_have_their_shapes_beneath_and_numbers_in_brackets():
    net = cr.Network([2, 1], "logistic", dtype="float64")
    net.parameters = [0.5, -1.0, 0.25]
    step = derive(net, [1.0, 2e-9], [1.0], ("W", 1, 0, 1), form="matrices").steps[0]
    assert latex.formula(step.expression, step.notation) == (
        r"\underset{\,1\times 2\,}{W^{1}}\,\underset{\,2\times 1\,}{a^{0}} + \underset{\,1\times 1\,}{b^{1}}"
    )
    assert latex.numbers(step.expression, step.notation) == (
        r"\left[\begin{array}{rr}0.5 & -1\end{array}\right]\,"
        r"\left[\begin{array}{r}1 \\ 2\times 10^{-9}\end{array}\right] + \left[\begin{array}{r}0.25\end{array}\right]"
    )


def test_numbers_are_bracketed_where_a_sign_would_be_misread():
    net = network([20, 2, 1])
    step = derive(net, np.linspace(-1, 1, 20), [1.0], ("W", 1, 0, 0), terms=2).steps[0]
    W, x = net.W[1][:, 0], np.linspace(-1, 1, 20)
    first, second = np.argsort(-np.abs(W * x))[:2]

    def factor(value):
        return f"({value:.6g})" if value < 0 else f"{value:.6g}"

    shown = " + ".join(f"{factor(W[k])} \\cdot {factor(x[k])}" for k in (first, second))
    rest = (W * x).sum() - (W * x)[[first, second]].sum()
    expected = rf"{shown} + {{\underbrace{{{factor(rest)}}}_{{\text{{18 more terms}}}}}} + 0"
    assert latex.numbers(step.expression, step.notation) == expected


@pytest.mark.parametrize("table", [activations._REGISTRY, costs._REGISTRY], ids=["activations", "costs"])
def test_equations_of_activations_and_costs_are_ascii(table):
    for name in table.built_in:
        written = latex.written(equation_box(table.find(name).equation))
        assert written.isascii(), name
        assert "U+" not in written


def test_equations_as_they_should_look():
    expected = {
        "logistic": "1/(1 + e^{-z})",
        "gelu": r"z\,\Phi(z), \Phi\text{ the standard normal distribution}",
        "relu": r"\max (z, 0)",
    }
    written = {name: latex.written(equation_box(activations.activation(name).equation)) for name in expected}
    assert written == expected


def test_what_a_user_names_is_text_and_no_command():
    assert plain("50 % of {a_b} #1 & \\input{x} $^~") == (
        r"50 \% of \{a\_b\} \#1 \& \textbackslash{}input\{x\} \$\textasciicircum{}\textasciitilde{}"
    )
    assert plain("each e^z over the sum, or a^") == r"each $e^{z}$ over the sum, or a\textasciicircum{}"
    assert plain("Müller, çe − 中\x07") == r"M\"{u}ller, \c{c}e $-$ [U+4E2D][U+0007]"
    assert plain("C_i of layer ℓ → ∂C/∂a · δ′") == (
        r"C\_i of layer $\ell$ $\to$ $\partial$C/$\partial$a $\cdot$ $\delta$$'$"
    )


def test_the_whole_document_is_ascii_and_needs_amsmath_alone():
    for notation, form in product(NOTATIONS, ("units", "matrices")):
        document = latex.render(derive(NET, X, Y, ("W", 1, 0, 1), notation, form=form), about=["Zeile 7 von Käse.csv"])
        assert document.isascii()
        assert re.findall(r"\\usepackage.*", document) == [r"\usepackage{amsmath}"]
        assert document.count(r"\begin{") == document.count(r"\end{")


# --- pdflatex ---------------------------------------------------------------------------------------------------------
def documents():
    """For each notation and form: a wide network, a deep one, coupled units with all digits, and a chain."""
    rng = np.random.default_rng(0)
    large, small = rng.normal(size=784), rng.normal(size=3) * 1e-5
    hostile = r"tanh_50%$ \input{x} & ~^#]"
    own = cr.Activation(hostile, np.tanh, lambda z: 1 - np.tanh(z) ** 2, equation=f"{hostile} of z_j]")
    yield derive(network([2, 2], [own]), X, [1.0, 0.0], ("W", 1, 0, 1))
    digits, deep = network([784, 16, 10]), network([3, 3, 3, 2], ["gelu", "mish", "logistic"], "binary_cross_entropy")
    coupled = network([3, 12, 11], ["tanh", "softmax"])
    chain = network([1] * 8, cost="half_squared_error")
    for notation, form in product(NOTATIONS, ("units", "matrices")):
        settings = {"notation": notation, "form": form}
        yield derive(digits, large, np.eye(10)[3], ("W", 1, 3, 405), terms=4, **settings)
        yield derive(deep, small, [1.0, 0.0], ("W", 1, 1, 1), digits=12, shifted=True, **settings)
        yield derive(coupled, small, np.eye(11)[2] * 2, "x", output="cost", terms=12, digits=17, **settings)
        yield derive(chain, [0.3], [0.2], ("W", 1, 0, 0), digits=17, **settings)


@pytest.mark.latex
def test_documents_compile_and_no_line_runs_off_the_page(tmp_path):
    for i, found in enumerate(documents()):
        name = f"{i}-{found.notation.name}-{found.form}"
        (tmp_path / f"{name}.tex").write_text(latex.render(found, about=["row 3 of 50%_Käse.csv: class {x} \\y"]))
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        log = (tmp_path / f"{name}.log").read_text(errors="replace")
        assert run.returncode == 0, (name, re.findall(r"^! .*\n.*\n.*", log, re.MULTILINE))
        too_wide = [float(width) for width in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
        assert max(too_wide, default=0.0) <= 1.0, name  # a point is not seen
