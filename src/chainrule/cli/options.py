"""Errors in the words of the command line: an argument of Python's is named by the option that set it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.engine.network import Network
from chainrule.errors import InputError, ModelFileError, is_count, text
from chainrule.modelfile.atomic import check_writable
from chainrule.training.arguments.solvers import KINDS, refuse_checkpoint
from chainrule.training.checkpoints.folder import read_checkpoints
from chainrule.training.train import train

_OPTIONS = {
    "learning_rate": "--learning-rate",
    "batch_size": "--batch-size",
    "epochs": "--epochs",
    "penalty": "--penalty",
    "l1": "--l1",
    "weight_decay": "--weight-decay",
    "dropout": "--dropout or --input-dropout",
    "input_noise": "--input-noise",
    "label_smoothing": "--label-smoothing",
    "max_norm": "--max-norm",
    "clip_norm": "--clip-norm",
    "clip_example_norm": "--clip-example-norm",
    "input_gradient_penalty": "--input-gradient-penalty",
    "monotone": "--monotone",
    "monotone_weight": "--monotone-weight",
    "max_time": "--max-time",
    "checkpoint_every": "--checkpoint-every",
    "checkpoint": "--checkpoint",
    "resume": "--resume",
    "n_threads": "--threads",
    "validation": "--validation",
    "seed": "--seed",
    "early_stopping": "--patience",
    "sizes": "--hidden",
    "activations": "--activation or --output",
    "dtype": "--dtype",
    "unknown activation": "--activation or --output: unknown activation",
    "output activation": "--output",
    "output": "--output",
    "activation": "--activation or --output",
    "unknown cost": "--cost: unknown cost",
    "cost": "--cost",
    "optimizer": "--optimizer",
    "unknown optimizer": "--optimizer: unknown optimizer",
    "probabilities": "--probabilities",
    "unknown initializer": "--initializer: unknown initializer",
    "unknown notation": "--notation: unknown notation",
    "unknown form": "--form: unknown form",
    "of": "--of",
    "terms": "--terms",
    "digits": "--digits",
}


_DATA = {"X": "DATA", "Y": "targets of DATA"}
"""What the arrays are called of which a checkpoint says that they are others."""
_OF_ROWS = " --seed, --test, --test-fraction and --scale say, too, which rows are trained on, and how they are encoded."


@contextmanager
def named_by_option() -> Iterator[None]:
    """Let an error that names an argument name the option instead."""
    try:
        yield
    except (InputError, ModelFileError) as error:
        message = str(error)
        for argument, option in _OPTIONS.items():
            if message.startswith((f"{argument}:", f"{argument} ", f"{argument}=")):
                # on the command line an option that may be None is left out
                rest = message[len(argument) :].replace(" or None", "")
                raise type(error)(option + _in_options(rest)) from None
        for argument, said in _DATA.items():
            if message.startswith(f"{argument}:"):
                why = _OF_ROWS if "SHA-256" in message else ""
                raise type(error)(said + _in_options(message[len(argument) :]) + why) from None
        raise


def _in_options(message: str) -> str:
    """Write arguments of Python's that a hint names as options: epochs=5 as --epochs 5."""
    named = "|".join(sorted((name for name in _OPTIONS if name.isidentifier()), key=len, reverse=True))
    message = re.sub(r"\bresume=True\b", _OPTIONS["resume"], message)
    message = message.replace("checkpoint=None", "no --checkpoint").replace("Call cr.train again", "Call it again")
    message = re.sub(r"cr\.load\('([^']+)'\) gives its network", r"chainrule info \1 shows its network", message)
    message = re.sub(r", or (?:give|allow it:) cr\.\w+\([^)]*\)", "", message)
    message = message.replace(". None is no limit", ". Left out, it is no limit")
    message = message.replace("; None is no limit", "; left out, it is no limit")
    message = re.sub(r"\bmonotone(?= beside it|: give these)", _OPTIONS["monotone"], message)
    message = re.sub(
        rf"(?<!-)\b({named})=(['\"]?)([^'\",;:\s]+)\2", lambda found: f"{_OPTIONS[found[1]]} {found[3]}", message
    )
    return re.sub(rf"(?<=[Ll]eave )({named})\b", lambda found: _OPTIONS[found[1]], message)


def hidden_sizes(given: str) -> list[int]:
    """Read --hidden: whole numbers ≥ 1 with commas, or an empty text for no hidden layer. Raises InputError."""
    try:
        sizes = [int(part) for part in given.split(",")] if given.strip() else []
    except ValueError:
        sizes = [0]
    if not all(map(is_count, sizes)):
        hint = "Write --hidden 128,64."
        raise InputError(text("--hidden", expected="whole numbers ≥ 1 with commas", got=repr(given), hint=hint))
    return sizes


def check_options(seed: int, validation: float, patience: int | None) -> None:
    """Check what only the command line asks for in this form. Raises InputError."""
    if not 0 <= seed < 2**32:
        hint = "Write --seed 0."
        raise InputError(text("--seed", expected=f"a whole number from 0 to {2**32 - 1}", got=str(seed), hint=hint))
    if not 0 <= validation < 1:
        hint = "0.1 holds out a tenth of the training rows, 0 none."
        raise InputError(text("--validation", expected="a fraction 0 ≤ f < 1", got=f"{validation:g}", hint=hint))
    if patience is not None and not is_count(patience):
        hint = "Leave it out to train all epochs."
        raise InputError(text("--patience", expected="a whole number ≥ 1", got=str(patience), hint=hint))


def check_training(net: Network, epochs: int, settings: Mapping[str, Any]) -> None:
    """See that `train` takes these settings, before anything is printed: it trains nothing with them here.

    Raises InputError.
    """
    row, target = np.zeros((1, net.sizes[0])), np.zeros((1, net.sizes[-1]))
    with named_by_option():
        train(net.copy(), row, target, **{**settings, "callbacks": ()}, epochs=min(epochs, 0), verbose=0)


def epochs_or_time(given: str) -> int | str:
    """Read --checkpoint-every: a number of epochs, or a time, which `cr.train` reads."""
    return int(given) if given.isdecimal() else given


def check_checkpoint(optimizer: str, checkpoint: Path | None, every: str, resume: bool) -> None:
    """See that a training can be kept in a folder, or gone on with from there, before DATA is read.

    Raises InputError and ModelFileError.
    """
    with named_by_option():
        read_checkpoints(checkpoint, epochs_or_time(every), resume)
        kind = KINDS.get(optimizer)
        if checkpoint is not None and kind is not None and not kind.resumes:
            refuse_checkpoint(kind)


def is_same(one: str, other: str) -> bool:
    """Say whether two names, of data sets or of files, are of the same."""
    if one == other:
        return True
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):  # one isn't there, or can't be
        return False


def check_output(out: Path, *others: str, option: str = "--out") -> None:
    """See that a file can be written and is none of the others. Raises ModelFileError or InputError."""
    target = check_writable(out)
    for given in others:
        if is_same(str(target), given) or is_same(str(out), given):
            expected = "another file than what is read" + ("" if option == "--out" else ", and than --out")
            raise InputError(text(option, expected=expected, got=str(out), hint="Choose another name."))
