"""Boxes as MathML Core, which browsers draw and screen readers read without any script."""

from __future__ import annotations

import html
import re

from chainrule.glassbox.derivations.expressions import Expression, Quantity
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.numbers import DIGITS
from chainrule.glassbox.writing.boxes import (
    DOTS,
    BigSum,
    Box,
    Bracket,
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
    is_tall,
    pieces,
    printable,
    width,
)
from chainrule.glassbox.writing.typeset import Typesetter, symbol_box

_SCRIPT_PARTS = re.compile(r"\d+|.")
_TIMES, _APPLY = "\u2062", "\u2061"
_IN_ONE = 22.0  # in em: a longer formula is written in pieces, so that a browser can break the line between them


def symbol(quantity: Quantity, notation: Notation) -> str:
    """Write a quantity's symbol, a math element.

    >>> from chainrule.glassbox.derivations.notations import find
    >>> symbol(Quantity("z", 2, (3,)), find("delta"))
    '<math displaystyle="true"><msubsup><mi>z</mi><mn>3</mn><mn>2</mn></msubsup></math>'
    """
    return math(symbol_box(notation.write(quantity)))


def formula(expression: Expression, notation: Notation) -> str:
    """Write an expression in symbols, sums as Σ."""
    return math(Typesetter(notation, "formula").box(expression))


def written_out(expression: Expression, notation: Notation, digits: int = DIGITS) -> str:
    """Write an expression in symbols, sums by their largest terms."""
    return math(Typesetter(notation, "written out", digits).box(expression))


def numbers(expression: Expression, notation: Notation, digits: int = DIGITS) -> str:
    """Write an expression with numbers put in."""
    return math(Typesetter(notation, "numbers", digits).box(expression))


def math(box: Box, lead: str = "") -> str:
    """Write a box as math elements: one, or several between which a line may break; `lead` is a sign before it."""
    first = f"<mo>{escape(lead)}</mo>" if lead else ""
    parts = [box] if width(box) <= _IN_ONE else pieces(box, _IN_ONE)
    bodies = [written(part) for part in parts]
    bodies[0] = first + bodies[0]
    return " ".join(f'<math displaystyle="true">{body}</math>' for body in bodies)


def written(box: Box) -> str:
    """Write a box as MathML."""
    match box:
        case Symbol():
            return _letters(box)
        case Marked():
            return _marked(box)
        case Figure(digits=digits):
            return _figure(digits)
        case Sign(sign=sign, unary=unary):
            return f"<mo{_form(sign, unary)}>{escape(sign)}</mo>"
        case Gap(tight=tight):
            space = "" if tight else ' lspace="0" rspace="0.17em"'
            return f"<mo{space}>{_TIMES}</mo>"
        case Words(words=words):
            return f"<mtext>{_kept(words)}</mtext>"
        case Row(parts=parts):
            return _row(parts)
        case Raised(base=base, exponent=exponent):
            return f"<msup>{_one(base)}{_one(exponent)}</msup>"
        case Over(top=top, bottom=bottom, partial=partial):
            sign = '<mo form="prefix" rspace="0">∂</mo>' if partial else ""
            return f"<mfrac><mrow>{sign}{written(top)}</mrow><mrow>{sign}{written(bottom)}</mrow></mfrac>"
        case Fence(inside=inside, kind=kind):
            stretchy = "" if is_tall(inside) else ' stretchy="false"'
            left, right = (f'<mo form="{form}"{stretchy}>' for form in ("prefix", "postfix"))
            return f"<mrow>{left}{kind[0]}</mo>{written(inside)}{right}{kind[1]}</mo></mrow>"
        case Bracket(sign=sign):
            return f'<mo stretchy="false">{sign}</mo>'
        case BigSum():
            return _sum(box)
        case Grid(rows=rows, shape=shape, whole=whole):
            lines = "".join(f"<mtr>{''.join(map(_cell, line))}</mtr>" for line in rows)
            table = f"<mrow><mo>[</mo><mtable>{lines}</mtable><mo>]</mo></mrow>"
            return table if whole else f"<munder>{table}{_shape(shape)}</munder>"
        case Sized(box=inside, shape=shape):
            return f"<munder>{_one(inside)}{_shape(shape)}</munder>"
        case Remainder(count=count, value=value):
            words = f"{count:,} more {'term' if count == 1 else 'terms'}"
            return f'<munder><munder>{_one(value)}<mo stretchy="true">⏟</mo></munder><mtext>{words}</mtext></munder>'


