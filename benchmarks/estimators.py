"""Seconds of fit and microseconds of predict, chainrule's estimators beside scikit-learn's, with the same settings.

    python -m benchmarks.estimators                 # about a minute
    python -m benchmarks.estimators --rounds 15

Both are given the same data, settings and seed, and a run ends when their coefficients differ by more than 1e-6. Rounds
interleave; each library takes its better of one and two threads; the figure is the median over rounds, the ratio is
scikit-learn's time over chainrule's in the same round: above 1, chainrule is the faster.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sklearn.neural_network
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

import chainrule as cr

BOUND = 1e-6
STEPS = 50
"""Calls of partial_fit that are timed together."""
SETTLE = 0.05
"""Seconds of rest before a measurement: OpenBLAS's threads spin for some 30 ms after the last product they shared."""


@dataclass(frozen=True)
class Fit:
    """What is fitted: a data set, and settings that both libraries have."""

    name: str
    kind: str
    data: str
    settings: dict[str, Any]


FITS = [
    Fit("digits, defaults", "MLPClassifier", "digits", {"max_iter": 20}),
    Fit("digits, batches of 32", "MLPClassifier", "digits", {"max_iter": 10, "batch_size": 32}),
    Fit("digits, L-BFGS", "MLPClassifier", "digits", {"max_iter": 20, "solver": "lbfgs"}),
    Fit("breast cancer, SGD, early stopping", "MLPClassifier", "breast_cancer",
        {"max_iter": 40, "solver": "sgd", "early_stopping": True, "n_iter_no_change": 50}),
    Fit("diabetes, defaults", "MLPRegressor", "diabetes", {"max_iter": 80}),
    Fit("20,000 x 20, 64-64 hidden", "MLPClassifier", "large", {"max_iter": 3, "hidden_layer_sizes": (64, 64)}),
]  # fmt: skip


def load(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give rows and targets of a data set by name."""
    if name == "large":
        X = np.random.default_rng(0).standard_normal((20_000, 20))
        return X, X[:, 0] * X[:, 1] > 0
    X, y = {"digits": load_digits, "breast_cancer": load_breast_cancer, "diabetes": load_diabetes}[name](
        return_X_y=True
    )
    return scale(X), scale(y) if name == "diabetes" else y


def measured(run: Callable[[], Any], threads: int) -> float:
    """Seconds that a call takes."""
    time.sleep(SETTLE)
    with threadpool_limits(threads):
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Median seconds of ours and theirs, each at its better number of threads, and the median ratio of rounds."""
    times = {(who, threads): [] for who in ("ours", "theirs") for threads in (1, 2)}
    calls = {"ours": ours, "theirs": theirs}
    for _ in range(rounds):
        for (who, threads), list_ in times.items():
            list_.append(measured(calls[who], threads))
    better = {who: min((times[who, 1], times[who, 2]), key=statistics.median) for who in calls}
    ratios = [b / a for a, b in zip(better["ours"], better["theirs"], strict=True)]
    return statistics.median(better["ours"]), statistics.median(better["theirs"]), statistics.median(ratios)


def repeat(estimator: Any, rows: NDArray[Any], n: int) -> None:
    """Predict the same rows n times."""
    for _ in range(n):
        estimator.predict(rows)


def go_on(estimator: Any, rows: NDArray[Any], y: NDArray[Any]) -> None:
    """Train on the same batch STEPS times."""
    for _ in range(STEPS):
        estimator.partial_fit(rows, y)


def check(ours: Any, theirs: Any) -> None:
    """Raise SystemExit unless the coefficients agree."""
    pairs = zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True)
    furthest = max(float(np.abs(a - b).max()) for a, b in pairs)
    if not furthest < BOUND:
        raise SystemExit(f"coefficients differ by {furthest:g}, more than {BOUND:g}: not the same work")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| fit, ms | chainrule | scikit-learn | ratio |\n|---|--:|--:|--:|")
    for fit in FITS:
        X, y = load(fit.data)
        ours = getattr(cr, fit.kind)(random_state=0, **fit.settings)
        theirs = getattr(sklearn.neural_network, fit.kind)(random_state=0, **fit.settings)
        check(ours.fit(X, y), theirs.fit(X, y))
        mine, peer, ratio = compare(partial(ours.fit, X, y), partial(theirs.fit, X, y), rounds)
        print(f"| {fit.name} | {1e3 * mine:.1f} | {1e3 * peer:.1f} | {ratio:.2f}x |")
        sys.stdout.flush()
    X, y = load("digits")
    ours = cr.MLPClassifier(64, random_state=0).fit(X, y)
    theirs = ours.to_sklearn()
    for name, rows, n in (("predict one row, µs", X[:1], 200), ("predict 1,797 rows, µs", X, 20)):
        mine, peer, ratio = compare(partial(repeat, ours, rows, n), partial(repeat, theirs, rows, n), rounds)
        print(f"| {name} | {1e6 * mine / n:.0f} | {1e6 * peer / n:.0f} | {ratio:.2f}x |")
    rng = np.random.default_rng(0)
    rows, y = rng.standard_normal((32, 784)), rng.standard_normal(32)
    mine = cr.MLPRegressor(random_state=0).partial_fit(rows, y)
    peer = sklearn.neural_network.MLPRegressor(random_state=0).partial_fit(rows, y)
    ours_s, theirs_s, ratio = compare(partial(go_on, mine, rows, y), partial(go_on, peer, rows, y), rounds)
    print(f"| partial_fit of 32 x 784, µs | {1e6 * ours_s / STEPS:.0f} | {1e6 * theirs_s / STEPS:.0f} | {ratio:.2f}x |")


if __name__ == "__main__":
    main()
