"""Activation functions g of (E2): value, first and second derivative, in forms that neither overflow nor lose digits.

Every function takes and returns arrays of any shape, elementwise, except softmax, which works along the last axis.
At a kink of g the derivative is the one from the left: relu'(0) = 0, leaky_relu'(0) = slope, elu'(0) = alpha.

A function and its derivatives stand beside each other. q is always e^(−|z|) or e^(−2|z|): a number in (0, 1] that
underflows harmlessly to 0 where e^|z| would overflow, and keeps the digits that 1 − g(z) would lose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias

from chainrule.maths.arrays import Array, array_namespace, erfc, zero
from chainrule.maths.claims import check_activation
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE, REALS, UNIT, Interval
from chainrule.maths.names import Registry, parameter_in


@dataclass(frozen=True, eq=False)
class Activation:
    """An elementwise activation function a = g(z) (E2).

    Parameters
    ----------
    name : str
        What `Network(activations=…)`, model files and messages call it.
    value, derivative, second_derivative : function of an array z, giving an array of the same shape and dtype
        g, g' and g''. Without g'' (None) second-order derivatives of a network that uses it are refused.
    range : Interval
        Where g's values lie; a cost whose domain doesn't contain it is refused.
    kinks : tuple of float
        The z where g' or g'' jumps. Finite differences aren't asked there.
    equation : str
        g as text.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cube = cr.Activation("cube", value=lambda z: z**3, derivative=lambda z: 3 * z**2)
    >>> net = cr.Network([4, 3, 1], activations=[cube, "identity"])
    >>> cr.register_activation(cube)          # now "cube" is a name, for model files too
    >>> cr.Network([4, 3, 1], activations=["cube", "identity"]).activations
    ('cube', 'identity')
    """

    name: str
    value: Callable[[Array], Array] = field(repr=False)
    derivative: Callable[[Array], Array] = field(repr=False)
    second_derivative: Callable[[Array], Array] | None = field(default=None, repr=False)
    range: Interval = REALS
    kinks: tuple[float, ...] = ()
    equation: str = field(default="", repr=False)

    coupled: ClassVar[Literal[False]] = False

    def __reduce__(self) -> Any:
        return _reduced(self)

    def vjp(self, z: Array, da: Array) -> Array:
        """∂C/∂z = ∂C/∂a ⊙ g'(z): the factor of (E5) and (E6). All (m, n)."""
        return da * self.derivative(z)

    def jvp(self, z: Array, dz: Array) -> Array:
        """∂a along dz: g'(z) ⊙ dz. All (m, n)."""
        return self.derivative(z) * dz

    @property
    def second_vjp(self) -> Callable[[Array, Array, Array], Array] | None:
        """(z, da, dz) -> the derivative of `vjp(z, da)` when z moves along dz: da ⊙ g''(z) ⊙ dz; None without g''."""
        bend = self.second_derivative
        return None if bend is None else lambda z, da, dz: da * bend(z) * dz


@dataclass(frozen=True, eq=False)
class CoupledActivation:
    """An activation whose units depend on each other along the last axis, as softmax does (E5′).

    It offers products with its Jacobian J = ∂a/∂z of each row instead of a derivative. All arrays are (m, n).

    Parameters
    ----------
    name : str
        What `Network(activations=…)`, model files and messages call it.
    value : function z -> a
    vjp, jvp : functions (z, v) -> Jᵀv and (z, u) -> Ju
    second_vjp : function (z, v, u), optional
        The derivative of Jᵀv when z moves along u. Without it (None) second-order derivatives are refused.
    range : Interval
        Where the values lie; a cost whose domain doesn't contain it is refused.
    equation : str
        g as text.

    Examples
    --------
    Each row without its mean:

    >>> import chainrule as cr
    >>> def centre(z, v): return v - v.mean(axis=1, keepdims=True)
    >>> centred = cr.CoupledActivation("centred", value=lambda z: centre(z, z), vjp=centre, jvp=centre)
    >>> cr.Network([4, 3, 2], activations=[centred, "identity"]).predict([[1, 2, 3, 4]]).shape
    (1, 2)
    """

    name: str
    value: Callable[[Array], Array] = field(repr=False)
    vjp: Callable[[Array, Array], Array] = field(repr=False)
    jvp: Callable[[Array, Array], Array] = field(repr=False)
    second_vjp: Callable[[Array, Array, Array], Array] | None = field(default=None, repr=False)
    range: Interval = REALS
    equation: str = field(default="", repr=False)
    coupled: ClassVar[Literal[True]] = True

    def __reduce__(self) -> Any:
        return _reduced(self)


