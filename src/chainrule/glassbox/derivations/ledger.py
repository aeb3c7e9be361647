"""Paths against dynamic programming (E12, E13): a weight's largest paths, their sum, and what each way costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from chainrule.derivatives.paths import Multiplications, multiplication_count, path_count, path_sum, top_paths
from chainrule.engine.network import Network
from chainrule.errors import InputError, text
from chainrule.glassbox.derivations.example import Example, pass_example
from chainrule.glassbox.derivations.expressions import Expression, Kind, Product, Quantity
from chainrule.glassbox.derivations.notations import Notation, find
from chainrule.glassbox.derivations.target import Target, read_target

_ADDED_UP = 1_000_000
"""So many paths are multiplied out at most; of more, only the largest are found."""


@dataclass(frozen=True, eq=False)
class LedgerPath:
    """One path: the units of layers ℓ − 1 to L that it leads through, its factors, their product, and its share."""

    units: tuple[int, ...]
    product: Product
    value: float
    share: float

    @property
    def factors(self) -> tuple[Quantity, ...]:
        """The factors in their order, from the output down."""
        return tuple(factor for factor in self.product.factors if isinstance(factor, Quantity))


@dataclass(frozen=True, eq=False, repr=False)
class PathLedger:
    """A weight's derivative as paths and by (E6), side by side.

    `total` is the sum of all paths (E12), None where there are more than a million; `by_dynamic_programming` the same
    value by (E6) and (E7). `cancellation` is 1 − |Σ|/Σ|·|, from 0, all paths of one sign, to 1. `multiplications`
    count what all units of the layer take by either way (E13).
    """

    target: Target
    notation: Notation
    paths: tuple[LedgerPath, ...]
    total: float | None
    by_dynamic_programming: float
    n_paths: int
    cancellation: float | None
    multiplications: Multiplications

    def __str__(self) -> str:
        from chainrule.glassbox.writing.text import ledger

        return ledger(self)

    def __repr__(self) -> str:
        return f"PathLedger of {self.target}: {self.n_paths:,} paths, {self.by_dynamic_programming:.6g} by (E6)"

    def to_dict(self) -> dict[str, Any]:
        """Give the ledger as data for JSON."""
        from chainrule.glassbox.writing.text import symbol

        return {
            "of": str(self.target),
            "paths": [
                {
                    "units": list(path.units),
                    "factors": [
                        {"symbol": symbol(factor, self.notation), "value": factor.value} for factor in path.factors
                    ],
                    "value": path.value,
                    "share": path.share if math.isfinite(path.share) else None,
                }
                for path in self.paths
            ],
            "total": self.total,
            "by_dynamic_programming": self.by_dynamic_programming,
            "n_paths": self.n_paths,
            "cancellation": self.cancellation,
            "multiplications": self.multiplications._asdict(),
        }


def path_ledger(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    weight: tuple[int, int, int] | tuple[str, int, int, int] | str,
    k: int = 10,
    *,
    notation: str = "delta",
    shifted: bool = False,
) -> PathLedger:
    """Give the k largest paths of a weight, each factor by name, beside the value by (E6) (E12, E13).

    Parameters
    ----------
    net : Network
        Elementwise activations in layers ℓ to L − 1.
    x, y : one example and its target
    weight : (layer, j, k)
        Or as `derive` takes it: ("W", layer, j, k), "W:1:2:0".
    k : int ≥ 1
    notation, shifted
        As in `derive`.

    Raises
    ------
    InputError
        As `derivatives.top_paths`, and for an unknown notation.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 3, 4, 2], "tanh", dtype="float64")
    >>> ledger = cr.path_ledger(net, [0.5, -1.0], [0.0, 1.0], (1, 2, 0), k=3)
    >>> ledger.n_paths, len(ledger.paths), abs(ledger.total - ledger.by_dynamic_programming) < 1e-15
    (8, 3, True)
    >>> ledger.multiplications
    Multiplications(paths=120, dynamic_programming=29)

    Source: 000, 001 ('Dynamic Programming!'), 003 (11).
    """
    hand = find(notation, shifted)
    at = _weight(net, weight)
    largest = top_paths(net, x, y, at, k)
    target = read_target(net, ("W", *at))
    layer, j, from_unit = at
    example = pass_example(net, x, y, None, with_cost=True)
    n_paths = path_count(net, layer) // net.sizes[layer]
    summed = path_sum(net, x, y, at, _ADDED_UP) if n_paths <= _ADDED_UP else None
    return PathLedger(
        target,
        hand,
        tuple(LedgerPath(p.units, _product(example, target, p.units), p.value, p.share) for p in largest),
        None if summed is None else summed.value,
        float(example.delta[layer][j] * example.a[layer - 1][from_unit]),
        n_paths,
        None if summed is None else summed.cancellation,
        multiplication_count(net, layer),
    )


def _weight(net: Network, weight: Any) -> tuple[int, int, int]:
    """Read a weight: (layer, j, k), or as `derive` takes it. Raises InputError; of three numbers `top_paths` does."""
    if not isinstance(weight, str) and not (isinstance(weight, tuple | list) and len(weight) == 4):
        return weight  # type: ignore[no-any-return]
    target = read_target(net, weight)
    if target.kind != "W":
        hint = 'Write weight=(1, 2, 0), or "W:1:2:0".'
        raise InputError(text("weight", expected="a weight", got=repr(weight), hint=hint))
    j, k = target.units
    return target.layer, j, k


def _product(example: Example, target: Target, units: tuple[int, ...]) -> Product:
    """The factors of a path (E12), from the output down."""
    at = dict(enumerate(units, start=target.layer - 1))
    L = example.L

    def quantity(kind: Kind, layer: int, *where: int) -> Quantity:
        values: Any = example.W[layer].T if kind == "W" else getattr(example, kind)[layer]
        return Quantity(kind, layer, where, float(values[where]))

    factors: list[Expression]
    if example.is_matched or example.slope[L] is None:
        factors = [quantity("delta", L, at[L])]
    else:
        factors = [quantity("da", L, at[L]), quantity("slope", L, at[L])]
    for q in range(L - 1, target.layer - 1, -1):
        factors += [quantity("W", q + 1, at[q + 1], at[q]), quantity("slope", q, at[q])]
    return Product((*factors, quantity("a", target.layer - 1, at[target.layer - 1])))
