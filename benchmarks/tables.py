"""From a CSV file to a model: seconds and memory of `chainrule train` on 20,000 rows of ten mixed columns.

Run it from the repository root:

    python -m benchmarks.tables                         # about half a minute
    python -m benchmarks.tables --rows 200000 --runs 1

What is measured: a process of its own that runs `python -m chainrule train FILE --target bought` with the defaults,
from its start to its end: imports, both passes over the file, 30 epochs, the test and the model file. The columns are
five of numbers, two of them with missing values, and five categories of 3, 4, 7, 10 and 40 levels, one with missing
values; the target has two classes.

Seconds are the median over `--runs`. Memory is the peak resident size (ru_maxrss), less that of training on the first
20 rows in the same way, which is what imports, the interpreter and the linear algebra library take; the median too. It
is given as a multiple of the file as float64: rows × 11 columns × 8 bytes. The resident size also has what imports
needed for a moment and gave back, which hides some of what training needs later. So the same is measured again by
tracemalloc, which counts from the end of the imports: that figure is the stricter one.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NUMBERS = ("age", "income", "height", "score", "visits")
CATEGORIES = {"colour": 3, "size": 4, "day": 7, "plan": 10, "town": 40}
TARGET = "bought"
_TRACED = """
import sys, tracemalloc
import chainrule.cli.app, sklearn.metrics, sklearn.model_selection, sklearn.preprocessing
from chainrule.cli import main
sys.argv[0] = "chainrule"
tracemalloc.start()
try:
    main()
except SystemExit:
    pass
print(tracemalloc.get_traced_memory()[1])
"""


def write_csv(path: Path, rows: int, seed: int = 0) -> None:
    """Write a table whose target depends on two numbers and a category."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*NUMBERS, *CATEGORIES, TARGET])
        for _ in range(rows):
            age, score = rng.normal(40, 12), rng.normal()
            levels = {name: int(rng.integers(n)) for name, n in CATEGORIES.items()}
            income = "" if rng.random() < 0.05 else f"{rng.lognormal(10, 1):.2f}"
            height = "NA" if rng.random() < 0.02 else f"{rng.normal(170, 10):.1f}"
            cells = [f"{name} {level}" for name, level in levels.items()]
            if rng.random() < 0.05:
                cells[1] = ""
            is_more_likely = age / 12 + score + (levels["town"] < 10) + rng.normal(0, 0.5) > 3.7
            numbers = [f"{age:.1f}", income, height, f"{score:.3f}", int(rng.integers(30))]
            writer.writerow([*numbers, *cells, "yes" if is_more_likely else "no"])


def train(path: Path) -> tuple[float, int]:
    """Train on a file in a process of its own; gives seconds and its peak resident size in bytes."""
    command = [sys.executable, "-m", "chainrule", "train", str(path), "--target", TARGET, "--out", f"{path}.chainrule"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"training on {path} ended with exit code {process.returncode}")
    in_bytes = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - start, usage.ru_maxrss * in_bytes


def traced(path: Path) -> int:
    """Train in a process that counts what its allocators hand out; gives the most at any time, after imports."""
    command = [sys.executable, "-c", _TRACED, "train", str(path), "--target", TARGET, "--out", f"{path}.chainrule"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def main() -> None:
    """Write two files, train on each, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    as_float64 = options.rows * (len(NUMBERS) + len(CATEGORIES) + 1) * 8
    with tempfile.TemporaryDirectory() as folder:
        whole, few = Path(folder, "whole.csv"), Path(folder, "few.csv")
        write_csv(whole, options.rows)
        write_csv(few, 20)
        runs = [(*train(whole), train(few)[1]) for _ in range(options.runs)]
        print(f"{options.rows:,} rows, {len(NUMBERS) + len(CATEGORIES)} columns and the target")
        print(f"file: {whole.stat().st_size / 1e6:.2f} MB, as float64 {as_float64 / 1e6:.2f} MB")
        print(f"from command to model: {statistics.median(seconds for seconds, _, _ in runs):.1f} s")
        more = statistics.median(peak - base for _, peak, base in runs)
        base = statistics.median(base for _, _, base in runs)
        print(
            f"resident size beyond that of 20 rows ({base / 1e6:.0f} MB): {more / 1e6:.1f} MB, {more / as_float64:.1f} "
            "times the file as float64"
        )
        more = traced(whole) - traced(few)
        print(f"the same by tracemalloc: {more / 1e6:.1f} MB, {more / as_float64:.1f} times")


if __name__ == "__main__":
    main()
