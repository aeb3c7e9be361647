"""Six hands for one derivation: how each source writes a quantity, in which order, with which transposes and numbers.

A notation changes letters, the order of indices and factors, transposes and the numbers of layers; it changes no value.
Units are counted from 0 in all of them, as 001 and 003 do and `of` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from chainrule.errors import InputError, text, unknown_name
from chainrule.glassbox.derivations.expressions import Index, Quantity


@dataclass(frozen=True)
class Letter:
    """A letter with its marks: δ, "(2)" above, "3" below. `bold` is for vectors, where the source draws them so."""

    base: str
    above: str = ""
    below: str = ""
    primes: int = 0
    bold: bool = False


@dataclass(frozen=True)
class Ratio:
    """∂top/∂bottom."""

    top: Written
    bottom: Written


@dataclass(frozen=True)
class Applied:
    """A function at a place: σ'(z)."""

    function: Letter
    argument: Written


@dataclass(frozen=True)
class Gradient:
    """∇_in of something."""

    of: Written
    within: Letter


Written: TypeAlias = Letter | Ratio | Applied | Gradient

Part: TypeAlias = Literal["W", "a", "slope", "delta", "da"]
Pattern: TypeAlias = tuple["Part | tuple[Part, ...]", ...]
"""The order of factors; those in an inner tuple stand under the sum: ("slope", ("W", "delta")) is g'(z) Σ W δ."""


@dataclass(frozen=True)
class Notation:
    """How one source writes.

    `source_first`: the indices of a weight are (from, to), k before j, and its matrix is 𝒲 rather than W = 𝒲ᵀ.
    `rows`: vectors are rows and stand to the left of matrices. `hadamard` is the sign of the entrywise product; None
    writes diag(·) instead, in a source that has no such sign. `style` says what goes down the layers: δ alone, ∂C/∂a
    and δ by turns (in matrices δ alone), or ∂C/∂a alone, with δ written out as the product that it is.
    """

    name: str
    source: str
    title: str
    weight: str
    weight_matrix: str
    delta: str | None
    function: str
    cost: str
    mark: Literal["plain", "round", "square"]
    hadamard: str | None
    style: Literal["delta", "both", "da"] = "delta"
    first_layer: int = 0
    source_first: bool = False
    rows: bool = False
    bold: bool = False
    function_marks: Literal["none", "above", "below", "unit"] = "none"
    from_z_to_z: bool = False  # the chain rule through a layer as ∂z/∂z, not ∂z/∂a ∂a/∂z
    differentials: bool = False  # dz, da, dΘ: a d before the letter, instead of a ratio
    forward: tuple[Part, ...] = ("W", "a")
    backward: Pattern = (("delta", "W", "slope"),)
    into_activation: tuple[Part, ...] = ("W", "delta")
    gradient: tuple[Part, ...] = ("delta", "a")
    below: str = "k"  # what a sum over the layer below runs over
    above: str = "j"  # the same for the layer above
    shifted: bool = False
    objective: Quantity = field(default_factory=lambda: Quantity("cost", 0))

    def write(self, quantity: Quantity) -> Written:
        """Write a quantity in this hand."""
        layer, units = quantity.layer, quantity.units
        match quantity.kind:
            case "W":
                return self._weight(layer, units)
            case "b":
                return self._letter("b", self._lead(layer), units)
            case "z" | "a":
                return self._letter(quantity.kind, self.layer(layer), units)
            case "y":
                return self._letter("y", None, units)
            case "cost":
                base, _, below = self.cost.partition("_")
                return Letter(base, below=below)
            case "unit":
                return Letter("e", below=_joined(units), bold=self.bold)
            case "slope":
                return Applied(self.function_at(layer, units, primes=1), self.write(Quantity("z", layer, units)))
            case "dadz":
                return Ratio(self._of("a", layer, units[:1]), self._of("z", layer, units[1:]))
            case "delta" if self.delta is not None:
                return self._letter(self.delta, self.layer(layer), units)
            case "delta":
                return self._derivative(Quantity("z", layer, units))
            case "da" if self.differentials:
                return self._letter("da", self.layer(layer), units)
            case "da":
                return self._derivative(Quantity("a", layer, units))
            case "dx" if not units:
                return Gradient(self.write(self.objective), Letter("x"))
            case "dx":
                return self._derivative(Quantity("a", 0, units))
            case "dW" | "db" if self.differentials:
                inner = self.write(Quantity("W" if quantity.kind == "dW" else "b", layer, units))
                assert isinstance(inner, Letter)
                return replace(inner, base=f"d{inner.base}")
            case "dW":
                return self._derivative(Quantity("W", layer, units))
            case "db":
                return self._derivative(Quantity("b", layer, units))

    def function_at(self, layer: Index, units: tuple[Index, ...] = (), primes: int = 0) -> Letter:
        """Write the activation function of a layer."""
        match self.function_marks:
            case "none":
                return Letter(self.function, primes=primes)
            case "below":
                return Letter(self.function, below=self.number(layer), primes=primes)
            case "above":
                return Letter(self.function, self.layer(layer), primes=primes)
            case "unit":
                return Letter(self.function, self.layer(layer), _joined(units), primes=primes)

    def number(self, layer: Index, behind: int = 0) -> str:
        """The number that this notation gives a layer; of a general layer "ℓ", which counts as the notation does."""
        if isinstance(layer, str):
            return layer if not behind else f"{layer}{'+' if behind > 0 else '−'}{abs(behind)}"
        return str(layer + self.first_layer + behind)

    def layer(self, layer: Index, behind: int = 0) -> str:
        """The mark of a layer as it stands above a letter."""
        number = self.number(layer, behind)
        return {"plain": number, "round": f"({number})", "square": f"[{number}]"}[self.mark]

    def order(self, j: Index, k: Index) -> tuple[Index, Index]:
        """Indices of the weight from unit k to unit j in this notation's order."""
        return (k, j) if self.source_first else (j, k)

    def _lead(self, layer: Index) -> str:
        """The mark of what leads into a layer: in the shifted numbering it has that of the layer it leads out of.

        A general weight of layer ℓ is one that leads out of layer ℓ then.
        """
        return self.layer(layer, -1 if self.shifted and not isinstance(layer, str) else 0)

    def _weight(self, layer: Index, units: tuple[Index, ...]) -> Letter:
        if units:
            return Letter(self.weight, self._lead(layer), _joined(self.order(units[0], units[1])))
        return Letter(self.weight_matrix, self._lead(layer))

    def _letter(self, base: str, above: str | None, units: tuple[Index, ...]) -> Letter:
        return Letter(base, above or "", _joined(units), bold=self.bold and not units)

    def _of(self, kind: Literal["a", "z"], layer: Index, units: tuple[Index, ...]) -> Written:
        return self.write(Quantity(kind, layer, units))

    def _derivative(self, bottom: Quantity) -> Ratio:
        return Ratio(self.write(self.objective), self.write(bottom))


