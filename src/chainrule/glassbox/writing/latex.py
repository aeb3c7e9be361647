r"""A derivation as LaTeX: with amsmath alone, in ASCII alone, no line wider than an A4 page's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    fill,
    is_tall,
    pieces,
    row,
    width,
)
from chainrule.glassbox.writing.latex_characters import maths, plain
from chainrule.glassbox.writing.typeset import Typesetter, symbol_box

if TYPE_CHECKING:
    from chainrule.glassbox.derivations.derivation import Derivation
    from chainrule.glassbox.derivations.steps import Step

_LINE = 45.0  # in em of 10 pt: \textwidth below is 48.3 of them
_HANG = 2.0
_HEAD = r"""\documentclass[a4paper,10pt,fleqn]{article}
\usepackage{amsmath}
\setlength{\textwidth}{170mm}
\setlength{\oddsidemargin}{-5.4mm}
\setlength{\textheight}{247mm}
\setlength{\topmargin}{-15mm}
\setlength{\mathindent}{2em}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt plus 1pt}
\setlength{\jot}{5pt}
\raggedbottom
\emergencystretch=3em
\allowdisplaybreaks[2]
\begin{document}
"""


def symbol(quantity: Quantity, notation: Notation) -> str:
    r"""Write a quantity's symbol.

    >>> from chainrule.glassbox.derivations.notations import find
    >>> print(symbol(Quantity("W", 2, (3, 5)), find("theta")), symbol(Quantity("dW", 2, (3, 5)), find("delta")))
    \Theta^{(2)}_{5,3} \frac{\partial C_{i}}{\partial w^{2}_{3,5}}
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


def render(derivation: Derivation, about: Sequence[str] = ()) -> str:
    """Write a whole document; `about` are lines for its head, such as the row's number."""
    return f"{_HEAD}{body(derivation, about)}\\end{{document}}\n"


def body(derivation: Derivation, about: Sequence[str] = ()) -> str:
    """Write what stands between begin and end of a document that uses amsmath."""
    from chainrule.glassbox.writing.layout import definition_line, digits, network_line, result, sections

    notation = derivation.notation
    found, value = result(derivation)
    head = [network_line(derivation), *about, f"Notation {notation.name} (source {notation.source}): {notation.title}"]
    title = derivation.title[:1].upper() + derivation.title[1:]
    parts = [f"\\section*{{{plain(title)}}}", *(f"{plain(line)}\\par" for line in head)]
    parts += ["\\subsection*{What the symbols mean}", _LIST]
    for definition in derivation.definitions:
        box, meaning = definition_line(definition, notation)
        parts.append(f"\\item[{{$\\displaystyle {written(box)}$}}] {plain(meaning)}")
    parts.append("\\end{list}")
    for heading, steps in sections(derivation):
        parts.append(f"\\subsection*{{{heading}}}")
        parts += map(_step, steps)
    parts += ["\\subsection*{Result}", _equation(found, [value])]
    parts += _ledger(derivation, digits(derivation))
    return "\n".join(parts) + "\n"


_LIST = r"""\begin{list}{}{\setlength{\labelwidth}{11em}\setlength{\leftmargin}{12em}\setlength{\labelsep}{1em}%
\setlength{\itemsep}{2pt}\setlength{\parsep}{0pt}\renewcommand{\makelabel}[1]{#1\hfil}}"""


def _step(step: Step) -> str:
    from chainrule.glassbox.writing.layout import step_lines

    target, lines = step_lines(step)
    number = plain(f"({step.equation})")
    return f"\\textbf{{{number}}}\\quad {plain(step.why)}\n{_equation(target, [line.box for line in lines])}"


def _ledger(derivation: Derivation, digits: int) -> list[str]:
    from chainrule.glassbox.writing.layout import SHARES, ledger_sums, path_lines

    ledger = derivation.ledger
    if ledger is None:
        return []
    found = ["\\subsection*{Path by path}", plain(SHARES)]
    for i, path in enumerate(path_lines(ledger, derivation.notation, digits), 1):
        found.append(f"{i}.\\quad units {plain(path.units)}, share {plain(path.share)}")
        found.append(_equation(path.symbols, [path.numbers, path.value]))
    sums = "".join(f"{plain(words)} & {plain(number)} \\\\\n" for words, number in ledger_sums(ledger, digits))
    found.append(f"\\begin{{tabular}}{{@{{}}lr@{{}}}}\n{sums}\\end{{tabular}}")
    return found


