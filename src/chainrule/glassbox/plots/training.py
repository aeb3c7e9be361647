"""Training as curves: what a History holds, by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import InputError, text, unknown_name
from chainrule.glassbox.plots.canvas import BLUE, GREEN, GREY, ORANGE, PURPLE, axes_for, without_box
from chainrule.training.progress.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVES = {  # name: label alone, label with a validation set or other curves, colour, style
    "cost": ("cost $C$ (E4)", "cost $C$, training", BLUE, "-"),
    "validation_cost": ("validation cost $C$ (E4)", "cost $C$, validation", ORANGE, "-"),
    "penalty": (r"penalty $\frac{\lambda}{2}\sum\Vert W\Vert^2$ (E29)", "", GREEN, "--"),
    "gradient_norm": (r"gradient norm $\Vert\nabla C\Vert_2$ (E10)", "", PURPLE, "-."),
    "learning_rate": (r"learning rate $\eta$ (E16)", "", GREY, ":"),
}
_OUTSIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}  # where many curves leave no room
_ENDS = {
    "early_stopping": "stopped early",
    "learning_rate": "stopped: learning rate at its least",
    "converged": "converged",
    "callback": "stopped by a callback",
    "time": "stopped by max_time",
    "error": "stopped by an error",
    "interrupt": "interrupted",
}


def history(history: History, what: str | Sequence[str] = ("cost",), *, ax: Axes | None = None) -> Axes:
    """Draw a training's figures by epoch: cost and validation cost, the epoch restored, how it ended.

    The axis is logarithmic unless a figure is below 0, as a Poisson cost can be; figures that are 0 have no place on it
    and leave a gap. A dot marks the epoch whose parameters the network has been given back. An end other than
    that of all epochs is named: early stopping, divergence (in the epoch after the last finished one), Ctrl-C.

    Parameters
    ----------
    history : History
        What `train` returned.
    what : name, or sequence of names
        Of "cost" (with the validation cost, where there is one), "validation_cost" (alone), "penalty",
        "gradient_norm", "learning_rate".
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        Each figure is one of its `lines`, labelled by its name with `get_gid`.

    Raises
    ------
    InputError
        For what is no History, or one without a finished epoch; for a name that is none of these, or whose figures
        this training doesn't have.
    ChainruleError
        Without matplotlib.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.glassbox import plots
    >>> net = cr.Network([1, 1], activations="identity")
    >>> trained = cr.train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=3, verbose=0)
    >>> ax = plots.history(trained)
    >>> ax.lines[0].get_xdata().tolist(), ax.lines[0].get_ydata().tolist() == trained.cost
    ([1, 2, 3], True)
    """
    curves = _curves(history, what)
    ax = axes_for("history", ax, (5.6, 3.4))
    epochs = np.arange(1, history.epochs + 1)
    marker = "." if history.epochs <= 25 else None
    several = len(curves) > 1
    for name, values in curves.items():
        alone, beside, colour, style = _CURVES[name]
        label = beside if several and beside else alone
        ax.plot(epochs, values, style, color=colour, linewidth=1.6, marker=marker, label=label, gid=name)
    ax.set_xlabel("epoch")
    drawn = np.concatenate(list(curves.values()))
    drawn = drawn[np.isfinite(drawn)]
    if (drawn >= 0).all():
        ax.set_yscale("log", nonpositive="mask")
    _mark_end(ax, history, curves)
    ax.set_xlim(left=0.5)  # last: from here on nothing widens the axis
    if several:
        ax.legend(frameon=False, fontsize="small", **(_OUTSIDE if len(curves) > 2 else {}))
    if curves.keys() <= {"cost", "validation_cost"} or not several:
        ax.set_ylabel(_CURVES[next(iter(curves))][0])
    ax.locator_params(axis="x", integer=True)
    ax.grid(axis="y", color=GREY, alpha=0.18, linewidth=0.6)
    without_box(ax)
    return ax


def _check_history(history: Any) -> None:
    if not isinstance(history, History):
        hint = "It is what cr.train returns."
        raise InputError(text("history", expected="a cr.History", got=type(history).__name__, hint=hint))


def _curves(history: Any, what: Any) -> dict[str, np.ndarray[Any, Any]]:
    _check_history(history)
    if history.epochs == 0:
        hint = "There is nothing to draw; history.message says why."
        raise InputError(text("history", expected="at least one finished epoch", got="none", hint=hint))
    if not isinstance(what, Sequence):
        raise unknown_name("what", what, _CURVES)
    names = [what] if isinstance(what, str) else list(what)
    if not names:
        hint = "The default is ('cost',)."
        raise InputError(text("what", expected="at least one name", got="none", hint=hint))
    found = {}
    for name in names:
        if name not in _CURVES:
            raise unknown_name("what", name, _CURVES)
        values = np.array(getattr(history, name), dtype=float)
        if len(values) == 0 or not (np.nan_to_num(values) != 0).any():
            absent = "none" if len(values) == 0 else "no number but 0 and NaN"
            hint = f"{name!r} was not part of this training: leave it out."
            raise InputError(text(f"what: {name}", expected="figures to draw", got=absent, hint=hint))
        found[name] = values
        if name == "cost" and history.validation_cost:
            found["validation_cost"] = np.array(history.validation_cost)
    return found


def _mark_end(ax: Axes, history: History, curves: dict[str, np.ndarray[Any, Any]]) -> None:
    restored = history.restored_epoch
    if restored is not None:
        monitored = "validation_cost" if "validation_cost" in curves else next(iter(curves))
        value = curves[monitored][restored - 1]
        colour = _CURVES[monitored][2]
        ax.axvline(restored, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        ax.plot([restored], [value], "o", color=colour, markeredgecolor="white", ms=7, gid="restored")
        late = restored > history.epochs / 2
        ax.annotate(
            f"restored: epoch {restored}", (restored, 1), (-5 if late else 5, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="right" if late else "left", va="top", fontsize="small", color=GREY,
        )  # fmt: skip
    if history.stopped == "divergence":
        last = history.epochs + 1
        ax.axvspan(history.epochs, last, color=ORANGE, alpha=0.18, linewidth=0)
        ax.set_title(f"diverged in epoch {last}", color=ORANGE, fontsize="medium", loc="right")
    elif history.stopped in _ENDS:
        title = f"{_ENDS[history.stopped]} after epoch {history.epochs}"
        ax.set_title(title, color=GREY, fontsize="medium", loc="right")


def range_test(history: History, *, ax: Axes | None = None) -> Axes:
    """Draw the range test of `cr.train(learning_rate="find")` (E72): cost against learning rate, and the rate chosen.

    Dots are the costs of the test's batches, the line is what they are smoothed to. The axis of the costs ends a little
    above where the test began: beyond, the cost grows out of bounds.

    Parameters
    ----------
    history : History
        What `train` returned.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        Its `lines` are labelled by `get_gid`: "costs", "smoothed", "chosen".

    Raises
    ------
    InputError
        For what is no History, or one of a training that made no range test.
    ChainruleError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule.glassbox import plots
    >>> X = np.linspace(-3, 3, 200)[:, np.newaxis]
    >>> net = cr.Network([1, 10, 1], ["tanh", "identity"], seed=1)
    >>> trained = cr.train(net, X, np.sin(X), learning_rate="find", epochs=1, verbose=0)
    >>> ax = plots.range_test(trained)
    >>> [line.get_gid() for line in ax.lines], float(ax.lines[2].get_xdata()[0]) == trained.rate_search.chosen
    (['costs', 'smoothed', 'chosen'], True)
    """
    _check_history(history)
    found = history.rate_search
    if found is None:
        hint = 'Train with learning_rate="find".'
        raise InputError(text("history.rate_search", expected="a range test", got="none", hint=hint))
    ax = axes_for("range_test", ax, (5.6, 3.4))
    ax.plot(found.rates, found.costs, ".", color=GREY, alpha=0.45, ms=4, label="of a batch", gid="costs")
    ax.plot(found.rates, found.smoothed, color=BLUE, linewidth=1.6, label="smoothed", gid="smoothed")
    ax.axvline(found.chosen, color=ORANGE, linewidth=1.2, linestyle="--", label="chosen", gid="chosen")
    ax.set_xscale("log")
    ax.set_xlim(found.rates[0], found.rates[-1])
    least, begin = min(found.costs), max(found.costs[:20])
    ax.set_ylim(least - 0.1 * (begin - least), begin + 0.4 * (begin - least))
    ax.annotate(
        rf"chosen: $\eta$ = {found.chosen:.2g}", (found.chosen, 1), (-5, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right", va="top", fontsize="small", color=ORANGE,
    )  # fmt: skip
    ax.set_xlabel(r"learning rate $\eta$ of the step")
    ax.set_ylabel("cost $C$ (E4) before it")
    ax.legend(handles=ax.lines[:2], frameon=False, fontsize="small", loc="lower left")
    ax.grid(axis="y", color=GREY, alpha=0.18, linewidth=0.6)
    without_box(ax)
    return ax
