"""Why one unit is as it is."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.glassbox.diagnosis.findings import delta_equation, held_by_its_bias, saturated_is, slope_name
from chainrule.glassbox.diagnosis.health import LayerHealth


def why(net: Network, layers: Mapping[int, LayerHealth], layer: Any, unit: Any) -> str:
    """Say how one unit fares, and what makes it so. Raises InputError."""
    health, j = _unit(net, layers, layer, unit)
    name = f"unit {j} of layer {health.layer} ({health.activation})"
    between = f"z lies between {health.z_low[j]:.3g} and {health.z_high[j]:.3g} (E1)"
    a_low, a_high = float(health.a_low[j]), float(health.a_high[j])
    a = f"a is {a_low:.3g}" if a_low == a_high else f"a between {a_low:.3g} and {a_high:.3g}"
    facts = f"where {between} and {a} (E2)"
    if health.slope_high is None or health.flat_rows is None:
        said = f"{name}: {between}, {a} (E2). {health.left_out}."
        return said if j not in health.constant else f"{said} It is constant."
    equation = delta_equation(net, health)
    if j in health.dead:
        said = (
            f"{name} is dead: its slope {slope_name(health)} is 0 in all {health.rows:,} rows, {facts}; so δ = 0 "
            f"({equation}), and the weights into it never change (E7)."
        )
        if held_by_its_bias(net, health, j):
            return f"{said} Its bias, {net.b[health.layer][j]:.3g}, alone keeps it there."
        return f"{said}{_below(layers, health)}"
    flat = f"its slope {slope_name(health)} is at most {health.slope_high[j]:.3g}"
    if j in health.saturated:
        often = f"under {health.small_slope:.3g} in {health.flat_rows[j]:,} of {health.rows:,} rows"
        return f"{name} is {saturated_is(health)}: {flat}, and {often}, {facts}; little of δ gets through ({equation})."
    if j in health.constant:
        zero = "; all weights into it are 0" if not net.W[health.layer][:, j].any() else ""
        return f"{name} is constant: {a} in all {health.rows:,} rows (E2){zero}.{_below(layers, health)}"
    return f"{name} is neither dead nor saturated nor constant: {flat}, {facts}."


def _below(layers: Mapping[int, LayerHealth], health: LayerHealth) -> str:
    """Say so where the whole layer below is silent."""
    if health.layer == 1:
        return ""
    below = layers[health.layer - 1]
    silent = len(below.dead) + len(below.constant)
    return (
        f" {silent} of {below.n} units of layer {below.layer}, which it hears, are dead or constant." if silent else ""
    )


def _unit(net: Network, layers: Mapping[int, LayerHealth], layer: Any, unit: Any) -> tuple[LayerHealth, int]:
    try:
        at, j = operator.index(layer), operator.index(unit)
    except TypeError:
        at = j = -1
    if not layers:
        hint = "See overflow: a parameter is not finite."
        raise InputError(text("layer", expected="a diagnosis with layers", got="one without", hint=hint))
    if not 1 <= at <= net.L:
        hint = "Layers are counted from 1; layer 0 is the input."
        raise InputError(text("layer", expected=f"a layer of 1 to {net.L}", got=repr(layer), hint=hint))
    if not 0 <= j < net.sizes[at]:
        expected, hint = f"a unit of 0 to {net.sizes[at] - 1} of layer {at}", "Units are counted from 0."
        raise InputError(text("unit", expected=expected, got=repr(unit), hint=hint))
    return layers[at], j
