"""Checkpoints of a training: the folder that they lie in, when they are written, and what is found there."""

from __future__ import annotations

import copy
import logging
import math
import os
import re
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engine.network import Network
from chainrule.engine.plan import Plan
from chainrule.errors import CheckpointWarning, InputError, ModelFileError, is_count, text
from chainrule.modelfile import format as modelfile
from chainrule.modelfile.atomic import what_is_at
from chainrule.modelfile.networks import arrays_of, build, describe
from chainrule.modelfile.trees import pack, unpack
from chainrule.training.checkpoints.folder_lock import locked, taken, writable
from chainrule.training.checkpoints.identity import check_same
from chainrule.training.progress.history import Reason

VERSION = 1
CURRENT, PREVIOUS, DAMAGED = (f"checkpoint{kind}.chainrule" for kind in ("", ".previous", ".damaged"))
_WRITING = ".checkpoint.writing"
_UNITS = {"s": 1, "min": 60, "h": 3600}
_FOR_GOOD = ("early_stopping", "learning_rate", "converged")
_LOG = logging.getLogger("chainrule.training")


@dataclass(frozen=True)
class Every:
    """How often a checkpoint is written: every so many epochs, or seconds; the other one is infinite."""

    epochs: float = math.inf
    seconds: float = math.inf

    @classmethod
    def read(cls, spec: Any) -> Every:
        """Read `checkpoint_every`. Raises InputError.

        >>> Every.read(5), Every.read("2min")
        (Every(epochs=5, seconds=inf), Every(epochs=inf, seconds=120.0))
        """
        if is_count(spec):
            return cls(epochs=int(spec))
        found = re.fullmatch(r"(\d+(?:\.\d*)?) *(s|min|h)", spec) if isinstance(spec, str) else None
        if found is None or not float(found[1]):
            hint = "Write checkpoint_every=5 for every fifth epoch, or checkpoint_every='300s', '10min', '2h'."
            expected = "a whole number of epochs ≥ 1, or a time as text"
            raise InputError(text("checkpoint_every", expected=expected, got=repr(spec), hint=hint))
        return cls(seconds=float(found[1]) * _UNITS[found[2]])


