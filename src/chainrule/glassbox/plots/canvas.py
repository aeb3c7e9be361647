"""Where pictures are drawn: axes, given or new; the colours that all share; matplotlib, which is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ChainruleError, InputError, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

BLUE, ORANGE, GREEN, PURPLE, GREY = "#2a6fbb", "#d9730d", "#00805e", "#7d4fa3", "#6b7280"
"""Told apart by the colour-blind too, and in grey by the styles of the lines."""

DIVERGING = "RdBu_r"
"""Red above 0, blue below, white at 0."""


def axes_for(function: str, ax: Any, size: tuple[float, float]) -> Axes:
    """Give the axes `ax`, or those of a new figure of so many inches. Raises InputError, or ChainruleError."""
    try:
        from matplotlib.axes import Axes
    except ImportError:
        hint = "Install it with: pip install 'chainrule[plots]'."
        what = f"plots.{function}()"
        raise ChainruleError(text(what, expected="matplotlib", got="no such package", hint=hint)) from None
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        hint = "Make one: figure, ax = plt.subplots(); or leave it out."
        raise InputError(text("ax", expected="matplotlib's Axes", got=type(ax).__name__, hint=hint))
    return ax


def centred(*arrays: NDArray[Any]) -> Normalize:
    """From minus to plus the largest magnitude in the arrays, so that 0 is white; NaN is left out."""
    from matplotlib.colors import Normalize

    largest = max((float(np.nanmax(np.abs(a))) for a in arrays if a.size and not np.isnan(a).all()), default=0.0)
    bound = largest or 1.0  # of zeros alone, any
    return Normalize(-bound, bound)


def without_box(ax: Axes) -> None:
    """Leave the left and the lower axis of the four."""
    ax.spines[["top", "right"]].set_visible(False)


def check_names(name: str, given: Any, n: int, hint: str) -> None:
    """See that there are n names, or none. Raises InputError."""
    is_list = not isinstance(given, str) and hasattr(given, "__len__")
    if given is not None and (not is_list or len(given) != n):
        got = f"{len(given)} names" if is_list else repr(given)
        raise InputError(text(name, expected=f"{n} names", got=got, hint=hint))


def is_maths(name: str) -> bool:
    """Whether matplotlib can read what stands between $ and $ in a name; where it can't, the name stands as it is."""
    from matplotlib.mathtext import MathTextParser

    try:
        MathTextParser("path").parse(name)
    except ValueError:
        return False
    return True
