"""Units of a layer: z, a, g' and δ of one row."""

from __future__ import annotations

from typing import Any

from chainrule.explorer.endpoints import LAYER, PART_AND_ROW, Asked, Endpoint
from chainrule.explorer.parameters import Parameter, Whole

UNITS_AT_MOST = 2048


def _units(asked: Asked) -> dict[str, Any]:
    now = asked.now
    layer = now.layer(asked["layer"], least=0)
    passed = now.row(asked["part"], asked["row"])
    start = now.unit("start", layer, asked["start"])
    some = slice(start, start + asked["count"])
    slope = passed.slope(layer) if layer else None
    return {
        "layer": layer,
        "n": now.net.sizes[layer],
        "start": start,
        "a": passed.a[layer][some],
        "z": passed.z[layer][some] if layer else None,
        "slope": None if slope is None else slope[some],
        "delta": (passed.delta[layer] if layer else passed.dx)[some],
    }


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/units",
        "a, z, g′(z) and δ of units of a layer; of layer 0 x and ∂C_i/∂x. Softmax has no g′ of single units.",
        _units,
        {
            "layer": "integer",
            "n": "integer",
            "start": "integer",
            "a": "number[]",
            "z": "number[]|null",
            "slope": "number[]|null",
            "delta": "number[]",
        },
        (
            *PART_AND_ROW,
            LAYER,
            Parameter("start", Whole(), "the first unit", 0),
            Parameter("count", Whole(1, UNITS_AT_MOST), "how many units", UNITS_AT_MOST),
        ),
    ),
)
