"""What the API answers: JSON that has no NaN in it, files, and refusals with a status."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, text

STATUSES = {
    400: "something in the request is not as expected",
    403: "the token is missing or wrong, or the request comes from another page",
    404: "no such row, layer, unit or address",
    405: "the address takes another method",
    409: "the network has changed since, or training is running",
    413: "the body is too large",
    421: "the request was sent to another host",
    500: "an error of the explorer's own",
}


class RefusedError(ChainruleError):
    """A request that is not met: status, message, and the field that it is about."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


@dataclass(frozen=True)
class File:
    """A file to be saved by the browser."""

    content: bytes
    name: str
    media_type: str


def not_there(field: str, expected: str, got: object, hint: str) -> RefusedError:
    """Make the refusal of a row, layer or unit that doesn't exist: 404."""
    return RefusedError(404, text(field, expected=expected, got=str(got), hint=hint), field)


def error(message: str, field: str | None = None) -> bytes:
    """Write what every refusal has as its body."""
    return encoded({"error": {"message": message, "field": field}})


def encoded(answer: Any) -> bytes:
    """Write JSON, numpy's arrays and numbers as lists and numbers, null for a number that JSON can't write.

    >>> encoded({"a": np.array([1.5, np.nan])})
    b'{"a":[1.5,null]}'
    """
    try:
        content = json.dumps(answer, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain)
    except ValueError:  # a NaN or an infinity: written as Python writes them, and read again as null
        finite = json.loads(json.dumps(answer, default=_plain), parse_constant=lambda _: None)
        content = json.dumps(finite, ensure_ascii=False, separators=(",", ":"))
    return content.encode(errors="replace")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON")
