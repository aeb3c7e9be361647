"""By how much `cr.train` grows a process beyond its data: 60,000 × 784 bytes of Fashion-MNIST, as uint8.

Run it from the repository root:

    python -m benchmarks.memory                     # some seconds
    python -m benchmarks.memory --runs 5
    python -m benchmarks.memory --larger            # a minute, and 2 GB in the folder for temporary files

What is measured: in a process of its own, the peak resident size (ru_maxrss) after one epoch of cr.train on all images,
less the peak before it, when the images lay in memory and a network like it had been trained on ROWS of them, which is
what imports and libraries take. As a peak before could hide something, the same is given beyond the resident size at
that moment. The network is 784-100-10, ReLU and softmax, by Adam in shuffled batches of 200.

--larger trains on MILLION rows of 256 numbers, 1 GB as float32, that lie in a file, and prints the peak of what a
process holds besides files (RssAnon of Linux), less what it held when a network like it had been trained on a thousand
rows, and the seconds of the second of two epochs: with the file read into memory; mapped; in blocks of 8192 rows; in
row groups of 50,000 of Parquet; by L-BFGS in blocks. The network is 256-32-10, in shuffled batches of 200.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.remote import Remote

ROWS = 400
BOUND = 40
"""Megabytes."""
MILLION, COLUMNS, CLASSES = 1_000_000, 256, 10
WAYS = ("memory", "mapped", "blocks", "Parquet", "blocks, lbfgs")


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


class Reader:
    """Trains on rows in a folder in one of WAYS; lives in a process of its own."""

    def __init__(self, folder: str, way: str) -> None:
        self._folder, self._way = Path(folder), way
        self._train(1000)

    def train(self) -> tuple[float, float]:
        """How much what is held besides files grew at most, in megabytes, and the seconds of the last epoch."""
        before, peak, done = _anonymous(), 0.0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.002):
                peak = max(peak, _anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            seconds = self._train(MILLION)
        finally:
            done.set()
            watcher.join()
        return peak - before, seconds

    def _train(self, m: int) -> float:
        import numpy as np

        import chainrule as cr

        net = cr.Network([COLUMNS, 32, CLASSES], ["relu", "softmax"], "cross_entropy", dtype="float32", seed=0)
        X, y = (np.load(self._folder / f"{name}.npy", mmap_mode="r")[:m] for name in "Xy")
        data: tuple[Any, ...] = (cr.Blocks.of(X, y, rows=8192),)
        if self._way == "memory":
            data = np.array(X), np.array(y)
        if self._way == "mapped":
            data = X, y
        if self._way == "Parquet":
            data = (cr.ParquetRows(self._folder / ("rows.parquet" if m == MILLION else "few.parquet"), target="y"),)
        options: dict[str, Any] = {"optimizer": "lbfgs"} if "lbfgs" in self._way else {"batch_size": 200}
        return cr.train(net, *data, epochs=2, verbose=0, **options).seconds[-1]


def _anonymous() -> float:
    """What this process holds besides files, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("RssAnon"))


def write(folder: Path) -> None:
    """Write the rows: as X.npy and y.npy, and as Parquet, in row groups of 50,000."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, MILLION)
    np.save(folder / "y.npy", y)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (MILLION, COLUMNS))
    names = [f"x{j}" for j in range(COLUMNS)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("y", pa.int64())])
    with parquet.ParquetWriter(folder / "rows.parquet", schema) as file:
        for start in range(0, MILLION, 50_000):
            some = slice(start, start + 50_000)
            X[some] = rng.standard_normal((50_000, COLUMNS), dtype=np.float32)
            table = pa.table([*X[some].T.copy(), y[some]], schema=schema)
            file.write_table(table)
            if start == 0:
                parquet.write_table(table.slice(0, 1000), folder / "few.parquet")


def larger() -> None:
    """Print what training on rows in files holds, and how long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        print(f"{MILLION:,} × {COLUMNS} float32, {4 * MILLION * COLUMNS / 1e6:.0f} MB, and class labels\n")
        print("| rows | MB held at most | seconds an epoch |\n|---|--:|--:|")
        for way in WAYS:
            grown, seconds = Remote(Reader, folder, way)("train")
            print(f"| {way} | {grown:.0f} | {seconds:.1f} |", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--larger", action="store_true", help="train on rows that lie in files")
    args = parser.parse_args()
    if args.larger:
        larger()
        return
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
