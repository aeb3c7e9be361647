"""Checkpoints on the disk: what is written whole or not at all, what is refused, and what is said."""

import errno
import json
import logging
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.errors import CheckpointWarning, ModelFileError
from chainrule.modelfile import atomic
from chainrule.training.checkpoints import folder as checkpoint
from chainrule.training.checkpoints.folder import CURRENT, DAMAGED, PREVIOUS, Every
from chainrule.training.checkpoints.folder_lock import locked
from chainrule.training.checkpoints.identity import FREE
from training_problem import X, Y, regressor

SETTINGS = {"optimizer": "momentum", "batch_size": 20, "seed": 3, "verbose": 0}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def train(folder, epochs=2, net=None, data=(X, Y), **changes):
    return cr.train(net or regressor(), *data, epochs=epochs, checkpoint=folder, **(SETTINGS | changes))


def write(path, content, **names):
    with atomic.atomic_file(path, **names) as file:
        for half in (content[: len(content) // 2], content[len(content) // 2 :]):
            file.write(half)


def epochs_in(folder):
    return len(checkpoint._newest(folder).state["history"]["cost"])


def rewrite(path, change):
    """Write a checkpoint again, sealed, with another header."""
    with safetensors.safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    change(header)
    arrays = safetensors.numpy.load_file(path)
    path.write_bytes(b"".join(checkpoint.modelfile.pieces(header, arrays, sealed=True)))


# --- the file ---------------------------------------------------------------------------------------------------------
def test_a_checkpoint_is_a_safetensors_file_of_the_network_and_named_arrays(tmp_path):
    net = regressor()
    train(tmp_path, net=net, early_stopping=5)
    arrays = safetensors.numpy.load_file(tmp_path / CURRENT)
    assert sorted(arrays) == [
        "W1", "W2", "b1", "b2", "state.best.parameters", "state.history.cost", "state.history.damping",
        "state.history.gradient_norm", "state.history.learning_rate", "state.history.penalty", "state.history.seconds",
        "state.solver.rule.0",
    ]  # fmt: skip
    np.testing.assert_array_equal(arrays["W1"], net.W[1])
    with safetensors.safe_open(tmp_path / CURRENT, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    assert sorted(header) == ["checkpoint", "network", "version"]
    assert sorted(header["checkpoint"]) == ["state", "training", "version"]
    assert header["checkpoint"]["training"]["optimizer"] == "Momentum(momentum=0.9)"
    assert sorted(path.name for path in tmp_path.iterdir()) == [CURRENT, PREVIOUS, "lock"]


def test_a_checkpoint_cut_at_any_byte_gives_way_to_the_one_before(tmp_path, caplog):
    train(tmp_path, 2, net=cr.Network([1, 1], "identity", seed=0), data=(X[:4, :1], Y[:4]))
    content = (tmp_path / CURRENT).read_bytes()
    assert epochs_in(tmp_path) == 2
    before = checkpoint._newest(tmp_path)
    (tmp_path / CURRENT).unlink()
    assert epochs_in(tmp_path) == 1  # between two renames of a writer that was killed
    for name in (CURRENT, ".checkpoint.writing"):  # of a disk that lost its end, and of a writer that was killed
        (tmp_path / name).write_bytes(content)
    for length in range(len(content) - 1, -1, -1):
        for name in (CURRENT, ".checkpoint.writing"):
            os.truncate(tmp_path / name, length)
        caplog.clear()
        found = checkpoint._newest(tmp_path)
        assert found.path == tmp_path / PREVIOUS
        assert len(caplog.records) == 1
    assert found.parameters.tobytes() != before.parameters.tobytes()
    (tmp_path / CURRENT).write_bytes(content)
    assert checkpoint._newest(tmp_path).parameters.tobytes() == before.parameters.tobytes()


def test_a_damaged_checkpoint_is_put_aside_and_training_goes_on_from_the_one_before(tmp_path, caplog):
    unbroken = regressor()
    cr.train(unbroken, X, Y, epochs=4, **SETTINGS)
    train(tmp_path, 3)
    cut = (tmp_path / CURRENT).read_bytes()[:-1]
    (tmp_path / CURRENT).write_bytes(cut)
    (tmp_path / ".checkpoint.writing").write_bytes(b"half")
    net = regressor()
    with caplog.at_level(logging.INFO):
        history = train(tmp_path, 4, net=net, resume=True)
    assert history.epochs == 4
    assert net.parameters.tobytes() == unbroken.parameters.tobytes()
    assert f"Training goes on from the checkpoint before it, {tmp_path / PREVIOUS}." in caplog.text
    assert f"resumed from {tmp_path / PREVIOUS}, after 2 epochs and 6 steps" in caplog.text
    assert (tmp_path / DAMAGED).read_bytes() == cut
    assert not (tmp_path / ".checkpoint.writing").exists()


def test_where_both_are_damaged_the_error_says_so_and_nothing_is_changed(tmp_path):
    train(tmp_path)
    for name in (CURRENT, PREVIOUS):
        content = bytearray((tmp_path / name).read_bytes())
        content[-1] ^= 1
        (tmp_path / name).write_bytes(content)
    net = regressor()
    start = net.parameters.copy()
    with pytest.raises(ModelFileError) as error:
        train(tmp_path, net=net, resume=True)
    assert str(error.value) == (
        f"{tmp_path / CURRENT}: expected the bytes that were written, got others: the file is damaged. Was it copied "
        "completely, and was it written by chainrule?"
    )
    assert (net.parameters == start).all()
    assert (tmp_path / CURRENT).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header["checkpoint"].update(version=2), "PATH: expected a checkpoint of version up to 1, got version "
         "2. Install a newer chainrule: pip install -U chainrule"),
        (lambda header: header.update(version=3), "header of PATH: expected a version up to 2, got version 3. Install a newer "
         "chainrule: pip install -U chainrule"),
        (lambda header: header.pop("checkpoint"), "PATH: expected a checkpoint, got another model file. Load it with cr.load."),
    ],
)  # fmt: skip
def test_a_newer_checkpoint_is_refused_though_there_is_one_before_it(tmp_path, change, message):
    train(tmp_path)
    rewrite(tmp_path / CURRENT, change)
    with pytest.raises(ModelFileError) as error:
        train(tmp_path, resume=True)
    assert str(error.value) == message.replace("PATH", str(tmp_path / CURRENT))


