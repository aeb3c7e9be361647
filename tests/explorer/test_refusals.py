"""What a request can get wrong: its status, and a text that says what, what was expected, what came, what to do."""

import json

import pytest

from chainrule.explorer import rows

HERE = {"part": "test", "row": 0}
DIGITS = "Write it in digits."


@pytest.mark.parametrize(
    ("path", "values", "status", "message", "field"),
    [
        ("row", {"part": "test", "row": 80}, 404,
         "row: expected a row 0 to 79 of part test of xor, got 80. Rows are counted from 0.", "row"),
        ("row", {"part": "test", "row": -1}, 400,
         f"row: expected a whole number 0 to 2147483647, got -1. {DIGITS}", "row"),
        ("row", {"part": "test", "row": "1.5"}, 400,
         f"row: expected a whole number 0 to 2147483647, got 1.5. {DIGITS}", "row"),
        ("row", {"part": "test", "row": "x"}, 400,
         f"row: expected a whole number 0 to 2147483647, got 'x'. {DIGITS}", "row"),
        ("row", {"part": "best", "row": 0}, 400,
         "part: expected one of test, train, all, got 'best'. Choose one of these.", "part"),
        ("row", {"row": 0}, 400, "part: expected which rows, got nothing. Add part.", "part"),
        ("row", {**HERE, "rwo": 1}, 400,
         "parameters: expected one of part, row, start, count, got 'rwo'. Leave it out.", "parameters"),
        ("row", {**HERE, "count": 4097}, 400,
         f"count: expected a whole number 1 to 4096, got 4097. {DIGITS}", "count"),
        ("units", {**HERE, "layer": 4}, 404,
         "layer: expected a layer 0 to 3, got 4. Layer 0 is the input.", "layer"),
        ("units", {**HERE, "layer": 1, "start": 4}, 404,
         "start: expected a unit 0 to 3 of layer 1, got 4. Units are counted from 0.", "start"),
        ("matrix", {**HERE, "layer": 0}, 404,
         "layer: expected a layer 1 to 3, got 0. Layer 0 is the input, and has neither weights nor δ.", "layer"),
        ("matrix", {**HERE, "layer": 1, "what": "V"}, 400,
         "what: expected one of W, dW, Wdelta, got 'V'. Choose one of these.", "what"),
        ("matrix", {**HERE, "layer": 1, "rows": "3:3"}, 400,
         "rows: expected a range start:stop with start < stop, got '3:3'. 0:40 are the first 40.", "rows"),
        ("matrix", {**HERE, "layer": 1, "rows": "4:9"}, 404,
         "rows: expected a range that begins below 4, got 4:9. Units are counted from 0.", "rows"),
        ("paths", {**HERE, "of": "b:1:0"}, 400,
         "of: expected a text such as W:2:3:5, got 'b:1:0'. Write it in this form.", "of"),
        ("paths", {**HERE, "of": "W:1:4:0"}, 404,
         "of: expected a unit 0 to 3 of layer 1, got 4. Units are counted from 0.", "of"),
        ("paths", {**HERE, "of": "W:1:0:2"}, 404,
         "of: expected a unit 0 to 1 of layer 0, got 2. Units are counted from 0.", "of"),
        ("derivation", {**HERE, "of": "W:9:0:0"}, 404,
         "layer: expected a layer 1 to 3, got 9. Layer 0 is the input, and has neither weights nor δ.", "layer"),
        ("derivation", {**HERE, "of": "cost", "notation": "bar"}, 400,
         "notation: expected one of delta, theta, dz, S, nabla, input, got 'bar'. Choose one of these.", "notation"),
        ("derivation", {**HERE, "of": "x", "output": "2"}, 404,
         "output: expected cost or an output 0 to 1, got 2. Outputs are counted from 0.", "output"),
        ("input-gradient", {**HERE, "output": "2"}, 404,
         "output: expected cost or an output 0 to 1, got 2. Outputs are counted from 0.", "output"),
        ("decision", {"resolution": 1000}, 400,
         f"resolution: expected a whole number 2 to 256, got 1000. {DIGITS}", "resolution"),
    ],
)  # fmt: skip
def test_addresses(xor, path, values, status, message, field):
    assert xor.refused(path, **values) == (status, message, field)


