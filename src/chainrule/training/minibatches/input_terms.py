"""Terms of the objective that are made of derivatives in the input: Sobolev targets, monotone columns, flat costs.

Each is Σ_i c_i φ(J_i): c_i is what an example counts in (E4), J_i the derivative in x_i of an output (E59, E60) or of
C_i (E61). Its gradient in θ is Σ_i c_i ⟨∂φ/∂J_i, ∂J_i/∂θ⟩, and as derivatives in x and in θ may be taken in either
order, that is how the gradient in θ of the output, or of C, changes along dX = ∂φ/∂J: one pass of the R-operator
(E31 to E33) for each output. No difference is taken.

In a step with dropout or noise, J is the derivative in x of the network with the step's masks, at the input with the
step's noise: of what C is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.engine import reference, tangents
from chainrule.engine.inputs import real_array, row_blocks
from chainrule.engine.linearized import Linearized
from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.engine.regularized import Seen
from chainrule.errors import DerivativeError, InputError, text
from chainrule.maths.intervals import NOT_NEGATIVE
from chainrule.maths.regularizers import half_square, monotone, sobolev
from chainrule.maths.settings import real_number

_A = NDArray[Any]


class InputTerm(Protocol):
    """A term R of the objective, a mean over examples under the mean, a sum under the sum."""

    def value_and_gradient(
        self, seen: Seen, at: Linearized, c: _A | float, rows: NDArray[np.int64] | None
    ) -> tuple[float, _A]:
        """R of a batch, kept `at` θ, whose rows of X are `rows`, and ∂R/∂θ, (|θ|,); c is what each example counts."""


@dataclass(frozen=True, eq=False)
class SobolevTargets:
    """(E59) weight · Σ_i c_i Σ_oj (∂a_o/∂x_j − T_ioj)², over the entries of T, (m, n_L, n_0), that aren't NaN."""

    targets: _A
    weight: float = 1.0

    def value_and_gradient(
        self, seen: Seen, at: Linearized, c: _A | float, rows: NDArray[np.int64] | None
    ) -> tuple[float, _A]:
        """R and ∂R/∂θ."""
        targets = (self.targets if rows is None else self.targets[rows]).astype(at.plan.dtype, copy=False)
        return _of_outputs(seen, at, self.weight * c, lambda o, J: sobolev(J, targets[:, o]))


@dataclass(frozen=True, eq=False)
class Monotone:
    """(E60) weight · Σ_i c_i Σ_oj max(0, −s_j ∂a_o/∂x_j)², s of `signs`, (n_0,)."""

    signs: _A
    weight: float = 1.0

    def value_and_gradient(
        self,
        seen: Seen,
        at: Linearized,
        c: _A | float,
        rows: NDArray[np.int64] | None,  # noqa: ARG002 (no targets of its own)
    ) -> tuple[float, _A]:
        """R and ∂R/∂θ."""
        return _of_outputs(seen, at, self.weight * c, lambda _, J: monotone(J, self.signs))


@dataclass(frozen=True)
class InputGradientPenalty:
    """(E61) λ/2 Σ_i c_i ‖∂C_i/∂x‖², λ = strength."""

    strength: float

    def value_and_gradient(
        self,
        seen: Seen,
        at: Linearized,
        c: _A | float,
        rows: NDArray[np.int64] | None,  # noqa: ARG002 (no targets of its own)
    ) -> tuple[float, _A]:
        """R and ∂R/∂θ."""
        delta_L = reference.output_delta(at.plan, at.z, at.a, seen.Y)

        def bent(dZ: _A) -> _A:
            bend: _A = tangents.output_delta(at.plan, at.z, at.a, dZ, seen.Y)
            return bend

        return _of_one(seen, at, self.strength * c, delta_L, bent, half_square)


