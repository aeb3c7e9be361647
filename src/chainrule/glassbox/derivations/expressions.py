"""What a step of a derivation says, as a tree: quantities with their values, and what is done with them.

Trees know no notation: `notations.py` says how a quantity is written, the renderers write the tree. Values of a single
unit are floats; those of whole layers are matrices, (r, c), rows or columns as the notation has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind = Literal["W", "b", "z", "a", "slope", "dadz", "da", "delta", "dW", "db", "dx", "y", "unit", "cost"]
"""What a quantity is: "slope" is g', "dadz" ∂a_o/∂z_k of coupled units, "da" to "dx" derivatives of the objective.

"unit" is e_o, the vector with a 1 in place o.
"""

Index: TypeAlias = int | str
"""A unit's number, or the letter that a sum runs over."""

Value: TypeAlias = float | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quantity:
    """A symbol of the equations: what it is, of which layer and units, and its value; without one it is general.

    `layer` counts as the equations do, whatever the notation calls it; `units` are (j, k) of W and dW, (o, k) of dadz,
    (j,) of other quantities of a unit, and () of a whole layer.
    """

    kind: Kind
    layer: Index
    units: tuple[Index, ...] = ()
    value: Value | None = None


@dataclass(frozen=True, eq=False)
class Number:
    """A number of the formula itself, such as the 2 of (E5); it is exact."""

    value: float
    text: str


@dataclass(frozen=True, eq=False)
class Product:
    """Factors of one unit, multiplied."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Plus:
    """Terms, added up."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Negative:
    """−x."""

    of: Expression


@dataclass(frozen=True, eq=False)
class Power:
    """xⁿ."""

    base: Expression
    exponent: int


@dataclass(frozen=True, eq=False)
class Quotient:
    """top/bottom."""

    top: Expression
    bottom: Expression


@dataclass(frozen=True, eq=False)
class Rest:
    """The terms of a sum that are not written out: how many, and what they add up to."""

    count: int
    value: float


@dataclass(frozen=True, eq=False)
class Sum:
    """Σ over units: the general term with its letter, and the terms themselves, the largest first, then their rest."""

    index: str
    size: int
    term: Expression
    shown: tuple[Expression, ...]
    rest: Rest | None = None


@dataclass(frozen=True, eq=False)
class Apply:
    """A function of numbers: `kind` "g" and "g'" are a layer's activation, "ln" and "exp" themselves, others by name.

    `function` takes and gives float64 arrays, one for each argument; `name` is what a cost of the user's own is called.
    `jacobian` gives that of a function that couples the entries of its argument, (r, n) for n of them at a place.
    """

    kind: Literal["g", "g'", "ln", "exp", "named"]
    arguments: tuple[Expression, ...]
    function: Callable[..., Any]
    layer: Index = 0
    name: str = ""
    jacobian: Callable[[Any], Any] | None = None


@dataclass(frozen=True, eq=False)
class Indicator:
    """[j = o]: 1 where the two are one unit, else 0."""

    left: Index
    right: Index

    @property
    def value(self) -> float:
        """1 or 0."""
        return float(self.left == self.right)


@dataclass(frozen=True, eq=False)
class Partial:
    """∂top/∂bottom, as a symbol: what the chain rule is written with before any number is known."""

    top: Quantity
    bottom: Quantity


@dataclass(frozen=True, eq=False)
class MatrixProduct:
    """Matrices, multiplied from left to right."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Hadamard:
    """Matrices of one shape, multiplied entry by entry."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True, eq=False)
class Transposed:
    """xᵀ."""

    of: Quantity


@dataclass(frozen=True, eq=False)
class Diagonal:
    """diag(x): the square matrix with a vector on its diagonal."""

    of: Quantity


Expression: TypeAlias = (
    Quantity
    | Number
    | Product
    | Plus
    | Negative
    | Power
    | Quotient
    | Sum
    | Apply
    | Indicator
    | Partial
    | MatrixProduct
    | Hadamard
    | Transposed
    | Diagonal
)


def children(of: Expression) -> tuple[Expression, ...]:
    """Give what an expression is made of, without the general term of a sum."""
    match of:
        case Product(factors=parts) | MatrixProduct(factors=parts) | Hadamard(factors=parts):
            return parts
        case Plus(terms=parts) | Sum(shown=parts) | Apply(arguments=parts):
            return parts
        case Negative(of=one) | Power(base=one) | Transposed(of=one) | Diagonal(of=one):
            return (one,)
        case Quotient(top=top, bottom=bottom):
            return top, bottom
        case _:
            return ()


def quantities(of: Expression) -> tuple[Quantity, ...]:
    """Give the quantities with values that an expression is made of, in the order in which they stand."""
    if isinstance(of, Quantity):
        return (of,)
    return tuple(found for part in children(of) for found in quantities(part))


def evaluate(of: Expression) -> Any:
    """Compute an expression from its quantities' values: a float, or a matrix, (r, c)."""
    match of:
        case Quantity(value=value) | Number(value=value) | Indicator(value=value):
            if value is None:
                raise AssertionError("a general quantity has no value")
            return value
        case Product(factors=parts) | Hadamard(factors=parts):
            return reduce(mul, map(evaluate, parts))
        case Plus(terms=parts):
            return sum(map(evaluate, parts))
        case Sum(shown=parts, rest=rest):
            return sum(map(evaluate, parts)) + (0.0 if rest is None else rest.value)
        case Negative(of=one):
            return -evaluate(one)
        case Power(base=base, exponent=n):
            return evaluate(base) ** n
        case Quotient(top=top, bottom=bottom):
            return evaluate(top) / evaluate(bottom)
        case Apply(arguments=parts, function=function):
            return call(function, *map(evaluate, parts))
        case MatrixProduct(factors=parts):
            return reduce(np.matmul, map(evaluate, parts))
        case Transposed(of=one):
            return evaluate(one).T
        case Diagonal(of=one):
            return np.diagflat(evaluate(one))
        case Partial():
            raise AssertionError("a partial derivative is a symbol")


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of arrays with floats or arrays, and give the same kind back."""
    with np.errstate(all="ignore"):
        found = function(*(np.atleast_1d(np.asarray(argument, dtype=np.float64)) for argument in arguments))
    return float(np.ravel(found)[0]) if np.ndim(arguments[0]) == 0 or np.ndim(found) == 0 else found
