"""Independent answers: central finite differences in float64, and (where torch is installed) torch's autograd."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cases import Problem
from chainrule.engine import reference
from chainrule.engine.plan import Plan


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """‖got − expected‖/‖expected‖; the norm of the difference itself where expected is 0."""
    size = float(np.linalg.norm(expected))
    return float(np.linalg.norm(np.asarray(got) - expected)) / (size if size > 1e-300 else 1.0)


def cost_from(plan: Plan, W: dict, b: dict, layer: int, Z: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """C_i when layer `layer` has the weighted inputs Z: (E1) to (E3) from there on. Z is (…, m, n_ℓ), C_i (…, m)."""
    z = Z
    for at in range(layer, plan.L + 1):
        a = plan.activation(at).value(z)
        if at < plan.L:
            z = a @ W[at + 1] + b.get(at + 1, 0.0)
    return plan.cost.value(a, np.broadcast_to(Y, a.shape))


def _fd4(f, step: float) -> np.ndarray:
    """(fd4) f'(0) ≈ (8[f(h) − f(−h)] − [f(2h) − f(−2h)])/(12h), differences first, so that rounding stays small.

    At h = 2.5e-4 its error, h⁴/30 of the fifth derivative, and rounding, 1e-16/h, are about 1e-15 and 4e-13.
    """
    return (8 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12 * step)


def example_weights(problem: Problem) -> np.ndarray:
    """What each example counts in the batch (E4)."""
    m = len(problem.X)
    w = np.ones(m) if problem.weights is None else problem.weights
    return w / w.sum() if problem.plan.reduction == "mean" else w


def numeric_gradient(problem: Problem) -> Iterator[tuple[str, int, np.ndarray]]:
    """∂C/∂𝒲^ℓ and ∂C/∂b^ℓ of the batch, one entry of θ at a time; all entries of a layer are worked as one stack.

    Moving W^ℓ_jk by h moves z^ℓ_j by h a^{ℓ−1}_k and nothing else in layer ℓ.
    """
    plan, net = problem.plan, problem.net
    run = reference.forward(plan, net.parameters, problem.X)
    counts = example_weights(problem)
    for layer in plan.layers:
        n_in, n_out = plan.sizes[layer - 1], plan.sizes[layer]
        moved = {"W": (n_in, n_out)} | ({"b": (1, n_out)} if layer in net.b else {})
        for symbol, shape in moved.items():
            A = run.a[layer - 1] if symbol == "W" else np.ones((len(problem.X), 1))

            def cost(h: float, A=A, shape=shape, layer=layer) -> np.ndarray:
                stack = np.broadcast_to(run.z[layer], (*shape, *run.z[layer].shape)).copy()
                for j in range(shape[1]):
                    stack[:, j, :, j] += h * A.T
                flat = stack.reshape(-1, *run.z[layer].shape)
                return cost_from(plan, net.W, net.b, layer, flat, problem.Y).reshape(*shape, -1)

            gradient = (_fd4(cost, problem.step) * counts).sum(axis=-1)
            yield symbol, layer, gradient.reshape(net.W[layer].shape if symbol == "W" else (n_out,))


def numeric_in_layer(problem: Problem, layer: int) -> np.ndarray:
    """∂C_i/∂z^ℓ for layer ≥ 1, ∂C_i/∂x for layer 0, (m, n_ℓ): every unit of every example moved on its own."""
    plan, net = problem.plan, problem.net
    run = reference.forward(plan, net.parameters, problem.X)
    start = run.a[0] if layer == 0 else run.z[layer]

    def cost(h: float) -> np.ndarray:
        moved = start + h * np.eye(start.shape[1])[:, np.newaxis, :]  # (n_ℓ, m, n_ℓ)
        if layer == 0:
            moved = moved @ net.W[1] + net.b.get(1, 0.0)
        return cost_from(plan, net.W, net.b, max(layer, 1), moved, problem.Y)

    return _fd4(cost, problem.step).T
