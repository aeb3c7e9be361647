"""C and ∇C of a step with dropout, noise, label smoothing or clipped examples (E51, E55, E56, E58), in Array API calls.

The specification that the compiled core's steps are held against. Nothing of the passes is written a second time: a
layer with dropout is one whose activation is g(z) ⊙ M, for the masks M of this step.

Axes as in reference.py; `step` is the number of the step from 0 over the whole training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from chainrule.engine import reference
from chainrule.engine.inputs import is_sparse
from chainrule.engine.linearized import Linearized, Pulled
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Backward, Gradient, Run
from chainrule.engine.step_options import StepOptions
from chainrule.maths import masks
from chainrule.maths.activations import AnyActivation, CoupledActivation
from chainrule.maths.arrays import Array, array_namespace
from chainrule.maths.regularizers import equal_share, noisy, shrinking, smoothed


@dataclass(frozen=True)
class Seen:
    """A batch as a step sees it, and the network that sees it.

    `X` is a^0 = (x + σN) ⊙ M^0 and `mask` M^0, (m, n_0), or None; `Y` is smoothed; `plan` has masked activations.
    """

    plan: Plan
    X: Array
    Y: Array
    mask: Array | None

    def in_x(self, gradient: Array) -> Array:
        """∂/∂x, (m, n_0), of what has this gradient in a^0."""
        return gradient if self.mask is None else gradient * self.mask

    def linearized(self, parameters: Array) -> Linearized:
        """Keep the forward pass. Sparse rows are made dense."""
        return reference.linearize(self.plan, parameters, _dense(self.X))


def see(plan: Plan, X: Array, Y: Array, options: StepOptions, step: int) -> Seen:
    """(E51), (E55), (E56): draw the step's masks and noise for rows that are cast. Sparse rows may stay sparse."""
    drawn: dict[int, Array] = {}
    for layer, p in enumerate(options.dropout):
        if p > 0:
            shape = (X.shape[0], plan.sizes[layer])
            drawn[layer] = _like(Y, masks.mask(p, shape, options.seed, step, layer, plan.dtype))
    if options.noise > 0:
        normals = masks.normals((X.shape[0], plan.sizes[0]), options.seed, step, plan.dtype)
        X = noisy(_dense(X), _like(Y, normals), options.noise)
    if 0 in drawn:
        X = _dense(X) * drawn[0]
    if options.smoothing > 0:
        Y = smoothed(Y, options.smoothing, equal_share(plan.cost.name, plan.sizes[-1]))
    if any(layer > 0 for layer in drawn):
        given = zip(plan.layers, plan.activations, strict=True)
        plan = replace(plan, activations=tuple(masked(g, drawn[at]) if at in drawn else g for at, g in given))
    return Seen(plan, X, Y, drawn.get(0))


def masked(g: AnyActivation, M: Array) -> AnyActivation:
    """The activation g(z) ⊙ M (E51), with its products; M is (m, n_ℓ), so it takes the m rows of one batch only."""
    bend = g.second_vjp
    return CoupledActivation(
        g.name,
        value=lambda z: g.value(z) * M,
        vjp=lambda z, da: g.vjp(z, da * M),
        jvp=lambda z, dz: g.jvp(z, dz) * M,
        second_vjp=None if bend is None else lambda z, da, dz: bend(z, da * M, dz),
    )


def value_and_gradient(
    plan: Plan, parameters: Array, X: Array, Y: Array, weights: Array | None, options: StepOptions, step: int
) -> tuple[Array, Gradient]:
    """C (E4) of the batch as this step sees it, and ∇C (E10), of examples that are clipped where that is asked for.

    Clipping doesn't change C.
    """
    seen = see(plan, X, Y, options, step)
    if math.isinf(options.clip_example_norm):
        cost, gradient = reference.value_and_gradient(seen.plan, parameters, seen.X, seen.Y, weights)
        return cost, Gradient(plan, gradient.flat)
    at = seen.linearized(parameters)
    cost = reference.batch_cost(plan, reference.example_costs(plan, at.run, seen.Y), weights)
    delta_L = reference.output_delta(plan, at.z, at.a, seen.Y)
    delta = reference.propagate(at.plan, at.W, at.run, delta_L)
    return cost, Gradient(plan, _clipped(at, delta, weights, options))


def passes(
    plan: Plan, parameters: Array, X: Array, Y: Array, weights: Array | None, options: StepOptions, step: int
) -> tuple[Run, Backward]:
    """`value_and_gradient` with all of its passes: a^ℓ are masked, δ^ℓ and ∂C_i/∂x those of examples unclipped."""
    seen = see(plan, X, Y, options, step)
    at = seen.linearized(parameters)
    back = reference.backward(seen.plan, parameters, at.run, seen.Y, weights)
    flat = back.flat if math.isinf(options.clip_example_norm) else _clipped(at, back.delta, weights, options)
    return at.run, Backward(plan, flat, back.cost, back.delta, seen.in_x(back.x))


def _clipped(at: Linearized, delta: ByLayer[Array], weights: Array | None, options: StepOptions) -> Array:
    """(E58) Σ_i c_i min(1, c/‖∇C_i‖) ∇C_i, ‖∇C_i‖ (E36) and the sum over the layers that aren't frozen. (|θ|,)."""
    plan, xp = at.plan, array_namespace(at.a)
    trained = options.trained(plan)
    kept = {layer: one if layer in trained else xp.zeros_like(one) for layer, one in delta.items()}
    pulled = Pulled(at, [ByLayer("delta", kept)])
    factors = shrinking(xp.sqrt(pulled.squared_norms()), options.clip_example_norm)
    c = reference.coefficients(plan, at.a.shape[0], weights)
    return pulled.gradient(c * xp.astype(factors, at.a.dtype))


def _dense(X: Any) -> Array:
    return X.toarray() if is_sparse(X) else X


def _like(array: Array, values: Any) -> Array:
    """Give numpy's numbers in the library of an array, and where it is."""
    return array_namespace(array).asarray(values, device=getattr(array, "device", None))
