"""What training leaves behind: figures of every epoch, and why it ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from chainrule.errors import ChainruleError, text, unknown_name

if TYPE_CHECKING:
    import pandas as pd


Reason = Literal[
    "epochs", "early_stopping", "learning_rate", "converged", "callback", "time", "interrupt", "divergence", "error"
]
Evaluations = Mapping[str, Mapping[str, float]]
"""Of each evaluation set by name: its cost as "cost", and the user's metrics by theirs."""


@dataclass(frozen=True)
class EpochFigures:
    """One row of a History."""

    cost: float
    penalty: float
    gradient_norm: float
    learning_rate: float
    seconds: float
    damping: float = math.nan
    evaluations: Evaluations = field(default_factory=dict)


@dataclass(frozen=True)
class RateSearch:
    """What a range test (E72) found.

    Attributes
    ----------
    rates : list of float
        η of each step, as far as the test went.
    costs : list of float
        C of each step's batch, before the step.
    smoothed : list of float
        ŝ of (E72).
    chosen : float
        The learning rate to train with: an eighth of the rate at which `smoothed` is least.
    exploded : bool
        Whether the test ended before its largest rate, because the cost had grown out of bounds.
    seconds : float
        How long it took; no epoch's `History.seconds` has them.
    """

    rates: list[float]
    costs: list[float]
    smoothed: list[float]
    chosen: float
    exploded: bool
    seconds: float = field(compare=False)


@dataclass
class History:
    """Figures of each epoch, in lists of equal length; index 0 is epoch 1.

    Attributes
    ----------
    cost : list of float
        The data cost C (E4), without the penalty, as the epoch's batches gave it, each **before** its update: under
        the mean the average over the epoch's examples (a shorter last batch, or one of small weight, counts less),
        under the sum the total. It is therefore not the cost of the parameters at the end of the epoch, which
        `net.cost(X, Y)` gives. Solvers of the whole set: its cost **after** the step.
    validation_cost : list of float, or empty without a validation set
        C of the validation set after the epoch, without the penalty; of several sets, that of the first.
    evaluations : {set: {"cost" or metric: list of float}}
        The same of every set that `validation` names ("validation" is one without a name), and `metrics` on them.
    penalty : list of float
        λ/2 Σ‖W‖² + λ₁ Σ|W| after the epoch (E29, E52).
    gradient_norm : list of float
        Mean over the epoch's batches of ‖∇C + λW‖₂, the vector that the update rule was given. Solvers of the
        whole set: its norm after the step.
    learning_rate : list of float
        η of the epoch's last update; NaN for solvers of the whole set, which set the step themselves.
    damping : list of float
        Of solvers that adapt one (E64, E66), after the epoch; NaN for others.
    seconds : list of float
        Wall-clock time of the epoch, validation included.
    stopped : str
        Why training ended: "epochs" (all done), "early_stopping", "learning_rate" (an adaptive rate fell below its
        least), "converged" (the solver's own test), "callback", "time" (`max_time` is over), "interrupt" (Ctrl-C),
        "divergence", "error" (an exception, whose attribute `history` this is).
    message : str
        The same in a sentence.
    restored_epoch : int or None
        The epoch, counted from 1, whose parameters the network has been given back, if any.
    choice : str
        What optimizer="auto" has chosen, and why; else empty.
    rate_search : RateSearch or None
        What learning_rate="find" has found (E72).
    """

    cost: list[float] = field(default_factory=list)
    penalty: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    damping: list[float] = field(default_factory=list)
    evaluations: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    stopped: Reason = "epochs"
    message: str = ""
    restored_epoch: int | None = None
    choice: str = ""
    rate_search: RateSearch | None = None

    @classmethod
    def of(cls, sets: Iterable[str], figures: Iterable[str]) -> History:
        """Begin one: these figures are known of each set after every epoch."""
        names = list(figures)
        return cls(evaluations={name: {figure: [] for figure in names} for name in sets})

    def append(self, row: EpochFigures) -> None:
        """Add an epoch's figures."""
        for name in ("cost", "penalty", "gradient_norm", "learning_rate", "seconds", "damping"):
            getattr(self, name).append(getattr(row, name))
        for name, figures in row.evaluations.items():
            for figure, value in figures.items():
                self.evaluations.setdefault(name, {}).setdefault(figure, []).append(value)

    @property
    def epochs(self) -> int:
        """Number of epochs that were finished."""
        return len(self.cost)

    @property
    def validation_cost(self) -> list[float]:
        """C of the validation set, of the first of several, after each epoch; empty without one."""
        return next((figures["cost"] for figures in self.evaluations.values()), [])

    @property
    def monitored(self) -> list[float]:
        """What early stopping and an adaptive rate look at: the validation cost, or without one the cost."""
        return self.validation_cost if self.evaluations else self.cost

    def figure(self, name: str, what: str = "figure") -> list[float]:
        """Give a column of `to_dict`, also the validation cost as "validation/cost". Raises InputError about `what`.

        >>> import chainrule as cr
        >>> net = cr.Network([1, 1], activations="identity", initializer="zeros")
        >>> data = ([[0.0], [1.0]], [0.0, 1.0])
        >>> history = cr.train(net, *data, epochs=1, validation={"all": data}, learning_rate=1e-9, verbose=0)
        >>> [round(cost, 6) for cost in history.figure("all/cost")]
        [0.5]
        """
        columns = self._columns()
        if name == "validation/cost":
            name = "validation_cost"
        if name not in columns:
            raise unknown_name(what, name, columns)
        return columns[name]

    def _columns(self) -> dict[str, list[float]]:
        of_sets = {
            "validation_cost" if (name, figure) == ("validation", "cost") else f"{name}/{figure}": values
            for name, figures in self.evaluations.items()
            for figure, values in figures.items()
        }
        columns = {
            "cost": self.cost,
            **of_sets,
            "penalty": self.penalty,
            "gradient_norm": self.gradient_norm,
            "learning_rate": self.learning_rate,
        }
        if any(map(math.isfinite, self.damping)):
            columns["damping"] = self.damping
        return columns | {"seconds": self.seconds}

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the lists by name, `epoch` first.

        A figure of a set is called "set/figure", as in "test/cost" and "validation/accuracy"; the cost of a validation
        set without a name is `validation_cost`. `damping` is there where a solver has one.
        """
        columns = {name: list(values) for name, values in self._columns().items()}
        return {"epoch": list(range(1, self.epochs + 1)), **columns}

    def row(self, epoch: int) -> dict[str, float]:
        """Give the figures of one epoch, counted from 1, by the names of `to_dict`."""
        return {"epoch": epoch} | {name: values[epoch - 1] for name, values in self._columns().items()}

    def to_pandas(self) -> pd.DataFrame:
        """Give a table with one row per epoch, indexed by epoch from 1. Needs pandas (an extra).

        >>> import chainrule as cr
        >>> net = cr.Network([1, 1], activations="identity")
        >>> history = cr.train(net, [[0.0], [1.0]], [0.0, 1.0], epochs=2, verbose=0)
        >>> list(history.to_pandas().columns)
        ['cost', 'penalty', 'gradient_norm', 'learning_rate', 'seconds']
        """
        try:
            import pandas as pd
        except ImportError:
            hint = "Install it with: pip install 'chainrule[pandas]', or use to_dict()."
            raise ChainruleError(text("to_pandas()", expected="pandas", got="no such package", hint=hint)) from None
        columns = self.to_dict()
        index = pd.Index(columns.pop("epoch"), name="epoch")
        return pd.DataFrame(columns, index=index)
