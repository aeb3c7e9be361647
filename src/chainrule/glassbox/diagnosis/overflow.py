"""A number that the network's dtype doesn't hold: which it is, what it is made of, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.examples import Examples
from chainrule.engine.plan import Plan
from chainrule.glassbox.diagnosis.health import finite_or_none
from chainrule.glassbox.diagnosis.replay import Beyond, passes

_SCALE_X = "scale the columns of X to about 1"
_SCALE_Y = "scale the columns of Y to about 1"


@dataclass(frozen=True)
class Overflow:
    """The first number of a step, in the order of (E15), whose magnitude passes the largest of the network's dtype.

    Attributes
    ----------
    equation : str
        The equation that gives it, such as "E1".
    symbol : str
        "z", "a", "C_i", "C", "δ", "∂C_i/∂a", "∂C/∂W", "∂C/∂b", "W" or "b".
    layer : int
    unit : int or None
        j of layer ℓ; None for a cost.
    from_unit : int or None
        k of layer ℓ − 1, for a weight or its derivative.
    row : int or None
        The row of X; for what is summed over rows, the one that adds most. None for a parameter.
    value : float
        As float64 has it; infinite or NaN where that doesn't hold it either.
    limit : float
        The largest number of `dtype`. A gradient whose square has to be held too has its root.
    dtype : str
    is_beyond : bool
        Whether `value` is NaN or passes the limit. Where it doesn't, a number on the way to it in `dtype` does.
    epoch, step : int or None
        Of training, counted from 1, where the step was one of `training`.
    parts : mapping from text to float
        What the number is made of: its largest term's factors, or its operands.
    remedy : str
    """

    equation: str
    symbol: str
    layer: int
    unit: int | None
    from_unit: int | None
    row: int | None
    value: float
    limit: float
    dtype: str
    is_beyond: bool
    epoch: int | None = None
    step: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    remedy: str = ""

    @property
    def name(self) -> str:
        """Which number it is: "z of unit 3 of layer 1 in row 17"."""
        if self.from_unit is not None:
            source = "input" if self.layer == 1 else "unit"
            where = f"{self.symbol} of layer {self.layer} from {source} {self.from_unit} to unit {self.unit}"
        elif self.unit is not None:
            where = f"{self.symbol} of unit {self.unit} of layer {self.layer}"
        else:
            where = self.symbol
        if self.row is None:
            return where
        return f"{where}, to which row {self.row} adds most" if self.symbol in _SUMMED else f"{where} in row {self.row}"

    def __str__(self) -> str:
        where = "" if self.step is None else f"epoch {self.epoch}, step {self.step}: "
        if self.is_beyond and np.isfinite(self.value):
            said = f"is {self.value:.3g} in float64, past {self.limit:.3g}, {self._limit_is}"
        elif self.is_beyond:
            said = f"is {self.value}, in float64 too" if self.symbol not in ("W", "b") else f"is {self.value}"
        else:
            said = f"is {self.value:.3g} in float64, but a number on the way to it is past {self._limit_is}"
        made = "".join(
            f"{', ' if i else '; '}{name} = {value:.3g}" for i, (name, value) in enumerate(self.parts.items())
        )
        return f"{where}{self.name} ({self.equation}) {said}{made}"

    @property
    def _limit_is(self) -> str:
        largest = f"the largest number of {self.dtype}"
        return (
            largest
            if self.limit == float(np.finfo(self.dtype).max)
            else f"the root of {largest} (its square is needed)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it, with None for a number that is not finite."""
        parts = {name: finite_or_none(value) for name, value in self.parts.items()}
        return {**vars(self), "value": finite_or_none(self.value), "parts": parts, "name": self.name}


_SUMMED = ("C", "∂C/∂W", "∂C/∂b")


def described(found: Beyond, limit: float, dtype: str) -> Overflow:
    """Name what was found."""
    quantity, index = found.quantity, found.index
    return Overflow(
        quantity.equation,
        quantity.symbol,
        quantity.layer,
        index[-1] if index else None,
        index[0] if len(index) == 2 else None,
        found.row,
        found.value,
        limit,
        dtype,
        not abs(found.value) <= limit,
    )


