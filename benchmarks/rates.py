"""How good the rates are that learning_rate="find" finds (E72): final costs beside those of a grid of ten rates.

Run it from the repository root:

    python -m benchmarks.rates                         # about a minute

The four problems of benchmarks.solvers, by SGD, momentum, RMSProp and Adam, in mini-batches of 32 and (but for digits)
on the whole set, from several first parameters: 28 trainings for each seed. "Final cost" is that of the whole set after
a fixed number of epochs with a rate, plus 0.001, over the same of the best of ten rates from 0.001 to 1; the 0.001
keeps costs that are as good as 0 from deciding. Besides the rate that is chosen there are other rules: another share of
the rate at the least smoothed cost, and the rate of its steepest descent.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Iterator

import numpy as np

import chainrule as cr
from benchmarks.machine import header
from benchmarks.rounds import tell
from benchmarks.solvers import PROBLEMS, Problem
from chainrule.training.progress.history import RateSearch

GRID = np.geomspace(1e-3, 1, 10)
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
EPOCHS = {"sine": 100, "diabetes": 30, "friedman1": 50, "digits": 10}
WHOLE = 4
"""Times as many epochs on the whole set."""
SETTLED = 20


def rates(found: RateSearch) -> dict[str, float]:
    """Give what each rule would choose."""
    smoothed, tried = np.array(found.smoothed), np.array(found.rates)
    if found.exploded and len(smoothed) > SETTLED + 1:
        smoothed, tried = smoothed[:-1], tried[:-1]
    least = SETTLED + int(np.argmin(smoothed[SETTLED:]))
    slope = np.gradient(smoothed, np.log(tried))
    shares = {f"1/{share} of that of the least": tried[least] / share for share in (2, 4, 8, 16, 32)}
    steepest = tried[SETTLED + int(np.argmin(slope[SETTLED : least + 1]))]
    others = {"steepest descent": steepest, "always 0.001": 1e-3, "always 0.01": 1e-2}
    return {"what find chooses": found.chosen, **shares, **others}


def cost(problem: Problem, optimizer: str, batch: int | None, rate: float, seed: int) -> float:
    """Train, and give the final cost plus 0.001, or infinity."""
    net, (X, Y) = problem.network(seed), problem.data()
    epochs = EPOCHS[problem.name] * (1 if batch else WHOLE)
    settings = {"optimizer": optimizer, "batch_size": batch, "epochs": epochs, "seed": seed, "verbose": 0}
    history = cr.train(net, X, Y, **settings, learning_rate=float(rate), n_threads=1)
    return float("inf") if history.stopped == "divergence" else net.cost(X, Y) + 1e-3


def trainings() -> Iterator[tuple[Problem, str, int | None]]:
    """Problem, optimizer, size of batches."""
    for problem in PROBLEMS:
        for batch in (32, None) if problem.name != "digits" else (32,):
            for optimizer in OPTIMIZERS:
                yield problem, optimizer, batch


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore", cr.DivergenceWarning)
    logging.getLogger("chainrule").setLevel(logging.ERROR)
    scores: dict[str, list[float]] = {}
    for seed in range(1, args.seeds + 1):
        for problem, optimizer, batch in trainings():
            tell(f"\r{problem.name} {optimizer:10}")
            net, (X, Y) = problem.network(seed), problem.data()
            find = {"optimizer": optimizer, "batch_size": batch, "learning_rate": "find"}
            found = cr.train(net, X, Y, **find, epochs=1, seed=seed, verbose=0).rate_search
            best = min(cost(problem, optimizer, batch, rate, seed) for rate in GRID)
            for name, rate in rates(found).items():
                scores.setdefault(name, []).append(cost(problem, optimizer, batch, rate, seed) / best)
    tell("\n")
    print(header(["chainrule", "numpy"]))
    n = len(next(iter(scores.values())))
    print(f"{n} trainings.\n\n| rate | final cost, geometric mean | median | worst |\n|---|--:|--:|--:|")
    for name, ratios in scores.items():
        mean = np.exp(np.mean(np.log(np.minimum(ratios, 1000))))  # one that diverges counts as 1000
        worst = f"{max(ratios):.3g}" if max(ratios) < float("inf") else "diverges"
        print(f"| {name} | {mean:.2f} | {np.median(ratios):.2f} | {worst} |")


if __name__ == "__main__":
    main()
