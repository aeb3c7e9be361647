"""How the time of a training step grows with the number of parameters and with the batch, over two decades of each.

Run it from the repository root:

    python -m benchmarks.scaling                    # about a minute
    python -m benchmarks.scaling --plot docs/pictures/scaling.png

What is timed: cr.train of n-n-n networks (ReLU, squared error, SGD, float32), without shuffling, divided by the number
of steps. Parameters: n from 80 to 800 in batches of 128. Batch: 32 to 3,200 at n = 256; in smaller ones the update,
which takes the same time for any batch, is a larger part. Rounds interleave; figures are medians over rounds. The
exponents are the slopes of straight lines fitted to the logarithms by least squares: 1 is time in proportion. One
thread, as a number of threads that grows with the work would hide it; `--threads` sets another. The plot needs
matplotlib: pip install 'chainrule[plots]'.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.loops import Chainrule
from benchmarks.machine import header
from benchmarks.rounds import Contestant, in_us, play
from benchmarks.workloads import Workload, make_problem

WIDTHS = (80, 104, 144, 192, 256, 344, 456, 608, 800)
BATCHES = (32, 56, 100, 180, 320, 560, 1000, 1800, 3200)
BATCH, WIDTH = 128, 256
BLUE, GREY = "#2a6fbb", "#6b7280"
Points = list[tuple[int, float]]


def contestant(width: int, batch: int, threads: int) -> Contestant:
    """A network of three layers of `width` units, in batches of `batch`."""
    sizes, rows = (width, width, width), batch * max(2, 4096 // batch)
    work = Workload(f"{width}, {batch}", sizes, "relu", "identity", "squared_error", "sgd", 1e-4, batch, rows)
    return Contestant(work.name, threads, Chainrule(make_problem(work)), work.steps)


def exponent(points: Points) -> tuple[float, float]:
    """Slope and intercept of the straight line through the logarithms."""
    slope, intercept = np.polyfit(*np.log(np.array(points)).T, 1)
    return float(slope), float(intercept)


def plot(sweeps: dict[str, Points], file: Path) -> None:
    """Draw points and lines."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(sweeps), figsize=(8.4, 3.3), layout="constrained")
    for axis, (title, points) in zip(axes, sweeps.items(), strict=True):
        x, y = np.array(points).T
        slope, intercept = exponent(points)
        axis.loglog(x, np.exp(intercept) * x**slope, color=GREY, linewidth=1, label=f"exponent {slope:.2f}")
        axis.loglog(x, y, "o", color=BLUE)
        axis.set_xlabel(title)
        axis.set_ylabel("µs a step")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a measurement (0.1), at least one epoch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it there, such as docs/pictures/scaling.png")
    args = parser.parse_args(argv)
    by_width = {2 * n * (n + 1): contestant(n, BATCH, args.threads) for n in WIDTHS}
    by_batch = {m: contestant(WIDTH, m, args.threads) for m in BATCHES}
    play("scaling", [*by_width.values(), *by_batch.values()], args.rounds, args.seconds)
    sweeps = {
        f"parameters, in batches of {BATCH}": [(x, c.median) for x, c in by_width.items()],
        f"batch, {WIDTH}-{WIDTH}-{WIDTH}": [(x, c.median) for x, c in by_batch.items()],
    }
    print(header(["chainrule", "numpy"]))
    print(f"Medians of {args.rounds} interleaved rounds of {args.seconds:g} s, float32, {args.threads} thread(s).\n")
    print("| time a step against | exponent | from | µs | to | µs |\n|---|--:|--:|--:|--:|--:|")
    for title, points in sweeps.items():
        ends = (f"{x:,} | {in_us(y)}" for x, y in (points[0], points[-1]))
        print(f"| {title} | {exponent(points)[0]:.3f} | {' | '.join(ends)} |")
    if args.plot is not None:
        plot(sweeps, args.plot)
        print(f"\nWrote {args.plot}.")


if __name__ == "__main__":
    main()