def _of_outputs(seen: Seen, at: Linearized, c: _A | float, phi: Callable[[int, _A], tuple[_A, _A]]) -> tuple[float, _A]:
    """Σ_o Σ_i c_i φ_o(∂a_o/∂x_i), and its gradient in θ."""
    plan = at.plan
    g, bend = plan.activation(plan.L), tangents.second_vjp(plan, plan.L)
    total, gradient = 0.0, np.zeros(plan.n_parameters, dtype=plan.dtype)
    for o in range(plan.sizes[-1]):
        chosen = np.zeros_like(at.a)
        chosen[:, o] = 1
        part, more = _of_one(
            seen,
            at,
            c,
            g.vjp(at.z, chosen),
            lambda dZ, chosen=chosen: bend(at.z, chosen, dZ),  # type: ignore[misc] # bound to this output's
            lambda J, o=o: phi(o, J),  # type: ignore[misc]
        )
        total += part
        gradient += more
    return total, gradient


def _of_one(
    seen: Seen,
    at: Linearized,
    c: _A | float,
    delta_L: _A,
    bent: Callable[[_A], _A],
    phi: Callable[[_A], tuple[_A, _A]],
) -> tuple[float, _A]:
    """Σ_i c_i φ(J_i) with J_i, (n_0,), the derivative in x of what has this δ^L, and its gradient in θ.

    `bent` gives R{δ^L} of R{z^L} (E32).
    """
    plan, W, run = at.plan, at.W, at.run
    delta = reference.propagate(plan, W, run, delta_L)
    values, dX = phi(seen.in_x(delta[1] @ W[1].T))  # (E9)
    total = float((c * values).sum())
    if not dX.any():  # monotone as it is asked to be
        return total, np.zeros(plan.n_parameters, dtype=plan.dtype)
    along = tangents.in_inputs(seen.in_x(dX))
    moved = tangents.forward(plan, W, run, along)  # (E31)
    d_delta = tangents.backward(plan, W, run, delta, moved, bent(moved.z[plan.L]), along)  # (E33)
    gradient: _A = tangents.gradient(plan, run, delta, moved, d_delta, c)
    return total, gradient


OF_INPUTS = ("derivative_targets", "derivative_weight", "monotone", "monotone_weight", "input_gradient_penalty")
"""The arguments that `read_input_terms` reads."""


# --- what users give --------------------------------------------------------------------------------------------------
def read_input_terms(
    net: Network,
    m: int,
    *,
    derivative_targets: Any = None,
    derivative_weight: Any = 1.0,
    monotone: Any = None,
    monotone_weight: Any = 1.0,
    input_gradient_penalty: Any = 0.0,
) -> tuple[InputTerm, ...]:
    """Read the arguments of `cr.train` for m rows of X: the terms that they ask for.

    Raises InputError in the words of these arguments; DerivativeError where a function of the user's own lacks the
    second derivative that a term needs.
    """
    plan, terms = net.plan, list[InputTerm]()
    weight = _weight("derivative_weight", derivative_weight, derivative_targets is not None, "derivative_targets")
    if derivative_targets is not None and weight:
        _check_bends(plan, "derivative_targets", plan.L)
        terms.append(SobolevTargets(_read_targets(plan, m, derivative_targets), weight))
    if isinstance(monotone, Mapping) and not monotone:
        monotone = None
    weight = _weight("monotone_weight", monotone_weight, monotone is not None, "monotone")
    if monotone is not None and weight:
        _check_bends(plan, "monotone", plan.L)
        terms.append(Monotone(_read_signs(plan, monotone), weight))
    strength = _weight("input_gradient_penalty", input_gradient_penalty)
    if strength:
        _check_bends(plan, "input_gradient_penalty", plan.L - (plan.matched is not None))
        if plan.matched is None and plan.cost.hessian_product is None:
            hint = "Give cr.Cost(…, hessian_product=…), or leave input_gradient_penalty out."
            what = f"input_gradient_penalty: cost {plan.cost.name}"
            raise DerivativeError(text(what, expected="a hessian_product", got="none", hint=hint))
        terms.append(InputGradientPenalty(strength))
    return tuple(terms)