AnyActivation: TypeAlias = Activation | CoupledActivation


# --- identity -------------------------------------------------------------------------------------------------------
def identity(z: Array) -> Array:
    """g(z) = z."""
    return z


def identity_derivative(z: Array) -> Array:
    """g'(z) = 1."""
    return array_namespace(z).ones_like(z)


def zeros_like(z: Array) -> Array:
    """g''(z) = 0, of every piecewise linear function away from its kinks."""
    return array_namespace(z).zeros_like(z)


# --- logistic, and what is made of it -------------------------------------------------------------------------------
def logistic(z: Array) -> Array:
    """σ(z) = 1/(1 + e^(−z)); below 0 as e^z/(1 + e^z)."""
    xp = array_namespace(z)
    q = xp.exp(-xp.abs(z))
    return xp.where(z < 0, q, xp.ones_like(q)) / (1 + q)


def logistic_derivative(z: Array) -> Array:
    """σ'(z) = σ(z)σ(−z) = q/(1 + q)², q = e^(−|z|)."""
    xp = array_namespace(z)
    q = xp.exp(-xp.abs(z))
    return q / ((1 + q) * (1 + q))


def logistic_second_derivative(z: Array) -> Array:
    """σ''(z) = σ'(z)(1 − 2σ(z)) = −σ'(z) tanh(z/2)."""
    return -logistic_derivative(z) * array_namespace(z).tanh(z / 2)


def softplus(z: Array) -> Array:
    """ln(1 + e^z) = max(z, 0) + ln(1 + e^(−|z|))."""
    xp = array_namespace(z)
    return relu(z) + xp.log1p(xp.exp(-xp.abs(z)))


def silu(z: Array) -> Array:
    """z σ(z)."""
    return z * logistic(z)


def silu_derivative(z: Array) -> Array:
    """σ(z)(1 + z σ(−z))."""
    return logistic(z) * (1 + z * logistic(-z))


def silu_second_derivative(z: Array) -> Array:
    """σ'(z)(2 − z tanh(z/2))."""
    return logistic_derivative(z) * (2 - z * array_namespace(z).tanh(z / 2))


# --- tanh -----------------------------------------------------------------------------------------------------------
def tanh(z: Array) -> Array:
    """g(z) = tanh z."""
    return array_namespace(z).tanh(z)


def tanh_derivative(z: Array) -> Array:
    """1 − tanh²(z) = 4q/(1 + q)², q = e^(−2|z|)."""
    near = array_namespace(z).clip(z, -1e4, 1e4)  # beyond, it is 0, and 2z may overflow
    return 4 * logistic_derivative(2 * near)


def tanh_second_derivative(z: Array) -> Array:
    """−2 tanh(z) tanh'(z)."""
    return -2 * tanh(z) * tanh_derivative(z)


# --- relu and its kin -----------------------------------------------------------------------------------------------
def relu(z: Array) -> Array:
    """max(z, 0)."""
    return array_namespace(z).maximum(z, zero(z))


def relu_derivative(z: Array) -> Array:
    """1 where z > 0, else 0."""
    return array_namespace(z).astype(z > 0, z.dtype)


