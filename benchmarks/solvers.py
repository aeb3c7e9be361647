"""Training cost against seconds, for every solver of cr.train, on four small problems.

Run it from the repository root:

    python -m benchmarks.solvers                       # a quarter of an hour
    python -m benchmarks.solvers --problems sine --solvers adam levenberg_marquardt
    python -m benchmarks.solvers --plot docs/pictures/solvers.png --plot-range-test docs/pictures/range_test.png

Every solver gets the same seconds on a problem (history.seconds: without callbacks, nothing is validated), one thread,
float64, and the same data. In each round all begin with the same parameters, in another round with others (seeds 1, 2,
…), and rounds interleave. A solver with a learning rate is first run once with each of RATES, from the parameters of
seed 0; the rate with the least cost at the end is taken, and named in the table. All other settings are the defaults,
batches of 32 rows among them, but for tolerances of convergence, which are 0, so that no one stops short.

What is reported is C of the whole training set (E4) at the parameters after each epoch, computed afterwards and not
counted, and of these the least so far: what early stopping would give back. No regulariser, no validation: it is about
how fast a cost is brought down, not about which network predicts best. The table says after how many seconds a solver
is where Adam, at its best rate, is at the end (its median over rounds): the median over rounds, which is "not reached"
where it wasn't in most of them. The last line holds Levenberg-Marquardt against Adam on the sine, round by round.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_digits, make_friedman1
from sklearn.preprocessing import scale

import chainrule as cr
from benchmarks.machine import header
from benchmarks.rounds import tell

RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
BATCH = 32
EPOCHS = 200_000
"""More than fit into the seconds of any problem."""
FIRST = 1e-3
"""Seconds from which on curves are drawn."""


@dataclass(frozen=True)
class Problem:
    """Data, a network for them, and for how many seconds each solver works on them."""

    name: str
    title: str
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    cost: str
    data: Callable[[], tuple[NDArray[Any], NDArray[Any]]]
    seconds: float

    def network(self, seed: int) -> cr.Network:
        """Make the network, with parameters drawn anew."""
        return cr.Network(self.sizes, self.activations, self.cost, dtype="float64", seed=seed)


def sine() -> tuple[NDArray[Any], NDArray[Any]]:
    """100 rows of a period."""
    X = np.linspace(-np.pi, np.pi, 100)[:, np.newaxis]
    return X, np.sin(X)


def standardised(load: Callable[[], tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean 0 and standard deviation 1 of every column, the target's too."""
    X, y = load()
    return scale(X), scale(y)


def digits() -> tuple[NDArray[Any], NDArray[Any]]:
    """Pixels from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


PROBLEMS = (
    Problem("sine", "sine, 1-10-1", (1, 10, 1), ("tanh", "identity"), "squared_error", sine, 1.0),
    Problem("diabetes", "diabetes, 10-10-1", (10, 10, 1), ("tanh", "identity"), "squared_error",
            partial(standardised, partial(load_diabetes, return_X_y=True)), 0.5),
    Problem("friedman1", "Friedman 1, 10-10-1", (10, 10, 1), ("tanh", "identity"), "squared_error",
            partial(standardised, partial(make_friedman1, 1000, noise=1.0, random_state=0)), 1.0),
    Problem("digits", "digits, 64-30-10", (64, 30, 10), ("relu", "softmax"), "cross_entropy", digits, 2.0),
)  # fmt: skip


@dataclass(frozen=True)
class Solver:
    """How cr.train is called; `rates` are the learning rates to try, none where the solver has none.

    `make` gives the optimizer, where it isn't `name`; `line` is how it is drawn: colour, dashes, width.
    """

    name: str
    line: tuple[str, str, float]
    rates: Sequence[float] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    make: Callable[[], Any] | None = None

    def options(self, rate: float | None) -> dict[str, Any]:
        """Give the arguments of cr.train."""
        optimizer = self.name if self.make is None else self.make()
        return {"optimizer": optimizer, **({} if rate is None else {"learning_rate": rate}), **self.settings}


# the palette of Okabe and Ito, whose colours the colour-blind tell apart; what is of a kind shares a style
BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILION, PURPLE = "#c9b800", "#0072b2", "#d55e00", "#cc79a7"
IN_BATCHES = {"batch_size": BATCH}
NEVER = {"gradient_tolerance": 0.0, "cost_tolerance": 0.0}
SOLVERS = (
    Solver("sgd", (BLACK, ":", 1.2), RATES, IN_BATCHES),
    Solver("momentum", (SKY, ":", 1.4), RATES, IN_BATCHES),
    Solver("nesterov", (GREEN, ":", 1.4), RATES, IN_BATCHES),
    Solver("rmsprop", (PURPLE, ":", 1.4), RATES, IN_BATCHES),
    Solver("adam", (BLUE, "-", 2.4), RATES, IN_BATCHES),
    Solver("adamw", (ORANGE, ":", 1.4), RATES, IN_BATCHES),
    Solver("line_search", (BLACK, "--", 1.4), (), IN_BATCHES),
    Solver("kfac", (GREEN, "--", 1.8), RATES, IN_BATCHES),
    Solver("rprop", (SKY, "-", 1.8), (), {"batch_size": None}),
    Solver("lbfgs", (ORANGE, "-", 1.8), make=partial(cr.LBFGS, **NEVER)),
    Solver("gauss_newton_cg", (PURPLE, "-", 1.8), make=partial(cr.GaussNewtonCG, **NEVER)),
    Solver("levenberg_marquardt", (VERMILION, "-", 2.4), make=partial(cr.LevenbergMarquardt, **NEVER)),
)


@dataclass(frozen=True)
class Curve:
    """Seconds after each epoch, and the least C of the whole set so far; `rate` is the learning rate."""

    seconds: NDArray[np.float64]
    least: NDArray[np.float64]
    rate: float | None = None

    @property
    def final(self) -> float:
        """The least C of all."""
        return float(self.least[-1])

    def reaches(self, cost: float) -> float:
        """After how many seconds C is at most this, or infinity."""
        at = int(np.argmax(self.least <= cost))
        return float(self.seconds[at]) if self.least[at] <= cost else float("inf")


def train(
    problem: Problem,
    solver: Solver,
    rate: float | None,
    seed: int,
    epochs: int = EPOCHS,
    seconds: float | None = None,
) -> Curve:
    """Train for the problem's seconds, or others, and compute the costs afterwards."""
    net, (X, Y) = problem.network(seed), problem.data()
    kept = [net.parameters.copy()]
    history = cr.train(
        net, X, Y, **solver.options(rate), epochs=epochs, max_time=seconds or problem.seconds, seed=seed, n_threads=1,
        verbose=0, callbacks=[lambda net, _: kept.append(net.parameters.copy())],
    )  # fmt: skip
    at = np.concatenate([[0.0], np.cumsum(history.seconds)])
    # of thousands of epochs some are looked at: the first ones, then steps of a hundredth
    shown = np.unique(np.concatenate([np.arange(min(len(at), 100)), np.geomspace(1, len(at), 800).astype(int) - 1]))
    costs = np.array([_cost(net, X, Y, kept[epoch]) for epoch in shown])
    return Curve(at[shown], np.fmin.accumulate(costs), rate)


