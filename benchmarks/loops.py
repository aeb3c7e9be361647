"""One training loop per peer, each written as that library's own users write it.

A loop is made for a Problem. `start` puts it back to the problem's initial parameters with a fresh optimizer and sets
the number of threads, `run` trains some epochs (this is what is timed), `cost` gives C of the whole data set, in the
peer's own arithmetic. The constructor raises ImportError where the library isn't installed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import blas, cores
from benchmarks.remote import CAN_LIMIT, Remote
from benchmarks.workloads import Array, Problem, Workload


class Loop(Protocol):
    """A peer."""

    distribution: ClassVar[str]
    settable_threads: ClassVar[bool]

    def __init__(self, problem: Problem) -> None: ...

    def start(self, threads: int | None) -> None:
        """Begin anew from the problem's parameters, with so many threads (None: the peer's own choice)."""

    def run(self, epochs: int) -> None:
        """Train; done when it returns."""

    def cost(self) -> float:
        """C of the data set, in chainrule's scaling: mean over examples, sum over outputs."""


def can_express(peer: str, workload: Workload) -> bool:
    """Whether the peer has the workload as it is, and not only one like it."""
    return peer != "scikit-learn" or workload.output != "logistic"


class Chainrule:
    """`cr.train`, with the backend that cr.Network chooses."""

    distribution: ClassVar[str] = "chainrule"
    settable_threads: ClassVar[bool] = True

    def __init__(self, problem: Problem, dtype: str = "float32") -> None:
        self._cr = import_module("chainrule")
        self._limit = import_module("threadpoolctl").threadpool_limits
        self._problem = problem
        work = problem.workload
        activations = [work.hidden] * (len(work.sizes) - 2) + [work.output]
        self.net = self._cr.Network(work.sizes, activations=activations, cost=work.cost, dtype=dtype)

    def choice(self) -> int:
        """How many threads it takes when it isn't told."""
        return int(import_module("chainrule.engine.threads").chosen(self.net.plan, self._problem.workload.batch))

    def start(self, threads: int | None) -> None:
        """Begin anew."""
        self._limit(cores(), user_api="blas")  # the reference's own choice is what it finds
        self._threads = threads
        for layer, (W, b) in enumerate(zip(self._problem.W, self._problem.b, strict=True), start=1):
            self.net.W[layer][...] = W
            self.net.b[layer][...] = b

    def run(self, epochs: int) -> None:
        """Train."""
        work = self._problem.workload
        history = self._cr.train(
            self.net,
            self._problem.X,
            self._problem.Y,
            optimizer=work.optimizer,
            learning_rate=work.rate,
            batch_size=work.batch,
            epochs=epochs,
            shuffle=False,
            n_threads=self._threads,
            verbose=0,
        )
        if history.stopped != "epochs":
            raise RuntimeError(history.message)

    def cost(self) -> float:
        """C."""
        return float(self.net.cost(self._problem.X, self._problem.Y))


