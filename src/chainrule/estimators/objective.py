"""scikit-learn's objective, where its formulas are not those of (E4) and (E29).

One step lowers Σ w_i C_i/Σ w_i + α/(2 Σ w_i) Σ W², both sums over the examples **of the batch**: the penalty is divided
by the batch's weight, and each batch is averaged by itself. `cr.train` follows the equations instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.inputs import row_blocks
from chainrule.engine.network import Network
from chainrule.maths.penalties import l2_of
from chainrule.training.examples.batches import Batches, DataSet
from chainrule.training.minibatches.steps import Course, Taken


@dataclass(frozen=True)
class Objective:
    """What one step lowers, for `net` with the α of scikit-learn, and how the loss is shown.

    `share` multiplies C: scikit-learn shows half the *mean* squared error over outputs, and descends the sum.
    `deviance` takes off what the cost is at a = y, so that poisson is half the Poisson deviance, 0 at its best.
    """

    net: Network
    alpha: float
    share: float = 1.0
    deviance: bool = False

    def penalty(self, total: float) -> float:
        """Give the λ of (E29) for examples of this total weight."""
        return self.alpha / total

    def course(self, batches: Batches, rate: float) -> Course:
        """Give what the steps of an epoch are to be, with one η for all."""
        n_steps = len(batches)
        return Course(batches, np.full(n_steps, rate), self.alpha / batches.masses, np.ones(n_steps))

    def losses(self, course: Course, taken: Taken, least: NDArray[Any] | None, data: DataSet) -> NDArray[np.float64]:
        """Give the loss of each batch before its step, as scikit-learn shows it; `least` is from `least(data)`."""
        batches = course.batches
        losses = self.share * taken.costs
        if self.alpha:
            losses += l2_of(taken.squares, course.penalties)
        if least is not None:
            counted = least[batches.rows] if data.weights is None else (least * data.weights)[batches.rows]
            losses -= np.add.reduceat(counted, batches.bounds[:-1]) / batches.masses
        return losses

    def least(self, data: DataSet) -> NDArray[np.float64] | None:
        """Give what each row of X costs at its best, a = y, (m,), where the loss is a deviance; else None."""
        if not self.deviance:
            return None
        least = np.zeros(len(data.targets.values))
        for some in row_blocks(len(data)):
            rows = data.rows[some]
            Y = data.targets.rows(rows)
            least[rows] = self.net.cost_function.value(Y, Y)
        return least

    def shown(self, cost: float, Y: NDArray[Any], weights: NDArray[Any] | None) -> float:
        """Give C of some examples as scikit-learn shows it, without the penalty; Y is (m, n_L)."""
        if not self.deviance:
            return self.share * cost
        least = np.average(self.net.cost_function.value(Y, Y), weights=weights)
        return self.share * cost - float(least)

    def shown_of(self, cost: float, data: DataSet) -> float:
        """`shown` for a whole set; its targets are looked at only where they count."""
        weights = None if data.weights is None else data.weights[data.rows]
        return self.shown(cost, data.targets.rows(data.rows if self.deviance else data.rows[:0]), weights)
