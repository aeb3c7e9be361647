"""What a parameter gets from δ: (E7), (E8); and (E14), the chain of single units as one product."""

from __future__ import annotations

from chainrule.glassbox.derivations.backward_units import cost_derivative
from chainrule.glassbox.derivations.expressions import Expression, Partial, Product, Quantity
from chainrule.glassbox.derivations.notations import Part
from chainrule.glassbox.derivations.sheet import Sheet
from chainrule.glassbox.derivations.steps import Step


def weight(sheet: Sheet, layer: int, j: int, k: int) -> Step:
    """(E7) ∂C_i/∂W^ℓ_jk."""
    parts: dict[Part, tuple[Expression, ...]] = {
        "delta": sheet.delta_factors(layer, j),
        "a": (sheet.q("a", layer - 1, k),),
    }
    expression = Product(tuple(factor for part in sheet.notation.gradient for factor in parts[part]))
    z, W = Quantity("z", layer, (j,)), Quantity("W", layer, (j, k))
    why = f"The weight moves z of unit {j} alone, by the activation that comes through it."
    chain = _down_to(sheet, z, Partial(z, W))
    return sheet.step("E7", "gradient", sheet.q("dW", layer, j, k), expression, why, chain)


def bias(sheet: Sheet, layer: int, j: int) -> Step:
    """(E8) ∂C_i/∂b^ℓ_j."""
    z, b = Quantity("z", layer, (j,)), Quantity("b", layer, (j,))
    delta = sheet.delta_factors(layer, j)
    expression = delta[0] if len(delta) == 1 else Product(delta)
    why = "The bias moves z one for one."
    return sheet.step("E8", "gradient", sheet.q("db", layer, j), expression, why, _down_to(sheet, z, Partial(z, b)))


def _down_to(sheet: Sheet, z: Quantity, last: Partial) -> Expression:
    """The chain from the objective to a parameter: by ∂C/∂z, or where δ has no letter by ∂C/∂a ∂a/∂z."""
    assert isinstance(z.layer, int)
    if len(sheet.delta_factors(z.layer, z.units[0])) == 1:
        return Product((Partial(sheet.notation.objective, z), last))
    a = Quantity("a", z.layer, z.units)
    return Product((last, Partial(a, z), Partial(sheet.notation.objective, a)))


def one_product(sheet: Sheet, layer: int) -> Step:
    """(E14): where every layer is one unit, the derivative in W^ℓ as one product of named factors."""
    example = sheet.example
    factors: list[Expression] = [sheet.q("a", layer - 1, 0)]
    partials: list[Expression] = [Partial(Quantity("z", layer, (0,)), Quantity("W", layer, (0, 0)))]
    for q in range(layer, example.L + 1):
        z, a = Quantity("z", q, (0,)), Quantity("a", q, (0,))
        if q > layer:
            factors.append(sheet.q("W", q, 0, 0))
            partials.append(Partial(z, Quantity("a", q - 1, (0,))))
        if q < example.L or not example.is_matched:
            factors.append(sheet.q("slope", q, 0))
            partials.append(Partial(a, z))
    if example.is_matched:
        factors.append(sheet.q("delta", example.L, 0))
        partials.append(Partial(sheet.notation.objective, Quantity("z", example.L, (0,))))
    else:
        factors.append(cost_derivative(sheet, 0))
        partials.append(Partial(sheet.notation.objective, Quantity("a", example.L, (0,))))
    why = f"One unit a layer: one path, {len(factors)} factors, each with its name."
    target = sheet.q("dW", layer, 0, 0)
    return sheet.step("E14", "gradient", target, Product(tuple(factors)), why, Product(tuple(partials)))
