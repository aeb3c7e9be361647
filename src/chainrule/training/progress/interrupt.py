"""Ctrl-C while training: noted, and obeyed between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.training.progress.history import Reason


class Ended(Exception):  # noqa: N818 (no error, as the standard's KeyboardInterrupt has none in its name either)
    """Raised inside training only, to end it where parameters and optimizer state belong together."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Interrupted(Ended):
    """Ctrl-C was pressed."""

    def __init__(self) -> None:
        super().__init__("interrupt")


class Interrupt:
    """While this context lasts, the first Ctrl-C is noted for `check`; a second one raises KeyboardInterrupt.

    Python would raise KeyboardInterrupt at whatever instruction it is, in a destructor too, where it is lost.
    A handler of the program's own is left alone, and so are threads other than the main one, which get no signals.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def __enter__(self) -> Interrupt:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._give_back()

    def check(self) -> None:
        """Raise Interrupted when Ctrl-C was pressed."""
        if self.requested:
            raise Interrupted

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a signal handler's arguments)
        self.requested = True
        self._give_back()

    def _give_back(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None
