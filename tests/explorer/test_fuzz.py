"""Nothing that a request sends ends the server, or makes an error of its own: only 2xx and 4xx, in JSON."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.explorer.api import ENDPOINTS

NAMES = sorted({parameter.name for endpoint in ENDPOINTS for parameter in endpoint.parameters})
LIKELY = ["test", "train", "all", "0", "1", "2", "W", "dW", "W:1:0:1", "b:1:0", "x:1", "x", "cost", "delta:2", "0:3", "-1",
          "1e9", "NaN", "dz", "matrices", "latex"]  # fmt: skip
GETS = [endpoint.path for endpoint in ENDPOINTS if endpoint.method == "GET"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(LIKELY),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner),
    max_leaves=8,
)
FEW = settings(
    max_examples=120,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(response):
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        error = response.json()["error"]
        assert isinstance(error["message"], str)
        assert "Traceback" not in error["message"]
    assert "x-chainrule-version" in response.headers


@FEW
@given(
    path=st.sampled_from(GETS),
    query=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(LIKELY) | st.text(max_size=12), max_size=8),
    part=st.sampled_from(["test", "all"]),
)
def test_addresses(xor, path, query, part):
    check(xor.client.get(path, params={"part": part, "row": "0", "layer": "1", "of": "W:1:0:1", **query}))
    known = {p.name for endpoint in ENDPOINTS if endpoint.path == path for p in endpoint.parameters}
    likely = {"part": part, "row": "0", "layer": "1", "of": "W:1:0:1", **query}
    check(xor.client.get(path, params={name: value for name, value in likely.items() if name in known}))


@FEW
@given(path=st.sampled_from(["nudge", "train", "open"]), body=JSON)
def test_bodies(xor, path, body):
    check(xor.client.post(f"/api/{path}", content=json.dumps(body)))
    if isinstance(body, dict) and body.get("action") not in ("start", "epoch"):
        likely = {"part": "test", "row": 0, "of": "W:1:0:1", "by": [1], "dataset": "xor", "action": "configure"}
        known = {p.name for endpoint in ENDPOINTS if endpoint.path == f"/api/{path}" for p in endpoint.parameters}
        check(
            xor.client.post(
                f"/api/{path}", content=json.dumps({k: v for k, v in {**likely, **body}.items() if k in known})
            )
        )


@pytest.mark.parametrize("body", [b'{"dataset": "\\ud800"}', b'{"dataset": "xor\\u0000"}', b'{"of": "\\ud800"}'])
def test_half_characters(xor, body):
    for path in ("open", "nudge", "train"):
        check(xor.client.post(f"/api/{path}", content=body))


@FEW
@given(body=st.binary(max_size=40))
def test_bytes(xor, body):
    check(xor.client.post("/api/train", content=body))
