"""What a derivative promises: the change that the gradient predicts, beside the one that comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.explorer.endpoints import PART_AND_ROW, VERSION, Asked, Endpoint
from chainrule.explorer.parameters import ListOf, Parameter, Real
from chainrule.explorer.passes import Pass
from chainrule.explorer.targets import NUDGED, Of, read_of


def _nudge(asked: Asked) -> dict[str, Any]:
    now = asked.now
    of = read_of(now, asked["of"])
    passed = now.row(asked["part"], asked["row"])
    by = np.array(asked["by"])
    derivative, layer, dz = _direction(passed, of)
    with np.errstate(all="ignore"):
        outputs, costs = passed.outputs_from(layer, passed.z[layer] + by[:, np.newaxis] * dz)
        predicted = passed.cost + by * derivative
    return {
        "derivative": derivative,
        "cost": passed.cost,
        "by": by,
        "predicted": predicted,
        "true": costs,
        "outputs_before": passed.a[passed.at.plan.L],
        "outputs_after_last": outputs[-1],
    }


def _direction(passed: Pass, of: Of) -> tuple[float, int, Any]:
    """Give ∂C_i/∂θ of what is nudged, the layer whose z it moves first, and ∂z^ℓ/∂θ, (n_ℓ,)."""
    if of.kind == "x":
        (k,) = of.at
        return float(passed.dx[k]), 1, passed.at.W[1][k]  # (E9)
    layer, j = of.at[:2]
    dz = np.zeros_like(passed.z[layer])
    dz[j] = passed.a[layer - 1][of.at[2]] if of.kind == "W" else 1.0
    return float(passed.delta[layer][j] * dz[j]), layer, dz  # (E7), (E8)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/nudge",
        "Predicted and true cost of a row when a weight, a bias or an input is changed; nothing is kept.",
        _nudge,
        {
            "derivative": "number|null",
            "cost": "number|null",
            "by": "number[]",
            "predicted": "number[]",
            "true": "number[]",
            "outputs_before": "number[]",
            "outputs_after_last": "number[]",
        },
        (
            *PART_AND_ROW,
            Parameter("of", NUDGED, "what is changed: W:layer:j:k, b:layer:j or x:k", required=True),
            Parameter("by", ListOf(Real(), 1, 101), "by how much, one change after the other", required=True),
            VERSION,
        ),
    ),
)
