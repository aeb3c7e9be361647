"""Errors in the words of the command line: an argument of Python's is named by the option that set it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainrule.engine.network import Network
from chainrule.errors import InputError, is_count, text
from chainrule.modelfile.atomic import check_writable
from chainrule.training.train import train

_OPTIONS = {
    "learning_rate": "--learning-rate",
    "batch_size": "--batch-size",
    "epochs": "--epochs",
    "penalty": "--penalty",
    "n_threads": "--threads",
    "validation": "--validation",
    "sizes": "--hidden",
    "dtype": "--dtype",
    "unknown activation": "--activation or --output: unknown activation",
    "output activation": "--output",
    "output": "--output",
    "activation": "--activation or --output",
    "unknown cost": "--cost: unknown cost",
    "cost": "--cost",
    "unknown optimizer": "--optimizer: unknown optimizer",
    "probabilities": "--probabilities",
    "unknown initializer": "--initializer: unknown initializer",
    "unknown notation": "--notation: unknown notation",
    "unknown form": "--form: unknown form",
    "of": "--of",
    "terms": "--terms",
    "digits": "--digits",
}


@contextmanager
def named_by_option() -> Iterator[None]:
    """Let an InputError that names an argument name the option instead."""
    try:
        yield
    except InputError as error:
        message = str(error)
        for argument, option in _OPTIONS.items():
            if message.startswith((f"{argument}:", f"{argument} ", f"{argument}=")):
                # on the command line an option that may be None is left out
                raise InputError(option + message[len(argument) :].replace(" or None", "")) from None
        raise


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


def check_training(epochs: int, **settings: Any) -> None:
    """See that `train` takes these settings, before anything is printed: it trains nothing with them here.

    Raises InputError.
    """
    with named_by_option():
        train(Network([1, 1]), [[0.0]], [0.0], epochs=min(epochs, 0), verbose=0, **settings)


def is_same(one: str, other: str) -> bool:
    """Say whether two names, of data sets or of files, are of the same."""
    if one == other:
        return True
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):  # one isn't there, or can't be
        return False


def check_output(out: Path, *inputs: str) -> None:
    """See that `out` can be written and is none of the inputs. Raises ModelFileError or InputError."""
    target = check_writable(out)
    for given in inputs:
        if is_same(str(target), given):
            hint = "Choose another name."
            raise InputError(text("--out", expected="another file than what is read", got=str(out), hint=hint))