@dataclass(frozen=True)
class Found:
    """A checkpoint that was read: whose training it is of, θ, (|θ|,), and what that training remembers."""

    path: Path
    identity: dict[str, Any]
    parameters: NDArray[Any]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training in a folder: `CURRENT`, and `PREVIOUS`, the one before it.

    `found` is the newest whole one, where a training is resumed. As a context it keeps other trainings out of the
    folder. `over` is why that one has no step left to take, if it hasn't: what a callback, Ctrl-C, `max_time` or an
    error ended goes on.
    """

    def __init__(self, folder: Path, every: Every, found: Found | None, seen: tuple[Any, ...]) -> None:
        self.folder, self.found, self._every = folder, found, every
        self._there = folder.absolute()  # also where the program goes to another folder meanwhile
        self._seen = seen
        self._lock: IO[str] | None = None
        self._wanted = found is None  # the first one is written at once: a folder that is full is known of then
        self._next = time.monotonic() + every.seconds
        self._identity: dict[str, Any] = {}
        self._draws: dict[str, Any] = {}
        self._by = ""
        self._written = found is not None
        self.over: Reason | None = None
        self.failed = ""

    def draws(self, rng: np.random.Generator, key: int) -> int:
        """Give the key of the steps' random numbers; where a training is resumed its own, and `rng` as it began.

        Raises InputError for another kind of generator.
        """
        if self.found is not None:
            self._draws = self.found.state["draws"]
            try:
                rng.bit_generator.state = copy.deepcopy(self._draws["generator"])
            except (TypeError, ValueError):
                kind, given = self._draws["generator"]["bit_generator"], type(rng.bit_generator).__name__
                hint = "Make it as in the training that is resumed."
                raise InputError(
                    text("seed", expected=f"a Generator on {kind}", got=f"on {given}", hint=hint)
                ) from None
        else:
            self._draws = {"generator": copy.deepcopy(rng.bit_generator.state), "key": key}
        return int(self._draws["key"])

    def identify(self, identity: dict[str, Any], epochs: int) -> None:
        """Take note of what this training is. Raises InputError where it isn't the one that was found."""
        self._identity, self._by = identity, _computed_by(identity["backend"])
        if self.found is None:
            return
        check_same(self.found.identity, identity, str(self.found.path))
        if self.found.state["computed_by"] != self._by:
            before, path = self.found.state["computed_by"], self.found.path
            _warn(f"{path} was computed by {before}, and training goes on by {self._by}: its bits may be others.")
        done = len(self.found.state["history"]["cost"])
        if epochs < done:
            hint = "It says how many there are in all, those before the checkpoint among them."
            expected = f"at least the {done} that {self.found.path} has"
            raise InputError(text("epochs", expected=expected, got=repr(epochs), hint=hint))
        ended: Reason | None = self.found.state["ended"]
        self.over = ended if ended in _FOR_GOOD or (ended == "epochs" and done == epochs) else None

    def take(self) -> Found | None:
        """Give what was found, once: its arrays are as large as all that a training holds."""
        found, self.found = self.found, None
        return found

    def __enter__(self) -> Checkpoints:
        self._lock = locked(self.folder)
        try:
            if _look(self.folder) != self._seen:
                got = "one that another training has written to in the meantime"
                raise taken(self.folder, got, "Call cr.train again.")
            with writable(self.folder):
                (self.folder / _WRITING).unlink(missing_ok=True)  # of a writer that was killed
                if self.found is not None and self.found.path.name == PREVIOUS and (self.folder / CURRENT).exists():
                    (self.folder / CURRENT).replace(self.folder / DAMAGED)  # it must not come before the whole one
        except BaseException:
            self._lock.close()
            raise
        if self.found is not None:
            done, steps = len(self.found.state["history"]["cost"]), self.found.state["progress"]["taken"]
            _LOG.info("resumed from %s, after %d epochs and %d steps", self.found.path, done, steps)
        return self

    def __exit__(self, *error: object) -> None:
        if self._lock is not None:
            self._lock.close()  # which unlocks it

    @property
    def lost(self) -> str:
        """Say that the last checkpoint could not be written."""
        return (
            f"no checkpoint of the end of training: {self.failed} The network has its parameters; in {self.folder} is "
            "an earlier checkpoint."
        )

    def due(self) -> bool:
        """Whether a checkpoint is to be written now."""
        return self._wanted or time.monotonic() >= self._next

    def after_epoch(self, epochs: int) -> None:
        """An epoch has ended; its checkpoint is due where `checkpoint_every` says so."""
        self._wanted = self._wanted or epochs % self._every.epochs == 0

    def write(self, plan: Plan, parameters: NDArray[Any], state: dict[str, Any]) -> None:
        """Write a checkpoint. Where that fails it warns and `failed` says why; the first one raises instead.

        Raises ModelFileError for a folder that can't be written to, InputError for a state that is no data.
        """
        self._wanted = False
        try:
            kept = _encoded(plan, parameters, state | {"draws": self._draws, "computed_by": self._by}, self._identity)
            modelfile.write_sealed(self._there / CURRENT, *kept, previous=PREVIOUS, temporary=_WRITING)
        except (ModelFileError, InputError) as error:
            if not self._written:
                raise
            self.failed = str(error)
            _warn(f"no checkpoint: {error} Training goes on, and the checkpoint before is kept.")
        else:
            self._written, self.failed = True, ""
        self._next = time.monotonic() + self._every.seconds


def _warn(said: str) -> None:
    _LOG.warning(said)
    warnings.warn(said, CheckpointWarning, stacklevel=1)


def _computed_by(backend: str) -> str:
    """Name what bits depend on besides the build: the instruction set of the core, or NumPy's version."""
    if backend != "native":
        return f"NumPy {np.__version__}"
    from chainrule.engine import native  # where it is, as the network has it

    return native.instruction_set()


