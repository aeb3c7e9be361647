"""What a test registers is gone after it. Without a compiled core the reference is tested, unless it is required."""

import os
from importlib.util import find_spec

import pytest

from chainrule.maths import activations, costs

if find_spec("chainrule._core") is None and not os.environ.get("CHAINRULE_REQUIRE_NATIVE"):
    os.environ.setdefault("CHAINRULE_BACKEND", "reference")


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    for module in (activations, costs):
        monkeypatch.setattr(module._REGISTRY, "_table", dict(module._REGISTRY._table))
