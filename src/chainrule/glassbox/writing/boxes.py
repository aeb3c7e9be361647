"""What a line of a formula is made of, before it is text, LaTeX or MathML: boxes, their widths, where a line breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Symbol:
    """A letter, or several: δ, dz; `upright` is for names such as ln."""

    letters: str
    bold: bool = False
    upright: bool = False


@dataclass(frozen=True)
class Marked:
    """A letter with what stands above, below and as primes behind it: σ^(2)'_3."""

    base: Symbol
    above: str = ""
    below: str = ""
    primes: int = 0


@dataclass(frozen=True)
class Figure:
    """A number as `numbers.printed` prints it."""

    digits: str


@dataclass(frozen=True)
class Sign:
    """An operator or relation; `unary` is a minus without room around it; a line may break before one that `breaks`."""

    sign: str
    breaks: bool = False
    unary: bool = False


@dataclass(frozen=True)
class Gap:
    """What stands between two factors that are written side by side; none between a number and a bracket."""

    tight: bool = False
    beside_ratio: bool = False
    breaks: bool = False


@dataclass(frozen=True)
class Words:
    """Plain words."""

    words: str


@dataclass(frozen=True)
class Row:
    """Boxes side by side."""

    parts: tuple[Box, ...]


@dataclass(frozen=True)
class Raised:
    """base to the power of something."""

    base: Box
    exponent: Box


@dataclass(frozen=True)
class Over:
    """A fraction; `partial` puts ∂ before both."""

    top: Box
    bottom: Box
    partial: bool = False


@dataclass(frozen=True)
class Fence:
    """Brackets around something: "()", "[]" or "||"."""

    inside: Box
    kind: str = "()"


@dataclass(frozen=True)
class Bracket:
    """One bracket, whose other stands in another piece of the line."""

    sign: str


@dataclass(frozen=True)
class BigSum:
    """Σ with its index, and its range where it is known; what is added up stands behind it."""

    index: str
    first: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Grid:
    """A matrix of printed numbers, of which a corner may be shown: dots stand for what is left out."""

    rows: tuple[tuple[str, ...], ...]
    shape: tuple[int, int]
    whole: bool


@dataclass(frozen=True)
class Sized:
    """A matrix's symbol with its shape."""

    box: Box
    shape: tuple[int, int]


@dataclass(frozen=True)
class Remainder:
    """The value of the terms that are not written out."""

    count: int
    value: Box


Box: TypeAlias = (
    Symbol
    | Marked
    | Figure
    | Sign
    | Gap
    | Words
    | Row
    | Raised
    | Over
    | Fence
    | Bracket
    | BigSum
    | Grid
    | Sized
    | Remainder
)

_UNPRINTABLE = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\u202a-\\u202e\\u2066-\\u2069]")


def printable(words: str) -> str:
    """Put a replacement for what no page or terminal may get: controls, halves of characters, turns of direction.

    A name of the user's own may bring them.
    """
    return _UNPRINTABLE.sub("\ufffd", words)


DOTS = {"⋯", "⋮", "⋱", "…"}


def row(*parts: Box) -> Box:
    """Put boxes side by side; rows among them are taken apart."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Row) else (part,)))
    return flat[0] if len(flat) == 1 else Row(flat)


def is_compound(box: Box) -> bool:
    """Say whether a box is of several parts, so that a line's text needs brackets where a fraction needs none."""
    return isinstance(box, Row) or (isinstance(box, Over) and not box.partial)


def is_tall(box: Box) -> bool:
    """Say whether brackets around a box have to grow."""
    match box:
        case Row(parts=parts):
            return any(map(is_tall, parts))
        case Over() | Grid() | BigSum() | Remainder():
            return True
        case Fence(inside=inside) | Raised(base=inside) | Sized(box=inside):
            return is_tall(inside)
        case _:
            return False