class PlainNumpy:
    """The equations by hand, in place where that is natural. No cost is kept: its loop needs none."""

    distribution: ClassVar[str] = "numpy"
    settable_threads: ClassVar[bool] = True

    def __init__(self, problem: Problem) -> None:
        self._limit = import_module("threadpoolctl").threadpool_limits
        self._problem = problem

    def start(self, threads: int | None) -> None:
        """Begin anew."""
        self._limit(threads, user_api="blas")  # stays until the next start: nothing is timed without one
        self.W = [W.copy() for W in self._problem.W]
        self.b = [b.copy() for b in self._problem.b]
        self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.W + self.b]
        self._step = 0

    def run(self, epochs: int) -> None:
        """Train."""
        X, Y, batch = self._problem.X, self._problem.Y, self._problem.workload.batch
        update = {"sgd": self._sgd, "adam": self._adam}[self._problem.workload.optimizer]
        for _ in range(epochs):
            for start in range(0, len(X), batch):
                update(self._gradients(X[start : start + batch], Y[start : start + batch]))

    def _forward(self, x: Array) -> list[Array]:
        work = self._problem.workload
        a = [x]
        for layer, (W, b) in enumerate(zip(self.W, self.b, strict=True), start=1):
            z = a[-1] @ W
            z += b
            _IN_PLACE[work.output if layer == len(self.W) else work.hidden](z)
            a.append(z)
        return a

    def _gradients(self, x: Array, y: NDArray[Any]) -> list[Array]:
        a = self._forward(x)
        delta = self._output_delta(a[-1], y)
        dW, db = [], []
        for layer in reversed(range(len(self.W))):
            dW.append(a[layer].T @ delta)
            db.append(delta.sum(axis=0))
            if layer:
                delta = delta @ self.W[layer].T
                delta *= a[layer] > 0 if self._problem.workload.hidden == "relu" else a[layer] * (1 - a[layer])
        return dW[::-1] + db[::-1]

    def _output_delta(self, a: Array, y: NDArray[Any]) -> Array:
        """∂C/∂z of the last layer, averaged over the batch; overwrites a."""
        work = self._problem.workload
        if work.cost == "cross_entropy":
            a[np.arange(len(y)), y] -= 1
            a *= 1 / len(y)
            return a
        delta: Array = a - y
        delta *= 2 / len(y)
        if work.output == "logistic":
            delta *= a * (1 - a)
        return delta

    def _sgd(self, gradients: list[Array]) -> None:
        for p, g in zip(self.W + self.b, gradients, strict=True):
            g *= self._problem.workload.rate
            p -= g

    def _adam(self, gradients: list[Array]) -> None:
        self._step += 1
        root = (1 - 0.999**self._step) ** 0.5
        rate = self._problem.workload.rate * root / (1 - 0.9**self._step)
        for p, g, (m, v) in zip(self.W + self.b, gradients, self._moments, strict=True):
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            g *= g
            g *= 0.001
            v += g
            np.sqrt(v, out=g)
            g += root * 1e-8
            np.divide(m, g, out=g)
            g *= rate
            p -= g

    def cost(self) -> float:
        """C."""
        out, Y = self._forward(self._problem.X)[-1], self._problem.Y
        if self._problem.workload.cost == "cross_entropy":
            return float(-np.log(out[np.arange(len(Y)), Y]).mean())
        return float(np.square(out - Y).sum(axis=1).mean())


def _logistic_(z: Array) -> None:
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


def _relu_(z: Array) -> None:
    np.maximum(z, 0, out=z)


def _softmax_(z: Array) -> None:
    z -= z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)


def _identity_(z: Array) -> None:
    pass


_IN_PLACE: dict[str, Callable[[Array], None]] = {
    "logistic": _logistic_,
    "relu": _relu_,
    "softmax": _softmax_,
    "identity": _identity_,
}


class ScikitLearn:
    """`fit` of MLPClassifier or MLPRegressor with warm_start, tol 0 and alpha 0; max_iter is the number of epochs.

    A regressor's output is the identity, on A too, where the others have a sigmoid. Its squared error has a ½, so SGD
    gets twice the rate to take the same steps; Adam's steps don't scale with the cost. Its Adam adds ε to the
    uncorrected root of v; the others' ε after the bias correction is √(1 − β₂ᵗ) times that, taken here as at t = 1.
    """

    distribution: ClassVar[str] = "scikit-learn"
    settable_threads: ClassVar[bool] = True

    def __init__(self, problem: Problem) -> None:
        self._limit = import_module("threadpoolctl").threadpool_limits
        work = problem.workload
        self._problem = problem
        self._classifies = work.cost == "cross_entropy"
        self._Y = problem.Y.ravel() if work.sizes[-1] == 1 else problem.Y  # it warns of a single column
        module = import_module("sklearn.neural_network")
        self.model = (module.MLPClassifier if self._classifies else module.MLPRegressor)(
            hidden_layer_sizes=work.sizes[1:-1],
            activation=work.hidden,
            solver=work.optimizer,
            learning_rate_init=2 * work.rate if work.optimizer == "sgd" else work.rate,
            batch_size=work.batch,
            shuffle=False,
            alpha=0.0,
            momentum=0.0,
            nesterovs_momentum=False,
            epsilon=1e-8 * 0.001**0.5,
            tol=0.0,
            n_iter_no_change=np.inf,
            warm_start=True,
            random_state=0,
        )
        self.run(1)  # makes coefs_, which `start` overwrites

    def start(self, threads: int | None) -> None:
        """Begin anew: `fit` makes a fresh optimizer by itself, and under warm_start leaves coefs_ as they are."""
        self._limit(threads, user_api="blas")
        given = [*self._problem.W, *self._problem.b]
        for mine, start in zip(self.model.coefs_ + self.model.intercepts_, given, strict=True):
            if mine.dtype != np.float32:
                raise RuntimeError(f"scikit-learn computes in {mine.dtype}, not in float32")
            mine[...] = start

    def run(self, epochs: int) -> None:
        """Train."""
        self.model.max_iter = epochs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that max_iter was reached before convergence
            self.model.fit(self._problem.X, self._Y)

    def cost(self) -> float:
        """C."""
        if self._classifies:
            out, rows = self.model.predict_proba(self._problem.X), np.arange(len(self._Y))
            return float(-np.log(out[rows, self._Y]).mean())
        out = self.model.predict(self._problem.X).reshape(self._problem.Y.shape)
        return float(np.square(out - self._problem.Y).sum(axis=1).mean())