def leaky_relu(z: Array, slope: float = 0.01) -> Array:
    """z where z > 0, else slope·z."""
    return array_namespace(z).where(z > 0, z, slope * z)


def leaky_relu_derivative(z: Array, slope: float = 0.01) -> Array:
    """1 where z > 0, else slope."""
    return slope + (1 - slope) * relu_derivative(z)


def elu(z: Array, alpha: float = 1.0, scale: float = 1.0) -> Array:
    """scale·z where z > 0, else scale·alpha(e^z − 1)."""
    xp = array_namespace(z)
    return xp.where(z > 0, scale * z, scale * alpha * xp.expm1(xp.minimum(z, zero(z))))


def elu_derivative(z: Array, alpha: float = 1.0, scale: float = 1.0) -> Array:
    """scale where z > 0, else scale·alpha e^z."""
    xp = array_namespace(z)
    return xp.where(z > 0, scale * xp.ones_like(z), scale * alpha * xp.exp(xp.minimum(z, zero(z))))


def elu_second_derivative(z: Array, alpha: float = 1.0, scale: float = 1.0) -> Array:
    """0 where z > 0, else scale·alpha e^z."""
    xp = array_namespace(z)
    return xp.where(z > 0, xp.zeros_like(z), scale * alpha * xp.exp(xp.minimum(z, zero(z))))


# --- gelu: z Φ(z), Φ and φ the standard normal distribution and density --------------------------------------------
def _normal_cdf(z: Array) -> Array:
    # erfc keeps the digits of Φ far below 0, where (1 + erf)/2 would cancel
    return 0.5 * erfc(z * -math.sqrt(0.5))


def _normal_pdf(z: Array) -> Array:
    # beyond |z| = 40 the density is 0 in double precision; clipping keeps z² from overflowing
    clipped = array_namespace(z).clip(z, -40.0, 40.0)
    return array_namespace(z).exp(-0.5 * clipped * clipped) * (1 / math.sqrt(2 * math.pi))


def gelu(z: Array) -> Array:
    """z Φ(z), exact (no tanh approximation)."""
    return z * _normal_cdf(z)


def gelu_derivative(z: Array) -> Array:
    """Φ(z) + z φ(z)."""
    return _normal_cdf(z) + z * _normal_pdf(z)


def gelu_second_derivative(z: Array) -> Array:
    """φ(z)(2 − z²)."""
    density = _normal_pdf(z)
    return 2 * density - z * (z * density)


# --- mish: z tanh(softplus(z)) --------------------------------------------------------------------------------------
def _mish_parts(z: Array) -> tuple[Array, Array]:
    """t = tanh(softplus(z)) and w = 1 − t², from q = e^(−|z|) alone.

    With n = e^z: t = (n² + 2n)/(n² + 2n + 2), w = 4(1 + n)²/(n² + 2n + 2)²; above 0 both are multiplied through by q².
    """
    xp = array_namespace(z)
    q = xp.exp(-xp.abs(z))
    below = z < 0
    top = xp.where(below, q * (q + 2), 1 + 2 * q)
    bottom = xp.where(below, top + 2, top + 2 * q * q)
    root = 2 * (1 + q) * xp.where(below, xp.ones_like(q), q) / bottom
    return top / bottom, root * root


def mish(z: Array) -> Array:
    """z tanh(ln(1 + e^z))."""
    return z * _mish_parts(z)[0]


def mish_derivative(z: Array) -> Array:
    """t + z w σ(z), with t = tanh(softplus(z)), w = 1 − t²."""
    t, w = _mish_parts(z)
    return t + z * w * logistic(z)


def mish_second_derivative(z: Array) -> Array:
    """w σ(z)(2 + z(σ(−z) − 2 t σ(z)))."""
    t, w = _mish_parts(z)
    s = logistic(z)
    ws = w * s
    return 2 * ws + z * (ws * (logistic(-z) - 2 * t * s))  # w first: z alone may be too large for a factor