def _joined(units: tuple[Index, ...]) -> str:
    """Indices below a letter: "jk" of letters, "3,12" of numbers."""
    return ("" if all(isinstance(unit, str) for unit in units) else ",").join(map(str, units))


NOTATIONS: Mapping[str, Notation] = {
    notation.name: notation
    for notation in (
        Notation(
            "delta", "000", "δ from all paths", "w", "W", "δ", "σ", "C_i", "plain", "⊙",
            below="m", above="k",
        ),
        Notation(
            "theta", "001", "Θ and s, source unit first", "Θ", "Θ", "s", "g", "C_0", "round", ".*",
            source_first=True, function_marks="unit",
            style="both", backward=("slope", "da"), into_activation=("delta", "W"),
        ),
        Notation(
            "dz", "001's end", "dz, da and dΘ", "Θ", "Θ", "dz", "f", "c", "round", ".*",
            style="both", differentials=True, backward=("da", "slope"),
        ),
        Notation(
            "S", "002", "S, row vectors", "W", "W", "S", "g", "C", "round", None,
            source_first=True, rows=True, function_marks="below", from_z_to_z=True,
            forward=("a", "W"), backward=(("delta", "W", "slope"),), into_activation=("delta", "W"),
            gradient=("a", "delta"), below="m", above="k",
        ),
        Notation(
            "nabla", "003", "∇C, every product written out", "w", "W", None, "σ", "C", "round", None,
            style="da", bold=True, function_marks="above", gradient=("a", "delta"), above="m",
        ),
        Notation(
            "input", "004", "layers from 1, the gradient in the input", "w", "W", "δ", "σ", "C", "square", "·",
            first_layer=1, from_z_to_z=True, backward=("slope", ("W", "delta")), above="t",
        ),
    )
}  # fmt: skip


def find(name: Any, shifted: Any = False) -> Notation:
    """Find a notation by its name or its source, "003"; `shifted` is 001's numbering of weights. Raises InputError."""
    by_source = {one.source: one for one in NOTATIONS.values()}
    found = (NOTATIONS.get(name) or by_source.get(name)) if isinstance(name, str) else None
    if found is None:
        raise unknown_name("notation", name, NOTATIONS)
    if not isinstance(shifted, bool):
        hint = "True numbers a weight by the layer that it leads out of."
        raise InputError(text("shifted", expected="True or False", got=repr(shifted), hint=hint))
    return replace(found, shifted=shifted)
