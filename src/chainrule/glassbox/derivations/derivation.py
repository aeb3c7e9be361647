"""`cr.derive`: the derivation of one derivative of a network of your own, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine.network import Network, check_network
from chainrule.errors import InputError, is_count, text, unknown_name
from chainrule.glassbox.derivations.definitions import Definition, definitions
from chainrule.glassbox.derivations.example import Example, pass_example
from chainrule.glassbox.derivations.expressions import Quantity
from chainrule.glassbox.derivations.ledger import PathLedger, path_ledger
from chainrule.glassbox.derivations.matrix_form import MatrixForm
from chainrule.glassbox.derivations.notations import Notation, find
from chainrule.glassbox.derivations.numbers import DIGITS, check_digits
from chainrule.glassbox.derivations.steps import Step
from chainrule.glassbox.derivations.target import Target, read_output, read_target
from chainrule.glassbox.derivations.unit_form import UnitForm

Form = Literal["units", "matrices"]
_FORMS: dict[str, type[UnitForm] | type[MatrixForm]] = {"units": UnitForm, "matrices": MatrixForm}


@dataclass(frozen=True, eq=False, repr=False)
class Derivation:
    """A derivation: steps in order, each with its equation, its formula in a notation, its numbers and its value.

    Attributes
    ----------
    of : str
        What is derived, as `--of` takes it: "W:2:3:5".
    value : float or array
        The derivative that was asked for: of a unit a float, of a layer, (n_ℓ,), or of the input, (n_0,), an array.
    steps : tuple of Step
        Forward, then backward, then what was asked for.
    notation : Notation
    form : "units" or "matrices"
    definitions : tuple of Definition
        What the symbols mean in this notation.
    title : str
        What is derived, in words.
    """

    net: Network
    x: NDArray[np.float64]
    y: NDArray[np.float64] | None
    target: Target
    value: float | NDArray[np.float64]
    steps: tuple[Step, ...]
    notation: Notation
    form: Form
    definitions: tuple[Definition, ...]
    title: str

    @property
    def of(self) -> str:
        """What is derived, as `--of` takes it."""
        return str(self.target)

    @cached_property
    def ledger(self) -> PathLedger | None:
        """(E12) beside (E6): the ten largest paths of a weight; None of other targets, or through coupled layers."""
        coupled = (self.net.plan.activation(q).coupled for q in range(self.target.layer, self.net.L))
        if self.target.kind != "W" or any(coupled) or self.y is None:
            return None
        j, k = self.target.units
        weight, hand = (self.target.layer, j, k), self.notation
        return path_ledger(self.net, self.x, self.y, weight, notation=hand.name, shifted=hand.shifted)

    def __repr__(self) -> str:
        return f"Derivation of {self.of} in {self.notation.name}: {self.title}, {len(self.steps)} steps"

    def __str__(self) -> str:
        return self.to_text()

    def to_dict(self) -> dict[str, Any]:
        """Give the derivation as data for JSON."""
        return {
            "of": self.of,
            "title": self.title,
            "notation": self.notation.name,
            "shifted": self.notation.shifted,
            "form": self.form,
            "value": self.value if isinstance(self.value, float) else self.value.tolist(),
            "definitions": [one.to_dict(self.notation) for one in self.definitions],
            "steps": [step.to_dict() for step in self.steps],
            "paths": None if self.ledger is None else self.ledger.to_dict(),
        }

    def to_text(self, colour: bool = False, width: int = 100) -> str:
        """Write it for a terminal."""
        from chainrule.glassbox.writing.text import render

        return render(self, colour=colour, width=width)

    def to_latex(self) -> str:
        """Write it as a LaTeX document, which needs amsmath alone."""
        from chainrule.glassbox.writing.latex import render

        return render(self)

    def to_html(self) -> str:
        """Write it as one HTML page, which needs no network."""
        from chainrule.glassbox.writing.html import render

        return render(self)

    def _repr_html_(self) -> str:
        from chainrule.glassbox.writing.html import fragment

        return fragment(self)


def derive(
    net: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    of: Any = "cost",
    notation: str = "delta",
    *,
    shifted: bool = False,
    form: str = "units",
    terms: int = 8,
    digits: int = DIGITS,
    output: int | str | None = None,
) -> Derivation:
    """Derive one derivative of one example step by step, with its numbers (E1 to E14).

    All numbers come from one forward and one backward run of the reference, in float64 whatever the network's dtype.

    Parameters
    ----------
    net : Network
    x : array (n_0,) or (1, n_0)
    y : the target of x
        A class index, a number, or (n_L,); only the gradient of an output in x needs none.
    of : tuple or str
        ("W", ℓ, j, k), the weight from unit k of layer ℓ − 1 to unit j of layer ℓ (E7); ("b", ℓ, j) (E8);
        ("delta", ℓ) or ("delta", ℓ, j), ∂C_i/∂z^ℓ (E5, E6); "x" or ("x", k), the gradient in the input (E11, E9);
        "cost", C_i (E3). Or the same as text: "W:2:3:5".
    notation : str
        "delta" (000), "theta" (001), "dz" (001's end), "S" (002, row vectors), "nabla" (003), "input" (004, layers
        from 1).
    shifted : bool
        Whether a weight has the number of the layer that it leads out of, as in some textbooks (001).
    form : "units" or "matrices"
        Unit by unit with sums written out, or a layer at once with shapes.
    terms : int ≥ 1
        So many terms of a sum are written out, the largest first, and so many units of a layer are followed.
    digits : int, 2 to 17
        Significant digits of printed numbers.
    output : int or "cost"
        For "x": the output a^L_o that is differentiated (E11), or "cost" for ∂C_i/∂x (E9). None takes the only output,
        and of several the cost, where y is given.

    Returns
    -------
    Derivation

    Raises
    ------
    InputError
        For what the network doesn't have, a bad x or y, or a value that isn't finite.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 2, 1], "logistic", dtype="float64")
    >>> net.parameters = [0.5, -1, 1, 2, 0, 0.5, 1, -2, 0.25]
    >>> found = cr.derive(net, [1.0, 2.0], [1.0], of=("W", 2, 0, 1))
    >>> for step in found.steps[-2:]:
    ...     print(step.equation, step.formula, "=", step.numbers)
    E5 2(a^2_0 − y_0) σ'(z^2_0) = 2 · (0.317078 − 1) · 0.216539
    E7 δ^2_0 a^1_1 = (−0.295759) · 0.970688
    >>> bool(abs(found.value - net.backward(net.forward([[1.0, 2.0]]), [1.0]).W[2][1, 0]) < 1e-15)
    True

    Source: 000 to 004, each in its own notation.
    """
    check_network(net)
    target = read_target(net, of)
    hand = find(notation, shifted)
    if not isinstance(form, str) or form not in _FORMS:
        raise unknown_name("form", form, _FORMS)
    if not is_count(terms):
        hint = "So many terms of each sum are written out."
        raise InputError(text("terms", expected="a whole number ≥ 1", got=repr(terms), hint=hint))
    digits = check_digits(digits)
    if target.kind != "x" and output is not None:
        hint = 'Leave it out, or ask for of="x".'
        raise InputError(text("output", expected='None, unless of="x"', got=repr(output), hint=hint))
    o = read_output(net, output, y is not None) if target.kind == "x" else None
    if hand.function_marks == "none" and len(set(net.activations)) > 1:
        hand = replace(hand, function_marks="above")  # one letter for two functions would say nothing
    example = pass_example(net, x, y, o, with_cost=o is None)
    if o is not None:
        hand = replace(hand, objective=Quantity("a", net.L, (o,), float(example.a[net.L][o])))
    with np.errstate(over="ignore"):  # what comes of it is refused, or is no more than an order of terms
        value = _value(example, target)
        if not np.isfinite(value).all():
            expected, hint = "a derivative that float64 holds", "Scale x, or draw smaller weights."
            raise InputError(text(f"of={str(target)!r}", expected=expected, got="one beyond it", hint=hint))
        steps = _FORMS[form](example, hand, int(terms), digits).steps(target)
    return Derivation(
        net,
        example.a[0],
        example.y,
        target,
        value,
        steps,
        hand,
        form,  # type: ignore[arg-type] # one of the two
        definitions(example, hand, form),
        _title(target, o, hand),
    )


def _value(example: Example, target: Target) -> float | NDArray[np.float64]:
    layer, units = target.layer, target.units
    match target.kind:
        case "cost":
            assert example.cost is not None
            return example.cost
        case "W":
            return float(example.delta[layer][units[0]] * example.a[layer - 1][units[1]])
        case "b":
            return float(example.delta[layer][units[0]])
        case "delta":
            return float(example.delta[layer][units[0]]) if units else example.delta[layer]
        case "x":
            da = example.da[0]
            assert da is not None
            return float(da[units[0]]) if units else da


def _title(target: Target, output: int | None, notation: Notation) -> str:
    layer, below, units = notation.number(target.layer), notation.number(target.layer - 1), target.units
    of = "the cost" if output is None else f"output {output}"
    match target.kind:
        case "cost":
            return "the cost of one example"
        case "W":
            start = f"input {units[1]}" if target.layer == 1 else f"unit {units[1]} of layer {below}"
            return f"the derivative of the cost in the weight from {start} to unit {units[0]} of layer {layer}"
        case "b":
            return f"the derivative of the cost in the bias of unit {units[0]} of layer {layer}"
        case "delta":
            return f"the derivative of the cost in z of {f'unit {units[0]} of ' if units else ''}layer {layer}"
        case "x":
            return f"the derivative of {of} in {f'input {units[0]}' if units else 'the input'}"
