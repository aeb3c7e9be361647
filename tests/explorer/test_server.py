"""The server itself: its port, its start, its end by Ctrl-C; and what can be opened."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from chainrule.data.labelled import LabelledData
from chainrule.data.readers import NAMES, read
from chainrule.errors import InputError
from chainrule.explorer import server
from chainrule.explorer.material import Material, of_model, untrained
from chainrule.explorer.state import NAMED

PROGRAM = """
import sys
from dataclasses import replace
from chainrule.cli.explore import explore
explore(None, None, 2, "train", int(sys.argv[1]), True)
"""


def test_a_port_that_is_in_use():
    with server.bound(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as error:
            server.bound(port)
    assert str(error.value) == (
        f"--port: expected a free port, got {port}: Address already in use. Leave --port out to take a free one."
    )
    server.bound(port).close()  # it is free again


def test_port_0_takes_a_free_one_of_this_machine_alone():
    with server.bound(0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        assert port > 0
        socket.create_connection((host, port), timeout=5).close()


@pytest.mark.parametrize("ends_by", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_answers_and_ends(ends_by):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", PROGRAM, "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            found = re.fullmatch(
                r"chainrule explore: http://127\.0\.0\.1:(\d+)/\?token=([\w-]{32})#part=train&row=2\n",
                process.stdout.readline(),
            )
            assert process.stdout.readline() == "Ctrl-C ends it.\n"
            connection, other = (http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10) for _ in range(2))
            connection.request("GET", "/api/state", headers={"X-Chainrule-Token": found[2]})
            assert json.loads(connection.getresponse().read())["data"]["name"] == "xor"
            connection.request("GET", "/api/state")
            assert connection.getresponse().status == 403
            start = json.dumps({"action": "start"})
            other.request("POST", "/api/train", start, headers={"X-Chainrule-Token": found[2]})
            assert json.loads(other.getresponse().read())["status"] == "running"
            # both connections stay open, and training runs: neither holds the end up
            process.send_signal(ends_by)
            out, err = process.communicate(timeout=10)
        finally:
            process.kill()
            connection.close()
            other.close()
    assert out == ""
    assert "Traceback" not in err
    if ends_by == signal.SIGINT:
        assert err == "chainrule: ended\n"
        assert process.returncode == 0
    else:
        assert process.returncode == -signal.SIGTERM  # what ended it is told to whoever waits


def test_the_address_is_printed_and_opened_in_a_browser(xor, monkeypatch):
    opened, said = [], []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    monkeypatch.setattr(server.uvicorn.Server, "run", lambda self, sockets: None)
    server.run(xor.session, said.append, view="row=3")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}#row=3", said[0])
    assert opened == said
    server.run(xor.session, said.append, browser=False)
    assert len(opened) == 1
    assert said[0].split("token=")[1][:32] not in said[1]  # a token of its own


def test_what_is_offered_is_what_there_is():
    assert {offer["name"] for offer in NAMED} == set(NAMES)
    for offer in NAMED:
        material = untrained(read(offer["name"]), [2], "tanh", 0)
        assert offer == {
            "name": material.name,
            "rows": material.count("all"),
            "inputs": material.pipeline.net.sizes[0],
            "task": material.pipeline.task,
            "plane": material.plane,
        }


def test_named_sets_are_opened_as_their_task_asks(xor):
    state = xor.post("open", dataset="diabetes", hidden=[], activation="relu", seed=0)
    assert state["network"]["sizes"] == [10, 1]
    assert state["network"]["activations"] == ["identity"]
    assert state["network"]["cost"] == "squared_error"
    assert state["data"]["classes"] is None
    assert state["data"]["task"] == "regression"
    assert not state["data"]["plane"]
    values = [xor.get("row", part="train", row=row)["inputs"]["values"] for row in range(353)]
    np.testing.assert_allclose(np.mean(values, axis=0), 0, atol=1e-6)  # standardised on the training rows; float32
    state = xor.post("open", dataset="iris")
    assert state["network"]["sizes"] == [4, 4, 4, 3]
    assert state["data"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert state["data"]["rows"] == {"test": 30, "train": 120, "all": 150}
    assert state["choices"]["notations"][0] == {
        "name": "delta",
        "source": "000",
        "title": state["choices"]["notations"][0]["title"],
    }


def test_what_was_given_at_the_start_can_be_opened_again(explore):
    from chainrule import Network

    rng = np.random.default_rng(0)
    data = LabelledData("mine.npz", rng.normal(size=(9, 2)), np.arange(9) % 3)
    net = Network([2, 5, 3], ["relu", "softmax"], "cross_entropy", dtype="float64")
    material = Material("mine.npz", of_model(net, data), {"all": data, "test": data})
    explorer = explore(material, **{"mine.npz": material})
    assert explorer.get("state")["choices"]["datasets"][0]["name"] == "mine.npz"
    named = explore(material, xor=replace(material, name="xor")).get("state")["choices"]["datasets"]
    assert [offer["name"] for offer in named].count("xor") == 1
    explorer.post("open", dataset="xor")
    state = explorer.post("open", dataset="mine.npz", hidden=[3], activation="elu", seed=1)
    assert state["data"]["name"] == "mine.npz"
    assert state["network"]["sizes"] == [2, 3, 3]
    assert state["network"]["activations"] == ["elu", "softmax"]
    assert state["network"]["dtype"] == "float64"
