"""What is wrong in the layers of a network, in sentences, each with its evidence, its equation and a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.glassbox.diagnosis.health import LayerHealth, finite_or_none, slope_sizes
from chainrule.glassbox.diagnosis.overflow import Overflow
from chainrule.maths.pairs import MATCHED

Kind = Literal["overflow", "no gradient", "vanishing", "exploding", "dead", "saturated", "constant"]

_NAMED = 8
"""So many units are named in a sentence; all of them are in `units`."""

_SMALLER = 'draw smaller weights, such as those of initializer="glorot_uniform"'
_IF_TRAINED = "; if training made them large, lower learning_rate, or give a penalty."

_LARGE_X = 10.0
"""Columns of X that are scaled seldom have numbers beyond this."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind : str
        "overflow", "no gradient", "vanishing", "exploding", "dead", "saturated" or "constant".
    layer : int
        The layer; of δ that vanishes or explodes, the one where it is least or largest.
    units : tuple of int
        All units that it is about, counted from 0; empty for a whole layer.
    equation : str
        Where it shows, such as "E6".
    text : str
        What it is, in a sentence or two.
    evidence : mapping from text to number
    remedy : str
        What to do about it.
    """

    kind: Kind
    layer: int
    units: tuple[int, ...]
    equation: str
    text: str
    evidence: Mapping[str, float]
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it, with None for a number that is not finite."""
        evidence = {name: finite_or_none(value) for name, value in self.evidence.items()}
        return {**vars(self), "units": list(self.units), "evidence": evidence}


def of_overflow(overflow: Overflow, norms: Sequence[float]) -> Finding:
    """Say which number is the first that the dtype doesn't hold; `norms` are those of the gradients before it."""
    grown, evidence = "", {"value": overflow.value, "limit": overflow.limit, **overflow.parts}
    if len(norms) > 1:
        grown = f". ‖∇C‖ went from {norms[0]:.3g} to {norms[-1]:.3g} in the {len(norms)} steps that were taken"
        evidence |= {"first gradient norm": norms[0], "last gradient norm": norms[-1]}
    units = () if overflow.unit is None else (overflow.unit,)
    said = f"{overflow}{grown}."
    return Finding("overflow", overflow.layer, units, overflow.equation, said, evidence, overflow.remedy)


def of_layers(
    net: Network,
    layers: Mapping[int, LayerHealth],
    x_high: NDArray[Any],
    vanishing: float,
    exploding: float,
) -> list[Finding]:
    """Give what is wrong in the layers, the gravest first; x_high, (n_0,), is the largest |x| of each column."""
    found = list(_of_deltas(net, layers, vanishing, exploding))
    found += [finding for layer in layers.values() for finding in _dead(net, layer, x_high)]
    found += [finding for layer in layers.values() for finding in _saturated(net, layer, x_high)]
    return found + [finding for layer in layers.values() for finding in _constant(net, layer)]


# --- δ by layer -----------------------------------------------------------------------------------------------------
def _of_deltas(
    net: Network, layers: Mapping[int, LayerHealth], vanishing: float, exploding: float
) -> Iterator[Finding]:
    L, rms = net.L, {layer: health.rms_delta for layer, health in layers.items()}
    if not all(np.isfinite(one) for one in rms.values()):
        return
    if rms[L] == 0:
        hint = "Either every row is fitted exactly, or the output's units are dead: compare net.cost(X, Y) with 0."
        yield Finding("no gradient", L, (), "E5", f"δ^{L} is 0 in every row: nothing is learned.", {"rms": 0.0}, hint)
        return
    parts = {layer: rms[layer] / rms[L] for layer in range(1, L)}
    fading = [layer for layer, part in parts.items() if part < vanishing]
    growing = [layer for layer, part in parts.items() if part > exploding]
    if fading:
        at, steepest = min(fading, key=rms.__getitem__), min(parts, key=lambda layer: _ratio(layers[layer]))
        advice = _against_vanishing(net, layers, fading)
        yield _of_course("vanishing", f"δ vanishes in {_few(fading, 'layer')}", layers, at, steepest, advice)
    if growing:
        at, steepest = max(growing, key=rms.__getitem__), max(parts, key=lambda layer: _ratio(layers[layer]))
        advice = f"{_SMALLER[0].upper()}{_SMALLER[1:]}{_IF_TRAINED}"
        yield _of_course("exploding", f"δ explodes in {_few(growing, 'layer')}", layers, at, steepest, advice)


