"""A derivation unit by unit: sums written out, the largest terms first, and a step for each unit that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np

from chainrule.glassbox import costs
from chainrule.glassbox.example import Example, F
from chainrule.glassbox.expressions import (
    Apply,
    Expression,
    Index,
    Indicator,
    Kind,
    Negative,
    Number,
    Partial,
    Plus,
    Product,
    Quantity,
    Quotient,
    Rest,
    Sum,
    quantities,
)
from chainrule.glassbox.notations import Notation, Part
from chainrule.glassbox.steps import Direction, Step
from chainrule.glassbox.target import Target


class UnitForm:
    """Makes the steps that one target needs, from the numbers of an example.

    A sum names its `terms` largest terms; the units in them get steps of their own, at most so many in a layer, besides
    those that the target itself names. What is not named is in the rest of a sum, whose value is a number like others.
    """

    def __init__(self, example: Example, notation: Notation, terms: int, digits: int) -> None:
        self._example, self._notation, self._terms, self._digits = example, notation, terms, digits
        self._objective = notation.objective

    # --- quantities -------------------------------------------------------------------------------------------------
    def _q(self, kind: Kind, layer: int, *units: Index) -> Quantity:
        """A quantity with its value; with a letter among its units it is general."""
        if any(isinstance(unit, str) for unit in units):
            return Quantity(kind, layer, units)
        return Quantity(kind, layer, units, self._value(kind, layer, *map(int, units)))

    def _value(self, kind: Kind, layer: int, *units: int) -> float:
        example = self._example
        match kind:
            case "W":
                return float(example.W[layer][units[1], units[0]])
            case "dW":
                return float(example.delta[layer][units[0]] * example.a[layer - 1][units[1]])
            case "db":
                return float(example.delta[layer][units[0]])
            case "dadz":
                return float(example.jacobian_column(layer, units[1])[units[0]])
            case "dx":
                return float(_known(example.da[0])[units[0]])
            case "y":
                return float(_known(example.y)[units[0]])
            case "cost":
                return float(_known(example.cost))
            case "da" | "slope":
                by_layer: Any = getattr(example, kind)
                return float(_known(by_layer[layer])[units[0]])
            case _:
                return float(getattr(example, kind)[layer][units[0]])

    def _step(
        self,
        equation: str,
        direction: Direction,
        target: Quantity,
        expression: Expression,
        why: str,
        chain: Expression | None = None,
    ) -> Step:
        return Step(equation, direction, target, expression, why, chain, self._notation, self._digits)

    def _sum(self, letter: str, values: F, term: Callable[[Index], Expression]) -> tuple[Expression, list[int]]:
        """Σ with its largest terms written out, and the units that these name; a single term is no sum."""
        n = len(values)
        if n == 1:
            return term(0), [0]
        order = np.argsort(-np.abs(values), kind="stable")[: self._terms].tolist()
        others = np.ones(n, dtype=np.bool_)
        others[order] = False
        rest = Rest(n - len(order), float(values[others].sum())) if len(order) < n else None
        return Sum(letter, n, term(letter), tuple(map(term, order)), rest), order

    def _number(self, layer: int) -> str:
        return self._notation.number(layer)

    def _letter(self, side: Literal["below", "above"]) -> str:
        return self._notation.below if side == "below" else self._notation.above

    # --- forward ----------------------------------------------------------------------------------------------------
    def weighted_input(self, layer: int, j: int) -> tuple[Step, list[int]]:
        """(E1) z^ℓ_j, and the units of the layer below that it names."""
        example = self._example

        def term(k: Index) -> Expression:
            parts: dict[Part, Expression] = {"W": self._q("W", layer, j, k), "a": self._q("a", layer - 1, k)}
            return Product(tuple(parts[part] for part in self._notation.forward))

        expression, named = self._sum(self._letter("below"), example.W[layer][:, j] * example.a[layer - 1], term)
        if layer in example.b:
            expression = Plus((expression, self._q("b", layer, j)))
        below = "the inputs" if layer == 1 else f"the activations of layer {self._number(layer - 1)}"
        why = f"Unit {j} of layer {self._number(layer)} adds up {below}, each times its weight" + (
            ", and its bias." if layer in example.b else "; there is no bias."
        )
        return self._step("E1", "forward", self._q("z", layer, j), expression, why), named

    def activation(self, layer: int, j: int) -> tuple[Step, list[int]]:
        """(E2) a^ℓ_j, and the units of the same layer that it names besides."""
        example, g = self._example, self._example.plan.activation(layer)
        target = self._q("a", layer, j)
        if not g.coupled:
            expression: Expression = Apply("g", (self._q("z", layer, j),), g.value, layer)
            return self._step("E2", "forward", target, expression, f"Its activation function is {g.name}."), []
        z = example.z[layer]
        if g.name != "softmax":
            whole = Quantity("z", layer, (), z[np.newaxis])
            value, jacobian = g.value, self._example.jacobian
            own = Apply("g", (whole,), lambda at: value(at)[0, j], layer, "", lambda _: jacobian(layer)[j : j + 1])
            return self._step("E2", "forward", target, own, f"{g.name} takes all units of the layer at once."), []
        shift = float(z.max()) if np.abs(z).max() > 500 else 0.0  # e^z must not overflow; a share stays the same

        def power(o: Index) -> Expression:
            z_o: Expression = self._q("z", layer, o)
            if shift:
                z_o = Plus((z_o, Negative(Number(shift, f"{shift:.17g}"))))
            return Apply("exp", (z_o,), np.exp)

        total, named = self._sum("o", np.exp(z - shift), power)
        why = "softmax makes shares of the layer: each e^z over the sum of all."
        return self._step("E2", "forward", target, Quotient(power(j), total), why), named

    def cost(self) -> tuple[Step, list[int]]:
        """(E3) C_i, and the outputs that it names."""
        example, cost = self._example, self._example.plan.cost
        L, target = example.L, Quantity("cost", example.L, (), _known(example.cost))
        if not cost.separable:
            return self._step(
                "E3", "forward", target, costs.whole(example), f"{cost.name} takes all outputs at once."
            ), []

        def term(j: Index) -> Expression:
            return costs.term(cost, self._q("a", L, j), self._q("y", L, j))

        total, named = self._sum("j", costs.terms_of(cost, example.a[L], _known(example.y)), term)
        why = f"The cost is {cost.name}, summed over the outputs."
        return self._step("E3", "forward", target, costs.in_front(cost, total), why), named

    def _cost_derivative(self, k: int) -> Expression:
        """∂C_i/∂a^L_k."""
        example, L = self._example, self._example.L
        if not example.plan.cost.separable:
            return costs.whole_derivative(example, k)
        return costs.derivative(example.plan.cost, self._q("a", L, k), self._q("y", L, k))

    # --- backward ---------------------------------------------------------------------------------------------------
    def _delta_factors(self, layer: int, j: Index) -> tuple[Expression, ...]:
        """δ^ℓ_j as it stands in a formula: a letter, or the product that it is."""
        example = self._example
        if self._is_written_out(layer) and example.slope[layer] is not None and example.da[layer] is not None:
            return self._q("slope", layer, j), self._q("da", layer, j)
        return (self._q("delta", layer, j),)

    def _is_written_out(self, layer: int) -> bool:
        return (
            self._notation.style == "da"
            and self._example.slope[layer] is not None
            and not (layer == self._example.L and self._example.is_matched)
        )

    def slope(self, layer: int, j: int) -> Step:
        """g_ℓ'(z^ℓ_j), the factor of (E5) and (E6)."""
        g = self._example.plan.activation(layer)
        assert not g.coupled
        target = self._q("slope", layer, j)
        expression = Apply("g'", (self._q("z", layer, j),), g.derivative, layer)
        equation = "E5" if layer == self._example.L else "E6"
        return self._step(equation, "backward", target, expression, f"The slope of {g.name} at z.")

    def into_activation(self, layer: int, k: int) -> tuple[Step, list[int]]:
        """(E9), or what (E5) begins with: the objective's derivative in a^ℓ_k, and the units above that it names."""
        example, notation = self._example, self._notation
        kind: Kind = "da" if layer else "dx"
        target = self._q(kind, layer, k)
        if layer == example.L:
            if example.output is not None:
                why = "The output itself is differentiated: its derivative in itself is 1, in the others 0."
                return self._step("E11", "backward", target, Indicator(k, example.output), why), []
            formula = self._cost_derivative(k)
            why = f"The derivative of {example.plan.cost.name} in output {k}."
            return self._step("E5", "backward", target, formula, why), []

        def term(j: Index) -> Expression:
            W = self._q("W", layer + 1, j, k)
            delta = self._delta_factors(layer + 1, j)
            return Product((W, *delta) if notation.into_activation[0] == "W" else (*delta, W))

        values = example.W[layer + 1][k] * example.delta[layer + 1]
        letter = self._letter("above")
        expression, named = self._sum(letter, values, term)
        a_here = Quantity("a", layer, (k,))

        def partials(j: Index) -> Product:
            z_above = Quantity("z", layer + 1, (j,))
            return Product((Partial(self._objective, z_above), Partial(z_above, a_here)))

        chain = _chain(letter, len(values), partials)
        if layer:
            here, above = self._number(layer), self._number(layer + 1)
            why = f"a of unit {k} of layer {here} reaches every unit of layer {above}, by one weight each."
        else:
            why = "The input is an activation and has no g: no slope is multiplied in."
        equation = "E9" if layer or example.output is None else "E11"
        return self._step(equation, "backward", target, expression, why, chain), named

    def delta(self, layer: int, k: int) -> tuple[list[Step], list[int]]:
        """(E5), (E5′), (E6) or (E11): the steps to δ^ℓ_k, and the units of the layer above that they name."""
        example, notation = self._example, self._notation
        slopes = [] if example.slope[layer] is None else [self.slope(layer, k)]
        if layer == example.L and example.is_matched:
            return [self._matched(k)], []
        if example.slope[layer] is None:
            return self._coupled(layer, k)
        if self._is_written_out(layer):
            step, named = self.into_activation(layer, k)
            return [*slopes, step], named
        target = self._q("delta", layer, k)
        direct = Product((Partial(self._objective, Quantity("a", layer, (k,))), _da_dz(layer, k)))
        if notation.style == "both":
            step, named = self.into_activation(layer, k)
            product = Product((self._q("da", layer, k), self._q("slope", layer, k)))
            why = "From a to z: times the slope."
            equation = "E5" if layer == example.L else "E6"
            return [*slopes, step, self._step(equation, "backward", target, product, why, direct)], named
        if layer == example.L:
            return [*slopes, self._output_delta(target, k, direct)], []
        step, named = self._hidden_delta(target, layer, k)
        return [*slopes, step], named

    def _output_delta(self, target: Quantity, k: int, chain: Expression) -> Step:
        example, L = self._example, self._example.L
        slope = self._q("slope", L, k)
        if example.output is not None:
            why = f"δ is the derivative of output {example.output} here; another output's is 0."
            return self._step("E11", "backward", target, Product((Indicator(k, example.output), slope)), why, chain)
        outer = self._cost_derivative(k)
        factors = (*outer.factors, slope) if isinstance(outer, Product) else (outer, slope)
        why = "The cost's derivative in the output, times the slope of its activation."
        return self._step("E5", "backward", target, Product(factors), why, chain)

    def _hidden_delta(self, target: Quantity, layer: int, k: int) -> tuple[Step, list[int]]:
        example, notation = self._example, self._notation
        pattern = notation.backward
        inner = next(part for part in pattern if isinstance(part, tuple))
        slope = self._q("slope", layer, k)

        def term(j: Index) -> Expression:
            found: list[Expression] = []
            for part in inner:
                factors = {
                    "W": (self._q("W", layer + 1, j, k),),
                    "delta": self._delta_factors(layer + 1, j),
                    "slope": (slope,),
                }
                found += factors[part]
            return Product(tuple(found))

        values = example.W[layer + 1][k] * example.delta[layer + 1]
        if "slope" in inner:
            values = values * _known(example.slope[layer])[k]
        letter = self._letter("above")
        total, named = self._sum(letter, values, term)
        expression = total if "slope" in inner else Product((slope, total))
        z_here, a_here = Quantity("z", layer, (k,)), Quantity("a", layer, (k,))
        by_induction, above = example.output is not None, self._number(layer + 1)

        def partials(j: Index) -> Product:
            z_above = Quantity("z", layer + 1, (j,))
            first = Partial(self._objective, z_above)
            if by_induction:
                return Product((first, Partial(z_above, z_here)))
            return Product((first, Partial(z_above, a_here), Partial(a_here, z_here)))

        chain = _chain(letter, len(values), partials)
        why = f"Every path from unit {k} of layer {self._number(layer)} leads through one unit of layer {above}."
        if by_induction:
            why = (
                f"The induction step: δ of layer {above} is known, and z of unit {k} moves every z of layer {above} "
                f"by its weight times its slope."
            )
        equation = "E11" if by_induction else "E6"
        return self._step(equation, "backward", target, expression, why, chain), named

    def _matched(self, k: int) -> Step:
        example, L = self._example, self._example.L
        y = _known(example.y)
        a: Expression = self._q("a", L, k)
        if example.plan.activation(L).coupled and y.sum() != 1:
            total, _ = self._sum("o", y, lambda o: self._q("y", L, o))
            a = Product((a, total))
        expression = Plus((a, Negative(self._q("y", L, k))))
        names = f"{example.plan.activation(L).name} with {example.plan.cost.name}"
        why = f"A matched pair, {names}: the slope cancels against the cost's derivative."
        return self._step("E5′", "backward", self._q("delta", L, k), expression, why)

    def _coupled(self, layer: int, k: int) -> tuple[list[Step], list[int]]:
        """(E5′): through ∂a/∂z of coupled units; the units above that it names."""
        example = self._example
        column = example.jacobian_column(layer, k)
        da = _known(example.da[layer])

        def term(o: Index) -> Expression:
            return Product((self._q("da", layer, o), self._q("dadz", layer, o, k)))

        expression, through = self._sum("o", da * column, term)
        steps: list[Step] = []
        above: list[int] = []
        is_softmax = example.plan.activation(layer).name == "softmax"
        for o in through:
            step, named = self.into_activation(layer, o)
            steps.append(step)
            above += named
            if is_softmax:
                share = Plus((Indicator(o, k), Negative(self._q("a", layer, k))))
                why = "softmax: a share grows with its own z, and shrinks as others grow."
                entry = Product((self._q("a", layer, o), share))
                steps.append(self._step("E5′", "backward", self._q("dadz", layer, o, k), entry, why))
        z_k = Quantity("z", layer, (k,))

        def partials(o: Index) -> Product:
            a_o = Quantity("a", layer, (o,))
            return Product((Partial(self._objective, a_o), Partial(a_o, z_k)))

        chain = _chain("o", len(da), partials)
        why = "The units of this layer are coupled: z of one moves every a."
        equation = "E5′" if layer == example.L else "E6"
        return [*steps, self._step(equation, "backward", self._q("delta", layer, k), expression, why, chain)], above

    # --- gradients --------------------------------------------------------------------------------------------------
    def weight(self, layer: int, j: int, k: int) -> Step:
        """(E7) ∂C_i/∂W^ℓ_jk."""
        parts: dict[Part, tuple[Expression, ...]] = {
            "delta": self._delta_factors(layer, j),
            "a": (self._q("a", layer - 1, k),),
        }
        expression = Product(tuple(factor for part in self._notation.gradient for factor in parts[part]))
        z, W = Quantity("z", layer, (j,)), Quantity("W", layer, (j, k))
        why = f"The weight moves z of unit {j} alone, by the activation that comes through it."
        chain = self._down_to(z, Partial(z, W))
        return self._step("E7", "gradient", self._q("dW", layer, j, k), expression, why, chain)

    def bias(self, layer: int, j: int) -> Step:
        """(E8) ∂C_i/∂b^ℓ_j."""
        z, b = Quantity("z", layer, (j,)), Quantity("b", layer, (j,))
        delta = self._delta_factors(layer, j)
        expression = delta[0] if len(delta) == 1 else Product(delta)
        why = "The bias moves z one for one."
        return self._step("E8", "gradient", self._q("db", layer, j), expression, why, self._down_to(z, Partial(z, b)))

    def _down_to(self, z: Quantity, last: Partial) -> Expression:
        """The chain from the objective to a parameter: by ∂C/∂z, or where δ has no letter by ∂C/∂a ∂a/∂z."""
        assert isinstance(z.layer, int)
        if len(self._delta_factors(z.layer, z.units[0])) == 1:
            return Product((Partial(self._objective, z), last))
        a = Quantity("a", z.layer, z.units)
        return Product((last, Partial(a, z), Partial(self._objective, a)))

    def one_product(self, layer: int) -> Step:
        """(E14): where every layer is one unit, the derivative in W^ℓ as one product of named factors."""
        example = self._example
        factors: list[Expression] = [self._q("a", layer - 1, 0)]
        partials: list[Expression] = [Partial(Quantity("z", layer, (0,)), Quantity("W", layer, (0, 0)))]
        for q in range(layer, example.L + 1):
            z, a = Quantity("z", q, (0,)), Quantity("a", q, (0,))
            if q > layer:
                factors.append(self._q("W", q, 0, 0))
                partials.append(Partial(z, Quantity("a", q - 1, (0,))))
            if q < example.L or not example.is_matched:
                factors.append(self._q("slope", q, 0))
                partials.append(Partial(a, z))
        if example.is_matched:
            factors.append(self._q("delta", example.L, 0))
            partials.append(Partial(self._objective, Quantity("z", example.L, (0,))))
        else:
            factors.append(self._cost_derivative(0))
            partials.append(Partial(self._objective, Quantity("a", example.L, (0,))))
        why = f"One unit a layer: one path, {len(factors)} factors, each with its name."
        target = self._q("dW", layer, 0, 0)
        return self._step("E14", "gradient", target, Product(tuple(factors)), why, Product(tuple(partials)))

    # --- all that a target needs ------------------------------------------------------------------------------------
    def steps(self, target: Target) -> tuple[Step, ...]:
        """Make the steps of a target: forward, then backward, then what was asked for."""
        example, L = self._example, self._example.L
        wanted: dict[int, list[int]] = {layer: [] for layer in range(L + 1)}  # units with a step backward
        seen: dict[int, list[int]] = {layer: [] for layer in range(L + 1)}  # units with steps forward
        last: list[Step] = []
        first = L + 1
        if target.kind in ("W", "b"):
            first = target.layer
            wanted[first] = [target.units[0]]
            if target.kind == "W":
                last = [self.weight(target.layer, target.units[0], target.units[1])]
                seen[first - 1] = [target.units[1]]
                if example.output is None and set(example.plan.sizes) == {1}:
                    last.append(self.one_product(first))
            else:
                last = [self.bias(target.layer, target.units[0])]
        elif target.kind == "delta":
            first = target.layer
            wanted[first] = list(target.units) or sorted(self._largest(example.delta[first]))
        elif target.kind == "x":
            first = 1
            inputs = list(target.units) or sorted(self._largest(_known(example.da[0])))
            for k in inputs:
                step, named = self.into_activation(0, k)
                last.append(step)
                self._add(wanted[1], named)
        backward: dict[int, list[Step]] = {}
        for layer in range(first, L + 1):
            backward[layer] = []
            for k in wanted[layer]:
                steps, named = self.delta(layer, k)
                backward[layer] += steps
                used = dict.fromkeys(unit for step in steps for unit in _here(step, layer))
                seen[layer] += [unit for unit in used if unit not in seen[layer]]
                if layer < L:
                    self._add(wanted[layer + 1], named)
        ends = []
        if example.output is None:
            step, named = self.cost()
            ends.append(step)
            self._add(seen[L], named)
        elif example.output not in seen[L]:
            seen[L].append(example.output)
        ahead = self._forward(seen)
        behind = [step for layer in range(L, first - 1, -1) for step in _once(backward[layer])]
        return (*ahead, *ends, *behind, *last)

    def _forward(self, seen: dict[int, list[int]]) -> list[Step]:
        by_layer: dict[int, list[Step]] = {}
        for layer in range(self._example.L, 0, -1):
            by_layer[layer] = []
            activations = []
            for j in list(seen[layer]):
                step, named = self.activation(layer, j)
                activations.append(step)
                self._add(seen[layer], named)
            for j in sorted(seen[layer]):
                step, named = self.weighted_input(layer, j)
                by_layer[layer].append(step)
                self._add(seen[layer - 1], named)
            by_layer[layer] += sorted(activations, key=lambda step: step.units)
        return [step for layer in sorted(by_layer) for step in by_layer[layer]]

    def _add(self, units: list[int], named: Iterable[int]) -> None:
        """Add units that a sum names, as long as there are fewer than `terms` in the layer."""
        for unit in named:
            if len(units) >= self._terms:
                return
            if unit not in units:
                units.append(unit)

    def _largest(self, values: F) -> list[int]:
        found: list[int] = np.argsort(-np.abs(values), kind="stable")[: self._terms].tolist()
        return found


def _here(step: Step, layer: int) -> list[int]:
    """The units of the layer whose z or a a backward step uses."""
    used = [*quantities(step.expression), step.target]
    return [int(q.units[-1]) for q in used if q.kind in ("z", "a", "slope") and q.layer == layer and q.units]


def _chain(letter: str, n: int, partials: Callable[[Index], Product]) -> Expression:
    """The chain rule through n units, as symbols; through one it is no sum."""
    return Sum(letter, n, partials(letter), ()) if n > 1 else partials(0)


def _once(steps: list[Step]) -> list[Step]:
    """Each step once: units of coupled layers share some."""
    return list({(step.target.kind, step.units): step for step in steps}.values())


def _da_dz(layer: int, k: int) -> Partial:
    return Partial(Quantity("a", layer, (k,)), Quantity("z", layer, (k,)))


def _known(value: Any) -> Any:
    assert value is not None
    return value
