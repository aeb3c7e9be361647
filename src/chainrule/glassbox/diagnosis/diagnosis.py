"""`cr.diagnose`: what went wrong in a network, or in its training, layer by layer and unit by unit."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.derivatives.examples import MAX_MEMORY, Examples
from chainrule.engine.network import Network
from chainrule.engine.plan import ByLayer
from chainrule.engine.reference import Run
from chainrule.errors import InputError, text
from chainrule.glassbox.diagnosis import findings, replay
from chainrule.glassbox.diagnosis.findings import Finding
from chainrule.glassbox.diagnosis.health import LayerHealth, LayerTally
from chainrule.glassbox.diagnosis.one_unit import why
from chainrule.glassbox.diagnosis.overflow import Overflow, described, explained, remedy
from chainrule.glassbox.diagnosis.retraining import DivergedStep, diverged_step
from chainrule.maths.intervals import Interval
from chainrule.maths.settings import real_number
from chainrule.training.progress.history import History

_WIDTH = 100
_STAYED_FINITE = (
    "The training was replayed from the network's parameters, and every number stayed finite. What an optimizer "
    "remembered of earlier steps is not replayed, nor is a validation set."
)
_RANGES = {
    "saturated_slope": Interval(0, 1),
    "saturated_rows": Interval(0, 1, closed_high=True),
    "vanishing": Interval(0, 1),
    "exploding": Interval(1),
}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `cr.diagnose` found; `print(diagnosis)` says it.

    Attributes
    ----------
    network : str
        The network in a line.
    rows : int
    findings : tuple of Finding
        What is wrong, the gravest first; empty where nothing is.
    layers : mapping from layer number to LayerHealth
        Empty where a parameter is not finite, with which no pass is worth looking at.
    overflow : Overflow or None
        The first number that the network's dtype doesn't hold.
    note : str
        What became of the training that was to be replayed; empty without one.
    """

    network: str
    rows: int
    findings: tuple[Finding, ...]
    layers: ByLayer[LayerHealth]
    overflow: Overflow | None
    note: str
    _net: Network = field(repr=False)

    def why(self, layer: int, unit: int) -> str:
        """Say how one unit fares, and what makes it so.

        Parameters
        ----------
        layer : int
            1..L.
        unit : int
            Counted from 0.

        Raises
        ------
        InputError
            For a layer or a unit that doesn't exist.

        Examples
        --------
        >>> import numpy as np, chainrule as cr, textwrap
        >>> net = cr.Network([2, 3, 1], ["relu", "identity"], dtype="float64")
        >>> net.b[1][2] = -50
        >>> print(textwrap.fill(cr.diagnose(net, np.eye(2), [0.0, 1.0]).why(1, 2), 107))
        unit 2 of layer 1 (relu) is dead: its slope g'(z) is 0 in all 2 rows, where z lies between -51 and -49.1
        (E1) and a is 0 (E2); so δ = 0 (E6), and the weights into it never change (E7). Its bias, -50, alone keeps
        it there.
        """
        return why(self._net, self.layers, layer, unit)

    def __str__(self) -> str:
        count = {0: "nothing is wrong", 1: "1 finding"}.get(len(self.findings), f"{len(self.findings)} findings")
        lines = [f"{self.network}, {self.rows:,} row{'s' if self.rows > 1 else ''}: {count}"]
        lines += findings.table(self.layers)
        if self.note:
            lines += ["", *textwrap.wrap(self.note, _WIDTH)]
        for number, finding in enumerate(self.findings, start=1):
            begin = f"{number}. "
            indent = " " * len(begin)
            lines += ["", *textwrap.wrap(finding.text, _WIDTH, initial_indent=begin, subsequent_indent=indent)]
            lines += textwrap.wrap(
                finding.remedy, _WIDTH, initial_indent=f"{indent}→ ", subsequent_indent=f"{indent}  "
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it, with None for a number that is not finite."""
        return {
            "network": self.network,
            "rows": self.rows,
            "findings": [finding.to_dict() for finding in self.findings],
            "layers": [layer.to_dict() for layer in self.layers.values()],
            "overflow": None if self.overflow is None else self.overflow.to_dict(),
            "note": self.note,
        }


def diagnose(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    training: Mapping[str, Any] | None = None,
    history: History | None = None,
    saturated_slope: float = 0.01,
    saturated_rows: float = 0.99,
    vanishing: float = 1e-3,
    exploding: float = 1e3,
    max_memory: int = MAX_MEMORY,
) -> Diagnosis:
    """Name dead and saturated units, δ that vanishes or explodes, and the first number that the dtype doesn't hold.

    A unit is dead where its slope g'(z) is 0 in every row, saturated where it is small in nearly all. δ is looked at by
    layer, as the root of the mean of its squares over rows and units. Where a number of a step over all rows, (E1) to
    (E8), is not finite in the network's dtype, the step is replayed in float64 by the reference, and the first number
    in the order of (E15) whose magnitude passes the dtype's largest is named: equation, layer, unit, row and value.

    After `cr.train` has diverged, the network has the last finite parameters: give `training` and `history` too, and
    the steps are taken again, on a copy, up to the one that is not finite; its batch is what is replayed.

    Parameters
    ----------
    net : Network
        It is not changed.
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    training : mapping, optional
        The arguments that `cr.train` was given, such as {"optimizer": "sgd", "learning_rate": 0.5}; the others have its
        defaults. Those that change no step are not looked at: early_stopping, callbacks, validation, n_threads and
        verbose.
    history : History, optional
        What `cr.train` returned. The epochs that made the network's parameters are then counted, and their orders of
        examples gone through, so that gradient descent takes the very steps again, but for rounding. What another rule
        remembers from step to step begins anew; and where `seed` was None or a Generator, the orders are others.
    saturated_slope : float
        A slope is small where |g'(z)| is under this part of the largest |g'(z)| for |z| ≤ 1. Between 0 and 1.
    saturated_rows : float
        In which part of the rows it has to be small. Above 0, at most 1.
    vanishing, exploding : float
        δ^ℓ vanishes where its root mean square is under this multiple of δ^L's, between 0 and 1, and explodes where it
        is over the other, above 1.
    max_memory : int
        Bytes of workspace at most, beside some vectors like θ.

    Returns
    -------
    Diagnosis
        `findings`, `layers[1..L]`, `overflow`, `why(layer, unit)`; `print(diagnosis)` says it all, `to_dict()` gives it
        as JSON has it. Units whose slope is no factor of δ, those of the output in a matched pair (E5′), are neither
        dead nor saturated. Where an activation couples its units, as softmax does, ‖∂a/∂z_k‖₂ takes the place of
        |g'(z_k)|, at the price of n_ℓ products with ∂a/∂z.

    Raises
    ------
    InputError
        For a bad X or Y, a setting out of its range, arguments that `cr.train` refuses, L-BFGS, whose line search
        takes no single steps, and a budget in which not even one example is worked.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> X = np.random.default_rng(0).standard_normal((50, 4))
    >>> net = cr.Network([4, 6, 1], ["relu", "identity"], dtype="float64", seed=1)
    >>> net.b[1][3] = -100
    >>> found = cr.diagnose(net, X, X[:, 0])
    >>> [(finding.kind, finding.layer, finding.units) for finding in found.findings]
    [('dead', 1, (3,))]
    >>> net.W[1][2, 5] = 1e308
    >>> print(cr.diagnose(net, 1e9 * X, X[:, 0]).overflow.name)
    z of unit 5 of layer 1 in row 0

    Source: 001, 002 (the order of a step); (E15).
    """
    settings = {
        "saturated_slope": saturated_slope,
        "saturated_rows": saturated_rows,
        "vanishing": vanishing,
        "exploding": exploding,
    }
    numbers = {name: _setting(name, value) for name, value in settings.items()}
    if history is not None and training is None:
        hint = 'Write training={"optimizer": "sgd", "learning_rate": 0.1}, as cr.train was called.'
        raise InputError(text("history", expected="training beside it", got="no training", hint=hint))
    examples = Examples.with_targets(net, X, Y)
    plan = net.plan
    limit = float(np.finfo(net.dtype).max)
    layers: dict[int, LayerHealth] = {}
    found: list[Finding] = []
    note = ""
    norms: tuple[float, ...] = ()
    with np.errstate(all="ignore"):
        overflow = _of_parameters(net, limit)
        if overflow is None:
            step = None if training is None else diverged_step(net, X, Y, training, history)
            layers, x_high, first = _looked_through(examples, limit, max_memory, numbers)
            found = findings.of_layers(net, layers, x_high, numbers["vanishing"], numbers["exploding"])
            if step is not None:
                overflow, norms = _of_step(step, limit, max_memory), step.norms
            elif first is not None:
                overflow = _located(examples, first, limit, max_memory)
            if training is not None and step is None:
                note = _STAYED_FINITE
    if overflow is not None:
        found.insert(0, findings.of_overflow(overflow, norms))
    return Diagnosis(
        f"Network {'-'.join(map(str, net.sizes))}, {plan.dtype}, cost {plan.cost.name}",
        len(examples),
        tuple(found),
        ByLayer("layers", layers),
        overflow,
        note,
        net.copy(),
    )


def _setting(name: str, value: Any) -> float:
    number = real_number(value)
    if number is None or not _RANGES[name].contains(number):
        hint = "Leave it out for the default."
        raise InputError(text(name, expected=f"a number in {_RANGES[name]}", got=repr(value), hint=hint))
    return number


def _looked_through(
    examples: Examples, limit: float, max_memory: int, numbers: Mapping[str, float]
) -> tuple[dict[int, LayerHealth], NDArray[Any], replay.Beyond | None]:
    """Give how each layer fares, the largest |x| of each column, and the first number that isn't finite."""
    plan = examples.net.plan
    tallies = {layer: LayerTally(plan, layer, numbers["saturated_slope"]) for layer in plan.layers}
    x_high = np.zeros(plan.sizes[0])

    def observe(run: Run, delta: ByLayer[NDArray[Any]]) -> None:
        np.fmax(x_high, np.abs(run.a[0]).max(axis=0), out=x_high)
        for layer, tally in tallies.items():
            tally.add(run.z[layer], run.a[layer], delta[layer])

    first = replay.first_beyond(examples, limit, max_memory, observe)
    above = {layer: tallies[layer + 1].rms() for layer in range(1, plan.L)}
    layers = {layer: tally.health(numbers["saturated_rows"], above.get(layer)) for layer, tally in tallies.items()}
    return layers, x_high, first


def _of_parameters(net: Network, limit: float) -> Overflow | None:
    found = replay.parameter_beyond(net.plan, net.parameters, limit)
    if found is None:
        return None
    overflow = described(found, limit, net.plan.dtype)
    return replace(overflow, remedy=remedy(overflow, net.plan))


def _located(examples: Examples, first: replay.Beyond, limit: float, max_memory: int) -> Overflow:
    """Replay in float64 a step of which `first` is the first number that isn't finite in the network's dtype."""
    wide = replay.in_float64(examples)
    found = replay.first_beyond(wide, limit, max_memory)
    if found is None:  # numbers on the way to one are larger than itself
        found = replace(first, value=replay.value_of(wide, first, max_memory))
    return _in_a_row(wide, found, limit, examples.net.plan.dtype, max_memory)


def _in_a_row(wide: Examples, found: replay.Beyond, limit: float, dtype: str, max_memory: int) -> Overflow:
    row = replay.heaviest_row(wide, found, max_memory) if found.row is None else found.row
    return explained(replace(described(found, limit, dtype), row=row), wide, row)


def _of_step(step: DivergedStep, limit: float, max_memory: int) -> Overflow:
    """Say what is the first number of a step of training that isn't finite."""
    examples = step.examples
    plan = examples.net.plan
    if step.after:
        found = next(filter(None, (replay.parameter_beyond(plan, after, limit) for after in step.after)))
        overflow = described(found, limit, plan.dtype)
        parts = {"η": step.learning_rate}
    else:
        first = replay.first_beyond(examples, limit, max_memory)
        if first is not None:
            overflow = _located(examples, first, limit, max_memory)
        else:  # the update rule squares the gradient
            wide = replay.in_float64(examples)
            found = replay.largest_of_gradient(wide, step.penalty, max_memory)
            overflow = _in_a_row(wide, found, float(np.sqrt(limit)), plan.dtype, max_memory)
        overflow = replace(overflow, row=None if overflow.row is None else int(step.rows[overflow.row]))
        parts = dict(overflow.parts)
    overflow = replace(overflow, parts=parts, epoch=step.epoch, step=step.step)
    return replace(overflow, remedy=remedy(overflow, plan, step.learning_rate))