def explained(overflow: Overflow, wide: Examples, row: int) -> Overflow:
    """Add what the number is made of in one of the rows of `wide`, and a remedy."""
    plan = wide.net.plan
    parts = _parts(overflow, wide, row)
    with_parts = replace(overflow, parts=parts)
    return replace(with_parts, remedy=remedy(with_parts, plan))


def _parts(at: Overflow, wide: Examples, row: int) -> dict[str, float]:
    assert wide.targets is not None
    net, layer, j, k = wide.net, at.layer, at.unit, at.from_unit
    one = replace(wide, X=wide.X[row : row + 1], weights=None)
    one = replace(one, targets=replace(wide.targets, values=wide.targets.values[row : row + 1]))
    (block,) = one.blocks(2**62, 1)
    run, costs, delta = passes(net, block)
    assert block.Y is not None
    a, y = run.a[net.L][0], block.Y[0]
    if at.equation == "E1":
        return _largest_term(f"W^{layer}_{j},{{}}", net.W[layer][:, j], f"a^{layer - 1}_{{}}", run.a[layer - 1][0])
    if at.equation == "E2":
        return {f"z^{layer}_{j}": float(run.z[layer][0, j])}
    if at.equation in ("E3", "E5", "E5′"):
        o = int(np.argmax(np.abs(a - y))) if j is None else j
        return {f"a^{layer}_{o}": float(a[o]), f"y_{o}": float(y[o])}
    if at.equation == "E4":
        return {"C_i": float(costs[0])}
    if at.equation in ("E6", "E9"):
        return _largest_term(f"W^{layer + 1}_{{}},{j}", net.W[layer + 1][j], f"δ^{layer + 1}_{{}}", delta[layer + 1][0])
    if at.equation == "E29":
        return {f"W^{layer}_{j},{k}": float(net.W[layer][k, j])}
    parts = {f"δ^{layer}_{j}": float(delta[layer][0, j])}
    return parts if k is None else {**parts, f"a^{layer - 1}_{k}": float(run.a[layer - 1][0, k])}


def _largest_term(u_name: str, u: NDArray[Any], v_name: str, v: NDArray[Any]) -> dict[str, float]:
    """Name the factors of the largest term of Σ u v."""
    at = int(np.argmax(np.abs(u * v)))
    return {u_name.format(at): float(u[at]), v_name.format(at): float(v[at])}


def remedy(at: Overflow, plan: Plan, learning_rate: float | None = None) -> str:
    """Say what to do, in the names of arguments; in training, the learning rate first."""
    advice = _advice(at, plan)
    if learning_rate is not None:
        advice = f"lower learning_rate, which was {learning_rate:g}" + (f", or {advice}" if advice else "")
    elif at.dtype == "float32" and abs(at.value) < 1e300 and at.symbol not in ("W", "b"):
        advice += ', or make the network with dtype="float64"'
    return f"{advice[0].upper()}{advice[1:]}."


def _advice(at: Overflow, plan: Plan) -> str:
    layer, first, second = at.layer, *[abs(value) for value in (*at.parts.values(), 0.0, 0.0)][:2]
    if at.equation == "E1":
        return _smaller_inputs(layer) if second >= first else _smaller_weights(layer)
    if at.equation == "E2":
        name = plan.activation(layer).name
        return f'{_SCALE_X}, or give layer {layer} another activation than {name}, such as "softplus"'
    if at.equation == "E4":
        return 'make the network with reduction="mean"' if plan.reduction == "sum" else _SCALE_Y
    if at.equation in ("E3", "E5", "E5′"):
        return _SCALE_Y if second >= first else f"{_SCALE_X}, or draw smaller weights"
    if at.equation in ("E6", "E9"):
        return _smaller_weights(layer + 1) if first >= second else _SCALE_Y
    if at.equation == "E7":
        return _smaller_inputs(layer) if second >= first else _SCALE_Y
    if at.equation == "E8":
        return _SCALE_Y
    if at.equation == "E29":
        return "lower penalty"
    return "load the network from a file, or make it anew: these numbers are lost" if not at.step else ""


def _smaller_inputs(layer: int) -> str:
    return _SCALE_X if layer == 1 else f'{_SCALE_X}, or give layer {layer - 1} a bounded activation, such as "tanh"'


def _smaller_weights(layer: int) -> str:
    return f'draw smaller weights for layer {layer}, such as those of initializer="glorot_uniform"'