def has_break(box: Box) -> bool:
    """Say whether a line may break within a box."""
    match box:
        case Sign(breaks=breaks) | Gap(breaks=breaks):
            return breaks
        case Row(parts=parts):
            return any(map(has_break, parts))
        case Fence(inside=inside):
            return has_break(inside)
        case _:
            return False


def width(box: Box) -> float:
    """Estimate a box's width in a printed line, in em, rather too wide than too narrow."""
    match box:
        case Symbol(letters=letters, upright=upright):
            return (0.52 if upright else 0.66) * len(letters)
        case Marked(base=base, above=above, below=below, primes=primes):
            return width(base) + 0.4 * max(len(above) + 0.7 * primes, len(below)) + 0.1
        case Figure(digits=digits):
            mantissa, e, exponent = digits.partition("e")
            return 0.5 * len(mantissa) + 0.28 * ("-" in mantissa) + (2.3 + 0.4 * len(exponent) if e else 0.0)
        case Sign(unary=unary):
            return 0.78 if unary else 1.35
        case Gap() | Bracket():
            return 0.4
        case Words(words=words):
            return 0.5 * len(words) + 0.5
        case Row(parts=parts):
            return sum(map(width, parts))
        case Raised(base=base, exponent=exponent):
            return width(base) + 0.75 * width(exponent)
        case Over(top=top, bottom=bottom, partial=partial):
            return max(width(top), width(bottom)) + 0.3 + 0.6 * partial
        case Fence(inside=inside):
            return width(inside) + (1.5 if is_tall(inside) else 0.8)
        case BigSum(index=index, last=last):
            return 0.2 + max(1.5, 0.4 * (len(index) + (0 if last is None else 3)))
        case Grid(rows=rows):
            return 1.4 + sum(max(_cell_width(r[i]) for r in rows) + 1.0 for i in range(len(rows[0])))
        case Sized(box=inside, shape=shape):
            return max(width(inside), 0.4 * (len(str(shape[0])) + len(str(shape[1])) + 1.6))
        case Remainder(count=count, value=value):
            return max(width(value), 0.38 * len(f"{count} more terms")) + 0.2


def _cell_width(cell: str) -> float:
    return 1.2 if cell in DOTS else width(Figure(cell))


def pieces(box: Box, room: float, measure: Callable[[Box], float] = width) -> list[Box]:
    """Take a box apart where a line may break: between terms, and within one only where it is wider than `room`.

    Brackets that are wider than `room` are taken apart as well.
    """
    parts = list(_opened(box, room, measure))
    found: list[Box] = []
    for term in _cut(parts, lambda part: isinstance(part, Sign) and part.sign in "+−"):
        factors = _cut(term, lambda _: True) if measure(row(*term)) > room else [term]
        found += [row(*some) for some in factors]
    return found


def _cut(parts: Sequence[Box], here: Callable[[Box], bool]) -> list[list[Box]]:
    """Cut in front of those signs and gaps, among the ones that a line may break before."""
    found: list[list[Box]] = [[]]
    for part in parts:
        if isinstance(part, Sign | Gap) and part.breaks and here(part) and found[-1]:
            found.append([])
        found[-1].append(part)
    return found


def _opened(box: Box, room: float, measure: Callable[[Box], float]) -> Iterable[Box]:
    match box:
        case Row(parts=parts):
            for part in parts:
                yield from _opened(part, room, measure)
        case Fence(inside=inside, kind=kind) if has_break(inside) and measure(box) > room:
            yield Bracket(kind[0])
            yield from _opened(inside, room, measure)
            yield Bracket(kind[1])
        case _:
            yield box


def fill(widths: Sequence[float], first: float, others: float) -> list[range]:
    """Distribute pieces of these widths over lines, the first of which has other room than those that follow."""
    lines: list[range] = []
    start, used, room = 0, 0.0, first
    for i, one in enumerate(widths):
        if i > start and used + one > room:
            lines.append(range(start, i))
            start, used, room = i, 0.0, others
        used += one
    return [*lines, range(start, len(widths))]
