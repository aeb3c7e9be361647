"""The exceptions of chainrule, and the one grammar of their texts.

Every text says what is wrong and where, what was expected, what came instead, and what to do next, in the names that
the user wrote. `text` puts these four parts together, so that all errors read alike.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable


class ChainruleError(Exception):
    """Base of every error that chainrule raises on purpose."""


class InputError(ChainruleError, ValueError):
    """An argument has the wrong shape, dtype, range or name."""


class PairError(InputError):
    """An output activation and a cost that don't fit each other."""


class DerivativeError(InputError):
    """A user-defined activation or cost whose derivative is not the derivative of its value."""


class DataError(ChainruleError, ValueError):
    """A data set that can't be read, or doesn't fit the model."""


class ModelFileError(ChainruleError, ValueError):
    """A model file that can't be read or written; another file that can't be written."""


class NativeError(ChainruleError, ImportError):
    """The compiled core is asked for, and is not in this installation or does not load."""


class NativeMissingWarning(UserWarning):
    """This installation has no compiled core, so that networks compute by the slower reference backend."""


class DivergenceWarning(UserWarning):
    """Training met a NaN or an infinite number and stopped; the last finite parameters are kept."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or is gone on with where numbers are rounded otherwise; training is whole."""


def is_count(value: object) -> bool:
    """Say whether a value is a whole number ≥ 1; True isn't one.

    >>> is_count(3), is_count(0), is_count(2.5), is_count(True)
    (True, False, False, False)
    """
    if isinstance(value, bool):
        return False
    try:
        return operator.index(value) >= 1  # type: ignore[arg-type] # what has no index raises
    except TypeError:
        return False


def text(what: str, *, expected: str, got: str, hint: str) -> str:
    """Compose an error's text from its four parts.

    >>> text("X has the wrong width", expected="64 columns", got="shape (3, 65)", hint="Drop the column of labels.")
    'X has the wrong width: expected 64 columns, got shape (3, 65). Drop the column of labels.'
    """
    return f"{what}: expected {expected}, got {got}. {hint}"


def unknown_name(what: str, name: object, known: Iterable[str]) -> InputError:
    """Make the error for a name that is not in a table, with the nearest names first.

    >>> print(unknown_name("activation", "reul", ["relu", "tanh"]))
    unknown activation: expected one of relu, tanh, got 'reul'. Did you mean relu?
    """
    import difflib  # imported late: only this error needs it

    names = sorted(known)
    given = str(name).lower()
    begun = [known_name for known_name in names if len(given) > 1 and known_name.startswith(given)]
    near = list(dict.fromkeys([*begun, *difflib.get_close_matches(given, names, n=3, cutoff=0.5)]))[:3]
    hint = f"Did you mean {' or '.join(near)}?" if near else "Choose a name from the list."
    return InputError(text(f"unknown {what}", expected=f"one of {', '.join(names)}", got=repr(name), hint=hint))
