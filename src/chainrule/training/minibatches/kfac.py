"""K-FAC (E68 to E70): momentum along gradients that the inverses of Kronecker factors have turned, in mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives.examples import MAX_MEMORY
from chainrule.derivatives.kronecker import KroneckerFactors, factors_at
from chainrule.engine.network import Network
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError, text
from chainrule.maths import kronecker
from chainrule.maths.costs import piecewise_linear_hessian_product
from chainrule.maths.intervals import POSITIVE
from chainrule.maths.pairs import distribution
from chainrule.maths.settings import FRACTION, settle
from chainrule.maths.updates import Momentum, Velocity
from chainrule.training.examples.batches import Batch
from chainrule.training.progress.divergence import DivergenceError

_A = NDArray[Any]
FEW_OUTPUTS = 16
"""Up to so many outputs G is exact: a pass for each of them takes no longer than to draw targets."""


@dataclass(frozen=True)
class KFAC:
    """K-FAC: v ← μv − ηνP, θ ← θ + v, where P^ℓ = Ã⁻¹V^ℓG̃⁻¹ layer by layer (E68).

    V^ℓ is the gradient of 𝒲^ℓ with that of b^ℓ as its last row, λW of (E29) included; à and G̃ are running means of the
    factors A = E[āāᵀ] and G of the Gauss-Newton matrix (E44), with λ + damping split between their diagonals (E69).
    ν = min(1, √(κ/Σ_ℓ η_ℓ²⟨P^ℓ, V^ℓ⟩)) (E70). A learning rate from 0.01 to 0.3 does, as ν shortens steps that are too
    long; for the last digits of a minimum let it decay.

    G is exact up to 16 outputs, and where the cost has no distribution; beyond, it is of one target for each example,
    drawn from the distribution that the network predicts. Dropout and input noise are in A and G as their expectation.

    Parameters
    ----------
    damping : float
        What is added to the curvature of each layer, > 0.
    momentum : float
        μ, 0 ≤ μ < 1.
    kl_clip : float
        κ > 0: how far a step may go, by the curvature itself.
    factors_every, inverses_every : int
        After how many steps A and G are brought up to date, and after how many their inverses. While there are few
        factors, their inverses are also made at the 2nd, 3rd, 5th, 9th, … of them.
    decay : float
        What of a running mean stays with each new factor, 0 ≤ decay < 1; at the k-th one 1 − 1/k at most.

    Raises
    ------
    InputError
        For a setting out of range; in `cr.train` for a cost that is piecewise linear, so that it has no curvature.
    DerivativeError
        In `cr.train`, for a cost of the user's own without second derivatives.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> X = np.linspace(-3, 3, 200)[:, np.newaxis]
    >>> net = cr.Network([1, 10, 1], ["tanh", "identity"], seed=1)
    >>> history = cr.train(net, X, np.sin(X), optimizer=cr.KFAC(), learning_rate=0.03, batch_size=20, epochs=60,
    ...                    verbose=0)
    >>> history.cost[-1] < 1e-4
    True

    Source: J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, 2015.
    """

    damping: float = 1e-3
    momentum: float = 0.9
    kl_clip: float = 1e-4
    factors_every: int = 10
    inverses_every: int = 100
    decay: float = 0.95
    name: ClassVar[str] = "kfac"

    def __post_init__(self) -> None:
        counts = ("factors_every", "inverses_every")
        settle(self, damping=POSITIVE, momentum=FRACTION, kl_clip=POSITIVE, decay=FRACTION, counts=counts)

    @property
    def rule(self) -> Momentum:
        """What follows the directions (E17)."""
        return Momentum(self.momentum)

    def initial(self, parameters: _A, decayed: _A) -> Velocity:
        """v = 0."""
        return self.rule.initial(parameters, decayed)


class Preconditioner:
    """What K-FAC remembers beside the velocity, and what it makes of a gradient: the specification of the native one.

    `inverses` are Ã⁻¹ and G̃⁻¹ of layers 1..L, of the network's dtype; None for a layer that is frozen. Steps are
    counted over the whole training.
    """

    def __init__(self, net: Network, rule: KFAC, options: StepOptions) -> None:
        """Raises InputError for a cost that is not curved anywhere."""
        if net.plan.cost.hessian_product is piecewise_linear_hessian_product:
            hint = "Take cost huber or log_cosh, or another optimizer."
            expected = "a cost with second derivatives, of which its factors are made"
            raise InputError(text("optimizer: kfac", expected=expected, got=f"cost {net.plan.cost.name}", hint=hint))
        self._net, self._rule, self._options = net, rule, options
        few = net.sizes[-1] <= FEW_OUTPUTS
        self._exact = few or distribution(net.plan.activation(net.L), net.plan.cost) is None
        sides = (*(n + bias for n, bias in zip(net.sizes, net.plan.bias, strict=False)), *net.sizes[1:])
        # a budget is for workspace: the new factors themselves, and another's before they are added, come on top
        self._memory = MAX_MEMORY + 2 * sum(n**2 for n in sides) * net.dtype.itemsize
        self._updates, self._looked = 0, -1  # how many factors there were, and the step before which they came last
        self._A: list[_A] = []
        self._G: list[_A] = []
        self.inverses: list[tuple[_A, _A] | None] = []

    @property
    def kl_clip(self) -> float:
        """κ of (E70)."""
        return self._rule.kl_clip

    def until(self, step: int) -> int:
        """How many steps, that of number `step` among them, can be taken before `look` has to be called again."""
        return min(every - step % every for every in (self._rule.factors_every, self._rule.inverses_every))

    def look(
        self, step: int, parameters: _A, batch: Callable[[], Batch], factor: float = 1.0, penalty: float = 0.0
    ) -> bool:
        """Look at the batch of a step before it is taken, where it is time to; say whether the inverses are new.

        The step's gradient is factor·∇C + penalty·W. A step is looked at once, however often it is begun with.
        Raises DivergenceError for factors that can't be inverted.
        """
        if step == self._looked:
            return False
        rule, before, self._looked = self._rule, self._updates, step
        if not self._updates or step % rule.factors_every == 0:
            self._add(self._factors(step, parameters, batch()), factor)
        few = before != self._updates and step < rule.inverses_every and (before & (before - 1)) == 0
        if self.inverses and not few and step % rule.inverses_every:
            return False
        self._invert(rule.damping + penalty)
        return True

    def direction(self, gradient: _A, rate: float) -> _A:
        """νP (E68, E70) of a gradient, (|θ|,), for a step at η = rate."""
        parts, change = [], 0.0
        for layer, pair in zip(self._net.plan.layers, self.inverses, strict=True):
            V = self._part(gradient, layer)
            P = V if pair is None else kronecker.direction(pair[0], V, pair[1])
            inner = float(P.ravel() @ V.ravel())
            change += (rate * self._options.rate_of(layer)) ** 2 * inner
            parts.append(P.ravel())
        return kronecker.rescaling(change, self.kl_clip) * np.concatenate(parts)

    def snapshot(self) -> dict[str, Any]:
        """Give all that there is to remember, means as copies; the inverses are never written to."""
        pairs = [None if pair is None else list(pair) for pair in self.inverses]
        counts = {"updates": self._updates, "looked": self._looked}
        means = {"A": [mean.copy() for mean in self._A], "G": [mean.copy() for mean in self._G]}
        return {**counts, **means, "inverses": pairs}

    def resume(self, found: dict[str, Any]) -> None:
        """Go on from what `snapshot` gave."""
        self._updates, self._looked = found["updates"], found["looked"]
        self._A, self._G = ([mean.copy() for mean in found[name]] for name in ("A", "G"))
        self.inverses = [None if pair is None else (pair[0], pair[1]) for pair in found["inverses"]]

    def _factors(self, step: int, parameters: _A, batch: Batch) -> KroneckerFactors:
        X, Y, weights = batch
        rows = X if isinstance(X, np.ndarray) else X.toarray()
        if self._exact:
            return factors_at(self._net, parameters, rows, Y, weights, "kflr", max_memory=self._memory)
        # a key of seed and step: what is drawn doesn't depend on what was drawn before
        random = np.random.Philox(key=np.array([self._options.seed, step], dtype=np.uint64))
        rng = np.random.Generator(random)
        return factors_at(self._net, parameters, rows, None, weights, "kfac", seed=rng, max_memory=self._memory)

    def _add(self, found: KroneckerFactors, factor: float) -> None:
        """Take new factors into the running means."""
        layers, options = self._net.plan.layers, self._options
        A, G = [found.A[layer] for layer in layers], [found.G[layer] for layer in layers]
        for layer in layers:
            _perturbed(
                A[layer - 1], self._net.sizes[layer - 1], _dropped(options, layer - 1), options.noise * (layer == 1)
            )
            _perturbed(G[layer - 1], self._net.sizes[layer], _dropped(options, layer))
            G[layer - 1] *= factor
        self._updates += 1
        old = min(1 - 1 / self._updates, self._rule.decay)
        self._A, self._G = _mean(self._A, A, old), _mean(self._G, G, old)

    def _invert(self, damping: float) -> None:
        plan = self._net.plan
        self.inverses = [None] * plan.L
        for layer in self._options.trained(plan):
            A, G = self._A[layer - 1], self._G[layer - 1]
            to_A, to_G = kronecker.split_damping(A, G, damping)
            pair = self._inverse(A, to_A), self._inverse(G, to_G)
            for name, found in zip("AG", pair, strict=True):
                if found is None:
                    what = f"K-FAC's factor {name} of layer {layer} (E44)"
                    raise DivergenceError(f"{what} has no inverse to rounding with damping {damping:g}")
            self.inverses[layer - 1] = pair

    def _inverse(self, factor: _A, added: float) -> Any:
        """The inverse of factor + added·1; None where that isn't positive definite in float64 either."""
        for dtype in (factor.dtype, np.dtype(np.float64)):
            damped = factor.astype(dtype)
            np.einsum("ii->i", damped)[...] += added
            found = self._net.engine.inverse(damped)
            if found is not None:
                return found.astype(factor.dtype, copy=False)
        return None

    def _part(self, vector: _A, layer: int) -> _A:
        """What a vector like θ has of a layer: (n_{ℓ−1} + 1, n_ℓ), b^ℓ in its last row. A view."""
        plan = self._net.plan
        ends = {**plan.weight_blocks, **plan.bias_blocks}
        return vector[plan.weight_blocks[layer].start : ends[layer].stop].reshape(-1, plan.sizes[layer])


def _dropped(options: StepOptions, layer: int) -> float:
    return options.dropout[layer] if layer < len(options.dropout) else 0.0


def _perturbed(moment: _A, units: int, dropout: float, noise: float = 0.0) -> None:
    """Make Σ c r rᵀ its mean over masks, E[m²] = 1/(1 − p), and over noise of r: its diagonal alone changes."""
    if dropout or noise:
        diagonal = np.einsum("ii->i", moment)[:units]  # a view
        diagonal[...] = (diagonal + noise**2) / (1 - dropout)


def _mean(means: list[_A], new: list[_A], old: float) -> list[_A]:
    """old·mean + (1 − old)·new, in the arrays of `means`, which the first ones become."""
    for mean, one in zip(means, new, strict=False):
        mean *= old
        one *= 1 - old
        mean += one
    return means or new
