"""How the units of each layer fare over all rows: which have a slope, which vary, and how large δ is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.plan import Plan
from chainrule.maths.activations import Activation, AnyActivation

_USUAL_Z = np.linspace(-1.0, 1.0, 41)
"""z of size 1 is what initializers aim at; not every activation has a largest slope at all (exp, or one of the user's
own), so that a slope is called small beside those that it has here."""


@dataclass(frozen=True, eq=False)
class LayerHealth:
    """What the rows make of one layer.

    Attributes
    ----------
    layer, n, rows : int
        ℓ, n_ℓ and m.
    activation : str
        Name of g_ℓ.
    coupled : bool
        Whether it couples the units of a row (E5′).
    dead : tuple of int
        Units whose slope is exactly 0, in the network's dtype, in every row: δ^ℓ_j = 0 (E6), and the weights into them
        never change (E7, E8).
    saturated : tuple of int
        Units whose slope is small in nearly every row, and not dead.
    constant : tuple of int
        Units whose activation is the same number in all of two or more rows, though they are neither.
    rms_delta : float
        √(Σ_i Σ_j (δ^ℓ_ij)²/(m n_ℓ)).
    ratio : float or None
        rms_delta by that of layer ℓ + 1; None for layer L, and where that is 0 or not finite.
    left_out : str
        Why no slopes are looked at; empty where they are.
    usual_slope : float or None
        The largest |g'(z)| for |z| ≤ 1, beside which a slope is small. In a layer whose units are coupled, a slope is
        the length ‖∂a^ℓ/∂z^ℓ_k‖₂, and z is 0 but for unit k.
    small_slope : float or None
        Under which a slope is small.
    z_low, z_high, a_low, a_high : arrays (n_ℓ,), float64
        Between which numbers z^ℓ_j and a^ℓ_j lie.
    slope_high : array (n_ℓ,), float64, or None
        The largest |g'(z^ℓ_j)| of all rows.
    flat_rows : array (n_ℓ,), int64, or None
        In how many rows the slope is small.
    """

    layer: int
    n: int
    rows: int
    activation: str
    coupled: bool
    dead: tuple[int, ...]
    saturated: tuple[int, ...]
    constant: tuple[int, ...]
    rms_delta: float
    ratio: float | None
    left_out: str
    usual_slope: float | None = field(repr=False)
    small_slope: float | None = field(repr=False)
    z_low: NDArray[np.float64] = field(repr=False)
    z_high: NDArray[np.float64] = field(repr=False)
    a_low: NDArray[np.float64] = field(repr=False)
    a_high: NDArray[np.float64] = field(repr=False)
    slope_high: NDArray[np.float64] | None = field(repr=False)
    flat_rows: NDArray[np.int64] | None = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it, with None for a number that is not finite; arrays are left out."""
        numbers = {"rms_delta": self.rms_delta, "ratio": self.ratio, "usual_slope": self.usual_slope}
        return {
            "layer": self.layer,
            "n": self.n,
            "activation": self.activation,
            **{name: list(getattr(self, name)) for name in ("dead", "saturated", "constant")},
            **{name: finite_or_none(value) for name, value in numbers.items()},
            "left_out": self.left_out,
        }


def finite_or_none(value: float | None) -> float | None:
    """Give a number as JSON has it, which knows no infinity.

    >>> finite_or_none(0.5), finite_or_none(math.inf)
    (0.5, None)
    """
    return value if value is not None and math.isfinite(value) else None


