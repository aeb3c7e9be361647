"""What the symbols of a notation mean: the first lines of a derivation."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.glassbox.derivations.example import Example
from chainrule.glassbox.derivations.expressions import Expression, Partial, Quantity
from chainrule.glassbox.derivations.notations import Letter, Notation


class Definition(NamedTuple):
    """A symbol, what it equals where it is short for something, and what it means.

    `equation` is a function's formula as text, such as "1/(1 + e^(−z))", where the symbol is an activation function.
    """

    symbol: Quantity | Letter
    equals: Expression | None
    meaning: str
    equation: str = ""

    def to_dict(self, notation: Notation) -> dict[str, str]:
        """Give it as data for JSON."""
        from chainrule.glassbox.writing.layout import definition_line
        from chainrule.glassbox.writing.text import written

        box, meaning = definition_line(self, notation)
        return {"symbol": written(box), "meaning": meaning}


def definitions(example: Example, notation: Notation, form: str) -> tuple[Definition, ...]:
    """Define what a derivation's formulas use, with letters for layers and units."""
    one = ("j",) if form == "units" else ()
    weight = ("j", "k") if form == "units" else ()
    behind = notation.number("ℓ", -1)
    ahead = notation.number("ℓ", 1)
    if notation.shifted:
        into = f"from layer ℓ to layer {ahead}: numbered by the layer that it leads out of"
    else:
        into = f"from layer {behind} to layer ℓ"
    shape = "indices (from, to)" if notation.source_first else "indices (to, from)"
    found = [
        Definition(Quantity("a", 0, one), None, f"the input x; it is layer {notation.number(0)}, and an activation"),
        Definition(Quantity("W", "ℓ", weight), None, f"weight {into}; {shape}"),
    ]
    if example.b:
        found.append(Definition(Quantity("b", "ℓ", one), None, "bias, where a layer has one"))
    found += [
        Definition(Quantity("z", "ℓ", one), None, "weighted input of layer ℓ"),
        Definition(Quantity("a", "ℓ", one), None, "activation of layer ℓ"),
    ]
    objective = notation.objective
    if objective.kind == "cost":
        cost = example.plan.cost
        found.append(Definition(objective, None, f"the cost of the example, {cost.name}", cost.equation))
    else:
        found.append(Definition(objective, None, "the output that is differentiated"))
    if notation.delta is not None:
        delta = Quantity("delta", "ℓ", one)
        found.append(
            Definition(delta, Partial(objective, Quantity("z", "ℓ", one)), "what goes back through the layers")
        )
    functions = [example.plan.activation(layer) for layer in example.plan.layers]
    if len({g.name for g in functions}) == 1:
        g = functions[0]
        found.append(Definition(notation.function_at("ℓ", one), None, f"activation function, {g.name}", g.equation))
        return tuple(found)
    for layer, g in enumerate(functions, start=1):
        meaning = f"activation function of layer {notation.number(layer)}, {g.name}"
        found.append(Definition(notation.function_at(layer), None, meaning, g.equation))
    return tuple(found)
