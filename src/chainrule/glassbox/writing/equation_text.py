"""An activation's or cost's equation, which is text such as "1/(1 + e^(−z))", as boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chainrule.glassbox.writing.boxes import BigSum, Box, Fence, Figure, Gap, Marked, Raised, Sign, Symbol, Words, row
from chainrule.glassbox.writing.text import written

_FUNCTIONS = {"ln", "log", "exp", "max", "min", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "sign"}
_LONGEST = 200
_TOKENS = re.compile(r"\d+(?:\.\d+)?|[A-Za-z][A-Za-z'-]+|\s+|.", re.DOTALL)
_SIGNS = "+−-·×/=<>≤≥≠,:;"
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def equation_box(equation: str) -> Box:
    """Lay out an equation; what isn't understood stands there as words.

    >>> written(equation_box("1/(1 + e^(−z))"))
    '1/(1 + e^(−z))'
    """
    if len(equation) > _LONGEST:
        return Words(equation)
    tokens = _TOKENS.findall(equation)
    parts, used = _row(tokens, 0, "")
    if used < len(tokens) or not parts:
        return Words(equation)
    box = row(*parts)
    return box if _bare(written(box)) == _bare(equation) else Words(equation)


def _bare(equation: str) -> str:
    """An equation without what may change when it is read and written again."""
    return re.sub(r"[\s()]", "", equation).replace("-", "−")


def _row(tokens: list[str], at: int, closing: str) -> tuple[list[Box], int]:
    """Read boxes up to a closing bracket, and say where they end."""
    parts: list[Box] = []
    while at < len(tokens) and tokens[at] != closing:
        token = tokens[at]
        if token in "^_" and parts:
            script, at = _script(tokens, at + 1)
            parts[-1:] = list(_with_script(parts[-1], token, script))
            continue
        if token in _CLOSING:
            inside, at = _row(tokens, at + 1, _CLOSING[token])
            if at >= len(tokens):
                return [*parts, Words(token), *inside], at
            parts.append(Fence(row(*inside) if inside else Words(""), token + _CLOSING[token]))
            at += 1
            continue
        if token == "|" and "|" in tokens[at + 1 :] and closing != "|":
            inside, at = _row(tokens, at + 1, "|")
            parts.append(Fence(row(*inside) if inside else Words(""), "||"))
            at += 1
            continue
        if token in "²³" and parts:
            parts[-1] = Raised(parts[-1], Figure("23"["²³".index(token)]))
        else:
            parts += _plain(token, parts)
        at += 1
    return _joined_words(parts), at


def _plain(token: str, before: list[Box]) -> Iterator[Box]:
    if token.isspace():
        if before and isinstance(before[-1], Symbol | Marked | Figure | Raised | Fence):
            yield Gap()
    elif token[0].isdigit() or token == "½":
        yield Figure(token)
    elif token in _FUNCTIONS:
        yield Symbol(token, upright=True)
    elif token == "Σ":
        yield BigSum("")
    elif token in _SIGNS:
        while before and isinstance(before[-1], Gap):
            before.pop()
        is_unary = token in "−-" and (not before or isinstance(before[-1], Sign))
        yield Sign("−" if token == "-" else token, unary=is_unary or token == "/")
    elif len(token) == 1 and token.isalpha():
        yield Symbol(token)
    else:
        yield Words(token)


def _script(tokens: list[str], at: int) -> tuple[list[Box], int]:
    if at >= len(tokens) or tokens[at] in "^_)]}|":
        return [Words("\ufffd")], at  # what nobody can have written there
    if tokens[at] == "(":
        inside, end = _row(tokens, at + 1, ")")
        return inside or [Words("\ufffd")], end + 1
    parts: list[Box] = []
    if tokens[at] in "−-" and at + 1 < len(tokens):
        return [*_plain(tokens[at], parts), *_plain(tokens[at + 1], [])], at + 2
    return list(_plain(tokens[at], parts)), at + 1


def _with_script(base: Box, mark: str, script: list[Box]) -> Iterator[Box]:
    inside = row(*script)
    if mark == "^":
        yield Raised(base, inside)
    elif isinstance(base, BigSum) and isinstance(inside, Symbol):
        yield BigSum(inside.letters)
    elif isinstance(base, Symbol) and isinstance(inside, Symbol | Figure):
        yield Marked(base, below=inside.letters if isinstance(inside, Symbol) else inside.digits)
    else:
        yield from (base, Words("_"), inside)


def _joined_words(parts: list[Box]) -> list[Box]:
    """Words in a row are one text, with spaces between and around."""
    found: list[Box] = []
    for part in parts:
        if not isinstance(part, Words):
            found.append(part)
            continue
        if found and isinstance(found[-1], Gap):
            found.pop()
        if found and isinstance(found[-1], Words):
            found[-1] = Words(f"{found[-1].words}{part.words} ")
        else:
            found.append(Words(f"{' ' if found else ''}{part.words} "))
    if found and isinstance(found[-1], Words):
        found[-1] = Words(found[-1].words.rstrip())
    return found
