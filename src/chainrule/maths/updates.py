"""Update rules: pure functions (state, θ, gradient, η) -> (state, θ), on flat vectors (E16 to E21, E62).

A rule is a frozen dataclass of its settings; what it remembers from step to step is a state, a named tuple of arrays
and a count, made by `initial(θ, decayed)`. `decayed` is a vector like θ, 1 at the weights and 0 at the biases, which
only rules that decay weights keep. Every vector is (|θ|,) and of θ's dtype; η is a float.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from chainrule.errors import InputError, text, unknown_name
from chainrule.maths.arrays import Array, array_namespace
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE, UNIT, Interval
from chainrule.maths.settings import FRACTION, FRACTION_OR_ALL, settle


class UpdateRule(Protocol):
    """What the mini-batch loop asks of an update rule."""

    name: ClassVar[str]

    def initial(self, parameters: Array, decayed: Array) -> Any:
        """Make the state before the first step."""

    def update(self, state: Any, parameters: Array, gradient: Array, rate: float) -> tuple[Any, Array]:
        """Take one step from `parameters`; nothing that is passed in is changed."""


class Stateless(NamedTuple):
    """The state of a rule that remembers nothing."""


class Velocity(NamedTuple):
    """v, the velocity of momentum and nesterov."""

    velocity: Array


class MeanSquare(NamedTuple):
    """s, the running mean of squares of rmsprop."""

    mean_square: Array


class Moments(NamedTuple):
    """t, the number of steps taken, and Adam's running means of the gradient and of its square."""

    step: int
    first: Array
    second: Array


class DecayedMoments(NamedTuple):
    """Adam's moments, and the mask of what AdamW decays."""

    moments: Moments
    decayed: Array


class StepSizes(NamedTuple):
    """rprop's gradient of the step before, 0 where it turned back, and its step sizes Δ, 0 before the first step."""

    previous: Array
    sizes: Array


def _zeros(parameters: Array) -> Array:
    return array_namespace(parameters).zeros_like(parameters)


@dataclass(frozen=True)
class SGD:
    """Gradient descent (E16): θ ← θ − η ∇C (002's summary, 001).

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = SGD(), np.array([1.0])
    >>> state, theta = rule.update(rule.initial(theta, np.ones(1)), theta, np.array([2.0]), 0.25)
    >>> theta.round(6).tolist()
    [0.5]
    """

    name: ClassVar[str] = "sgd"

    def initial(self, parameters: Array, decayed: Array) -> Stateless:
        """Nothing to remember."""
        return Stateless()

    def update(self, state: Stateless, parameters: Array, gradient: Array, rate: float) -> tuple[Stateless, Array]:
        """Take one step."""
        return state, parameters - rate * gradient


@dataclass(frozen=True)
class Momentum:
    """Momentum (E17): v ← μv − η ∇C, θ ← θ + v (Polyak 1964), with 0 ≤ μ ≤ 1.

    Parameters
    ----------
    momentum : float
        μ, 0 ≤ μ ≤ 1; at 1 no velocity is ever lost.

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = Momentum(0.5), np.array([1.0])
    >>> state, theta = rule.update(rule.initial(theta, np.ones(1)), theta, np.array([2.0]), 0.25)
    >>> theta.round(6).tolist()
    [0.5]
    """

    momentum: float = 0.9
    name: ClassVar[str] = "momentum"

    def __post_init__(self) -> None:
        settle(self, momentum=FRACTION_OR_ALL)

    def initial(self, parameters: Array, decayed: Array) -> Velocity:
        """v = 0."""
        return Velocity(_zeros(parameters))

    def update(self, state: Velocity, parameters: Array, gradient: Array, rate: float) -> tuple[Velocity, Array]:
        """Take one step."""
        velocity = self.momentum * state.velocity - rate * gradient
        return Velocity(velocity), parameters + velocity


@dataclass(frozen=True)
class Nesterov:
    """Nesterov's momentum (E18): v ← μv − η ∇C, θ ← θ + μv − η ∇C (Sutskever et al. 2013), with 0 ≤ μ ≤ 1.

    Parameters
    ----------
    momentum : float
        μ, 0 ≤ μ ≤ 1; at 1 no velocity is ever lost.

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = Nesterov(0.5), np.array([1.0])
    >>> state, theta = rule.update(rule.initial(theta, np.ones(1)), theta, np.array([2.0]), 0.25)
    >>> theta.round(6).tolist()
    [0.25]
    """

    momentum: float = 0.9
    name: ClassVar[str] = "nesterov"

    def __post_init__(self) -> None:
        settle(self, momentum=FRACTION_OR_ALL)

    def initial(self, parameters: Array, decayed: Array) -> Velocity:
        """v = 0."""
        return Velocity(_zeros(parameters))

    def update(self, state: Velocity, parameters: Array, gradient: Array, rate: float) -> tuple[Velocity, Array]:
        """Take one step."""
        descent = rate * gradient
        velocity = self.momentum * state.velocity - descent
        return Velocity(velocity), parameters + (self.momentum * velocity - descent)


