"""A derivation as text for a terminal, in the equations' own spelling: z^2_3, σ'(z^2_3), ∂C/∂W^2_3,5."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.errors import InputError, is_count, text
from chainrule.glassbox.derivations.expressions import Expression, Quantity
from chainrule.glassbox.derivations.notations import Notation
from chainrule.glassbox.derivations.numbers import DIGITS
from chainrule.glassbox.writing.boxes import (
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
    fill,
    is_compound,
    is_tall,
    pieces,
    printable,
)
from chainrule.glassbox.writing.typeset import Typesetter, symbol_box

if TYPE_CHECKING:
    from chainrule.glassbox.derivations.derivation import Derivation
    from chainrule.glassbox.derivations.ledger import PathLedger
    from chainrule.glassbox.derivations.steps import Step

_BOLD, _FAINT, _NUMBER, _RESULT, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[1;32m", "\x1b[0m"
_STYLES = re.compile(f"({'|'.join(map(re.escape, (_BOLD, _FAINT, _NUMBER, _RESULT, _PLAIN)))})")
_MARGIN = 7  # equation numbers stand in it: "(E14) "


def render(derivation: Derivation, colour: bool = False, width: int = 100, about: Sequence[str] = ()) -> str:
    """Write a derivation for a terminal of `width` columns; `about` are lines for its head, such as the row's number.

    No line is longer than `width`, unless a single symbol or a matrix is. With `colour`, by ANSI's escapes.
    """
    from chainrule.glassbox.writing.layout import definition_line as defined
    from chainrule.glassbox.writing.layout import digits, network_line, result, sections

    if not is_count(width):
        hint = "A page is 100 wide; less than 40 are taken as 40."
        raise InputError(text("width", expected="a whole number ≥ 1", got=repr(width), hint=hint))
    page = _Page(colour, max(width, 40))
    found, value = result(derivation)
    page.add(f"{written(found)}: {derivation.title}", _BOLD)
    page.add(network_line(derivation))
    for line in about:
        page.add(line)
    notation = derivation.notation
    page.add(f"notation {notation.name} (source {notation.source}): {notation.title}")
    page.heading("What the symbols mean")
    rows = [defined(definition, notation) for definition in derivation.definitions]
    page.table([(written(box), meaning) for box, meaning in rows])
    for heading, steps in sections(derivation):
        page.heading(heading)
        for step in steps:
            page.step(step)
    page.heading("Result")
    page.equation(found, [value], _RESULT)
    if derivation.ledger is not None:
        page.heading("Path by path")
        page.ledger(derivation.ledger, digits(derivation))
    return page.text()


def ledger(of: PathLedger, digits: int = DIGITS, width: int = 100) -> str:
    """Write a ledger: each path with its factors, then what all come to."""
    page = _Page(False, width)
    page.ledger(of, digits)
    return page.text().rstrip("\n")


def step(of: Step, width: int = 100) -> str:
    """Write one step: its sentence, then its formula, its numbers and its value, a line each."""
    page = _Page(False, width)
    page.step(of)
    return page.text().strip("\n")


class _Page:
    """Lines, one after the other."""

    def __init__(self, colour: bool, width: int) -> None:
        self._colour, self._width = colour, width
        self._lines: list[str] = []

    def text(self) -> str:
        return "\n".join(map(self._printable, self._lines)) + "\n"

    def _printable(self, line: str) -> str:
        """A line without controls, but for the styles of its own."""
        parts = _STYLES.split(line) if self._colour else [line]
        return "".join(part if i % 2 else printable(part) for i, part in enumerate(parts))

    def _in(self, style: str, content: str) -> str:
        return f"{style}{content}{_PLAIN}" if self._colour and style and content else content

    def add(self, content: str, style: str = "", indent: str = "") -> None:
        for line in textwrap.wrap(content, self._width, initial_indent=indent, subsequent_indent=indent or "  "):
            self._lines.append(self._in(style, line))

    def heading(self, content: str) -> None:
        self._lines += ["", self._in(_BOLD, content), self._in(_FAINT, "─" * len(content))]

    def table(self, rows: list[tuple[str, str]]) -> None:
        first = min(max(len(left) for left, _ in rows), self._width // 2)
        for left, right in rows:
            lead = f"  {left:<{first}}  "
            if len(lead) + 20 > self._width or len(left) > first:
                self._lines.append(f"  {left}")
                lead = " " * (first + 4)
            self._lines += textwrap.wrap(right, self._width, initial_indent=lead, subsequent_indent=" " * (first + 4))

    def ledger(self, of: PathLedger, digits: int) -> None:
        from chainrule.glassbox.writing.layout import SHARES, ledger_sums, path_lines

        self.add(SHARES)
        for i, path in enumerate(path_lines(of, of.notation, digits), 1):
            self.add(f"{i:>3}.  units {path.units}   share {path.share}")
            self.equation(path.symbols, [path.numbers, path.value])
        self.table([(number, words) for words, number in ledger_sums(of, digits)])

    def step(self, step: Step) -> None:
        from chainrule.glassbox.writing.layout import step_lines

        number = f"({step.equation})"
        words = textwrap.wrap(step.why, self._width - _MARGIN) or [""]
        self._lines += ["", self._in(_NUMBER, number) + " " * (_MARGIN - len(number)) + self._in(_FAINT, words[0])]
        self._lines += [" " * _MARGIN + self._in(_FAINT, line) for line in words[1:]]
        target, lines = step_lines(step)
        self.equation(target, [line.box for line in lines])

    def equation(self, left: Box, boxes: Sequence[Box], style: str = "") -> None:
        """Write left = box, = box, …, the signs below one another; too long a line goes on below."""
        lead = " " * _MARGIN + written(left)
        hang = " " * len(lead)
        if len(lead) > self._width // 2:
            self._lines.append(lead)
            lead = hang = " " * (_MARGIN + 4)
        for box in boxes:
            room = self._width - len(lead) - 3
            blocks = [_block(piece) for piece in pieces(box, room, lambda of: len(_block(of)[0]))]
            shapes = _shapes(box)
            for i, line in enumerate(fill([len(block[0]) for block in blocks], room, room - 2)):
                block = _beside([blocks[n] for n in line])
                middle = (len(block) - 1) // 2
                for n, content in enumerate(block):
                    sign = " " if i else "="
                    before = f"{lead} {sign} " if n == middle else f"{hang}   "
                    more = " " if i else ""
                    self._lines.append(
                        (
                            before + more + self._in(style, content.lstrip() if i and len(block) == 1 else content)
                        ).rstrip()
                    )
                lead = hang
            if shapes is not None:
                self._lines.append(f"{hang}   {self._in(_FAINT, f'shapes {shapes}')}")


def _shapes(box: Box) -> str | None:
    """The shapes of the matrices of a formula, in the places of their symbols."""
    found = []

    def shaped(of: Box) -> str:
        match of:
            case Sized(shape=(r, c)):
                found.append(of)
                return f"({r}×{c})"
            case Row(parts=parts):
                return "".join(map(shaped, parts))
            case Fence(inside=Sized() as inside):
                return shaped(inside)
            case Fence(inside=inside, kind=kind):
                return f"{kind[0]}{shaped(inside)}{kind[1]}"
            case _:
                return written(of)

    content = shaped(box)
    return content if found else None


def _block(box: Box) -> list[str]:
    """Write a box over several lines, all of one length, where there are matrices in it."""
    match box:
        case Grid(rows=rows, shape=shape, whole=whole):
            cells = [[written(Figure(cell)) for cell in line] for line in rows]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            inside = ["  ".join(f"{cell:>{n}}" for cell, n in zip(line, widths, strict=True)) for line in cells]
            lines = [f"{left} {line} {right}" for line, (left, right) in zip(inside, _brackets(len(rows)), strict=True)]
            return lines if whole else _beside([lines, [f" ({shape[0]}×{shape[1]})"]])
        case Row(parts=parts) if is_tall(box):
            return _beside([_block(part) for part in parts])
        case Fence(inside=inside, kind=kind) if is_tall(inside):
            content = _block(inside)
            signs = _brackets(len(content), kind)
            return [left + line + right for line, (left, right) in zip(content, signs, strict=True)]
        case _:
            return [written(box)]


def _brackets(n: int, kind: str = "[]") -> list[tuple[str, str]]:
    """Brackets n lines high."""
    if n == 1:
        return [(kind[0], kind[1])]
    top, middle, bottom = (("⎛", "⎞"), ("⎜", "⎟"), ("⎝", "⎠")) if kind == "()" else (("⎡", "⎤"), ("⎢", "⎥"), ("⎣", "⎦"))
    return [top, *[middle] * (n - 2), bottom]


def _beside(blocks: list[list[str]]) -> list[str]:
    """Put blocks side by side, their middles on one line."""
    above = max((len(block) - 1) // 2 for block in blocks)
    below = max(len(block) - (len(block) - 1) // 2 for block in blocks)
    lines = []
    for n in range(-above, below):
        at = [(block, n + (len(block) - 1) // 2) for block in blocks]
        lines.append("".join(block[i] if 0 <= i < len(block) else " " * len(block[0]) for block, i in at))
    return lines


def symbol(quantity: Quantity, notation: Notation) -> str:
    """Write a quantity's symbol.

    >>> from chainrule.glassbox.derivations.notations import find
    >>> symbol(Quantity("W", 2, (3, 5)), find("theta")), symbol(Quantity("dW", 2, (3, 5)), find("delta"))
    ('Θ^(2)_5,3', '∂C_i/∂w^2_3,5')
    """
    return written(symbol_box(notation.write(quantity)))


def formula(expression: Expression, notation: Notation) -> str:
    """Write an expression in symbols, sums as Σ."""
    return written(Typesetter(notation, "formula").box(expression))


def written_out(expression: Expression, notation: Notation, digits: int = DIGITS) -> str:
    """Write an expression in symbols, sums by their largest terms."""
    return written(Typesetter(notation, "written out", digits).box(expression))


def numbers(expression: Expression, notation: Notation, digits: int = DIGITS) -> str:
    """Write an expression with numbers put in."""
    return written(Typesetter(notation, "numbers", digits).box(expression))


def written(box: Box) -> str:
    """Write a box on one line."""
    match box:
        case Symbol(letters=letters):
            return letters
        case Marked(base=base, above=above, below=below, primes=primes):
            return written(base) + _script("^", above) + "'" * primes + _script("_", below)
        case Figure(digits=digits):
            return digits.replace("-", "−", 1) if digits.startswith("-") else digits
        case Sign(sign=sign, unary=unary):
            return sign if unary else f"{sign} " if sign in ",:;" else f" {sign} "
        case Gap(tight=tight, beside_ratio=beside_ratio):
            return " · " if beside_ratio else "" if tight else " "
        case Words(words=words) | Bracket(sign=words):
            return words
        case Row(parts=parts):
            return "".join(map(written, parts))
        case Raised():
            return _raised(box)
        case Over(top=top, bottom=bottom, partial=partial):
            return f"∂{written(top)}/∂{written(bottom)}" if partial else f"{_operand(top)}/{_operand(bottom)}"
        case Fence(inside=inside, kind=kind):
            return f"{kind[0]}{written(inside)}{kind[1]}"
        case BigSum(index=index, first=first, last=last):
            return f"Σ_{index} " if last is None else f"Σ_{{{index}={first}..{last}}} "
        case Grid(rows=rows, shape=shape, whole=whole):
            lines = "; ".join(" ".join(written(Figure(cell)) for cell in cells) for cells in rows)
            return f"[{lines}]" if whole else f"[{lines}] ({shape[0]}×{shape[1]})"
        case Sized(box=inside):
            return written(inside)
        case Remainder(count=count, value=value):
            return f"(rest: {count} more {'term' if count == 1 else 'terms'}: {written(_bare(value))})"


def _script(mark: str, content: str) -> str:
    if not content:
        return ""
    needs_braces = any(sign in content for sign in "+−") and content[0] not in "(["
    return f"{mark}{{{content}}}" if needs_braces else mark + content


def _raised(box: Raised) -> str:
    base, exponent = written(box.base), written(box.exponent)
    if isinstance(box.exponent, Symbol) and exponent == "T":
        return f"{base}ᵀ"
    if exponent in ("2", "3"):
        has_power = isinstance(box.base, Marked) and box.base.above
        return (f"({base})" if has_power else base) + "²³"[int(exponent) - 2]
    bare = exponent.isalnum() or (isinstance(box.exponent, Figure) and not exponent.startswith("−"))
    return f"{base}^{exponent}" if bare else f"{base}^({exponent})"


def _operand(box: Box) -> str:
    return f"({written(box)})" if is_compound(box) else written(box)


def _bare(box: Box) -> Box:
    return box.inside if isinstance(box, Fence) else box
