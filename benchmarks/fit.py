"""MLPClassifier.fit from end to end, chainrule's beside scikit-learn's: seconds, and accuracy on the test part.

Run it from the repository root:

    python -m benchmarks.fit                        # about a minute
    python -m benchmarks.fit --seeds 5 --dtype float64

Both have scikit-learn's defaults (100 hidden units, ReLU, Adam, batches of 200, shuffling, alpha 1e-4) but for ten
epochs, and the same 60,000 images of Fashion-MNIST, standardised; each seed is a round in which both are fitted and
scored. chainrule chooses its number of threads itself; scikit-learn is measured on one and two and the better median is
taken. The ratio is scikit-learn's time over chainrule's for the same seed, its median over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any

import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import chainrule as cr
from benchmarks.fashion import load
from benchmarks.machine import cores, header
from benchmarks.rounds import SETTLE, tell

EPOCHS = 10


def seconds(estimator: Any, X: Any, y: Any, threads: int) -> float:
    """Of a fit."""
    time.sleep(SETTLE)
    with threadpool_limits(threads):
        begin = time.perf_counter()
        estimator.fit(X, y)
        return time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    (X, y), (X_test, y_test), name = load()
    scaler = StandardScaler().fit(X.astype(args.dtype))
    X, X_test = scaler.transform(X.astype(args.dtype)), scaler.transform(X_test.astype(args.dtype))

    theirs = [("scikit-learn", threads) for threads in range(1, min(2, cores()) + 1)]
    times: dict[tuple[str, int], list[float]] = {who: [] for who in [("chainrule", cores()), *theirs]}
    scores: dict[str, list[float]] = {"chainrule": [], "scikit-learn": []}
    for seed in range(args.seeds):
        for who, threads in times:
            tell(f"\rseed {seed + 1} of {args.seeds} ")
            kind = {"chainrule": cr, "scikit-learn": sklearn.neural_network}[who].MLPClassifier
            estimator = kind(random_state=seed, max_iter=args.epochs)
            times[who, threads].append(seconds(estimator, X, y, threads))
            if len(scores[who]) == seed:  # the number of threads changes nothing worth a second score
                scores[who].append(estimator.score(X_test, y_test))
    tell("\n")

    print(header(["chainrule", "scikit-learn", "numpy"]))
    print(f"{name}, {args.dtype}, {args.epochs} epochs, medians and ranges of seeds 0 to {args.seeds - 1}.\n")
    print("| MLPClassifier.fit | seconds | threads | test accuracy | by seed |\n|---|--:|--:|--:|---|")
    better = min(theirs, key=lambda key: statistics.median(times[key]))
    for who, threads in (("chainrule", cores()), better):
        taken = times[who, threads]
        cells = [f"{statistics.median(taken):.2f} ({min(taken):.2f} to {max(taken):.2f})"]
        cells.append("its own" if who == "chainrule" else str(threads))
        cells += [f"{statistics.mean(scores[who]):.4f}", ", ".join(f"{score:.4f}" for score in scores[who])]
        print(f"| {who} | {' | '.join(cells)} |")
    ratios = [b / a for a, b in zip(times["chainrule", cores()], times[better], strict=True)]
    print(f"\nchainrule is {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}).")


if __name__ == "__main__":
    main()
