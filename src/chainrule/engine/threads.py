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

# Below either of these a second thread costs more than it brings: threads meet at the end of every layer.
FLOPS_FOR_THREADS = 500_000
ROWS_FOR_THREADS = 8

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


def threads_for(plan: Plan, rows: int, limit: int, *, training: bool = True) -> int:
    """`limit` threads where a step, or a forward pass, on this many rows is work enough, else 1."""
    products = [n_in * n_out for n_in, n_out in zip(plan.sizes[:-1], plan.sizes[1:], strict=True)]
    passes = 3 * sum(products) - products[0] if training else sum(products)  # (E1); (E7), and (E6) but for the input
    enough = rows >= ROWS_FOR_THREADS and 2 * rows * passes >= FLOPS_FOR_THREADS
    return limit if enough else 1


def chosen(plan: Plan, rows: int, *, training: bool = True) -> int:
    """How many threads to take now: what `exactly` says, else what is good for this many rows."""
    return _exact.get() or threads_for(plan, rows, limit(), training=training)


@contextmanager
def exactly(n_threads: int) -> Iterator[None]:
    """While this lasts, take this many threads."""
    token = _exact.set(n_threads)
    try:
        yield
    finally:
        _exact.reset(token)
