"""What the server holds: one network, its data, how often they have changed, and who trains it.

Requests run side by side. Each takes `now()`, which no later change touches: parameters are replaced whole, never
written to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.errors import text
from chainrule.explorer.answers import RefusedError, not_there
from chainrule.explorer.material import Material
from chainrule.explorer.passes import Parameters64, Pass
from chainrule.explorer.trainer import Settings, Trainer

T = TypeVar("T")
_KEPT = 32
"""So many answers of one version are kept."""


@dataclass(frozen=True, eq=False)
class Now:
    """The network and its data at one moment, with what was computed for them."""

    version: int
    material: Material
    net: Network
    _kept: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Give what was made for this key before, or make it: at most 32 are kept, the oldest go first."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(T, self._kept[key])
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    @cached_property
    def in_float64(self) -> Parameters64:
        """θ in float64, which is large, and kept for as long as this is."""
        return Parameters64.of(self.net)

    def row(self, part: str, row: int) -> Pass:
        """Run a row forward and backward. Raises RefusedError, 404, for one that isn't there."""
        self.material.check(part, row)
        return self.once(("row", part, row), lambda: Pass.of(self.in_float64, *self.material.row(part, row)))

    def layer(self, layer: int, least: int = 1) -> int:
        """See that the network has a layer. Raises RefusedError, 404."""
        if not least <= layer <= self.net.L:
            hint = "Layer 0 is the input, and has neither weights nor δ." if least else "Layer 0 is the input."
            raise not_there("layer", f"a layer {least} to {self.net.L}", layer, hint)
        return layer

    def unit(self, field: str, layer: int, unit: int) -> int:
        """See that a layer has a unit. Raises RefusedError, 404."""
        n = self.net.sizes[layer]
        if not 0 <= unit < n:
            raise not_there(field, f"a unit 0 to {n - 1} of layer {layer}", unit, "Units are counted from 0.")
        return unit


class Session:
    """The one network that a server shows; whoever changes it makes the version grow."""

    def __init__(self, material: Material, offered: dict[str, Material] | None = None) -> None:
        self.lock = threading.RLock()
        self.offered = offered or {}  # what was given at the start, by name, to come back to
        self._version = 0
        self.open(material)

    def open(self, material: Material, settings: Settings | None = None) -> None:
        """Show other data, or another network; training of what was there ends."""
        with self.lock:
            before = getattr(self, "trainer", None)
            if before is not None:
                before.abandon()
            net = material.pipeline.net
            self.trainer = Trainer(net, material, self.lock, self._publish, settings)
            self._show(material, net)

    def _show(self, material: Material, net: Network) -> None:
        self._version += 1
        self._now = Now(self._version, material, net)

    def _publish(self, trainer: Trainer, parameters: NDArray[Any]) -> None:
        """Show the parameters of a step's end; of a trainer that was left they are dropped."""
        with self.lock:
            if trainer is self.trainer and parameters is not self._now.net.parameters:
                net = self._now.net
                self._show(self._now.material, Network.from_plan(net.plan, parameters, net.backend))

    def now(self) -> Now:
        """Give network and data as they are; no later change touches what this gives."""
        with self.lock:
            return self._now

    def expect(self, version: int | None) -> None:
        """See that a client has seen the latest version. Raises RefusedError, 409."""
        with self.lock:
            if version is not None and version != self._version:
                hint = "Another page has changed the network, or training has: look again, then repeat this."
                got = f"{version}"
                message = text("version", expected=f"{self._version}, the latest", got=got, hint=hint)
                raise RefusedError(409, message, "version")