class PyTorch:
    """Eager nn.Sequential, a loss module and torch.optim with fused=True, its fastest implementation on a CPU.

    nn.MSELoss also averages over the n_L outputs, so SGD gets n_L times the rate to take the same steps.
    """

    distribution: ClassVar[str] = "torch"
    settable_threads: ClassVar[bool] = True

    def __init__(self, problem: Problem) -> None:
        self._torch = import_module("torch")
        self._problem = problem
        self._X, self._Y = self._torch.from_numpy(problem.X), self._torch.from_numpy(problem.Y)
        batch = problem.workload.batch
        self._batches = list(zip(self._X.split(batch), self._Y.split(batch), strict=True))
        nn = self._torch.nn
        self._per_output = problem.workload.cost == "squared_error"
        self._loss = nn.MSELoss() if self._per_output else nn.CrossEntropyLoss()

    def start(self, threads: int | None) -> None:
        """Begin anew."""
        self._torch.set_num_threads(threads)
        self.net = self._torch.nn.Sequential(*self._layers())
        work = self._problem.workload
        make = {"sgd": self._torch.optim.SGD, "adam": self._torch.optim.Adam}[work.optimizer]
        rate = work.rate * work.sizes[-1] if self._per_output and work.optimizer == "sgd" else work.rate
        self._optimizer = make(self.net.parameters(), lr=rate, fused=True)

    def _layers(self) -> Iterator[Any]:
        nn, work = self._torch.nn, self._problem.workload
        for layer, (W, b) in enumerate(zip(self._problem.W, self._problem.b, strict=True), start=1):
            linear = nn.Linear(*W.shape)
            with self._torch.no_grad():
                linear.weight.copy_(self._torch.from_numpy(W.T))
                linear.bias.copy_(self._torch.from_numpy(b))
            yield linear
            g = work.output if layer == len(self._problem.W) else work.hidden
            if g in ("logistic", "relu"):  # CrossEntropyLoss takes z, so that softmax is no layer
                yield nn.Sigmoid() if g == "logistic" else nn.ReLU()

    def run(self, epochs: int) -> None:
        """Train."""
        net, loss, optimizer = self.net, self._loss, self._optimizer
        for _ in range(epochs):
            for x, y in self._batches:
                optimizer.zero_grad()
                loss(net(x), y).backward()
                optimizer.step()

    def cost(self) -> float:
        """C."""
        with self._torch.no_grad():
            mean = float(self._loss(self.net(self._X), self._Y))
        return mean * self._problem.workload.sizes[-1] if self._per_output else mean


