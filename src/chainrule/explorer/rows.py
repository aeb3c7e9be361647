"""Rows: one with its target and answer, and those that pull hardest at the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.per_example import per_example_norms
from chainrule.engine.inputs import row_blocks
from chainrule.explorer.endpoints import PART_AND_ROW, Asked, Endpoint
from chainrule.explorer.material import PARTS, Material
from chainrule.explorer.parameters import Choice, Parameter, Whole
from chainrule.explorer.session import Now

VALUES_AT_MOST = 4096
_ROWS_LOOKED_AT = 10_000
_MULTIPLICATIONS = 50_000_000_000
"""What the search for the largest gradients may take, a second or two, unless that is less than 100 rows."""


def _row(asked: Asked) -> dict[str, Any]:
    now, part, row = asked.now, asked["part"], asked["row"]
    passed = now.row(part, row)
    start = asked["start"]
    raw = now.material.rows(part).take(np.array([row]))
    pipeline = now.material.pipeline
    outputs = passed.a[now.net.L]
    return {
        "part": part,
        "row": row,
        "inputs": {"count": len(passed.x), "start": start, "values": passed.x[start : start + asked["count"]]},
        "features_in_units": _in_units(now.material, raw.X[0]),
        "pixels": None if now.material.image is None else raw.X[0][start : start + asked["count"]],
        "target": passed.y,
        "target_label": _label(now.material, raw.required_labels()[0]),
        "outputs": outputs,
        "predicted_label": _label(now.material, pipeline.answers(outputs[np.newaxis])[0]),
        "cost": passed.cost,
        "gradient_norm": passed.gradient_norm,
    }


def _in_units(material: Material, raw: NDArray[Any]) -> dict[str, Any] | None:
    """Give a row's columns by name as they were read, texts of categories included; None where they have no names."""
    columns = material.parts["all"].columns
    if columns:
        return {
            column.name: None
            if np.isnan(value)
            else value
            if column.levels is None
            else column.levels[int(value)]
            if 0 <= value < len(column.levels)
            else None
            for column, value in zip(columns, raw.tolist(), strict=True)
        }
    names = material.features
    if names is None or len(raw) > VALUES_AT_MOST or material.image is not None:
        return None
    return dict(zip(names, raw.tolist(), strict=True))


def _label(material: Material, label: Any) -> str:
    """Write a class by its name, or a number as it is."""
    classes, pipeline = material.classes, material.pipeline
    if classes is not None:
        found = np.flatnonzero(pipeline.classes == label)
        return classes[int(found[0])] if len(found) else str(label)
    numbers = np.atleast_1d(np.asarray(label, dtype=np.float64))
    return ", ".join(f"{number:.6g}" for number in numbers)


def _largest_gradients(asked: Asked) -> dict[str, Any]:
    now, part = asked.now, asked["part"]
    looked_at, norms = now.once(("norms", part), lambda: _norms(now, part))
    ranked = np.argsort(-np.nan_to_num(norms, nan=np.inf), kind="stable")[: asked["limit"]]
    chosen = looked_at[ranked]
    rows = now.material.rows(part).take(chosen)
    X, targets = now.material.some(part, chosen)
    run = now.net.engine.forward(now.net.plan, now.net.parameters, X)
    costs = now.net.engine.example_costs(now.net.plan, run, targets.rows(slice(None)))
    answers = now.material.pipeline.answers(run.a[now.net.L])
    labels = rows.required_labels()
    return {
        "rows": [
            {
                "row": int(chosen[i]),
                "norm": float(norms[ranked[i]]),
                "label": _label(now.material, labels[i]),
                "predicted": _label(now.material, answers[i]),
                "cost": float(costs[i]),
            }
            for i in range(len(chosen))
        ],
        "rows_looked_at": len(looked_at),
        "rows_in_part": now.material.count(part),
    }


def _norms(now: Now, part: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """‖∇C_i‖ (E36) of a part's rows, of many of them for an even spread that is soon done; and which rows these are."""
    m = len(now.material.rows(part).X)
    most = max(100, min(_ROWS_LOOKED_AT, _MULTIPLICATIONS // (2 * now.net.plan.n_parameters)))
    looked_at = np.unique(np.linspace(0, m - 1, min(m, most)).round()).astype(np.intp)
    norms = np.empty(len(looked_at))
    for block in row_blocks(len(looked_at)):
        X, targets = now.material.some(part, looked_at[block])
        norms[block] = per_example_norms(now.net, X, targets.values)
    return looked_at, norms


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/row",
        "A row: its inputs (a picture's pixels as read, too), its target, the network's answer, its cost and ‖∇C_i‖.",
        _row,
        {
            "part": "string",
            "row": "integer",
            "inputs": "object",
            "features_in_units": "object|null",
            "pixels": "number[]|null",
            "target": "number[]",
            "target_label": "string",
            "outputs": "number[]",
            "predicted_label": "string",
            "cost": "number|null",
            "gradient_norm": "number|null",
        },
        (
            *PART_AND_ROW,
            Parameter("start", Whole(), "the first input", 0),
            Parameter("count", Whole(1, VALUES_AT_MOST), "how many inputs", VALUES_AT_MOST),
        ),
    ),
    Endpoint(
        "GET",
        "/api/largest-gradients",
        "The rows that pull hardest at the parameters, by ‖∇C_i‖ (E36), the largest first.",
        _largest_gradients,
        {"rows": "object[]", "rows_looked_at": "integer", "rows_in_part": "integer"},
        (
            Parameter("part", Choice(PARTS), "which rows", required=True),
            Parameter("limit", Whole(1, 200), "how many rows", 20),
        ),
    ),
)