# --- softsign, exp --------------------------------------------------------------------------------------------------
def softsign(z: Array) -> Array:
    """z/(1 + |z|)."""
    return z / (1 + array_namespace(z).abs(z))


def softsign_derivative(z: Array) -> Array:
    """1/(1 + |z|)²."""
    r = 1 / (1 + array_namespace(z).abs(z))
    return r * r


def softsign_second_derivative(z: Array) -> Array:
    """−2 sign(z)/(1 + |z|)³; 0 at z = 0, between the one-sided values ±2."""
    xp = array_namespace(z)
    r = 1 / (1 + xp.abs(z))
    return -2 * xp.sign(z) * (r * r * r)


def exp(z: Array) -> Array:
    """e^z; infinite where e^z is larger than the largest number of the dtype."""
    return array_namespace(z).exp(z)


# --- softmax: units of a row are coupled ----------------------------------------------------------------------------
def softmax(z: Array) -> Array:
    """a_j = e^(z_j)/Σ_o e^(z_o), shifted by the row's largest z so that nothing overflows. (m, n) -> (m, n)."""
    xp = array_namespace(z)
    powers = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    return powers / xp.sum(powers, axis=-1, keepdims=True)


def _softmax_product(a: Array, v: Array) -> Array:
    return a * (v - array_namespace(a).sum(a * v, axis=-1, keepdims=True))


def softmax_vjp(z: Array, v: Array) -> Array:
    """Jᵀv = a ⊙ (v − ⟨a, v⟩); J is symmetric, so that this is Jv too. (m, n), (m, n) -> (m, n)."""
    return _softmax_product(softmax(z), v)


def softmax_second_vjp(z: Array, v: Array, u: Array) -> Array:
    """Derivative of Jᵀv along u: ȧ ⊙ (v − ⟨a, v⟩) − a⟨ȧ, v⟩ with ȧ = Ju. All (m, n)."""
    xp = array_namespace(z)
    a = softmax(z)
    da = _softmax_product(a, u)
    mean = xp.sum(a * v, axis=-1, keepdims=True)
    return da * (v - mean) - a * xp.sum(da * v, axis=-1, keepdims=True)


# --- the table ------------------------------------------------------------------------------------------------------
def make_leaky_relu(slope: float) -> Activation:
    """z above 0, slope·z below, with 0 < slope < 1."""
    parameter_in("activation leaky_relu", "slope", slope, 0, 1)
    return Activation(
        "leaky_relu" if slope == 0.01 else f"leaky_relu({slope!r})",
        partial(leaky_relu, slope=slope),
        partial(leaky_relu_derivative, slope=slope),
        zeros_like,
        kinks=(0.0,),
        equation=f"z where z > 0, else {slope:g} z",
    )


def make_elu(alpha: float) -> Activation:
    """z above 0, alpha(e^z − 1) below, with alpha > 0; g' jumps at 0 unless alpha is 1, g'' always."""
    parameter_in("activation elu", "alpha", alpha, 0, math.inf)
    return Activation(
        "elu" if alpha == 1 else f"elu({alpha!r})",
        partial(elu, alpha=alpha),
        partial(elu_derivative, alpha=alpha),
        partial(elu_second_derivative, alpha=alpha),
        Interval(-alpha),
        kinks=(0.0,),
        equation=f"z where z > 0, else {'' if alpha == 1 else f'{alpha:g} '}(e^z − 1)",
    )


_SELU = {"alpha": 1.6732632423543772, "scale": 1.0507009873554805}  # Klambauer et al. 2017, (14): the fixed point

