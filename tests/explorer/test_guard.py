"""Who is let in: Host, Origin, token, the size of bodies; and the headers of every answer."""

import pytest

HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
USE = "Use the address that chainrule explore has printed."
SEND = "Send it in the header X-Chainrule-Token: it is in the address that chainrule explore has printed."


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "LOCALHOST:8123", "[::1]:8123"])
def test_its_own_hosts_are_let_in(xor, host):
    assert xor.client.get("/api/state", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8123.evil.example", ""])
@pytest.mark.parametrize("path", ["/api/state", "/", "/assets/explorer.js"])
def test_another_host_is_not(xor, host, path):
    """A page whose name is made to point here (DNS rebinding) has that name as its Host."""
    response = xor.client.get(path, headers={"Host": host}, params={"token": "the-token"})
    assert response.status_code == 421
    expected = "127.0.0.1:8123 or localhost:8123 or [::1]:8123"
    message = f"Host: expected {expected}, got {host!r}. Open http://127.0.0.1:8123."
    if path.startswith("/api"):
        assert response.json() == {"error": {"message": message, "field": "Host"}}
    else:
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "Host: expected 127.0.0.1:8123" in response.text


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8123", "http://localhost:8123"])
def test_its_own_origin_is_let_in(xor, origin):
    assert xor.client.get("/api/state", headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1:8123", "http://127.0.0.1:9", "null", ""])
def test_another_origin_is_not(xor, origin):
    response = xor.client.post("/api/train", headers={"Origin": origin}, json={"action": "batch"})
    assert response.status_code == 403
    message = f"Origin: expected http://127.0.0.1:8123, got {origin!r}. Other pages may not ask here."
    assert response.json() == {"error": {"message": message, "field": "Origin"}}
    assert xor.session.now().version == 1


def test_the_api_takes_the_token_in_its_header_alone(xor):
    del xor.client.headers["X-Chainrule-Token"]
    response = xor.client.get("/api/state")
    assert response.status_code == 403
    message = f"token: expected the one of this server, got none. {SEND}"
    assert response.json() == {"error": {"message": message, "field": "X-Chainrule-Token"}}
    for wrong in ("", "the-toke", "the-token ", "thé-token".encode("latin-1")):
        response = xor.client.get("/api/state", headers={"X-Chainrule-Token": wrong})
        assert response.status_code == 403, wrong
        assert response.json()["error"]["message"] == f"token: expected the one of this server, got a wrong one. {SEND}"
    response = xor.client.get("/api/state?token=the-token")
    assert response.status_code == 403
    assert response.json()["error"]["message"] == message
    for path in ("/api/openapi.json", "/api/export/model", "/api", "/api/none"):
        assert xor.client.get(path).status_code == 403, path


def test_the_page_takes_it_in_its_address_alone(xor):
    assert xor.client.get("/?token=the-token").status_code == 200
    assert xor.client.get("/?a=1&token=the-token").status_code == 200
    for query in ("", "?token=", "?token=wrong", "?token=the-token&token=the-token", "?token=%ff"):
        response = xor.client.get(f"/{query}")
        assert response.status_code == 403, query
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert f"expected the one of this server, got {'a wrong one' if query else 'none'}. {USE}" in response.text


def test_assets_need_no_token(xor):
    del xor.client.headers["X-Chainrule-Token"]
    response = xor.client.get("/assets/explorer.js")
    assert response.status_code == 200
    assert "javascript" in response.headers["content-type"]
    assert xor.client.get("/index.html").status_code == 404
    assert xor.client.get("/assets/%2e%2e/%2e%2e/server.py").status_code == 404


@pytest.mark.parametrize(
    "path", ["/?token=the-token", "/", "/assets/explorer.js", "/api/state", "/api/row", "/api/none"]
)
def test_every_answer_has_the_headers_of_security(xor, path):
    response = xor.client.get(path)
    for name, value in HEADERS.items():
        assert response.headers[name] == value
    assert (response.headers.get("cache-control") == "no-store") == path.startswith("/api")


def test_a_body_that_announces_too_much_is_not_read(xor):
    def never():
        raise AssertionError("it was read")
        yield b""

    response = xor.client.post("/api/train", content=never(), headers={"Content-Length": "1000001"})
    assert response.status_code == 413
    message = "body: expected at most 1,000,000 bytes, got 1000001 bytes. Ask for less at a time."
    assert response.json() == {"error": {"message": message, "field": "body"}}


def test_a_body_that_announces_nothing_is_counted(xor):
    response = xor.client.post("/api/train", content=(b"x" * 100_000 for _ in range(11)))
    assert response.status_code == 413
    message = "body: expected at most 1,000,000 bytes, got more than 1,000,000 bytes. Ask for less at a time."
    assert response.json() == {"error": {"message": message, "field": "body"}}
    assert xor.get("state")["version"] == 1


def test_a_body_of_the_limit_is_read(xor):
    body = b'{"action": "batch"' + b" " * (1_000_000 - 19) + b"}"
    assert len(body) == 1_000_000
    assert xor.client.post("/api/train", content=body).status_code == 200


def test_a_page_that_was_not_built_is_said_to_be_missing(explore, tmp_path):
    response = explore(page=tmp_path).client.get("/?token=the-token")
    assert response.status_code == 503
    assert "index.html is missing" in response.text
    assert "npm ci" in response.text


def test_port_80_is_left_out_of_hosts(xor):
    from starlette.testclient import TestClient

    from chainrule.explorer.server import application

    client = TestClient(application(xor.session, "t", 80), headers={"X-Chainrule-Token": "t"})
    assert client.get("/api/state", headers={"Host": "localhost"}).status_code == 200
    assert client.get("/api/state", headers={"Host": "evil.example"}).status_code == 421


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(xor):
    """There is nobody to answer, and nothing to log."""
    import asyncio

    async def leave():
        messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
        sent = []

        async def receive():
            return next(messages)

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"127.0.0.1:8123"), (b"x-chainrule-token", b"the-token")]
        scope = {"type": "http", "method": "POST", "path": "/api/train", "query_string": b"", "headers": headers}
        await xor.client.app(scope, receive, send)
        return sent

    assert asyncio.run(leave())[0]["status"] == 400
    assert xor.get("state")["training"]["status"] == "idle"
