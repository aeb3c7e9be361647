"""From a name, such as "relu" or "quantile(0.9)", to the object that it stands for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from chainrule.errors import InputError, text, unknown_name
from chainrule.maths.intervals import Interval


class Named(Protocol):
    """What a registry keeps."""

    @property
    def name(self) -> str:
        """The name that it is found by."""


T = TypeVar("T", bound=Named)
_WITH_PARAMETER = re.compile(r"(\w+)\(([^()]{1,40})\)")


class Registry(Generic[T]):
    """The objects of one kind by name: built-in ones, families with a parameter, and those that users register.

    Matched pairs and model files go by name, so no object of a user's may stand under a built-in's name.
    """

    def __init__(
        self,
        what: str,
        kind: type[T] | tuple[type[T], ...],
        hint: str,
        built_in: Iterable[T],
        families: Mapping[str, Callable[[float], T]],
        check: Callable[[T], None],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._what, self._kind, self._hint, self._families, self._check = what, kind, hint, families, check
        self._table = {entry.name: entry for entry in built_in}
        self.built_in = tuple(self._table)
        for alias, name in (aliases or {}).items():
            self._table[alias] = self._table[name]
        self._reserved = {*self._table, *families}
        self._made: dict[str, T] = {}  # members of families, so that a name always stands for one object

    def find(self, name: str) -> T:
        """Give the object of a name, or make it from a family: "huber(2)" is families["huber"](2.0).

        Raises InputError for an unknown name, with the nearest ones, and for a parameter that is not a finite number.
        """
        if name in self._table:
            return self._table[name]
        match = _WITH_PARAMETER.fullmatch(name.strip())
        if match and match[1] in self._families:
            try:
                parameter = float(match[2])
            except ValueError:
                parameter = math.nan
            if not math.isfinite(parameter):
                what, hint = f"{self._what} {match[1]}", f"Write it as {match[1]}(0.5)."
                raise InputError(text(what, expected="a number in brackets", got=repr(match[2]), hint=hint))
            made = self._families[match[1]](parameter)
            return self._made.setdefault(made.name, self._table.get(made.name, made))
        examples = [f"{family}(0.5)" for family in self._families if family not in self._table]
        raise unknown_name(self._what, name, [*self._table, *examples])

    def resolve(self, spec: str | T) -> T:
        """Give the object of a name, or the user's own object once its derivatives passed the check.

        Raises InputError for something else or a name that is taken by a built-in, DerivativeError where a
        derivative is wrong.
        """
        return self.find(spec) if isinstance(spec, str) else self._accepted(spec)

    def is_built_in(self, entry: T) -> bool:
        """Say whether this very object came with chainrule, a family's member included."""
        known = self._made.get(entry.name, self._table.get(entry.name))
        return known is entry and entry.name.split("(")[0] in self._reserved

    def family(self, entry: T) -> tuple[str, float | None] | None:
        """Give a built-in's name and parameter, "huber(2.0)" being ("huber", 2.0); None for the user's own."""
        if not self.is_built_in(entry):
            return None
        match = _WITH_PARAMETER.fullmatch(entry.name)
        return (match[1], float(match[2])) if match else (entry.name, None)

    def register(self, own: T) -> None:
        """Make the user's own object known by its name, on the same conditions."""
        accepted = self._accepted(own)
        self._table[accepted.name] = accepted

    def _accepted(self, own: T) -> T:
        if not isinstance(own, self._kind):
            got = f"{own!r:.60} of type {type(own).__name__}"
            raise InputError(text(self._what, expected="a name or an object of its kind", got=got, hint=self._hint))
        if not isinstance(own.name, str) or not (self.is_built_in(own) or self._table.get(own.name) is own):
            _check_fields(self._what, own)
            if own.name.split("(")[0] in self._reserved:
                got = f"{own.name!r}, which is built in"
                raise InputError(text(f"{self._what} name", expected="a new name", got=got, hint="Rename it."))
            self._check(own)
        return own


def _check_fields(what: str, own: Named) -> None:
    """See that name, intervals and kinks are what their annotations say. Raises InputError."""
    wanted: dict[str, tuple[type, str]] = {
        "name": (str, "a text"),
        "range": (Interval, "a cr.Interval"),
        "domain": (Interval, "a cr.Interval"),
        "targets": (Interval, "a cr.Interval"),
        "kinks": (tuple, "a tuple of numbers"),
    }
    for name, (kind, expected) in wanted.items():
        value = getattr(own, name, None)
        if hasattr(own, name) and not isinstance(value, kind):
            hint = "Write cr.Interval(0, 1), for example." if kind is Interval else "Correct it."
            raise InputError(text(f"{what} {own.name!r}: {name}", expected=expected, got=repr(value), hint=hint))


def parameter_in(what: str, symbol: str, value: float, low: float, high: float) -> float:
    """Give `value` back when low < value < high, and an InputError that names the parameter otherwise."""
    if low < value < high:
        return float(value)
    raise InputError(
        text(f"{what}: {symbol}", expected=f"{low:g} < {symbol} < {high:g}", got=f"{value:g}", hint="Choose another.")
    )