def test_a_model_that_was_saved_in_its_place_is_no_checkpoint(tmp_path):
    cr.save(regressor(), tmp_path / CURRENT)
    with pytest.raises(ModelFileError, match=r"expected a checkpoint, got a model file\. Load it with cr\.load\."):
        train(tmp_path, resume=True)


# --- disks ------------------------------------------------------------------------------------------------------------
class Full:
    """A disk that has room for so many bytes more."""

    def __init__(self, monkeypatch):
        self.room, self._fdopen = None, os.fdopen
        monkeypatch.setattr(os, "fdopen", self.open)

    def open(self, *args, **kwargs):
        self.file = self._fdopen(*args, **kwargs)
        return self

    def write(self, content):
        if self.room is None:
            return self.file.write(content)
        self.file.write(content[: self.room])
        self.room -= min(self.room, len(content))
        if self.room:
            return None
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self):
        self.file.flush()

    def fileno(self):
        return self.file.fileno()

    def close(self):
        self.file.close()


def test_a_disk_that_is_full_at_any_byte_leaves_the_checkpoints_as_they_were(tmp_path, monkeypatch):
    train(tmp_path)
    files = {name: (tmp_path / name).read_bytes() for name in (CURRENT, PREVIOUS)}
    disk = Full(monkeypatch)
    for disk.room in range(0, len(files[CURRENT]), 7):
        with pytest.raises(ModelFileError, match="No space left on device"):
            write(tmp_path / CURRENT, files[CURRENT], previous=PREVIOUS, temporary=".checkpoint.writing")
        assert {name: (tmp_path / name).read_bytes() for name in files} == files
        assert sorted(path.name for path in tmp_path.iterdir()) == [CURRENT, PREVIOUS, "lock"]


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_rename_that_fails_leaves_both_files_in_their_places(tmp_path, monkeypatch, fails_at):
    def failing(self, target):
        calls.append(target)
        if len(calls) == fails_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(self, target)

    calls, replace = [], atomic.Path.replace
    atomic.write_atomically(tmp_path / "m", b"old")
    monkeypatch.setattr(atomic.Path, "replace", failing)
    with pytest.raises(ModelFileError, match="Input/output error"):
        write(tmp_path / "m", b"new", previous="before", temporary="now")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"m": b"old"}


