"""What `import chainrule` brings with it: no more than is asked for, and every public name when it is."""

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule as cr

PARTS = ["scipy", "sklearn", "joblib", "threadpoolctl", "pandas", "polars", "pyarrow", "rich", "typer", "safetensors"]
"""Used by a part of chainrule each, and never by building a network or by importing what trains it."""


def loaded(program: str) -> set[str]:
    """Run a program in a fresh interpreter, and give the modules that it has brought in."""
    report = f"import sys; before = set(sys.modules)\n{program}\nprint(*set(sys.modules) - before)"
    result = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def rooms(modules: set[str]) -> set[str]:
    """Give the rooms that modules stand in; chainrule._core is none."""
    return {module.split(".")[1] for module in modules if module.startswith("chainrule.")} - {"_core"}


def test_import_alone_imports_nothing_else():
    modules = loaded("import chainrule; chainrule.__version__, dir(chainrule)")
    assert modules.isdisjoint(["numpy", "array_api_compat", "inspect", "dataclasses", "difflib", "json", *PARTS])
    assert rooms(modules) == set()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import chainrule; chainrule.errors", {"errors"}),
        ("from chainrule import DataError", {"errors"}),
        ("import chainrule; chainrule.schedules", {"errors", "maths"}),
        ("from chainrule import Network", {"errors", "maths", "engine"}),
        ("from chainrule import derivatives", {"errors", "maths", "engine", "derivatives"}),
        ("import chainrule.derivatives", {"errors", "maths", "engine", "derivatives"}),
        ("import chainrule; chainrule.save", {"errors", "maths", "engine", "modelfile"}),
        ("import chainrule; chainrule.train", {"errors", "maths", "engine", "derivatives", "training"}),
        ("import chainrule; chainrule.load_pipeline", {"errors", "maths", "engine", "modelfile", "data"}),
    ],
)
def test_a_name_brings_its_room_and_those_below(program, expected):
    modules = loaded(program)
    assert rooms(modules) == expected
    assert modules.isdisjoint(["array_api_compat", "difflib", *PARTS])


def test_a_network_needs_no_optional_library():
    modules = loaded("import chainrule; chainrule.Network([3, 4, 2]).predict([[1.0, 2.0, 3.0]])")
    assert modules.isdisjoint(PARTS)


@pytest.mark.parametrize("name", cr.__all__)
def test_every_public_name_is_reachable_and_is_what_its_home_has(name):
    value = getattr(cr, name)
    assert getattr(cr, name) is value
    if name in cr._HOMES:
        assert value is getattr(importlib.import_module(f"chainrule.{cr._HOMES[name]}"), name)
        assert pickle.loads(pickle.dumps(value)) is value
    else:
        assert value is sys.modules[f"chainrule.{cr._MODULES[name]}"]


def test_type_checkers_and_programs_are_told_the_same():
    tree = ast.parse(Path(cr.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    pairs = {(line.module, alias.name) for line in block.body for alias in line.names}
    homes = {(f"chainrule.{home}", name) for name, home in cr._HOMES.items()}
    modules = {(f"chainrule.{path}".rpartition(".")[0], name) for name, path in cr._MODULES.items()}
    assert pairs == homes | {(package, name) for package, name in modules if name in cr.__all__}
    assert sorted({name for _, name in pairs}) == sorted(cr.__all__)


def test_star_import_gives_the_public_names():
    program = "names = {}; exec('from chainrule import *', names); import chainrule"
    loaded(f"{program}; assert names.keys() - {{'__builtins__'}} == set(chainrule.__all__), names")


def test_dir_is_complete_from_the_start():
    rooms_ = ["data", "derivatives", "engine", "errors", "maths", "modelfile", "training"]
    loaded(f"import chainrule; assert {{*chainrule.__all__, *{rooms_}, '__version__'}} <= set(dir(chainrule))")
    assert {*cr.__all__, *rooms_, "__version__"} <= set(dir(cr))
    assert dir(cr) == sorted(set(dir(cr)))


@pytest.mark.parametrize("room", ["data", "derivatives", "engine", "errors", "maths", "modelfile", "training"])
def test_rooms_are_attributes(room):
    loaded(f"import sys, chainrule; assert chainrule.{room} is sys.modules['chainrule.{room}']")


def test_unknown_attribute():
    with pytest.raises(AttributeError, match=r"^module 'chainrule' has no attribute 'Netwrok'$"):
        cr.Netwrok  # noqa: B018
    program = [sys.executable, "-c", "import chainrule; chainrule.Netwrok"]
    told = subprocess.run(program, capture_output=True, text=True, check=False).stderr
    assert told.endswith("module 'chainrule' has no attribute 'Netwrok'. Did you mean: 'Network'?\n")
    assert not hasattr(cr, "numpy")
    with pytest.raises(ImportError, match="cannot import name 'Netwrok' from 'chainrule'"):
        from chainrule import Netwrok  # noqa: F401
