"""Which lines a derivation has, whatever writes them: of a step, the definitions, the paths, and the result."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from chainrule.glassbox.derivations.definitions import Definition
from chainrule.glassbox.derivations.derivation import Derivation
from chainrule.glassbox.derivations.expressions import Expression, Quantity, Sum, children
from chainrule.glassbox.derivations.ledger import PathLedger
from chainrule.glassbox.derivations.notations import Letter, Notation
from chainrule.glassbox.derivations.steps import Step
from chainrule.glassbox.writing.boxes import Box, Fence, Sign, Symbol, is_tall, row, width
from chainrule.glassbox.writing.equation_text import equation_box
from chainrule.glassbox.writing.text import written
from chainrule.glassbox.writing.typeset import Typesetter, symbol_box, value_box

LineKind = Literal["chain", "formula", "written out", "numbers", "value", "all"]
_SHORT = 24.0  # in em: what is shorter altogether stands on one line

HEADINGS = {"forward": "Forward", "backward": "Backward", "gradient": "The derivative"}


@dataclass(frozen=True)
class Line:
    """What stands behind one equals sign of a step."""

    kind: LineKind
    box: Box


def step_lines(step: Step) -> tuple[Box, list[Line]]:
    """Give what a step finds, and its lines; one that would repeat the line before is left out."""
    notation, digits = step.notation, step.digits
    target = symbol_box(notation.write(step.target))
    symbols, numbers = Typesetter(notation, "formula", digits), Typesetter(notation, "numbers", digits)
    out = Typesetter(notation, "written out", digits).box(step.expression)
    value = Line("value", value_box(step.value, digits))
    lines: list[tuple[Line, Box]] = []  # and by what a line is compared: shapes are no difference
    if step.chain is not None:
        chain = symbols.box(step.chain)
        lines.append((Line("chain", chain), chain))
    formula = symbols.box(step.expression)
    if _has_sum(step.expression):
        lines += [(Line("formula", formula), formula), (Line("written out", out), out)]
    else:
        lines.append((Line("formula", formula), out))
    in_numbers = numbers.box(step.expression)
    lines.append((Line("numbers", in_numbers), in_numbers))
    seen = [target, value.box]
    kept = []
    for line, compared in lines:
        if compared not in seen:
            kept.append(line)
            seen.append(compared)
    return target, _joined(target, [*kept, value])


def _joined(target: Box, lines: list[Line]) -> list[Line]:
    """What is short and flat stands on one line: a = g(z) = g(0.5) = 0.62."""
    boxes = [line.box for line in lines]
    if any(map(is_tall, boxes)) or sum(width(box) + 1.35 for box in (target, *boxes)) > _SHORT:
        return lines
    behind = [part for box in boxes[1:] for part in (Sign("="), box)]
    return [Line("all" if behind else lines[0].kind, row(boxes[0], *behind))]


def _has_sum(of: Expression) -> bool:
    return isinstance(of, Sum) or any(map(_has_sum, children(of)))


def sections(derivation: Derivation) -> Iterator[tuple[str, list[Step]]]:
    """Give the steps under their headings."""
    for direction, steps in groupby(derivation.steps, lambda step: step.direction):
        yield HEADINGS[direction], list(steps)


def network_line(derivation: Derivation) -> str:
    """Say what network it is, in words."""
    plan = derivation.net.plan
    layers = [f"{plan.sizes[layer]} {plan.activation(layer).name}" for layer in plan.layers]
    biased = [layer for layer in plan.layers if layer in derivation.net.b]
    bias = (
        ""
        if len(biased) == plan.L
        else ", no bias"
        if not biased
        else f", bias in layers {', '.join(map(str, biased))}"
    )
    inputs = "1 input" if plan.sizes[0] == 1 else f"{plan.sizes[0]} inputs"
    return f"{inputs} → {' → '.join(layers)}; cost {plan.cost.name}{bias}"


def definition_line(definition: Definition, notation: Notation) -> tuple[Box, str]:
    """Give a symbol, with what it equals, and what it means."""
    symbol, equals, meaning, equation = definition
    is_function = isinstance(symbol, Letter)
    box = symbol_box(symbol if isinstance(symbol, Letter) else notation.write(symbol))
    if equals is not None:
        return row(box, Sign("="), Typesetter(notation, "formula").box(equals)), meaning
    if not equation:
        return box, meaning
    if "=" in equation:  # it says of itself what it is a formula of
        return row(box, Sign(":"), equation_box(equation)), meaning
    called = row(box, Fence(Symbol("z"))) if is_function else box
    return row(called, Sign("="), equation_box(equation)), meaning


def result(derivation: Derivation) -> tuple[Box, Box]:
    """Give what was asked for, and its value."""
    target, notation = derivation.target, derivation.notation
    kind = {"W": "dW", "b": "db", "delta": "delta", "x": "dx", "cost": "cost"}[target.kind]
    layer = derivation.net.L if kind == "cost" else target.layer
    symbol = symbol_box(notation.write(Quantity(kind, layer, target.units)))  # type: ignore[arg-type] # a Kind
    value = derivation.value
    if not isinstance(value, float):
        value = value[np.newaxis] if notation.rows else value[:, np.newaxis]
    return symbol, value_box(value, digits(derivation))


def digits(derivation: Derivation) -> int:
    """So many digits a derivation's numbers are printed with."""
    return derivation.steps[-1].digits


@dataclass(frozen=True)
class PathLine:
    """One path of the ledger: its units from below, its product in symbols and in numbers, its value and its share."""

    units: str
    symbols: Box
    numbers: Box
    value: Box
    share: str


SHARES = "A share is a path's part of the derivative; where paths of either sign cancel, shares pass 100 %."


def path_lines(ledger: PathLedger, notation: Notation, digits: int) -> list[PathLine]:
    """Lay out the paths of a ledger."""
    symbols, numbers = Typesetter(notation, "formula", digits), Typesetter(notation, "numbers", digits)
    return [
        PathLine(
            " → ".join(map(str, path.units)),
            symbols.box(path.product),
            numbers.box(path.product),
            value_box(path.value, digits),
            f"{100 * path.share:.1f} %".replace("-", "−") if math.isfinite(path.share) else "–",
        )
        for path in ledger.paths
    ]


def ledger_sums(ledger: PathLedger, digits: int) -> list[tuple[str, str]]:
    """Say in words, beside a number, what the paths come to, by either way, and what each way takes."""
    layer = ledger.notation.number(ledger.target.layer)
    found = [("paths", f"{ledger.n_paths:,}")]
    if ledger.total is not None:
        found.append(("sum of all paths (E12)", written(value_box(ledger.total, digits))))
    found.append(("by dynamic programming (E6, E7)", written(value_box(ledger.by_dynamic_programming, digits))))
    if ledger.cancellation is not None:
        found.append(("cancellation, 1 − |Σ|/Σ|·|", written(value_box(ledger.cancellation, 3))))
    counts = ledger.multiplications
    found += [
        (f"multiplications for layer {layer} by paths (E13)", f"{counts.paths:,}"),
        (f"multiplications for layer {layer} by dynamic programming (E13)", f"{counts.dynamic_programming:,}"),
    ]
    return found