def test_everything_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps, replace = [], atomic.Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    monkeypatch.setattr(
        atomic.Path, "replace", lambda self, to: (steps.append((self.name, to.name)), replace(self, to))
    )
    for content in (b"1", b"2", b"3"):
        steps.clear()
        write(tmp_path / "m", content, previous="before", temporary="now")
    assert steps == [str(tmp_path / "now"), ("m", "before"), ("now", "m"), str(tmp_path)]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"m": b"3", "before": b"2"}


@pytest.mark.parametrize("fails", ["fsync", "replace", "open"])
def test_training_goes_on_without_a_checkpoint_and_says_so(tmp_path, monkeypatch, caplog, fails):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    places = {"fsync": (os, "fsync"), "replace": (atomic.Path, "replace"), "open": (os, "open")}
    where, name = places[fails]
    works = getattr(where, name)

    def after(net, history):
        monkeypatch.setattr(where, name, full if history.epochs in (2, 3) else works)

    unbroken = regressor()
    cr.train(unbroken, X, Y, epochs=5, **SETTINGS)
    net = regressor()
    said = rf"no checkpoint: writing {tmp_path / CURRENT}: expected room and leave to write, got \[Errno 28\] No space"
    with pytest.warns(CheckpointWarning, match=said) as warned:
        history = train(tmp_path, 5, net=net, callbacks=[after])
    assert len(warned) == 2
    assert [record.getMessage() for record in caplog.records] == [str(one.message) for one in warned]
    assert str(warned[0].message).endswith("unchanged. Training goes on, and the checkpoint before is kept.")
    assert history.epochs == 5
    assert net.parameters.tobytes() == unbroken.parameters.tobytes()
    assert epochs_in(tmp_path) == 5


def test_a_last_checkpoint_that_fails_is_a_warning_and_the_training_is_whole(tmp_path, monkeypatch):
    disk = Full(monkeypatch)

    def after(net, history):
        disk.room = 100 if history.epochs == 4 else None

    unbroken, net = regressor(), regressor()
    cr.train(unbroken, X, Y, epochs=4, **SETTINGS)
    with pytest.warns(CheckpointWarning) as warned:
        history = train(tmp_path, 4, net=net, callbacks=[after])
    assert (history.epochs, history.stopped) == (4, "epochs")
    assert net.parameters.tobytes() == unbroken.parameters.tobytes()
    assert str(warned[-1].message) == (
        f"no checkpoint of the end of training: writing {tmp_path / CURRENT}: expected room and leave to write, got "
        f"[Errno 28] No space left on device. What was there before is unchanged. The network has its parameters; in "
        f"{tmp_path} is an earlier checkpoint."
    )
    disk.room = None
    again = regressor()
    train(tmp_path, 4, net=again, resume=True)
    assert again.parameters.tobytes() == unbroken.parameters.tobytes()


def test_a_first_checkpoint_that_fails_is_an_error_before_any_step(tmp_path, monkeypatch):
    disk = Full(monkeypatch)
    disk.room = 10
    net = regressor()
    start = net.parameters.copy()
    with pytest.raises(ModelFileError, match="No space left on device"):
        train(tmp_path / "run", net=net)
    assert (net.parameters == start).all()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


