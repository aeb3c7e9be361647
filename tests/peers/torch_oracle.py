"""An independent network in torch: its own layers, its own activations and costs, its own autograd."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch.func import grad, jacrev, vmap

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
    # torch.nn.functional's adds 1e-12 to a(1 − a) in its second derivative, which is 3e-9 of it where a is 3e-4
    "binary_cross_entropy": lambda a, y: -torch.xlogy(y, a) - torch.special.xlog1py(1 - y, -a),
    "cross_entropy": lambda a, y: -torch.xlogy(y, a),
    "poisson": lambda a, y: F.poisson_nll_loss(a, y, log_input=False, eps=0.0, reduction="none"),
    "huber": lambda a, y: F.huber_loss(a, y, reduction="none"),
    "absolute_error": lambda a, y: F.l1_loss(a, y, reduction="none"),
    "quantile(0.3)": lambda a, y: torch.maximum(0.3 * (y - a), -0.7 * (y - a)),
    "log_cosh": lambda a, y: torch.log(torch.cosh(a - y)),
}

# output activations and costs whose curvature the Gauss-Newton matrix takes in z^L, in which they are convex
IN_Z = {("logistic", "binary_cross_entropy"), ("softmax", "cross_entropy"), ("exp", "poisson")}
Layers = dict[int, torch.Tensor]


def layers(
    problem: Problem, theta: torch.Tensor, x: torch.Tensor, da: Layers | None = None, dz: Layers | None = None
) -> tuple[Layers, Layers]:
    """z^ℓ and a^ℓ as functions of the flat θ and of x, (…, n_0), and of what is added to a^ℓ and z^ℓ on the way."""
    plan, da, dz = problem.plan, da or {}, dz or {}
    a, z = {0: x + da.get(0, 0.0)}, {}
    for layer in plan.layers:
        at = plan.weight_blocks[layer]
        z[layer] = a[layer - 1] @ theta[at.start : at.stop].reshape(at.shape) + dz.get(layer, 0.0)
        if layer in plan.bias_blocks:
            z[layer] = z[layer] + theta[plan.bias_blocks[layer].start : plan.bias_blocks[layer].stop]
        a[layer] = ACTIVATIONS[plan.activation(layer).name](z[layer]) + da.get(layer, 0.0)
    return z, a


def outputs(problem: Problem, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """a^L as a function of the flat θ and of x, (m, n_0)."""
    return layers(problem, theta, x)[1][problem.plan.L]


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


class Autograd:
    """All derivatives of one problem by torch.func and torch.autograd, each worked once, when it is first asked for.

    Numpy arrays; axes are m examples, outputs (o, or n_t units of layer t), then what is differentiated in.
    """

    def __init__(self, problem: Problem) -> None:
        plan = problem.plan
        self.problem, self.plan = problem, plan
        self.activation, self.cost = ACTIVATIONS[plan.activation(plan.L).name], COSTS[plan.cost.name]
        self.pair = plan.activation(plan.L).name, plan.cost.name
        self.theta, self.X, self.Y = (torch.tensor(x) for x in (problem.net.parameters, problem.X, problem.Y))
        weights = torch.ones(len(self.X), dtype=torch.float64)
        self.weights = weights if problem.weights is None else torch.tensor(problem.weights)
        self.c = (self.weights / (self.weights.sum() if plan.reduction == "mean" else 1.0)).numpy()
        z, self.a = layers(problem, self.theta, self.X)
        self.Z, self.A = z[plan.L], self.a[plan.L]

    def inputs(self, layer: int) -> np.ndarray:
        """a^{ℓ−1}, with a 1 behind it where layer ℓ has a bias."""
        below = self.a[layer - 1].numpy()
        return np.hstack([below, np.ones((len(below), 1))]) if layer in self.plan.bias_blocks else below

    def _still(self, which: range) -> Layers:
        """Zeros to be added to z^ℓ or a^ℓ, in which derivatives are taken."""
        return {layer: torch.zeros(self.plan.sizes[layer], dtype=torch.float64) for layer in which}

    @cached_property
    def _between(self) -> tuple[dict, dict]:
        """Of every a^t and of z^L (under 0), in every a^f, ℓ = 0..L−1, and in every z^ℓ, ℓ = 1..L."""
        plan = self.plan

        def moved(da: Layers, dz: Layers, x: torch.Tensor) -> Layers:
            z, a = layers(self.problem, self.theta, x, da, dz)
            return {0: z[plan.L], **{layer: a[layer] for layer in plan.layers}}

        still = self._still(range(plan.L)), self._still(range(1, plan.L + 1))
        found = vmap(jacrev(moved, argnums=(0, 1)), (None, None, 0))(*still, self.X)
        in_a, in_z = ({of: each[position] for of, each in found.items()} for position in (0, 1))
        return _numpy(in_a), _numpy(in_z)

    def layer_jacobian(self, f: int, t: int) -> np.ndarray:
        """∂a^t/∂a^f, (m, n_t, n_f)."""
        return self._between[0][t][f]

    def jacobian(self, of: str) -> np.ndarray:
        """∂a^L/∂x or ∂z^L/∂x, (m, n_L, n_0)."""
        return self._between[0][self.plan.L if of == "a" else 0][0]

    @cached_property
    def _parameter_jacobian_z(self) -> np.ndarray:
        def outputs_z(theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return layers(self.problem, theta, x)[0][self.plan.L]

        return vmap(jacrev(outputs_z), (None, 0))(self.theta, self.X).numpy()

    def parameter_jacobian(self, of: str) -> np.ndarray:
        """∂a^L/∂θ or ∂z^L/∂θ, (m, n_L, |θ|)."""
        return self._parameter_jacobian_z if of == "z" else self._activation_jacobian @ self._parameter_jacobian_z

    @cached_property
    def _activation_jacobian(self) -> np.ndarray:
        return vmap(jacrev(self.activation))(self.Z).numpy(force=True)

    def _example_cost(self, theta: torch.Tensor, da: Layers, dz: Layers, x: torch.Tensor, y: torch.Tensor):
        return self.cost(layers(self.problem, theta, x, da, dz)[1][self.plan.L], y).sum()

    @cached_property
    def _example_gradients(self) -> tuple[np.ndarray, dict, dict]:
        still = self._still(range(1)), self._still(range(1, self.plan.L + 1))
        gradients = vmap(grad(self._example_cost, argnums=(0, 1, 2)), (None, None, None, 0, 0))
        return tuple(_numpy(found) for found in gradients(self.theta, *still, self.X, self.Y))

    @property
    def gradients(self) -> np.ndarray:
        """∂C_i/∂θ, (m, |θ|)."""
        return self._example_gradients[0]

    @property
    def deltas(self) -> dict[int, np.ndarray]:
        """∂C_i/∂x under 0, and ∂C_i/∂z^ℓ."""
        return {**self._example_gradients[1], **self._example_gradients[2]}

    @cached_property
    def curvature(self) -> np.ndarray:
        """∂²C_i/∂z² of the pairs IN_Z, else ∂²C_i/∂a², (m, n_L, n_L)."""
        if self.pair in IN_Z:
            return self._second(lambda z, y: self.cost(self.activation(z), y).sum(), self.Z)
        return self._second(lambda a, y: self.cost(a, y).sum(), self.A)

    def _second(self, cost, at: torch.Tensor) -> np.ndarray:
        return vmap(jacrev(jacrev(cost)))(at, self.Y).numpy(force=True)

    @property
    def curved_jacobian(self) -> np.ndarray:
        """∂/∂θ of what `curvature` is in."""
        return self.parameter_jacobian("z" if self.pair in IN_Z else "a")

    def curved_jacobian_in(self, layer: int) -> np.ndarray:
        """∂/∂z^ℓ of what `curvature` is in."""
        return self._between[1][0 if self.pair in IN_Z else self.plan.L][layer]

    def hessian_diagonal(self, some: np.ndarray) -> np.ndarray:
        """∂²C/∂θ_k² of the batch cost for some k, each by a backward pass through the gradient."""
        theta = self.theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(batch_cost(self.problem, theta), theta, create_graph=True)
        if not gradient.requires_grad:  # C is piecewise linear in θ
            return np.zeros(len(some))
        units = torch.eye(len(theta), dtype=torch.float64)[some]
        (rows,) = torch.autograd.grad(gradient, theta, units, is_grads_batched=True)
        return rows.numpy()[np.arange(len(some)), some]

    def integrated(self, output: int, baseline: np.ndarray, nodes: np.ndarray, shares: np.ndarray, of: str):
        """(x − x') Σ share ∂/∂x of an output at x' + node(x − x'), (m, n_0), and what the output changes by, (m,)."""
        start, x = torch.tensor(baseline), self.X
        points = (start + torch.tensor(nodes)[:, None, None] * (x - start)).requires_grad_()
        gradients = torch.autograd.grad(self._output(points, output, of).sum(), points)[0]
        change = self._output(x, output, of) - self._output(start, output, of)
        return ((x - start) * torch.einsum("q,qik->ik", torch.tensor(shares), gradients)).numpy(), change.numpy()

    def _output(self, x: torch.Tensor, output: int, of: str) -> torch.Tensor:
        z, a = layers(self.problem, self.theta, x)
        return (z if of == "z" else a)[self.plan.L][..., output]

    def scores(self) -> np.ndarray | None:
        """E[s sᵀ] over targets that the network's own distribution draws, (m, n_L, n_L); None for a cost without one.

        s is ∂(−ln p(y|a))/∂z for classes, of which there are n_L, else in a, where outputs are independent and E s = 0:
        then what is drawn is y_o alone. The normal's moments are those of three points, Poisson's of its first 400.
        """
        A = self.A
        if self.pair == ("softmax", "cross_entropy"):
            classes = torch.eye(A.shape[1], dtype=torch.float64)
            of_class = vmap(grad(lambda z, y: self.cost(self.activation(z), y).sum()), (None, 0))
            s = vmap(of_class, (0, None))(self.Z, classes)  # (m, class, n_L)
            return torch.einsum("ik,iko,ikp->iop", A, s, s).numpy()
        if self.pair[1] in ("squared_error", "half_squared_error"):
            deviation = (0.5 if self.pair[1] == "squared_error" else 1.0) ** 0.5
            nodes, shares = np.polynomial.hermite_e.hermegauss(3)
            drawn = [(A + deviation * node, share / shares.sum()) for node, share in zip(nodes, shares, strict=True)]
        elif self.pair[1] == "binary_cross_entropy":
            drawn = [(torch.zeros_like(A), 1 - A), (torch.ones_like(A), A)]
        elif self.pair[1] == "poisson":
            counts = (torch.full_like(A, float(k)) for k in range(400))
            drawn = [(y, torch.distributions.Poisson(A).log_prob(y).exp()) for y in counts]
        else:
            return None
        slope = grad(lambda a, y: self.cost(a, y).sum())
        return torch.diag_embed(sum(share * slope(A, y) ** 2 for y, share in drawn)).numpy()


def _numpy(found):
    return (
        {layer: _numpy(each) for layer, each in found.items()} if isinstance(found, dict) else found.numpy(force=True)
    )
