"""The generated reference pages say what the code says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = DOCS / "build_reference.py"
    assert path.is_file(), f"{path} is missing: run the tests from a checkout of the whole repository"
    spec = importlib.util.spec_from_file_location("build_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_the_pages_on_disk_are_those_that_the_code_gives(script):
    stale = script.differences()
    assert not stale, "run python docs/build_reference.py:\n" + "\n".join(stale)


def test_check_reports_a_stale_page_and_writes_nothing(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "REFERENCE", tmp_path)
    (tmp_path / "costs.md").write_text("# Costs\n\nold\n", encoding="utf-8")
    assert script.main(["--check"]) == 1
    printed = capsys.readouterr()
    assert "-old" in printed.out
    assert "Run: python docs/build_reference.py" in printed.err
    assert [path.name for path in tmp_path.iterdir()] == ["costs.md"]
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0


@pytest.mark.parametrize("number", [*range(1, 51)])
def test_every_equation_has_its_place(script, number):
    page = script.build()[script.REFERENCE / "equations.md"]
    assert f"### (E{number}) " in page


def test_an_underscore_beside_a_bracket_is_no_emphasis(script):
    assert script.plain("C_i, a^{ℓ−1}_k, `x_{1}`, [a_](b_)") == "C_i, a^{ℓ−1}\\_k, `x_{1}`, [a_](b_)"
