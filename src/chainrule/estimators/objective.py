"""scikit-learn's objective, where its formulas are not those of (E4) and (E29).

One step lowers Σ w_i C_i/Σ w_i + α/(2 Σ w_i) Σ W², both sums over the examples **of the batch**: the penalty is divided
by the batch's weight, and each batch is averaged by itself. `cr.train` follows the equations instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.maths.penalties import l2, l2_gradient
from chainrule.training.batches import Batch, DataSet, mass


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

    def value_and_gradient(self, parameters: NDArray[Any], batch: Batch) -> tuple[float, NDArray[Any]]:
        """Give the loss of a batch as scikit-learn shows it, and the gradient, (|θ|,), that it descends."""
        plan = self.net.plan
        X, Y, weights = batch
        cost, gradient = self.net.engine.value_and_gradient(plan, parameters, X, Y, weights)
        loss, flat = self.shown(float(cost), Y, weights), gradient.flat
        if self.alpha:
            strength = self.penalty(mass(batch))
            loss += float(l2(parameters, plan.is_weight, strength))
            flat = flat + l2_gradient(parameters, plan.is_weight, strength)
        return loss, flat

    def penalty(self, total: float) -> float:
        """Give the λ of (E29) for examples of this total weight."""
        return self.alpha / total

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
