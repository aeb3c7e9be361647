"""The explorer as its user has it: Debian's chromium on a real server, and every number beside the Python API's.

Each scenario of web/e2e/scenarios is a program in node that clicks, types and reads; what it saw comes back as JSON. Needs
node, chromium, and `npm ci` in src/chainrule/explorer/web; .ci/run has them.
"""

import json
import os
import re
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule.glassbox.derivations.notations import NOTATIONS
from chainrule.glassbox.writing import html, latex, text

pytestmark = pytest.mark.browser
WEB = Path(__file__).parents[2] / "src" / "chainrule" / "explorer" / "web"  # not in an installation
SHOWN = 5e-4  # four significant digits are shown
EXACT = 1e-9  # both sides are float64; sums have another order


class Served:
    """A `chainrule explore` in a process of its own."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "chainrule", "explore", *arguments, "--no-browser"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        self.address = re.search(r"http://\S+", self.process.stdout.readline())[0]
        self.origin, self.token = self.address.split("/?token=")

    def get(self, path):
        request = Request(f"{self.origin}/api/{path}", headers={"X-Chainrule-Token": self.token})
        with urlopen(request, timeout=30) as answer:
            return answer.read()

    def json(self, path):
        return json.loads(self.get(path))

    def row(self, part, row):
        """Inputs and targets of a row, float64."""
        found = self.json(f"row?part={part}&row={row}")
        return np.array([found["inputs"]["values"]]), np.array([found["target"]])

    def net(self, folder):
        """The network that the page shows, from the model file that it offers, in float64."""
        path = folder / "served.chainrule"
        path.write_bytes(self.get("export/model"))
        return in_float64(cr.load(path))

    def play(self, scenario, folder, **asked):
        """Play a scenario to its end, and give what it saw."""
        command = ["node", "e2e/run.mjs", scenario, self.address, str(folder), json.dumps(asked)]
        done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)


def in_float64(net):
    return cr.Network.from_plan(replace(net.plan, dtype="float64"), net.parameters.astype(np.float64))


def shown(words):
    """The number that words end with: −1.2·10⁻³ is −0.0012."""

    def power(found):
        return "e" + found[1].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))

    words = re.sub(r"·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", power, words.replace("−", "-"))
    return float(re.findall(r"-?\d[\d.]*(?:e-?\d+)?", words)[-1])


@pytest.fixture(scope="module")
def server():
    served = Served("xor")
    yield served
    served.end()


@pytest.fixture
def play(server, tmp_path):
    return lambda scenario, **asked: server.play(scenario, tmp_path, **asked)


def refused_only(saw):
    """Chromium writes each refused request into the console; nothing else may be there."""
    return all(complaint.startswith("Failed to load resource") for complaint in saw["complaints"])


def test_open_and_train_xor(server, play, tmp_path):
    saw = play("xor")
    assert saw["places"] == [
        "epoch 0 of 500 · step 0 of 10",
        "epoch 0 of 500 · step 1 of 10",
        "epoch 1 of 500 · step 0 of 10",
    ]
    history = saw["training"]["history"]
    assert saw["training"]["status"] == "done"
    assert len(history["cost"]) == 120
    assert history["cost"][0] == saw["first"]
    # What the chart reads out are the epoch's figures, the last and after Home the first.
    cost, validation = re.fullmatch(r"epoch 120: training (\S+), validation (\S+)", saw["cost"]).groups()
    assert shown(cost) == pytest.approx(history["cost"][-1], rel=SHOWN)
    assert shown(validation) == pytest.approx(history["validation_cost"][-1], rel=SHOWN)
    first = re.fullmatch(r"epoch 1: training (\S+), .*", saw["costAtFirst"])[1]
    assert shown(first) == pytest.approx(history["cost"][0], rel=SHOWN)
    norms = [shown(part) for part in saw["gradients"].split(": ")[1].split(", ")]
    assert norms == pytest.approx(history["gradient_norms"][-1], rel=SHOWN)
    # The network that was trained there: its cost on the test rows is the last validation cost, and it has learnt XOR.
    net = server.net(tmp_path)
    rows = [server.row("test", row) for row in range(80)]
    X, Y = (np.concatenate(column) for column in zip(*rows, strict=True))
    assert net.cost(X, Y) == pytest.approx(history["validation_cost"][-1], rel=1e-4)  # the server's is float32
    assert (net.predict(X).argmax(axis=1) == Y.argmax(axis=1)).mean() >= 0.95
    # The quadrant at the upper left is of one class, its neighbour of the other: blue and orange.
    (left, right) = saw["ground"]
    assert left[2] > left[0]
    assert right[0] > right[2]
    assert saw["complaints"] == []


def test_nudge_predicts_and_measures_what_python_does(server, play, tmp_path):
    layer, j, k = 1, 2, 0
    saw = play("nudge", layer=layer, j=j, k=k)
    net = server.net(tmp_path)
    X, Y = server.row("test", 0)
    cost, derivative = net.cost(X, Y), net.backward(net.forward(X), Y).W[layer][k, j]
    assert saw["derivative"] == pytest.approx(derivative, rel=EXACT)
    assert [one["by"] for one in saw["seen"]] == [0.02, 0.5, 1, -1]
    weight = float(net.W[layer][k, j])
    for one in saw["seen"]:
        assert one["predicted"] == pytest.approx(cost + one["by"] * derivative, rel=EXACT)
        net.W[layer][k, j] = weight + one["by"]
        assert one["true"] == pytest.approx(net.cost(X, Y), rel=EXACT)
        promised, came = one["predicted"] - cost, one["true"] - cost
        share = re.search(r"([\d.]+) % (larger|smaller) than promised", one["words"])
        sign = 1 if share[2] == "larger" else -1
        assert sign * float(share[1]) / 100 == pytest.approx(
            came / promised - 1, abs=6e-3
        )  # whole percents from ten on
    assert [one["spoken"] for one in saw["seen"]] == ["+0.02", "+0.5", "+1", "−1"]
    assert saw["complaints"] == []


def test_rows_input_gradient_and_map_select(play):
    saw = play("panels", row=17)
    assert saw["chosen"] == saw["first"]
    assert abs(saw["beside"] - saw["first"]) == 1
    assert saw["of"] == "x:10"
    assert saw["reading"].startswith("pixel 10 (line 1, column 2): gradient ")
    assert saw["moved"]["part"] == "all"
    assert saw["clicked"] == {"part": "all", "row": "17"}
    assert saw["complaints"] == []


def test_refusals_stand_beside_their_control(play):
    saw = play("refusals")
    assert saw["stepSize"] == "learning_rate: expected a finite number > 0, got -1. Write it as 0.01 or 1e-2."
    assert saw["invalid"] == ["true", "training-learning_rate-fault"]
    assert saw["batchSize"] == "batch size: expected a number, got “many”."
    assert saw["hidden"] == "hidden[1]: expected a whole number 1 to 2048, got 1000000. Write it in digits."
    assert "token: expected the one of this server, got none" in saw["withoutToken"]
    assert saw["after"].startswith("xor 2–2–2")
    assert refused_only(saw)


def test_a_second_window_follows_the_first(play):
    saw = play("windows")
    assert saw["here"] != saw["untrained"]
    assert saw["there"].startswith("target setosa")
    assert saw["complaints"] == []


def test_a_lost_server_is_told_and_the_page_stays(tmp_path):
    served = Served("xor")
    try:
        saw = served.play("lost", tmp_path, server=served.process.pid)
    finally:
        served.end()
    assert saw["notice"].startswith("The server does not answer. Is chainrule explore still running?")
    assert saw["units"] == 2 + 4 + 4 + 2
    assert refused_only(saw)


def test_a_narrow_window_light_and_dark(play):
    saw = play("narrow")
    assert saw["light"]["width"] == saw["dark"]["width"] == 390
    assert saw["light"]["paper"] != saw["dark"]["paper"]
    assert saw["nameless"] == []
    assert saw["complaints"] == []


@pytest.fixture
def derived(server, tmp_path):
    """What cr.derive gives for row 0 of the test rows and the network that the page shows."""

    def derive(of, notation="delta", **settings):
        path = tmp_path / "derived.chainrule"
        path.write_bytes(server.get("export/model"))
        X, Y = server.row("test", 0)
        return cr.derive(cr.load(path), X[0], Y[0], of, notation, **settings)

    return derive


def written(step):
    """What a step says, without its tags."""
    return unescape(re.sub(r"<[^>]+>", "", html.step(step)))


def test_a_clicked_weight_has_the_value_of_the_python_api(server, play, derived, tmp_path):
    weights = [(1, 0, 1), (2, 2, 3), (3, 1, 0)]
    saw = play("weights", weights=weights)
    net = server.net(tmp_path)
    X, Y = server.row("test", 0)
    back = net.backward(net.forward(X), Y)
    for (layer, j, k), one in zip(weights, saw["seen"], strict=True):
        value = back.W[layer][k, j]
        assert one["value"] == pytest.approx(value, rel=EXACT)
        assert shown(one["shown"]) == pytest.approx(value, rel=5e-6)  # six digits
        d = derived(("W", layer, j, k))
        assert one["value"] == d.value
        assert one["steps"] == [written(step) for step in d.steps]
        assert one["title"].lower() == d.title.lower()
        sums = dict(zip(*[iter(one["sums"].split("\n"))] * 2, strict=True))
        by_paths = next(words for name, words in sums.items() if name.startswith("sum over"))
        assert shown(by_paths) == pytest.approx(value, rel=5e-6)
        assert shown(sums["by dynamic programming (E6)"]) == pytest.approx(value, rel=5e-6)
        assert one["lit"] == 1
    assert saw["complaints"] == []


def test_a_notation_changes_every_formula_and_no_value(play, derived):
    saw = play("notations", of="W:1:2:0")
    assert set(saw["seen"]) == set(NOTATIONS)
    for name, one in saw["seen"].items():
        d = derived("W:1:2:0", name)
        assert one["value"] == d.value
        assert one["steps"] == [written(step) for step in d.steps]
    values = {one["value"] for one in saw["seen"].values()}
    assert len(values) == 1
    for say in ("symbols", "definitions"):
        assert len({str(one[say]) for one in saw["seen"].values()}) == len(NOTATIONS)
    last = list(saw["seen"])[-1]
    d = derived("W:1:2:0", last, form="matrices")
    assert saw["matrices"]["steps"] == [written(step) for step in d.steps]
    assert saw["matrices"]["value"] == pytest.approx(values.pop(), rel=EXACT)
    assert saw["complaints"] == []


def test_step_backward_lights_what_the_step_is_about(play, derived):
    saw = play("backward", of="W:1:0:1")
    d = derived("W:1:0:1")
    sizes = (2, 4, 3, 2)
    assert [one["index"] for one in saw["seen"]] == list(reversed(range(len(d.steps))))
    for one in saw["seen"]:
        step = d.steps[one["index"]]
        assert (one["equation"], one["layer"], one["direction"]) == (step.equation, step.layer, step.direction)
        assert one["said"].startswith(f"step {one['index'] + 1} of {len(d.steps)}, {step.direction}, {step.equation}")
        layer, units = step.layer, step.units
        if step.target.kind == "cost":
            layer, units = 3, ()
        if step.target.kind == "dW":
            units = units[:1]  # the weight itself is an edge
        assert one["lit"] == [f"unit-{layer}-{unit}" for unit in (units or range(sizes[layer]))]
    assert saw["complaints"] == []


def test_exports_are_what_the_page_shows(server, play, derived, tmp_path):
    of, notation = "W:2:1:3", "nabla"
    saw = play("exports", of=of, notation=notation)
    d = derived(of, notation)
    read = {ending: (tmp_path / f"exported.{ending}").read_bytes() for ending in saw["names"]}
    assert all(name.endswith(f".{ending}") for ending, name in saw["names"].items())
    about = ["row 0 of part test of xor"]
    assert read["tex"].decode() == latex.render(d, about)
    assert read["html"].decode() == html.render(d, about)
    assert read["txt"].decode() == text.render(d, about=about)
    # The model: the same numbers as on the page, for the row that the page shows.
    net = cr.load(tmp_path / "exported.chainrule")
    X, _ = server.row("test", 0)
    outputs = server.json("row?part=test&row=0")["outputs"]
    assert in_float64(net).predict(X)[0] == pytest.approx(outputs, rel=EXACT)
    # The view: a drawing of its own, with every unit and what is derived, and nothing that is fetched from elsewhere.
    drawing = ElementTree.fromstring(read["svg"])
    tag = "{http://www.w3.org/2000/svg}"
    assert drawing.tag == f"{tag}svg"
    assert len(list(drawing.iter(f"{tag}circle"))) >= 2 + 4 + 3 + 2
    words = " ".join("".join(one.itertext()) for one in drawing.iter(f"{tag}text"))
    assert "xor, test row 0" in words
    assert d.title in words
    assert not re.search(r'(href|src)="(?!#|data:)', read["svg"].decode())
    assert read["png"][:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", read["png"][16:24])
    scale = width / float(drawing.get("width"))
    assert scale >= 1
    assert height == pytest.approx(scale * float(drawing.get("height")), abs=2)
    assert saw["complaints"] == []


def test_everything_by_keys_alone(play, derived):
    saw = play("keyboard")
    layer, j, k = map(int, re.fullmatch(r"weight-(\d+)-(\d+)-(\d+)", saw["weight"][0]).groups())
    assert saw["unit"] == f"unit-1-{j}"
    assert saw["weight"][1].startswith(f"weight from unit {k} of layer {layer - 1} to unit {j} of layer {layer}")
    assert saw["of"] == f"W:{layer}:{j}:{k}" == f"W:1:{j}:1"
    assert saw["count"] == len(derived(saw["of"]).steps)
    assert saw["said"].startswith(f"step {saw['count'] - 1} of {saw['count']}, ")
    assert saw["by"] == 0.02
    assert [stop for stop in saw["stops"] if not stop["name"] or not stop["seen"]] == []
    assert saw["complaints"] == []


def test_a_deep_link_restores_its_view(server, play):
    wanted = {"part": "train", "row": "7", "of": "b:1:2", "notation": "dz", "form": "matrices", "step": "3"}
    saw = play("links", hash="&".join(f"{name}={value}" for name, value in wanted.items()), of="b:1:2", notation="dz")
    assert saw["view"] == saw["back"] == wanted
    assert (saw["row"], saw["pressed"], saw["step"]) == ("7", "true", "3")
    title = server.json("derivation?part=train&row=7&of=b:1:2")["title"]
    assert saw["title"].lower() == title.lower()
    assert saw["complaints"] == []


def test_an_address_that_names_what_is_not_there_is_said(play):
    saw = play("absent", hash="part=test&row=999&of=W:2:3:99")
    assert [line for line in saw["said"][0].splitlines() if len(line) > 1] == [
        "row: expected a row 0 to 79 of part test, got 999. Row 0 is shown.",
        "of: the network 2-4-3-2 has no W:2:3:99. The cost is derived.",
    ]
    assert saw["title"] == "The cost of one example"
    assert (saw["view"].get("of"), saw["view"].get("row")) == (None, None)
    assert saw["typed"] == "row: expected a row 0 to 79 of part test, got 1234. Row 79 is shown."
    assert saw["field"] == "79"
    assert saw["complaints"] == []
