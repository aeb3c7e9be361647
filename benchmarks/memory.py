"""By how much `cr.train` grows a process beyond its data: 60,000 × 784 bytes of Fashion-MNIST, as uint8.

Run it from the repository root:

    python -m benchmarks.memory                     # some seconds
    python -m benchmarks.memory --runs 5

What is measured: in a process of its own, the peak resident size (ru_maxrss) after one epoch of cr.train on all images,
less the peak before it, when the images lay in memory and a network like it had been trained on ROWS of them, which is
what imports and libraries take. As a peak before could hide something, the same is given beyond the resident size at
that moment. The network is 784-100-10, ReLU and softmax, by Adam in shuffled batches of 200.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.remote import Remote

ROWS = 400
BOUND = 40
"""Megabytes."""


class Trainee:
    """What lives in the process."""

    def __init__(self) -> None:
        from benchmarks.fashion import load

        (self._X, self._y), _, self._name = load()

    def data(self) -> str:
        """What it trains on, in words."""
        return f"{self._name}, {' × '.join(map(str, self._X.shape))} {self._X.dtype}, {self._X.nbytes / 1e6:.0f} MB"

    def train(self, rows: int | None) -> None:
        """Train an epoch on the first rows (None: all)."""
        import chainrule as cr

        sizes = [self._X.shape[1], 100, 10]
        net = cr.Network(sizes, activations=["relu", "softmax"], cost="cross_entropy", dtype="float32", seed=0)
        cr.train(net, self._X[:rows], self._y[:rows], batch_size=200, epochs=1, verbose=0)

    def sizes(self) -> tuple[float, float]:
        """The peak resident size so far, and the resident size now (without /proc: the peak), in megabytes."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
        statm = Path("/proc/self/statm")
        return peak, int(statm.read_text().split()[1]) * resource.getpagesize() / 1e6 if statm.exists() else peak


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    runs: list[tuple[float, float, float]] = []
    trainee: Any = None
    for _ in range(args.runs):
        trainee = Remote(Trainee)
        trainee("train", ROWS)
        peak, now = trainee("sizes")
        trainee("train", None)
        runs.append((peak, trainee("sizes")[0] - peak, trainee("sizes")[0] - now))
    before, growth, strict = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"{trainee('data')}; medians of {args.runs} processes.\n")
    print("| cr.train, one epoch | MB |\n|---|--:|")
    print(f"| peak resident size before, with the data | {before:.1f} |")
    print(f"| growth of the peak (bound {BOUND}) | {growth:.1f} |")
    print(f"| peak beyond the resident size before | {strict:.1f} |")
    if growth >= BOUND:
        raise SystemExit(f"grew by {growth:.1f} MB, not less than {BOUND}")


if __name__ == "__main__":
    main()
