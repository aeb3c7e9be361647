"""How many threads the native backend takes; what it computes is the same bits for any number of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from chainrule.engine.plan import Plan

AT_MOST = 256
"""No more threads than this, whatever is asked for."""

# A thread more has to bring at least half as much again, for the processor's time that it costs. That takes this many
# floating-point operations of a step for each thread, and this many rows.
FLOPS_OF_A_THREAD = 1_000_000
ROWS_OF_A_THREAD = 4

_exact: ContextVar[int | None] = ContextVar("threads", default=None)


def limit() -> int:
    """How many threads may be taken by default.

    As many as this process has cores, at most OMP_NUM_THREADS, by which joblib's workers share a machine, and at most
    LOKY_MAX_CPU_COUNT. What is not a whole number ≥ 1 there says nothing.
    """
    names = ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    given = [os.environ.get(name, "").split(",")[0].strip() for name in names]
    return min(_cores(), AT_MOST, *(int(n) for n in given if n.isdecimal() and int(n) > 0))


def _cores() -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, _quota())


@cache
def _quota() -> int:
    """How many cores' time a container has, rounded up: cgroup v2's cpu.max; AT_MOST where there is no such limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return AT_MOST


def worth(plan: Plan, rows: int, *, training: bool = True) -> int:
    """How many threads are worth it for a step, or without `training` for a forward pass, on this many rows."""
    products = [n_in * n_out for n_in, n_out in zip(plan.sizes[:-1], plan.sizes[1:], strict=True)]
    passes = 3 * sum(products) - products[0] if training else sum(products)  # (E1); (E7), and (E6) but for the input
    return max(1, min(2 * rows * passes // FLOPS_OF_A_THREAD, rows // ROWS_OF_A_THREAD))


def chosen(plan: Plan, rows: int, *, training: bool = True) -> int:
    """How many threads to take now: what `exactly` says, else what this many rows are worth, within the limit."""
    exact = _exact.get()
    if exact is not None:
        return exact
    useful = worth(plan, rows, training=training)
    return min(useful, limit()) if useful > 1 else 1  # the limit is looked up where it counts


@contextmanager
def exactly(n_threads: int) -> Iterator[None]:
    """While this lasts, take this many threads."""
    token = _exact.set(n_threads)
    try:
        yield
    finally:
        _exact.reset(token)
