"""Fashion-MNIST with dense layers only: how far a recipe goes, at its last epoch.

Run it from the repository root:

    python -m benchmarks.accuracy                # one seed, some minutes
    python -m benchmarks.accuracy --seeds 3
    python -m benchmarks.accuracy --steps        # what each step towards the recipe gained, on held-out images

The recipe: every image and its mirror image, standardised by one mean and one deviation; 784-512-512-10 with ReLU;
dropout, label smoothing, AdamW with a rate that falls along a cosine, 40 epochs of batches of 128. Its settings were
chosen on the last 10,000 training images, after training on the other 50,000, as `--steps` does. The test set is looked
at once, after the last epoch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from benchmarks.fashion import FOLDER, Part, load
from benchmarks.machine import header
from benchmarks.rounds import tell

HELD_OUT = 10_000


@dataclass(frozen=True)
class Recipe:
    """What the steps towards the recipe differ in."""

    what: str
    hidden_dropout: float
    label_smoothing: float
    mirrors: bool
    epochs: int


FIRST = Recipe("AdamW, cosine, dropout", 0.3, 0.0, mirrors=False, epochs=30)
SMOOTHED = replace(FIRST, what="label smoothing 0.1", label_smoothing=0.1)
MIRRORED = replace(SMOOTHED, what="mirror images", mirrors=True, epochs=20)
RECIPE = replace(MIRRORED, what="twice the epochs, dropout 0.25", hidden_dropout=0.25, epochs=40)
STEPS = [FIRST, SMOOTHED, MIRRORED, RECIPE]


def mirrored(X: NDArray[Any]) -> NDArray[Any]:
    """Turn images, (m, 784), left to right."""
    return X.reshape(-1, 28, 28)[:, :, ::-1].reshape(-1, 784)


def train(X: NDArray[Any], labels: NDArray[Any], seed: int, recipe: Recipe) -> tuple[cr.Network, float, float, float]:
    """Train by the recipe; give the network, mean and deviation of the pixels, and the seconds that it took."""
    mean, deviation = float(X.mean()), float(X.std())
    if recipe.mirrors:
        X, labels = np.concatenate([X, mirrored(X)]), np.concatenate([labels, labels])
    scaled = ((X - mean) / deviation).astype(np.float32)
    net = cr.Network(
        [784, 512, 512, 10], ["relu", "relu", "softmax"], "cross_entropy", initializer="he_normal", seed=seed
    )
    begin = time.perf_counter()
    cr.train(
        net,
        scaled,
        labels,
        optimizer="adamw",
        learning_rate=cr.schedules.Cosine(1e-3, epochs=recipe.epochs),
        batch_size=128,
        epochs=recipe.epochs,
        dropout={0: 0.1, 1: recipe.hidden_dropout, 2: recipe.hidden_dropout},
        label_smoothing=recipe.label_smoothing,
        seed=seed,
        verbose=0,
    )
    return net, mean, deviation, time.perf_counter() - begin


def accuracy(net: cr.Network, part: Part, mean: float, deviation: float) -> float:
    """Which share of images is recognised."""
    X, labels = part
    outputs = net.predict(((X - mean) / deviation).astype(np.float32))
    return float((outputs.argmax(axis=1) == labels).mean())


def measured(X: NDArray[Any], labels: NDArray[Any], on: Part, seed: int, recipe: Recipe) -> tuple[float, float]:
    """Train on these images; give the accuracy on the others, and the seconds of training."""
    net, mean, deviation, seconds = train(X, labels, seed, recipe)
    return accuracy(net, on, mean, deviation), seconds


def steps(X: NDArray[Any], labels: NDArray[Any], seeds: int) -> None:
    """Print the table of steps, measured on the last training images."""
    held_out = X[-HELD_OUT:], labels[-HELD_OUT:]
    X, labels = X[:-HELD_OUT], labels[:-HELD_OUT]
    rows = []
    for recipe in STEPS:
        tell(f"\r{recipe.what:40}")
        runs = [measured(X, labels, held_out, seed, recipe) for seed in range(seeds)]
        share, seconds = (statistics.mean(figures) for figures in zip(*runs, strict=True))
        rows.append(f"| {recipe.what} | {recipe.epochs} | {share:.4f} | {seconds:.0f} |")
    tell("\n")
    print(header(["chainrule", "numpy"]))
    print(f"{len(X):,} images; measured on {HELD_OUT:,} others; means of {seeds} seed{'s' if seeds > 1 else ''}.\n")
    print("| step | epochs | held-out accuracy | seconds of training |\n|---|--:|--:|--:|")
    print("\n".join(rows))


def test_set(X: NDArray[Any], labels: NDArray[Any], test: Part, seeds: int) -> None:
    """Print the recipe's table, measured on the test images."""
    rows = []
    for seed in range(seeds):
        tell(f"\rseed {seed + 1} of {seeds} ")
        rows.append(measured(X, labels, test, seed, RECIPE))
    tell("\n")
    print(header(["chainrule", "numpy"]))
    print(f"{len(X):,} images and their mirror images, {RECIPE.epochs} epochs.\n")
    print("| seed | test accuracy | seconds of training |\n|--:|--:|--:|")
    for seed, (share, seconds) in enumerate(rows):
        print(f"| {seed} | {share:.4f} | {seconds:.0f} |")
    shares = [share for share, _ in rows]
    print(f"\nmean {statistics.mean(shares):.4f}, least {min(shares):.4f}")


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", action="store_true", help="what each step gained, on 10,000 training images")
    args = parser.parse_args()
    if not FOLDER.is_dir():
        raise SystemExit(f"{FOLDER} isn't there: apt-get install dataset-fashion-mnist")
    (X, labels), test, _ = load()
    if args.steps:
        steps(X, labels, args.seeds)
    else:
        test_set(X, labels, test, args.seeds)


if __name__ == "__main__":
    main()
