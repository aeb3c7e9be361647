"""L-BFGS (E30): SciPy's L-BFGS-B without bounds, on the whole set and the flat θ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.threads import one_of_libraries
from chainrule.errors import InputError, text
from chainrule.maths.intervals import NOT_NEGATIVE
from chainrule.maths.settings import settle
from chainrule.training.examples.batches import DataSet
from chainrule.training.progress.history import Reason
from chainrule.training.progress.progressed import Progressed
from chainrule.training.whole_set.objective import Point, WholeSet

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (E30): θ ← θ − αH∇C, H from the last steps and gradient changes (Liu and Nocedal 1989).

    One iteration for each epoch, on the whole set; α from a line search that satisfies the strong Wolfe conditions.

    Parameters
    ----------
    memory : int
        How many pairs of steps and gradient changes stand for the curvature, at least 1.
    gradient_tolerance : float
        Converged when no entry of ∇C + λW is larger in magnitude. ≥ 0.
    cost_tolerance : float
        Converged when an iteration lowers C + penalty by less than this share of max(|C|, 1). ≥ 0.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([1, 1], activations="identity", dtype="float64")
    >>> X, Y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> history = cr.train(net, X, Y, optimizer=cr.LBFGS(memory=5), epochs=50, verbose=0)
    >>> history.stopped, net.parameters.round(4).tolist()
    ('converged', [2.0, 1.0])
    """

    memory: int = 10
    gradient_tolerance: float = 1e-6
    cost_tolerance: float = 1e-12
    name: ClassVar[str] = "lbfgs"

    def __post_init__(self) -> None:
        settle(self, gradient_tolerance=NOT_NEGATIVE, cost_tolerance=NOT_NEGATIVE, counts=("memory",))
        if self.memory > 1000:
            hint = "Usual values are 5 to 20."
            raise InputError(text("LBFGS: memory", expected="at most 1000", got=repr(self.memory), hint=hint))


def run(
    net: Network,
    data: DataSet,
    rule: LBFGS,
    penalty: float,
    epochs: int,
    now: Progressed,
    end_epoch: Callable[[], float | None],
    frozen: Sequence[int] = (),
) -> Reason:
    """Train by up to `epochs` iterations; `now` is brought up to date and `end_epoch` called after each.

    Raises DivergenceError when a cost or gradient is not finite, Interrupted after Ctrl-C.
    """
    evaluations = 20 * (epochs + 1)  # no limit but `epochs`: a line search of SciPy's takes 20 at most
    result = minimise(net, data, rule, penalty, epochs, evaluations, now, end_epoch, frozen)
    # status 0 is convergence, 1 the limit of iterations, 2 a line search that found nothing better: as far as it goes
    return "epochs" if result.status == 1 else "converged"


def minimise(
    net: Network,
    data: DataSet,
    rule: LBFGS,
    penalty: float,
    epochs: int,
    evaluations: int,
    now: Progressed,
    end_epoch: Callable[[], float | None],
    frozen: Sequence[int] = (),
) -> OptimizeResult:
    """`run`, with a limit on evaluations of C and ∇C beside that on iterations; gives what SciPy says of the end."""
    from scipy.optimize import minimize  # imported late: only L-BFGS needs it

    whole = WholeSet(net, data, penalty, frozen)
    dtype = now.parameters.dtype

    def objective(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        now.breathe()
        point = whole.begin(theta.astype(dtype))
        latest[theta.tobytes()] = point
        return point.objective, point.gradient

    latest: dict[bytes, Point] = {}
    now.epoch = now.step = 1
    now.begin_epoch()

    def after_iteration(intermediate_result: Any) -> None:
        point = latest[intermediate_result.x.tobytes()]
        latest.clear()
        now.parameters, now.cost, now.gradient_norm = point.theta, point.cost, point.slope
        now.taken += 1
        try:
            monitored = end_epoch()
            if monitored is not None and now.epoch < epochs:
                now.epoch += 1
                now.begin_epoch()
        except StopIteration as error:
            raise RuntimeError("a callback raised StopIteration") from error
        if monitored is None:
            raise StopIteration  # SciPy's way to be told to stop

    # the core has threads of its own; SciPy's, woken for 2·memory equations, take many times as long as these do
    with one_of_libraries() if net.backend == "native" else nullcontext():
        return minimize(
            objective,
            now.parameters.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=after_iteration,
            options={
                "maxiter": epochs,
                "maxfun": evaluations,
                "maxcor": rule.memory,
                "gtol": rule.gradient_tolerance,
                "ftol": rule.cost_tolerance,
            },
        )
