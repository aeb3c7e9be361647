"""From an expression in a notation to boxes: where brackets stand, which sign goes between, what becomes of a sum.

The one place that knows these rules: text, LaTeX and MathML only write boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from chainrule.glassbox.derivations.expressions import (
    Apply,
    Diagonal,
    Expression,
    Hadamard,
    Index,
    Indicator,
    MatrixProduct,
    Negative,
    Number,
    Partial,
    Plus,
    Power,
    Product,
    Quantity,
    Quotient,
    Rest,
    Sum,
    Transposed,
    Value,
)
from chainrule.glassbox.derivations.notations import Applied, Gradient, Letter, Notation, Ratio, Written
from chainrule.glassbox.derivations.numbers import DIGITS, printed
from chainrule.glassbox.writing.boxes import (
    BigSum,
    Box,
    Fence,
    Figure,
    Gap,
    Grid,
    Marked,
    Over,
    Raised,
    Remainder,
    Row,
    Sign,
    Sized,
    Symbol,
    Words,
    row,
    width,
)

Look = Literal["formula", "written out", "numbers"]
"""Sums as Σ and symbols; sums written out, with symbols; sums written out, with numbers."""

_WHOLE = 8  # a matrix with more rows or columns is shown by its corner
_CORNER = 4
_WIDEST_GRID = 36.0  # in em: what goes on a line of an A4 page beside brackets and a sign
_WIDEST_FRACTION = 30.0  # in em: wider ones are written with a stroke, so that a line may break in them
_MANY_FACTORS = 2  # a line may break between the factors of a longer product


def symbol_box(written: Written) -> Box:
    """Lay out what a notation writes for a quantity."""
    match written:
        case Letter(base, above, below, primes, bold):
            letter = Symbol(base, bold)
            return Marked(letter, above, below, primes) if above or below or primes else letter
        case Ratio(top, bottom):
            return Over(symbol_box(top), symbol_box(bottom), partial=True)
        case Applied(function, argument):
            return row(symbol_box(function), Fence(symbol_box(argument)))
        case Gradient(of, within):
            return row(Marked(Symbol("∇"), below=within.base), Gap(), symbol_box(of))


def value_box(value: Value, digits: int) -> Box:
    """Lay out a number, or a matrix of numbers, as it is printed."""
    return Figure(printed(value, digits)) if isinstance(value, float) else grid(np.atleast_2d(value), digits)


def grid(values: np.ndarray, digits: int) -> Grid:
    """Lay out a matrix: whole where it is small and not too wide, else its corners with dots between."""
    shape = (values.shape[0], values.shape[1])
    for most in (_WHOLE, _CORNER, _CORNER - 1, _CORNER - 2):
        shown = [_shown(n, most) for n in shape]
        rows = tuple(
            tuple(_cell(values, i, j, digits, down=i is None, across=j is None) for j in shown[1]) for i in shown[0]
        )
        found = Grid(rows, shape, all(n <= most for n in shape))
        if width(found) <= _WIDEST_GRID:
            break
    return found


def _shown(n: int, most: int) -> list[int | None]:
    """Which of n rows or columns are shown; None stands for dots."""
    if n <= most:
        return list(range(n))
    return [*range(_CORNER - 1 if most >= _CORNER else most - 1), None, n - 1]


def _cell(values: np.ndarray, i: int | None, j: int | None, digits: int, down: bool, across: bool) -> str:
    if down or across:
        return "⋱" if down and across else "⋮" if down else "⋯"
    return printed(float(values[i, j]), digits)


@dataclass(frozen=True)
class Typesetter:
    """Lays out expressions in one notation and one look."""

    notation: Notation
    look: Look
    digits: int = DIGITS

    def box(self, of: Expression) -> Box:
        """Lay out an expression."""
        match of:
            case Quantity():
                return self._quantity(of)
            case Number(text=written):
                return Figure(written)
            case Product() | Hadamard() | MatrixProduct():
                return self._product(of)
            case Plus() | Sum() | Negative():
                return self._terms(of)
            case Power(base=base, exponent=exponent):
                return Raised(self._fenced(base, not isinstance(base, Number)), Figure(str(exponent)))
            case Quotient(top=top, bottom=bottom):
                return self._quotient(top, bottom)
            case Apply():
                return self._apply(of)
            case Indicator(left=left, right=right, value=value):
                if self.look == "numbers" and isinstance(left, int) and isinstance(right, int):
                    return Figure(printed(value, self.digits))
                return Fence(row(_index(left), Sign("="), _index(right)), "[]")
            case Partial(top=top, bottom=bottom):
                return Over(symbol_box(self.notation.write(top)), symbol_box(self.notation.write(bottom)), partial=True)
            case Transposed(of=one):
                if self.look == "numbers" and one.value is not None:
                    return value_box(np.transpose(one.value), self.digits)
                inside = symbol_box(self.notation.write(one))
                raised = Raised(inside if isinstance(inside, Symbol) else Fence(inside), Symbol("T"))
                return self._sized(raised, None if one.value is None else np.transpose(one.value))
            case Diagonal(of=one):
                if self.look == "numbers" and one.value is not None:
                    return value_box(np.diagflat(one.value), self.digits)
                box = row(Symbol("diag", upright=True), Fence(symbol_box(self.notation.write(one))))
                return self._sized(box, None if one.value is None else np.diagflat(one.value))

    def _quantity(self, of: Quantity) -> Box:
        if self.look == "numbers" and of.value is not None:
            return value_box(of.value, self.digits)
        box = symbol_box(self.notation.write(of))
        return self._sized(box, of.value)

    def _sized(self, box: Box, value: Value | None) -> Box:
        """A matrix's symbol in a formula has its shape with it."""
        if self.look != "formula" or value is None or isinstance(value, float):
            return box
        return Sized(box, (value.shape[0], value.shape[1]))

    # --- brackets ---------------------------------------------------------------------------------------------------
    def _fenced(self, of: Expression, wanted: bool) -> Box:
        box = self.box(of)
        if not wanted:
            return box
        return Fence(box, "[]" if _has_round(box) else "()")

    def _is_negative(self, of: Expression) -> bool:
        """Whether a number with a minus stands there."""
        return self.look == "numbers" and isinstance(of, Quantity) and isinstance(of.value, float) and of.value < 0

    def _is_matrix(self, of: Expression) -> bool:
        """Whether a matrix of numbers stands there."""
        if isinstance(of, Quantity):
            return self.look == "numbers" and isinstance(of.value, np.ndarray)
        return isinstance(of, MatrixProduct | Hadamard | Transposed | Diagonal)

    def _is_sum(self, of: Expression) -> bool:
        """Whether there are terms that a factor has to be kept from."""
        if isinstance(of, Plus):
            return len(of.terms) > 1 or self._is_sum(of.terms[0])
        return isinstance(of, Negative) or (isinstance(of, Sum) and self.look != "formula")

    def _factor(self, of: Expression, is_last: bool, within: Expression) -> Box:
        """A factor with the brackets that it needs."""
        wanted = self._is_sum(of) or self._is_negative(of) or isinstance(of, Quotient)
        wanted = wanted or (isinstance(of, Sum) and not is_last)
        wanted = wanted or (isinstance(of, MatrixProduct | Product) and isinstance(within, Hadamard))
        wanted = wanted or (isinstance(of, Hadamard) and not isinstance(within, Hadamard))
        if isinstance(of, Number) and len(of.text) > 1 and of.value < 0:
            wanted = True
        return self._fenced(of, wanted)

    # --- products ---------------------------------------------------------------------------------------------------
    def _product(self, of: Product | Hadamard | MatrixProduct) -> Box:
        factors = of.factors
        boxes = [self._factor(factor, i == len(factors) - 1, of) for i, factor in enumerate(factors)]
        may_break = len(factors) > _MANY_FACTORS
        parts = boxes[:1]
        for (left, right), beside in zip(pairwise(factors), pairwise(boxes), strict=True):
            parts += [self._between(of, left, right, beside, may_break), beside[1]]
        return row(*parts)

    def _between(
        self, of: Expression, left: Expression, right: Expression, beside: tuple[Box, Box], may_break: bool
    ) -> Box:
        if isinstance(of, Hadamard):
            return Sign(self.notation.hadamard or "⊙", breaks=self.look == "numbers")
        if isinstance(of, MatrixProduct):
            return Gap(breaks=self.look == "numbers")
        if self.look == "numbers" and not isinstance(right, Partial):
            return Sign("·", breaks=may_break)
        tight = isinstance(left, Number) and isinstance(beside[1], Fence)
        ratio = any(isinstance(box, Over) and box.partial for box in beside)
        return Gap(tight, ratio and not tight, may_break)

    def _quotient(self, top: Expression, bottom: Expression) -> Box:
        fraction = Over(self.box(top), self.box(bottom))
        if width(fraction) <= _WIDEST_FRACTION:
            return fraction
        return row(
            self._fenced(top, self._is_sum(top)), Sign("/", unary=True), self._fenced(bottom, self._is_sum(bottom))
        )

    # --- sums -------------------------------------------------------------------------------------------------------
    def _terms(self, of: Plus | Sum | Negative) -> Box:
        if isinstance(of, Sum) and self.look == "formula":
            needs = self._is_sum(of.term) and not (isinstance(of.term, Plus) and len(of.term.terms) == 1)
            return row(BigSum(of.index, 0, of.size - 1), Gap(tight=True), self._fenced(of.term, needs))
        terms = list(self._flat(of))
        breaks = len(terms) > 2 or any(isinstance(term, Rest) or self._is_matrix(term) for _, term in terms)
        parts: list[Box] = []
        for i, (sign, term) in enumerate(terms):
            if i or sign == "−":
                parts.append(Sign(sign, breaks=breaks and i > 0, unary=i == 0))
            parts.append(self._term(term, is_first=i == 0 and sign == "+"))
        return row(*parts)

    def _flat(self, of: Expression) -> list[tuple[str, Expression | Rest]]:
        """Terms with their signs, those of sums within sums among them."""
        match of:
            case Plus(terms=terms):
                return [one for term in terms for one in self._flat(term)]
            case Sum(shown=shown, rest=rest) if self.look != "formula":
                found = [one for term in shown for one in self._flat(term)]
                return found if rest is None else [*found, ("+", rest)]
            case Negative(of=one):
                return [("−", one)]
            case _:
                return [("+", of)]

    def _term(self, term: Expression | Rest, is_first: bool) -> Box:
        if isinstance(term, Rest):
            if self.look == "written out":
                return Words("…")
            value = Figure(printed(term.value, self.digits))
            return Remainder(term.count, value if term.value >= 0 else Fence(value))
        if is_first:
            return self.box(term)
        return self._fenced(term, self._is_negative(term) or self._is_sum(term))

    # --- functions --------------------------------------------------------------------------------------------------
    def _apply(self, of: Apply) -> Box:
        arguments = [self.box(one) for one in of.arguments]
        first = of.arguments[0]
        match of.kind:
            case "g" | "g'":
                units: tuple[Index, ...] = first.units if isinstance(first, Quantity) else ()
                name = symbol_box(self.notation.function_at(of.layer, units, primes=int(of.kind == "g'")))
            case "exp":
                return Raised(Symbol("e"), arguments[0])
            case "ln":
                name = Symbol("ln", upright=True)
                if isinstance(first, Quantity) and not self._is_negative(first):
                    return row(name, Gap(), arguments[0])
            case "named":
                name = Words(of.name)
        inside: list[Box] = []
        for i, argument in enumerate(arguments):
            inside += [argument] if i == 0 else [Sign(","), argument]
        return row(name, Fence(row(*inside)))


def _index(index: Index) -> Box:
    return Symbol(index) if isinstance(index, str) else Figure(str(index))


def _has_round(box: Box) -> bool:
    """Whether there are round brackets other than those of a function's argument."""
    match box:
        case Row(parts=parts):
            before = (None, *parts)
            return any(
                _has_round(part) and not (isinstance(part, Fence) and isinstance(left, Marked | Symbol | Words))
                for left, part in zip(before, parts, strict=False)
            )
        case Fence(kind=kind):
            return kind == "()"
        case Raised(base=base) | Sized(box=base):
            return _has_round(base)
        case _:
            return False
