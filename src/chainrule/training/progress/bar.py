"""The progress bar of a training run, shown on a terminal or in a notebook and nowhere else."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from chainrule.training.progress.history import History


class ProgressBar:
    """Shows epoch, cost, validation cost, gradient norm and seconds an epoch; does nothing where nobody looks.

    It writes to standard error, so that piped results stay clean. Used as a context.
    """

    def __init__(self, epochs: int, verbose: int, console: Console | None = None) -> None:
        self._progress: Progress | None = None
        if verbose == 0:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = console or Console(stderr=True)
        if not (console.is_terminal or console.is_jupyter):
            return
        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("training", total=epochs, figures="")

    def __enter__(self) -> ProgressBar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Show a sentence above the bar."""
        if self._progress is not None:
            self._progress.console.print(sentence, highlight=False, markup=False)

    def after_epoch(self, history: History) -> None:
        """Show the last epoch's figures."""
        if self._progress is None:
            return
        validation = f"  validation {history.validation_cost[-1]:.4g}" if history.validation_cost else ""
        figures = (
            f"cost {history.cost[-1]:.4g}{validation}  gradient {history.gradient_norm[-1]:.3g}  "
            f"{history.seconds[-1]:.2g} s/epoch"
        )
        self._progress.update(self._task, completed=history.epochs, figures=figures)
