"""Every number of the API is the Python API's (E1 to E12, E36)."""

import numpy as np
import pytest

from chainrule import Network
from chainrule import derivatives as d
from chainrule.data.labelled import LabelledData
from chainrule.data.readers import read
from chainrule.explorer.material import Material, of_model, untrained

ALIKE = {"rtol": 1e-12, "atol": 1e-14}  # two orders of the same few sums in float64


def row_of(explorer, part="test", row=2):
    """The reference's passes of a row, in float64."""
    X, Y = explorer.session.now().material.row(part, row)
    net = explorer.net
    reference = Network.from_plan(_in_float64(net.plan), net.parameters.astype(np.float64), "reference")
    run = reference.forward(X)
    return reference, X, Y, run, reference.backward(run, Y)


def _in_float64(plan):
    from dataclasses import replace

    return replace(plan, dtype="float64")


@pytest.mark.parametrize("which", ["xor", "deep"])
def test_units_are_those_of_forward_and_backward(which, request):
    explorer = request.getfixturevalue(which)
    net, X, _, run, back = row_of(explorer)
    for layer in range(net.L + 1):
        found = explorer.get("units", part="test", row=2, layer=layer)
        assert (found["layer"], found["n"], found["start"]) == (layer, net.sizes[layer], 0)
        np.testing.assert_allclose(found["a"], run.a[layer][0], **ALIKE)
        if layer == 0:
            assert found["z"] is None
            assert found["slope"] is None
            np.testing.assert_allclose(found["delta"], back.x[0], **ALIKE)  # (E9)
            continue
        np.testing.assert_allclose(found["z"], run.z[layer][0], **ALIKE)  # (E1)
        np.testing.assert_allclose(found["delta"], back.delta[layer][0], **ALIKE)  # (E5), (E6)
        g = net.plan.activation(layer)
        if g.coupled:
            assert found["slope"] is None
        else:
            np.testing.assert_allclose(found["slope"], g.derivative(run.z[layer][0]), **ALIKE)


def test_units_come_in_slices(deep):
    whole = deep.get("units", part="all", row=0, layer=1)
    some = deep.get("units", part="all", row=0, layer=1, start=3, count=2)
    assert some["start"] == 3
    assert some["n"] == 7
    assert some["a"] == whole["a"][3:5]
    assert some["delta"] == whole["delta"][3:5]


def test_a_row_has_its_inputs_its_target_and_its_answer(xor):
    net, X, Y, run, back = row_of(xor)
    found = xor.get("row", part="test", row=2)
    data = xor.session.now().material.parts["test"]
    assert found["inputs"] == {"count": 2, "start": 0, "values": X[0].astype(float).tolist()}
    assert found["features_in_units"] == {"x1": data.X[2, 0], "x2": data.X[2, 1]}
    assert found["target"] == Y[0].tolist()
    assert found["target_label"] == str(data.labels[2])
    np.testing.assert_allclose(found["outputs"], run.a[net.L][0], **ALIKE)
    assert found["predicted_label"] == str(run.a[net.L][0].argmax())
    np.testing.assert_allclose(found["cost"], back.cost, **ALIKE)  # (E3)
    np.testing.assert_allclose(found["gradient_norm"], np.linalg.norm(back.flat), rtol=1e-12)  # (E36): rounding alone


def test_the_norm_leaves_out_what_has_no_bias(deep):
    back = row_of(deep)[-1]
    norm = deep.get("row", part="test", row=2)["gradient_norm"]
    np.testing.assert_allclose(norm, np.linalg.norm(back.flat), rtol=1e-12)  # rounding alone


def test_inputs_come_in_slices(deep):
    whole = deep.get("row", part="test", row=1)["inputs"]
    some = deep.get("row", part="test", row=1, start=1, count=2)["inputs"]
    assert some == {"count": 5, "start": 1, "values": whole["values"][1:3]}


def entries(explorer, what, layer):
    """W, ∂C_i/∂W and W δ, each (n_ℓ, n_{ℓ−1})."""
    net, _, _, _, back = row_of(explorer)
    W = net.W[layer].T
    return {"W": W, "dW": back.W[layer].T, "Wdelta": W * back.delta[layer][0][:, np.newaxis]}[what]