def test_a_parameter_that_stands_there_twice(xor):
    response = xor.client.get("/api/row?part=test&row=0&row=1")
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": "row: expected it once, got it twice. Leave one out.",
        "field": "row",
    }


@pytest.mark.parametrize(
    ("path", "values", "status", "message", "field"),
    [
        ("nudge", {**HERE, "of": "W:1:0:0", "by": []}, 400,
         "by: expected a list of 1 to 101 entries, got 0 of them. Send a JSON list.", "by"),
        ("nudge", {**HERE, "of": "W:1:0:0", "by": 1}, 400,
         "by: expected a list of 1 to 101 entries, got 1. Send a JSON list.", "by"),
        ("nudge", {**HERE, "of": "W:1:0:0", "by": [0.1, "x"]}, 400,
         "by[1]: expected a finite number, got 'x'. Write it as 0.01 or 1e-2.", "by[1]"),
        ("nudge", {**HERE, "of": "cost", "by": [0]}, 400,
         "of: expected a text such as W:2:3:5, b:1:0 or x:12, got 'cost'. Write it in this form.", "of"),
        ("train", {"action": "stop"}, 400,
         "action: expected one of start, pause, batch, epoch, reset, configure, got 'stop'. Choose one of these.", "action"),
        ("train", {"action": "configure", "settings": {"learning_rate": 0}}, 400,
         "learning_rate: expected a finite number > 0, got 0. Write it as 0.01 or 1e-2.", "learning_rate"),
        ("train", {"action": "configure", "settings": {"learning_rate": 10**400}}, 400,
         f"learning_rate: expected a finite number > 0, got {str(10**400)[:60]}. Write it as 0.01 or 1e-2.", "learning_rate"),
        ("train", {"action": "configure", "settings": {"penalty": -1}}, 400,
         "penalty: expected a finite number ≥ 0, got -1. Write it as 0.01 or 1e-2.", "penalty"),
        ("train", {"action": "configure", "settings": 3}, 400,
         'settings: expected an object, got 3. Write {"name": value, …}.', "settings"),
        ("train", {"action": "configure", "settings": {"rate": 3}}, 400,
         "settings: expected one of optimizer, learning_rate, batch_size, seed, epochs, penalty, got 'rate'. Leave it out.",
         "settings"),
        ("train", {"action": "start", "activation": "relu"}, 400,
         "activation: expected the action configure, got start. Send it with the action configure: it makes the network anew.",
         "activation"),
        ("open", {"dataset": "xro"}, 404,
         "unknown dataset: expected one of breast_cancer, circles, diabetes, digits, iris, moons, spiral, wine, xor, got "
         "'xro'. Did you mean xor?", "dataset"),
        ("open", {"dataset": "xor", "hidden": [0]}, 400,
         f"hidden[0]: expected a whole number 1 to 2048, got 0. {DIGITS}", "hidden[0]"),
        ("open", {"dataset": "xor", "hidden": [True]}, 400,
         f"hidden[0]: expected a whole number 1 to 2048, got True. {DIGITS}", "hidden[0]"),
        ("open", {"dataset": "xor", "version": 99}, 409,
         "version: expected 1, the latest, got 99. Another page has changed the network, or training has: look again, then "
         "repeat this.", "version"),
    ],
)  # fmt: skip
def test_bodies(xor, path, values, status, message, field):
    assert xor.post_refused(path, **values) == (status, message, field)
    assert xor.get("state")["version"] == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"action": NaN}', b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json(xor, body):
    response = xor.client.post("/api/train", content=body)
    assert response.status_code == 400
    hint = 'Send an object, such as {"action": "start"}, in UTF-8.'
    assert response.json()["error"] == {
        "message": f"body: expected JSON, got {body[:40]!r}. {hint}",
        "field": "body",
    }


