"""The native backend: the passes of the reference, and whole epochs of training, by the compiled core.

It is thin: arrays for results are made here, everything else is in cpp/, which `_core.pyi` describes. Only networks
whose activations and cost come with chainrule get here; `backend.choose` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from chainrule import _core
from chainrule.engine import reference
from chainrule.engine.inputs import is_thin
from chainrule.engine.plan import ByLayer, Plan
from chainrule.engine.reference import Backward, Gradient, Run
from chainrule.engine.step_options import PLAIN, StepOptions
from chainrule.engine.threads import chosen, for_operations
from chainrule.maths import activations, costs
from chainrule.maths.arrays import Array
from chainrule.maths.updates import RULES, DecayedMoments, Moments, UpdateRule

name = "native"
batch_cost = reference.batch_cost

_PARAMETERS = {"leaky_relu": 0.01, "elu": 1.0, "huber": 1.0}
"""The parameters of the members of families whose names leave them out."""

_SETTINGS = {
    "sgd": (),
    "momentum": ("momentum",),
    "nesterov": ("momentum",),
    "rmsprop": ("decay", "epsilon"),
    "adam": ("beta1", "beta2", "epsilon", "epsilon_hat"),
    "adamw": ("beta1", "beta2", "epsilon", "weight_decay"),
    "rprop": ("eta_minus", "eta_plus", "least", "largest"),
}
"""The settings of each update rule, in the core's order."""

_compiled: WeakKeyDictionary[Plan, _core.Plan] = WeakKeyDictionary()


def instruction_set() -> str:
    """Give the name of the vectors that the core works in on this machine, on which bits depend."""
    return _core.instruction_set()


def core_plan(plan: Plan) -> _core.Plan:
    """Give the core's own description of a network, made once for each plan."""
    known = _compiled.get(plan)
    if known is None:
        functions = [_named(activations.family(g)) for g in plan.activations]
        layers = [(*function, bias) for function, bias in zip(functions, plan.bias, strict=True)]
        is_mean, is_double = plan.reduction == "mean", plan.dtype == "float64"
        known = _compiled[plan] = _core.Plan(plan.sizes, layers, _named(costs.family(plan.cost)), is_mean, is_double)
    return known


def _named(family: tuple[str, float | None] | None) -> tuple[str, float]:
    assert family is not None, "backend.choose gives networks with functions of the user's own to the reference"
    base, parameter = family
    return base, _PARAMETERS.get(base, 0.0) if parameter is None else parameter


# --- passes -----------------------------------------------------------------------------------------------------------
def forward(plan: Plan, parameters: Array, X: Array) -> Run:
    """(E1), (E2)."""
    if _is_thin(X):
        return reference.forward(plan, parameters, X)
    shapes = [(X.shape[0], n) for n in plan.sizes[1:]]
    a, z = ([np.empty(shape, dtype=plan.dtype) for shape in shapes] for _ in range(2))
    core_plan(plan).forward(parameters, _handed(X), a, z, chosen(plan, X.shape[0], training=False))
    return Run(
        ByLayer("a", dict(enumerate([X, *a]))),
        ByLayer("z", dict(enumerate(z, start=1)), "The input is an activation, never a weighted input: see a[0]."),
    )


def backward(plan: Plan, parameters: Array, run: Run, Y: Array, weights: Array | None = None) -> Backward:
    """(E5) to (E10). Sparse rows are made dense, as ∂C_i/∂x is."""
    a, z = _kept(plan, run)
    m = a[0].shape[0]
    delta = [np.empty((m, n), dtype=plan.dtype) for n in plan.sizes[1:]]
    x, flat = np.empty((m, plan.sizes[0]), dtype=plan.dtype), np.empty(plan.n_parameters, dtype=plan.dtype)
    n_threads = chosen(plan, m)
    cost = core_plan(plan).backward(parameters, a, z, Y, weights, delta, x, flat, n_threads)
    by_layer = ByLayer("delta", dict(enumerate(delta, start=1)), "The input has no δ; its gradient is x.")
    return Backward(plan, flat, cost, by_layer, x)