def _weight(name: str, given: Any, is_used: bool = True, of: str = "") -> float:
    number = real_number(given)
    if number is None or not NOT_NEGATIVE.contains(number):
        hint = "0 leaves the term out."
        raise InputError(text(name, expected="a finite number ≥ 0", got=repr(given), hint=hint))
    if not is_used and number != 1:
        hint = f"It weighs the term of {of}: give these, too."
        raise InputError(text(name, expected=f"{of} beside it", got=f"{number:g} alone", hint=hint))
    return number


def _check_bends(plan: Plan, argument: str, up_to: int) -> None:
    """Refuse activations of layers 1 to `up_to` without a second derivative. Raises DerivativeError."""
    for layer in range(1, up_to + 1):
        g = plan.activation(layer)
        if g.second_vjp is None:
            missing = "second_vjp" if g.coupled else "second_derivative"
            hint = f"Give cr.{type(g).__name__}(…, {missing}=…), or leave {argument} out."
            what = f"{argument}: activation {g.name} of layer {layer}"
            raise DerivativeError(text(what, expected=f"a {missing}", got="none", hint=hint))


def _read_targets(plan: Plan, m: int, given: Any) -> _A:
    """See dY/dX as (m, n_L, n_0), not copied: each number finite in the network's dtype, or NaN."""
    name, n_in, n_out = "derivative_targets", plan.sizes[0], plan.sizes[-1]
    targets = real_array(name, given)
    if targets.shape != (m, n_out, n_in) and not (n_out == 1 and targets.shape == (m, n_in)):
        allowed = f"({m}, {n_out}, {n_in})" if n_out > 1 else f"({m}, {n_in})"
        expected = f"shape {allowed}, the derivative of each output in each column for each row of X"
        hint = "NaN stands for an entry that nobody knows."
        raise InputError(text(name, expected=expected, got=f"shape {targets.shape}", hint=hint))
    known = False
    for rows in row_blocks(m):
        with np.errstate(over="ignore"):
            some = targets[rows].astype(plan.dtype, copy=False)
        infinite = np.argwhere(np.isinf(some))
        if len(infinite):
            index = tuple(int(i) for i in infinite[0])
            at = ", ".join(str(i) for i in (index[0] + rows.start, *index[1:]))
            expected, got = f"a number finite in {plan.dtype}, or NaN", str(targets[rows][index])
            raise InputError(text(f"{name}[{at}]", expected=expected, got=got, hint="NaN stands for a missing entry."))
        known = known or not np.isnan(some).all()
    if not known:
        hint = "Leave derivative_targets out if no derivative is known."
        raise InputError(text(name, expected="at least one number", got="NaN everywhere", hint=hint))
    return targets.reshape(m, n_out, n_in)


def _read_signs(plan: Plan, given: Any) -> _A:
    n_in, last = plan.sizes[0], plan.activation(plan.L)
    hint = "Write monotone={3: 1} for outputs that rise with column 3, {3: -1} for outputs that fall."
    if not isinstance(given, Mapping) or not given:
        expected = "columns and their signs, such as {3: 1}"
        raise InputError(text("monotone", expected=expected, got=repr(given), hint=hint))
    if last.name == "softmax":
        expected, got = "outputs that can rise together", "softmax, whose outputs sum to 1"
        one = "Two classes can be one logistic output."
        raise InputError(text("monotone", expected=expected, got=got, hint=one))
    signs = np.zeros(n_in, dtype=plan.dtype)
    for column, sign in given.items():
        if not isinstance(column, int | np.integer) or isinstance(column, bool) or not 0 <= column < n_in:
            expected = f"a column of X, 0 to {n_in - 1}"
            raise InputError(text("monotone", expected=expected, got=repr(column), hint=hint))
        if real_number(sign) not in (1.0, -1.0):
            raise InputError(text(f"monotone[{column}]", expected="1 or -1", got=repr(sign), hint=hint))
        signs[column] = sign
    return signs
