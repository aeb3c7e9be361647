"""The API described in OpenAPI 3.1, from the declarations that its requests are checked by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chainrule.explorer.answers import STATUSES
from chainrule.explorer.endpoints import Endpoint
from chainrule.explorer.parameters import Fields

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "field"],
            "properties": {"message": {"type": "string"}, "field": {"type": ["string", "null"]}},
        }
    },
}
_VERSION_HEADER = {
    "description": "grows whenever network, data or parameters change",
    "schema": {"type": "integer"},
}


def describe(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """Describe the endpoints; `version` is the package's."""
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chainrule explore",
            "version": version,
            "description": "The numbers of one network and its data, for the page of `chainrule explore`. Layers and "
            "units are the network's own: layer 0 is the input, units are counted from 0. A number that JSON can't "
            "write, NaN or infinite, is null.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Chainrule-Token"}},
            "schemas": {"Error": _ERROR},
            "headers": {"Version": _VERSION_HEADER},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.path.removeprefix("/api/").replace("/", "_").replace(".", "_").replace("-", "_"),
        "responses": {"200": _answer(endpoint)}
        | {str(status): _refusal(about) for status, about in STATUSES.items() if status != 200},
    }
    if endpoint.method == "GET":
        described["parameters"] = [
            {
                "name": parameter.name,
                "in": "query",
                "required": parameter.required,
                "description": parameter.about,
                "schema": parameter.schema(),
            }
            for parameter in endpoint.parameters
        ]
    else:
        content = {"application/json": {"schema": Fields(endpoint.parameters).schema()}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    headers = {"X-Chainrule-Version": {"$ref": "#/components/headers/Version"}}
    if isinstance(endpoint.returns, str):
        headers["Content-Disposition"] = {"schema": {"type": "string"}}  # type: ignore[dict-item]
        return {"description": "the file", "headers": headers, "content": {endpoint.returns: {"schema": {}}}}
    properties = {name: _schema(kind) for name, kind in endpoint.returns.items()}
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"description": "the answer", "headers": headers, "content": {"application/json": {"schema": schema}}}


def _schema(kind: str) -> dict[str, Any]:
    """Turn "number[]|null" into JSON Schema; numbers in an array may be null."""
    kind, _, null = kind.partition("|")
    if kind.endswith("[]"):
        entry = kind.removesuffix("[]")
        schema: dict[str, Any] = {
            "type": "array",
            "items": {"type": ["number", "null"] if entry == "number" else entry},
        }
    else:
        schema = {"type": kind}
    return {"type": [schema.pop("type"), "null"], **schema} if null else schema


def _refusal(about: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": about, "content": {"application/json": {"schema": schema}}}