def example_costs(plan: Plan, run: Run, Y: Array) -> Array:
    """C_i (E3)."""
    a, z = (_ready(plan, arrays[plan.L]) for arrays in (run.a, run.z))
    out = np.empty(a.shape[0], dtype=plan.dtype)
    core_plan(plan).example_costs(a, z, Y, out)
    return out


def predict(plan: Plan, parameters: Array, X: Array) -> Array:
    """a^L."""
    if _is_thin(X):
        return reference.predict(plan, parameters, X)
    out = np.empty((X.shape[0], plan.sizes[-1]), dtype=plan.dtype)
    core_plan(plan).predict(parameters, _handed(X), out, chosen(plan, X.shape[0], training=False))
    return out


def predictor(plan: Plan, parameters: Array) -> Callable[[Any], Any]:
    """Give a function from X as users have it to a^L, or to None where X has to be looked at first."""
    return _core.Predictor(core_plan(plan), parameters)


def predict_uncast(plan: Plan, parameters: Array, X: Array) -> Array | None:
    """Give a^L for rows of any real dtype; None where they have to be cast, or a number of theirs is not finite."""
    if not _is_read(X) or _is_thin(X):
        return None
    out = np.empty((X.shape[0], plan.sizes[-1]), dtype=plan.dtype)
    n_threads = chosen(plan, X.shape[0], training=False)
    return out if core_plan(plan).predict(parameters, _handed(X), out, n_threads) < 0 else None


def value_and_gradient(
    plan: Plan, parameters: Array, X: Array, Y: Array, weights: Array | None = None
) -> tuple[Array, Gradient]:
    """C (E4) and ∇C (E10)."""
    if _is_thin(X):
        return reference.value_and_gradient(plan, parameters, X, Y, weights)
    flat = np.empty(plan.n_parameters, dtype=plan.dtype)
    n_threads = chosen(plan, X.shape[0])
    cost = core_plan(plan).value_and_gradient(parameters, _handed(X), Y, weights, flat, n_threads)
    return cost, Gradient(plan, flat)


def _is_thin(X: Array) -> bool:
    """Say whether rows are sparse and so thin that the reference works their passes."""
    return not isinstance(X, np.ndarray) and is_thin(X.nnz, *X.shape)


def _handed(X: Array) -> Any:
    """Give rows as the core takes them: an array, or the three of CSR."""
    if isinstance(X, np.ndarray):
        return X
    used = slice(int(X.indptr[-1]))
    return X.data[used], X.indices[used], X.indptr


def _ready(plan: Plan, array: Array) -> NDArray[Any]:
    """Give what a Run keeps as the core takes it, also where somebody else made the Run."""
    return np.ascontiguousarray(array if isinstance(array, np.ndarray) else array.toarray(), dtype=plan.dtype)


def _kept(plan: Plan, run: Run) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    return [_ready(plan, run.a[layer]) for layer in run.a], [_ready(plan, run.z[layer]) for layer in run.z]


# --- what derivatives are made of -------------------------------------------------------------------------------------
def linearize(plan: Plan, parameters: Array, X: Array) -> Linearized:
    """(E1), (E2), kept in the core."""
    return Linearized(plan, _core.Linearized(core_plan(plan), parameters, X, chosen(plan, X.shape[0])), X.shape[0])


def linearize_uncast(plan: Plan, parameters: Array, X: Array) -> Linearized | None:
    """`linearize` for rows of any real dtype; None where they have to be cast, or a number is not finite."""
    if not _is_read(X):
        return None
    core = _core.Linearized(core_plan(plan), parameters, X, chosen(plan, X.shape[0]))
    return Linearized(plan, core, X.shape[0]) if core.finite else None


def numbers_held(plan: Plan) -> tuple[int, int]:
    """What the core's arrays take, whose rows are whole vectors of the processor."""
    return core_plan(plan).numbers_held()


