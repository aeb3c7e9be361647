"""The network as a linear map, at θ and some rows X: what a block of examples' derivatives are made of.

`Linearized` keeps what the forward pass kept. `push` moves θ and follows z and a (E31), `pull` takes ∂/∂z^L of anything
down to every δ^ℓ (E6), `bend` says how these δ change on the way (E33). Each gives an object that turns what it has
into gradients, norms, squares and moments. In Array API calls, and the specification of what other backends offer.

Axes: m rows, n_ℓ units of layer ℓ, S cotangents for each row.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.engine import reference, tangents
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Run, counted
from chainrule.maths.arrays import Array, array_namespace


@dataclass(frozen=True)
class Linearized:
    """The network at θ, whose weights are `W`, and at X = a^0, with `run`, what the forward pass kept (E2)."""

    plan: Plan
    W: ByLayer[Array]
    run: Run

    @property
    def z(self) -> Array:
        """z^L, (m, n_L)."""
        return self.run.z[self.plan.L]

    @property
    def a(self) -> Array:
        """a^L, (m, n_L)."""
        return self.run.a[self.plan.L]

    def push(self, v: Array) -> Pushed:
        """(E31) along dθ = v, (|θ|,)."""
        along = tangents.in_parameters(self.plan, v)
        return Pushed(along, tangents.forward(self.plan, self.W, self.run, along))

    def pull(self, seeds: Array) -> Pulled:
        """Every δ^ℓ by (E6) of S cotangents of z^L, (S, m, n_L): δ^L of a cost, or rows of anything else."""
        deltas = [reference.propagate(self.plan, self.W, self.run, seeds[s, ...]) for s in range(seeds.shape[0])]
        return Pulled(self, deltas)

    def bend(self, pushed: Pushed, delta_L: Array, d_delta_L: Array) -> Bent:
        """(E33) along what was pushed, from δ^L and R{δ^L}, both (m, n_L)."""
        delta = reference.propagate(self.plan, self.W, self.run, delta_L)
        d_delta = tangents.backward(self.plan, self.W, self.run, delta, pushed.run, d_delta_L, pushed.along)
        return Bent(self, delta, pushed.run, d_delta)

    def moments(self, c: Array | float) -> list[Array]:
        """Σ_i c_i ā āᵀ of the inputs of layers 1..L, ā being a^{ℓ−1} with a 1 behind it where the layer has a bias."""
        return [
            second_moment(_with_one(self.run.a[l - 1]) if self.plan.bias[l - 1] else self.run.a[l - 1], c)
            for l in self.plan.layers
        ]


@dataclass(frozen=True)
class Pushed:
    """A direction, and how z and a change along it, of the layers that do."""

    along: tangents.Direction
    run: Run

    @property
    def z(self) -> Array:
        """R{z^L}, (m, n_L)."""
        return self.run.z[max(self.run.z)]


@dataclass(frozen=True)
class Pulled:
    """δ^ℓ of S cotangents; c below is what each row counts, a number for all of them or (m,)."""

    of: Linearized
    deltas: list[ByLayer[Array]]

    def inputs(self, out: Array | None = None) -> Array:
        """(E9) down to X, (m, S, n_0): in `out`, or in a new array."""
        found = array_namespace(self.of.a).stack([delta[1] @ self.of.W[1].T for delta in self.deltas], axis=1)
        if out is None:
            return found
        out[...] = found
        return out

    def gradient(self, c: Array | float) -> Array:
        """Σ_s Σ_i c_i of (E7), (E8), (|θ|,)."""
        parts = [reference.reduced_gradient(self.of.plan, self.of.run, delta, c) for delta in self.deltas]
        return sum(parts[1:], parts[0])

    def squared_norms(self) -> Array:
        """(E36) Σ_s Σ_ℓ ‖δ^ℓ‖²(‖a^{ℓ−1}‖² + 1), without the 1 where there is no bias, (m,), in float64."""
        plan, total = self.of.plan, None
        for l in plan.layers:
            inputs = squared_lengths(self.of.run.a[l - 1]) + float(plan.bias[l - 1])
            for delta in self.deltas:
                term = squared_lengths(delta[l]) * inputs
                total = term if total is None else total + term
        return total

    def squares(self, c: Array | float) -> Array:
        """(E37) Σ_i c_i Σ_s of the squared entries of (E7), (E8): ((A^{ℓ−1})²)ᵀ Σ_s (Δ^ℓ)², (|θ|,)."""
        plan, run = self.of.plan, self.of.run
        squared = Run(ByLayer("a²", {l - 1: run.a[l - 1] * run.a[l - 1] for l in plan.layers}), run.z)
        sums = {}
        for l in plan.layers:
            parts = [delta[l] * delta[l] for delta in self.deltas]
            sums[l] = sum(parts[1:], parts[0])
        return reference.reduced_gradient(plan, squared, ByLayer("δ²", sums), c)

    def moments(self, c: Array | float) -> list[Array]:
        """Σ_i c_i Σ_s δδᵀ of layers 1..L, (n_ℓ, n_ℓ)."""
        found = []
        for l in self.of.plan.layers:
            total = second_moment(self.deltas[0][l], c)
            for delta in self.deltas[1:]:  # one after the other, as S matrices at once may be too large
                total = total + second_moment(delta[l], c)
            found.append(total)
        return found


@dataclass(frozen=True)
class Bent:
    """How every δ^ℓ changes along a direction."""

    of: Linearized
    delta: ByLayer[Array]
    pushed: Run
    d_delta: ByLayer[Array]

    def gradient(self, c: Array | float) -> Array:
        """R{∇C}, (|θ|,)."""
        return tangents.gradient(self.of.plan, self.of.run, self.delta, self.pushed, self.d_delta, c)


def squared_lengths(rows: Array) -> Array:
    """‖·‖² of each row, (m,), in float64, in which no square of a float32 is too small or too large."""
    xp = array_namespace(rows)
    wide = xp.astype(rows, xp.float64)
    return xp.sum(wide * wide, axis=1)


def second_moment(rows: Array, c: Array | float) -> Array:
    """Σ_i c_i r_i r_iᵀ of the rows r_i, (n, n), symmetric."""
    return rows.T @ counted(c, rows)


def _with_one(rows: Array) -> Array:
    xp = array_namespace(rows)
    return xp.concat([rows, xp.ones((rows.shape[0], 1), dtype=rows.dtype)], axis=1)
