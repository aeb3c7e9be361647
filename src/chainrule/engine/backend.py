"""What a backend has to offer, and which one a network gets."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

from chainrule.engine import reference
from chainrule.engine.plan import Plan
from chainrule.engine.reference import Backward, Gradient, Run
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError, NativeError, NativeMissingWarning, text, unknown_name
from chainrule.maths.arrays import Array
from chainrule.maths.updates import UpdateRule

if TYPE_CHECKING:
    from chainrule.engine import native


class Backend(Protocol):
    """Forward and backward for a plan and a flat θ; X (m, n_0), Y (m, n_L), weights (m,) or None are of θ's dtype.

    The X of `forward`, `predict` and `value_and_gradient` may be a SciPy sparse matrix in CSR form, which is multiplied
    as it is.
    """

    name: str

    def forward(self, plan: Plan, parameters: Array, X: Array) -> Run:
        """(E1), (E2)."""

    def backward(self, plan: Plan, parameters: Array, run: Run, Y: Array, weights: Array | None = None) -> Backward:
        """(E5) to (E10)."""

    def predict(self, plan: Plan, parameters: Array, X: Array) -> Array:
        """a^L."""

    def example_costs(self, plan: Plan, run: Run, Y: Array) -> Array:
        """C_i (E3)."""

    def batch_cost(self, plan: Plan, costs: Array, weights: Array | None = None) -> Array:
        """C (E4)."""

    def value_and_gradient(
        self, plan: Plan, parameters: Array, X: Array, Y: Array, weights: Array | None = None
    ) -> tuple[Array, Gradient]:
        """C (E4) and ∇C (E10)."""

    def linearize(self, plan: Plan, parameters: Array, X: Array) -> Linearized:
        """Keep a forward pass (E1, E2), for the passes that derivatives are made of."""

    def linearize_uncast(self, plan: Plan, parameters: Array, X: Array) -> Linearized | None:
        """`linearize` for rows of any real dtype; None where they have to be cast, or a number is not finite."""

    def numbers_held(self, plan: Plan) -> tuple[int, int]:
        """How many numbers arrays of all units take for one row, inputs included, and those of a linearized network."""

    def predictor(self, plan: Plan, parameters: Array) -> Callable[[Any], Any] | None:
        """Give a function from an X that nobody has checked to a^L, or to None where it has to be; or give None.

        θ is looked at anew in every call.
        """

    def predict_uncast(self, plan: Plan, parameters: Array, X: Array) -> Array | None:
        """Give a^L for rows of any real dtype; None where they have to be cast, or a number of theirs is not finite."""

    def inverse(self, matrix: Array) -> Array | None:
        """Give the inverse of a symmetric matrix (n, n); None where it isn't positive definite, to rounding."""

    def trainer(
        self,
        plan: Plan,
        rule: UpdateRule,
        X: Array,
        Y: Array,
        weights: Array | None,
        batch: int,
        options: StepOptions = ...,
    ) -> Trainer | None:
        """Whole epochs of steps for batches of at most `batch` rows of these arrays; None where it takes single ones.

        Y is (m,), class indices, or (m, n_L), of any real dtype, and so may X be.
        """


class Linearized(Protocol):
    """The network at θ and m rows, as engine/linearized.py specifies it."""

    @property
    def z(self) -> Array:
        """z^L."""

    @property
    def a(self) -> Array:
        """a^L."""

    def push(self, v: Array) -> Pushed:
        """(E31) along dθ = v, (|θ|,)."""

    def pull(self, seeds: Array) -> Pulled:
        """Every δ^ℓ of S cotangents of z^L, (S, m, n_L)."""

    def bend(self, pushed: Any, delta_L: Array, d_delta_L: Array) -> Bent:
        """(E33) along what was pushed."""

    def moments(self, c: Array | float) -> list[Array]:
        """Σ_i c_i ā āᵀ of the inputs of each layer."""


class Pushed(Protocol):
    """How z changes along a direction."""

    @property
    def z(self) -> Array:
        """R{z^L}."""


class Pulled(Protocol):
    """δ^ℓ of S cotangents."""

    def inputs(self, out: Array | None = None) -> Array:
        """(E9), (m, S, n_0), in `out` or in a new array."""

    def gradient(self, c: Array | float) -> Array:
        """Σ_s Σ_i c_i of (E7), (E8)."""

    def squared_norms(self) -> Array:
        """(E36), (m,), in float64."""

    def squares(self, c: Array | float) -> Array:
        """(E37)."""

    def moments(self, c: Array | float) -> list[Array]:
        """Σ_i c_i Σ_s δδᵀ of each layer."""