def _equation(left: Box, boxes: Sequence[Box]) -> str:
    """Write left = box, = box, …, each on its lines, the signs below one another."""
    lines = []
    beside = width(left)
    if beside > _LINE / 3:  # the product of a path: what it is equal to stands below
        lines += [f"&{'' if n == 0 else _HANGING}{line}" for n, line in enumerate(_broken(left, _LINE))]
        first, beside = "&\\quad", 2.0
    else:
        first = f"{written(left)} &"
    for box in boxes:
        for n, line in enumerate(_broken(box, _LINE - beside - 1.5)):
            lines.append(f"{first}= {line}" if n == 0 else f"&{_HANGING}{line}")
        first = "&\\quad" if beside == 2.0 and first.startswith("&\\quad") else "&"
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


_PRIME = "\\prime"
_HANGING = "\\qquad {}"


def _broken(box: Box, room: float) -> list[str]:
    """A box on as many lines as it takes."""
    parts = pieces(box, room)
    return [written(row(*(parts[i] for i in line))) for line in fill([width(p) for p in parts], room, room - _HANG)]


def written(box: Box) -> str:
    """Write a box in math mode."""
    match box:
        case Symbol():
            return _letters(box)
        case Marked(base=base, above=above, below=below, primes=primes):
            up = f"^{{{_script(above)}{_PRIME * primes}}}" if above else "'" * primes
            return f"{_letters(base)}{up}" + (f"_{{{_script(below)}}}" if below else "")
        case Figure(digits=digits):
            return _figure(digits)
        case Sign(sign=sign, unary=unary):
            command = {".*": "\\mathbin{.*}", ":": "\\colon"}.get(sign) or maths(sign).strip()
            return command if unary else f"{command} " if sign in ",:;" else f" {command} "
        case Gap(tight=tight):
            return "" if tight else "\\,"
        case Words(words=words):
            return f"\\text{{{plain(words)}}}" if words not in DOTS else "\\cdots"
        case Row(parts=parts):
            return "".join(map(written, parts))
        case Raised(base=base, exponent=exponent):
            return f"{_group(base)}^{{{written(exponent)}}}"
        case Over(top=top, bottom=bottom, partial=partial):
            sign = "\\partial " if partial else ""
            return f"\\frac{{{sign}{written(top)}}}{{{sign}{written(bottom)}}}"
        case Fence(inside=inside, kind=kind):
            if is_tall(inside):
                return f"\\left{kind[0]}{written(inside)}\\right{kind[1]}"
            return f"{kind[0]}{written(inside)}{kind[1]}"
        case Bracket(sign=sign):
            return f"\\bigl{sign}" if sign in "([{" else f"\\bigr{sign}"
        case BigSum(index=index, first=first, last=last):
            limits = "" if not index else f"_{{{index}}}" if last is None else f"_{{{index}={first}}}^{{{last}}}"
            return f"\\sum{limits} "
        case Grid(rows=rows, shape=shape, whole=whole):
            lines = " \\\\ ".join(" & ".join(map(_cell, line)) for line in rows)
            columns = "r" * len(rows[0])
            table = f"\\left[\\begin{{array}}{{{columns}}}{lines}\\end{{array}}\\right]"
            return table if whole else f"\\underset{{{_shape(shape)}}}{{{table}}}"
        case Sized(box=inside, shape=shape):
            return f"\\underset{{\\,{_shape(shape)}\\,}}{{{written(inside)}}}"
        case Remainder(count=count, value=value):
            words = f"{count:,} more {'term' if count == 1 else 'terms'}"
            return f"{{\\underbrace{{{written(value)}}}_{{\\text{{{words}}}}}}}"


def _group(box: Box) -> str:
    inside = written(box)
    return inside if isinstance(box, Symbol | Fence) and not is_tall(box) else f"{{{inside}}}"


def _letters(symbol: Symbol) -> str:
    letters = "".join(map(maths, symbol.letters))
    if symbol.upright:
        known = symbol.letters in ("ln", "log", "exp", "max", "min", "sin", "cos", "tan", "sinh", "cosh", "tanh")
        return f"\\{symbol.letters} " if known else f"\\operatorname{{{letters}}}"
    if symbol.bold:
        return f"\\mathbf{{{letters}}}" if symbol.letters.isascii() else f"\\boldsymbol{{{letters}}}"
    return letters.strip()


def _script(content: str) -> str:
    return "".join(map(maths, content)).strip()


def _figure(digits: str) -> str:
    if digits.lstrip("-") in ("inf", "nan"):
        return digits.replace("inf", "\\infty").replace("nan", "\\text{nan}")
    mantissa, e, exponent = digits.partition("e")
    mantissa = "".join(map(maths, mantissa)).strip()
    return f"{mantissa}\\times 10^{{{exponent}}}" if e else mantissa


def _cell(cell: str) -> str:
    return f"\\multicolumn{{1}}{{c}}{{{maths(cell).strip()}}}" if cell in DOTS else _figure(cell)


def _shape(shape: tuple[int, int]) -> str:
    return f"{shape[0]}\\times {shape[1]}"
