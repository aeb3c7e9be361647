"""What the tests of the explorer share: a session on a small network, and a client that has the token."""

import warnings

import numpy as np
import pytest

from chainrule import Network
from chainrule.data.labelled import LabelledData
from chainrule.data.readers import read
from chainrule.explorer.material import Material, of_model, untrained
from chainrule.explorer.server import application
from chainrule.explorer.session import Session

with warnings.catch_warnings():
    # starlette 1.x asks for httpx2, which is httpx under another name; older ones know httpx alone
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PORT, TOKEN = 8123, "the-token"


class Explorer:
    """A session behind its application; `get` and `post` give the JSON of an answer that has to be 200."""

    def __init__(self, material, page=None, **offered):
        self.session = Session(material, offered)
        self.app = application(self.session, TOKEN, PORT, **({} if page is None else {"page": page}))
        self.client = TestClient(self.app, base_url=f"http://127.0.0.1:{PORT}", headers={"X-Chainrule-Token": TOKEN})

    @property
    def net(self):
        return self.session.now().net

    def get(self, path, **values):
        response = self.client.get(f"/api/{path}", params=values)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path, **values):
        response = self.client.post(f"/api/{path}", json=values)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path, **values):
        """Status, message and field of a request that is not met."""
        response = self.client.get(f"/api/{path}", params=values)
        return response.status_code, *_said(response)

    def post_refused(self, path, **values):
        response = self.client.post(f"/api/{path}", json=values)
        return response.status_code, *_said(response)


def _said(response):
    error = response.json()["error"]
    assert set(error) == {"message", "field"}
    assert "Traceback" not in error["message"]
    return error["message"], error["field"]


@pytest.fixture
def explore():
    """Make an explorer; its training is ended after the test."""
    made = []

    def make(material=None, **settings):
        material = untrained(read("xor"), [4, 3], "tanh", seed=1) if material is None else material
        made.append(Explorer(material, **settings))
        return made[-1]

    yield make
    for explorer in made:
        explorer.session.trainer.pause()


@pytest.fixture
def xor(explore):
    return explore()


@pytest.fixture
def alone(explore):
    """An explorer of a network that was saved alone, float64, and its rows."""

    def make(net, X, Y):
        data = LabelledData("rows", np.asarray(X, dtype=np.float64), np.asarray(Y))
        material = Material("rows", of_model(net, data), {"test": data, "all": data}, has_pipeline=False)
        return explore(material)

    return make


@pytest.fixture
def deep(alone):
    """A deep network in float64 without a matched pair, one layer without a bias, with five rows."""
    net = Network(
        [5, 7, 6, 3],
        ["silu", "tanh", "logistic"],
        "squared_error",
        bias=[True, False, True],
        dtype="float64",
        seed=3,
    )
    rng = np.random.default_rng(0)
    return alone(net, rng.normal(size=(5, 5)), rng.uniform(size=(5, 3)))
