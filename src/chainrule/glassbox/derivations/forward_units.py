"""Steps of the forward pass, unit by unit: (E1), (E2), (E3)."""

from __future__ import annotations

import numpy as np

from chainrule.glassbox.derivations import costs
from chainrule.glassbox.derivations.example import known
from chainrule.glassbox.derivations.expressions import (
    Apply,
    Expression,
    Index,
    Negative,
    Plus,
    Product,
    Quantity,
    Quotient,
)
from chainrule.glassbox.derivations.notations import Part
from chainrule.glassbox.derivations.sheet import Sheet
from chainrule.glassbox.derivations.steps import Step


def weighted_input(sheet: Sheet, layer: int, j: int) -> tuple[Step, list[int]]:
    """(E1) z^ℓ_j, and the units of the layer below that it names."""
    example = sheet.example

    def term(k: Index) -> Expression:
        parts: dict[Part, Expression] = {"W": sheet.q("W", layer, j, k), "a": sheet.q("a", layer - 1, k)}
        return Product(tuple(parts[part] for part in sheet.notation.forward))

    expression, named = sheet.sum(sheet.notation.below, example.W[layer][:, j] * example.a[layer - 1], term)
    if layer in example.b:
        expression = Plus((expression, sheet.q("b", layer, j)))
    below = "the inputs" if layer == 1 else f"the activations of layer {sheet.notation.number(layer - 1)}"
    why = f"Unit {j} of layer {sheet.notation.number(layer)} adds up {below}, each times its weight" + (
        ", and its bias." if layer in example.b else "; there is no bias."
    )
    return sheet.step("E1", "forward", sheet.q("z", layer, j), expression, why), named


def activation(sheet: Sheet, layer: int, j: int) -> tuple[Step, list[int]]:
    """(E2) a^ℓ_j, and the units of the same layer that it names besides."""
    example, g = sheet.example, sheet.example.plan.activation(layer)
    target = sheet.q("a", layer, j)
    if not g.coupled:
        expression: Expression = Apply("g", (sheet.q("z", layer, j),), g.value, layer)
        why = f"Unit {j} of layer {sheet.notation.number(layer)} is {g.name}."
        return sheet.step("E2", "forward", target, expression, why), []
    z = example.z[layer]
    if g.name != "softmax":
        whole = Quantity("z", layer, (), z[np.newaxis])
        value, jacobian = g.value, sheet.example.jacobian
        own = Apply("g", (whole,), lambda at: value(at)[0, j], layer, "", lambda _: jacobian(layer)[j : j + 1])
        return sheet.step(
            "E2", "forward", target, own, f"The activation function, {g.name}, takes all units of the layer at once."
        ), []
    top = int(z.argmax()) if np.abs(z).max() > 500 else None  # e^z must not overflow; a share stays the same

    def power(o: Index) -> Expression:
        z_o: Expression = sheet.q("z", layer, o)
        if top is not None:
            z_o = Plus((z_o, Negative(sheet.q("z", layer, top))))
        return Apply("exp", (z_o,), np.exp)

    total, named = sheet.sum("o", np.exp(z - (0.0 if top is None else z[top])), power)
    why = "Shares of the layer by softmax: each e^z over the sum of all" + (
        "." if top is None else ", all divided by the largest, lest they overflow."
    )
    used = named if top is None else list(dict.fromkeys([top, *named]))
    return sheet.step("E2", "forward", target, Quotient(power(j), total), why), used


def cost(sheet: Sheet) -> tuple[Step, list[int]]:
    """(E3) C_i, and the outputs that it names."""
    example, cost = sheet.example, sheet.example.plan.cost
    target = Quantity("cost", example.L, (), known(example.cost))
    if not cost.separable:
        return sheet.step(
            "E3", "forward", target, costs.whole(example), f"The cost, {cost.name}, takes all outputs at once."
        ), []
    expression, named, why = costs.summed(sheet)
    return sheet.step("E3", "forward", target, expression, why), named
