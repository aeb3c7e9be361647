"""(E3) and ∂C_i/∂a of each cost, as expressions of a^L and y; a cost without one here is a function by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.glassbox.derivations.enclosure import enclose
from chainrule.glassbox.derivations.example import Example, F, known
from chainrule.glassbox.derivations.expressions import (
    Apply,
    Expression,
    Index,
    Negative,
    Number,
    Plus,
    Power,
    Product,
    Quantity,
    Quotient,
)
from chainrule.glassbox.derivations.numbers import MOST_DIGITS, agree
from chainrule.glassbox.derivations.sheet import Sheet
from chainrule.maths.activations import activation
from chainrule.maths.costs import Cost

ONE, TWO, HALF = Number(1.0, "1"), Number(2.0, "2"), Number(0.5, "½")
OfOutput: TypeAlias = Callable[[Quantity, Quantity], Expression]


def _ln(of: Expression) -> Apply:
    return Apply("ln", (of,), np.log)


def _minus(one: Expression, other: Expression) -> Plus:
    return Plus((one, Negative(other)))


def _squared(a: Quantity, y: Quantity) -> Expression:
    return Power(_minus(a, y), 2)


def _binary(a: Quantity, y: Quantity) -> Expression:
    others = Product((_minus(ONE, y), _ln(_minus(ONE, a))))
    return Plus((Product((y, _ln(a))), others))


# by name of the cost: the factor in front of the sum over outputs, and the term of an output
_VALUES: dict[str, tuple[float, OfOutput]] = {
    "squared_error": (1.0, _squared),
    "half_squared_error": (0.5, _squared),
    "binary_cross_entropy": (-1.0, _binary),
    "cross_entropy": (-1.0, lambda a, y: Product((y, _ln(a)))),
    "poisson": (1.0, lambda a, y: _minus(a, Product((y, _ln(a))))),
}
_DERIVATIVES: dict[str, OfOutput] = {
    "squared_error": lambda a, y: Product((TWO, _minus(a, y))),
    "half_squared_error": _minus,
    "binary_cross_entropy": lambda a, y: _minus(Quotient(_minus(ONE, y), _minus(ONE, a)), Quotient(y, a)),
    "cross_entropy": lambda a, y: Negative(Quotient(y, a)),
    "poisson": lambda a, y: _minus(ONE, Quotient(y, a)),
}


def in_front(cost: Cost, total: Expression) -> Expression:
    """(E3) from the sum over outputs."""
    match _VALUES.get(cost.name, (1.0,))[0]:
        case 0.5:
            return Product((HALF, total))
        case -1.0:
            return Negative(total)
        case _:
            return total


def term(cost: Cost, a: Quantity, y: Quantity) -> Expression:
    """C_ij: what an output contributes to the sum of (E3)."""
    if cost.name in _VALUES:
        return _VALUES[cost.name][1](a, y)
    return Apply("named", (a, y), _of_one_output(cost.value), name=cost.name)


def derivative(cost: Cost, a: Quantity, y: Quantity) -> Expression:
    """∂C_i/∂a_j."""
    if cost.name in _DERIVATIVES:
        return _DERIVATIVES[cost.name](a, y)
    return Apply("named", (a, y), _of_one_output(cost.derivative), name=f"{cost.name}'")


def terms_of(cost: Cost, a: Any, y: Any) -> Any:
    """The values of `term`, of every output, (n_L,)."""
    with np.errstate(all="ignore"):
        return _of_one_output(cost.value)(a, y) / _VALUES.get(cost.name, (1.0,))[0]


def _of_one_output(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """See a separable cost, of (m, n) arrays, as a function of one output's a and y, each (m,)."""
    return lambda a, y: np.reshape(function(np.reshape(a, (-1, 1)), np.reshape(y, (-1, 1))), np.shape(a))


def summed(sheet: Sheet) -> tuple[Expression, list[int], str]:
    """(E3) as a sum over outputs, the outputs that it names, and a sentence.

    Of a matched pair it is of z, as the reference has it, where a is so near 0 or 1 that its digits don't give C_i.
    """
    example = sheet.example
    L, cost, C, y = example.L, example.plan.cost, known(example.cost), known(example.y)
    total, named = sheet.sum(
        "j", terms_of(cost, example.a[L], y), lambda j: term(cost, sheet.q("a", L, j), sheet.q("y", L, j))
    )
    found = in_front(cost, total)
    if not example.is_matched or agree(enclose(found, MOST_DIGITS), C, sheet.digits):
        return found, named, f"The cost is {cost.name}, summed over the outputs."
    found, named = _OF_Z[cost.name](sheet)
    return found, named, f"The cost, {cost.name}, from z: the digits of a, so near to 0 or 1, don't give it."


