"""An independent network in torch: its own layers, its own activations and costs, its own autograd."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)

from cases import Problem

ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": lambda z: F.softplus(z, threshold=1e9),  # torch replaces softplus by z above its threshold
    "mish": F.mish,
    "softsign": F.softsign,
    "exp": torch.exp,
    "softmax": lambda z: F.softmax(z, dim=-1),
}
COSTS = {
    "squared_error": lambda a, y: F.mse_loss(a, y, reduction="none"),
    "half_squared_error": lambda a, y: F.mse_loss(a, y, reduction="none") / 2,
    "binary_cross_entropy": lambda a, y: F.binary_cross_entropy(a, y, reduction="none"),
    "cross_entropy": lambda a, y: -torch.xlogy(y, a),
    "poisson": lambda a, y: F.poisson_nll_loss(a, y, log_input=False, eps=0.0, reduction="none"),
    "huber": lambda a, y: F.huber_loss(a, y, reduction="none"),
    "absolute_error": lambda a, y: F.l1_loss(a, y, reduction="none"),
    "quantile(0.3)": lambda a, y: torch.maximum(0.3 * (y - a), -0.7 * (y - a)),
    "log_cosh": lambda a, y: torch.log(torch.cosh(a - y)),
}


def outputs(problem: Problem, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """a^L as a function of the flat θ and of x, (m, n_0)."""
    plan, a = problem.plan, x
    for layer in plan.layers:
        at = plan.weight_blocks[layer]
        z = a @ theta[at.start : at.stop].reshape(at.shape)
        if layer in plan.bias_blocks:
            z = z + theta[plan.bias_blocks[layer].start : plan.bias_blocks[layer].stop]
        a = ACTIVATIONS[plan.activation(layer).name](z)
    return a


def batch_cost(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
    """C (E4) as a function of the flat θ."""
    plan, a = problem.plan, outputs(problem, theta, torch.tensor(problem.X))
    costs = COSTS[plan.cost.name](a, torch.tensor(problem.Y)).sum(dim=1)
    weights = torch.ones(len(costs), dtype=torch.float64) if problem.weights is None else torch.tensor(problem.weights)
    return (weights * costs).sum() / (weights.sum() if plan.reduction == "mean" else 1.0)


def run(problem: Problem) -> dict[str, object]:
    """Cost, example costs, and torch's gradients in θ (by layer), z (by layer) and x; outputs and their Jacobian."""
    net = problem.net
    W = {layer: torch.tensor(array, requires_grad=True) for layer, array in net.W.items()}
    b = {layer: torch.tensor(array, requires_grad=True) for layer, array in net.b.items()}
    x = torch.tensor(problem.X, requires_grad=True)
    a, z = x, {}
    for layer in W:
        z[layer] = F.linear(a, W[layer].T, b.get(layer))
        a = ACTIVATIONS[net.activations[layer - 1]](z[layer])
    costs = COSTS[net.cost_function.name](a, torch.tensor(problem.Y)).sum(dim=1)
    weights = torch.ones(len(costs), dtype=torch.float64) if problem.weights is None else torch.tensor(problem.weights)
    cost = (weights * costs).sum() / (weights.sum() if problem.plan.reduction == "mean" else 1.0)
    leaves = [*W.values(), *b.values()]
    gradients = torch.autograd.grad(cost, leaves, retain_graph=True)
    per_example = torch.autograd.grad(costs.sum(), [x, *z.values()], retain_graph=True)
    jacobian = [torch.autograd.grad(a[:, o].sum(), x, retain_graph=True)[0].numpy() for o in range(a.shape[1])]
    return {
        "cost": float(cost.detach()),
        "costs": costs.detach().numpy(),
        "output": a.detach().numpy(),
        "W": {layer: g.numpy() for layer, g in zip(W, gradients, strict=False)},
        "b": {layer: g.numpy() for layer, g in zip(b, gradients[len(W) :], strict=True)},
        "x": per_example[0].numpy(),
        "delta": {layer: g.numpy() for layer, g in zip(z, per_example[1:], strict=True)},
        "jacobian": jacobian,
    }