def _cost(net: cr.Network, X: NDArray[Any], Y: NDArray[Any], parameters: NDArray[Any]) -> float:
    net.parameters[...] = parameters
    return float(net.cost(X, Y))


def best_rate(problem: Problem, solver: Solver) -> float | None:
    """Try each learning rate; give the one with the least final cost."""
    if not solver.rates:
        return None
    return min(solver.rates, key=lambda rate: train(problem, solver, rate, 0).final)


def median_at(curves: Sequence[Curve], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the median over rounds of the least C at each time."""
    return np.median([curve.least[np.searchsorted(curve.seconds, times, side="right") - 1] for curve in curves], axis=0)


def play(problem: Problem, solvers: Iterable[Solver], rounds: int) -> dict[str, list[Curve]]:
    """Choose the rates, then let every solver train once a round; what a first training imports is imported before."""
    rates: list[tuple[Solver, float | None]] = []
    for solver in solvers:
        tell(f"\r{problem.name}: rates of {solver.name:20}")
        cr.train(problem.network(0), *problem.data(), **solver.options(None), epochs=1, verbose=0)
        rates.append((solver, best_rate(problem, solver)))
    curves: dict[str, list[Curve]] = {solver.name: [] for solver, _ in rates}
    for number in range(rounds):
        tell(f"\r{problem.name}: round {number + 1} of {rounds}{'':20}")
        for solver, rate in rates:
            curves[solver.name].append(train(problem, solver, rate, number + 1))
    tell("\n")
    return curves


def seconds_to(curves: Sequence[Curve], cost: float) -> float:
    """Give the median of the seconds until that cost."""
    return statistics.median(curve.reaches(cost) for curve in curves)


def table(problem: Problem, curves: dict[str, list[Curve]]) -> str:
    """Final costs, seconds to Adam's, and Adam's seconds over these."""
    adams = statistics.median(curve.final for curve in curves["adam"])
    lines = [
        f"**{problem.title}**: Adam's final cost, after {problem.seconds:g} s, is {adams:.3g}.\n",
        "| | learning rate | seconds to Adam's final cost | times as fast as Adam | final cost |",
        "|---|--:|--:|--:|--:|",
    ]
    own = seconds_to(curves["adam"], adams)
    rows = []
    for name, of_solver in curves.items():
        seconds, final = seconds_to(of_solver, adams), statistics.median(curve.final for curve in of_solver)
        rate = "" if of_solver[0].rate is None else f"{of_solver[0].rate:g}"
        reached = seconds < float("inf")
        cells = [rate, f"{seconds:.3g}" if reached else "not reached", f"{own / seconds:.2g}" if reached else ""]
        rows.append((seconds, final, f"| {name} | {' | '.join(cells)} | {final:.3g} |"))
    return "\n".join(lines + [row for *_, row in sorted(rows)])


def held_against_adam(adam: Sequence[Curve], other: Sequence[Curve]) -> str:
    """Say when Levenberg-Marquardt is at a hundredth of Adam's final cost, round by round."""
    costs, whole = [curve.final for curve in adam], statistics.median(float(curve.seconds[-1]) for curve in adam)
    theirs = statistics.median(b.reaches(a / 100) for a, b in zip(costs, other, strict=True))
    return (
        f"On the sine Adam is at {statistics.median(costs):.3g} after {whole:.3g} s; Levenberg-Marquardt is at a "
        f"hundredth of that after {theirs:.3g} s, in {theirs / whole:.2g} of its time (medians of {len(costs)} "
        "interleaved rounds)."
    )


def plot(found: dict[str, dict[str, list[Curve]]], file: Path) -> None:
    """Draw a panel for each problem."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = -(-len(found) // 2)
    figure, axes = plt.subplots(
        rows, min(2, len(found)), figsize=(10.4, 3.9 * rows), layout="constrained", squeeze=False
    )
    problems = {problem.name: problem for problem in PROBLEMS}
    lines = {solver.name: solver.line for solver in SOLVERS}
    handles: dict[str, Any] = {}
    for axis, (name, curves) in zip(axes.flat, found.items(), strict=False):
        end = problems[name].seconds
        times = np.geomspace(max(FIRST, end / 1e4), end, 500)
        for solver, of_solver in curves.items():
            colour, dashes, width = lines.get(solver, (BLACK, "-.", 1.4))
            (handles[solver],) = axis.loglog(
                times, median_at(of_solver, times), dashes, color=colour, linewidth=width, label=solver
            )
        adams = statistics.median(curve.final for curve in curves["adam"])
        axis.axhline(adams, color="#6b7280", linewidth=0.8, zorder=0)
        axis.annotate("Adam, at the end", (times[0], adams), (3, 3), textcoords="offset points", fontsize="x-small")
        axis.set_xlim(times[0], end)
        axis.set_ylim(bottom=max(axis.get_ylim()[0], 1e-7 * adams))  # what is lower is as good as 0
        axis.set_title(problems[name].title, fontsize="medium")
        axis.set_xlabel("seconds of training")
        axis.set_ylabel("least training cost so far")
        axis.grid(color="#6b7280", alpha=0.15, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=list(handles.values()), loc="outside right center", frameon=False, fontsize="small")
    figure.savefig(file, dpi=100, metadata={"Software": None})


def plot_range_test(file: Path) -> None:
    """Draw the range test of Adam on digits."""
    import matplotlib as mpl

    mpl.use("Agg")
    problem = PROBLEMS[-1]
    history = cr.train(problem.network(1), *problem.data(), learning_rate="find", epochs=1, verbose=0)
    cr.plots.range_test(history).figure.savefig(file, dpi=100, metadata={"Software": None})


def main(argv: Sequence[str] | None = None, more: Sequence[Solver] = ()) -> None:
    """Measure, print, draw. `more` are solvers that cr.train doesn't know by name."""
    everyone = {solver.name: solver for solver in (*SOLVERS, *more)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=[p.name for p in PROBLEMS], default=[p.name for p in PROBLEMS])
    parser.add_argument("--solvers", nargs="+", choices=[*everyone], default=[*everyone], help="adam is always there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it there, such as docs/pictures/solvers.png")
    parser.add_argument(
        "--plot-range-test", type=Path, metavar="FILE", help="draw a range test (E72) of Adam on digits"
    )
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore", cr.DivergenceWarning)  # some rates are too large for some problems
    logging.getLogger("chainrule").setLevel(logging.ERROR)
    chosen = [solver for name, solver in everyone.items() if name in {*args.solvers, "adam"}]
    found = {p.name: play(p, chosen, args.rounds) for p in PROBLEMS if p.name in args.problems}
    print(header(["chainrule", "numpy", "scipy", "scikit-learn"]))
    print(
        f"Rates tried: {', '.join(f'{rate:g}' for rate in RATES)}. Medians of {args.rounds} interleaved rounds, "
        f"float64, one thread, mini-batches of {BATCH} but for rprop, lbfgs, gauss_newton_cg and levenberg_marquardt."
        "\n"
    )
    for problem in PROBLEMS:
        if problem.name in found:
            print(table(problem, found[problem.name]), end="\n\n")
    if "sine" in found and "levenberg_marquardt" in found["sine"]:
        print(held_against_adam(found["sine"]["adam"], found["sine"]["levenberg_marquardt"]))
    if args.plot is not None:
        plot(found, args.plot)
        print(f"\nWrote {args.plot}.")
    if args.plot_range_test is not None:
        plot_range_test(args.plot_range_test)
        print(f"\nWrote {args.plot_range_test}.")


if __name__ == "__main__":
    main()