class JaxHere:
    """One jitted function per epoch, a lax.scan over its batches, which lie ready; Adam by hand."""

    def __init__(self, problem: Problem) -> None:
        self._jax = import_module("jax")
        self._jax.config.update("jax_platforms", "cpu")
        self._problem = problem
        self._X, self._Y = self._jax.numpy.asarray(problem.X), self._jax.numpy.asarray(problem.Y)
        steps, batch = problem.workload.steps, problem.workload.batch
        self._batches = tuple(a.reshape(steps, batch, *a.shape[1:]) for a in (self._X, self._Y))
        self._epoch = self._jax.jit(self._train_epoch, donate_argnums=(0, 1))
        self._cost = self._jax.jit(self._batch_cost)

    def start(self) -> None:
        """Begin anew."""
        jnp, tree = self._jax.numpy, self._jax.tree
        self.parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(self._problem.W, self._problem.b, strict=True)]
        moments = [tree.map(jnp.zeros_like, self.parameters) for _ in range(2)]
        self._state = () if self._problem.workload.optimizer == "sgd" else (jnp.zeros(()), *moments)

    def run(self, epochs: int) -> None:
        """Train."""
        for _ in range(epochs):
            self.parameters, self._state = self._epoch(self.parameters, self._state, self._batches)
        self._jax.block_until_ready(self.parameters)

    def _train_epoch(self, parameters: Any, state: Any, batches: tuple[Any, Any]) -> tuple[Any, Any]:
        return self._jax.lax.scan(self._step, (parameters, state), batches)[0]  # type: ignore[no-any-return]

    def _step(self, carry: tuple[Any, Any], batch: tuple[Any, Any]) -> tuple[tuple[Any, Any], None]:
        parameters, state = carry
        gradient = self._jax.grad(self._batch_cost)(parameters, *batch)
        update = {"sgd": self._sgd, "adam": self._adam}[self._problem.workload.optimizer]
        return update(parameters, state, gradient), None

    def _batch_cost(self, parameters: Any, x: Any, y: Any) -> Any:
        jnp, nn, work = self._jax.numpy, self._jax.nn, self._problem.workload
        g = {"logistic": nn.sigmoid, "relu": nn.relu, "identity": lambda z: z, "softmax": nn.log_softmax}
        for W, b in parameters[:-1]:
            x = g[work.hidden](x @ W + b)
        W, b = parameters[-1]
        out = g[work.output](x @ W + b)
        if work.cost == "cross_entropy":
            return -jnp.take_along_axis(out, y[:, None], axis=1).mean()
        return jnp.square(out - y).sum(axis=1).mean()

    def _sgd(self, parameters: Any, state: Any, gradient: Any) -> tuple[Any, Any]:
        rate = self._problem.workload.rate
        return self._jax.tree.map(lambda p, g: p - rate * g, parameters, gradient), state

    def _adam(self, parameters: Any, state: Any, gradient: Any) -> tuple[Any, Any]:
        jnp, tree = self._jax.numpy, self._jax.tree
        step, first, second = state[0] + 1, state[1], state[2]
        first = tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        root = jnp.sqrt(-jnp.expm1(step * math.log(0.999)))  # 1 − 0.999ᵗ in float32 is off by 3e-5 at first
        rate = self._problem.workload.rate * root / -jnp.expm1(step * math.log(0.9))
        moved = tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + root * 1e-8), parameters, first, second)
        return moved, (step, first, second)

    def cost(self) -> float:
        """C."""
        return float(self._cost(self.parameters, self._X, self._Y))


class Jax:
    """JaxHere in processes of their own: it has as many threads as the process has cores when it is first used."""

    distribution: ClassVar[str] = "jax"
    settable_threads: ClassVar[bool] = CAN_LIMIT

    def __init__(self, problem: Problem) -> None:
        if find_spec("jax") is None:
            raise ModuleNotFoundError("No module named 'jax'")
        self._problem = problem
        self._loops: dict[int | None, Remote] = {}

    def start(self, threads: int | None) -> None:
        """Begin anew."""
        if threads not in self._loops:
            self._loops[threads] = Remote(JaxHere, self._problem, cores=threads)
        self._loop = self._loops[threads]
        self._loop("start")

    def run(self, epochs: int) -> None:
        """Train."""
        self._loop("run", epochs)

    def cost(self) -> float:
        """C."""
        return float(self._loop("cost"))


PEERS: dict[str, type[Loop]] = {
    "chainrule": Chainrule,
    "PyTorch": PyTorch,
    "JAX": Jax,
    "scikit-learn": ScikitLearn,
    "NumPy": PlainNumpy,
}


class Sgemm:
    """No peer: NumPy's product of two float32 matrices, SIDE square, as a loop of one step an epoch."""

    SIDE = 2048
    FLOPS = 2 * SIDE**3

    def __init__(self) -> None:
        self._limit = import_module("threadpoolctl").threadpool_limits
        rng = np.random.default_rng(0)
        self._A, self._B = (rng.standard_normal((self.SIDE, self.SIDE), dtype=np.float32) for _ in range(2))
        self._out = self._A @ self._B

    def start(self, threads: int | None) -> None:
        """Set the number of threads."""
        self._limit(threads, user_api="blas")

    def run(self, epochs: int) -> None:
        """Multiply."""
        for _ in range(epochs):
            np.matmul(self._A, self._B, out=self._out)

    def kernels(self) -> str:
        """Which kernels NumPy's BLAS takes."""
        return blas()


class SgemmElsewhere:
    """Sgemm in a process whose OpenBLAS chooses its kernels itself, whatever OPENBLAS_CORETYPE says here."""

    def __init__(self) -> None:
        self._sgemm = Remote(Sgemm, without=["OPENBLAS_CORETYPE"])

    def start(self, threads: int | None) -> None:
        """Set the number of threads."""
        self._sgemm("start", threads)

    def run(self, epochs: int) -> None:
        """Multiply."""
        self._sgemm("run", epochs)

    def kernels(self) -> str:
        """Which kernels its BLAS takes."""
        return str(self._sgemm("kernels"))
