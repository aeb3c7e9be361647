"""From a name, such as "relu" or "quantile(0.9)", to the object that it stands for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from chainrule.errors import InputError, text, unknown_name

T = TypeVar("T")
_WITH_PARAMETER = re.compile(r"(\w+)\(([^()]{1,40})\)")


def lookup(what: str, name: str, table: Mapping[str, T], families: Mapping[str, Callable[[float], T]]) -> T:
    """Find `name` in `table`, or make it from a family: "huber(2)" is families["huber"](2.0).

    Raises InputError for an unknown name, with the nearest ones, and for a parameter that is not a finite number.
    """
    if name in table:
        return table[name]
    match = _WITH_PARAMETER.fullmatch(name.strip())
    if match and match[1] in families:
        try:
            parameter = float(match[2])
        except ValueError:
            parameter = math.nan
        if not math.isfinite(parameter):
            hint = f"Write it as {match[1]}(0.5)."
            raise InputError(text(f"{what} {match[1]}", expected="a number in brackets", got=repr(match[2]), hint=hint))
        return families[match[1]](parameter)
    shown = [*table, *(f"{family}(0.5)" for family in families if family not in table)]
    raise unknown_name(what, name, shown)


def parameter_in(what: str, symbol: str, value: float, low: float, high: float) -> float:
    """Give `value` back when low < value < high, and an InputError that names the parameter otherwise."""
    if low < value < high:
        return float(value)
    raise InputError(
        text(f"{what}: {symbol}", expected=f"{low:g} < {symbol} < {high:g}", got=f"{value:g}", hint="Choose another.")
    )
