"""Microseconds per training step, chainrule beside PyTorch, JAX, scikit-learn and NumPy by hand, and beside sgemm.

Run it from the repository root:

    python -m benchmarks.peers                          # A to E, under 10 minutes
    python -m benchmarks.peers --rounds 3               # under 5
    python -m benchmarks.peers --workloads A,C --peers PyTorch,NumPy --rounds 15 --seconds 0.5 --json peers.json
    env -u OPENBLAS_CORETYPE python -m benchmarks.peers # where that variable holds NumPy's BLAS to other kernels

What is timed: each library's own training loop (benchmarks/loops.py), in float32, without shuffling, over a data set in
memory (benchmarks/workloads.py), for as many whole epochs as fill `--seconds`, at least one (E: two, of four steps),
divided by the number of steps. A step is forward, backward and the update of the optimizer; a share of what a loop does
once per call is in it: cr.train and scikit-learn's fit check their input and make their optimizer. chainrule and
scikit-learn keep the cost of every batch and chainrule the norm of its gradient too, because their loops always do; the
other three compute no cost that their update doesn't need.

How: a warm-up epoch, which also compiles, before every measurement, which starts from the same parameters each time.
Rounds interleave, each measuring everybody once in turn, and the figure is the median over rounds. Each library is
measured on one and on two threads (JAX in two processes of its own, one of which may use one core only) and the better
median is taken. "Times faster" is the best peer's time over chainrule's in the same round, its median over rounds.
On a busy machine trust the ratios before the microseconds.

The share of sgemm is the step's useful floating-point operations, divided by its time and by the rate at which NumPy
multiplies two 2048 × 2048 matrices on as many threads in the same round. Useful are, for each layer, 2·N·I·O for Z, the
same for d𝒲, and the same for Δ of the layer below unless that is the input. If OPENBLAS_CORETYPE holds OpenBLAS to some
kernels, the same is measured in a process without it: the last column is the share of that rate.

Before timing, three steps from the same parameters must bring every peer, at each number of threads, to the same cost;
one that disagrees ends the run. A star marks a peer that can't express the workload: it does a similar one, is not
checked, and can't be the best peer. scikit-learn has no sigmoid output under squared error; on A it has the identity.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.loops import PEERS, Sgemm, SgemmElsewhere, can_express
from benchmarks.machine import cores, header, machine
from benchmarks.rounds import Contestant, in_us, play, ratio
from benchmarks.workloads import WORKLOADS, Workload, make_problem

BASE = "chainrule"
CHECKED = 3
"""Steps before costs are compared: few, as Adam moves a weight by its rate however small the gradient, whose sign can
be one of rounding (D: float32 and float64 differ by 1e-4 after 16)."""
TOLERANCE = 1e-4
"""Of costs, relative: float32 rounds a sum of up to 2048 products to about √2048 · 6e-8 = 3e-6 of it, in each step."""
SGEMM, ELSEWHERE = "sgemm", "sgemm, best kernels"
THREADS = range(1, min(2, cores()) + 1)


# --- the measurement --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Race:
    """A workload's contestants after their rounds."""

    workload: Workload
    contestants: list[Contestant]

    def at(self, name: str, threads: int | None) -> Contestant:
        """The one at this number of threads."""
        return next(c for c in self.contestants if (c.name, c.threads) == (name, threads))

    def better(self, name: str) -> Contestant:
        """The one at the better number of threads."""
        return min((c for c in self.contestants if c.name == name and c.threads), key=lambda c: c.median)

    def best_peer(self) -> Contestant | None:
        """The fastest of those that do the same work."""
        names = {c.name for c in self.contestants} & PEERS.keys() - {BASE}
        able = [self.better(name) for name in names if can_express(name, self.workload)]
        return min(able, key=lambda c: c.median, default=None)

    def share(self, threads: int, product: str) -> float:
        """Chainrule's useful operations a second over sgemm's, on as many threads."""
        return ratio(self.at(product, threads), self.at(BASE, threads)) * self.workload.flops / Sgemm.FLOPS


def race(workload: Workload, peers: Sequence[str], products: dict[str, Any], rounds: int, seconds: float) -> Race:
    """Check the peers, then let everybody play."""
    print(check(workload, enter(workload, peers, CHECKED)), flush=True)
    contestants = enter(workload, peers)
    contestants += [Contestant(name, threads, loop, 1) for name, loop in products.items() for threads in THREADS]
    play(workload.name, contestants, rounds, seconds)
    return Race(workload, contestants)


def enter(workload: Workload, peers: Sequence[str], steps: int | None = None) -> list[Contestant]:
    """Everybody at each number of threads, on data for so many steps (None: an epoch's), chainrule first."""
    problem = make_problem(workload, steps)
    contestants = []
    for peer in peers:
        loop = PEERS[peer](problem)
        choices = [*THREADS, *([None] if peer == BASE else [])] if loop.settable_threads else [len(THREADS)]
        contestants += [Contestant(peer, threads, loop, problem.workload.steps) for threads in choices]
    return contestants


def check(workload: Workload, contestants: Sequence[Contestant]) -> str:
    """Hold the costs after CHECKED steps against chainrule's on one thread. Raises SystemExit where one differs."""
    before, expected = _costs_around_an_epoch(contestants[0])
    if abs(expected - before) < 10 * TOLERANCE * before:
        raise SystemExit(f"{workload.name}: {CHECKED} steps leave the cost near {before}, which checks nothing")
    compared: dict[str, float] = {}
    for c in contestants[1:]:
        if not can_express(c.name, workload):
            continue
        got = _costs_around_an_epoch(c)[1]
        difference = abs(got - expected) / expected
        if not difference <= TOLERANCE:
            raise SystemExit(f"{workload.name}: after {CHECKED} steps {c.name} is at cost {got}, {BASE} at {expected}")
        compared[c.name] = max(difference, compared.get(c.name, 0.0))
    return (
        f"{workload.name}: {CHECKED} steps take the cost from {before:.6g} to {expected:.6g}; "
        f"off by, relatively: {', '.join(f'{name} {off:.0e}' for name, off in compared.items())}."
    )