class Linearized:
    """`_core.Linearized`, with z^L and a^L, (m, n_L), as arrays."""

    def __init__(self, plan: Plan, core: _core.Linearized, rows: int) -> None:
        self.z, self.a = (np.empty((rows, plan.sizes[-1]), dtype=plan.dtype) for _ in range(2))
        core.outputs(self.z, self.a)
        self._plan, self._core = plan, core

    def push(self, v: Array) -> Pushed:
        """(E31)."""
        core = self._core.push(v)
        dz = np.empty_like(self.z)
        core.outputs(dz)
        return Pushed(core, dz)

    def pull(self, seeds: Array) -> Pulled:
        """(E6)."""
        return Pulled(self._plan, self._core.pull(seeds), len(self.z), len(seeds))

    def bend(self, pushed: Pushed, delta_L: Array, d_delta_L: Array) -> Bent:
        """(E33)."""
        return Bent(self._plan, self._core.bend(pushed.core, delta_L, d_delta_L), len(self.z))

    def moments(self, c: Array | float) -> list[Array]:
        """Σ c ā āᵀ."""
        sizes = [self._plan.sizes[layer - 1] + self._plan.bias[layer - 1] for layer in self._plan.layers]
        return _squares(self._core, self._plan, c, len(self.z), sizes)


@dataclass(frozen=True)
class Pushed:
    """`_core.Pushed`, and R{z^L}, (m, n_L)."""

    core: _core.Pushed
    z: NDArray[Any]


@dataclass(frozen=True)
class Pulled:
    """`_core.Pulled` of S cotangents of m rows."""

    plan: Plan
    core: _core.Pulled
    m: int
    S: int

    def inputs(self, out: Array | None = None) -> Array:
        """(E9)."""
        if out is None:
            out = np.empty((self.m, self.S, self.plan.sizes[0]), dtype=self.plan.dtype)
        self.core.inputs(out)
        return out

    def gradient(self, c: Array | float) -> Array:
        """(E7), (E8)."""
        return _like_theta(self.core.gradient, self.plan, c, self.m)

    def squared_norms(self) -> Array:
        """(E36)."""
        out = np.empty(self.m)
        self.core.squared_norms(out)
        return out

    def squares(self, c: Array | float) -> Array:
        """(E37)."""
        return _like_theta(self.core.squares, self.plan, c, self.m)

    def moments(self, c: Array | float) -> list[Array]:
        """Σ c δδᵀ."""
        return _squares(self.core, self.plan, c, self.m, self.plan.sizes[1:])


@dataclass(frozen=True)
class Bent:
    """`_core.Bent` of m rows."""

    plan: Plan
    core: _core.Bent
    m: int

    def gradient(self, c: Array | float) -> Array:
        """R{∇C}."""
        return _like_theta(self.core.gradient, self.plan, c, self.m)


def _counts(plan: Plan, c: Array | float, m: int) -> Array | None:
    """What each row counts, (m,); None where that is 1."""
    if isinstance(c, float):
        return None if c == 1 else np.full(m, c, dtype=plan.dtype)
    return np.ascontiguousarray(c, dtype=plan.dtype)


def _like_theta(fill: Callable[[Any, Any], None], plan: Plan, c: Array | float, m: int) -> NDArray[Any]:
    out = np.empty(plan.n_parameters, dtype=plan.dtype)
    fill(_counts(plan, c, m), out)
    return out


def _squares(
    core: _core.Linearized | _core.Pulled, plan: Plan, c: Array | float, m: int, sizes: Sequence[int]
) -> list[Array]:
    out = [np.empty((n, n), dtype=plan.dtype) for n in sizes]
    core.moments(_counts(plan, c, m), out)
    return out


# --- K-FAC's factors --------------------------------------------------------------------------------------------------
def inverse(matrix: Array) -> Array | None:
    """Give the inverse of a symmetric positive definite matrix (n, n); None for another."""
    found = np.empty_like(matrix)
    double, n_threads = matrix.dtype == np.float64, for_operations(len(matrix) ** 3)
    return found if _core.inverse(np.ascontiguousarray(matrix), found, double, n_threads) else None


# --- training ---------------------------------------------------------------------------------------------------------
def trainer(
    plan: Plan,
    rule: UpdateRule,
    X: Array,
    Y: Array,
    weights: Array | None,
    batch: int,
    options: StepOptions = PLAIN,
) -> Trainer | None:
    """Whole epochs by the core; None for an update rule of the user's own, and for numbers that only numpy reads."""
    is_own = type(rule) is not RULES.get(getattr(rule, "name", ""))
    if is_own or _is_thin(X) or not (_is_read(X) and _is_read(Y)):
        return None
    return Trainer(plan, rule, X, Y, weights, batch, options)


