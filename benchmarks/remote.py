"""An object in a process of its own, for what is settled once a library is loaded: its cores, its environment."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

CAN_LIMIT = hasattr(os, "sched_setaffinity")
"""Whether a process can be held to some of the cores."""


class Remote:
    """`make(*args)` in a new process that may use `cores` cores (None: all) and lacks the variables `without`.

    Its methods are called by name through a pipe, which takes some 50 µs. The process ends with this object.
    """

    def __init__(
        self, make: Callable[..., Any], *args: Any, cores: int | None = None, without: Sequence[str] = ()
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        taken = {name: os.environ.pop(name) for name in without if name in os.environ}
        try:
            context.Process(target=_serve, args=(theirs, cores, make, args), daemon=True).start()
        finally:
            os.environ.update(taken)
        theirs.close()
        self._answer()

    def __call__(self, method: str, *args: Any) -> Any:
        """Call a method, wait, give what it gives. Raises what it raises."""
        self._pipe.send((method, args))
        return self._answer()

    def _answer(self) -> Any:
        answer, error = self._pipe.recv()
        if error is not None:
            raise error
        return answer


def _serve(pipe: Connection, cores: int | None, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    served: list[Any] = []

    def begin() -> None:
        served.append(make(*args))

    call, arguments = begin, ()
    while True:
        try:
            pipe.send((call(*arguments), None))
        except Exception as error:  # noqa: BLE001 - raised by the other side
            pipe.send((None, error))
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        call = getattr(served[0], method)