def _form(sign: str, unary: bool) -> str:
    if not unary:
        return ' form="infix"'
    return ' lspace="0" rspace="0"' if sign == "/" else ' form="prefix"'


def _row(parts: tuple[Box, ...]) -> str:
    found = []
    for i, part in enumerate(parts):
        # a function and its argument belong together
        if isinstance(part, Fence) and i and isinstance(parts[i - 1], Marked | Symbol | Words):
            found.append(f"<mo>{_APPLY}</mo>")
        found.append(written(part))
    return "".join(found)


def _one(box: Box) -> str:
    """A box as one element."""
    return f"<mrow>{written(box)}</mrow>" if isinstance(box, Row) else written(box)


def _letters(symbol: Symbol) -> str:
    letters = escape(symbol.letters)
    if symbol.upright or len(symbol.letters) == 1:
        bold = ' mathvariant="normal" class="bold"' if symbol.bold else ""
        return f"<mi{bold or _upright(symbol.letters)}>{letters}</mi>"
    return f"<mrow>{''.join(f'<mi{_upright(letter)}>{escape(letter)}</mi>' for letter in symbol.letters)}</mrow>"


def _upright(letter: str) -> str:
    """Greek capitals stand upright, as in the sources."""
    return ' mathvariant="normal"' if "Α" <= letter <= "Ω" else ""


def _marked(box: Marked) -> str:
    base = _letters(box.base)
    above = [*map(_script_part, _SCRIPT_PARTS.findall(box.above))] + ["<mo>′</mo>"] * box.primes
    below = [*map(_script_part, _SCRIPT_PARTS.findall(box.below))]
    if above and below:
        return f"<msubsup>{base}{_grouped(below)}{_grouped(above)}</msubsup>"
    return f"<msup>{base}{_grouped(above)}</msup>" if above else f"<msub>{base}{_grouped(below)}</msub>"


def _grouped(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _script_part(part: str) -> str:
    if part.isdigit():
        return f"<mn>{part}</mn>"
    if part.isalpha():
        return f"<mi>{escape(part)}</mi>"
    stretchy = ' stretchy="false"' if part in "()[]" else ' rspace="0.1em"' if part == "," else ""
    return f"<mo{stretchy}>{escape(part)}</mo>"


def _figure(digits: str) -> str:
    if digits == "½":
        return '<mfrac displaystyle="false"><mn>1</mn><mn>2</mn></mfrac>'
    if digits in ("inf", "-inf"):
        digits = digits.replace("inf", "∞")
    mantissa, e, exponent = digits.partition("e")
    sign = '<mo form="prefix" lspace="0" rspace="0">−</mo>' if mantissa.startswith("-") else ""
    plain = f"<mn>{escape(mantissa.removeprefix('-'))}</mn>"
    if not e:
        return f"<mrow>{sign}{plain}</mrow>" if sign else plain
    power = f"<msup><mn>10</mn>{_figure(exponent)}</msup>"
    return f'<mrow>{sign}{plain}<mo lspace="0.1em" rspace="0.1em">×</mo>{power}</mrow>'


def _cell(cell: str) -> str:
    return f'<mtd class="dots"><mo>{cell}</mo></mtd>' if cell in DOTS else f"<mtd>{_figure(cell)}</mtd>"


def _sum(box: BigSum) -> str:
    sign = "<mo>∑</mo>"
    if not box.index:
        return sign
    if box.last is None:
        return f"<munder>{sign}<mi>{escape(box.index)}</mi></munder>"
    under = f"<mrow><mi>{escape(box.index)}</mi><mo>=</mo><mn>{box.first}</mn></mrow>"
    return f"<munderover>{sign}{under}<mn>{box.last}</mn></munderover>"


def _shape(shape: tuple[int, int]) -> str:
    return f'<mrow class="shape"><mn>{shape[0]}</mn><mo lspace="0" rspace="0">×</mo><mn>{shape[1]}</mn></mrow>'


def _kept(words: str) -> str:
    """Words with the spaces at their ends, which MathML else drops."""
    return escape(re.sub(r"^ | $", "\u00a0", words))


def escape(words: str) -> str:
    """Write words as a page may have them."""
    return html.escape(printable(words))
