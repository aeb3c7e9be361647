"""What an endpoint is: an address, its parameters, who answers, and what the answer looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chainrule.explorer.material import PARTS
from chainrule.explorer.parameters import Choice, Parameter, Whole
from chainrule.explorer.session import Now, Session


@dataclass(frozen=True)
class Asked:
    """A request whose parameters are read: the session, the network and data as they were then, and the values."""

    session: Session
    now: Now
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


@dataclass(frozen=True)
class Endpoint:
    """One address of the API. `returns` names the entries of its JSON object and their types; a text is a file's type.

    Types are those of JSON Schema, with "[]" for an array and "|null" where there may be none.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: Callable[[Asked], Any]
    returns: Mapping[str, str] | str
    parameters: tuple[Parameter, ...] = ()


PART_AND_ROW = (
    Parameter("part", Choice(PARTS), "which rows", required=True),
    Parameter("row", Whole(), "the row, from 0 within the part", required=True),
)
LAYER = Parameter("layer", Whole(), "the layer's number; 0 is the input", required=True)
VERSION = Parameter("version", Whole(), "the version that the client has seen; 409 if there is a later one")
