"""Derivations as HTML: the numbers in their MathML, what is escaped, what is not fetched, how large and fast it is."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule.glassbox.derivations.derivation import derive
from chainrule.glassbox.derivations.expressions import Quantity
from chainrule.glassbox.derivations.notations import NOTATIONS, find
from chainrule.glassbox.derivations.numbers import printed
from chainrule.glassbox.writing import html, mathml, text
from chainrule.glassbox.writing.layout import step_lines


def network(sizes, activation="logistic", cost="squared_error", **settings):
    return cr.Network(sizes, activation, cost, dtype="float64", seed=4, **settings)


def parsed(content):
    """A part of a page as a tree: it is well-formed XML, too."""
    return ElementTree.fromstring(content)


def number_of(element):
    """The number that a formula's last element shows, read as a reader reads it."""
    shown = "".join(element.itertext()).rpartition("=")[2].replace("−", "-").strip()
    return float(re.sub(r"×10(-?\d+)$", r"e\1", shown))


def numerals(content):
    """The digits that stand in a line, with how often they do."""
    content = content.replace("²", " 2").replace("½", " 1 2 ")
    content = re.sub(r"e(-?)(\d+)", r" 10 \2", content)
    return Counter(re.findall(r"\d+(?:\.\d+)?", content.replace(",", " ")))


@pytest.mark.parametrize("form", ["units", "matrices"])
@pytest.mark.parametrize("notation", NOTATIONS)
def test_each_step_shows_its_numbers_and_its_value(notation, form):
    net = network([3, 4, 3], ["tanh", "softmax"], "half_squared_error")
    found = derive(net, [0.5, 1e-8, -3.0], [0.0, 1.0, 0.0], ("W", 1, 2, 0), notation, form=form, terms=2)
    for step in found.steps:
        content = html.step(step)
        tree = parsed(content)
        assert tree.get("class") == "step"
        assert (tree.get("data-equation"), tree.get("data-direction")) == (step.equation, step.direction)
        assert (tree.get("data-layer"), tree.get("data-units")) == (str(step.layer), ",".join(map(str, step.units)))
        assert tree.find(".//p[@class='why']").text == step.why
        target, lines = step_lines(step)
        shown = [row for row in tree.iter("div") if "right" in (row.get("class") or "").split()]
        assert len(shown) == len(lines)
        for line, row in zip(lines, shown, strict=True):
            in_text = text.written(line.box)
            if "×" not in "".join(row.itertext()).replace("×10", ""):  # shapes stand there besides
                assert numerals(" ".join(row.itertext())) == numerals(in_text), (line.kind, in_text)
        if isinstance(step.value, float):
            assert number_of(shown[-1]) == float(printed(step.value))


def test_marks_of_letters():
    weight, bold = Quantity("W", 2, (3, 12)), Quantity("z", 2)
    assert mathml.symbol(weight, find("theta")) == (
        '<math displaystyle="true"><msubsup><mi mathvariant="normal">Θ</mi>'
        '<mrow><mn>12</mn><mo rspace="0.1em">,</mo><mn>3</mn></mrow>'
        '<mrow><mo stretchy="false">(</mo><mn>2</mn><mo stretchy="false">)</mo></mrow></msubsup></math>'
    )
    assert mathml.symbol(bold, find("nabla")).startswith(
        '<math displaystyle="true"><msup><mi mathvariant="normal" class="bold">z</mi>'
    )
    assert mathml.symbol(Quantity("db", 1, (0,)), find("delta")).startswith(
        '<math displaystyle="true"><mfrac><mrow><mo form="prefix" rspace="0">∂</mo><msub><mi>C</mi><mi>i</mi></msub>'
    )


# --- the page ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    net, x = network([784, 16, 10]), rng.random(784)
    return {form: derive(net, x, np.eye(10)[3], ("W", 1, 3, 405), form=form) for form in ("units", "matrices")}


def test_a_page_of_784_16_10_is_small_and_fetches_nothing(digits):
    for found in digits.values():
        page = html.render(found, about=["row 7"])
        assert len(page.encode()) < 1_500_000
        assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
        for reference in ("http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "//"):
            assert reference not in page
        assert '<p class="about">row 7</p>' in page
        assert len(re.findall('class="step"', page)) == len(found.steps)
        parsed(page.partition("\n")[2].replace('<meta charset="utf-8">', "").replace(
            '<meta name="viewport" content="width=device-width, initial-scale=1">', ""))  # fmt: skip


def test_a_notebook_gets_the_same_with_its_style_and_without_a_page(digits):
    found = digits["units"]
    shown = found._repr_html_()
    assert shown == html.fragment(found)
    assert shown.startswith("<style>")
    assert "<body" not in shown
    assert shown.partition("</style>\n")[2] in html.render(found)
    # its style touches nothing else on the page
    rules = re.sub(r"@media[^{]*\{|\n\}", "", html.STYLE)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", rules) for one in rule.split(",")]
    assert [one for one in selectors if not one.startswith(".chainrule")] == []


def test_the_paths_stand_in_a_table_beside_both_sums(digits):
    found = digits["units"]
    rows = re.findall(r'<td class="units">405 → 3 → (\d)</td>', html.render(found))
    assert rows == [str(path.units[-1]) for path in found.ledger.paths]
    value = printed(found.value).replace("-", "−", 1)
    for words in ("sum of all paths (E12)", "by dynamic programming (E6, E7)"):
        assert f'<tr><td>{words}</td><td class="figure">{value}</td></tr>' in html.render(found)
    cost = derive(found.net, found.x, np.eye(10)[3], "cost")
    assert "Path by path" not in html.render(cost)


def test_names_of_the_users_own_are_text():
    hostile = '<script>alert("1")</script> & <b>'
    own = cr.Activation(hostile, np.tanh, lambda z: 1 - np.tanh(z) ** 2, equation=f"{hostile}'")
    cost = cr.Cost(hostile, lambda a, y: ((a - y) ** 2).sum(axis=1), lambda a, y: 2 * (a - y), separable=True)
    net = network([2, 2], [own], cost)
    for form, notation in product(("units", "matrices"), NOTATIONS):
        page = html.render(derive(net, [0.5, -1.0], [0.0, 1.0], ("W", 1, 0, 1), notation, form=form), about=[hostile])
        assert "<script" not in page
        assert "<b>" not in page
        assert "&lt;script&gt;" in page
        parsed(page[page.index("<body>") : page.index("</html>")])


def test_a_long_formula_is_in_pieces_that_a_line_may_break_between(digits):
    first = next(step for step in digits["units"].steps if step.equation == "E1")
    tree = parsed(html.step(first))
    rows = {row.get("class"): len(row.findall("math")) for row in tree.iter("div") if row.get("class")}
    assert rows["right formula"] == 1
    assert rows["right written-out"] == 10  # eight terms, the dots, the bias
    assert rows["right numbers"] == 10
    assert rows["right value"] == 1