class LayerTally:
    """Adds up, block by block of rows, what `LayerHealth` says of one layer.

    A slope is small where it is under `share` of the usual one.
    """

    def __init__(self, plan: Plan, layer: int, share: float) -> None:
        self.layer, self.g, self.n = layer, plan.activation(layer), plan.sizes[layer]
        self.left_out = ""
        if layer == plan.L and plan.matched is not None:
            self.left_out = f"{self.g.name} and {plan.cost.name} are a matched pair: g' is no factor of δ^{layer} (E5′)"
        self.usual = None if self.left_out else usual_slope(self.g, self.n, plan.dtype)
        self.small = share * (self.usual or 0.0)
        self.low, self.high = np.full((2, 2, self.n), np.inf) * [[[1.0]], [[-1.0]]]  # of z and of a
        self.slope_high, self.flat_rows = np.zeros(self.n), np.zeros(self.n, dtype=np.int64)
        self.rows, self.length = 0, 0.0

    def add(self, z: NDArray[Any], a: NDArray[Any], delta: NDArray[Any]) -> None:
        """Take some rows into account; z, a and δ are (·, n_ℓ). A NaN is no largest and no smallest number."""
        self.rows += len(z)
        for i, values in enumerate((z, a)):
            self.low[i] = np.fmin(self.low[i], np.fmin.reduce(values, axis=0))
            self.high[i] = np.fmax(self.high[i], np.fmax.reduce(values, axis=0))
        self.length = math.hypot(self.length, length(delta))
        if not self.left_out:
            slopes = slope_sizes(self.g, z)
            self.slope_high = np.fmax(self.slope_high, np.fmax.reduce(slopes, axis=0))
            # where z is NaN no slope is known, so that a unit is not called dead for it
            self.slope_high[np.isnan(slopes).any(axis=0)] = np.inf
            self.flat_rows += (slopes < self.small).sum(axis=0) if self.small else (slopes == 0).sum(axis=0)

    def rms(self) -> float:
        """√(Σ δ²/(m n_ℓ))."""
        return self.length / math.sqrt(self.rows * self.n)

    def health(self, rows_share: float, above: float | None) -> LayerHealth:
        """Sum up; `above` is the rms of δ^{ℓ+1}, None for layer L."""
        looked = not self.left_out
        dead = (self.slope_high == 0) & looked
        saturated = (self.flat_rows >= rows_share * self.rows) & ~dead & looked
        varies = (self.low[1] != self.high[1]) | ~np.isfinite(self.high[1])
        constant = ~(dead | saturated | varies) & (self.rows > 1)
        rms = self.rms()
        return LayerHealth(
            self.layer,
            self.n,
            self.rows,
            self.g.name,
            self.g.coupled,
            _numbers(dead),
            _numbers(saturated),
            _numbers(constant),
            rms,
            rms / above if above and math.isfinite(above) else None,
            self.left_out,
            self.usual,
            self.small if looked else None,
            self.low[0] + 0.0,  # −0 is 0
            self.high[0] + 0.0,
            self.low[1] + 0.0,
            self.high[1] + 0.0,
            self.slope_high if looked else None,
            self.flat_rows if looked else None,
        )


def slope_sizes(g: AnyActivation, z: NDArray[Any]) -> NDArray[Any]:
    """|g'(z)| (E2), (m, n); of coupled units ‖∂a/∂z_k‖₂ in column k, by n products with ∂a/∂z."""
    if isinstance(g, Activation):
        return np.asarray(np.abs(g.derivative(z)))
    sizes = np.empty_like(z)
    for k in range(z.shape[1]):
        sizes[:, k] = np.linalg.norm(g.jvp(z, _unit(z, k)), axis=1)
    return sizes


def usual_slope(g: AnyActivation, n: int, dtype: str) -> float:
    """Give the largest |g'(z)| for |z| ≤ 1; of n coupled units the largest ‖∂a/∂z_k‖₂, the others' z being 0.

    >>> from chainrule.maths.activations import activation
    >>> usual_slope(activation("logistic"), 1, "float64"), round(usual_slope(activation("exp"), 1, "float64"), 3)
    (0.25, 2.718)
    """
    grid = _USUAL_Z.astype(dtype)
    if isinstance(g, Activation):
        return float(slope_sizes(g, grid[:, np.newaxis]).max())
    largest = 0.0
    for k in range(n):
        unit = _unit(np.empty((len(grid), n), dtype=dtype), k)
        largest = max(largest, float(np.linalg.norm(g.jvp(grid[:, np.newaxis] * unit, unit), axis=1).max()))
    return largest


def length(array: NDArray[Any]) -> float:
    """√Σ of squares as a Python number, none of which is too small or too large for float64."""
    largest = float(np.abs(array).max())
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(array.astype(np.float64) / largest))


def _unit(like: NDArray[Any], k: int) -> NDArray[Any]:
    rows = np.zeros_like(like)
    rows[:, k] = 1
    return rows


def _numbers(which: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(which).tolist())
