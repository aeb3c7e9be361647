"""Fashion-MNIST with dense layers only: how far a recipe goes, at its last epoch.

Run it from the repository root:

    python -m benchmarks.accuracy                # one seed, a minute or two
    python -m benchmarks.accuracy --seeds 3

The recipe: every image and its mirror image, standardised by one mean and one deviation; 784-512-512-10 with ReLU;
dropout, label smoothing, AdamW with a rate that falls along a cosine, 40 epochs of batches of 128. Its settings were
chosen on the last 10,000 training images (`--choose` measures on these, after training on the other 50,000). The test
set is looked at once, after the last epoch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from benchmarks.fashion import FOLDER, Part, load
from benchmarks.machine import header
from benchmarks.rounds import tell

EPOCHS = 40
HELD_OUT = 10_000


def mirrored(X: NDArray[Any]) -> NDArray[Any]:
    """Turn images, (m, 784), left to right."""
    return X.reshape(-1, 28, 28)[:, :, ::-1].reshape(-1, 784)


def train(X: NDArray[Any], labels: NDArray[Any], seed: int, epochs: int) -> tuple[cr.Network, float, float, float]:
    """Train by the recipe; give the network, mean and deviation of the pixels, and the seconds that it took."""
    mean, deviation = float(X.mean()), float(X.std())
    both = np.concatenate([X, mirrored(X)])
    scaled = ((both - mean) / deviation).astype(np.float32)
    net = cr.Network(
        [784, 512, 512, 10], ["relu", "relu", "softmax"], "cross_entropy", initializer="he_normal", seed=seed
    )
    begin = time.perf_counter()
    cr.train(
        net,
        scaled,
        np.concatenate([labels, labels]),
        optimizer="adamw",
        learning_rate=cr.schedules.Cosine(1e-3, epochs=epochs),
        batch_size=128,
        epochs=epochs,
        dropout={0: 0.1, 1: 0.25, 2: 0.25},
        label_smoothing=0.1,
        seed=seed,
    )
    return net, mean, deviation, time.perf_counter() - begin


def accuracy(net: cr.Network, part: Part, mean: float, deviation: float) -> float:
    """Which share of images is recognised."""
    X, labels = part
    outputs = net.predict(((X - mean) / deviation).astype(np.float32))
    return float((outputs.argmax(axis=1) == labels).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--choose", action="store_true", help="measure on 10,000 training images instead of the test")
    args = parser.parse_args()
    if not FOLDER.is_dir():
        raise SystemExit(f"{FOLDER} isn't there: apt-get install dataset-fashion-mnist")
    (X, labels), measured, _ = load()
    if args.choose:
        measured, (X, labels) = (X[-HELD_OUT:], labels[-HELD_OUT:]), (X[:-HELD_OUT], labels[:-HELD_OUT])
    rows = []
    for seed in range(args.seeds):
        tell(f"\rseed {seed + 1} of {args.seeds} ")
        net, mean, deviation, seconds = train(X, labels, seed, args.epochs)
        rows.append((accuracy(net, measured, mean, deviation), seconds))
    tell("\n")
    print(header(["chainrule", "numpy"]))
    print(f"{len(X):,} images and their mirror images, {args.epochs} epochs.\n")
    print(f"| seed | {'held-out' if args.choose else 'test'} accuracy | seconds of training |\n|--:|--:|--:|")
    for seed, (share, seconds) in enumerate(rows):
        print(f"| {seed} | {share:.4f} | {seconds:.0f} |")
    shares = [share for share, _ in rows]
    print(f"\nmean {statistics.mean(shares):.4f}, least {min(shares):.4f}")


if __name__ == "__main__":
    main()
