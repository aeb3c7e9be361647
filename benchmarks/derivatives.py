"""Derivatives beyond the gradient, beside torch.func and BackPACK: microseconds, and multiples of one gradient.

    python -m benchmarks.derivatives                     # about two minutes
    python -m benchmarks.derivatives --backend reference --rounds 15

The network is 784-100-10, tanh, softmax, cross-entropy, float32, one batch of 200 rows; everybody has the same
numbers. A peer whose result differs from chainrule's by more than a thousandth of its norm ends the run before anything
is timed. Rounds interleave; chainrule and PyTorch each take the better of one and two threads; the figure is the median
over rounds. "In gradients" is chainrule's time over that of its own gradient of the batch, `net.value_and_gradient`, in
the same round; "times faster" the best peer's time over chainrule's. A peer that isn't installed is left out.
KFAC's factors are of drawn targets, each library's own: of them only A is compared. Below the table is the Jacobian's
share of sgemm: its products' floating-point operations, divided by its time and by the rate at which NumPy multiplies
2048 square float32 matrices on as many threads in the same rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import chainrule as cr
from benchmarks.loops import Sgemm
from benchmarks.machine import cores, header
from benchmarks.rounds import Contestant, in_us, play, ratio
from chainrule import derivatives as d
from chainrule.engine.threads import exactly

SIZES, BATCH = (784, 100, 10), 200
TOLERANCE = 1e-3  # of the norm: float32, and sums of 157,000 products in another order
BOUNDS = {
    "per-example norms": 0.8,
    "clipped gradient": 1.3,
    "sum of squares": 1.6,
    "variance": 1.6,
    "Hessian-vector product": 1.8,
    "Gauss-Newton product": 1.7,
    "Gauss-Newton diagonal": 1.7,
    "KFAC factors": 2.8,
    "Jacobian of ten outputs": 5.5,
}
"""What the time may be, in gradients."""

Call = Callable[[], Any]


@dataclass
class Calls:
    """A function that is called again and again, at a number of threads."""

    call: Call
    limit: Callable[[int], AbstractContextManager[Any]]
    threads: int = 1

    def start(self, threads: int | None) -> None:
        """Take so many threads."""
        self.threads = threads or cores()

    def run(self, epochs: int) -> None:
        """Call it."""
        with self.limit(self.threads):
            for _ in range(epochs):
                self.call()


@contextmanager
def threads_of_ours(n: int) -> Iterator[None]:
    """So many of the core's, and of NumPy's linear algebra."""
    with exactly(n), threadpool_limits(n, user_api="blas"):
        yield


@contextmanager
def threads_of_torch(n: int) -> Iterator[None]:
    """So many of torch's."""
    import_module("torch").set_num_threads(n)
    yield


@dataclass(frozen=True)
class Numbers:
    """The batch, a vector like θ, and the network that they belong to."""

    net: cr.Network
    X: Any
    Y: Any
    v: Any
    max_norm: float


def numbers(backend: str | None) -> Numbers:
    """Draw them."""
    rng = np.random.default_rng(0)
    net = cr.Network(SIZES, ["tanh", "softmax"], "cross_entropy", backend=backend)
    X = rng.standard_normal((BATCH, SIZES[0]), dtype=np.float32)
    Y = rng.integers(0, SIZES[-1], BATCH)
    v = rng.standard_normal(net.plan.n_parameters, dtype=np.float32)
    return Numbers(net, X, Y, v, float(np.median(d.per_example_norms(net, X, Y))))


def ours(given: Numbers) -> dict[str, Call]:
    """Each derivative by chainrule; the gradient first."""
    net, X, Y, v = given.net, given.X, given.Y, given.v
    return {
        "gradient": lambda: net.value_and_gradient(X, Y)[1].flat,
        "per-example norms": lambda: d.per_example_norms(net, X, Y),
        "clipped gradient": lambda: d.clipped_gradient(net, X, Y, given.max_norm),
        "sum of squares": lambda: d.sum_of_squares(net, X, Y),
        "variance": lambda: d.gradient_variance(net, X, Y),
        "Hessian-vector product": lambda: d.hvp(net, X, Y, v),
        "Gauss-Newton product": lambda: d.ggn_vp(net, X, Y, v),
        "Gauss-Newton diagonal": lambda: d.ggn_diagonal(net, X, Y),
        "KFAC factors": lambda: d.kronecker_factors(net, X, Y, kind="kfac"),
        "KFLR factors": lambda: d.kronecker_factors(net, X, Y),
        "Jacobian of ten outputs": lambda: d.jacobian(net, X, of="z"),
    }


