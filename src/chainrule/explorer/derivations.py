"""Derivations of what is clicked, the paths of a weight, and the gradient in the input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivatives import inputs, paths
from chainrule.errors import text
from chainrule.explorer.answers import File, RefusedError, not_there
from chainrule.explorer.endpoints import PART_AND_ROW, Asked, Endpoint
from chainrule.explorer.parameters import Choice, Parameter, Whole, Words
from chainrule.explorer.targets import DERIVED, WEIGHT, read_of
from chainrule.glassbox.derivations.notations import NOTATIONS

if TYPE_CHECKING:
    from chainrule.glassbox.derivations.derivation import Derivation

_PATHS_ADDED_UP = 200_000
_VALUES_AT_MOST = 16384
_OUTPUT = Words(r"cost|[0-9]{1,9}", "cost or 0")
_DERIVATION = (
    *PART_AND_ROW,
    Parameter("of", DERIVED, "what is derived: W:layer:j:k, b:layer:j, delta:layer[:j], x[:k] or cost", required=True),
    Parameter("notation", Choice(tuple(NOTATIONS)), "whose symbols", "delta"),
    Parameter("shifted", Choice(("0", "1")), "1 for 001's shifted layer numbers", "0"),
    Parameter("form", Choice(("units", "matrices")), "unit by unit, or in matrices", "units"),
    Parameter("terms", Whole(1, 100), "so many terms of a sum are written out", 8),
    Parameter("output", _OUTPUT, "of x: the output whose gradient it is; left out or cost: the cost's"),
)
_FORMATS = {"latex": ("tex", "application/x-tex"), "html": ("html", "text/html"), "text": ("txt", "text/plain")}


def _derived(asked: Asked) -> Derivation:
    """Derive what is asked for, or give what was derived for it before."""
    from chainrule.glassbox.derivations.derivation import derive  # imported late: only these two addresses need it

    now, net = asked.now, asked.now.net
    of = read_of(now, asked["of"])
    output: Any = asked["output"]
    if output is None and of.kind == "x":
        output = "cost"  # what /api/units gives as δ of layer 0
    elif output is not None and output != "cost":
        output = _output(asked)
    now.material.check(asked["part"], asked["row"])

    def make() -> Derivation:
        X, Y = now.material.row(asked["part"], asked["row"])
        return derive(
            net,
            X[0],
            Y[0],
            of.argument,
            asked["notation"],
            shifted=asked["shifted"] == "1",
            form=asked["form"],
            terms=asked["terms"],
            output=output,
        )

    return now.once(("derivation", *sorted((name, asked[name]) for name in _NAMES)), make)


_NAMES = [parameter.name for parameter in _DERIVATION]


def _derivation(asked: Asked) -> dict[str, Any]:
    from chainrule.glassbox.writing import html

    derivation = _derived(asked)
    return {
        "value": _number(derivation.value),
        "of": asked["of"],
        "title": derivation.title,
        "notation": asked["notation"],
        "form": asked["form"],
        "definitions_html": html.definitions(derivation),
        "steps": [
            {
                "id": i,
                "equation": step.equation,
                "layer": step.layer,
                "units": step.units,
                "direction": step.direction,
                "kind": step.target.kind,
                "why": step.why,
                "html": html.step(step),
                "value": _number(step.value),
            }
            for i, step in enumerate(derivation.steps)
        ],
    }


def _number(value: Any) -> float | None:
    """A value of one number; None for an array."""
    return float(value) if np.ndim(value) == 0 else None


def _export(asked: Asked) -> File:
    from chainrule.glassbox.writing import html, latex
    from chainrule.glassbox.writing import text as plain

    derivation, to = _derived(asked), asked["to"]
    about = [f"row {asked['row']} of part {asked['part']} of {asked.now.material.name}"]
    match to:
        case "latex":
            content = latex.render(derivation, about)
        case "html":
            content = html.render(derivation, about)
        case _:
            content = plain.render(derivation, about=about)
    ending, media_type = _FORMATS[to]
    name = f"derivation-{asked['of'].replace(':', '-')}-{asked['part']}-{asked['row']}.{ending}"
    return File(content.encode(), name, f"{media_type}; charset=utf-8")


def _paths(asked: Asked) -> dict[str, Any]:
    key = ("paths", asked["part"], asked["row"], asked["of"], asked["k"])
    return asked.now.once(key, lambda: _found_paths(asked))


def _found_paths(asked: Asked) -> dict[str, Any]:
    now, net = asked.now, asked.now.net
    layer, j, k = weight = read_of(now, asked["of"]).weight
    X, Y = now.material.row(asked["part"], asked["row"])
    top = paths.top_paths(net, X[0], Y[0], weight, asked["k"])
    n_paths = math.prod(net.sizes[layer + 1 :])
    total = paths.path_sum(net, X[0], Y[0], weight) if n_paths <= _PATHS_ADDED_UP else None
    passed = now.row(asked["part"], asked["row"])
    count = paths.multiplication_count(net, layer)
    return {
        "paths": [
            {
                "units": path.units,
                "factors": [factor._asdict() for factor in path.factors],
                "value": path.value,
                "share": path.share,
            }
            for path in top
        ],
        "total": None if total is None else total.value,
        "by_dynamic_programming": passed.delta[layer][j] * passed.a[layer - 1][k],
        "n_paths": n_paths,
        "cancellation": None if total is None else total.cancellation,
        "multiplications": count._asdict(),
    }


def _input_gradient(asked: Asked) -> dict[str, Any]:
    now, output = asked.now, asked["output"]
    if output == "cost":
        values = now.row(asked["part"], asked["row"]).dx
    else:
        X, _ = now.material.row(asked["part"], asked["row"])
        values = inputs.input_gradient(now.net, X, _output(asked))[0]
    if len(values) > _VALUES_AT_MOST:
        hint = "Ask /api/units for layer 0, slice by slice."
        message = text("network", expected=f"{_VALUES_AT_MOST:,} inputs at most", got=f"{len(values):,}", hint=hint)
        raise RefusedError(400, message, "output")
    return {"output": output, "values": values, "largest": np.abs(values).max()}


def _output(asked: Asked) -> int:
    n, given = asked.now.net.sizes[-1], int(asked["output"])
    if given >= n:
        raise not_there("output", f"cost or an output 0 to {n - 1}", given, "Outputs are counted from 0.")
    return given


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/derivation",
        "A derivation, step by step, with its numbers; formulas are MathML in HTML.",
        _derivation,
        {
            "value": "number|null",
            "of": "string",
            "title": "string",
            "notation": "string",
            "form": "string",
            "definitions_html": "string",
            "steps": "object[]",
        },
        _DERIVATION,
    ),
    Endpoint(
        "GET",
        "/api/paths",
        "The largest paths of a weight (E12), and the same derivative by dynamic programming (E6), (E7).",
        _paths,
        {
            "paths": "object[]",
            "total": "number|null",
            "by_dynamic_programming": "number|null",
            "n_paths": "integer",
            "cancellation": "number|null",
            "multiplications": "object",
        },
        (
            *PART_AND_ROW,
            Parameter("of", WEIGHT, "the weight, W:layer:j:k", required=True),
            Parameter("k", Whole(1, 100), "how many paths", 10),
        ),
    ),
    Endpoint(
        "GET",
        "/api/input-gradient",
        "The gradient in the input: of the cost (E9), or of one output (E11).",
        _input_gradient,
        {"output": "string", "values": "number[]", "largest": "number|null"},
        (*PART_AND_ROW, Parameter("output", _OUTPUT, "cost, or the number of an output", "cost")),
    ),
    Endpoint(
        "GET",
        "/api/export/derivation",
        "A derivation as a file.",
        _export,
        "text/plain",
        (*_DERIVATION, Parameter("to", Choice(tuple(_FORMATS)), "the kind of file", "latex")),
    ),
)
