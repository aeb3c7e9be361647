"""Steps of the backward pass, unit by unit: (E5), (E5′), (E6), (E9), (E11)."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.glassbox.derivations import costs
from chainrule.glassbox.derivations.example import coupling_noise, known
from chainrule.glassbox.derivations.expressions import (
    Apply,
    Expression,
    Index,
    Indicator,
    Kind,
    Negative,
    Partial,
    Plus,
    Product,
    Quantity,
    Sum,
)
from chainrule.glassbox.derivations.sheet import Sheet
from chainrule.glassbox.derivations.steps import Step


def slope(sheet: Sheet, layer: int, j: int) -> Step:
    """g_ℓ'(z^ℓ_j), the factor of (E5) and (E6)."""
    g = sheet.example.plan.activation(layer)
    assert not g.coupled
    target = sheet.q("slope", layer, j)
    expression = Apply("g'", (sheet.q("z", layer, j),), g.derivative, layer)
    equation = "E5" if layer == sheet.example.L else "E6"
    return sheet.step(equation, "backward", target, expression, f"The slope of {g.name} at z.")


def into_activation(sheet: Sheet, layer: int, k: int) -> tuple[Step, list[int]]:
    """(E9), or what (E5) begins with: the objective's derivative in a^ℓ_k, and the units above that it names."""
    example, notation = sheet.example, sheet.notation
    kind: Kind = "da" if layer else "dx"
    target = sheet.q(kind, layer, k)
    if layer == example.L:
        if example.output is not None:
            why = "The output itself is differentiated: its derivative in itself is 1, in the others 0."
            return sheet.step("E11", "backward", target, Indicator(k, example.output), why), []
        formula = cost_derivative(sheet, k)
        why = f"The derivative of {example.plan.cost.name} in output {k}."
        return sheet.step("E5", "backward", target, formula, why), []

    def term(j: Index) -> Expression:
        W = sheet.q("W", layer + 1, j, k)
        delta = sheet.delta_factors(layer + 1, j)
        return Product((W, *delta) if notation.into_activation[0] == "W" else (*delta, W))

    values = example.W[layer + 1][k] * example.delta[layer + 1]
    letter = sheet.notation.above
    expression, named = sheet.sum(letter, values, term)
    a_here = Quantity("a", layer, (k,))

    def partials(j: Index) -> Product:
        z_above, a_above = Quantity("z", layer + 1, (j,)), Quantity("a", layer + 1, (j,))
        into = Partial(z_above, a_here)
        if sheet.is_written_out(layer + 1):
            return Product((into, Partial(a_above, z_above), Partial(notation.objective, a_above)))
        return Product((Partial(notation.objective, z_above), into))

    chain = _chain(letter, len(values), partials)
    if layer:
        here, above = sheet.notation.number(layer), sheet.notation.number(layer + 1)
        why = f"The activation of unit {k} of layer {here} reaches every unit of layer {above}, by one weight each."
    else:
        why = "The input has no activation function: no slope is multiplied in."
    equation = "E9" if layer or example.output is None else "E11"
    return sheet.step(equation, "backward", target, expression, why, chain), named


def delta(sheet: Sheet, layer: int, k: int) -> tuple[list[Step], list[int]]:
    """(E5), (E5′), (E6) or (E11): the steps to δ^ℓ_k, and the units of the layer above that they name."""
    example, notation = sheet.example, sheet.notation
    slopes = [] if example.slope[layer] is None else [slope(sheet, layer, k)]
    if layer == example.L and example.is_matched:
        return [_matched(sheet, k)], []
    if example.slope[layer] is None:
        return _coupled(sheet, layer, k)
    if sheet.is_written_out(layer):
        step, named = into_activation(sheet, layer, k)
        return [*slopes, step], named
    target = sheet.q("delta", layer, k)
    direct = Product((Partial(sheet.notation.objective, Quantity("a", layer, (k,))), _da_dz(layer, k)))
    if notation.style == "both":
        step, named = into_activation(sheet, layer, k)
        factors = {"da": sheet.q("da", layer, k), "slope": sheet.q("slope", layer, k)}
        product = Product(tuple(factors[part] for part in notation.backward if isinstance(part, str)))
        why = "From a to z: times the slope."
        equation = "E5" if layer == example.L else "E6"
        return [*slopes, step, sheet.step(equation, "backward", target, product, why, direct)], named
    if layer == example.L:
        return [*slopes, _output_delta(sheet, target, k, direct)], []
    step, named = _hidden_delta(sheet, target, layer, k)
    return [*slopes, step], named


def written_out(sheet: Sheet, layer: int, k: int) -> Step:
    """∂C/∂z^ℓ_k, where the notation has a product in its place (E5, E6)."""
    a_here = Quantity("a", layer, (k,))
    chain = Product((_da_dz(layer, k), Partial(sheet.notation.objective, a_here)))
    equation = "E5" if layer == sheet.example.L else "E6"
    why = "From a to z: times the slope."
    product = Product(sheet.delta_factors(layer, k))
    return sheet.step(equation, "backward", sheet.q("delta", layer, k), product, why, chain)


