"""Costs of an example C_i = C(a^L, y) of (E3), each summed over outputs: value, first derivative, Hessian product.

Shapes: a and y are (m, n), a value is (m,), a derivative and a Hessian product H v are (m, n).
None of them averages over examples: that is (E4), and it is done once, in the engine.
At a kink the derivative is 0: absolute_error and quantile where a = y.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from chainrule.maths.activations import tanh_derivative, zeros_like
from chainrule.maths.arrays import Array, array_namespace, zero
from chainrule.maths.claims import check_cost
from chainrule.maths.intervals import NOT_NEGATIVE, POSITIVE, REALS, UNIT, Interval
from chainrule.maths.names import Registry, parameter_in


@dataclass(frozen=True, eq=False)
class Cost:
    """The cost of one example, C_i = C(a^L, y) (E3).

    Parameters
    ----------
    name : str
        What `Network(cost=…)`, model files and messages call it.
    value : function (a, y) -> (m,)
        C_i, summed over the n outputs of a row. a and y are (m, n).
    derivative : function (a, y) -> (m, n)
        ∂C_i/∂a.
    hessian_product : function (a, y, v) -> (m, n), optional
        ∂²C_i/∂a² · v. Without it (None) second-order derivatives of a network that uses the cost are refused.
    domain : Interval
        The a where the cost is defined; an output activation whose range leaves it is refused.
    targets : Interval
        The y that it takes.
    equation : str
        C_i as text.
    kinks : tuple of float
        The r = a − y where ∂C_i/∂a jumps. Finite differences aren't asked there.
    separable : bool
        Whether C_i is a sum of functions of one output each, so that ∂²C_i/∂a² is diagonal, as those of all costs that
        come with chainrule are. Curvature is found faster then.
    draw : function (a, rng) -> y, (m, n), optional
        Targets from the distribution with mean a of which C_i is −ln p(y|a), by numpy's generator rng. But for terms
        without a, C_i has to be linear in y. Without it (None) the true Fisher matrix is refused.

    Examples
    --------
    >>> import chainrule as cr
    >>> fourth = cr.Cost("fourth_power",
    ...                  value=lambda a, y: ((a - y) ** 4).sum(axis=1),
    ...                  derivative=lambda a, y: 4 * (a - y) ** 3)
    >>> net = cr.Network([4, 3, 1], activations="tanh", cost=fourth)
    >>> net.cost_function.name
    'fourth_power'
    """

    name: str
    value: Callable[[Array, Array], Array] = field(repr=False)
    derivative: Callable[[Array, Array], Array] = field(repr=False)
    hessian_product: Callable[[Array, Array, Array], Array] | None = field(default=None, repr=False)
    domain: Interval = REALS
    targets: Interval = REALS
    equation: str = field(default="", repr=False)
    kinks: tuple[float, ...] = ()
    separable: bool = False
    draw: Callable[[Array, np.random.Generator], Array] | None = field(default=None, repr=False)

    def __reduce__(self) -> Any:
        # a built-in pickles by its name, so that it is the same object when it comes back
        if _REGISTRY.is_built_in(self):
            return cost, (self.name,)
        return Cost, tuple(getattr(self, at.name) for at in fields(self))


def over_outputs(c: Array) -> Array:
    """C_i = Σ_j C_ij (E3). (m, n) -> (m,)."""
    return array_namespace(c).sum(c, axis=-1)


def _where_zero(condition: Array, otherwise: Array) -> Array:
    xp = array_namespace(otherwise)
    return xp.where(condition, xp.zeros_like(otherwise), otherwise)


def _x_log_y(x: Array, y: Array) -> Array:
    """x ln y, and 0 where x is 0 whatever y is."""
    xp = array_namespace(x)
    return x * xp.log(xp.where(x == 0, xp.ones_like(y), y))


def _quotient(x: Array, y: Array) -> Array:
    """x/y, and 0 where x is 0 whatever y is."""
    xp = array_namespace(x)
    return x / xp.where(x == 0, xp.ones_like(y), y)


# --- squared errors -------------------------------------------------------------------------------------------------
def squared_error(a: Array, y: Array) -> Array:
    """C_i = Σ_j (a_j − y_j)² (E3): 003 (1), (19); 001 (2)."""
    r = a - y
    return over_outputs(r * r)


def squared_error_derivative(a: Array, y: Array) -> Array:
    """2(a_j − y_j) (E5): 003 (4); 001 (4)."""
    return 2 * (a - y)


def squared_error_hessian_product(a: Array, y: Array, v: Array) -> Array:
    """2v."""
    return 2 * v


def half_squared_error(a: Array, y: Array) -> Array:
    """C_i = ½ Σ_j (a_j − y_j)²."""
    return 0.5 * squared_error(a, y)


def half_squared_error_derivative(a: Array, y: Array) -> Array:
    """a_j − y_j: the 2 of (E5) goes."""
    return a - y


def half_squared_error_hessian_product(a: Array, y: Array, v: Array) -> Array:
    """H v = v."""
    return v


# --- cross-entropies and poisson: where a lies in the domain ----------------------------------------------------------
def binary_cross_entropy(a: Array, y: Array) -> Array:
    """C_i = −Σ_j [y_j ln a_j + (1 − y_j) ln(1 − a_j)] (E3); 0 ln 0 = 0."""
    return -over_outputs(_x_log_y(y, a) + _x_log_y(1 - y, 1 - a))


def binary_cross_entropy_derivative(a: Array, y: Array) -> Array:
    """(1 − y_j)/(1 − a_j) − y_j/a_j."""
    return _quotient(1 - y, 1 - a) - _quotient(y, a)


def binary_cross_entropy_hessian_product(a: Array, y: Array, v: Array) -> Array:
    """(y_j/a_j² + (1 − y_j)/(1 − a_j)²) v_j."""
    return (_quotient(_quotient(y, a), a) + _quotient(_quotient(1 - y, 1 - a), 1 - a)) * v


def cross_entropy(a: Array, y: Array) -> Array:
    """C_i = −Σ_j y_j ln a_j (E3); 0 ln 0 = 0."""
    return -over_outputs(_x_log_y(y, a))


def cross_entropy_derivative(a: Array, y: Array) -> Array:
    """−y_j/a_j."""
    return -_quotient(y, a)


def cross_entropy_hessian_product(a: Array, y: Array, v: Array) -> Array:
    """y_j/a_j² v_j."""
    return _quotient(_quotient(y, a), a) * v


def poisson(a: Array, y: Array) -> Array:
    """C_i = Σ_j (a_j − y_j ln a_j): the negative log-likelihood without ln y!, which no parameter changes."""
    return over_outputs(a - _x_log_y(y, a))


def poisson_derivative(a: Array, y: Array) -> Array:
    """1 − y_j/a_j."""
    return 1 - _quotient(y, a)


# --- robust costs of the residual r = a − y ---------------------------------------------------------------------------
def huber(a: Array, y: Array, delta: float = 1.0) -> Array:
    """Σ_j ½r² where |r| ≤ delta, else delta(|r| − ½delta)."""
    xp = array_namespace(a)
    size = xp.abs(a - y)
    inner = xp.clip(size, 0.0, delta)
    return over_outputs(inner * (size - 0.5 * inner))


def huber_derivative(a: Array, y: Array, delta: float = 1.0) -> Array:
    """r clipped to [−delta, delta]."""
    return array_namespace(a).clip(a - y, -delta, delta)


def huber_hessian_product(a: Array, y: Array, v: Array, delta: float = 1.0) -> Array:
    """H v = v where |r| ≤ delta, else 0."""
    return _where_zero(array_namespace(a).abs(a - y) > delta, v)


def absolute_error(a: Array, y: Array) -> Array:
    """Σ_j |a_j − y_j|."""
    return over_outputs(array_namespace(a).abs(a - y))


def absolute_error_derivative(a: Array, y: Array) -> Array:
    """sign(a_j − y_j)."""
    return array_namespace(a).sign(a - y)


def piecewise_linear_hessian_product(a: Array, y: Array, v: Array) -> Array:
    """0 away from the kinks."""
    return zeros_like(v)


def quantile_error(a: Array, y: Array, q: float) -> Array:
    """Σ_j q(y_j − a_j) where a_j < y_j, else (1 − q)(a_j − y_j): its minimum is the q-quantile of y given x."""
    xp = array_namespace(a)
    r = a - y
    return over_outputs(xp.where(r < 0, -q * r, (1 - q) * r))


def quantile_error_derivative(a: Array, y: Array, q: float) -> Array:
    """−q where a_j < y_j, 1 − q where a_j > y_j, 0 where they are equal."""
    xp = array_namespace(a)
    sign = xp.sign(a - y)
    return sign * xp.where(sign < 0, q * xp.ones_like(a), (1 - q) * xp.ones_like(a))


def log_cosh(a: Array, y: Array) -> Array:
    """Σ_j ln cosh r: near 0 as ln(1 + 2 sinh²(r/2)), beyond |r| = 1 as |r| − ln 2 + ln(1 + e^(−2|r|))."""
    xp = array_namespace(a)
    size = xp.abs(a - y)
    half = xp.sinh(xp.minimum(size, zero(size) + 1) / 2)
    near = xp.log1p(2 * half * half)
    far = size - math.log(2) + xp.log1p(xp.exp(-2 * size))
    return over_outputs(xp.where(size < 1, near, far))


def log_cosh_derivative(a: Array, y: Array) -> Array:
    """tanh r."""
    return array_namespace(a).tanh(a - y)


def log_cosh_hessian_product(a: Array, y: Array, v: Array) -> Array:
    """(1 − tanh² r) v."""
    return tanh_derivative(a - y) * v


# --- the distributions of which costs are −ln p(y|a), but for terms without a ----------------------------------------
def draw_normal(a: Array, rng: np.random.Generator, variance: float) -> Array:
    """Normal, of mean a."""
    return a + math.sqrt(variance) * _like(a, rng.standard_normal(a.shape))


def draw_bernoulli(a: Array, rng: np.random.Generator) -> Array:
    """1 with probability a, else 0."""
    xp = array_namespace(a)
    return xp.astype(xp.asarray(rng.random(a.shape), device=getattr(a, "device", None)) < a, a.dtype)


def draw_poisson(a: Array, rng: np.random.Generator) -> Array:
    """Poisson, of mean a; above 1e15, where that is normal to rounding, one of mean 1e15, moved and stretched."""
    xp = array_namespace(a)
    mean = xp.where(a > 0, xp.clip(a, 0.0, 1e15), xp.zeros_like(a))
    drawn = _like(a, rng.poisson(np.asarray(mean)))
    return xp.where(a <= mean, drawn, a + xp.sqrt(a / xp.clip(mean, 1.0, 1e15)) * (drawn - mean))


def _like(a: Array, drawn: Any) -> Array:
    return array_namespace(a).asarray(drawn, dtype=a.dtype, device=getattr(a, "device", None))


# --- the table ------------------------------------------------------------------------------------------------------
def make_quantile(q: float) -> Cost:
    """The quantile (pinball) cost for 0 < q < 1; q = 0.5 is half the absolute error."""
    parameter_in("cost quantile", "q", q, 0, 1)
    return Cost(
        f"quantile({q!r})",
        partial(quantile_error, q=q),
        partial(quantile_error_derivative, q=q),
        piecewise_linear_hessian_product,
        kinks=(0.0,),
        separable=True,
        equation=f"Σ_j {q:g} (y_j − a_j) where a_j < y_j, else {1 - q:g} (a_j − y_j)",
    )


def make_huber(delta: float) -> Cost:
    """The Huber cost, quadratic up to |r| = delta > 0, linear beyond."""
    parameter_in("cost huber", "delta", delta, 0, math.inf)
    return Cost(
        "huber" if delta == 1 else f"huber({delta!r})",
        partial(huber, delta=delta),
        partial(huber_derivative, delta=delta),
        partial(huber_hessian_product, delta=delta),
        kinks=(-delta, delta),
        separable=True,
        equation=f"Σ_j ½r_j² where |r_j| ≤ {delta:g}, else {delta:g} (|r_j| − {delta / 2:g}); r = a − y",
    )


_REGISTRY: Registry[Cost] = Registry(
    "cost",
    kind=Cost,
    hint='Write "squared_error", or cr.Cost(name, value=…, derivative=…).',
    built_in=(
        Cost(
            "squared_error",
            squared_error,
            squared_error_derivative,
            squared_error_hessian_product,
            equation="Σ_j (a_j − y_j)²",
            separable=True,
            draw=partial(draw_normal, variance=0.5),
        ),
        Cost(
            "half_squared_error",
            half_squared_error,
            half_squared_error_derivative,
            half_squared_error_hessian_product,
            equation="½ Σ_j (a_j − y_j)²",
            separable=True,
            draw=partial(draw_normal, variance=1.0),
        ),
        Cost(
            "binary_cross_entropy",
            binary_cross_entropy,
            binary_cross_entropy_derivative,
            binary_cross_entropy_hessian_product,
            UNIT,
            Interval(0, 1, closed_low=True, closed_high=True),
            "−Σ_j [y_j ln a_j + (1 − y_j) ln(1 − a_j)]",
            separable=True,
            draw=draw_bernoulli,
        ),
        Cost(
            "cross_entropy",
            cross_entropy,
            cross_entropy_derivative,
            cross_entropy_hessian_product,
            Interval(0, 1, closed_high=True),
            NOT_NEGATIVE,
            "−Σ_j y_j ln a_j",
            separable=True,
        ),
        Cost(
            "poisson",
            poisson,
            poisson_derivative,
            cross_entropy_hessian_product,
            POSITIVE,
            NOT_NEGATIVE,
            "Σ_j (a_j − y_j ln a_j)",
            separable=True,
            draw=draw_poisson,
        ),
        make_huber(1.0),
        Cost(
            "absolute_error",
            absolute_error,
            absolute_error_derivative,
            piecewise_linear_hessian_product,
            kinks=(0.0,),
            equation="Σ_j |a_j − y_j|",
            separable=True,
        ),
        Cost(
            "log_cosh",
            log_cosh,
            log_cosh_derivative,
            log_cosh_hessian_product,
            equation="Σ_j ln cosh(a_j − y_j)",
            separable=True,
        ),
    ),
    families={"huber": make_huber, "quantile": make_quantile},
    check=check_cost,
)
BUILT_IN = (*_REGISTRY.built_in, "quantile(0.5)")
"""Names of the costs that come with chainrule; quantile(q) stands for a family."""


def cost(spec: str | Cost) -> Cost:
    """Find a cost by name ("cross_entropy", "quantile(0.9)"), or check the user's own against finite differences.

    Raises InputError for an unknown name and DerivativeError where a derivative is wrong.

    >>> cost("quantile(0.9)").name
    'quantile(0.9)'
    """
    return _REGISTRY.resolve(spec)


def family(spec: Cost) -> tuple[str, float | None] | None:
    """Give the name and the parameter of a cost that comes with chainrule; None for the user's own.

    >>> family(cost("quantile(0.9)")), family(cost("huber"))
    (('quantile', 0.9), ('huber', None))
    """
    return _REGISTRY.family(spec)


def register_cost(spec: Cost) -> None:
    """Make the user's own cost known by its name, after its derivatives were checked.

    `cr.load` finds it by that name: a model file holds names and numbers, never code.
    Raises DerivativeError where a derivative is wrong, InputError where the name is taken by a built-in.
    """
    _REGISTRY.register(spec)
