"""Microseconds of a prediction by a 64-64-10 network, of one row and of 1,797: mostly what a call costs.

Run it from the repository root:

    python -m benchmarks.predict                    # about half a minute
    python -m benchmarks.predict --rounds 21

All have the same float32 parameters, ReLU and softmax, are given the same float32 rows, each as its users would call
it, and must agree on the outputs to 1e-5 before they are timed. Beside them stands what a call costs that does nothing:
of a Python function, and of a method in C (`[].count`), both with the rows as their argument. Numbers of threads are
each library's own choice. Rounds interleave; the figures are medians over rounds of the mean of some thousand calls.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import chainrule as cr
from benchmarks.machine import header
from benchmarks.rounds import SETTLE, in_us

BESIDE = "net.predict"
BOUND = 1e-5
Predict = Callable[[Any], Any]


def empty(X: Any) -> None:
    """Do nothing."""


def predictors(X: Any, y: Any) -> dict[str, Predict]:
    """Everybody with scikit-learn's parameters after three epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three epochs are no convergence
        theirs = MLPClassifier(64, max_iter=3, random_state=0).fit(X, y)
    net = cr.Network([64, 64, 10], activations=["relu", "softmax"], cost="cross_entropy", dtype="float32")
    for layer, (W, b) in enumerate(zip(theirs.coefs_, theirs.intercepts_, strict=True), start=1):
        net.W[layer][...], net.b[layer][...] = W, b
    (W1, W2), (b1, b2) = theirs.coefs_, theirs.intercepts_

    def by_hand(X: Any) -> Any:
        z = np.maximum(X @ W1 + b1, 0) @ W2 + b2
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    ours = cr.MLPClassifier(64, max_iter=1, random_state=0)
    ours.initialize(X, y).network_.parameters[...] = net.parameters
    calls = {
        BESIDE: net.predict,
        "NumPy by hand": by_hand,
        "chainrule's MLPClassifier.predict_proba": ours.predict_proba,
        "scikit-learn's MLPClassifier.predict_proba": theirs.predict_proba,
    }
    try:
        calls["PyTorch, inference_mode, from and to NumPy"] = _torch(theirs)
    except ImportError as error:
        print(f"PyTorch is left out: {error}.")
    return calls


def _torch(theirs: MLPClassifier) -> Predict:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(dim=1))
    with torch.no_grad():
        for linear, W, b in zip((net[0], net[2]), theirs.coefs_, theirs.intercepts_, strict=True):
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(b))

    @torch.inference_mode()
    def predict(X: Any) -> Any:
        return net(torch.from_numpy(X)).numpy()

    return predict


def measured(call: Predict, X: Any, n: int) -> float:
    """Microseconds of a call, the mean of n."""
    time.sleep(SETTLE)
    repeats = range(n)
    call(X)
    begin = time.perf_counter()
    for _ in repeats:
        call(X)
    return (time.perf_counter() - begin) * 1e6 / n


def main() -> None:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=0.05, help="of a measurement (0.05)")
    args = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X = np.ascontiguousarray(X / 16, dtype=np.float32)
    calls = predictors(X, y)
    for name, call in calls.items():
        off = float(np.abs(call(X) - calls[BESIDE](X)).max())
        if not off < BOUND:
            raise SystemExit(f"{name} is off by {off:g}")
    calls = {"an empty Python function": empty, "an empty method in C": [].count, **calls}

    figures: dict[int, dict[str, float]] = {}
    for rows in (X[:1], X):
        numbers = {name: max(3, int(args.seconds * 1e6 / measured(call, rows, 3))) for name, call in calls.items()}
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(args.rounds):
            for name, call in calls.items():
                times[name].append(measured(call, rows, min(numbers[name], 20_000)))
        figures[len(rows)] = {name: statistics.median(list_) for name, list_ in times.items()}

    print(header(["chainrule", "torch", "scikit-learn", "numpy"]))
    print(f"Medians of {args.rounds} interleaved rounds, float32.\n")
    one, many = figures
    print(f"| predict by 64-64-10, µs | one row | ratio | {many:,} rows | ratio |\n|---|--:|--:|--:|--:|")
    for name in calls:
        cells = []
        for rows in (one, many):
            us, beside = figures[rows][name], figures[rows][BESIDE]
            cells.append(f"{us:.2f} | {us / beside:.2f}×" if us < 100 else f"{in_us(us)} | {us / beside:.1f}×")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
