"""Derivations in the API are those of cr.derive, rendered as glassbox renders them; exports are its files."""

import numpy as np
import pytest

from chainrule.data.pipeline import load_model
from chainrule.data.readers import read
from chainrule.engine.network import Network
from chainrule.glassbox.derivations.derivation import derive
from chainrule.glassbox.writing import html, latex, text


def derived(explorer, of, **settings):
    X, Y = explorer.session.now().material.row("test", 1)
    return derive(explorer.net, X[0], Y[0], of, **settings)


@pytest.mark.parametrize("of", ["W:1:2:3", "b:3:1", "delta:2:4", "cost"])
def test_steps_are_those_of_derive(deep, of):
    found, expected = deep.get("derivation", part="test", row=1, of=of), derived(deep, of)
    assert found["value"] == expected.value
    assert (found["of"], found["title"]) == (of, expected.title)
    assert (found["notation"], found["form"]) == ("delta", "units")
    assert found["definitions_html"] == html.definitions(expected)
    assert [step["id"] for step in found["steps"]] == list(range(len(expected.steps)))
    for step, made in zip(found["steps"], expected.steps, strict=True):
        assert step["equation"] == made.equation
        assert (step["layer"], tuple(step["units"])) == (made.layer, made.units)
        assert (step["direction"], step["kind"], step["why"]) == (made.direction, made.target.kind, made.why)
        assert step["value"] == made.value
        assert step["html"] == html.step(made)
        assert "<math" in step["html"]


@pytest.mark.parametrize("notation", ["delta", "theta", "dz", "S", "nabla", "input"])
@pytest.mark.parametrize("form", ["units", "matrices"])
def test_notations_and_forms_change_no_value(deep, notation, form):
    found = deep.get("derivation", part="test", row=1, of="W:1:2:3", notation=notation, form=form, shifted=1)
    expected = derived(deep, "W:1:2:3", notation=notation, form=form, shifted=True)
    assert found["value"] == expected.value == derived(deep, "W:1:2:3").value
    assert [step["html"] for step in found["steps"]] == [html.step(step) for step in expected.steps]
    assert (found["notation"], found["form"]) == (notation, form)


def test_a_layers_values_are_null(deep):
    found = deep.get("derivation", part="test", row=1, of="delta:2", form="matrices")
    assert found["value"] is None
    assert found["steps"][-1]["value"] is None
    assert found["steps"][-1]["units"] == []


def test_the_gradient_in_the_input_is_the_costs_or_an_outputs(deep):
    cost = deep.get("derivation", part="test", row=1, of="x:2")
    assert cost["value"] == derived(deep, "x:2", output="cost").value
    assert cost["value"] == deep.get("derivation", part="test", row=1, of="x:2", output="cost")["value"]
    assert cost["value"] == pytest.approx(deep.get("units", part="test", row=1, layer=0)["delta"][2], rel=1e-12)
    output = deep.get("derivation", part="test", row=1, of="x:2", output="1")
    assert output["value"] == derived(deep, "x:2", output=1).value


def test_terms_are_written_out_as_asked(deep):
    few = deep.get("derivation", part="test", row=1, of="cost", terms=2)
    many = deep.get("derivation", part="test", row=1, of="cost", terms=50)
    assert len(str(few)) < len(str(many))


def test_a_second_click_is_answered_from_what_was_made(deep, monkeypatch):
    from chainrule.glassbox.derivations import derivation

    first = deep.get("derivation", part="test", row=1, of="cost")
    monkeypatch.setattr(derivation, "derive", None)
    assert deep.get("derivation", part="test", row=1, of="cost") == first


def test_an_output_is_of_the_input_alone(deep):
    status, message, _ = deep.refused("derivation", part="test", row=1, of="cost", output="1")
    assert status == 400
    assert message.startswith("output: expected None, unless of=")


@pytest.mark.parametrize(
    ("to", "ending", "kind", "write"),
    [
        ("latex", "tex", "application/x-tex; charset=utf-8", lambda d, about: latex.render(d, about)),
        ("html", "html", "text/html; charset=utf-8", lambda d, about: html.render(d, about)),
        ("text", "txt", "text/plain; charset=utf-8", lambda d, about: text.render(d, about=about)),
    ],
)
def test_a_derivation_is_a_file(deep, to, ending, kind, write):
    values = {"part": "test", "row": 1, "of": "W:2:0:1", "notation": "dz", "to": to}
    response = deep.client.get("/api/export/derivation", params=values)
    assert response.status_code == 200
    assert response.headers["content-type"] == kind
    name = f"derivation-W-2-0-1-test-1.{ending}"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    expected = write(derived(deep, "W:2:0:1", notation="dz"), ["row 1 of part test of rows"])
    assert response.content.decode() == expected


def loaded(explorer, tmp_path):
    response = explorer.client.get("/api/export/model")
    assert response.headers["content-disposition"] == 'attachment; filename="explored.chainrule"'
    assert response.headers["content-type"] == "application/octet-stream"
    path = tmp_path / "explored.chainrule"
    path.write_bytes(response.content)
    return load_model(path)


def test_the_model_file_is_the_network_as_it_is_now(xor, tmp_path):
    untrained = loaded(xor, tmp_path)
    np.testing.assert_array_equal(untrained.net.parameters, xor.net.parameters)
    xor.post("train", action="epoch")
    xor.post("train", action="epoch")
    model = loaded(xor, tmp_path)
    np.testing.assert_array_equal(model.net.parameters, xor.net.parameters)
    history = xor.get("training")["history"]
    assert model.training["history"]["cost"] == history["cost"]
    assert model.training["history"]["validation_cost"] == history["validation_cost"]
    assert model.training["fingerprint"] == read("xor").fingerprint()
    rows = xor.session.now().material.parts["test"]
    np.testing.assert_array_equal(model.predict(rows.X), model.classes[xor.net.predict(rows.X).argmax(axis=1)])


def test_the_command_line_knows_the_explorers_test_rows_again(xor, tmp_path):
    from chainrule.cli.rows import select

    xor.post("train", action="epoch")
    rows, which = select(read("xor"), loaded(xor, tmp_path), "test")
    assert which == "held out in training"
    np.testing.assert_array_equal(rows.X, xor.session.now().material.parts["test"].X)


def test_a_network_without_preprocessing_is_saved_without(deep, tmp_path):
    deep.post("train", action="batch")
    model = loaded(deep, tmp_path)
    assert isinstance(model, Network)
    np.testing.assert_array_equal(model.parameters, deep.net.parameters)
