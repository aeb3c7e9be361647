"""The compiled core, cpp/: what `chainrule.engine.native` calls. Arrays are taken and filled in place by their buffer.

"T" is float32, or float64 for a plan with double=True. An array for results is C-contiguous and writable. Wrong types,
shapes or layouts raise ValueError or BufferError, a plan or batch that does not fit in memory MemoryError with the
number of bytes; nothing is ever read or written outside a buffer.
"""

from collections.abc import Callable, Sequence
from typing import Any

Array = Any
Rows = Any
"""(m, n_0): an array of any real dtype and any strides, or a tuple (data, indices, indptr) of CSR."""

def instruction_sets() -> list[str]:
    """Of this build's, those that the machine runs, the best first: of "avx512", "avx2", "neon", "baseline"."""

def instruction_set() -> str:
    """The one in use: the best, or the one that CHAINRULE_INSTRUCTION_SET names (ValueError when it can't)."""

def bytes_held() -> tuple[int, int]:
    """Of all arrays of the core: now, and the most since this was asked last."""

class Plan:
    """Sizes n_0..n_L, (activation, its parameter, bias) of each layer, (cost, its parameter)."""

    def __init__(
        self,
        sizes: Sequence[int],
        layers: Sequence[tuple[str, float, bool]],
        cost: tuple[str, float],
        mean: bool,
        double: bool,
    ) -> None: ...
    @property
    def n_parameters(self) -> int:
        """|θ|."""
    def numbers_held(self) -> tuple[int, int]:
        """How many numbers arrays of all units take for a row, inputs included; those of θ, 𝒲ᵀ among them."""
    def predict(self, theta: Array, X: Rows, out: Array, threads: int) -> int:
        """Fill out, (m, n_L), with a^L. Gives the first row of X with a number that is not finite in T, else -1."""
    def forward(self, theta: Array, X: Rows, a: Sequence[Array], z: Sequence[Array], threads: int) -> None:
        """(E1), (E2): fill a[0..L-1] with a^1..a^L and z[0..L-1] with z^1..z^L, each (m, n_l)."""
    def backward(
        self,
        theta: Array,
        a: Sequence[Array],
        z: Sequence[Array],
        Y: Array,
        weights: Array | None,
        delta: Sequence[Array],
        x: Array,
        gradient: Array,
        threads: int,
    ) -> float:
        """(E5) to (E10) from a^0..a^L and z^1..z^L; fill delta^1..delta^L, x and the gradient. Gives C (E4)."""
    def example_costs(self, a: Array, z: Array, Y: Array, out: Array) -> None:
        """C_i (E3), (m,), from a^L, z^L and Y, all (m, n_L)."""
    def value_and_gradient(
        self, theta: Array, X: Rows, Y: Array, weights: Array | None, gradient: Array, threads: int
    ) -> float:
        """C (E4) and ∇C (E10)."""

class Linearized:
    """Forward passes, kept (E1, E2); what is made of it keeps it alive. `c` is (m,) of T, or None: 1 for each row."""

    def __init__(self, plan: Plan, theta: Array, X: Rows, threads: int) -> None: ...
    @property
    def finite(self) -> bool:
        """Whether every number of X is finite in T."""
    def outputs(self, z: Array, a: Array) -> None:
        """Fill z^L and a^L, (m, n_L)."""
    def moments(self, c: Array | None, out: Sequence[Array]) -> None:
        """Fill a matrix for each layer with Σ c ā āᵀ: (n_(l-1) + 1)² where it has a bias, else n_(l-1)²."""
    def push(self, v: Array) -> Pushed:
        """(E31) along v, (|θ|,)."""
    def pull(self, seeds: Array) -> Pulled:
        """(E6) of seeds, (S, m, n_L), whose last axis is contiguous."""
    def bend(self, pushed: Pushed, delta: Array, d_delta: Array) -> Bent:
        """(E33) from δ^L and R{δ^L}, (m, n_L), along what this object pushed."""

class Pushed:
    """R{z} and R{a} (E31)."""

    def outputs(self, dz: Array) -> None:
        """Fill R{z^L}, (m, n_L)."""

