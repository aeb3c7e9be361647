"""Who is let in: this machine's own page, with its token. An ASGI middleware in front of everything.

A page of a stranger, open in the same browser, can send requests to 127.0.0.1. It doesn't know the token; the Host
header tells it apart where it has its own name point here (DNS rebinding), and the Origin header where it hasn't.
"""

from __future__ import annotations

import hmac
import html
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chainrule.errors import text
from chainrule.explorer.answers import error

BODY_LIMIT = 1_000_000
TOKEN_HEADER = "X-Chainrule-Token"
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_USE = "Use the address that chainrule explore has printed."
_SEND = f"Send it in the header {TOKEN_HEADER}: it is in the address that chainrule explore has printed."


class Guard:
    """Checks Host, Origin, token and the size of bodies, and adds the headers of security to every answer."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
        if port == 80:
            self._hosts += ["127.0.0.1", "localhost", "[::1]"]  # browsers leave it out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_api = scope["path"].startswith("/api")

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [*_HEADERS, *([(b"cache-control", b"no-store")] if is_api else [])]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, _limited(receive), guarded_send)
            return
        status, message, field = refusal
        content, kind = (
            (error(message, field), b"application/json") if is_api else (_page(message), b"text/html; charset=utf-8")
        )
        headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode()), (b"connection", b"close")]
        await guarded_send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Say why a request is not let in: status, message, and the header that it is about."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        shown = f"http://{self._hosts[0]}"
        host = headers.get("host", [])
        if len(host) != 1 or host[0].lower() not in self._hosts:
            got = repr(", ".join(host))[:80]
            return 421, text("Host", expected=" or ".join(self._hosts), got=got, hint=f"Open {shown}."), "Host"
        for origin in headers.get("origin", []):
            if origin.lower() not in [f"http://{name}" for name in self._hosts]:
                message = text("Origin", expected=shown, got=repr(origin)[:80], hint="Other pages may not ask here.")
                return 403, message, "Origin"
        given = _given(scope, headers)
        if (scope["path"].startswith("/api") or scope["path"] == "/") and not self._is_token(given):
            got = "a wrong one" if given else "none"
            return (
                403,
                text("token", expected="the one of this server", got=got, hint=_SEND if scope["path"] != "/" else _USE),
                TOKEN_HEADER,
            )
        length = headers.get("content-length", ["0"])[0]
        if length.isdecimal() and int(length[:20]) > BODY_LIMIT:
            return 413, _too_large(f"{length[:20]} bytes"), "body"
        return None

    def _is_token(self, given: list[str]) -> bool:
        """Compare in a time that doesn't tell how much of it is right."""
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), self._token)


def _given(scope: Scope, headers: dict[str, list[str]]) -> list[str]:
    """Find the token: the page's in its address, where a browser can have it; the API's in its header."""
    if scope["path"] == "/":
        return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("token", [])
    return headers.get(TOKEN_HEADER.lower(), [])


def _limited(receive: Receive) -> Receive:
    """Count a body while it is read, for its announced length may be missing or wrong."""
    total = 0

    async def limited() -> Message:
        nonlocal total
        message: dict[str, Any] = dict(await receive())
        total += len(message.get("body", b""))
        if total > BODY_LIMIT:
            raise HTTPException(413, _too_large(f"more than {BODY_LIMIT:,} bytes"))
        return message

    return limited


def _too_large(got: str) -> str:
    return text("body", expected=f"at most {BODY_LIMIT:,} bytes", got=got, hint="Ask for less at a time.")


def _page(message: str) -> bytes:
    """Say it on a page of its own, to people who have opened the address by hand."""
    said = html.escape(message)
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>chainrule explore</title>'
    return f"{head}<h1>chainrule explore</h1><p>{said}</p></html>\n".encode()
