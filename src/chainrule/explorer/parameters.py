"""Kinds of parameters: each reads a value, from an address or from JSON, and describes itself for OpenAPI.

One declaration does both, so that what is checked and what is described can't differ.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from chainrule.errors import text
from chainrule.explorer.answers import RefusedError
from chainrule.maths.settings import real_number

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_SPAN = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")


class Kind(Protocol):
    """What values a parameter takes; `numeric` says whether a text in an address is to be read as a number first."""

    numeric: ClassVar[bool]

    def read(self, value: Any, name: str) -> Any:
        """Check a value. Raises RefusedError, 400."""

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""


def refuse(name: str, expected: str, got: object, hint: str) -> RefusedError:
    """Make the refusal of a value: 400."""
    return RefusedError(400, text(name, expected=expected, got=f"{got!r:.60}", hint=hint), name)


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int = 2**31 - 1
    numeric: ClassVar[bool] = True

    def read(self, value: Any, name: str) -> int:
        """Check a value. Raises RefusedError, 400."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON Schema, too, takes 3.0 for whole
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            expected = f"a whole number {self.least} to {self.most}"
            raise refuse(name, expected, value, "Write it in digits.")
        return value

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Real:
    """A finite number, > `above`, or ≥ `least`, where these are given."""

    above: float | None = None
    least: float | None = None
    numeric: ClassVar[bool] = True

    def read(self, value: Any, name: str) -> float:
        """Check a value. Raises RefusedError, 400."""
        try:
            number = real_number(value)
        except OverflowError:  # a whole number beyond float64
            number = None
        above, least = (-math.inf if bound is None else bound for bound in (self.above, self.least))
        if number is None or not (above < number < math.inf and number >= least):
            low = f" > {above:g}" if self.above is not None else f" ≥ {least:g}" if self.least is not None else ""
            raise refuse(name, f"a finite number{low}", value, "Write it as 0.01 or 1e-2.")
        return number

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        low = {"exclusiveMinimum": self.above, "minimum": self.least}
        return {"type": "number"} | {key: value for key, value in low.items() if value is not None}


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]
    numeric: ClassVar[bool] = False

    def read(self, value: Any, name: str) -> str:
        """Check a value. Raises RefusedError, 400."""
        if not isinstance(value, str) or value not in self.words:
            raise refuse(name, f"one of {', '.join(self.words)}", value, "Choose one of these.")
        return value

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True)
class Words:
    """A text of a pattern, which whoever takes it reads further."""

    pattern: str
    example: str
    most: int = 200
    numeric: ClassVar[bool] = False

    def read(self, value: Any, name: str) -> str:
        """Check a value. Raises RefusedError, 400."""
        if not isinstance(value, str) or len(value) > self.most or not re.fullmatch(self.pattern, value):
            raise refuse(name, f"a text such as {self.example}", value, "Write it in this form.")
        return value

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        return {
            "type": "string",
            "maxLength": self.most,
            "pattern": f"^(?:{self.pattern})$",
            "examples": [self.example],
        }


@dataclass(frozen=True)
class Span:
    """A range start:stop, start < stop, as in Python."""

    numeric: ClassVar[bool] = False

    def read(self, value: Any, name: str) -> tuple[int, int]:
        """Check a value. Raises RefusedError, 400."""
        found = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if found is None or int(found[1]) >= int(found[2]):
            raise refuse(name, "a range start:stop with start < stop", value, "0:40 are the first 40.")
        return int(found[1]), int(found[2])

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        return {"type": "string", "pattern": f"^{_SPAN.pattern}$", "examples": ["0:40"]}


@dataclass(frozen=True)
class ListOf:
    """A list of `least` to `most` values of one kind; in JSON only."""

    kind: Kind
    least: int
    most: int
    numeric: ClassVar[bool] = False

    def read(self, value: Any, name: str) -> list[Any]:
        """Check a value. Raises RefusedError, 400."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            got = f"{len(value)} of them" if isinstance(value, list) else f"{value!r:.60}"
            hint = "Send a JSON list."
            raise RefusedError(
                400, text(name, expected=f"a list of {self.least} to {self.most} entries", got=got, hint=hint), name
            )
        return [self.kind.read(entry, f"{name}[{i}]") for i, entry in enumerate(value)]

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        return {"type": "array", "items": self.kind.schema(), "minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True)
class Parameter:
    """A parameter of an endpoint: what it is called, what it takes, and its default, unless it is required."""

    name: str
    kind: Kind
    about: str
    default: Any = None
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """Describe it in JSON Schema, with its default."""
        return self.kind.schema() | ({} if self.default is None else {"default": self.default})


@dataclass(frozen=True)
class Fields:
    """An object of parameters; in JSON only. What is left out takes its default."""

    parameters: tuple[Parameter, ...]
    numeric: ClassVar[bool] = False

    def read(self, value: Any, name: str) -> dict[str, Any]:
        """Read each parameter; a name that is none of them is refused. Raises RefusedError, 400."""
        if not isinstance(value, dict):
            raise refuse(name, "an object", value, 'Write {"name": value, …}.')
        known = {parameter.name: parameter for parameter in self.parameters}
        for given in value:
            if given not in known:
                expected = f"one of {', '.join(known)}" if known else "no parameters"
                raise RefusedError(400, text(name, expected=expected, got=f"{given!r:.60}", hint="Leave it out."), name)
        found = {}
        for given, parameter in known.items():
            if given not in value and parameter.required:
                message = text(given, expected=parameter.about, got="nothing", hint=f"Add {given}.")
                raise RefusedError(400, message, given)
            found[given] = parameter.kind.read(value[given], given) if given in value else parameter.default
        return found

    def schema(self) -> dict[str, Any]:
        """Describe the values in JSON Schema."""
        described: dict[str, Any] = {
            "type": "object",
            "properties": {p.name: p.schema() | {"description": p.about} for p in self.parameters},
            "additionalProperties": False,
        }
        required = [p.name for p in self.parameters if p.required]
        return described | ({"required": required} if required else {})


def from_address(parameters: tuple[Parameter, ...], items: list[tuple[str, str]]) -> dict[str, Any]:
    """Read the parameters of an address. Raises RefusedError for one that is unknown, given twice, missing or wrong."""
    numeric = {parameter.name for parameter in parameters if parameter.kind.numeric}
    values: dict[str, Any] = {}
    for name, content in items:
        if name in values:
            raise _given_twice(name)
        values[name] = _number(content) if name in numeric else content
    return Fields(parameters).read(values, "parameters")


def _number(content: str) -> Any:
    """Read a number as JSON writes it; what is none is left as it is, to be refused by its kind."""
    if not _NUMBER.fullmatch(content):
        return content
    return json.loads(content)


def from_body(parameters: tuple[Parameter, ...], body: bytes) -> dict[str, Any]:
    """Read the parameters of a JSON body. Raises RefusedError for what is no JSON, and as `from_address` does."""
    hint = 'Send an object, such as {"action": "start"}, in UTF-8.'
    try:
        value = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise RefusedError(400, text("body", expected="JSON", got=f"{body[:40]!r}", hint=hint), "body") from None
    return Fields(parameters).read(value, "body")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its entries. Raises RefusedError for a name that stands there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _given_twice(twice)
    return found


def _given_twice(name: str) -> RefusedError:
    return RefusedError(400, text(f"{name:.60}", expected="it once", got="it twice", hint="Leave one out."), name)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
