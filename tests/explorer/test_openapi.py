"""The description and the routes are one thing, and what is answered is what is described."""

import json
import re
from pathlib import Path

import pytest

from chainrule.explorer.api import ENDPOINTS
from chainrule.explorer.parameters import Fields

HERE = {"part": "test", "row": 0}
ASKED = {
    "/api/row": HERE,
    "/api/units": {**HERE, "layer": 1},
    "/api/matrix": {**HERE, "layer": 1},
    "/api/edges": {**HERE, "layer": 1},
    "/api/derivation": {**HERE, "of": "W:1:0:1"},
    "/api/paths": {**HERE, "of": "W:1:0:1"},
    "/api/input-gradient": HERE,
    "/api/largest-gradients": {"part": "test"},
    "/api/export/derivation": {**HERE, "of": "cost"},
    "/api/nudge": {**HERE, "of": "b:1:0", "by": [0.1]},
    "/api/open": {"dataset": "moons"},
    "/api/train": {"action": "batch"},
}
TYPES = {
    "integer": int,
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


def conforms(value, schema):
    """JSON Schema as far as the description uses it: type, items, required, properties."""
    kinds = schema.get("type", list(TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    assert any(isinstance(value, TYPES[kind]) for kind in kinds), (value, schema)
    for entry in value if isinstance(value, list) else []:
        conforms(entry, schema.get("items", {}))
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value)
        for name, part in schema.get("properties", {}).items():
            if name in value:
                conforms(value[name], part)


@pytest.fixture
def description(xor):
    return xor.get("openapi.json")


def test_every_route_is_described_and_what_is_described_is_a_route(xor, description):
    described = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    routed = {
        (method, route.path)
        for route in xor.app.routes
        if route.path.startswith("/api")
        for method in route.methods - {"HEAD"}
    }
    assert described == routed
    assert len(described) == len(ENDPOINTS) == 17


def test_it_is_openapi(description):
    assert description["openapi"] == "3.1.0"
    assert set(description["info"]) == {"title", "version", "description"}
    ids = []
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            assert operation["summary"].endswith(".")
            assert set(operation["responses"]) == {"200", "400", "403", "404", "405", "409", "413", "421", "500"}
            assert ("requestBody" in operation) == (method == "post")
            for parameter in operation.get("parameters", []):
                assert set(parameter) == {"name", "in", "required", "description", "schema"}
                assert "enum" in parameter["schema"] or "type" in parameter["schema"], path
    assert len(set(ids)) == len(ids)
    for reference in re.findall(r'"#/([^"]+)"', json.dumps(description)):
        part = description
        for step in reference.split("/"):
            part = part[step]


def test_parameters_are_those_that_are_checked(xor, description):
    """A value outside the described range is refused, and each described name is known."""
    for endpoint in ENDPOINTS:
        operation = description["paths"][endpoint.path][endpoint.method.lower()]
        if endpoint.method == "GET":
            described = {p["name"]: (p["required"], p["schema"]) for p in operation["parameters"]}
        else:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert schema == json.loads(json.dumps(Fields(endpoint.parameters).schema()))
            described = {
                name: (name in schema.get("required", ()), {k: v for k, v in part.items() if k != "description"})
                for name, part in schema["properties"].items()
            }
        declared = {p.name: (p.required, json.loads(json.dumps(p.schema()))) for p in endpoint.parameters}
        assert described == declared
        for name, (_, schema) in described.items():
            values = ASKED.get(endpoint.path, {})
            for wrong in _outside(schema):
                asked = xor.refused if endpoint.method == "GET" else xor.post_refused
                status, message, field = asked(endpoint.path.removeprefix("/api/"), **{**values, name: wrong})
                assert (status, field) == (400, name), (endpoint.path, name, wrong, message)


def _outside(schema):
    if "maximum" in schema:
        return [schema["minimum"] - 1, schema["maximum"] + 1]
    if "enum" in schema or "pattern" in schema:
        return ["\0", "none of them"] if schema.get("examples") != ["xor"] else ["\0"]
    return ["x"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_answers_are_as_described(xor, description, endpoint):
    values = ASKED.get(endpoint.path, {})
    if endpoint.method == "GET":
        response = xor.client.get(endpoint.path, params=values)
    else:
        response = xor.client.post(endpoint.path, json=values)
    assert response.status_code == 200
    answer = description["paths"][endpoint.path][endpoint.method.lower()]["responses"]["200"]
    assert set(answer["headers"]) <= {
        "X-Chainrule-Version",
        "Content-Disposition",
    }
    for header in answer["headers"]:
        assert header in response.headers
    if "application/json" in answer["content"]:
        schema = answer["content"]["application/json"]["schema"]
        conforms(response.json(), schema)
        assert set(response.json()) == set(schema["properties"])


def test_refusals_are_as_described(xor, description):
    response = xor.client.get("/api/row")
    schema = description["components"]["schemas"]["Error"]
    conforms(response.json(), schema)


def test_every_endpoint_stands_in_the_page_of_documentation():
    page = (Path(__file__).parents[2] / "docs/how-to/explore.md").read_text()
    assert re.findall(r"^\| `(GET|POST) (\S+)` \|", page, re.M) == [(e.method, e.path) for e in _in_the_order_of(page)]
    assert len(_in_the_order_of(page)) == len(ENDPOINTS)


def _in_the_order_of(page):
    return sorted(ENDPOINTS, key=lambda endpoint: page.index(f"| `{endpoint.method} {endpoint.path}` |"))
