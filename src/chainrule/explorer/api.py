"""All endpoints, and the one way in which each is answered."""

from __future__ import annotations

import logging
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

import chainrule
from chainrule.errors import ChainruleError, text
from chainrule.explorer import (
    decisions,
    derivations,
    exports,
    matrices,
    nudges,
    openapi,
    rows,
    state,
    training,
    units,
)
from chainrule.explorer.answers import File, RefusedError, encoded, error
from chainrule.explorer.endpoints import Asked, Endpoint
from chainrule.explorer.parameters import from_address, from_body
from chainrule.explorer.session import Session

_log = logging.getLogger(__name__)
_JSON = "application/json"
_TOPICS = (state, rows, units, matrices, derivations, nudges, training, decisions, exports)


def _description(_asked: Asked) -> dict[str, Any]:
    return openapi.describe(ENDPOINTS, chainrule.__version__)


ENDPOINTS: tuple[Endpoint, ...] = (
    *(endpoint for topic in _TOPICS for endpoint in topic.ENDPOINTS),
    Endpoint(
        "GET",
        "/api/openapi.json",
        "This description, in OpenAPI 3.1.",
        _description,
        {"openapi": "string", "info": "object", "paths": "object", "components": "object", "security": "object[]"},
    ),
)


def routes(session: Session) -> list[Route]:
    """Make a route of each endpoint."""
    return [_route(endpoint, session) for endpoint in ENDPOINTS]


def _route(endpoint: Endpoint, session: Session) -> Route:
    async def answer(request: Request) -> Response:
        try:
            body = await request.body() if endpoint.method == "POST" else b""
        except ClientDisconnect:  # left in the middle of its body: nobody is there to be answered
            return Response(status_code=400)
        items = request.query_params.multi_items()
        return await run_in_threadpool(_answer, endpoint, session, items, body)

    return Route(endpoint.path, answer, methods=[endpoint.method], name=endpoint.path)


def _answer(endpoint: Endpoint, session: Session, items: list[tuple[str, str]], body: bytes) -> Response:
    """Answer one request, in a thread of its own; whatever goes wrong becomes a message, and the server lives on."""
    now = session.now()
    try:
        if endpoint.method == "POST":
            from_address((), items)
            values = from_body(endpoint.parameters, body)
            session.expect(values["version"])
        else:
            values = from_address(endpoint.parameters, items)
        given = endpoint.answer(Asked(session, now, values))
        response = _written(given)
    except RefusedError as refusal:
        response = refused(refusal.status, str(refusal), refusal.field)
    except ChainruleError as wrong:
        response = refused(400, str(wrong))
    except Exception as unforeseen:  # noqa: BLE001 (logged with its traceback)
        _log.exception("%s %s", endpoint.method, endpoint.path)
        got = f"{type(unforeseen).__name__}"
        hint = "The traceback is in the terminal where chainrule explore runs; please report it."
        response = refused(500, text(endpoint.path, expected="an answer", got=got, hint=hint))
    version = now.version if endpoint.method == "GET" else session.now().version
    response.headers["X-Chainrule-Version"] = str(version)
    return response


def _written(given: Any) -> Response:
    if isinstance(given, File):
        headers = {"Content-Disposition": f'attachment; filename="{given.name}"'}
        return Response(given.content, media_type=given.media_type, headers=headers)
    return Response(encoded(given), media_type=_JSON)


def refused(status: int, message: str, field: str | None = None) -> Response:
    """Make the response of a request that is not met."""
    return Response(error(message, field), status, media_type=_JSON)