@dataclass(frozen=True)
class RMSProp:
    """RMSProp (E19): s ← ρs + (1 − ρ)(∇C)², θ ← θ − η ∇C/(√s + ε) (Hinton 2012), with 0 ≤ ρ < 1, ε > 0.

    Parameters
    ----------
    decay : float
        ρ, 0 ≤ ρ < 1.
    epsilon : float
        ε > 0.

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = RMSProp(decay=0.75), np.array([1.0])
    >>> state, theta = rule.update(rule.initial(theta, np.ones(1)), theta, np.array([2.0]), 0.25)
    >>> theta.round(6).tolist()
    [0.5]
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    name: ClassVar[str] = "rmsprop"

    def __post_init__(self) -> None:
        settle(self, decay=FRACTION, epsilon=POSITIVE)

    def initial(self, parameters: Array, decayed: Array) -> MeanSquare:
        """s = 0."""
        return MeanSquare(_zeros(parameters))

    def update(self, state: MeanSquare, parameters: Array, gradient: Array, rate: float) -> tuple[MeanSquare, Array]:
        """Take one step."""
        mean_square = self.decay * state.mean_square + (1 - self.decay) * (gradient * gradient)
        root = array_namespace(mean_square).sqrt(mean_square)
        return MeanSquare(mean_square), parameters - rate * gradient / (root + self.epsilon)


def _adam_step(
    state: Moments,
    parameters: Array,
    gradient: Array,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    epsilon_hat: bool = False,
) -> tuple[Moments, Array]:
    """Adam's step (E20), also AdamW's after its decay."""
    step = state.step + 1
    first = beta1 * state.first + (1 - beta1) * gradient
    second = beta2 * state.second + (1 - beta2) * (gradient * gradient)
    # m̂/(√v̂ + ε) with both corrections taken out of the vectors: the same numbers in two passes less
    root = (1 - beta2**step) ** 0.5
    rate_now = rate * root / (1 - beta1**step)
    denominator = array_namespace(second).sqrt(second) + (epsilon if epsilon_hat else root * epsilon)
    return Moments(step, first, second), parameters - rate_now * first / denominator


@dataclass(frozen=True)
class Adam:
    """Adam (E20), Kingma and Ba 2015, algorithm 1, with 0 ≤ β₁, β₂ < 1 and ε > 0.

    t ← t + 1, m ← β₁m + (1 − β₁)∇C, v ← β₂v + (1 − β₂)(∇C)², θ ← θ − η m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).

    Parameters
    ----------
    beta1, beta2 : float
        β₁ and β₂, 0 ≤ β < 1.
    epsilon : float
        ε > 0.
    epsilon_hat : bool
        Whether ε is the ε̂ of the paper's section 2, added before v is corrected: θ ← θ − η m̂/(√v̂ + ε̂/√(1 − β₂ᵗ)).
        It weighs more in the first steps. scikit-learn has this form.

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = Adam(), np.array([1.0])
    >>> state, theta = rule.update(rule.initial(theta, np.ones(1)), theta, np.array([2.0]), 0.25)
    >>> theta.round(6).tolist()
    [0.75]
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False
    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        settle(self, beta1=FRACTION, beta2=FRACTION, epsilon=POSITIVE)
        if not isinstance(self.epsilon_hat, bool):
            hint = "False is algorithm 1 of the paper."
            raise InputError(text("Adam: epsilon_hat", expected="True or False", got=repr(self.epsilon_hat), hint=hint))

    def initial(self, parameters: Array, decayed: Array) -> Moments:
        """t = 0, m = v = 0."""
        return Moments(0, _zeros(parameters), _zeros(parameters))

    def update(self, state: Moments, parameters: Array, gradient: Array, rate: float) -> tuple[Moments, Array]:
        """Take one step."""
        return _adam_step(state, parameters, gradient, rate, self.beta1, self.beta2, self.epsilon, self.epsilon_hat)


@dataclass(frozen=True)
class AdamW:
    """AdamW (E21): θ ← θ − ηλ θ at the weights, not at the biases, then Adam's step (Loshchilov and Hutter 2019).

    Parameters
    ----------
    weight_decay : float
        λ ≥ 0.
    beta1, beta2, epsilon : float
        As for Adam.

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = AdamW(weight_decay=0.4), np.array([1.0])
    >>> state, theta = rule.update(rule.initial(theta, np.ones(1)), theta, np.array([2.0]), 0.25)
    >>> theta.round(6).tolist()
    [0.65]
    """

    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    name: ClassVar[str] = "adamw"

    def __post_init__(self) -> None:
        settle(self, weight_decay=NOT_NEGATIVE, beta1=FRACTION, beta2=FRACTION, epsilon=POSITIVE)

    def initial(self, parameters: Array, decayed: Array) -> DecayedMoments:
        """t = 0, m = v = 0, and where the weights are."""
        return DecayedMoments(Moments(0, _zeros(parameters), _zeros(parameters)), decayed)

    def update(
        self, state: DecayedMoments, parameters: Array, gradient: Array, rate: float
    ) -> tuple[DecayedMoments, Array]:
        """Take one step."""
        shrunk = parameters - (rate * self.weight_decay) * (state.decayed * parameters)
        moments, parameters = _adam_step(state.moments, shrunk, gradient, rate, self.beta1, self.beta2, self.epsilon)
        return DecayedMoments(moments, state.decayed), parameters


