"""The application, and the server that runs it on this machine until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from chainrule.errors import InputError, text
from chainrule.explorer import api
from chainrule.explorer.guard import Guard
from chainrule.explorer.session import Session

PAGE = Path(__file__).parent / "page"
_HOST = "127.0.0.1"
_SECONDS_TO_END = 2
_MISSING = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>chainrule explore</title><h1>chainrule explore</h1>'
    "<p>The page is not in this installation: src/chainrule/explorer/page/index.html is missing. In a clone, build it "
    "with <code>npm ci &amp;&amp; npm run build</code> in src/chainrule/explorer/web. The JSON API under /api works "
    "without it."
    "</p></html>\n"
)


def application(session: Session, token: str, port: int, page: Path = PAGE) -> Starlette:
    """Make the ASGI application: the page, its assets, and the API, behind the guard."""

    async def index(_request: Request) -> Response:
        if not (page / "index.html").is_file():
            return HTMLResponse(_MISSING, 503)
        return FileResponse(page / "index.html", headers={"Cache-Control": "no-cache"})

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message, field = error.detail, "body" if error.status_code == 413 else None
        if error.status_code == 404:
            hint = "GET /api/openapi.json lists them."
            message = text("address", expected="one of the explorer's", got=repr(request.url.path)[:80], hint=hint)
        if error.status_code == 405:
            allowed = ", ".join(sorted((error.headers or {}).get("Allow", "another").split(", ")))
            message = text("method", expected=allowed, got=request.method, hint="GET /api/openapi.json lists them.")
        response = api.refused(error.status_code, message, field)
        response.headers.update(error.headers or {})
        return response

    assets = StaticFiles(directory=page / "assets", check_dir=False)
    return Starlette(
        routes=[Route("/", index), *api.routes(session), Mount("/assets", assets)],
        middleware=[Middleware(Guard, token=token, port=port)],
        exception_handlers={HTTPException: refuse},
    )


def bound(port: int) -> socket.socket:
    """Take a port of this machine, 0 for a free one. Raises InputError where it is in use or not allowed."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left may be taken again
    try:
        listening.bind((_HOST, port))
        listening.listen(128)  # else two servers could bind one port, and the second fail later
    except OSError as error:
        listening.close()
        hint = "Leave --port out to take a free one."
        got = f"{port}: {error.strerror}"
        raise InputError(text("--port", expected="a free port", got=got, hint=hint)) from None
    return listening


def run(session: Session, say: Callable[[str], None], port: int = 0, view: str = "", *, browser: bool = True) -> None:
    """Serve until Ctrl-C or SIGTERM; `say` is given the address, and `view` is what the page shows first.

    Raises InputError for a port that is in use.
    """
    with bound(port) as listening:
        port, token = listening.getsockname()[1], secrets.token_urlsafe(24)
        address = f"http://{_HOST}:{port}/?token={token}{view and f'#{view}'}"
        app = application(session, token, port)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_SECONDS_TO_END,
        )
        say(address)
        if browser:  # the socket listens already; a browser that takes its time doesn't hold the server up
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            pass  # uvicorn has ended its work, and raises what ended it once more
        finally:
            session.trainer.abandon()