def _binary_of_z(sheet: Sheet) -> tuple[Expression, list[int]]:
    """Σ_j [y_j softplus(−z_j) + (1 − y_j) softplus(z_j)], softplus(z) = ln(1 + e^z)."""
    L, z, y = sheet.example.L, sheet.example.z[sheet.example.L], known(sheet.example.y)
    softplus = activation("softplus").value

    def term(j: Index) -> Expression:
        z_j, y_j = sheet.q("z", L, j), sheet.q("y", L, j)
        wrong, right = (Apply("named", (at,), softplus, name="softplus") for at in (Negative(z_j), z_j))
        return Plus((Product((y_j, wrong)), Product((_minus(ONE, y_j), right))))

    return sheet.sum("j", y * softplus(-z) + (1 - y) * softplus(z), term)


def _cross_entropy_of_z(sheet: Sheet) -> tuple[Expression, list[int]]:
    """Σ_j y_j (z_t − z_j) + (Σ_j y_j) ln Σ_o e^(z_o − z_t), with t the largest z; the first factor is left out if 1."""
    L, z, y = sheet.example.L, sheet.example.z[sheet.example.L], known(sheet.example.y)
    t = int(z.argmax())
    top = sheet.q("z", L, t)
    shares, of_shares = sheet.sum(
        "o", np.exp(z - z[t]), lambda o: Apply("exp", (_minus(sheet.q("z", L, o), top),), np.exp)
    )
    distance, named = sheet.sum(
        "j", y * (z[t] - z), lambda j: Product((sheet.q("y", L, j), _minus(top, sheet.q("z", L, j))))
    )
    logarithm: Expression = _ln(shares)
    if y.sum() != 1:
        logarithm = Product((sheet.sum("j", y, lambda j: sheet.q("y", L, j))[0], logarithm))
    return Plus((distance, logarithm)), list(dict.fromkeys([t, *named, *of_shares]))


def _poisson_of_z(sheet: Sheet) -> tuple[Expression, list[int]]:
    """Σ_j (a_j − y_j z_j): ln a_j is z_j."""
    L, y = sheet.example.L, known(sheet.example.y)

    def term(j: Index) -> Expression:
        return _minus(sheet.q("a", L, j), Product((sheet.q("y", L, j), sheet.q("z", L, j))))

    return sheet.sum("j", sheet.example.a[L] - y * sheet.example.z[L], term)


# by name of the cost, whose matched pair has one activation
_OF_Z: dict[str, Callable[[Sheet], tuple[Expression, list[int]]]] = {
    "binary_cross_entropy": _binary_of_z,
    "cross_entropy": _cross_entropy_of_z,
    "poisson": _poisson_of_z,
}


def whole(example: Example) -> Apply:
    """(E3) of a cost that is no sum over outputs: a function of all of them."""
    cost, y = example.plan.cost, _target(example)
    return Apply(
        "named",
        (_outputs(example),),
        lambda at: cost.value(at.reshape(1, -1), y)[0],
        name=cost.name,
        jacobian=lambda at: cost.derivative(at.reshape(1, -1), y),
    )


def whole_derivative(example: Example, k: int | None = None) -> Apply:
    """∂C_i/∂a^L of such a cost, as a row, or its entry k."""
    cost, y = example.plan.cost, _target(example)
    name = f"{cost.name}'"

    def bend(at: F) -> F:
        """∂²C_i/∂a² by central differences: it only says how far the rounding of a printed number reaches."""
        flat = at.ravel()
        steps = np.diag(1e-6 * np.maximum(1.0, np.abs(flat)))
        up, down = (
            np.array([cost.derivative(row[np.newaxis], y)[0] for row in flat + sign * steps]) for sign in (1, -1)
        )
        found: F = ((up - down) / (2 * steps.diagonal()[:, np.newaxis])).T
        return found

    if k is None:
        return Apply("named", (_outputs(example),), lambda at: cost.derivative(at, y), 0, name, bend)
    return Apply(
        "named", (_outputs(example),), lambda at: cost.derivative(at, y)[0, k], 0, name, lambda at: bend(at)[k : k + 1]
    )


def _outputs(example: Example) -> Quantity:
    return Quantity("a", example.L, (), example.a[example.L][np.newaxis])


def _target(example: Example) -> F:
    assert example.y is not None
    return example.y[np.newaxis]
