"""What the options of a step cost: microseconds, and times the plain step of workload B.

    python -m benchmarks.options                    # about three minutes
    python -m benchmarks.options --threads 2 --rounds 15

What is timed: cr.train of 784-100-10 (ReLU, softmax, cross-entropy, Adam, batches of 200, float32), without shuffling,
divided by the number of steps. Rounds interleave; the figures are the median over rounds, and that of the quotients of
one round. K-FAC inverts its factors more often at first, so that measurements are long. BOUNDS are what a step may
cost; a figure above its bound ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import chainrule as cr
from benchmarks.machine import header
from benchmarks.rounds import Contestant, in_us, play, ratio
from benchmarks.workloads import WORKLOADS, Problem, make_problem

PLAIN = "plain"
OPTIONS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "dropout 0.5 of the hidden layer": {"dropout": 0.5},
    "and 0.2 of the inputs": {"dropout": {0: 0.2, 1: 0.5}},
    "input noise": {"input_noise": 0.1},
    "label smoothing": {"label_smoothing": 0.1},
    "L1 and weight decay": {"l1": 1e-4, "weight_decay": 1e-2},
    "rates of layers": {"layer_rates": {1: 0.5}},
    "first layer frozen": {"frozen": [1]},
    "max-norm": {"max_norm": 1.0},
    "gradient clipping": {"clip_norm": 0.1},
    "clipping of each example": {"clip_example_norm": 0.5},
    "K-FAC": {"optimizer": cr.KFAC(), "learning_rate": 0.01},
}
BOUNDS = {"dropout 0.5 of the hidden layer": 1.1, "K-FAC": 4.0}
"""What the time may be, in plain steps."""


class Training:
    """`cr.train` of a problem with options."""

    def __init__(self, problem: Problem, options: dict[str, Any]) -> None:
        self._problem, self._options = problem, options
        work = problem.workload
        self._net = cr.Network(work.sizes, [work.hidden, work.output], work.cost)

    def start(self, threads: int | None) -> None:
        """Begin anew, with so many threads."""
        self._threads = threads
        for layer, (W, b) in enumerate(zip(self._problem.W, self._problem.b, strict=True), start=1):
            self._net.W[layer][...], self._net.b[layer][...] = W, b

    def run(self, epochs: int) -> None:
        """Train."""
        problem, work = self._problem, self._problem.workload
        cr.train(
            self._net,
            problem.X,
            problem.Y,
            batch_size=work.batch,
            epochs=epochs,
            shuffle=False,
            n_threads=self._threads,
            verbose=0,
            **{"optimizer": work.optimizer, "learning_rate": work.rate} | self._options,
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a measurement (1), at least one epoch")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    problem = make_problem(WORKLOADS["B"])
    all_of_them = {
        name: Contestant(name, args.threads, Training(problem, options), problem.workload.steps)
        for name, options in OPTIONS.items()
    }
    play("options", list(all_of_them.values()), args.rounds, args.seconds)
    print(header(["chainrule", "numpy"]))
    print(f"{problem.workload.title}; medians of {args.rounds} rounds, {args.threads} thread(s).\n")
    print("| a step with | µs | plain steps | may be |\n|---|--:|--:|--:|")
    missed = False
    for name, contestant in all_of_them.items():
        times, bound = ratio(contestant, all_of_them[PLAIN]), BOUNDS.get(name)
        missed = missed or (bound is not None and times > bound)
        print(f"| {name} | {in_us(contestant.median)} | {times:.2f} | {'' if bound is None else bound} |")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