def _of_course(
    kind: Kind, begin: str, layers: Mapping[int, LayerHealth], at: int, steepest: int, advice: str
) -> Finding:
    """Say how δ comes from layer L to layer `at`, and where it changes most."""
    L = max(layers)
    low, top, ratio = layers[at].rms_delta, layers[L].rms_delta, _ratio(layers[steepest])
    each = f", a factor of {(low / top) ** (1 / (L - at)):.3g} a layer" if L - at > 1 and low else ""
    said = (
        f"{begin}: its root mean square goes from {top:.3g} in layer {L} to {low:.3g} in layer {at}{each} (E6); the "
        f"steepest step, {ratio:.3g}, is from layer {steepest + 1} to {steepest}."
    )
    evidence = {"rms": low, f"rms of layer {L}": top, "part": low / top, "steepest ratio": ratio, "at layer": steepest}
    return Finding(kind, at, (), "E6", said, evidence, advice)


def _ratio(health: LayerHealth) -> float:
    return 1.0 if health.ratio is None else health.ratio


def _against_vanishing(net: Network, layers: Mapping[int, LayerHealth], some: Sequence[int]) -> str:
    hidden = [layers[layer] for layer in range(1, net.L)]
    flat = [one.layer for one in hidden[: max(some)] if len(one.dead) + len(one.saturated) > one.n / 2]
    if flat:
        return f"Most units of {_few(flat, 'layer')} are dead or saturated: see there."
    shallow = {one.activation for one in hidden if (one.usual_slope or 1.0) < 0.5}
    if shallow:
        names = " and ".join(sorted(shallow))
        return (
            f'The slope of {names} is never near 1: give hidden layers activations="tanh", or "relu" with '
            'initializer="he_uniform", or make the network shallower.'
        )
    return 'Draw larger weights, such as those of initializer="he_uniform", or make the network shallower.'


# --- units ----------------------------------------------------------------------------------------------------------
def _dead(net: Network, health: LayerHealth, x_high: NDArray[Any]) -> Iterator[Finding]:
    if not health.dead:
        return
    units = health.dead
    by_bias = [j for j in units if held_by_its_bias(net, health, j)]
    low, high = (float(of[list(units)].max()) for of in (-health.z_low, health.z_high))
    said = (
        f"{_share(health, units)} dead: {_few(units)}. {slope_name(health)} is 0 in all {health.rows:,} rows, so that "
        f"δ = 0 ({delta_equation(net, health)}) and the weights into them never change (E7). z lies between "
        f"{-low:.3g} and {high:.3g}"
    )
    said += f"; their bias alone keeps {_some(by_bias, units)} there." if by_bias else "."
    if by_bias:
        advice = _against_bias(health, by_bias)
    elif large := _large_column(health, x_high):
        advice = large
    elif health.activation == "relu":
        advice = (
            f'Lower learning_rate if training made them so; else initializer="he_uniform", or "leaky_relu" in '
            f"activations for layer {health.layer}."
        )
    else:
        advice = _against_flat(net, health)
    evidence = {"units": len(units), "z_low": -low, "z_high": high, "held by their bias": len(by_bias)}
    yield Finding("dead", health.layer, units, delta_equation(net, health), said, evidence, advice)


def _saturated(net: Network, health: LayerHealth, x_high: NDArray[Any]) -> Iterator[Finding]:
    if not health.saturated or health.slope_high is None or health.flat_rows is None:
        return
    units = health.saturated
    fewest = int(health.flat_rows[list(units)].min())
    size = max(float(np.abs(of[list(units)]).max()) for of in (health.z_low, health.z_high))
    said = (
        f"{_share(health, units)} {saturated_is(health)}: {_few(units)}. {slope_name(health)} is under "
        f"{health.small_slope:.3g} in at least {fewest:,} of {health.rows:,} rows (its largest for |z| ≤ 1 is "
        f"{health.usual_slope:.3g}), so that little of δ gets through ({delta_equation(net, health)}). |z| reaches "
        f"{size:.3g}."
    )
    by_bias = [j for j in units if held_by_its_bias(net, health, j, health.small_slope or 0.0)]
    said += f" Their bias alone keeps {_some(by_bias, units)} there." if by_bias else ""
    evidence = {"units": len(units), "fewest rows": fewest, "largest |z|": size, "held by their bias": len(by_bias)}
    advice = _against_bias(health, by_bias) if by_bias else _large_column(health, x_high) or _against_flat(net, health)
    yield Finding("saturated", health.layer, units, delta_equation(net, health), said, evidence, advice)


