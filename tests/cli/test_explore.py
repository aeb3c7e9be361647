"""`chainrule explore`: what it opens, what it refuses, and what it says where its libraries are missing."""

import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from chainrule import Network, save
from chainrule.cli.explore import explore
from chainrule.data.readers import read
from chainrule.errors import ChainruleError, DataError, InputError, ModelFileError


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Call the verb without serving; gives the session and the view that the page begins with."""
    from chainrule.explorer import server

    monkeypatch.chdir(tmp_path)
    calls = []

    def run(session, say, port, view, browser):
        say("http://127.0.0.1:1/?token=t")
        calls.append((session, view, port, browser))

    monkeypatch.setattr(server, "run", run)

    def call(*arguments, **options):
        defaults = {"row": 0, "part": None, "port": 0, "no_browser": False}
        explore(*[*arguments, None, None][:2], **{**defaults, **options})
        return calls[-1]

    return call


@pytest.fixture
def trained(run):
    """Train a model by the command line in the test's folder."""

    def train(*arguments):
        assert run("train", *arguments, "--epochs", 1, "--hidden", 5)[0] == 0
        return "model.chainrule"

    return train


def test_without_arguments_it_begins_with_xor(opened, capsys):
    session, view, port, browser = opened()
    now = session.now()
    assert now.material.name == "xor"
    assert now.net.sizes == (2, 4, 4, 2)
    assert (view, port, browser) == ("", 0, True)
    assert session.offered == {}
    out, err = capsys.readouterr()
    assert out == "chainrule explore: http://127.0.0.1:1/?token=t\nCtrl-C ends it.\n"
    assert err == "chainrule: ended\n"


def test_a_name_alone_is_a_data_set(opened):
    session, *_ = opened("digits", no_browser=True)
    assert session.now().net.sizes == (64, 16, 10)
    assert session.now().material.image == {"width": 8, "height": 8}


def test_a_model_and_its_data_are_cut_as_in_training(opened, trained):
    session, view, *_ = opened(trained("iris"), "iris", row=3, part="train")
    material = session.now().material
    assert {part: material.count(part) for part in ("test", "train", "all")} == {"test": 30, "train": 120, "all": 150}
    assert view == "part=train&row=3"
    assert list(session.offered) == ["iris"]
    raw = material.parts["test"].X[:1]
    X, _ = material.row("test", 0)
    np.testing.assert_allclose(X, material.pipeline.transform(raw))  # the network's own inputs


def test_a_model_alone_finds_the_named_data_that_it_was_trained_on(opened, trained):
    assert opened(trained("moons"))[0].now().material.name == "moons"


def test_data_that_were_not_trained_on_are_one_part(opened, trained):
    rows = read("iris")
    model = trained("iris")
    np.savez("other.npz", X=rows.X[::2], Y=rows.labels[::2])
    material = opened(model, "other.npz")[0].now().material
    assert {part: material.count(part) for part in ("test", "train", "all")} == {"test": 75, "train": 0, "all": 75}


def test_a_network_alone_takes_rows_as_they_are(opened):
    net = Network([3, 4, 2], seed=5)
    save(net, "net.chainrule")
    X = np.arange(12.0).reshape(4, 3)
    np.savez("rows.npz", X=X, Y=[0, 1, 1, 0], X_test=X[:1], Y_test=[1])
    session, view, *_ = opened("net.chainrule", "rows.npz")
    now = session.now()
    assert {part: now.material.count(part) for part in ("test", "train", "all")} == {"test": 1, "train": 4, "all": 5}
    np.testing.assert_array_equal(now.net.parameters, net.parameters)
    np.testing.assert_array_equal(now.material.row("train", 2)[0], X[2:3])
    assert now.material.classes == ["0", "1"]


def test_an_npz_file_and_a_folder_alone_are_data(opened):
    X = np.arange(80.0).reshape(20, 4)
    np.savez("rows.npz", X=X, Y=np.arange(20) % 2)
    session, *_ = opened("rows.npz")
    assert session.now().net.sizes == (4, 16, 2)
    assert list(session.offered) == ["rows.npz"]


def test_a_model_of_a_table(opened, trained):
    lines = "".join(f"{colour},{size},{10 * size}\n" for size in range(1, 9) for colour in ("red", "blue", "green"))
    Path("t.csv").write_text("colour,size,price\n" + lines)
    session, *_ = opened(trained("t.csv", "--target", "price"), "t.csv")
    material = session.now().material
    assert material.count("all") == 24
    assert material.pipeline.net.sizes[0] > 2  # colours are encoded
    assert session.now().row("test", 0).cost >= 0


def test_what_training_had_not_seen_is_said(opened, trained, capsys):
    Path("t.csv").write_text("colour,price\n" + "red,1\nblue,2\n" * 10)
    Path("new.csv").write_text("colour,price\ngreen,1\nblue,2\n")
    opened(trained("t.csv", "--target", "price"), "new.csv")
    assert "note: column 'colour'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        (("model.chainrule", "digits"), {}, InputError,
         "X of digits: expected 4 columns, one for each of the network's inputs, got shape (1797, 64). Give the columns that "
         "the network was made for, in the same order."),
        (("model.chainrule", "moons"), {}, InputError,
         "X of moons: expected 4 columns, one for each of the network's inputs, got shape (400, 2). Give the columns that "
         "the network was made for, in the same order."),
        (("none.chainrule",), {}, ModelFileError,
         "none.chainrule: expected a model file, got no such file. Check the path."),
        (("net.chainrule",), {}, DataError,
         "DATA: expected data to look at the model with, got none. Write chainrule explore net.chainrule DATA."),
        ((), {"row": 80}, DataError, "--row: expected a row 0 to 79 of part test, got 80. Rows are counted from 0."),
        ((), {"row": -1}, DataError, "--row: expected a row 0 to 79 of part test, got -1. Rows are counted from 0."),
        ((), {"part": "best"}, DataError, "--part: expected test or train or all, got 'best'. all has every row."),
        ((), {"port": 65536}, InputError,
         "--port: expected a whole number 0 to 65535, got 65536. Leave it out to take a free one."),
        (("model.chainrule", "iirs"), {}, DataError, "DATA: expected one of "),
    ],
)  # fmt: skip
def test_what_is_refused(opened, trained, arguments, options, kind, message):
    trained("iris")
    save(Network([4, 3]), "net.chainrule")
    with pytest.raises(kind) as error:
        opened(*arguments, **options)
    assert str(error.value).startswith(message)
    assert isinstance(error.value, ChainruleError)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, missing):
    from chainrule import explorer
    from chainrule.explorer import server

    assert server.__name__ in sys.modules
    for name in [name for name in sys.modules if name.split(".")[0] == missing or name == server.__name__]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(explorer, "server")
    monkeypatch.setitem(sys.modules, missing, None)  # what Python takes for: not there
    with pytest.raises(ChainruleError) as error:
        explore(None, None, 0, None, 0, True)
    assert str(error.value) == (
        f"explore: expected starlette and uvicorn, got no {missing}. Install them with: pip install 'chainrule[explore]'"
    )


def test_its_options_are_those_of_the_verb():
    app = typer.Typer()
    app.command("explore")(explore)
    command = typer.main.get_command(app)
    assert {option for parameter in command.params for option in parameter.opts} == {
        "model", "data", "--row", "--part", "--port", "--no-browser",
        "--install-completion", "--show-completion",
    }  # fmt: skip
