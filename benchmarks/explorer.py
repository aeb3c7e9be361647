"""Milliseconds from a click on a weight to its derivation on the page of `chainrule explore`, in Debian's chromium.

    python -m benchmarks.explorer                # about a minute
    python -m benchmarks.explorer --clicks 90

Needs node, chromium, and `npm ci` in src/chainrule/explorer/web. Pictures of 28 x 28 made by chance; clicks take turns
at the layers, each at a weight drawn at random, as a mouse does it. What is measured is the page's own
performance.measure("click-to-derivation"): from the event of the click until the derivation stands in the page and the
browser has painted; the request to the server, its forward and backward pass and its formulas are within. The bounds
are for the largest of all clicks. Exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import header

WEB = Path(__file__).parents[1] / "src" / "chainrule" / "explorer" / "web"
BOUNDS = {(16,): 100, (512, 512): 300}
"""Milliseconds that no click takes longer than, by hidden layers."""
LAYERS = {2: ("input", "output"), 3: ("input", "hidden", "output")}


def pictures(path: Path) -> None:
    """Write a data set of pictures of 28 x 28 in ten classes."""
    rng = np.random.default_rng(0)
    X = (rng.random((500, 784)) * rng.integers(0, 256, (500, 784)) * (rng.random((500, 784)) < 0.3)).astype(np.uint8)
    np.savez(path, X=X, Y=np.arange(500) % 10)


@contextmanager
def served(data: Path) -> Iterator[str]:
    """Run `chainrule explore DATA`, and give its address."""
    command = [sys.executable, "-m", "chainrule", "explore", data.name, "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=data.parent, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit("chainrule explore has not started")
            yield found[0]
        finally:
            process.terminate()


def measured(address: str, hidden: tuple[int, ...], clicks: int) -> list[dict[str, Any]]:
    """Let the browser click, and give layer, weight and milliseconds of each click."""
    asked = json.dumps({"dataset": "pictures", "hidden": ", ".join(map(str, hidden)), "clicks": clicks})
    with tempfile.TemporaryDirectory() as folder:
        command = ["node", "e2e/run.mjs", "clicks", address, folder, asked]
        done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    seen: list[dict[str, Any]] = json.loads(done.stdout)["clicks"]
    return seen


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=30)
    clicks = parser.parse_args().clicks
    missed = []
    print(header(("starlette", "uvicorn")))
    print("\n| network | weights of layer | clicks | median, ms | largest, ms | bound, ms |\n|---|---|--:|--:|--:|--:|")
    for hidden, bound in BOUNDS.items():
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "pictures.npz"
            pictures(data)
            with served(data) as address:
                seen = measured(address, hidden, clicks)
        name = "-".join(map(str, (784, *hidden, 10)))
        rows = [
            (which, [one["ms"] for one in seen if one["layer"] == layer])
            for layer, which in enumerate(LAYERS[len(hidden) + 1], 1)
        ]
        for which, times in [*rows, ("all", [one["ms"] for one in seen])]:
            figures = f"{len(times)} | {statistics.median(times):.0f} | {max(times):.0f} | {bound}"
            print(f"| {name} | {which} | {figures} |")
        if max(one["ms"] for one in seen) > bound:
            missed.append(name)
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