def _constant(net: Network, health: LayerHealth) -> Iterator[Finding]:
    if not health.constant:
        return
    units, layer = health.constant, health.layer
    without = [j for j in units if not net.W[layer][:, j].any()]
    said = (
        f"{_share(health, units)} constant: {_few(units)}. a is the same in all {health.rows:,} rows (E2): "
        "each is a bias to the layer above"
    )
    said += f"; all weights into {_some(without, units)} are 0." if without else "."
    if without:
        advice = 'Draw weights that are not 0, such as those of initializer="glorot_uniform".'
    else:
        advice = (
            "Give columns of X that vary."
            if layer == 1
            else f"Nothing that varies reaches them: see layer {layer - 1}."
        )
    evidence = {"units": len(units), "without weights": len(without)}
    yield Finding("constant", layer, units, "E2", said, evidence, advice)


def held_by_its_bias(net: Network, health: LayerHealth, j: int, small: float = 0.0) -> bool:
    """Whether the slope would be more than small at an end of where z lies, if the bias were 0."""
    g = net.plan.activation(health.layer)
    if health.layer not in net.b or g.coupled:
        return False
    b = float(net.b[health.layer][j])
    ends = np.asarray([[health.z_low[j] - b, health.z_high[j] - b]], dtype=net.dtype)
    return b != 0 and bool(slope_sizes(g, ends).max() > small)


def _against_bias(health: LayerHealth, units: Sequence[int]) -> str:
    which = str(list(units)) if len(units) <= _NAMED else "units"
    return (
        f"Set the bias to 0 where it is the cause, net.b[{health.layer}][{which}] = 0, and lower learning_rate if "
        "training made it so large."
    )


def _large_column(health: LayerHealth, x_high: NDArray[Any]) -> str:
    """Advise to scale X where layer 1 is given columns that aren't."""
    column = int(np.argmax(x_high))
    if health.layer > 1 or not x_high[column] > _LARGE_X:
        return ""
    return f"Scale the columns of X to about 1: |x| reaches {x_high[column]:.3g} in column {column}."


def _against_flat(net: Network, health: LayerHealth) -> str:
    costs = [cost for g, cost in MATCHED if g == health.activation]
    if health.layer == net.L and costs:
        return (
            f'Take cost="{costs[0]}", with which {health.activation} is a matched pair, whose δ has no factor '
            f"g' (E5′); or {_SMALLER}."
        )
    if health.activation == "relu":
        return (
            "They are active in few rows: lower learning_rate if training made them so; else "
            f'initializer="he_uniform", or "leaky_relu" in activations for layer {health.layer}.'
        )
    return f"{_SMALLER[0].upper()}{_SMALLER[1:]}{_IF_TRAINED}"


# --- words ----------------------------------------------------------------------------------------------------------
def table(layers: Mapping[int, LayerHealth]) -> list[str]:
    """Give the layers in aligned columns."""
    if not layers:
        return []
    rows = [("layer", "units", "activation", "dead", "saturated", "constant", "rms of δ", "ratio")]
    for health in layers.values():
        counts = [
            str(len(units)) if looked else "–"
            for units, looked in (
                (health.dead, not health.left_out),
                (health.saturated, not health.left_out),
                (health.constant, True),
            )
        ]
        ratio = "" if health.ratio is None else f"{health.ratio:.3g}"
        first = (str(health.layer), str(health.n), health.activation)
        rows.append((*first, *counts, f"{health.rms_delta:.3g}", ratio))  # type: ignore[arg-type]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  " + "  ".join(
            cell.ljust(width) if column == 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]  # fmt: skip
    return lines + [f"  – {health.left_out}" for health in layers.values() if health.left_out]


def _few(numbers: Sequence[int], what: str = "unit") -> str:
    """Name the first few: "unit 2", "units 2, 5 and 9", "units 0, 1, 2, 3, 4, 5, 6, 7, …"."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    if len(numbers) > _NAMED:
        return f"{what}s {', '.join(map(str, numbers[:_NAMED]))}, …"
    return f"{what}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _some(those: Sequence[int], of: Sequence[int]) -> str:
    return "all of them" if len(of) > 1 and len(those) == len(of) else "it" if len(of) == 1 else f"{len(those)} of them"


def _share(health: LayerHealth, units: Sequence[int]) -> str:
    verb = "is" if len(units) == 1 else "are"
    return f"{len(units)} of {health.n} units of layer {health.layer} ({health.activation}) {verb}"


def slope_name(health: LayerHealth) -> str:
    """Name what stands for the slope of one unit."""
    return "‖∂a/∂z_k‖₂" if health.coupled else "g'(z)"


def saturated_is(health: LayerHealth) -> str:
    """Call a unit whose slope is small in nearly all rows by its name."""
    return "nearly dead" if health.activation == "relu" else "saturated"


def delta_equation(net: Network, health: LayerHealth) -> str:
    """Name the equation in which the slope is a factor of δ^ℓ."""
    if health.layer < net.L:
        return "E6"
    return "E5′" if net.plan.activation(net.L).coupled else "E5"