def read_checkpoints(checkpoint: Any, every: Any, resume: Any) -> Checkpoints | None:
    """Read `checkpoint`, `checkpoint_every` and `resume`, and what is in the folder.

    Raises InputError, and ModelFileError where all that is there is damaged or of a newer version.
    """
    often = Every.read(every)
    if not isinstance(resume, bool | np.bool_):
        raise InputError(text("resume", expected="True or False", got=repr(resume), hint="Write resume=True."))
    if checkpoint is None:
        if resume:
            hint = "Write checkpoint='run/', the folder that the training wrote its checkpoints to."
            raise InputError(text("resume", expected="a checkpoint to go on from", got="checkpoint=None", hint=hint))
        return None
    try:
        if not os.fspath(checkpoint):
            raise ValueError("no name")
        folder = Path(checkpoint)
        kind, seen = what_is_at(folder), _look(folder)
    except (OSError, TypeError, ValueError) as error:
        hint = "Write checkpoint='run/'."
        raise InputError(
            text("checkpoint", expected="a folder", got=f"{checkpoint!r:.60}: {error}", hint=hint)
        ) from None
    if kind not in ("nothing", "a folder"):
        hint = "Name a folder; it is made where there is none."
        raise InputError(text("checkpoint", expected="a folder", got=f"{kind}, {folder}", hint=hint))
    if resume:
        found = _newest(folder)
        if found is None:
            _LOG.info("no checkpoint in %s: training starts anew", folder)
        return Checkpoints(folder, often, found, seen)
    if any(seen):
        hint = "Add resume=True to go on from it, or name another folder; to start over, delete it."
        got = f"{folder / CURRENT if seen[0] else folder / PREVIOUS}"
        raise InputError(text("checkpoint", expected="a folder without one", got=got, hint=hint))
    return Checkpoints(folder, often, None, seen)


def _look(folder: Path) -> tuple[Any, ...]:
    """Tell which files are there, so that others can be told from them."""
    files = [folder / name for name in (CURRENT, PREVIOUS)]
    stats = [file.stat() if file.is_file() else None for file in files]
    return tuple(None if at is None else (at.st_ino, at.st_size, at.st_mtime_ns) for at in stats)


def _newest(folder: Path) -> Found | None:
    """Read the newest whole checkpoint of a folder."""
    damage: ModelFileError | None = None
    for path in (folder / CURRENT, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            header, arrays = modelfile.read_sealed(path)
        except modelfile.DamagedError as error:
            damage = damage or error
            continue
        if damage is not None:
            _LOG.warning("%s Training goes on from the checkpoint before it, %s.", damage, path)
        return _decoded(path, header, arrays)
    if damage is not None:
        raise damage
    return None


def _encoded(
    plan: Plan, parameters: NDArray[Any], state: dict[str, Any], identity: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Give header and arrays of a checkpoint. Raises InputError."""
    net = Network.from_plan(plan, parameters)
    try:
        packed, arrays = pack(state, modelfile.STATE.rstrip("."))
    except TypeError as error:
        expected = "an optimizer and callbacks whose state is numbers, text, None, arrays, and lists and dicts of these"
        hint = "Give only such things back: checkpoints hold data, never code."
        raise InputError(text("checkpoint", expected=expected, got=str(error), hint=hint)) from None
    header = {
        "network": describe(net),
        "checkpoint": {"version": VERSION, "training": identity, "state": packed},
    }
    return header, arrays_of(net) | arrays


def _decoded(path: Path, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Found:
    kept = header.get("checkpoint")
    if kept is None:
        hint = "Load it with cr.load."
        raise ModelFileError(text(str(path), expected="a checkpoint", got="another model file", hint=hint))
    if kept["version"] > VERSION:
        hint = "Install a newer chainrule: pip install -U chainrule"
        expected, got = f"a checkpoint of version up to {VERSION}", f"version {kept['version']}"
        raise ModelFileError(text(str(path), expected=expected, got=got, hint=hint))
    net = build(header, arrays, str(path))
    return Found(path, kept["training"], net.parameters, unpack(kept["state"], arrays))