@pytest.mark.parametrize("what", ["W", "dW", "Wdelta"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_matrices_are_slices_of_the_networks_own(deep, what, layer):
    expected = entries(deep, what, layer)
    whole = deep.get("matrix", part="test", row=2, layer=layer, what=what)
    assert whole["shape"] == list(expected.shape)
    assert (whole["pooled"], whole["cell"]) == (False, [1, 1])
    np.testing.assert_allclose(whole["values"], expected, **ALIKE)
    np.testing.assert_allclose(whole["largest"], np.abs(expected).max(), **ALIKE)
    some = deep.get("matrix", part="test", row=2, layer=layer, what=what, rows="1:3", columns="2:99")
    assert some["rows"] == [1, 3]
    assert some["columns"] == [2, expected.shape[1]]
    np.testing.assert_allclose(some["values"], expected[1:3, 2:], **ALIKE)


@pytest.mark.parametrize("what", ["W", "dW", "Wdelta"])
def test_a_pooled_cell_is_the_entry_largest_in_magnitude(deep, what):
    expected = entries(deep, what, 1)  # (7, 5)
    found = deep.get("matrix", part="test", row=2, layer=1, what=what, at_most=3)
    assert found["pooled"]
    assert found["cell"] == [3, 2]
    for i in range(3):
        for j in range(3):
            block = expected[3 * i : 3 * i + 3, 2 * j : 2 * j + 2].ravel()
            np.testing.assert_allclose(found["values"][i][j], block[np.abs(block).argmax()], **ALIKE)


@pytest.mark.parametrize("what", ["W", "dW", "Wdelta"])
def test_edges_are_the_largest(deep, what, monkeypatch):
    from chainrule.explorer import matrices

    expected = entries(deep, what, 1)
    j, k = np.unravel_index(np.argsort(-np.abs(expected), axis=None)[:6], expected.shape)
    for at_once in (1 << 20, 10):  # in one block, and in several
        monkeypatch.setattr(matrices, "_ENTRIES_AT_ONCE", at_once)
        deep.session.open(deep.session.now().material)  # nothing kept
        found = deep.get("edges", part="test", row=2, layer=1, what=what, limit=6)["edges"]
        assert [(edge[0], edge[1]) for edge in found] == list(zip(j.tolist(), k.tolist(), strict=True))
        np.testing.assert_allclose([edge[2] for edge in found], expected[j, k], **ALIKE)
    assert len(deep.get("edges", part="test", row=2, layer=1, what=what)["edges"]) == expected.size


@pytest.mark.parametrize("of", ["W:1:2:3", "W:2:0:6", "W:3:2:5", "b:1:4", "b:3:0", "x:2"])
def test_a_nudges_true_change_is_the_recomputed_cost(deep, of):
    net, X, Y, run, back = row_of(deep)
    by = [-0.5, -1e-3, 0.0, 0.25]
    found = deep.post("nudge", part="test", row=2, of=of, by=by)
    kind, *at = of.split(":")
    at = [int(number) for number in at]
    derivative = (
        back.x[0, at[0]] if kind == "x" else back.b[at[0]][at[1]] if kind == "b" else back.W[at[0]][at[2], at[1]]
    )
    np.testing.assert_allclose(found["derivative"], derivative, **ALIKE)
    np.testing.assert_allclose(found["predicted"], back.cost + derivative * np.array(by), **ALIKE)
    for change, true in zip(by, found["true"], strict=True):
        changed, moved = net.copy(), X.copy()
        if kind == "x":
            moved[0, at[0]] += change
        elif kind == "b":
            changed.b[at[0]][at[1]] += change
        else:
            changed.W[at[0]][at[2], at[1]] += change
        np.testing.assert_allclose(true, changed.cost(moved, Y), **ALIKE)
    np.testing.assert_allclose(found["outputs_before"], run.a[net.L][0], **ALIKE)
    np.testing.assert_allclose(found["outputs_after_last"], changed.predict(moved)[0], **ALIKE)
    assert found["by"] == by


def test_a_nudge_of_a_matched_pair_changes_nothing(xor):
    net, X, Y, *_ = row_of(xor)
    before = xor.net.parameters.copy()
    found = xor.post("nudge", part="test", row=2, of="W:3:1:0", by=[0.5])
    changed = net.copy()
    changed.W[3][0, 1] += 0.5
    np.testing.assert_allclose(found["true"], [changed.cost(X, Y)], **ALIKE)
    np.testing.assert_array_equal(xor.net.parameters, before)
    assert xor.get("state")["version"] == 1


@pytest.mark.parametrize("of", [(1, 2, 3), (2, 0, 6), (3, 2, 5)])
def test_paths_are_those_of_the_ledger(deep, of):
    net, X, Y, _, back = row_of(deep)
    found = deep.get("paths", part="test", row=2, of="W:" + ":".join(map(str, of)), k=4)
    top = d.top_paths(net, X[0], Y[0], of, 4)
    total = d.path_sum(net, X[0], Y[0], of)
    assert [path["units"] for path in found["paths"]] == [list(path.units) for path in top]
    for path, expected in zip(found["paths"], top, strict=True):
        np.testing.assert_allclose(path["value"], expected.value, **ALIKE)
        np.testing.assert_allclose(np.prod([factor["value"] for factor in path["factors"]]), path["value"], **ALIKE)
        assert path["factors"][-1]["name"] == f"a^{of[0] - 1}_{of[2]}"
    np.testing.assert_allclose(found["total"], total.value, **ALIKE)  # (E12)
    np.testing.assert_allclose(found["by_dynamic_programming"], back.W[of[0]][of[2], of[1]], **ALIKE)  # (E6), (E7)
    np.testing.assert_allclose(found["cancellation"], total.cancellation, atol=1e-9)  # a difference of two equal sums
    assert found["n_paths"] == total.n_paths
    assert found["multiplications"] == total.multiplications._asdict()


def test_too_many_paths_are_not_added_up(alone):
    net = Network([3, 60, 60, 60, 2], "tanh", dtype="float64")
    found = alone(net, np.eye(3), np.eye(3)[:, :2]).get("paths", part="all", row=0, of="W:1:0:0", k=2)
    assert found["n_paths"] == 60 * 60 * 2 * 1
    big = Network([3, 500, 500, 2], "tanh", dtype="float64")
    found = alone(big, np.eye(3), np.eye(3)[:, :2]).get("paths", part="all", row=0, of="W:1:0:0", k=2)
    assert found["total"] is not None
    wide = Network([3, 4, 400, 400, 2], "tanh", dtype="float64")
    found = alone(wide, np.eye(3), np.eye(3)[:, :2]).get("paths", part="all", row=0, of="W:1:0:0", k=2)
    assert found["n_paths"] == 320_000
    assert found["total"] is None
    assert found["cancellation"] is None
    assert len(found["paths"]) == 2


def test_the_input_gradient_is_the_costs_or_an_outputs(deep):
    net, X, Y, _, back = row_of(deep)
    found = deep.get("input-gradient", part="test", row=2)
    np.testing.assert_allclose(found["values"], back.x[0], **ALIKE)  # (E9)
    np.testing.assert_allclose(found["largest"], np.abs(back.x).max(), **ALIKE)
    for output in range(3):
        found = deep.get("input-gradient", part="test", row=2, output=output)
        np.testing.assert_allclose(found["values"], d.input_gradient(net, X, output)[0], **ALIKE)  # (E11)


def test_the_largest_gradients_come_first(xor):
    found = xor.get("largest-gradients", part="train", limit=5)
    X, targets = xor.session.now().material.every("train")
    norms = d.per_example_norms(xor.net, X, targets.values)
    assert [row["row"] for row in found["rows"]] == np.argsort(-norms)[:5].tolist()
    for row in found["rows"]:
        one = xor.get("row", part="train", row=row["row"])
        np.testing.assert_allclose(row["norm"], one["gradient_norm"], rtol=1e-5)  # float32's digits
        np.testing.assert_allclose(row["cost"], one["cost"], rtol=1e-5)
        assert (row["label"], row["predicted"]) == (one["target_label"], one["predicted_label"])
    assert found["rows_looked_at"] == found["rows_in_part"] == 320


def test_of_many_rows_an_even_spread_is_looked_at(xor, monkeypatch):
    from chainrule.explorer import rows

    monkeypatch.setattr(rows, "_ROWS_LOOKED_AT", 110)
    found = xor.get("largest-gradients", part="train", limit=200)
    assert (found["rows_looked_at"], found["rows_in_part"]) == (110, 320)
    assert {0, 319} <= {row["row"] for row in found["rows"]}


def test_of_a_large_network_fewer_rows_are_looked_at(xor, monkeypatch):
    from chainrule.explorer import rows

    monkeypatch.setattr(rows, "_MULTIPLICATIONS", 2 * 37 * 250)
    assert xor.net.plan.n_parameters == 35
    assert xor.get("largest-gradients", part="train")["rows_looked_at"] == 2 * 37 * 250 // (2 * 35)
    monkeypatch.setattr(rows, "_MULTIPLICATIONS", 1)
    assert xor.get("largest-gradients", part="all")["rows_looked_at"] == 100


def test_a_decision_map_is_the_answer_over_the_plane(xor):
    found = xor.get("decision", resolution=5)
    points = xor.session.now().material.parts["all"].X
    low, high = points.min(axis=0), points.max(axis=0)
    np.testing.assert_allclose([found["x"][0], found["y"][0]], low - 0.1 * (high - low), rtol=1e-6)  # float32's digits
    xs, ys = np.linspace(*found["x"], 5), np.linspace(*found["y"], 5)
    for i, y in enumerate(ys):
        for j, x in enumerate(xs):
            share = xor.net.predict([[x, y]])[0, 1]
            np.testing.assert_allclose(found["values"][i][j], share, rtol=1e-5)  # float32's digits
    assert found["classes"] == ["0", "1"]
    assert found["rows"] == list(range(400))
    assert found["points"][7] == [
        *xor.get("row", part="all", row=7)["inputs"]["values"],
        int(xor.session.now().material.parts["all"].labels[7]),
    ]


def test_a_decision_of_three_classes_is_the_class_and_of_a_regression_the_output(alone):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(9, 2))
    three = alone(Network([2, 3], "softmax", "cross_entropy"), X, np.arange(9) % 3)
    assert set(np.ravel(three.get("decision", resolution=8)["values"])) <= {0, 1, 2}
    assert three.get("decision", resolution=8)["classes"] == ["0", "1", "2"]
    line = alone(Network([2, 1], "identity"), X, X[:, 0])
    found = line.get("decision", resolution=3)
    corner = line.net.predict([[found["x"][0], found["y"][0]]])[0, 0]
    np.testing.assert_allclose(found["values"][0][0], corner, rtol=1e-5)  # float32's digits
    assert found["classes"] == []


def test_numbers_that_json_cannot_write_are_null(alone):
    net = Network([1, 1], "exp", dtype="float64")
    net.parameters = [1.0, 0.0]
    found = alone(net, [[1000.0]], [1.0]).get("units", part="all", row=0, layer=1)
    assert found["a"] == [None]  # e^1000
    assert found["z"] == [1000.0]


def test_a_model_of_a_table_shows_the_networks_own_inputs_and_the_tables_values(explore, tmp_path):
    from chainrule.data.encoding import Encoding
    from chainrule.data.pipeline import Pipeline
    from chainrule.data.scaling import Scaling

    file = tmp_path / "t.csv"
    file.write_text("colour,size,price\n" + "red,1,10.5\nblue,2,20.5\nred,3,30.5\ngreen,,40.25\n" * 6)
    data = read(str(file), "price")
    inputs = Encoding.fit(data.X, data.schema.columns, True, data.cell)
    net = Network([inputs.width, 1], "identity")
    pipeline = Pipeline(
        net, "regression", inputs, Scaling.fit(data.labels[:, np.newaxis]), np.array([]), schema=data.schema
    )
    explorer = explore(Material("t.csv", pipeline, {"test": data, "all": data}))
    found = explorer.get("row", part="test", row=3)
    assert found["features_in_units"] == {"colour": "green", "size": None}
    assert found["inputs"]["count"] == inputs.width
    np.testing.assert_allclose(found["inputs"]["values"], pipeline.inputs_of(data)[3], rtol=1e-6)  # float32's digits
    assert found["target_label"] == "40.25"
    np.testing.assert_allclose(
        float(found["predicted_label"]), pipeline.answers(net.predict(pipeline.inputs_of(data)))[3], rtol=1e-5
    )  # six digits are shown
    assert explorer.get("state")["data"]["features"] is None


def test_pictures_are_known_and_stay_pictures(explore):
    digits = explore(untrained(read("digits"), [5], "relu", seed=0))
    assert digits.get("state")["data"]["image"] == {"width": 8, "height": 8}
    values = np.array(digits.get("row", part="test", row=0)["inputs"]["values"])
    raw = digits.session.now().material.parts["test"].X[0]
    np.testing.assert_allclose(values, raw / 16, rtol=1e-6)  # one scale for all pixels; float32's digits
    assert digits.get("row", part="test", row=0)["features_in_units"] is None
    square = LabelledData("bytes", np.zeros((4, 36), np.uint8), np.arange(4))
    pipeline = of_model(Network([36, 4], "softmax", "cross_entropy"), square)
    assert Material("bytes", pipeline, {"all": square}).image == {"width": 6, "height": 6}


def test_large_networks_are_shown_in_slices(alone):
    net = Network([10_000, 40, 2], "tanh")
    rng = np.random.default_rng(0)
    wide = alone(net, rng.normal(size=(2, 10_000)), [[0.0, 1.0], [1.0, 0.0]])
    assert len(wide.get("row", part="all", row=0)["inputs"]["values"]) == 4096
    assert len(wide.get("units", part="all", row=0, layer=0)["a"]) == 2048
    found = wide.get("matrix", part="all", row=0, layer=1, what="dW")
    assert np.shape(found["values"]) == (40, 64)
    assert found["cell"] == [1, 157]
    back = row_of(wide, "all", 0)[-1]
    np.testing.assert_allclose(found["largest"], np.abs(back.W[1]).max(), **ALIKE)
    assert len(wide.get("input-gradient", part="all", row=0)["values"]) == 10_000
