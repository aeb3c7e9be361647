"""What a character is in LaTeX: in a formula and outside of one. ASCII comes out, whatever goes in."""

from __future__ import annotations

import re
import unicodedata

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "o", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega"),
)
_CAPITALS = {"Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma"} | {
    "Υ": "Upsilon",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
_MATHS = (
    {chr(0x3B1 + i): f"\\{name}" for i, name in enumerate(_GREEK) if name != "o"}
    | {letter: f"\\{name}" for letter, name in _CAPITALS.items()}
    | {"ο": "o", "ℓ": "\\ell", "∂": "\\partial", "∇": "\\nabla", "½": "\\tfrac{1}{2}", "²": "^{2}", "³": "^{3}"}
    | {"−": "-", "·": "\\cdot", "×": "\\times", "⊙": "\\odot", "→": "\\to", "≤": "\\le", "≥": "\\ge", "≠": "\\neq"}
    | {"⋯": "\\cdots", "⋮": "\\vdots", "⋱": "\\ddots", "…": "\\cdots", "′": "'", "∞": "\\infty", "Σ": "\\Sigma"}
    | {"∈": "\\in", "≈": "\\approx", "±": "\\pm", "√": "\\surd", "∑": "\\textstyle\\sum", "∏": "\\textstyle\\prod"}
    | {"ᵀ": "^{T}", "ᵢ": "_{i}", "ⱼ": "_{j}", "|": "|", "<": "<", ">": ">"}
)
_TEXT = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "#": "\\#",
    "%": "\\%",
    "_": "\\_",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    '"': "''",
    "`": "\\textquoteleft{}",
    "\n": " ",
    "\t": " ",
    "\u00a0": "~",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "\\textquoteleft{}",
    "“": "\\textquoteleft\\textquoteleft{}",
    "”": "''",
    "…": "\\ldots{}",
    "ß": "\\ss{}",
    "ø": "\\o{}",
    "Ø": "\\O{}",
    "æ": "\\ae{}",
    "Æ": "\\AE{}",
    "ł": "\\l{}",
    "ı": "\\i{}",
}
_POWER = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]\^[A-Za-z0-9])(?![A-Za-z0-9])")
_ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x307: ".", 0x308: '"'} | {
    0x306: "u",
    0x30A: "r",
    0x30B: "H",
    0x30C: "v",
    0x327: "c",
}


def maths(sign: str) -> str:
    """A character in math mode; a command ends so that a letter can follow."""
    if sign in _MATHS:
        command = _MATHS[sign]
        return f"{command} " if command[-1].isalpha() and command.startswith("\\") else command
    if sign in _TEXT or not sign.isascii():
        return f"\\text{{{plain(sign)}}}"
    return sign


def plain(words: str) -> str:
    r"""Write words outside of formulas: nothing in them is taken for a command, and nothing is left that isn't ASCII.

    >>> print(plain("δ_j of 50 % {x}"))
    $\delta$\_j of 50 \% \{x\}
    """
    # a power stays one: e^z
    parts = _POWER.split(words)
    return "".join(
        f"${part[0]}^{{{part[2]}}}$" if i % 2 else "".join(map(_character, part)) for i, part in enumerate(parts)
    )


def _character(sign: str) -> str:
    if sign in _TEXT:
        return _TEXT[sign]
    if sign in _MATHS:
        return f"${'{}' if _MATHS[sign][0] in '^_' else ''}{_MATHS[sign]}$"
    if sign.isascii() and sign.isprintable():
        return sign
    base, *marks = list(unicodedata.normalize("NFD", sign))
    if len(marks) == 1 and base.isascii() and ord(marks[0]) in _ACCENTS:
        letter = f"\\{base}" if base in "ij" else base
        return f"\\{_ACCENTS[ord(marks[0])]}{{{letter}}}"
    return f"[U+{ord(sign):04X}]"
