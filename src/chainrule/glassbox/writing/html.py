"""A derivation as HTML with MathML: a page of its own, a part of another page, or one step."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.glassbox.derivations.derivation import Derivation
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.steps import Step
from chainrule.glassbox.writing import mathml
from chainrule.glassbox.writing.layout import (
    SHARES,
    definition_line,
    digits,
    ledger_sums,
    network_line,
    path_lines,
    result,
    sections,
    step_lines,
)
from chainrule.glassbox.writing.mathml import escape

STYLE = """
.chainrule { --ink: #1b1e23; --faint: #5b6470; --line: #d9dde3; --mark: #0b5cad; --wash: #f5f7fa; --paper: #fff;
  color: var(--ink); background: var(--paper); font: 1rem/1.5 Georgia, "Times New Roman", serif; }
.chainrule math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", math; font-size: 1.08em; }
.chainrule math .bold { font-weight: bold; }
.chainrule math .shape { color: var(--faint); font-size: 0.75em; padding: 0 .35em; }
.chainrule mtd { text-align: right; text-align: -webkit-right; }
.chainrule mtd.dots { text-align: center; text-align: -webkit-center; }
.chainrule h1 math { math-style: compact; font-size: 1.2em; }
.chainrule h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
.chainrule h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
.chainrule p { margin: .25rem 0; }
.chainrule .about { color: var(--faint); }
.chainrule dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1.25rem; margin: 0; }
.chainrule dd { margin: 0; }
.chainrule .step { display: grid; grid-template-columns: 3.2rem minmax(0, 1fr); padding: .7rem 0; }
.chainrule .step + .step { border-top: 1px solid var(--line); }
.chainrule .number { grid-row: 1 / 3; color: var(--mark); font-variant-numeric: lining-nums; }
.chainrule .why { grid-column: 2; margin: 0 0 .35rem; color: var(--faint); }
.chainrule .lines { grid-column: 2; display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .4rem .3rem;
  align-items: baseline; overflow-x: auto; }
