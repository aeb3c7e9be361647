"""C along lines of θ and of X, in float64 by the reference backend, whatever the network computes in.

Moving parameters of layer ℓ alone, or X, moves the weighted inputs of one layer along a straight line: W^ℓ_jk + t gives
z^ℓ_j + t a^{ℓ−1}_k (E1). So only the layers from ℓ on are worked again, and where one unit of an elementwise layer
moves, the layer above by that unit alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Run
from chainrule.maths.finite_differences import Line, rounding, slope_jump

_F = NDArray[np.float64]
_REACH = 0.05
"""How far a weighted input moves at most: activations change little over it."""
_SPACING = 1e-11
"""How far it moves between the values of which rounding is read: too little for anything else to be seen."""
_PROBE = 1e-6
"""How far it moves to see which way those of the layers above go."""


@dataclass(frozen=True)
class Crossing:
    """Where on a line the weighted inputs of a layer, or a − y, layer L + 1, meet a kink; all arrays (m, n).

    They are `distance` off it, move by `slope`, and meet it at t, were they to go on as they begin.
    """

    t: _F
    distance: _F
    slope: _F
    layer: int
    where: str

    def name(self, row: int, unit: int) -> str:
        """Name one of them: "z[2][7, 5] at 0, a kink of relu"."""
        return self.where.replace("#", f"{row}, {unit}")


@dataclass(frozen=True)
class Move:
    """How the weighted inputs of layer ℓ move, or a^L for ℓ = L + 1: along `dz`, (m, n_ℓ), or one unit's, (m, 1)."""

    layer: int
    dz: _F
    unit: int | None = None

    @property
    def reach(self) -> float:
        """The largest t."""
        largest = float(np.abs(self.dz).max())
        return _REACH / largest if largest > 0 else 1.0


