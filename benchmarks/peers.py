"""Microseconds per training step, chainrule beside scikit-learn, PyTorch, JAX and NumPy by hand.

Run it from the repository root:

    python -m benchmarks.peers                          # A to D, under 3 minutes
    python -m benchmarks.peers --workloads E            # large matrices, about 4 minutes
    python -m benchmarks.peers --workloads A,C --peers PyTorch,NumPy --rounds 15 --seconds 0.5 --json peers.json

What is timed: each library's own training loop (benchmarks/loops.py), in float32, over a data set in memory
(benchmarks/workloads.py), for as many whole epochs as fill `--seconds`, at least one, divided by the number of steps.
A step is the gather of a shuffled batch, forward, backward and the update of the optimizer; a share of what a loop does
once per epoch (the permutation; in JAX the gather too) is in it, and so is a share of what it does once per call:
cr.train and scikit-learn's fit check their input and make their optimizer, and cr.train sets the number of threads. At
0.3 s a call that is a few per cent at most. chainrule and scikit-learn keep the cost of every batch and chainrule the
norm of its gradient too, because their loops always do; the other three compute no cost that their update doesn't need.

How: a warm-up epoch, which also compiles, before every measurement, which starts from the same parameters each time.
Rounds interleave, each measuring every peer once in turn, and the figure is the median over rounds. Where a library
lets one choose, one and two threads are both measured and the better median is taken. The ratio is the peer's time over
chainrule's in the same round, and its median over rounds: above 1, chainrule is the faster. On a busy machine trust the
ratios before the microseconds.

Before timing, three steps without shuffling must bring every peer to the same cost; one that disagrees ends the run.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.loops import PEERS, Loop
from benchmarks.workloads import WORKLOADS, Problem, Workload, make_problem

BASE = "chainrule"
TOLERANCE = 1e-5
"""Of costs, relative: float32 rounds a sum of up to 2048 products to about √2048 · 6e-8 = 3e-6 of it."""
ANOTHER_EPSILON = 1e-3
"""The same for scikit-learn's Adam, whose ε lacks the bias correction: 1/√(1 − β₂) = 32 times larger at first."""
SETTLE = 0.05
"""Seconds of rest before a measurement: OpenBLAS's threads spin for some 30 ms after the last product they shared."""


@dataclass
class Contestant:
    """A peer at a number of threads (None: its own choice) on one workload; `rounds` are microseconds a step."""

    peer: str
    threads: int | None
    loop: Loop
    steps: int
    epochs: int = 1
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds a step."""
        return statistics.median(self.rounds)

    def calibrate(self, seconds: float) -> None:
        """Choose how many epochs fill `seconds`."""
        self.epochs = max(1, round(seconds / (self._measure() * 1e-6 * self.steps)))

    def play(self) -> None:
        """Measure once more."""
        self.rounds.append(self._measure())

    def _measure(self) -> float:
        time.sleep(SETTLE)
        self.loop.start(self.threads or 1)
        self.loop.run(1)
        begin = time.perf_counter()
        self.loop.run(self.epochs)
        return (time.perf_counter() - begin) * 1e6 / (self.epochs * self.steps)


@dataclass(frozen=True)
class Result:
    """The better of a peer's contestants, with what it is compared with."""

    contestant: Contestant
    base: Contestant

    @property
    def ratios(self) -> list[float]:
        """Time over chainrule's, round by round."""
        return [mine / base for mine, base in zip(self.contestant.rounds, self.base.rounds, strict=True)]


# --- the check --------------------------------------------------------------------------------------------------------
def check(workload: Workload, peers: Sequence[str]) -> str:
    """Hold the peers' costs after three steps against chainrule's. Raises SystemExit where one differs."""
    problem = make_problem(workload, rows=3 * workload.batch, shuffle=False)
    before, expected = _costs_around_an_epoch(problem, BASE)
    if abs(expected - before) < 100 * TOLERANCE * before:
        raise SystemExit(f"{workload.name}: three steps move the cost too little for a check, {before} to {expected}")
    compared = []
    for peer in peers:
        if peer == BASE or (peer == "scikit-learn" and workload.output == "logistic"):  # it has no such output
            continue
        got = _costs_around_an_epoch(problem, peer)[1]
        difference = abs(got - expected) / expected
        if not difference <= _tolerance(workload, peer):
            raise SystemExit(f"{workload.name}: after three steps {peer} is at cost {got}, {BASE} at {expected}")
        compared.append(f"{peer} {difference:.0e}")
    return (
        f"{workload.name}: three steps take the cost from {before:.6g} to {expected:.6g}; "
        f"off by, relatively: {', '.join(compared) or 'nobody compared'}."
    )


def _tolerance(workload: Workload, peer: str) -> float:
    return ANOTHER_EPSILON if peer == "scikit-learn" and workload.optimizer == "adam" else TOLERANCE


def _costs_around_an_epoch(problem: Problem, peer: str) -> tuple[float, float]:
    loop = PEERS[peer](problem)
    loop.start(1)
    before = loop.cost()
    loop.run(1)
    return before, loop.cost()


# --- the measurement --------------------------------------------------------------------------------------------------
def measure(workload: Workload, peers: Sequence[str], rounds: int, seconds: float) -> list[Contestant]:
    """Let every peer, at every number of threads, play `rounds` rounds."""
    contestants = _enter(make_problem(workload, workload.rows, shuffle=True), peers)
    for contestant in contestants:
        contestant.calibrate(seconds)
    for number in range(rounds):
        _tell(f"\r{workload.name}: round {number + 1} of {rounds} ")
        for contestant in contestants:
            contestant.play()
    _tell("\n")
    return contestants


