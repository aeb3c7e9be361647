"""Which outputs are differentiated, and the cotangents of z^L that say so (E11)."""

from __future__ import annotations

import operator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.backend import Linearized
from chainrule.engine.network import Network
from chainrule.errors import InputError, text, unknown_name

Of = Literal["a", "z"]
"""What is differentiated: the outputs a^L, or z^L, before the output activation."""

_A = NDArray[Any]


def read_of(of: Any) -> Of:
    """Read `of`. Raises InputError."""
    known: dict[str, Of] = {"a": "a", "z": "z"}
    if isinstance(of, str) and of in known:
        return known[of]
    raise unknown_name("of", of, known)


def read_output(net: Network, output: Any) -> int:
    """Read the number of an output, 0 to n_L − 1. Raises InputError."""
    try:
        o = operator.index(output)
    except TypeError:
        o = -1
    if not 0 <= o < net.sizes[-1]:
        hint = "Outputs are counted from 0."
        expected = f"a whole number 0 to {net.sizes[-1] - 1}"
        raise InputError(text("output", expected=expected, got=repr(output), hint=hint))
    return o


def one_hot(net: Network, m: int, output: int) -> _A:
    """The cotangent of one output, (m, n_L): [j = o]."""
    chosen = np.zeros((m, net.sizes[-1]), dtype=net.dtype)
    chosen[:, output] = 1
    return chosen


def seeds(net: Network, Z: _A, da: _A, of: Of) -> _A:
    """δ^L for a cotangent of a^L or of z^L, (m, n_L), or for S of them, (S, m, n_L): what (E11) begins with."""
    if of == "z":
        return da
    rows = Z if da.ndim == 2 else np.tile(Z, (len(da), 1))
    found: _A = net.plan.activation(net.L).vjp(rows, da.reshape(rows.shape))
    return found.reshape(da.shape)


def to_input(at: Linearized, delta_L: _A) -> _A:
    """(E6) and (E9) down to X of one cotangent, (m, n_0)."""
    x: _A = at.pull(delta_L[np.newaxis]).inputs()[:, 0]
    return x
