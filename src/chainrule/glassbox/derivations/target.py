"""What a derivation is asked for: `of`, as a tuple or as text, read and checked against the network."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Literal

from chainrule.engine.network import Network
from chainrule.errors import InputError, text

TargetKind = Literal["W", "b", "delta", "x", "cost"]
_WRITE = 'Write of=("W", 2, 3, 5) or "W:2:3:5", ("b", 2, 3), ("delta", 2), ("delta", 2, 3), "x", ("x", 7) or "cost".'


@dataclass(frozen=True)
class Target:
    """What is derived: ∂C/∂W^ℓ_jk, ∂C/∂b^ℓ_j, δ^ℓ or δ^ℓ_j, the gradient in x or in x_k, or C."""

    kind: TargetKind
    layer: int = 0
    units: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As --of takes it."""
        layer = [] if self.kind in ("x", "cost") else [self.layer]
        return ":".join(map(str, (self.kind, *layer, *self.units)))


def read_target(net: Network, of: Any) -> Target:
    """Read `of`. Raises InputError for what is no such thing, or a layer or unit that does not exist."""
    parts = of.split(":") if isinstance(of, str) else list(of) if isinstance(of, tuple | list) else []
    kind, numbers = (parts[0], parts[1:]) if parts else (None, [])
    allowed = {"W": (3,), "b": (2,), "delta": (1, 2), "x": (0, 1), "cost": (0,)}
    if not isinstance(kind, str) or kind not in allowed or len(numbers) not in allowed[kind]:
        expected = "a weight, a bias, a δ, the input or the cost"
        raise InputError(text("of", expected=expected, got=repr(of), hint=_WRITE))
    counts = [_whole(number, of) for number in numbers]
    if kind == "cost":
        return Target("cost")
    if kind == "x":
        return Target("x", 0, tuple(_unit(net, 0, k, of) for k in counts))
    layer, units = counts[0], counts[1:]
    if not 1 <= layer <= net.L:
        hint = "Layers are counted from 1; layer 0 is the input."
        raise InputError(text(f"of={of!r}", expected=f"a layer 1 to {net.L}", got=str(layer), hint=hint))
    if kind == "b" and layer not in net.b:
        hint = "A layer made with bias=False has none."
        raise InputError(text(f"of={of!r}", expected="a layer that has a bias", got=f"layer {layer}", hint=hint))
    below = (layer, layer - 1)
    checked = tuple(_unit(net, at, unit, of) for at, unit in zip(below, units, strict=False))
    return Target(kind, layer, checked)  # type: ignore[arg-type] # kind is one of the five


def read_output(net: Network, output: Any, has_target: bool) -> int | None:
    """Read `output`: a number of an output, None for the cost.

    Left out, it is the only output, and of several the cost, where there is a target. Raises InputError.
    """
    if isinstance(output, str) and output == "cost":
        return None
    if output is None and has_target and net.sizes[-1] > 1:
        return None
    if output is None and net.sizes[-1] == 1:
        return 0
    last = net.sizes[-1] - 1
    expected = '0 or "cost"' if last == 0 else f'a whole number 0 to {last}, or "cost"'
    hint = 'Say which output\'s gradient is wanted; "cost" is ∂C/∂x (E9).'
    try:
        o = -1 if isinstance(output, bool) else operator.index(output)
    except TypeError:
        o = -1
    if not 0 <= o <= last:
        raise InputError(text("output", expected=expected, got=repr(output), hint=hint))
    return o


def _whole(number: Any, of: Any) -> int:
    try:
        return int(number) if isinstance(number, str) else operator.index(number)
    except (TypeError, ValueError):
        expected = "whole numbers for layers and units"
        raise InputError(text(f"of={of!r}", expected=expected, got=repr(number), hint=_WRITE)) from None


def _unit(net: Network, layer: int, unit: int, of: Any) -> int:
    if not 0 <= unit < net.sizes[layer]:
        expected = f"a unit 0 to {net.sizes[layer] - 1} of layer {layer}"
        hint = "Units are counted from 0; a weight is (layer, j, k), from unit k of the layer below to unit j."
        raise InputError(text(f"of={of!r}", expected=expected, got=str(unit), hint=hint))
    return unit
