"""What optimizer="auto" should take: times to Adam's cost, for networks and data of many sizes.

Run it from the repository root:

    python -m benchmarks.choice                        # some minutes

For each case Adam is trained for a number of epochs, once with each of RATES, and each of OTHERS for up to three times
as long as Adam's best; one thread, float64, from the same first parameters, and again from others: medians
of these. "Ratio" is what choice.py looks at: the operations of a step of Levenberg-Marquardt over those of an epoch of
Adam's, as effort.py foretells them (E71). The last columns are the time of each other solver until Adam's
final cost (the least so far, of the whole set, after each epoch, computed afterwards) over the time that Adam took:
below 1, it is the faster; "—" where it didn't come there.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_friedman1
from sklearn.preprocessing import scale

import chainrule as cr
from benchmarks.machine import header
from benchmarks.rounds import tell
from benchmarks.solvers import IN_BATCHES, NEVER, Problem, Solver, standardised, train
from chainrule.training.arguments.effort import of_levenberg_marquardt, of_rule

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
ADAM = Solver("adam", ("", "", 0), RATES, IN_BATCHES)
OTHERS = tuple(
    Solver(make.name, ("", "", 0), make=partial(make, **NEVER))
    for make in (cr.LevenbergMarquardt, cr.LBFGS, cr.GaussNewtonCG)
)


@dataclass(frozen=True)
class Case:
    """A problem, and for how many epochs Adam works on it."""

    problem: Problem
    epochs: int


def friedman(rows: int) -> Callable[[], tuple[NDArray[Any], NDArray[Any]]]:
    """Friedman 1, standardised."""
    return partial(standardised, partial(make_friedman1, rows, noise=1.0, random_state=0))


def labelled(load: Callable[..., Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Standardised inputs, and class indices."""
    X, y = load(return_X_y=True)
    return scale(X), y


def five_outputs() -> tuple[NDArray[Any], NDArray[Any]]:
    """Five noisy smooth functions of eight inputs."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 8))
    return X, np.tanh(X @ rng.standard_normal((8, 5))) + 0.3 * rng.standard_normal((2000, 5))


def product_or() -> tuple[NDArray[Any], NDArray[Any]]:
    """Two classes of eight inputs."""
    X, _ = five_outputs()
    return X, (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(float)


def cases() -> Iterator[Case]:
    """Small and large, few rows and many, regression and classes, smooth and with kinks."""
    smooth, kinked = ("tanh", "identity"), ("relu", "identity")
    for rows, epochs in ((200, 1000), (2000, 1000), (5000, 400), (20_000, 100)):
        for hidden in (5, 20, 80):
            yield Case(_problem(f"Friedman 1, {rows:,} rows", (10, hidden, 1), smooth, friedman(rows)), epochs)
    for rows, hidden, epochs in ((500, 8, 1000), (500, 60, 1000), (5000, 8, 400)):
        yield Case(_problem(f"Friedman 1, {rows:,} rows, ReLU", (10, hidden, 1), kinked, friedman(rows)), epochs)
    deep = ("tanh", "tanh", "identity")
    diabetes = partial(standardised, partial(load_diabetes, return_X_y=True))
    yield Case(_problem("diabetes", (10, 10, 1), smooth, diabetes), 1000)
    yield Case(_problem("diabetes", (10, 20, 20, 1), deep, diabetes), 1000)
    for hidden in (10, 40):
        yield Case(_problem("five outputs", (8, hidden, 5), smooth, five_outputs), 500)
    two, several = ("tanh", "logistic"), ("tanh", "softmax")
    for hidden in (8, 40):
        yield Case(_problem("two classes", (8, hidden, 1), two, product_or, "binary_cross_entropy"), 500)
    cancer = partial(labelled, load_breast_cancer)
    yield Case(_problem("breast cancer", (30, 8, 1), two, cancer, "binary_cross_entropy"), 500)
    yield Case(_problem("wine", (13, 8, 3), several, partial(labelled, load_wine), "cross_entropy"), 1000)
    for hidden in (5, 30):
        yield Case(_problem("digits", (64, hidden, 10), several, partial(labelled, load_digits), "cross_entropy"), 150)


def _problem(
    title: str, sizes: tuple[int, ...], activations: tuple[str, ...], data: Any, cost: str = "squared_error"
) -> Problem:
    return Problem(title, title, sizes, activations, cost, data, 3600.0)


def measured(problem: Problem, epochs: int, seed: int) -> list[float]:
    """Adam's final cost, and the time of each other solver to it over Adam's."""
    adam = min((train(problem, ADAM, rate, seed, epochs) for rate in RATES), key=lambda curve: curve.final)
    others = [train(problem, other, None, seed, seconds=3 * float(adam.seconds[-1])) for other in OTHERS]
    return [adam.final, *(other.reaches(adam.final) / adam.reaches(adam.final) for other in others)]


def row(case: Case, seeds: int) -> str:
    """Measure a case: medians over the seeds of first parameters."""
    problem = case.problem
    plan, rows = problem.network(0).plan, len(problem.data()[0])
    ratio = of_levenberg_marquardt(plan, rows).operations / of_rule(plan, "adam", rows, 32).operations
    found = [measured(problem, case.epochs, seed) for seed in range(1, seeds + 1)]
    adams, *times = (statistics.median(column) for column in zip(*found, strict=True))
    cells = ["-".join(map(str, problem.sizes)), f"{plan.n_parameters:,}", f"{ratio:,.0f}", f"{case.epochs:,}"]
    cells += [f"{adams:.3g}", *(f"{time:.2g}" if time < float("inf") else "—" for time in times)]
    return f"| {problem.title} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many first parameters each case begins with")
    args = parser.parse_args()
    warnings.simplefilter("ignore", cr.DivergenceWarning)
    logging.getLogger("chainrule").setLevel(logging.ERROR)
    first = next(cases()).problem
    for other in OTHERS:  # what they import is imported before
        train(first, other, None, 0, 1)
    lines = []
    for case in cases():
        tell(f"\r{case.problem.title:30}")
        lines.append(row(case, args.seeds))
    tell("\n")
    print(header(["chainrule", "numpy", "scipy", "scikit-learn"]))
    print(f"Medians of {args.seeds} first parameters.\n")
    names = " | ".join(other.name for other in OTHERS)
    print(f"| | network | parameters | ratio | Adam's epochs | Adam's cost | {names} |")
    print(f"|---|---|--:|--:|--:|--:|{'--:|' * len(OTHERS)}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