_REGISTRY: Registry[AnyActivation] = Registry(
    "activation",
    kind=(Activation, CoupledActivation),
    hint='Write "relu", or cr.Activation(name, value=…, derivative=…).',
    built_in=(
        Activation("identity", identity, identity_derivative, zeros_like, equation="z"),
        Activation(
            "logistic", logistic, logistic_derivative, logistic_second_derivative, UNIT, equation="1/(1 + e^(−z))"
        ),
        Activation("tanh", tanh, tanh_derivative, tanh_second_derivative, Interval(-1, 1), equation="tanh z"),
        Activation("relu", relu, relu_derivative, zeros_like, NOT_NEGATIVE, (0.0,), equation="max(z, 0)"),
        make_leaky_relu(0.01),
        make_elu(1.0),
        Activation(
            "selu",
            partial(elu, **_SELU),
            partial(elu_derivative, **_SELU),
            partial(elu_second_derivative, **_SELU),
            Interval(-_SELU["alpha"] * _SELU["scale"]),
            kinks=(0.0,),
            equation="1.0507 z where z > 0, else 1.0507 · 1.6733 (e^z − 1)",
        ),
        Activation(
            "gelu",
            gelu,
            gelu_derivative,
            gelu_second_derivative,
            Interval(-0.17, closed_low=True),  # the least value is −0.16997 at z = −0.75179
            equation="z Φ(z), Φ the standard normal distribution",
        ),
        Activation(
            "silu",
            silu,
            silu_derivative,
            silu_second_derivative,
            Interval(-0.2785, closed_low=True),  # −0.27846 at z = −1.27846
            equation="z/(1 + e^(−z))",
        ),
        Activation("softplus", softplus, logistic, logistic_derivative, POSITIVE, equation="ln(1 + e^z)"),
        Activation(
            "mish",
            mish,
            mish_derivative,
            mish_second_derivative,
            Interval(-0.309, closed_low=True),  # −0.30884 at z = −1.19245
            equation="z tanh(ln(1 + e^z))",
        ),
        Activation(
            "softsign",
            softsign,
            softsign_derivative,
            softsign_second_derivative,
            Interval(-1, 1),
            kinks=(0.0,),
            equation="z/(1 + |z|)",
        ),
        Activation("exp", exp, exp, exp, POSITIVE, equation="e^z"),
        CoupledActivation(
            "softmax",
            softmax,
            softmax_vjp,
            softmax_vjp,
            softmax_second_vjp,
            UNIT,
            equation="a_j = e^(z_j)/Σ_o e^(z_o)",
        ),
    ),
    families={"leaky_relu": make_leaky_relu, "elu": make_elu},
    check=check_activation,
    aliases={"sigmoid": "logistic"},
)
BUILT_IN = _REGISTRY.built_in
"""Names of the activations that come with chainrule."""


def activation(spec: str | AnyActivation) -> AnyActivation:
    """Find an activation by name ("relu", "leaky_relu(0.2)"), or check the user's own against finite differences.

    Raises InputError for an unknown name and DerivativeError where a derivative is wrong.

    >>> activation("sigmoid").name, activation("leaky_relu(0.2)").name
    ('logistic', 'leaky_relu(0.2)')
    """
    return _REGISTRY.resolve(spec)


def family(spec: AnyActivation) -> tuple[str, float | None] | None:
    """Give the name and the parameter of an activation that comes with chainrule; None for the user's own.

    >>> family(activation("leaky_relu(0.2)")), family(activation("relu"))
    (('leaky_relu', 0.2), ('relu', None))
    """
    return _REGISTRY.family(spec)


def _reduced(spec: AnyActivation) -> Any:
    # a built-in pickles by its name, so that it is the same object when it comes back
    if _REGISTRY.is_built_in(spec):
        return activation, (spec.name,)
    return type(spec), tuple(getattr(spec, at.name) for at in fields(spec))


def register_activation(spec: AnyActivation) -> None:
    """Make the user's own activation known by its name, after its derivatives were checked.

    `cr.load` finds it by that name: a model file holds names and numbers, never code.
    Raises DerivativeError where a derivative is wrong, InputError where the name is taken by a built-in.
    """
    _REGISTRY.register(spec)
