"""What training leaves behind: figures of every epoch, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from chainrule.errors import ChainruleError, text

if TYPE_CHECKING:
    import pandas as pd

Reason = Literal["epochs", "early_stopping", "learning_rate", "converged", "callback", "interrupt", "divergence"]


@dataclass(frozen=True)
class EpochFigures:
    """One row of a History."""

    cost: float
    validation_cost: float | None
    penalty: float
    gradient_norm: float
    learning_rate: float
    seconds: float


@dataclass
class History:
    """Figures of each epoch, in lists of equal length; index 0 is epoch 1.

    Attributes
    ----------
    cost : list of float
        The data cost C (E4), without the penalty, as the epoch's batches gave it, each **before** its update: under
        the mean the average over the epoch's examples (a shorter last batch, or one of small weight, counts less),
        under the sum the total. It is therefore not the cost of the parameters at the end of the epoch, which
        `net.cost(X, Y)` gives. L-BFGS: the cost of the whole set **after** the iteration.
    validation_cost : list of float, or empty without a validation set
        C of the validation set after the epoch, without the penalty.
    penalty : list of float
        λ/2 Σ‖W‖² after the epoch (E29).
    gradient_norm : list of float
        Mean over the epoch's batches of ‖∇C + λW‖₂, the vector that the update rule was given. L-BFGS: its norm
        after the iteration.
    learning_rate : list of float
        η of the epoch's last update; NaN for L-BFGS, whose line search sets the step.
    seconds : list of float
        Wall-clock time of the epoch, validation included.
    stopped : str
        Why training ended: "epochs" (all done), "early_stopping", "learning_rate" (an adaptive rate fell below its
        least), "converged" (L-BFGS), "callback", "interrupt" (Ctrl-C), "divergence".
    message : str
        The same in a sentence.
    restored_epoch : int or None
        The epoch, counted from 1, whose parameters the network has been given back, if any.
    """

    cost: list[float] = field(default_factory=list)
    validation_cost: list[float] = field(default_factory=list)
    penalty: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: Reason = "epochs"
    message: str = ""
    restored_epoch: int | None = None

    def append(self, row: EpochFigures) -> None:
        """Add an epoch's figures."""
        self.cost.append(row.cost)
        if row.validation_cost is not None:
            self.validation_cost.append(row.validation_cost)
        self.penalty.append(row.penalty)
        self.gradient_norm.append(row.gradient_norm)
        self.learning_rate.append(row.learning_rate)
        self.seconds.append(row.seconds)

    @property
    def epochs(self) -> int:
        """Number of epochs that were finished."""
        return len(self.cost)

    @property
    def monitored(self) -> list[float]:
        """What early stopping and an adaptive rate look at: the validation cost, or without one the cost."""
        return self.validation_cost or self.cost

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the lists by name, `epoch` first, `validation_cost` only where there was a validation set."""
        columns: dict[str, list[Any]] = {
            "epoch": list(range(1, self.epochs + 1)),
            "cost": self.cost,
            "validation_cost": self.validation_cost,
            "penalty": self.penalty,
            "gradient_norm": self.gradient_norm,
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
        }
        return {name: list(column) for name, column in columns.items() if name != "validation_cost" or column}

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
