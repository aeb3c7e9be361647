"""The progress bar: shown on a terminal, with its figures; silent everywhere else."""

import io

import pytest
from rich.console import Console

import chainrule as cr
from chainrule.training.progress.bar import ProgressBar
from chainrule.training.progress.history import EpochFigures, History


def _history():
    history = History()
    history.append(EpochFigures(0.12345, 0.0, 2.5, 0.1, 0.25, evaluations={"validation": {"cost": 0.5}}))
    return history


def test_a_terminal_sees_epoch_cost_validation_gradient_and_seconds():
    stream = io.StringIO()
    with ProgressBar(3, 1, Console(file=stream, force_terminal=True, width=140)) as bar:
        bar.after_epoch(_history())
    shown = stream.getvalue()
    for part in ("1/3", "cost 0.1235", "validation 0.5", "gradient 2.5", "0.25 s/epoch"):
        assert part in shown


@pytest.mark.parametrize(("verbose", "terminal"), [(0, True), (1, False)])
def test_silent_without_a_terminal_and_with_verbose_0(verbose, terminal):
    stream = io.StringIO()
    with ProgressBar(3, verbose, Console(file=stream, force_terminal=terminal, width=140)) as bar:
        bar.after_epoch(_history())
    assert stream.getvalue() == ""


def test_train_prints_nothing_when_piped(capfd):
    cr.train(cr.Network([1, 1]), [[0.0]], [0.0], epochs=2)
    assert capfd.readouterr() == ("", "")