def _is_read(array: Array) -> bool:
    """Say whether the core reads the numbers of an array or of sparse rows as they are.

    It does but for extended precision and another machine's byte order.
    """
    return bool(array.dtype.isnative and array.dtype.itemsize <= 8)


class Trainer:
    """`_core.Trainer` on arrays that it keeps, with an update rule's state as maths/updates.py has it."""

    def __init__(
        self,
        plan: Plan,
        rule: UpdateRule,
        X: Array,
        Y: Array,
        weights: Array | None,
        batch: int,
        options: StepOptions = PLAIN,
    ) -> None:
        settings = [float(getattr(rule, setting)) for setting in _SETTINGS[rule.name]]
        threads = chosen(plan, batch)
        self._core = _core.Trainer(core_plan(plan), rule.name, settings, batch, threads, **vars(options))
        self._plan = plan
        self.use(X, Y, weights)

    def use(self, X: Array, Y: Array, weights: Array | None) -> None:
        """Go on with the rows of these arrays."""
        self._X, self._weights = _handed(X), weights
        self._Y = Y.astype(np.int64, copy=False) if Y.ndim == 1 else Y

    def load(self, parameters: Array, state: Any) -> None:
        """Copy θ and the rule's state in."""
        step, vectors = _vectors(state)
        # what the state was made of, without its vectors, which would stay in memory as long as training lasts
        self._form, self._n_vectors = _with(state, step, [None] * len(vectors)), len(vectors)
        self._core.load(parameters, [np.ascontiguousarray(one, dtype=self._plan.dtype) for one in vectors], step)

    def precondition(self, inverses: Sequence[tuple[Array, Array] | None], kl_clip: float) -> None:
        """Turn gradients by these from the next step on (E68, E70)."""
        self._core.precondition(inverses, kl_clip)

    def parameters(self) -> Array:
        """Give a copy of θ."""
        theta = np.empty(self._plan.n_parameters, dtype=self._plan.dtype)
        self._core.store(theta)
        return theta

    def state(self) -> Any:
        """Give a copy of the rule's state."""
        vectors = [np.empty(self._plan.n_parameters, dtype=self._plan.dtype) for _ in range(self._n_vectors)]
        return _with(self._form, self._core.store_state(vectors), vectors)

    def run(
        self,
        rows: Array,
        bounds: Array,
        rates: Array,
        penalties: Array,
        l1: Array,
        factors: Array,
        first: int,
        costs: Array,
        norms: Array,
        squares: Array,
        check: Callable[[], bool],
    ) -> tuple[int, str]:
        """Take a step for each batch."""
        what = (rows, bounds, rates, penalties, l1, factors, first)
        return self._core.run(self._X, self._Y, self._weights, *what, costs, norms, squares, check)

    def gradient(
        self, rows: Array, penalty: float, l1: float, factor: float, step: int
    ) -> tuple[float, float, NDArray[Any]]:
        """Give C (E4) of a batch, the norm of what a step follows, and that as its update is given it, (|θ|,), clipped.

        θ is the one that was loaded; no step is taken.
        """
        flat = np.empty(self._plan.n_parameters, dtype=self._plan.dtype)
        what = (rows, penalty, l1, factor, step)
        cost, norm = self._core.gradient(self._X, self._Y, self._weights, *what, flat)
        return cost, norm, flat


def _vectors(state: Any) -> tuple[int, list[Array]]:
    """Give the number of steps taken, and the vectors like θ, of an update rule's state, in the core's order."""
    if isinstance(state, DecayedMoments):
        return _vectors(state.moments)
    if isinstance(state, Moments):
        return state.step, [state.first, state.second]
    return 0, list(state)  # Stateless, Velocity, MeanSquare, StepSizes


def _with(state: Any, step: int, vectors: list[Any]) -> Any:
    """Give a state like `state`, with another number of steps and other vectors."""
    if isinstance(state, DecayedMoments):
        return state._replace(moments=_with(state.moments, step, vectors))
    return Moments(step, *vectors) if isinstance(state, Moments) else type(state)(*vectors)
