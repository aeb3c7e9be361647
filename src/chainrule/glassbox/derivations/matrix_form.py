"""A derivation layer by layer, in matrices with shapes: rows or columns, W or 𝒲, as the notation has them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.glassbox.derivations import costs
from chainrule.glassbox.derivations.example import Example, F, coupling_noise, known
from chainrule.glassbox.derivations.expressions import (
    Apply,
    Diagonal,
    Expression,
    Hadamard,
    Kind,
    MatrixProduct,
    Negative,
    Partial,
    Plus,
    Product,
    Quantity,
    Transposed,
    Value,
)
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.sheet import Sheet
from chainrule.glassbox.derivations.steps import Step
from chainrule.glassbox.derivations.target import Target


class MatrixForm:
    """Makes the steps that one target needs, a whole layer at a time."""

    def __init__(self, example: Example, notation: Notation, terms: int, digits: int) -> None:
        self._example, self._notation = example, notation
        self._sheet = Sheet(example, notation, terms, digits)

    # --- quantities -------------------------------------------------------------------------------------------------
    def _q(self, kind: Kind, layer: int) -> Quantity:
        """A quantity of a whole layer, laid out as the notation lays it out."""
        example = self._example
        match kind:
            case "W":
                value = example.W[layer] if self._notation.source_first else example.W[layer].T
            case "dW":
                outer = np.outer(example.a[layer - 1], example.delta[layer])
                value = outer if self._notation.source_first else outer.T
            case "db":
                value = self._vector(example.delta[layer])
            case "dx":
                value = self._vector(known(example.da[0]))
            case "y":
                value = self._vector(known(example.y))
            case "dadz":
                value = example.jacobian(layer)
            case _:
                by_layer: Any = getattr(example, kind)
                value = self._vector(known(by_layer[layer]))
        return Quantity(kind, layer, (), value)

    def _vector(self, values: F) -> F:
        return values[np.newaxis] if self._notation.rows else values[:, np.newaxis]

    def _through(self, layer: int, vector: Expression, forward: bool) -> MatrixProduct:
        """W times a vector of the layer below, or Wᵀ times one of its own layer, in the notation's layout."""
        notation = self._notation
        W = self._q("W", layer)
        as_it_is = forward if notation.rows or not notation.source_first else not forward
        matrix: Expression = W if as_it_is else Transposed(W)
        return MatrixProduct((vector, matrix) if notation.rows else (matrix, vector))

    def _slowed(self, layer: int, vector: Expression) -> Expression:
        """A vector times the slopes of a layer, entry by entry; as diag(g') where the source has no sign for that."""
        slope, notation = self._q("slope", layer), self._notation
        if notation.hadamard is None:
            factors = vector.factors if isinstance(vector, MatrixProduct) else (vector,)
            diagonal = Diagonal(slope)
            return MatrixProduct((*factors, diagonal) if notation.rows else (diagonal, *factors))
        first = notation.backward[0] == "slope"
        return Hadamard((slope, vector) if first else (vector, slope))

    # --- forward ----------------------------------------------------------------------------------------------------
    def _forward(self) -> list[Step]:
        example, steps = self._example, []
        for layer in example.plan.layers:
            g = example.plan.activation(layer)
            z: Expression = self._through(layer, self._q("a", layer - 1), forward=True)
            if layer in example.b:
                z = Plus((z, self._q("b", layer)))
            why = f"All units of layer {self._notation.number(layer)} at once" + (
                "." if layer in example.b else "; there is no bias."
            )
            steps.append(self._sheet.step("E1", "forward", self._q("z", layer), z, why))
            a = Apply("g", (self._q("z", layer),), g.value, layer)
            if g.coupled:
                a = replace(a, function=self._by_rows(g.value), jacobian=partial(self._jacobian, layer))
            how = "Of the whole layer at once" if g.coupled else "Entry by entry"
            steps.append(self._sheet.step("E2", "forward", self._q("a", layer), a, f"{how}: {g.name}."))
        if example.output is None:
            steps.append(self._cost())
        return steps

    def _jacobian(self, layer: int, _: F) -> F:
        return self._example.jacobian(layer)

    def _by_rows(self, function: Any) -> Any:
        """A function of rows, (1, n), as one of vectors as the notation lays them out."""
        return function if self._notation.rows else lambda of: function(of.T).T

    def _cost(self) -> Step:
        example, cost = self._example, self._example.plan.cost
        target = Quantity("cost", example.L, (), known(example.cost))
        if not cost.separable:
            return self._sheet.step(
                "E3", "forward", target, costs.whole(example), f"The cost, {cost.name}, takes all outputs at once."
            )
        expression, _, why = costs.summed(self._sheet)
        return self._sheet.step("E3", "forward", target, expression, why)

    # --- backward ---------------------------------------------------------------------------------------------------
    def _backward(self, last: int) -> list[Step]:
        """From layer L down to layer `last`: δ, or ∂C/∂a, or both by turns, as the notation has them."""
        steps: list[Step] = []
        for layer in range(self._example.L, last - 1, -1):
            steps += self._of_layer(layer)
        return steps

    def _delta(self, layer: int) -> Expression:
        """δ^ℓ as it stands in a formula: a letter, or the product that it is."""
        return (
            self._slowed(layer, self._q("da", layer)) if self._sheet.is_written_out(layer) else self._q("delta", layer)
        )

    def _of_layer(self, layer: int) -> list[Step]:
        example, notation, L = self._example, self._notation, self._example.L
        target = self._q("delta", layer)
        if layer == L and example.is_matched:
            y = known(example.y)
            a: Expression = self._q("a", L)
            if example.plan.activation(L).coupled and y.sum() != 1:
                total, _ = self._sheet.sum("o", y, lambda o: self._sheet.q("y", L, o))
                a = Product((total, a))
            names = f"{example.plan.activation(L).name} with {example.plan.cost.name}"
            why = f"A matched pair, {names}: the slopes cancel against the cost's derivative."
            return [self._sheet.step("E5′", "backward", target, Plus((a, Negative(self._q("y", L)))), why)]
        steps = []
        slope = example.slope[layer]
        g = example.plan.activation(layer)
        equation = ("E5" if layer == L else "E6") if example.output is None else "E11"
        if slope is not None:
            assert not g.coupled
            of_z = Apply("g'", (self._q("z", layer),), g.derivative, layer)
            why = f"The slopes of {g.name} at z."
            steps.append(self._sheet.step("E5" if layer == L else "E6", "backward", self._q("slope", layer), of_z, why))
        is_output = layer == L and example.output is not None and len(example.a[L]) == 1
        with_da = notation.style == "da" or slope is None or (layer == L and not is_output)
        vector: Expression = self._q("da", layer)
        if with_da:
            steps.append(self._into_activation(layer))
        elif not is_output:
            vector = self._through(layer + 1, self._delta(layer + 1), forward=False)
        if self._sheet.is_written_out(layer):
            return steps
        objective = notation.objective
        z, a_here, above = Quantity("z", layer), Quantity("a", layer), Quantity("z", layer + 1)
        chain: tuple[Partial, ...] = (Partial(objective, a_here), Partial(a_here, z))
        if not with_da and not is_output:
            by_z = (Partial(objective, above), Partial(above, z))
            from_z_to_z = notation.from_z_to_z or example.output is not None
            chain = by_z if from_z_to_z else (by_z[0], Partial(above, a_here), Partial(a_here, z))
        noise: Value = 0.0
        if slope is None:
            jacobian = self._q("dadz", layer)
            entries = example.jacobian(layer)
            noise = self._vector(coupling_noise(known(example.da[layer]), example.a[layer], entries))
            # ∂C/∂z_k = Σ_o ∂C/∂a_o ∂a_o/∂z_k
            product = MatrixProduct((vector, jacobian) if notation.rows else (Transposed(jacobian), vector))
            why = f"The units of the layer are coupled by {g.name}: its full ∂a/∂z."
            found: Expression = product
            equation = "E5′" if layer == L else equation
        elif is_output:
            found, why = self._q("slope", L), "The only output, differentiated in its own z."
        else:
            found = self._slowed(layer, vector)
            why = "From a to z: times the slopes."
            if not with_da:
                why = f"Back through the weights of layer {notation.number(layer + 1)}, then through the slopes."
        return [*steps, self._sheet.step(equation, "backward", target, found, why, Product(chain), noise)]

    def _into_activation(self, layer: int) -> Step:
        """(E9), or what (E5) begins with."""
        example, notation, L = self._example, self._notation, self._example.L
        kind: Kind = "da" if layer else "dx"
        target = self._q(kind, layer)
        if layer == L:
            if example.output is not None:
                one = Quantity("unit", L, (example.output,), target.value)
                why = "The output itself is differentiated: 1 at its own place, 0 elsewhere."
                return self._sheet.step("E11", "backward", target, one, why)
            cost, a, y = example.plan.cost, self._q("a", L), self._q("y", L)
            why = f"The derivative of {cost.name} in each output."
            return self._sheet.step("E5", "backward", target, self._cost_derivative(cost, a, y), why)
        expression = self._through(layer + 1, self._delta(layer + 1), forward=False)
        above, here = Quantity("z", layer + 1), Quantity("a", layer)
        partials: tuple[Partial, ...] = (Partial(notation.objective, above), Partial(above, here))
        if self._sheet.is_written_out(layer + 1):
            a_above = Quantity("a", layer + 1)
            partials = (Partial(above, here), Partial(a_above, above), Partial(notation.objective, a_above))
        chain = Product(partials)
        no_slope = "; the input has no activation function, so that no slope is multiplied in."
        why = "Back through the weights" + ("." if layer else no_slope)
        equation = "E9" if layer or example.output is None else "E11"
        return self._sheet.step(equation, "backward", target, expression, why, chain)

    def _cost_derivative(self, cost: Any, a: Quantity, y: Quantity) -> Expression:
        if cost.name in ("squared_error", "half_squared_error"):
            return costs.derivative(cost, a, y)
        if not cost.separable:
            whole = costs.whole_derivative(self._example)
            return replace(whole, arguments=(a,), function=self._by_rows(whole.function))
        return Apply("named", (a, y), cost.derivative, name=f"{cost.name}'")

    # --- gradients --------------------------------------------------------------------------------------------------
    def _weights(self, layer: int) -> Step:
        """(E7) as an outer product."""
        notation = self._notation
        delta, a = self._delta(layer), self._q("a", layer - 1)
        factors = delta.factors if isinstance(delta, MatrixProduct) else (delta,)
        if notation.rows:
            outer = MatrixProduct((Transposed(a), *factors))
        elif notation.source_first:
            assert isinstance(delta, Quantity)
            outer = MatrixProduct((a, Transposed(delta)))
        else:
            outer = MatrixProduct((*factors, Transposed(a)))
        why = "All weights of the layer at once."
        z, W = Quantity("z", layer), Quantity("W", layer)
        if self._sheet.is_written_out(layer):
            a_here = Quantity("a", layer)
            chain = Product((Partial(a_here, z), Partial(notation.objective, a_here), Partial(z, W)))
        else:
            chain = Product((Partial(notation.objective, z), Partial(z, W)))
        return self._sheet.step("E7", "gradient", self._q("dW", layer), outer, why, chain)

    def steps(self, target: Target) -> tuple[Step, ...]:
        """Make the steps of a target: forward, then backward, then what was asked for."""
        match target.kind:
            case "cost":
                last: list[Step] = []
                down_to = self._example.L + 1
            case "W":
                last, down_to = [self._weights(target.layer)], target.layer
            case "b":
                why = "The biases move z one for one."
                step = self._sheet.step("E8", "gradient", self._q("db", target.layer), self._delta(target.layer), why)
                last, down_to = [step], target.layer
            case "delta":
                last, down_to = [], target.layer
                if self._sheet.is_written_out(target.layer):
                    z, a = Quantity("z", target.layer), Quantity("a", target.layer)
                    chain = Product((Partial(a, z), Partial(self._notation.objective, a)))
                    equation = "E5" if target.layer == self._example.L else "E6"
                    found, why = self._delta(target.layer), "From a to z: times the slopes."
                    last = [self._sheet.step(equation, "backward", self._q("delta", target.layer), found, why, chain)]
            case "x":
                last, down_to = [self._into_activation(0)], 1
        return (*self._forward(), *self._backward(down_to), *last)
