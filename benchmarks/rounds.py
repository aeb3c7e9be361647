"""Interleaved measurements: every contestant once a round, the median over rounds."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

SETTLE = 0.05
"""Seconds of rest before a measurement: OpenBLAS's threads spin for some 30 ms after the last product they shared."""
LEAST = 8
"""Steps: what loops do once a call should not weigh in long ones."""


class Runs(Protocol):
    """What is timed."""

    def start(self, threads: int | None) -> None:
        """Begin anew, with so many threads; not timed."""

    def run(self, epochs: int) -> None:
        """Do it; done when it returns."""


@dataclass
class Contestant:
    """A loop at a number of threads (None: its own choice); `rounds` are microseconds a step."""

    name: str
    threads: int | None
    loop: Runs
    steps: int
    epochs: int = 1
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds a step."""
        return statistics.median(self.rounds)

    def calibrate(self, seconds: float) -> None:
        """Choose how many epochs fill `seconds`; at least two where an epoch has less than LEAST steps.

        What a call costs before its first step is most of a short one: so the number grows until one is long enough.
        """
        self.epochs = least = 1 if self.steps >= LEAST else 2
        while (taken := self._measure() * 1e-6 * self.steps * self.epochs) < 0.7 * seconds:
            self.epochs = max(self.epochs + 1, round(self.epochs * min(10, seconds / taken)))
        self.epochs = max(least, round(self.epochs * seconds / taken))

    def play(self) -> None:
        """Measure once more."""
        self.rounds.append(self._measure())

    def _measure(self) -> float:
        time.sleep(SETTLE)
        self.loop.start(self.threads)
        self.loop.run(1)  # warms up
        begin = time.perf_counter()
        self.loop.run(self.epochs)
        return (time.perf_counter() - begin) * 1e6 / (self.epochs * self.steps)


def play(title: str, contestants: Sequence[Contestant], rounds: int, seconds: float) -> None:
    """Let every contestant play `rounds` rounds of `seconds`."""
    for contestant in contestants:
        contestant.calibrate(seconds)
    for number in range(rounds):
        tell(f"\r{title}: round {number + 1} of {rounds} ")
        for contestant in contestants:
            contestant.play()
    tell("\n")


def ratio(slow: Contestant, fast: Contestant) -> float:
    """How many times faster the second is: the median over rounds of the quotients of one round."""
    return statistics.median(a / b for a, b in zip(slow.rounds, fast.rounds, strict=True))


def in_us(microseconds: float) -> str:
    """Three digits or more."""
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.1f}"


def tell(text: str) -> None:
    """Write progress."""
    print(text, end="", file=sys.stderr, flush=True)