def _enter(problem: Problem, peers: Sequence[str]) -> list[Contestant]:
    contestants = []
    for peer in peers:
        loop, steps = PEERS[peer](problem), problem.workload.steps
        choices = range(1, min(2, cores()) + 1) if loop.settable_threads else [None]
        contestants += [Contestant(peer, threads, loop, steps) for threads in choices]
    return contestants


def results(contestants: Sequence[Contestant]) -> dict[str, Result]:
    """Take the better number of threads of each peer."""
    best: dict[str, Contestant] = {}
    for contestant in contestants:
        if contestant.peer not in best or contestant.median < best[contestant.peer].median:
            best[contestant.peer] = contestant
    return {peer: Result(contestant, best[BASE]) for peer, contestant in best.items()}


# --- what is printed --------------------------------------------------------------------------------------------------
def summary(table: dict[str, dict[str, Result]], peers: Sequence[str]) -> str:
    """The table of medians and ratios, in markdown."""
    lines = [f"| µs a step (ratio to {BASE}) | {' | '.join(peers)} |", "|---|" + "--:|" * len(peers)]
    for name, row in table.items():
        cells = [f"{_us(row[p].contestant.median)} ({statistics.median(row[p].ratios):.2f}×)" for p in peers]
        lines.append(f"| {WORKLOADS[name].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def details(table: dict[str, dict[str, Result]]) -> str:
    """The table of spreads and numbers of threads, in markdown."""
    lines = [
        "| workload | peer | threads | µs: median | min | max | ratio: median | min | max | steps a round |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in table.items():
        for peer, result in row.items():
            c, ratios = result.contestant, result.ratios
            times = [_us(t) for t in (c.median, min(c.rounds), max(c.rounds))]
            quotients = [f"{r:.2f}" for r in (statistics.median(ratios), min(ratios), max(ratios))]
            cells = [name, peer, str(c.threads or "its own"), *times, *quotients, str(c.epochs * c.steps)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _us(microseconds: float) -> str:
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.1f}"


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    settings = {k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS_", "OMP_", "MKL_", "XLA_", "CHAINRULE"))}
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "cores": cores(),
        "python": platform.python_version(),
        "blas": _blas(),
        "environment": settings,
    }


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _blas() -> list[str]:
    import numpy  # noqa: F401 - loads the BLAS that is asked about
    from threadpoolctl import threadpool_info

    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [f"{pool['prefix']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels" for pool in blas]


def _header(peers: Sequence[str], rounds: int, seconds: float) -> str:
    here = machine()
    names = [f"{PEERS[peer].distribution} {version(peer)}" for peer in peers]
    lines = [
        f"{here['cpu']}, {here['cores']} cores, {here['date']}; Python {here['python']}, {', '.join(names)}.",
        f"BLAS of chainrule, scikit-learn and NumPy: {'; '.join(here['blas'])}.",
        f"Medians of {rounds} interleaved rounds of {seconds:g} s, float32.",
    ]
    if here["environment"]:
        lines.insert(2, f"Set: {' '.join(f'{k}={v}' for k, v in here['environment'].items())}.")
    return "\n".join(lines)


def version(peer: str) -> str:
    """Version of the peer's distribution."""
    return importlib.metadata.version(PEERS[peer].distribution)


def as_json(played: dict[str, list[Contestant]], peers: Sequence[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Every round of every contestant, also of those whose number of threads was the worse."""
    return {
        "machine": machine(),
        "versions": {PEERS[peer].distribution: version(peer) for peer in peers},
        "rounds": rounds,
        "seconds": seconds,
        "results": [
            {
                "workload": name,
                "peer": c.peer,
                "threads": c.threads,
                "taken": results(contestants)[c.peer].contestant is c,
                "microseconds": c.rounds,
            }
            for name, contestants in played.items()
            for c in contestants
        ],
    }


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


# --- the command ------------------------------------------------------------------------------------------------------
def installed(peers: Sequence[str]) -> list[str]:
    """The peers that are here, chainrule first; says which aren't."""
    here = []
    for peer in dict.fromkeys([BASE, *peers]):
        try:
            PEERS[peer](make_problem(WORKLOADS["C"], 64, shuffle=False))
        except ImportError as error:
            print(f"{peer} is left out: {error}.")
        else:
            here.append(peer)
    return here


def _names(known: Sequence[str]) -> Any:
    by_name = {name.lower(): name for name in known}

    def read(given: str) -> list[str]:
        chosen = [name.strip().lower() for name in given.split(",")]
        if unknown := [name for name in chosen if name not in by_name]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not among {', '.join(known)}")
        return [by_name[name] for name in chosen]

    return read


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", type=_names([*WORKLOADS]), default=["A", "B", "C", "D"], help="such as A,C")
    parser.add_argument("--peers", type=_names([*PEERS]), default=[*PEERS], help=f"of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=7, help="how often each peer is measured (7)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of a measurement (0.3), at least one epoch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Check, measure, print."""
    args = _arguments(argv)
    peers = installed(args.peers)
    print("\n".join(check(WORKLOADS[name], peers) for name in args.workloads), flush=True)
    played = {name: measure(WORKLOADS[name], peers, args.rounds, args.seconds) for name in args.workloads}
    table = {name: results(contestants) for name, contestants in played.items()}
    print(f"\n{_header(peers, args.rounds, args.seconds)}\n\n{summary(table, peers)}\n\n{details(table)}")
    if args.json is not None:
        args.json.write_text(json.dumps(as_json(played, peers, args.rounds, args.seconds), indent=1) + "\n")


if __name__ == "__main__":
    main()
