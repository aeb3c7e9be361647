"""How many threads the native backend takes; what it computes is the same bits for any number of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.engine.plan import Plan

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

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


def for_operations(count: int) -> int:
    """How many threads to take now for so many floating-point operations."""
    exact = _exact.get()
    return max(1, min(count // FLOPS_OF_A_THREAD, limit())) if exact is None else exact


@contextmanager
def exactly(n_threads: int) -> Iterator[None]:
    """While this lasts, take this many threads."""
    token = _exact.set(n_threads)
    try:
        yield
    finally:
        _exact.reset(token)


@contextmanager
def limited(n_threads: int | None, *, libraries: bool) -> Iterator[None]:
    """While this lasts, take this many threads; NumPy's linear algebra too, where `libraries` says that it is used.

    None changes nothing. To limit libraries takes longer than some trainings.
    """
    if n_threads is None:
        yield
        return
    with exactly(int(n_threads)):
        if not libraries:
            yield
            return
        from threadpoolctl import threadpool_limits  # which looks anew for libraries: the user's may have come since

        with threadpool_limits(int(n_threads)):
            yield


@contextmanager
def one_of_libraries() -> Iterator[None]:
    """While this lasts, NumPy's and SciPy's BLAS and LAPACK work on one thread.

    So the bits don't depend on how many there are, and none is woken for matrices that are small.
    """
    with _libraries().limit(limits=1):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Find the libraries that have threads, once, as it takes a millisecond."""
    import scipy.linalg  # noqa: F401 (whose library is to be found, too)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