def test_a_lock_that_has_no_room_for_a_name_is_a_lock(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with locked(tmp_path), pytest.raises(cr.InputError, match=r"got one that another process trains in\. Wait for its"):
        locked(tmp_path)
    locked(tmp_path).close()


def test_a_folder_on_a_file_system_without_locks_is_used_and_this_is_logged(tmp_path, monkeypatch, caplog):
    def no_locks(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    train(tmp_path)
    assert caplog.messages == [
        f"{tmp_path} can't be locked ([Errno {errno.ENOLCK}] No locks available): let no other training write there"
    ]


def test_the_system_s_own_limit_on_files_is_met_in_the_same_way(tmp_path):
    """What the kernel refuses, in the middle of a write, here by RLIMIT_FSIZE."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def after(net, history):
        if history.epochs == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))

    try:
        with pytest.warns(CheckpointWarning, match="File too large"):
            history = train(tmp_path, 3, callbacks=[after])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert history.epochs == 3
    assert epochs_in(tmp_path) == 1  # that of the second epoch is written where the third begins


# --- folders ----------------------------------------------------------------------------------------------------------
def test_folders_are_made_and_nothing_is_made_before_arguments_are_checked(tmp_path):
    with pytest.raises(cr.InputError, match=r"^X:"):
        train(tmp_path / "a" / "b", data=("no", Y))
    assert not (tmp_path / "a").exists()
    train(tmp_path / "a" / "b")
    assert epochs_in(tmp_path / "a" / "b") == 2


def test_an_existing_checkpoint_is_not_overwritten_without_resume(tmp_path):
    train(tmp_path)
    written = (tmp_path / CURRENT).read_bytes()
    with pytest.raises(cr.InputError) as error:
        train(tmp_path)
    assert str(error.value) == (
        f"checkpoint: expected a folder without one, got {tmp_path / CURRENT}. Add resume=True to go on from it, or name "
        "another folder; to start over, delete it."
    )
    assert (tmp_path / CURRENT).read_bytes() == written


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "empty"])
def test_resume_without_a_checkpoint_starts_anew_and_logs_it(tmp_path, caplog, make):
    make(tmp_path / "run")
    with caplog.at_level(logging.INFO):
        history = train(tmp_path / "run", resume=True)
    assert history.epochs == 2
    assert f"no checkpoint in {tmp_path / 'run'}: training starts anew" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint": None, "resume": True}, "resume: expected a checkpoint to go on from, got checkpoint=None. Write "
         "checkpoint='run/', the folder that the training wrote its checkpoints to."),
        ({"resume": 1}, "resume: expected True or False, got 1. Write resume=True."),
        ({"checkpoint": 3}, "checkpoint: expected a folder, got 3: "),
        ({"checkpoint": ""}, "checkpoint: expected a folder, got '': no name. Write checkpoint="),
        ({"checkpoint": "a\0b"}, "checkpoint: expected a folder, got 'a\\x00b': "),
        ({"checkpoint": __file__}, f"checkpoint: expected a folder, got a file, {__file__}. Name a folder; it is made where "
         "there is none."),
        ({"checkpoint_every": 0}, "checkpoint_every: expected a whole number of epochs ≥ 1, or a time as text, got 0. Write "
         "checkpoint_every=5 for every fifth epoch, or checkpoint_every='300s', '10min', '2h'."),
        ({"checkpoint_every": "soon"}, "checkpoint_every: expected a whole number of epochs ≥ 1, or a time as text, got 'soon'."),
        ({"checkpoint_every": "0s"}, "checkpoint_every: expected a whole number of epochs ≥ 1, or a time as text, got '0s'."),
        ({"optimizer": "lbfgs", "batch_size": 32, "seed": 0}, "checkpoint: expected an optimizer whose state can be kept, got "
         "lbfgs, whose memory SciPy keeps to itself. Leave checkpoint out, or take levenberg_marquardt or gauss_newton_cg, "
         "which take the whole set too."),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_named(tmp_path, arguments, message):
    with pytest.raises(cr.InputError) as error:
        cr.train(regressor(), X, Y, **({"checkpoint": tmp_path / "run", **SETTINGS} | arguments))
    assert str(error.value).startswith(message)
    assert not (tmp_path / "run").exists()


def test_times_are_read():
    assert [Every.read(text).seconds for text in ("300s", "1.5min", "2 h")] == [300, 90, 7200]


def test_a_folder_that_is_trained_in_is_refused_to_another_training(tmp_path):
    def other(net, history):
        with pytest.raises(cr.InputError) as error:
            train(tmp_path, resume=True)
        errors.append(str(error.value))

    errors = []
    train(tmp_path, 1, callbacks=[other])
    assert re.fullmatch(
        rf"checkpoint {tmp_path}: expected a folder of this training alone, got one that process {os.getpid()} on \S+ "
        r"trains in\. Wait for its end, or name another folder\.",
        errors[0],
    )
    train(tmp_path, 2, resume=True)


def test_a_training_that_was_overtaken_by_another_does_not_write(tmp_path, monkeypatch):
    enter = checkpoint.Checkpoints.__enter__

    def late(self):
        monkeypatch.setattr(checkpoint.Checkpoints, "__enter__", enter)
        train(tmp_path, 1, resume=True)
        return enter(self)

    monkeypatch.setattr(checkpoint.Checkpoints, "__enter__", late)
    with pytest.raises(
        cr.InputError, match=r"got one that another training has written to in the meantime\. Call cr\.tr"
    ):
        train(tmp_path, 5, resume=True)
    assert epochs_in(tmp_path) == 1


def test_a_folder_that_cannot_be_written_to_is_an_error_before_any_step():
    """As another user than root, who may write anywhere."""
    program = (
        "import os, sys, chainrule as cr\n"
        "net = cr.Network([1, 1], 'identity')\n"
        "cr.train(net, [[0.0], [1.0]], [0.0, 1.0], checkpoint=sys.argv[1], verbose=0)\n"
        "os.geteuid() or os.setuid(65534)\n"  # everything is imported by now, which that user could not
        "for folder in sys.argv[2:]:\n"
        "    try:\n"
        "        cr.train(net, [[0.0], [1.0]], [0.0, 1.0], checkpoint=folder, verbose=0)\n"
        "    except cr.ModelFileError as error:\n"
        "        print(error)\n"
    )
    with tempfile.TemporaryDirectory() as place:  # tmp_path lies where other users have no access
        run = Path(place) / "run"
        run.mkdir(mode=0o555)
        Path(place).chmod(0o755)
        command = [sys.executable, "-c", program, Path(place) / "good", run, run / "new"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    expected = "expected a folder that can be written to, got [Errno 13] Permission denied"
    assert done.stdout.splitlines() == [
        f"checkpoint {run}: {expected}: '{run / 'lock'}'. Name another folder.",
        f"checkpoint {run / 'new'}: {expected}: '{run / 'new'}'. Name another folder.",
    ]


# --- another training -------------------------------------------------------------------------------------------------
class Rule(cr.SGD):
    """A rule of the user's own, whose repr says where it is, not what."""

    name = "own"
    __repr__ = object.__repr__

    def __init__(self, slow=1.0):
        object.__setattr__(self, "slow", slow)


OTHER_X = np.where(np.arange(X.size).reshape(X.shape) == 7, 0.0, X)
CHANGES = {
    "sizes": ({"net": cr.Network([4, 7, 1], ["tanh", "identity"], dtype="float64")}, "[4, 6, 1]", "[4, 7, 1]"),
    "activations": ({"net": cr.Network([4, 6, 1], ["relu", "identity"], dtype="float64")}, "['tanh', 'identity']", "['relu', 'identity']"),
    "cost": ({"net": regressor(dtype="float64").__class__([4, 6, 1], ["tanh", "identity"], "huber", dtype="float64")}, "squared_error", "huber"),
    "bias": ({"net": regressor(bias=False)}, "[True, True]", "[False, False]"),
    "reduction": ({"net": regressor(reduction="sum")}, "mean", "sum"),
    "dtype": ({"net": regressor(dtype="float32")}, "float64", "float32"),
    "X": ({"data": (OTHER_X, Y)}, "shape (60, 4) of float64 and SHA-256 ", "shape (60, 4) of float64 and SHA-256 "),
    "Y": ({"data": (X, Y.astype("float32"))}, "shape (60, 1) of float64 and SHA-256 ", "shape (60, 1) of float32 and SHA-256 "),
    "sample_weight": ({"sample_weight": np.arange(60)}, "None", "shape (60,) and SHA-256 "),
    "validation": ({"validation": 0.25}, "0.2", "0.25"),
    "seed": ({"seed": 4}, "3", "4"),
    "metrics": ({"metrics": {"two": max}}, "['one']", "['two']"),
    "optimizer": ({"optimizer": cr.Momentum(0.5)}, "Momentum(momentum=0.9)", "Momentum(momentum=0.5)"),
    "learning_rate": ({"learning_rate": 0.5}, "0.001", "0.5"),
    "batch_size": ({"batch_size": {1: 20, 3: 30}}, "20", "{1: 20, 3: 30}"),
    "shuffle": ({"shuffle": False}, "True", "False"),
    "penalty": ({"penalty": 0.1}, "0.0", "0.1"),
    "dropout": ({"dropout": {1: 0.5}}, "0.0", "{1: 0.5}"),
    "max_norm": ({"max_norm": 2}, "None", "2"),
    "frozen": ({"frozen": iter([1])}, "[]", "[1]"),
    "monotone": ({"monotone": {0: 1}}, "None", "{0: 1}"),
    "derivative_targets": ({"derivative_targets": np.zeros((60, 4))}, "None", "shape (60, 4) of float64 and SHA-256 "),
    "early_stopping": ({"early_stopping": 3}, "None", "EarlyStopping(patience=3, "),
}  # fmt: skip


if HAS_NATIVE:
    THIS = regressor().backend
    OTHER = "native" if THIS == "reference" else "reference"
    CHANGES["backend"] = ({"net": regressor(backend=OTHER)}, THIS, OTHER)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    train(folder, 2, validation=0.2, metrics={"one": lambda outputs, Y: 0.0})
    return folder


@pytest.mark.parametrize("name", CHANGES)
def test_a_training_that_differs_is_refused_by_the_name_of_what_does(kept, name):
    changes, expected, got = CHANGES[name]
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    settings = {"validation": 0.2, "metrics": {"one": min}, "net": regressor()} | changes
    start = settings["net"].parameters.copy()
    with pytest.raises(cr.InputError) as error:
        train(kept, 3, resume=True, **settings)
    said = str(error.value)
    assert said.startswith(f"{name}: expected {expected}")
    assert f", as in {kept / CURRENT}, got {got}" in said
    assert said.endswith(
        "Resume with the arguments and data of the training that the checkpoint is of, or start anew in another folder: "
        f"cr.load('{kept / CURRENT}') gives its network."
    )
    assert (settings["net"].parameters == start).all()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def test_another_version_of_chainrule_is_refused(kept, monkeypatch):
    monkeypatch.setattr(cr, "__version__", "9.8")
    with pytest.raises(cr.InputError) as error:
        train(kept, 3, resume=True, validation=0.2, metrics={"one": max})
    assert str(error.value).endswith(
        f", as in {kept / CURRENT}, got 9.8. Other versions may compute other bits: install it, pip install "
        "chainrule==0.1.0, or start anew."
    )


def test_another_instruction_set_is_a_warning_that_names_both(tmp_path, monkeypatch):
    train(tmp_path)
    by = checkpoint._newest(tmp_path).state["computed_by"]
    monkeypatch.setattr(checkpoint, "_computed_by", lambda backend: "abacus")
    with pytest.warns(CheckpointWarning) as warned:
        train(tmp_path, 3, resume=True)
    assert [str(one.message) for one in warned] == [
        f"{tmp_path / CURRENT} was computed by {by}, and training goes on by abacus: its bits may be others."
    ]
    assert checkpoint._newest(tmp_path).state["computed_by"] == "abacus"


def test_fewer_epochs_than_were_trained_are_refused(kept):
    with pytest.raises(cr.InputError) as error:
        train(kept, 1, resume=True, validation=0.2, metrics={"one": max})
    assert str(error.value) == (
        f"epochs: expected at least the 2 that {kept / CURRENT} has, got 1. It says how many there are in all, those before "
        "the checkpoint among them."
    )


def test_a_generator_of_another_kind_is_refused(tmp_path):
    train(tmp_path, seed=np.random.default_rng(0))
    with pytest.raises(cr.InputError) as error:
        train(tmp_path, resume=True, seed=np.random.Generator(np.random.MT19937(0)))
    assert (
        str(error.value)
        == "seed: expected a Generator on PCG64, got on MT19937. Make it as in the training that is resumed."
    )


def test_every_argument_of_train_is_compared_or_free_to_change(tmp_path):
    import inspect

    train(tmp_path, 1)
    compared = set(checkpoint._newest(tmp_path).identity)
    of_the_network = {"sizes", "activations", "cost", "bias", "reduction", "dtype", "backend", "chainrule"}
    assert of_the_network < compared
    assert compared - of_the_network | FREE | {"net"} == set(inspect.signature(cr.train).parameters)


def test_settings_that_are_written_otherwise_are_the_same(tmp_path):
    train(tmp_path, 1, optimizer=cr.Momentum(), learning_rate=1e-3, early_stopping=10, layer_rates={2: 1}, frozen=())
    history = train(
        tmp_path, 2, resume=True, optimizer="momentum", learning_rate=cr.schedules.Constant(0.001), early_stopping=True,
        penalty=0, layer_rates={2: 1.0}, frozen=[], batch_size=np.int64(20), n_threads=2, checkpoint_every="1h",
        callbacks=[lambda net, history: None], max_time=100,
    )  # fmt: skip
    assert history.epochs == 2


def test_objects_of_the_user_s_own_are_compared_by_their_settings(tmp_path):
    train(tmp_path, 1, optimizer=Rule())
    assert train(tmp_path, 2, optimizer=Rule(), resume=True).epochs == 2
    with pytest.raises(
        cr.InputError, match=r"^optimizer: expected Rule\(slow=1\.0\), as in .*, got Rule\(slow=2\.0\)\."
    ):
        train(tmp_path, 3, optimizer=Rule(2.0), resume=True)


def test_a_state_that_is_no_data_is_refused_before_any_step(tmp_path):
    class Odd:
        def after_epoch(self, moment):
            pass

        def state(self):
            return {"file": open}

        def restore(self, state):
            pass

    with pytest.raises(cr.InputError) as error:
        train(tmp_path, callbacks=[Odd()])
    assert str(error.value) == (
        "checkpoint: expected an optimizer and callbacks whose state is numbers, text, None, arrays, and lists and dicts of "
        "these, got state.callbacks.0.state.file is of type builtin_function_or_method. Give only such things back: "
        "checkpoints hold data, never code."
    )


def test_of_large_arrays_some_rows_are_compared(tmp_path, monkeypatch):
    from chainrule.training.checkpoints import identity

    big = np.arange(6000.0).reshape(3000, 2)
    same = identity._digest([big])
    monkeypatch.setattr(identity, "WHOLE", big.nbytes - 1)
    first = identity._digest([big])
    assert first != same
    for row, noticed in ((0, True), (2999, True), (1, False), (2, True)):
        other = big.copy()
        other[row, 1] = -1
        assert (identity._digest([other]) != first) == noticed


def test_functions_that_nobody_could_read_back_are_refused_before_any_step(tmp_path):
    own = cr.Activation("never registered", value=np.tanh, derivative=lambda z: 1 - np.tanh(z) ** 2)
    with pytest.raises(cr.InputError) as error:
        cr.train(cr.Network([4, 2, 1], [own, "identity"]), X, Y, checkpoint=tmp_path / "run", verbose=0)
    assert str(error.value) == (
        "checkpoint: expected functions that are registered, got activation never registered of layer 1. Call "
        "cr.register_activation or cr.register_cost before training: a checkpoint keeps names."
    )
    assert not list(tmp_path.glob("run/*.chainrule"))
