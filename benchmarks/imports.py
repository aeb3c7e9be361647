"""Milliseconds of whole processes that import chainrule, beside one that imports numpy.

    python -m benchmarks.imports                 # about half a minute
    python -m benchmarks.imports --rounds 61

Each row is `python -c PROGRAM`, from start to exit. Rounds interleave; the figures are medians over rounds, wall time
and CPU time (user and system), and the ratio is the median of a row's wall time over numpy's in the same round.
Bytecode is compiled before the first round, as an installation does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time

PROGRAMS = {
    "an empty program": "pass",
    "import numpy": "import numpy",
    "import chainrule": "import chainrule",
    "chainrule.Network": "import chainrule; chainrule.Network",
    "chainrule.train": "import chainrule; chainrule.train",
    "a network, and one prediction": "import chainrule; chainrule.Network([2, 3, 1]).predict([[0.5, -1.0]])",
}
BESIDE = "import numpy"


def measured(program: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of wall and of CPU time that an interpreter takes for a program."""
    begin = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", program], environment)
    _, status, used = os.wait4(process, 0)
    wall = time.perf_counter() - begin
    if status:
        raise SystemExit(f"failed: python -c {program!r}")
    return wall, used.ru_utime + used.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        for program in PROGRAMS.values():
            measured(program, environment)
        times = {name: [] for name in PROGRAMS}
        for _ in range(rounds):
            for name, program in PROGRAMS.items():
                times[name].append(measured(program, environment))
    print("| whole process, ms | wall | CPU | of numpy's |\n|---|--:|--:|--:|")
    for name, list_ in times.items():
        wall, cpu = (1e3 * statistics.median(column) for column in zip(*list_, strict=True))
        ratio = statistics.median(own[0] / numpys[0] for own, numpys in zip(list_, times[BESIDE], strict=True))
        print(f"| {name} | {wall:.0f} | {cpu:.0f} | {ratio:.2f}x |")


if __name__ == "__main__":
    main()