def torch_func(given: Numbers) -> dict[str, Call]:
    """Each derivative by torch.func, on a flat θ laid out as chainrule's."""
    torch = import_module("torch")
    func = torch.func
    X, Y, v = torch.tensor(given.X), torch.tensor(given.Y), torch.tensor(given.v)
    theta, plan = torch.tensor(given.net.parameters), given.net.plan

    def split(vector: Any) -> list[Any]:
        blocks = [block for layer in plan.layers for block in (plan.weight_blocks[layer], plan.bias_blocks[layer])]
        return [vector[at.start : at.stop].reshape(at.shape) for at in blocks]

    def outputs(vector: Any, x: Any) -> Any:  # z^L
        W1, b1, W2, b2 = split(vector)
        return torch.tanh(x @ W1 + b1) @ W2 + b2

    def cost(vector: Any, x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(outputs(vector, x), y)

    def one(vector: Any, x: Any, y: Any) -> Any:
        return cost(vector, x[None], y[None])

    per_example = func.vmap(func.grad(one), in_dims=(None, 0, 0))

    def clipped() -> Any:
        g = per_example(theta, X, Y)
        return (g * (given.max_norm / g.norm(dim=1, keepdim=True)).clamp(max=1)).mean(dim=0)

    def ggn() -> Any:
        z, pull = func.vjp(lambda p: outputs(p, X), theta)
        _, Jv = func.jvp(lambda p: outputs(p, X), (theta,), (v,))
        a = torch.softmax(z, dim=1)
        return pull(a * (Jv - (a * Jv).sum(dim=1, keepdim=True)) / BATCH)[0]

    return {
        "gradient": lambda: func.grad(cost)(theta, X, Y),
        "per-example norms": lambda: per_example(theta, X, Y).norm(dim=1),
        "clipped gradient": clipped,
        "sum of squares": lambda: (per_example(theta, X, Y) ** 2).sum(dim=0),
        "variance": lambda: per_example(theta, X, Y).var(dim=0, correction=0),
        "Hessian-vector product": lambda: func.jvp(lambda p: func.grad(cost)(p, X, Y), (theta,), (v,))[1],
        "Gauss-Newton product": ggn,
        "Jacobian of ten outputs": lambda: func.vmap(func.jacrev(lambda x: outputs(theta, x)))(X),
    }


def backpack(given: Numbers) -> dict[str, Call]:
    """What BackPACK has of them, per layer, put into one vector like θ."""
    torch, package = import_module("torch"), import_module("backpack")
    extensions, nn, net = import_module("backpack.extensions"), torch.nn, given.net
    X, Y = torch.tensor(given.X), torch.tensor(given.Y)
    model = package.extend(nn.Sequential(nn.Linear(784, 100), nn.Tanh(), nn.Linear(100, 10)))
    cost = package.extend(nn.CrossEntropyLoss())
    for layer, module in ((1, model[0]), (2, model[2])):
        module.weight.data, module.bias.data = torch.tensor(net.W[layer].T.copy()), torch.tensor(net.b[layer])

    def by(extension: Any, name: str) -> list[Any]:
        model.zero_grad()
        with package.backpack(extension):
            cost(model(X), Y).backward()
        return [getattr(parameter, name) for parameter in model.parameters()]

    def flat(arrays: list[Any]) -> Any:
        return torch.cat([array.mT.reshape(-1) if array.ndim == 2 else array for array in arrays])

    scale = BATCH * BATCH  # its examples' gradients are those of C_i/m
    return {
        "per-example norms": lambda: sum(by(extensions.BatchL2Grad(), "batch_l2")).sqrt() * BATCH,
        "sum of squares": lambda: flat(by(extensions.SumGradSquared(), "sum_grad_squared")) * scale,
        "variance": lambda: flat(by(extensions.Variance(), "variance")) * scale,
        "Gauss-Newton diagonal": lambda: flat(by(extensions.DiagGGNExact(), "diag_ggn_exact")),
        "KFAC factors": lambda: by(extensions.KFAC(mc_samples=1), "kfac"),
        "KFLR factors": lambda: by(extensions.KFLR(), "kflr"),
    }


def comparable(name: str, result: Any) -> Any:
    """What of a result all libraries have alike: of factors A^1 without the bias, and G^1 where it isn't drawn."""
    if "factors" not in name:
        return result.detach() if hasattr(result, "detach") else result
    if isinstance(result, d.KroneckerFactors):
        A, G = result.A[1][:-1, :-1], result.G[1]
    else:
        G, A = (np.asarray(factor) for factor in result[0])
    return A if name == "KFAC factors" else np.kron(A[:20, :20], G)  # who has the 1/m differs


def check(name: str, peer: str, expected: Any, got: Any) -> None:
    """Refuse to time what doesn't agree."""
    got, expected = np.asarray(comparable(name, got)), np.asarray(comparable(name, expected))
    error = np.linalg.norm(got - expected) / np.linalg.norm(expected)
    if not error < TOLERANCE:
        sys.exit(f"{name}: {peer} differs from chainrule by {error:.1e} of the norm")


def contestants(name: str, call: Call, peers: dict[str, dict[str, Call]]) -> list[Contestant]:
    """Chainrule and every peer that has it, each at one and at two threads."""
    expected = call()
    counts = range(1, min(2, cores()) + 1)
    found = [Contestant("chainrule", n, Calls(call, threads_of_ours), 1) for n in counts]
    for peer, calls in peers.items():
        if name in calls:
            check(name, peer, expected, calls[name]())
            found += [Contestant(peer, n, Calls(calls[name], threads_of_torch), 1) for n in counts]
    return found


def best(found: list[Contestant], name: str) -> Contestant:
    """Give a contestant at its better number of threads."""
    return min((one for one in found if one.name == name), key=lambda one: one.median)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["native", "reference"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a measurement")
    args = parser.parse_args()
    given = numbers(args.backend)
    peers: dict[str, dict[str, Call]] = {}
    if find_spec("torch"):
        peers["torch.func"] = torch_func(given)
        if find_spec("backpack"):
            peers["BackPACK"] = backpack(given)
    calls = ours(given)
    found = [one for name, call in calls.items() for one in contestants(name, call, peers)]
    by_name = {}
    for name in calls:
        count = min(2, cores()) * (1 + sum(name in have for have in peers.values()))
        by_name[name], found = found[:count], found[count:]
    products = [Contestant("sgemm", n, Sgemm(), 1) for n in range(1, min(2, cores()) + 1)]
    everybody = [*products, *(one for some in by_name.values() for one in some)]
    play("derivatives", everybody, args.rounds, args.seconds)

    print(header(["chainrule", "torch", "backpack-for-pytorch", "numpy"]))
    print(f"{'-'.join(map(str, SIZES))} tanh, cross-entropy, batch {BATCH}; backend {given.net.backend}. ", end="")
    print(f"Medians of {args.rounds} interleaved rounds.\n")
    print("| | chainrule, µs | in gradients | bound |", *(f" {peer}, µs |" for peer in peers), " times faster |")
    print("|---|--:|--:|--:|" + "--:|" * (len(peers) + 1))
    gradient = best(by_name["gradient"], "chainrule")
    for name, some in by_name.items():
        mine = best(some, "chainrule")
        others = [best(some, peer) if name in have else None for peer, have in peers.items()]
        cells = [in_us(mine.median), f"{ratio(mine, gradient):.2f}", str(BOUNDS.get(name, ""))]
        cells += ["" if one is None else in_us(one.median) for one in others]
        there = [one for one in others if one is not None]
        cells.append(f"{ratio(min(there, key=lambda one: one.median), mine):.1f}" if there else "")
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{share_of_sgemm(best(by_name['Jacobian of ten outputs'], 'chainrule'), products)}")


def share_of_sgemm(jacobian: Contestant, products: list[Contestant]) -> str:
    """Say how near the Jacobian's products come to a large product's rate."""
    multiplications = BATCH * (SIZES[0] * SIZES[1] + SIZES[1] * SIZES[2])  # forward
    multiplications += BATCH * SIZES[2] * (SIZES[2] * SIZES[1] + SIZES[1] * SIZES[0])  # back, for each output
    sgemm = next(one for one in products if one.threads == jacobian.threads)
    share = ratio(sgemm, jacobian) * 2 * multiplications / Sgemm.FLOPS
    rate = 2 * multiplications / jacobian.median / 1e3
    return f"The Jacobian on {jacobian.threads} threads: {rate:.0f} GFLOP/s, {share:.2f} of sgemm."


if __name__ == "__main__":
    main()