def test_a_name_that_stands_twice_in_a_body(xor):
    for body in (
        '{"action": "configure", "action": "start"}',
        '{"action": "configure", "settings": {"action": 1, "action": 2}}',
    ):
        response = xor.client.post("/api/train", content=body)
        assert response.status_code == 400
        message = "action: expected it once, got it twice. Leave one out."
        assert response.json()["error"] == {"message": message, "field": "action"}
    assert xor.get("state")["training"]["status"] == "idle"


@pytest.mark.parametrize("body", [[], 1, None, "x"])
def test_json_that_is_no_object(xor, body):
    response = xor.client.post("/api/train", content=json.dumps(body))
    assert response.status_code == 400
    assert response.json()["error"]["message"] == (
        f'body: expected an object, got {body!r}. Write {{"name": value, …}}.'
    )


def test_a_whole_number_may_be_written_with_a_point(xor):
    assert (
        xor.post("nudge", part="test", row=1.0, of="b:1:0", by=[0])["cost"]
        == xor.get("row", part="test", row=1)["cost"]
    )


def test_a_layer_without_a_bias_has_none_to_nudge(deep):
    assert deep.post_refused("nudge", part="test", row=0, of="b:2:0", by=[1]) == (
        404,
        "of: expected a layer with a bias, which are: 1, 3, got layer 2. This layer was made with bias=False.",
        "of",
    )


def test_a_part_that_the_data_have_not(deep):
    assert deep.refused("row", part="train", row=0) == (
        404,
        "part: expected test or all, the parts that rows has, got train. all has every row.",
        "part",
    )


def test_a_map_needs_two_inputs(deep):
    assert deep.refused("decision") == (
        400,
        "network: expected 2 inputs for a map, got 5. Open moons, circles, spiral or xor.",
        "resolution",
    )


def test_what_the_library_refuses_is_said_in_its_words(alone):
    import numpy as np

    from chainrule import Network

    net = Network([2, 3, 2], ["softmax", "tanh"])
    status, message, field = alone(net, np.eye(2), np.eye(2)).refused("paths", part="all", row=0, of="W:1:0:0")
    assert (status, field) == (400, None)
    assert message.startswith(
        "weight (1, 0, 0): expected elementwise activations in layers 1 to 1, through which paths"
    )


def test_addresses_and_methods_that_are_not_there(xor):
    response = xor.client.get("/api/rows")
    assert response.status_code == 404
    assert response.json()["error"]["message"] == (
        "address: expected one of the explorer's, got '/api/rows'. GET /api/openapi.json lists them."
    )
    response = xor.client.get("/api/train")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["message"] == ("method: expected POST, got GET. GET /api/openapi.json lists them.")


def test_an_error_of_our_own_is_logged_and_the_server_lives_on(xor, monkeypatch, caplog):
    def fail(now, part):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(rows, "_norms", fail)
    assert xor.refused("largest-gradients", part="test") == (
        500,
        "/api/largest-gradients: expected an answer, got ZeroDivisionError. The traceback is in the terminal where "
        "chainrule explore runs; please report it.",
        None,
    )
    assert "ZeroDivisionError: of ours" in caplog.text
    assert xor.get("state")["version"] == 1


def test_every_answer_carries_the_version(xor):
    for path in ("state", "training", "row?part=test&row=0", "row?part=test&row=9999", "row"):
        assert xor.client.get(f"/api/{path}").headers["x-chainrule-version"] == "1"
    assert xor.client.post("/api/train", json={"action": "batch"}).headers["x-chainrule-version"] == "2"
    assert xor.client.get("/api/state").headers["x-chainrule-version"] == "2"
    assert xor.post_refused("nudge", part="test", row=0, of="b:1:0", by=[1], version=1)[0] == 409