class Bent(Protocol):
    """How δ^ℓ change along a direction."""

    def gradient(self, c: Array | float) -> Array:
        """R{∇C} (E33)."""


class Trainer(Protocol):
    """Takes many mini-batch steps at once (E15, E16), with a θ and an update rule's state of its own."""

    def use(self, X: Array, Y: Array, weights: Array | None) -> None:
        """Take other arrays, of the same dtypes, from now on."""

    def load(self, parameters: Array, state: Any) -> None:
        """Copy θ and the rule's state in."""

    def precondition(self, inverses: Sequence[tuple[Array, Array] | None], kl_clip: float) -> None:
        """From the next step on, turn each gradient by K-FAC's inverses, of the layers that have some (E68, E70)."""

    def parameters(self) -> Array:
        """Give a copy of θ."""

    def state(self) -> Any:
        """Give a copy of the rule's state."""

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
        """Take a step for each batch, as `Course` and `Taken` in training have them, and fill the last three.

        `check` is called about ten times a second; a true value, or an exception, ends the run after a whole step.
        Gives how many steps were taken and why it ended: "" all of them, "stopped", or "cost" or "gradient" when that
        is not finite in the step after; θ is then that of before this step.
        """

    def gradient(self, rows: Array, penalty: float, l1: float, factor: float, step: int) -> tuple[float, float, Array]:
        """Give C of a batch, and the norm and the clipped vector of what step number `step` would follow at θ."""


def core_is_built() -> bool:
    """Say whether this installation has a compiled core; whether it loads is another question."""
    return find_spec("chainrule._core") is not None


def _native() -> Backend:
    if not core_is_built():
        raise NativeError(_missing("Leave backend out to compute by the reference."))
    try:
        return cast(Backend, import_module("chainrule.engine.native"))
    except (ImportError, OSError) as error:
        hint = "Reinstall chainrule for this Python and this machine, or set CHAINRULE_BACKEND=reference."
        got = f"{type(error).__name__}: {error}"
        raise NativeError(text("the compiled core", expected="a module that loads", got=got, hint=hint)) from error


if TYPE_CHECKING:
    _checked: tuple[Backend, ...] = (native, reference)


def _reference() -> Backend:
    return reference


_BACKENDS: dict[str, Callable[[], Backend]] = {"native": _native, "reference": _reference}
_said_missing = False


def choose(requested: str | None, plan: Plan) -> Backend:
    """Give the backend that `backend=` names, else the one that CHAINRULE_BACKEND names, else the native one.

    Without either, a network with an activation or a cost of the user's own gets the reference, and so does every one
    where the compiled core was not built, which is said once, or is an error with CHAINRULE_REQUIRE_NATIVE=1.
    Raises InputError for a name that is not there and for the native backend where a function is the user's own,
    NativeError where the compiled core does not load, or is asked for and not there.
    """
    where, chosen = "backend", requested
    if chosen is None:
        where, chosen = "backend in CHAINRULE_BACKEND", os.environ.get("CHAINRULE_BACKEND") or None
    if chosen is None:
        return _default(plan)
    if not isinstance(chosen, str) or chosen not in _BACKENDS:
        raise unknown_name(where, chosen, _BACKENDS)
    if chosen == "native" and plan.own:
        leave = "Leave backend out" if requested else "Unset CHAINRULE_BACKEND"
        hint = f"{leave}: the reference backend computes with functions of your own."
        expected = "activations and a cost that come with chainrule"
        raise InputError(text(f"{where}: native", expected=expected, got=f"{plan.own[0]}, which is yours", hint=hint))
    return _BACKENDS[chosen]()


def _default(plan: Plan) -> Backend:
    if plan.own:
        return reference
    if core_is_built():
        return _native()
    if os.environ.get("CHAINRULE_REQUIRE_NATIVE", "0") not in ("", "0"):
        raise NativeError(_missing("CHAINRULE_REQUIRE_NATIVE makes this an error; unset it to go on without."))
    global _said_missing
    if not _said_missing:
        _said_missing = True
        silence = "CHAINRULE_BACKEND=reference silences this."
        warnings.warn(_missing(silence), NativeMissingWarning, stacklevel=4)  # where the network is made
    return reference


def _missing(hint: str) -> str:
    return text(
        "the compiled core",
        expected="chainrule._core, which computes many times faster",
        got="an installation without it",
        hint=f"Reinstall chainrule on a machine with a C++ compiler; pip install -v says what is wrong. {hint}",
    )