class Pulled:
    """δ of S cotangents (E6)."""

    def inputs(self, out: Array) -> None:
        """(E9): fill out, (m, S, n_0), whose last axis is contiguous."""
    def gradient(self, c: Array | None, out: Array) -> None:
        """(E7), (E8), added up: fill out, (|θ|,)."""
    def squared_norms(self, out: Array) -> None:
        """(E36): fill out, (m,), float64."""
    def squares(self, c: Array | None, out: Array) -> None:
        """(E37): fill out, (|θ|,)."""
    def moments(self, c: Array | None, out: Sequence[Array]) -> None:
        """Fill a matrix for each layer with Σ c δδᵀ, n_l²."""

class Bent:
    """R{δ} (E33)."""

    def gradient(self, c: Array | None, out: Array) -> None:
        """R{∇C}: fill out, (|θ|,)."""

class Predictor:
    """Outputs of a few rows, for a θ that is kept and looked at anew in every call."""

    def __init__(self, plan: Plan, theta: Array) -> None: ...
    def __call__(self, X: Any) -> Any:
        """a^L for a plain numpy array (m, n_0) of finite real numbers; None for anything
        else, and for more than some rows, which is looked at elsewhere."""

def inverse(matrix: Array, out: Array, double: bool, threads: int) -> bool:
    """Fill `out` with the inverse of a symmetric positive definite matrix (n, n); say whether it is one, to rounding.

    Both are float64 or, if not `double`, float32.
    """

class Trainer:
    """Whole epochs of mini-batch steps (E15, E16), without the interpreter lock.

    rule and settings: "sgd" (), "momentum" (mu,), "nesterov" (mu,), "rmsprop" (rho, epsilon),
    "adam" (beta1, beta2, epsilon, epsilon_hat), "adamw" (beta1, beta2, epsilon, weight_decay),
    "rprop" (eta_minus, eta_plus, least, largest). Its state is as many vectors like θ as the rule keeps, in the order
    of maths/updates.py, and the number of steps taken.
    """

    def __init__(
        self,
        plan: Plan,
        rule: str,
        settings: Sequence[float],
        batch: int,
        threads: int,
        *,
        noise: float = 0.0,
        dropout: Sequence[float] = (),
        smoothing: float = 0.0,
        clip_example_norm: float = ...,
        clip_norm: float = ...,
        layer_rates: Sequence[float] = (),
        weight_decay: float = 0.0,
        max_norm: float = ...,
        seed: int = 0,
    ) -> None:
        """Allocate everything for batches of at most `batch` examples; options are engine/step_options.py's."""
    def load(self, theta: Array, state: Sequence[Array], step: int) -> None:
        """Copy θ and the rule's state in; no vectors stand for zeros."""
    def store(self, theta: Array) -> None:
        """Copy θ out."""
    def store_state(self, state: Sequence[Array]) -> int:
        """Copy the rule's vectors out; gives the number of steps taken."""
    def precondition(self, inverses: Sequence[tuple[Array, Array] | None], clip: float) -> None:
        """From the next step on, turn each gradient by these inverses of Kronecker factors (E68), and clip it (E70).

        There is a pair of T for each layer: (n_{l-1} + 1)², without a bias n_{l-1}², and n_l². A layer that is never
        given one, but None, keeps its gradient.
        """
    def run(
        self,
        X: Rows,
        Y: Array,
        weights: Array | None,
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
        """Take a step for each batch: step j takes the examples rows[bounds[j]:bounds[j + 1]].

        Y is int64 (m,), class indices, or (m, n_L) of any real dtype; weights (m,) of T; rows and bounds are int64.
        rates, penalties (λ of E29), l1 (λ₁ of E52) and factors (what C's gradient is multiplied by) are float64, one
        a step; `first` is how many steps were taken before, over the whole training. Filled are, float64, one a step:
        costs (C of the batch before its step, E4), norms (of the whole gradient, with factor and penalties, before it
        is clipped), squares (Σ W² before the step).
        `check` is called about ten times a second; a true value, or an exception, ends the run after a whole step.
        Gives how many steps were taken and why it ended: "" all of them, "stopped", or "cost" or "gradient" when that
        is not finite (or its square is not) in the step after; θ is then that of before this step.
        """
    def gradient(
        self,
        X: Rows,
        Y: Array,
        weights: Array | None,
        rows: Array,
        penalty: float,
        l1: float,
        factor: float,
        step: int,
        flat: Array,
    ) -> tuple[float, float]:
        """Fill `flat` with what the update of step number `step` would be given; C (E4) and the norm, as in `run`."""