@dataclass(frozen=True)
class Rprop:
    """iRprop− (E62): each parameter has a step size Δ of its own; of ∇C only the sign counts.

    Δ ← η₊Δ where ∇C has the sign of the step before, η₋Δ where it has the other, Δ where either is 0, then within
    [least, largest]; ∇C ← 0 where the sign has changed, so that nothing moves there and the next step leaves Δ alone;
    θ ← θ − sign(∇C) Δ.

    Δ begins as the rate of the first step, which may be an array, (|θ|,); later rates are not looked at. The sign of a
    mini-batch's gradient is mostly noise: train it on the whole set, `batch_size=None`.

    Parameters
    ----------
    eta_minus, eta_plus : float
        η₋ and η₊, 0 < η₋ < 1 ≤ η₊.
    least, largest : float
        Between which Δ is kept, 0 < least ≤ largest.

    Source: C. Igel and M. Hüsken, Empirical evaluation of the improved Rprop learning algorithms, 2003.

    Examples
    --------
    >>> import numpy as np
    >>> rule, theta = Rprop(), np.array([1.0])
    >>> state = rule.initial(theta, np.ones(1))
    >>> for gradient in (2.0, 0.1, -0.3):  # the second step is 1.2 times as long; the third turns back, and waits
    ...     state, theta = rule.update(state, theta, np.array([gradient]), 0.25)
    ...     print(theta.round(6).tolist(), state.sizes.round(6).tolist())
    [0.75] [0.25]
    [0.45] [0.3]
    [0.45] [0.15]
    """

    eta_minus: float = 0.5
    eta_plus: float = 1.2
    least: float = 1e-6
    largest: float = 50.0
    name: ClassVar[str] = "rprop"

    def __post_init__(self) -> None:
        settle(self, eta_minus=UNIT, eta_plus=Interval(1, closed_low=True), least=POSITIVE, largest=POSITIVE)
        if self.least > self.largest:
            hint = "The defaults are 1e-6 and 50."
            expected = f"at least the least step size, {self.least:g}"
            raise InputError(text("Rprop: largest", expected=expected, got=f"{self.largest:g}", hint=hint))

    def initial(self, parameters: Array, decayed: Array) -> StepSizes:
        """No gradient yet, and no Δ."""
        return StepSizes(_zeros(parameters), _zeros(parameters))

    def update(self, state: StepSizes, parameters: Array, gradient: Array, rate: float) -> tuple[StepSizes, Array]:
        """Take one step."""
        xp = array_namespace(gradient)
        turned = xp.sign(state.previous) * xp.sign(gradient)  # of signs, as a product of tiny numbers is 0
        sizes = xp.where(state.sizes == 0, rate + state.sizes, state.sizes)
        sizes = xp.where(turned > 0, self.eta_plus * sizes, xp.where(turned < 0, self.eta_minus * sizes, sizes))
        sizes = xp.clip(sizes, self.least, self.largest)
        gradient = xp.where(turned < 0, _zeros(gradient), gradient)
        return StepSizes(gradient, sizes), parameters - xp.sign(gradient) * sizes


RULES: dict[str, type[UpdateRule]] = {
    rule.name: rule for rule in (SGD, Momentum, Nesterov, RMSProp, Adam, AdamW, Rprop)
}


def update_rule(spec: str | UpdateRule, *, also: tuple[str, ...] = ()) -> UpdateRule:
    """Find an update rule by name, with its usual settings, or pass the user's own through.

    `also` are names that the caller knows besides, for the message. Raises InputError for an unknown name.

    >>> update_rule("adam")
    Adam(beta1=0.9, beta2=0.999, epsilon=1e-08, epsilon_hat=False)
    """
    if isinstance(spec, str):
        if spec not in RULES:
            raise unknown_name("optimizer", spec, [*RULES, *also])
        return RULES[spec]()
    if isinstance(spec, type) or not (hasattr(spec, "initial") and hasattr(spec, "update")):
        raise InputError(
            text(
                "optimizer",
                expected=f"a name ({', '.join([*RULES, *also])}) or an object with initial() and update()",
                got=repr(spec),
                hint='Write "adam", or cr.Adam(beta1=0.95) for other settings.',
            )
        )
    return spec