def _output_delta(sheet: Sheet, target: Quantity, k: int, chain: Expression) -> Step:
    example, L = sheet.example, sheet.example.L
    slope = sheet.q("slope", L, k)
    if example.output is not None:
        one = len(example.a[L]) == 1
        why = f"It is output {example.output} that is differentiated" + (
            "." if one else "; another output's derivative is 0."
        )
        found = slope if one else Product((Indicator(k, example.output), slope))
        return sheet.step("E11", "backward", target, found, why, chain)
    outer = cost_derivative(sheet, k)
    factors = (*outer.factors, slope) if isinstance(outer, Product) else (outer, slope)
    why = "The cost's derivative in the output, times the slope of its activation."
    return sheet.step("E5", "backward", target, Product(factors), why, chain)


def _hidden_delta(sheet: Sheet, target: Quantity, layer: int, k: int) -> tuple[Step, list[int]]:
    example, notation = sheet.example, sheet.notation
    pattern = notation.backward
    inner = next(part for part in pattern if isinstance(part, tuple))
    slope = sheet.q("slope", layer, k)

    def term(j: Index) -> Expression:
        found: list[Expression] = []
        for part in inner:
            factors = {
                "W": (sheet.q("W", layer + 1, j, k),),
                "delta": sheet.delta_factors(layer + 1, j),
                "slope": (slope,),
            }
            found += factors[part]
        return Product(tuple(found))

    values = example.W[layer + 1][k] * example.delta[layer + 1]
    if "slope" in inner:
        values = values * known(example.slope[layer])[k]
    letter = sheet.notation.above
    total, named = sheet.sum(letter, values, term)
    expression = total if "slope" in inner else Product((slope, total))
    z_here, a_here = Quantity("z", layer, (k,)), Quantity("a", layer, (k,))
    by_induction, above = example.output is not None, sheet.notation.number(layer + 1)

    def partials(j: Index) -> Product:
        z_above = Quantity("z", layer + 1, (j,))
        first = Partial(sheet.notation.objective, z_above)
        if notation.from_z_to_z or by_induction:
            return Product((first, Partial(z_above, z_here)))
        return Product((first, Partial(z_above, a_here), Partial(a_here, z_here)))

    chain = _chain(letter, len(values), partials)
    why = f"Every path from unit {k} of layer {sheet.notation.number(layer)} leads through one unit of layer {above}."
    if by_induction:
        why = (
            f"The induction step: δ of layer {above} is known, and z of unit {k} moves every z of layer {above} "
            f"by its weight times its slope."
        )
    equation = "E11" if by_induction else "E6"
    return sheet.step(equation, "backward", target, expression, why, chain), named


def _matched(sheet: Sheet, k: int) -> Step:
    example, L = sheet.example, sheet.example.L
    y = known(example.y)
    a: Expression = sheet.q("a", L, k)
    if example.plan.activation(L).coupled and y.sum() != 1:
        total, _ = sheet.sum("o", y, lambda o: sheet.q("y", L, o))
        a = Product((a, total))
    expression = Plus((a, Negative(sheet.q("y", L, k))))
    names = f"{example.plan.activation(L).name} with {example.plan.cost.name}"
    why = f"A matched pair, {names}: the slope cancels against the cost's derivative."
    return sheet.step("E5′", "backward", sheet.q("delta", L, k), expression, why)


def _coupled(sheet: Sheet, layer: int, k: int) -> tuple[list[Step], list[int]]:
    """(E5′): through ∂a/∂z of coupled units; the units above that it names."""
    example = sheet.example
    column = example.jacobian_column(layer, k)
    da = known(example.da[layer])

    def term(o: Index) -> Expression:
        return Product((sheet.q("da", layer, o), sheet.q("dadz", layer, o, k)))

    expression, through = sheet.sum("o", da * column, term)
    steps: list[Step] = []
    above: list[int] = []
    is_softmax = example.plan.activation(layer).name == "softmax"
    for o in through:
        step, named = into_activation(sheet, layer, o)
        steps.append(step)
        above += named
        if is_softmax:
            share = Plus((Indicator(o, k), Negative(sheet.q("a", layer, k))))
            why = "A share of softmax grows with its own z, and shrinks as others grow."
            entry = Product((sheet.q("a", layer, o), share))
            steps.append(sheet.step("E5′", "backward", sheet.q("dadz", layer, o, k), entry, why))
    z_k = Quantity("z", layer, (k,))

    def partials(o: Index) -> Product:
        a_o = Quantity("a", layer, (o,))
        return Product((Partial(sheet.notation.objective, a_o), Partial(a_o, z_k)))

    chain = _chain("o", len(da), partials)
    why = "The units of this layer are coupled: z of one moves every a."
    equation = "E5′" if layer == example.L else "E6"
    noise = float(coupling_noise(da, example.a[layer][k], column))
    target = sheet.q("delta", layer, k)
    return [*steps, sheet.step(equation, "backward", target, expression, why, chain, noise)], above


def cost_derivative(sheet: Sheet, k: int) -> Expression:
    """∂C_i/∂a^L_k."""
    example, L = sheet.example, sheet.example.L
    if not example.plan.cost.separable:
        return costs.whole_derivative(example, k)
    return costs.derivative(example.plan.cost, sheet.q("a", L, k), sheet.q("y", L, k))


def _chain(letter: str, n: int, partials: Callable[[Index], Product]) -> Expression:
    """The chain rule through n units, as symbols; through one it is no sum."""
    return Sum(letter, n, partials(letter), ()) if n > 1 else partials(0)


def _da_dz(layer: int, k: int) -> Partial:
    return Partial(Quantity("a", layer, (k,)), Quantity("z", layer, (k,)))
