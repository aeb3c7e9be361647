"""A network's ∂C/∂θ and ∂C_i/∂x held against differences of C, and Jᵀ against J."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.cost_lines import CostLines, Crossing, Move
from chainrule.derivatives.inputs import jvp, vjp
from chainrule.derivatives.tally import Tally
from chainrule.engine.gradient_report import GradientReport, Projection, digest
from chainrule.engine.inputs import cast, check_rows, check_targets, check_weights
from chainrule.engine.network import Network, random_generator
from chainrule.engine.plan import Block, ByLayer
from chainrule.errors import InputError, text
from chainrule.maths.finite_differences import Comparison, compare

_F = NDArray[np.float64]
_TOLERANCE = 1e-7  # of an array's largest entry: a thousand times what differences leave, far below any slip
_SAFETY = 8.0  # over √n times the rounding of single numbers: what is added up in a row of n hardly ever adds up so far
_DRAWS = 3
_NUDGE = 2.0**-30  # of each number: small enough to be linear, large enough to stand out of float64's own rounding
_ARRAYS, _AT_WORK = 14, 8  # float64 for each unit and example: runs, on lines and off them; and in the widest layer


class NetworkCheck:
    """∂C/∂θ and ∂C_i/∂x of a network at some rows, and C along lines to hold them against."""

    def __init__(
        self, net: Network, X: Any, Y: Any, sample_weight: Any, tolerance: float | None, seed: int, max_memory: int
    ) -> None:
        if X is None or Y is None:
            hint = "Some tens of rows are enough: cr.check_gradients(net, X[:50], Y[:50])."
            expected, got = "rows and targets to check the network at", "none"
            raise InputError(text("X" if X is None else "Y", expected=expected, got=got, hint=hint))
        rows, plan = check_rows(X, net.sizes[0]), net.plan
        m, at_most = len(rows), max_memory // (8 * (_ARRAYS * sum(net.sizes) + _AT_WORK * max(net.sizes)))
        if m > at_most:
            hint = (
                f"Give fewer rows, which are as good a check: X[:{max(1, min(at_most, 50))}]; or a larger max_memory."
            )
            got = f"{m:,} rows"
            raise InputError(text("X", expected=f"rows that fit in max_memory, {at_most:,}", got=got, hint=hint))
        targets, weights = check_targets(Y, m, plan), check_weights(sample_weight, m, plan.dtype)
        X, Y = cast(rows, plan.dtype), targets.rows(slice(None))
        self.net, self.rng, self._tolerance, self._X = net, random_generator(seed), tolerance or _TOLERANCE, X
        u, v = (self.rng.standard_normal((m, n)) for n in (net.sizes[-1], net.sizes[0]))
        self._u, self._v = (one.astype(plan.dtype).astype(np.float64) for one in (u, v))  # the same for every dtype
        with np.errstate(all="ignore"):
            self.lines = CostLines(net, X, Y, weights)
            still = Move(1, np.zeros((m, net.sizes[1])))
            if not np.isfinite(self.lines.line(still, self.lines.c)(np.zeros(()))).all():
                hint = "Scale X, or go back to parameters with a finite C: what overflows has no differences."
                what = f"C of {m:,} rows"
                raise InputError(
                    text(what, expected="a finite number for each", got="an infinite one or NaN", hint=hint)
                )
            flat = net.value_and_gradient(X, Y, weights)[1].flat
            x = net.backward(net.forward(X), Y, weights).x
            self.flat, self.x = flat.astype(np.float64), x.astype(np.float64)
            self._unit = float(np.finfo(net.dtype).eps) / 2
            self._length = _SAFETY * math.sqrt(max(*net.sizes, m))
            self._find_rounding()

    def report(self, max_parameters: int, directions: int) -> GradientReport:
        """Compare, and say what was found."""
        net, tally = self.net, Tally()
        blocks = [(symbol, layer, at) for layer in net.plan.layers for symbol, at in self._of_layer(layer)]
        shares = _shares([at.stop - at.start for _, _, at in blocks], max_parameters)
        relative = 0.0
        with np.errstate(all="ignore"):  # where a step leaves the numbers, the difference is not finite, and says so
            for (symbol, layer, at), share in zip(blocks, shares, strict=True):
                got, size = self.flat[at.start : at.stop], float(self._sizes[at.start : at.stop].max())
                largest = float(np.max(np.abs(got), where=np.isfinite(got), initial=0.0))
                allowed = self._allowed(size, largest, np.abs(self._nudged[:, at.start : at.stop]).max())
                relative = max(relative, allowed / size if size > 0 else 0.0)
                places = np.arange(len(got))
                if share < len(got):
                    places = np.sort(self.rng.choice(len(got), share, replace=False))
                before = tally.failed
                for place in places:
                    self._one(tally, symbol, layer, at, int(place), allowed)
                for number in range(1, directions + 1):
                    signs = self.rng.choice([-1.0, 1.0], len(got))
                    name = f"{symbol}[{layer}] along direction {number}"
                    found, where = self._along(layer, at, signs)
                    tally.add(found, partial(_always, name), where, is_direction=True)
                    if found.failed and tally.failed == before + 1 and len(places) < len(got):
                        self._search(tally, symbol, layer, at, signs, allowed)
            for number in range(1, directions + 1):
                V = self.rng.choice([-1.0, 1.0], self.x.shape)
                found, where = self._along_X(V)
                tally.add(found, partial(_always, f"x along direction {number}"), where, is_direction=True)
            projection = self._projection()
        n = net.plan.n_parameters
        sample = f"{sum(shares):,} of {n:,} parameters, drawn from every array" if sum(shares) < n else "all parameters"
        widths = "-".join(map(str, net.sizes))
        runs = [(name, len(list(same))) for name, same in groupby(net.activations)]
        activations = ", ".join(name if times == 1 else f"{name} × {times}" for name, times in runs)
        functions = f"{activations}; {net.cost_function.name}"
        checked = f"network {widths} ({functions}), {net.plan.dtype}, backend {net.backend}"
        rows = len(self.lines.X)
        reason = (
            f"the largest Σ|c_i δ_j a_k| of an array: {self._tolerance:g}, and what rounding to {net.plan.dtype} may do"
        )
        return tally.report(
            f"{checked}, at {rows:,} row{'' if rows == 1 else 's'}",
            rows,
            sample,
            relative,
            reason,
            n,
            projection,
            digest(net.plan, net.parameters),
        )

    # --- what is allowed ----------------------------------------------------------------------------------------------
    def _find_rounding(self) -> None:
        """Nudge θ, X and every a by a small part of each number, and see what that does to ∇C, ∂C_i/∂x and ⟨u, Jv⟩.

        How large an entry of ∇C is counts without signs, Σ_i |c_i δ_ij a_ik| (E7): where it vanishes because examples
        cancel, as in a trained network, its rounding doesn't.

        The outputs are among the a: a − y of a sure and right answer loses all its digits by the rounding of a alone.
        """
        exact, rng = self.lines.net, np.random.default_rng(0)

        def nudged(values: _F) -> _F:
            return values * (1 + _NUDGE * rng.choice([-1.0, 1.0], values.shape))

        plan, lines = exact.plan, self.lines
        base = exact.backward(lines.run, lines.Y, lines.weights)
        shares = {layer: np.abs(lines.c[:, np.newaxis] * delta) for layer, delta in base.delta.items()}
        of_W = {layer: np.abs(lines.run.a[layer - 1]).T @ share for layer, share in shares.items()}
        of_b = {layer: shares[layer].sum(axis=0) for layer in plan.bias_blocks}
        self._sizes = np.nan_to_num(plan.join(of_W, of_b))
        pushed = (self._u * jvp(exact, lines.X, self._v)).sum()
        flat, x, along = [], [], []
        for _ in range(_DRAWS):
            forward, backward = (Network.from_plan(plan, nudged(exact.parameters), "reference") for _ in range(2))
            run = forward.forward(nudged(lines.X))
            ranges = {layer: plan.activation(layer).range for layer in plan.layers}
            kept = {layer: np.clip(nudged(run.a[layer]), at.low, at.high) for layer, at in ranges.items()}
            a = {0: run.a[0]} | kept
            back = backward.backward(replace(run, a=ByLayer("a", a)), lines.Y, lines.weights)
            flat.append(np.nan_to_num((back.flat - base.flat) / _NUDGE))
            x.append(np.nan_to_num((back.x - base.x) / _NUDGE))
            along.append(((self._u * jvp(forward, run.a[0], self._v)).sum() - pushed) / _NUDGE)
        self._nudged, self._nudged_x, self._nudged_push = np.stack(flat), np.stack(x), np.nan_to_num(along)

    def _allowed(self, size: float, got: float, change: float) -> float:
        """The tolerance for `got`, of this size without signs, that nudging changes by this part of the nudge."""
        return float(self._tolerance * size + self._unit * self._length * (got + change))

    # --- comparisons --------------------------------------------------------------------------------------------------
    def _of_layer(self, layer: int) -> list[tuple[str, Block]]:
        plan = self.net.plan
        biases = [("b", plan.bias_blocks[layer])] if layer in plan.bias_blocks else []
        return [("W", plan.weight_blocks[layer]), *biases]

    def _one(self, tally: Tally, symbol: str, layer: int, at: Block, place: int, allowed: float) -> None:
        index = tuple(int(i) for i in np.unravel_index(place, at.shape))
        name = f"{symbol}[{layer}][{', '.join(map(str, index))}]"
        found, where = self._compare(self.lines.of_one(layer, index), self.flat[at.start + place], allowed)
        tally.add(found, partial(_always, name), where)

    def _along(self, layer: int, at: Block, signs: _F) -> tuple[Comparison, Callable[[], str]]:
        """Move a whole array, or part of it, where signs are 0 for the rest."""
        moves = np.flatnonzero(signs)  # 0 times NaN is NaN, and the NaN may be in the other part
        g, sizes = (vector[at.start : at.stop][moves] for vector in (self.flat, self._sizes))
        change = np.abs(self._nudged[:, at.start : at.stop] @ signs).max()
        allowed = self._allowed(float(np.linalg.norm(sizes)), float(np.linalg.norm(g[np.isfinite(g)])), change)
        return self._compare(self.lines.of_parameters(layer, signs.reshape(at.shape)), g @ signs[moves], allowed)

    def _along_X(self, V: _F) -> tuple[Comparison, Callable[[], str]]:
        m = len(V)
        change = np.abs((self._nudged_x * V).sum(axis=(1, 2))).max() / m
        size = float(np.linalg.norm(self.x[np.isfinite(self.x)])) / m
        allowed = self._allowed(size, size, change)
        return self._compare(self.lines.of_X(V), float((self.x * V).sum()) / m, allowed, np.full(m, 1 / m))

    def _compare(
        self, move: Move, got: float, allowed: float, c: _F | None = None
    ) -> tuple[Comparison, Callable[[], str]]:
        lines = self.lines
        counts = lines.c if c is None else c
        noise = lines.noise(move.layer, counts)
        start, near, least = move.reach, 0.0, 0.0
        crossings = list(lines.crossings(move))
        if crossings:
            # a step that rounding drowns is no way to keep off a kink
            least = 30 * float(np.linalg.norm(noise)) / allowed if allowed > 0 else 0.0
            times = np.concatenate([one.t.ravel() for one in crossings])
            start = min(start, 0.9 * float(times[times > least].min(initial=np.inf)))
            near = max(self._undecided(one) for one in crossings)

        def known_jump() -> float:
            # one parameter moves few units, of which no two are likely to lie on a kink that nobody has declared
            undeclared = lines.undeclared_jump(move, counts) if move.unit is None else 0.0
            return lines.jump(crossings, max(least, near), counts) + undeclared

        phi, as_arrays = lines.line(move, counts), (np.array(got), np.array(allowed), np.array(start))
        found = compare(phi, *as_arrays, noise, _summed, 8 * near, known_jump)
        straddles = any(bool((one.t <= least).any()) for one in crossings)
        if straddles and not found.failed and lines.jump(crossings, least, counts) > allowed:
            # also where the derivative is taken to be the mean of both slopes, as the difference is
            found = replace(found, kink=np.array(True), unresolved=np.array(False))
        return found, lambda: _nearest(crossings)

    def _undecided(self, crossing: Crossing) -> float:
        """The largest t of a kink of which the network's dtype may take the other side."""
        size = np.abs(self.lines.run.z[min(crossing.layer, self.net.L)]).max()
        doubtful = crossing.t[crossing.distance <= self._unit * self._length * size]
        finite = doubtful[np.isfinite(doubtful)]
        return float(finite.max(initial=0.0))

    def _search(self, tally: Tally, symbol: str, layer: int, at: Block, signs: _F, allowed: float) -> None:
        """Halve a wrong direction, and go on with the half that is off by more, down to one parameter."""
        places = np.arange(len(signs))
        while len(places) > 1:
            halves = np.array_split(places, 2)
            off = []
            for half in halves:
                part = np.zeros_like(signs)
                part[half] = signs[half]
                found = self._along(layer, at, part)[0]
                off.append(float(np.nan_to_num(np.abs(found.got - found.expected), nan=np.inf)))
            places = halves[int(off[1] > off[0])]
        self._one(tally, symbol, layer, at, int(places[0]), allowed)

    def _projection(self) -> Projection:
        """⟨u, Jv⟩ and ⟨Jᵀu, v⟩, with J = ∂a^L/∂x of each row."""
        net, X, u, v, norm = self.net, self._X, self._u, self._v, np.linalg.norm
        pushed, pulled = (d.astype(np.float64) for d in (jvp(net, X, v), vjp(net, X, u)))
        forward, backward = float((u * pushed).sum()), float((pulled * v).sum())
        size = float(max(norm(u) * norm(pushed), norm(pulled) * norm(v)))
        if size == 0:
            return Projection(forward, backward, 0.0, 0.0)
        error, change = abs(forward - backward) / size, float(np.abs(self._nudged_push).max()) / size
        return Projection(forward, backward, error, self._unit * self._length * (1 + change))


def _nearest(crossings: list[Crossing]) -> str:
    """Name the kink that a line meets first."""
    first = min(crossings, key=lambda one: float(one.t.min()), default=None)
    if first is None or not np.isfinite(first.t.min()):
        return "where a slope jumps that no activation or cost declares"
    row, unit = (int(i) for i in np.unravel_index(int(first.t.argmin()), first.t.shape))
    return first.name(row, unit)


def _summed(of_rows: _F) -> _F:
    return np.asarray(of_rows.sum(axis=0))


def _always(name: str, _: Any) -> str:
    return name


def _shares(sizes: list[int], most: int) -> list[int]:
    """Divide `most` among arrays, alike but for those that have fewer entries; each gets one at least.

    >>> _shares([640, 10, 100, 10], 200), _shares([4, 2], 100)
    ([90, 10, 90, 10], [4, 2])
    """
    shares = [0] * len(sizes)
    for done, place in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[place] = min(sizes[place], max(1, (most - sum(shares)) // (len(sizes) - done)))
    return shares
