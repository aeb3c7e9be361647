"""What is asked about, as text: W:2:3:5, b:1:0, delta:2, delta:2:1, x, x:12, cost."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.explorer.answers import not_there
from chainrule.explorer.parameters import Words
from chainrule.explorer.session import Now


@dataclass(frozen=True)
class Of:
    """A kind, W, b, delta, x or cost, and where: layer, unit j, unit k, as far as the kind has them."""

    kind: str
    at: tuple[int, ...]

    @property
    def argument(self) -> str | tuple[str | int, ...]:
        """What `derive` takes as `of`."""
        return (self.kind, *self.at) if self.at else self.kind

    @property
    def weight(self) -> tuple[int, int, int]:
        """Layer, j and k of a weight."""
        layer, j, k = self.at
        return layer, j, k


WEIGHT = Words(r"W(:[0-9]{1,9}){3}", "W:2:3:5")
NUDGED = Words(r"W(:[0-9]{1,9}){3}|b(:[0-9]{1,9}){2}|x:[0-9]{1,9}", "W:2:3:5, b:1:0 or x:12")
DERIVED = Words(
    rf"{NUDGED.pattern}|x|cost|delta(:[0-9]{{1,9}}){{1,2}}", "W:2:3:5, b:1:0, delta:2, delta:2:1, x, x:12 or cost"
)


def read_of(now: Now, of: str) -> Of:
    """Take W and (2, 3, 5) from "W:2:3:5", and see that the network has it. Raises RefusedError, 404."""
    kind, *numbers = of.split(":")
    at = tuple(map(int, numbers))
    if kind in ("W", "b", "delta"):
        layer = now.layer(at[0])
        for unit in at[1:2]:
            now.unit("of", layer, unit)
        if kind == "W":
            now.unit("of", layer - 1, at[2])
        if kind == "b" and layer not in now.net.b:
            with_bias = ", ".join(map(str, now.net.b)) or "none"
            hint = "This layer was made with bias=False."
            raise not_there("of", f"a layer with a bias, which are: {with_bias}", f"layer {layer}", hint)
    elif kind == "x":
        for unit in at:
            now.unit("of", 0, unit)
    return Of(kind, at)