def _costs_around_an_epoch(contestant: Contestant) -> tuple[float, float]:
    loop: Any = contestant.loop
    loop.start(contestant.threads)
    before = loop.cost()
    loop.run(1)
    return before, loop.cost()


# --- what is printed --------------------------------------------------------------------------------------------------
def summary(races: Sequence[Race], peers: Sequence[str], products: Sequence[str]) -> str:
    """The table of medians, the ratio to the best peer, and the shares."""
    shares = ["share of sgemm", "share of sgemm, best kernels"][: len(products)]
    lines = [_row("µs a step", *peers, "times faster than the best peer", *shares), _rule(len(peers) + 1 + len(shares))]
    for r in races:
        best, mine = r.best_peer(), r.better(BASE)
        cells = [in_us(r.better(p).median) + ("" if can_express(p, r.workload) else "*") for p in peers]
        cells.append(f"{ratio(best, mine):.2f} ({best.name})" if best else "no peer")
        lines.append(_row(r.workload.title, *cells, *(f"{r.share(mine.threads or 1, p):.2f}" for p in products)))
    return "\n".join(lines)


def threads(races: Sequence[Race], products: Sequence[str]) -> str:
    """The table of what chainrule's threads bring."""
    counts = [f"{n} thread{'s' * (n > 1)}" for n in THREADS]
    columns = ["speed-up", "its own choice (threads)", *(f"share of {name}, {' / '.join(counts)}" for name in products)]
    lines = [_row("chainrule, µs a step", *counts, *columns), _rule(len(counts) + len(columns))]
    for r in races:
        cells = [in_us(r.at(BASE, n).median) for n in THREADS]
        cells += [f"{ratio(r.at(BASE, 1), r.at(BASE, THREADS[-1])):.2f}", _own_choice(r)]
        cells += [" / ".join(f"{r.share(n, name):.2f}" for n in THREADS) for name in products]
        lines.append(_row(r.workload.name, *cells))
    return "\n".join(lines)


def _own_choice(r: Race) -> str:
    own: Any = r.at(BASE, None)
    return f"{in_us(own.median)} ({own.loop.choice()})"


def rates(races: Sequence[Race], products: dict[str, Any]) -> str:
    """GFLOP/s of sgemm, in words."""
    texts = []
    for name, loop in products.items():
        medians = [statistics.median(t for r in races for t in r.at(name, n).rounds) for n in THREADS]
        figures = " and ".join(f"{Sgemm.FLOPS / median / 1e3:.0f}" for median in medians)
        texts.append(f"{figures} ({loop.kernels()})")
    counts = " and ".join(map(str, THREADS))
    return f"sgemm, {Sgemm.SIDE} square, GFLOP/s on {counts} thread{'s' * (len(THREADS) > 1)}: {'; '.join(texts)}."


def details(races: Sequence[Race], peers: Sequence[str]) -> str:
    """The table of spreads and numbers of threads."""
    lines = [_row("workload", "peer", "threads", "µs: median", "min", "max", "steps a round"), _rule(6)]
    for r in races:
        for c in map(r.better, peers):
            figures = map(in_us, (c.median, min(c.rounds), max(c.rounds)))
            lines.append(_row(r.workload.name, c.name, str(c.threads), *figures, str(c.epochs * c.steps)))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "|---|" + "--:|" * columns


def as_json(races: Sequence[Race], rounds: int, seconds: float) -> dict[str, Any]:
    """Every round of everybody, also at the worse number of threads."""
    results = [
        {"workload": r.workload.name, "name": c.name, "threads": c.threads, "microseconds": c.rounds}
        for r in races
        for c in r.contestants
    ]
    return {"machine": machine(), "rounds": rounds, "seconds": seconds, "results": results}


# --- the command ------------------------------------------------------------------------------------------------------
def installed(peers: Sequence[str]) -> list[str]:
    """The peers that are here, chainrule first; says which aren't."""
    here, problem = [], make_problem(WORKLOADS["C"])
    for peer in dict.fromkeys([BASE, *peers]):
        try:
            PEERS[peer](problem)
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
    parser.add_argument("--workloads", type=_names([*WORKLOADS]), default=[*WORKLOADS], help="such as A,C")
    parser.add_argument("--peers", type=_names([*PEERS]), default=[*PEERS], help=f"of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=7, help="how often each peer is measured (7)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of a measurement (0.3), at least an epoch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Check, measure, print."""
    args = _arguments(argv)
    peers = installed(args.peers)
    products: dict[str, Any] = {SGEMM: Sgemm()}
    if "OPENBLAS_CORETYPE" in os.environ:
        products[ELSEWHERE] = SgemmElsewhere()
    races = [race(WORKLOADS[name], peers, products, args.rounds, args.seconds) for name in args.workloads]
    print(f"\n{header([PEERS[peer].distribution for peer in peers])}")
    print(f"Medians of {args.rounds} interleaved rounds of {args.seconds:g} s, float32. {rates(races, products)}")
    for table in (summary(races, peers, [*products]), threads(races, [*products]), details(races, peers)):
        print(f"\n{table}")
    if any(not can_express(peer, r.workload) for peer in peers for r in races):
        print("\n* a similar workload, with an identity output: not compared.")
    if args.json is not None:
        args.json.write_text(json.dumps(as_json(races, args.rounds, args.seconds), indent=1) + "\n")


if __name__ == "__main__":
    main()