class CostLines:
    """A network's C (E4) at X and Y, already checked and cast, along lines.

    `X`, `Y`, `weights` and `net` are float64, `run` is the forward pass, and `c`, (m,), what each example counts.
    """

    def __init__(self, net: Network, X: NDArray[Any], Y: NDArray[Any], weights: NDArray[Any] | None) -> None:
        plan = replace(net.plan, dtype="float64")
        self.net = Network.from_plan(plan, net.parameters.astype(np.float64), "reference")
        self.X, self.Y = X.astype(np.float64), Y.astype(np.float64)
        self.weights = None if weights is None else weights.astype(np.float64)
        counts = np.ones(len(X)) if self.weights is None else self.weights
        self.c = counts / counts.sum() if plan.reduction == "mean" else counts
        self.run = self.net.forward(self.X)
        self._has_kinks = any(self._kinks(layer) for layer in range(1, net.L + 2))
        self._noise, self._above = cache(self._find_noise), cache(self._find_above)

    # --- lines --------------------------------------------------------------------------------------------------------
    def of_parameters(self, layer: int, V: _F) -> Move:
        """𝒲^ℓ moves along V, (n_{ℓ−1}, n_ℓ), or b^ℓ along V, (n_ℓ,)."""
        moves_b = V.ndim == 1
        return Move(layer, np.broadcast_to(V, self.run.z[layer].shape) if moves_b else self.run.a[layer - 1] @ V)

    def of_one(self, layer: int, index: tuple[int, ...]) -> Move:
        """One entry of 𝒲^ℓ, or of b^ℓ, moves."""
        column = self.run.a[layer - 1][:, [index[0]]] if len(index) == 2 else np.ones((len(self.X), 1))
        return Move(layer, column, index[-1])

    def of_X(self, V: _F) -> Move:
        """X moves along V, (m, n_0)."""
        return Move(1, V @ self.net.W[1])

    def line(self, move: Move, c: _F) -> Line:
        """t -> c_i C_i, (m,)."""
        return lambda t: c * self._costs(self._moved(move, t))

    def noise(self, layer: int, c: _F) -> _F:
        """ε of c_i C_i, (m,), on a line of layer ℓ (E48)."""
        return c * self._noise(layer)

    def _find_noise(self, layer: int) -> _F:
        signs = np.random.default_rng(layer).choice([-1.0, 1.0], self.run.z[layer].shape)
        return rounding(self.line(Move(layer, signs), np.ones(len(self.X))), np.array(_SPACING))

    def crossings(self, move: Move) -> Iterator[Crossing]:
        """The kinks that a line meets; t is infinite where nothing moves."""
        if not self._has_kinks or not move.dz.any():
            return
        for at, slope in self._slopes(move):
            here = self.run.a[self.net.L] - self.Y if at > self.net.L else self.run.z[at]
            for kink, where in self._kinks(at):
                distance = np.abs(here - kink)
                t = np.where(slope > 0, distance / np.where(slope > 0, slope, 1.0), np.inf)
                yield Crossing(t, distance, slope, at, where)

    def _slopes(self, move: Move) -> Iterator[tuple[int, _F]]:
        """How fast the weighted inputs of each layer from ℓ on move, and a^L, (m, n): on the faster side, at a kink."""
        reach, L = _PROBE * move.reach / _REACH, self.net.L
        ends = [self._moved(move, t) for t in (-reach, reach)]

        def fastest(here: _F, there: list[_F]) -> _F:
            return np.asarray(np.max([np.abs(z - here) for z in there], axis=0) / reach)

        for at in range(move.layer, L + 1):
            yield at, fastest(self.run.z[at], [end.z[at] for end in ends])
        yield L + 1, fastest(self.run.a[L], [end.a[L] for end in ends])

    def jump(self, crossings: list[Crossing], within: float, c: _F) -> float:
        """Σ |jump of the slope of c_i C_i| over the kinks that a line meets within some t, each by itself (E50).

        One weighted input of each row moves at a time, so that the kinks of a row can't cancel.
        """
        total = 0.0
        for one in crossings:
            meets = one.t <= within
            order = np.cumsum(meets, axis=1)
            for place in range(1, int(order.max(initial=0)) + 1):
                move = Move(one.layer, np.where(meets & (order == place), one.slope, 0.0))
                total += self._jump(move, c, 8 * within)
        return total

    def undeclared_jump(self, move: Move, c: _F) -> float:
        """Σ |jump of the slope of c_i C_i| when the weighted inputs of one unit after the other move as on a line.

        0 where all functions come with chainrule, which declare their kinks.
        """
        if not self.net.plan.own or not move.dz.any():
            return 0.0
        return sum(
            self._jump(Move(at, slope * (np.arange(slope.shape[1]) == unit)), c)
            for at, slope in self._slopes(move)
            for unit in range(slope.shape[1])
        )

    def _jump(self, move: Move, c: _F, least: float = 0.0) -> float:
        step, noise = np.array(max(move.reach / 50, least)), self.noise(min(move.layer, self.net.L), c)
        return float(slope_jump(self.line(move, c), step, noise).sum())

    def _kinks(self, layer: int) -> list[tuple[float, str]]:
        """The kinks of layer ℓ's activation, or those of the cost for L + 1, and how they are named."""
        plan = self.net.plan
        if layer > plan.L:
            return [(kink, f"(a − y)[#] at {kink:g}, a kink of {plan.cost.name}") for kink in plan.cost.kinks]
        g = plan.activation(layer)
        return [] if g.coupled else [(kink, f"z[{layer}][#] at {kink:g}, a kink of {g.name}") for kink in g.kinks]

    # --- from one layer on --------------------------------------------------------------------------------------------
    def _moved(self, move: Move, t: _F | float) -> Run:
        """z of layers ℓ..L, and a^L, at t."""
        layer, unit, kept = move.layer, move.unit, self.run
        if layer > self.net.L:
            at_top = {self.net.L: kept.a[self.net.L] + t * move.dz}
            return Run(ByLayer("a", at_top), ByLayer("z", {self.net.L: kept.z[self.net.L]}))
        if unit is None:
            return self._from(layer, kept.z[layer] + t * move.dz)
        z = kept.z[layer].copy()
        z[:, [unit]] += t * move.dz
        g = self.net.plan.activation(layer)
        if layer == self.net.L or g.coupled:
            return self._from(layer, z)
        da = g.value(z[:, [unit]]) - kept.a[layer][:, [unit]]
        above = self._from(layer + 1, kept.z[layer + 1] + da * self.net.W[layer + 1][unit])
        return Run(above.a, ByLayer("z", {layer: z} | dict(above.z)))

    def _from(self, layer: int, z: _F) -> Run:
        """(E2), then (E1), (E2) of the layers above, with z^ℓ = z."""
        plan, L = self.net.plan, self.net.L
        a = plan.activation(layer).value(z)
        if layer == L:
            return Run(ByLayer("a", {L: a}), ByLayer("z", {L: z}))
        start = plan.weight_blocks[layer + 1].start
        run = self.net.engine.forward(self._above(layer), self.net.parameters[start:], a)
        return Run(
            ByLayer("a", {layer + at: values for at, values in run.a.items()}),
            ByLayer("z", {layer: z} | {layer + at: values for at, values in run.z.items()}),
        )

    def _costs(self, run: Run) -> _F:
        costs: _F = self.net.engine.example_costs(self.net.plan, run, self.Y)
        return costs

    def _find_above(self, layer: int) -> Plan:
        """The layers above ℓ as a network of their own, whose input is a^ℓ."""
        plan = self.net.plan
        return replace(plan, sizes=plan.sizes[layer:], activations=plan.activations[layer:], bias=plan.bias[layer:])
