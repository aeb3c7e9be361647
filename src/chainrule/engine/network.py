"""Network: a plan, its numbers θ, and the passes over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine.backend import Backend, choose
from chainrule.engine.inputs import (
    cast,
    cast_rows,
    check_rows,
    check_rows_or_csr,
    check_targets,
    check_weights,
    real_array,
    row_blocks,
)
from chainrule.engine.plan import ByLayer, Plan, make_plan
from chainrule.engine.reference import Backward, Gradient, Run
from chainrule.errors import InputError, text
from chainrule.maths.activations import AnyActivation
from chainrule.maths.costs import Cost
from chainrule.maths.initializers import Initializer, initializer


class Network:
    """A dense feed-forward network: z^ℓ = a^{ℓ−1}𝒲^ℓ + b^ℓ, a^ℓ = g_ℓ(z^ℓ), ℓ = 1..L (E1, E2).

    Parameters
    ----------
    sizes : sequence of int
        n_0, …, n_L: inputs, units of each hidden layer, outputs. At least two numbers, each at least 1.
    activations : str, Activation, or a sequence of L of them
        One for all layers or one per layer: "identity", "logistic" (or "sigmoid"), "tanh", "relu", "leaky_relu",
        "elu", "selu", "gelu", "silu", "softplus", "mish", "softsign", "exp", "softmax"; "leaky_relu(0.2)" sets the
        slope, "elu(0.5)" its alpha.
    cost : str or Cost
        C_i of (E3): "squared_error", "half_squared_error", "binary_cross_entropy", "cross_entropy", "poisson",
        "huber", "absolute_error", "quantile(q)", "log_cosh".
    bias : bool or a sequence of L bools
        Whether layers have a b. Without it there is none, rather than one held at zero.
    reduction : "mean" or "sum"
        How C_i become C (E4).
    initializer : str or function (rng, fan_in, fan_out) -> (fan_in, fan_out)
        How 𝒲 is drawn; biases start at 0.
    dtype : "float32" or "float64"
    seed : int, numpy Generator or None
        Fixes the draw. None draws anew each time.
    backend : str or None
        Who computes: "native", the compiled core, or "reference", which is slower, can be read, and takes activations
        and costs of your own. None asks the environment variable CHAINRULE_BACKEND, then takes the native one wherever
        it can.

    Attributes
    ----------
    W, b : mapping from layer number 1..L to array
        𝒲^ℓ, (n_{ℓ−1}, n_ℓ), and b^ℓ, (n_ℓ,): writable views of `parameters`.

    Raises
    ------
    InputError
        For an unknown name (with the nearest), a width below 1, a wrong count.
    PairError
        When the output activation's range leaves the cost's domain.
    DerivativeError
        When a user's own activation or cost has a wrong derivative.
    NativeError
        When the compiled core is asked for and not there, or does not load.

    Examples
    --------
    The network of 003: 16 hidden units, ten outputs, logistic, squared error.

    >>> import numpy as np, chainrule as cr
    >>> net = cr.Network([784, 16, 10], activations="logistic", cost="squared_error")
    >>> net
    Network 784-16-10: 12,730 parameters, float32, cost squared_error (mean), backend native
      layer 1: 784 -> 16 logistic, 12,560 parameters
      layer 2: 16 -> 10 logistic, 170 parameters
    >>> run = net.forward(np.zeros((3, 784)))
    >>> back = net.backward(run, np.array([3, 1, 4]))
    >>> back.delta[2].shape, back.W[1].shape, back.x.shape
    ((3, 10), (784, 16), (3, 784))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: str | AnyActivation | Sequence[str | AnyActivation] = "logistic",
        cost: str | Cost = "squared_error",
        *,
        bias: bool | Sequence[bool] = True,
        reduction: str = "mean",
        initializer: str | Initializer = "glorot_uniform",
        dtype: Any = "float32",
        seed: int | np.random.Generator | None = 0,
        backend: str | None = None,
    ) -> None:
        plan = make_plan(sizes, activations, cost, bias, reduction, dtype)
        self._set(plan, _draw(plan, initializer, seed), backend, choose(backend, plan))

    @classmethod
    def from_plan(cls, plan: Plan, parameters: NDArray[Any], backend: str | None = None) -> Network:
        """Make a network of a plan and a θ, (|θ|,), that it owns from then on."""
        net = cls.__new__(cls)
        net._set(plan, parameters, backend, choose(backend, plan))
        return net

    def _set(self, plan: Plan, parameters: NDArray[Any], requested: str | None, backend: Backend) -> None:
        self._plan, self._parameters, self._requested, self._backend = plan, parameters, requested, backend
        self._W, self._b = plan.split(parameters)
        self._predictor = backend.predictor(plan, parameters)

    def __reduce__(self) -> tuple[Any, ...]:
        # views pickle as copies, so W and b are made again from θ; a backend that nobody asked for is chosen anew
        return Network.from_plan, (self._plan, self._parameters, self._requested)

    def __copy__(self) -> Network:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        return self.copy()

    def copy(self) -> Network:
        """Make an independent network with equal parameters."""
        net = Network.__new__(Network)
        net._set(self._plan, self._parameters.copy(), self._requested, self._backend)
        return net

    # --- what it is -------------------------------------------------------------------------------------------------
    @property
    def W(self) -> ByLayer[NDArray[Any]]:
        """𝒲^ℓ by layer, (n_{ℓ−1}, n_ℓ): writable views of θ, written to as net.W[1][...] = array."""
        return self._W

    @property
    def b(self) -> ByLayer[NDArray[Any]]:
        """b^ℓ by layer, (n_ℓ,), of the layers that have one: writable views of θ."""
        return self._b

    @property
    def plan(self) -> Plan:
        """The frozen description: sizes, activations, cost, layout of θ."""
        return self._plan

    @property
    def sizes(self) -> tuple[int, ...]:
        """n_0, …, n_L."""
        return self._plan.sizes

    @property
    def L(self) -> int:
        """Number of layers that have weights."""
        return self._plan.L

    @property
    def activations(self) -> tuple[str, ...]:
        """Names of g_1, …, g_L."""
        return tuple(g.name for g in self._plan.activations)

    @property
    def cost_function(self) -> Cost:
        """The cost C_i: its value, derivative and Hessian product."""
        return self._plan.cost

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of θ and of every result."""
        return np.dtype(self._plan.dtype)

    @property
    def backend(self) -> str:
        """Name of the backend that computes."""
        return self._backend.name

    @property
    def engine(self) -> Backend:
        """The backend itself: its passes take the plan, θ and arrays that are already checked and cast."""
        return self._backend

    @property
    def parameters(self) -> NDArray[Any]:
        """θ, (|θ|,): 𝒲^1, b^1, 𝒲^2, b^2, …, each row-major (E10). Assigning copies numbers into it.

        >>> import chainrule as cr
        >>> net = cr.Network([2, 1])
        >>> net.parameters = [1, 2, 3]
        >>> net.W[1].tolist(), net.b[1].tolist()
        ([[1.0], [2.0]], [3.0])
        """
        return self._parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        given = real_array("parameters", values)
        if given.shape != self._parameters.shape:
            hint = "θ holds 𝒲^1, b^1, 𝒲^2, b^2, … one after the other, each row by row."
            expected = f"shape {self._parameters.shape}"
            raise InputError(text("parameters", expected=expected, got=f"shape {given.shape}", hint=hint))
        self._parameters[...] = cast(given, self._plan.dtype, "parameters")

    def __repr__(self) -> str:
        plan = self._plan
        lines = [
            f"Network {'-'.join(map(str, plan.sizes))}: {plan.n_parameters:,} parameters, {plan.dtype}, "
            f"cost {plan.cost.name} ({plan.reduction}), backend {self.backend}"
        ]
        for layer in plan.layers:
            n = self.W[layer].size + (self.b[layer].size if layer in self.b else 0)
            without = "" if layer in self.b else ", no bias"
            lines.append(
                f"  layer {layer}: {plan.sizes[layer - 1]} -> {plan.sizes[layer]} "
                f"{plan.activation(layer).name}{without}, {n:,} parameters"
            )
        return "\n".join(lines)

    # --- passes -----------------------------------------------------------------------------------------------------
    def forward(self, X: ArrayLike) -> Run:
        """Forward pass (E1, E2) that keeps everything.

        Parameters
        ----------
        X : array (m, n_0), any real dtype, finite

        Returns
        -------
        Run
            `a[0..L]` and `z[1..L]`, each (m, n_ℓ).

        Raises
        ------
        InputError
            For another shape, a dtype that is not real, a NaN or an infinite number.

        Examples
        --------
        >>> import chainrule as cr
        >>> run = cr.Network([2, 3, 1]).forward([[0.5, -1.0]])
        >>> run.a[0].tolist(), run.z[1].shape
        ([[0.5, -1.0]], (1, 3))
        """
        return self._backend.forward(self._plan, self._parameters, self._rows(X))

    def backward(self, run: Run, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> Backward:
        """Backward pass (E5 to E10) from what `forward` kept.

        Parameters
        ----------
        run : Run
            Of this network's `forward`, with the same parameters.
        Y : array
            Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
        sample_weight : array (m,), optional
            w_i ≥ 0.

        Returns
        -------
        Backward
            `cost`; `delta[1..L]`, (m, n_ℓ), and `x`, (m, n_0), per example, neither averaged nor weighted; `W[l]`,
            `b[l]` and `flat`, (|θ|,), which are Σ w_i(·)/Σ w_i under the mean and Σ w_i(·) under the sum.

        Raises
        ------
        InputError
            For a run of a network of other sizes; for Y or weights of another shape or dtype, with a NaN or infinite
            number, a class index out of range, or a target that the cost doesn't take.

        Examples
        --------
        (E7) is the product of δ and the activation below, averaged over examples:

        >>> import numpy as np, chainrule as cr
        >>> net = cr.Network([2, 3, 1], activations="tanh", dtype="float64")
        >>> run = net.forward([[0.5, -1.0], [2.0, 0.0]])
        >>> back = net.backward(run, [0.25, -0.5])
        >>> np.allclose(back.W[2], run.a[1].T @ back.delta[2] / 2)
        True
        """
        m = self._check_run(run)
        targets = check_targets(Y, m, self._plan).rows(slice(None))
        weights = check_weights(sample_weight, m, self._plan.dtype)
        back = self._backend.backward(self._plan, self._parameters, run, targets, weights)
        return replace(back, cost=float(back.cost))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Outputs a^L, (m, n_L), with no trace kept (E1, E2).

        X is as in `forward`, or sparse rows of SciPy in CSR form, and is worked in blocks of rows.

        >>> import chainrule as cr
        >>> cr.Network([2, 3, 1], seed=1).predict([[0.0, 0.0]]).shape
        (1, 1)
        """
        if self._predictor is not None and (outputs := self._predictor(X)) is not None:
            return outputs  # type: ignore[no-any-return]
        array = check_rows_or_csr(X, self.sizes[0])
        if (outputs := self._backend.predict_uncast(self._plan, self._parameters, array)) is not None:
            return outputs  # type: ignore[no-any-return]
        out = np.empty((array.shape[0], self.sizes[-1]), dtype=self.dtype)
        for rows in row_blocks(array.shape[0]):
            block = cast_rows(array[rows], self._plan.dtype, "X", rows.start)
            out[rows] = self._backend.predict(self._plan, self._parameters, block)
        return out

    def example_costs(self, X: ArrayLike, Y: ArrayLike) -> NDArray[Any]:
        """C_i of each example (E3), unweighted.

        Parameters
        ----------
        X : array (m, n_0) or sparse rows in CSR form, any real dtype, finite
        Y : array
            Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).

        Returns
        -------
        array (m,) of the network's dtype

        Raises
        ------
        InputError
            For X as in `forward`, for Y as in `backward`.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([2, 1], activations="identity", initializer="zeros")
        >>> net.example_costs([[1, 2], [3, 4]], [1.0, 2.0]).tolist()
        [1.0, 4.0]
        """
        array = check_rows_or_csr(X, self.sizes[0])
        m = array.shape[0]
        targets = check_targets(Y, m, self._plan)
        costs = np.empty(m, dtype=self.dtype)
        for rows in row_blocks(m):
            block = cast_rows(array[rows], self._plan.dtype, "X", rows.start)
            run = self._backend.forward(self._plan, self._parameters, block)
            costs[rows] = self._backend.example_costs(self._plan, run, targets.rows(rows))
        return costs

    def cost(self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """C of the batch (E4), a float: Σ w_i C_i/Σ w_i under the mean, Σ w_i C_i under the sum.

        X and Y are as in `example_costs`, sample_weight is (m,), ≥ 0, not all 0. Raises InputError otherwise.

        >>> import chainrule as cr
        >>> net = cr.Network([2, 1], activations="identity", initializer="zeros")
        >>> net.cost([[1, 2], [3, 4]], [1.0, 2.0])
        2.5
        """
        costs = self.example_costs(X, Y)
        weights = check_weights(sample_weight, len(costs), self._plan.dtype)
        return float(self._backend.batch_cost(self._plan, costs, weights))

    def value_and_gradient(
        self, X: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Gradient]:
        """C (E4) and ∇C (E10) in one go, without the gradient in the input.

        Returns
        -------
        cost : float
        gradient : Gradient
            `W[l]`, `b[l]`, `flat`, scaled as `backward` scales them.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([2, 1], activations="identity", initializer="zeros")
        >>> cost, gradient = net.value_and_gradient([[1.0, 2.0]], [3.0])
        >>> cost, gradient.W[1].tolist(), gradient.b[1].tolist()
        (9.0, [[-6.0], [-12.0]], [-6.0])
        """
        rows = self._rows(X)
        targets = check_targets(Y, len(rows), self._plan).rows(slice(None))
        weights = check_weights(sample_weight, len(rows), self._plan.dtype)
        cost, gradient = self._backend.value_and_gradient(self._plan, self._parameters, rows, targets, weights)
        return float(cost), gradient

    def _rows(self, X: ArrayLike) -> NDArray[Any]:
        return cast(check_rows(X, self.sizes[0]), self._plan.dtype)

    def _check_run(self, run: Run) -> int:
        sizes = tuple(run.a[layer].shape[1] for layer in run.a) if isinstance(run, Run) else None
        if sizes != self.sizes:
            got = type(run).__name__ if sizes is None else f"one of sizes {list(sizes)}"
            hint = "Call run = net.forward(X) on this network first."
            expected = f"a run of this network, sizes {list(self.sizes)}"
            raise InputError(text("run", expected=expected, got=got, hint=hint))
        return int(run.a[0].shape[0])


def check_network(net: Any) -> None:
    """Refuse, as the argument net, what is no Network. Raises InputError."""
    if not isinstance(net, Network):
        hint = "Make one: net = cr.Network([n_inputs, …, n_outputs]). A fitted estimator's is estimator.network_."
        raise InputError(text("net", expected="a cr.Network", got=type(net).__name__, hint=hint))


def _draw(plan: Plan, spec: str | Initializer, seed: int | np.random.Generator | None) -> NDArray[Any]:
    """Draw θ: 𝒲 by the initializer in float64, layer by layer, biases 0."""
    draw, rng = initializer(spec), random_generator(seed)
    try:
        parameters = np.zeros(plan.n_parameters, dtype=plan.dtype)
        for layer, W in plan.split(parameters)[0].items():
            drawn = real_array("initializer's weights", draw(rng, *W.shape))
            if drawn.shape != W.shape:
                expected, got = f"shape {W.shape} for layer {layer}", f"shape {drawn.shape}"
                hint = "It is given (rng, fan_in, fan_out)."
                raise InputError(text("initializer", expected=expected, got=got, hint=hint))
            W[...] = cast(drawn, plan.dtype, f"initializer's weights of layer {layer}")
    except (MemoryError, OverflowError):
        raise _too_large(plan) from None
    except ValueError as error:
        if not str(error).startswith(("Maximum allowed dimension", "array is too big")):
            raise
        raise _too_large(plan) from None
    return parameters


def _too_large(plan: Plan) -> InputError:
    got = f"{plan.n_parameters * np.dtype(plan.dtype).itemsize:,} bytes"
    return InputError(
        text("sizes", expected="parameters that fit in memory", got=got, hint="Make the layers narrower.")
    )


def random_generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    """Make numpy's default generator from a seed ≥ 0, None, or a generator. Raises InputError."""
    try:
        if isinstance(seed, bool | np.bool_):
            raise TypeError
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        hint = "Write seed=0."
        raise InputError(
            text("seed", expected="a whole number ≥ 0, a Generator or None", got=repr(seed), hint=hint)
        ) from None