.chainrule .left { grid-column: 1; }
.chainrule .right { grid-column: 2; line-height: 2; padding-left: 1.6em; text-indent: -1.6em; }
.chainrule .right math { text-indent: 0; }
.chainrule .result { background: var(--wash); border-left: 3px solid var(--mark); padding: .75rem 1rem; }
.chainrule .wide { overflow-x: auto; }
.chainrule table { border-collapse: collapse; width: 100%; }
.chainrule th { text-align: left; font-weight: 600; }
.chainrule th, .chainrule td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.chainrule .figure { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums lining-nums; }
.chainrule .units { white-space: nowrap; }
.chainrule .product div + div { line-height: 1.8; }
@media (max-width: 40rem) {
  .chainrule .paths thead { display: none; }
  .chainrule .paths tr { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem;
    border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .chainrule .paths td { border: 0; padding: .1rem 0; }
  .chainrule .paths .units { white-space: normal; }
  .chainrule .paths .product { order: 1; flex-basis: 100%; }
  .chainrule .step { grid-template-columns: minmax(0, 1fr); }
  .chainrule .number, .chainrule .why, .chainrule .lines { grid-column: 1; grid-row: auto; }
  .chainrule dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .chainrule dd { margin: 0 0 .5rem 1rem; color: var(--faint); }
}
@media (prefers-color-scheme: dark) {
  .chainrule { --ink: #e6e8eb; --faint: #a3acb8; --line: #333a44; --mark: #7db7f5; --wash: #1b2027; --paper: #13161a; }
}
@media print {
  .chainrule { --ink: #000; --faint: #333; --line: #bbb; --mark: #000; --wash: #fff; --paper: #fff; font-size: 10.5pt; }
  .chainrule .step { break-inside: avoid; }
  .chainrule h2 { break-after: avoid; }
}
"""

_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: #fff; }
body > .chainrule { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
@media (prefers-color-scheme: dark) { body { background: #13161a; } }
@media print { body { background: #fff; } body > .chainrule { max-width: none; padding: 0; } }
"""


def render(derivation: Derivation, about: Sequence[str] = ()) -> str:
    """Write a page of its own, which needs no network; `about` are lines for its head, such as the row's number."""
    title = escape(f"{derivation.of}: {derivation.title}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_PAGE_STYLE}{STYLE}</style>\n</head>\n<body>\n"
        f"{_article(derivation, about)}\n</body>\n</html>\n"
    )


def fragment(derivation: Derivation, about: Sequence[str] = ()) -> str:
    """Write what another page or a notebook can hold, with its own style."""
    return f"<style>{STYLE}</style>\n{_article(derivation, about)}"


def step(of: Step) -> str:
    """Write one of."""
    target, lines = step_lines(of)
    rows = []
    for i, line in enumerate(lines):
        left = f'<div class="left">{mathml.math(target)}</div>' if i == 0 else ""
        kind = line.kind.replace(" ", "-")
        rows.append(f'{left}<div class="right {kind}">{mathml.math(line.box, "=")}</div>')
    units = ",".join(map(str, of.units))
    return (
        f'<div class="step" data-equation="{escape(of.equation)}" data-layer="{of.layer}" data-units="{units}" '
        f'data-direction="{of.direction}"><span class="number">({escape(of.equation)})</span>'
        f'<p class="why">{escape(of.why)}</p><div class="lines">{"".join(rows)}</div></div>'
    )


def definitions(derivation: Derivation) -> str:
    """Write what the symbols mean."""
    rows = []
    for definition in derivation.definitions:
        box, meaning = definition_line(definition, derivation.notation)
        rows.append(f"<dt>{mathml.math(box)}</dt><dd>{escape(meaning)}</dd>")
    return f"<dl>{''.join(rows)}</dl>"


def _article(derivation: Derivation, about: Sequence[str]) -> str:
    notation = derivation.notation
    found, value = result(derivation)
    head = [network_line(derivation), *about, f"Notation {notation.name} (source {notation.source}): {notation.title}"]
    parts = [
        f"<h1>{mathml.math(found)}: {escape(derivation.title)}</h1>",
        *(f'<p class="about">{escape(line)}</p>' for line in head),
        f"<h2>What the symbols mean</h2>{definitions(derivation)}",
    ]
    for heading, steps in sections(derivation):
        parts.append(f"<section><h2>{heading}</h2>{''.join(map(step, steps))}</section>")
    parts.append(f'<h2>Result</h2><p class="result wide">{mathml.math(found)} {mathml.math(value, "=")}</p>')
    parts.append(_ledger(derivation, notation))
    return f'<article class="chainrule">{"".join(parts)}</article>'


def _ledger(derivation: Derivation, notation: Notation) -> str:
    ledger = derivation.ledger
    if ledger is None:
        return ""
    rows = "".join(
        f'<tr><td class="units">{escape(path.units)}</td><td class="product"><div>{mathml.math(path.symbols)}</div>'
        f'<div>{mathml.math(path.numbers, "=")}</div></td><td class="figure">{mathml.math(path.value)}</td>'
        f'<td class="figure">{escape(path.share)}</td></tr>'
        for path in path_lines(ledger, notation, digits(derivation))
    )
    sums = "".join(
        f'<tr><td>{escape(words)}</td><td class="figure">{escape(number)}</td></tr>'
        for words, number in ledger_sums(ledger, digits(derivation))
    )
    return (
        f'<section><h2>Path by path</h2><p class="about">{escape(SHARES)}</p>'
        '<div class="wide"><table class="paths"><thead><tr><th scope="col">units</th>'
        '<th scope="col">product</th><th scope="col" class="figure">value</th><th scope="col" class="figure">share</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div><table><tbody>{sums}</tbody></table></section>"
    )
