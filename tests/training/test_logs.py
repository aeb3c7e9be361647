"""Logs of a training read back, the best model in a file, and events for TensorBoard; what a full disk does to them."""

import csv
import json
import logging
import math
import os
import shutil
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, InputError, ModelFileError
from chainrule.training.progress.history import EpochFigures, History
from chainrule.training.progress.progressed import Progressed
from chainrule.training.watching.logs import Path as LogPath
from chainrule.training.watching.moment import Moment
from training_problem import X, Y, regressor

SETS = {"validation": (X[40:], Y[40:]), "other, set": (X[:20], Y[:20])}
OPTIONS = {"validation": SETS, "metrics": {"two": lambda outputs, Y: 2.0}, "verbose": 0}


def read_csv(path):
    names, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return {name: [float(row[at]) for row in rows] for at, name in enumerate(names)}


def read_json(path):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {name: [math.nan if row[name] is None else row[name] for row in rows] for name in rows[0]}


LOGS = [(cr.callbacks.CSVLog, read_csv), (cr.callbacks.JSONLinesLog, read_json)]


# --- tables ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("make", "read"), LOGS)
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "levenberg_marquardt"])
def test_a_log_reads_back_as_the_history_to_the_same_bits(tmp_path, make, read, optimizer):
    path = tmp_path / "log"
    path.write_text("an old log")
    rows = []
    look = [make(path), lambda net, history: rows.append(path.read_text(encoding="utf-8").count("\n"))]
    history = cr.train(regressor(), X, Y, optimizer=optimizer, epochs=3, callbacks=look, **OPTIONS)
    found, expected = read(path), history.to_dict()
    assert list(found) == list(expected)
    assert "other, set/two" in found
    assert ("damping" in found) == (optimizer == "levenberg_marquardt")
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert np.diff(rows).tolist() == [1, 1]  # a line is there when its epoch is over


@pytest.mark.parametrize(("make", "read"), LOGS)
def test_a_resumed_training_goes_on_in_its_log_without_the_epochs_that_are_done_again(tmp_path, make, read):
    path, net = tmp_path / "log", regressor()
    history, now = History(), Progressed(net.parameters)
    moment, log = Moment(net, history, now), make(path)

    def epochs(log, costs):
        for cost in costs:
            history.append(EpochFigures(cost, 0.0, 1.0, 0.1, 1.0))
            log.after_epoch(moment)

    log.before_training(moment)
    assert path.read_bytes() == b""
    epochs(log, [5.0, 4.0, 3.0, 2.0])
    # what a checkpoint gives back after a kill: two epochs, while the log has four lines and a half
    path.write_bytes(path.read_bytes() + path.read_bytes()[-10:-5])
    for column in ("cost", "penalty", "gradient_norm", "learning_rate", "seconds", "damping"):
        del getattr(history, column)[2:]
    log = make(path)
    log.before_training(moment)
    assert read(path)["cost"] == [5, 4]
    epochs(log, [2.5])
    assert read(path)["cost"] == [5, 4, 2.5]


def test_a_training_that_was_killed_and_resumed_leaves_the_files_of_an_unbroken_one(tmp_path):
    def train(name, epochs, look=(), **options):
        (tmp_path / name).mkdir(exist_ok=True)
        of_files = [make(tmp_path / name / f"{make.__name__}") for make, _ in LOGS]
        of_files.append(cr.callbacks.BestCheckpoint(tmp_path / name / "best", monitor="other, set/cost"))
        rule = cr.EarlyStopping(patience=4, tolerance=0.5, monitor="other, set/cost")
        settings = {"early_stopping": rule, "callbacks": [*of_files, *look], "learning_rate": 0.05, "dropout": 0.2}
        return cr.train(regressor(), X, Y, epochs=epochs, **settings, **options, **OPTIONS)

    def keep(net, history):
        if history.epochs == 3:  # the checkpoint of epoch 2, as a kill during epochs 3 and 4 would leave it
            shutil.copytree(tmp_path / "checkpoint", tmp_path / "kept")

    whole = train("unbroken", 9)
    train("broken", 4, [keep], checkpoint=tmp_path / "checkpoint", checkpoint_every=2)
    resumed = train("broken", 9, checkpoint=tmp_path / "kept", checkpoint_every=2, resume=True)
    assert (resumed.stopped, resumed.epochs, resumed.restored_epoch) == (
        whole.stopped, whole.epochs, whole.restored_epoch,
    )  # fmt: skip
    assert whole.stopped == "early_stopping"
    for make, read in LOGS:
        tables = [read(tmp_path / name / make.__name__) for name in ("unbroken", "broken")]
        seconds = [table.pop("seconds") for table in tables]
        assert tables[0] == tables[1]
        assert len(seconds[0]) == len(seconds[1]) == whole.epochs
    best = [cr.load(tmp_path / name / "best").parameters for name in ("unbroken", "broken")]
    np.testing.assert_array_equal(*best)


@pytest.mark.parametrize(("make", "read"), LOGS)
def test_a_log_that_was_deleted_or_changed_is_written_anew(tmp_path, make, read):
    path = tmp_path / "log"

    def spoil(net, history):
        if history.epochs == 2:
            path.unlink()
        if history.epochs == 4:
            path.write_text("x")

    history = cr.train(regressor(), X, Y, epochs=5, callbacks=[make(path), spoil], verbose=0)
    assert read(path)["cost"] == history.cost


@pytest.mark.parametrize(("make", "read"), LOGS)
def test_a_figure_that_comes_later_gets_its_column(tmp_path, make, read):
    path, net = tmp_path / "log", regressor()
    history = History()
    moment, log = Moment(net, history, Progressed(net.parameters)), make(path)
    log.before_training(moment)
    for damping in (math.nan, 0.5):
        history.append(EpochFigures(1.0, 0.0, 1.0, math.inf, 1.0, damping))
        log.after_epoch(moment)
    np.testing.assert_array_equal(read(path)["damping"], [math.nan, 0.5])
    shown = path.read_text().splitlines()[-1]
    assert ("null" if make is cr.callbacks.JSONLinesLog else "inf") in shown  # JSON has no infinity


class FullFile:
    """A file on a disk that is full."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("make", "read"), LOGS)
def test_a_full_disk_ends_training_with_whole_rows_and_nothing_lost(tmp_path, make, read, monkeypatch):
    path, net, snapshots = tmp_path / "log", regressor(), []

    def fill(net, history):
        snapshots.append(net.parameters.copy())
        if history.epochs == 2:
            opened = LogPath.open
            monkeypatch.setattr(LogPath, "open", lambda *a, **k: FullFile(opened(*a, **k)))

    with pytest.raises(ModelFileError) as error:
        cr.train(net, X, Y, epochs=5, callbacks=[fill, make(path)], verbose=0)
    monkeypatch.undo()
    assert str(error.value) == (
        f"writing {path}: expected room and leave to write, got [Errno 28] No space left on device. It has the 1 "
        "row before; history.to_dict() has all."
    )
    assert error.value.__notes__[0] == f"raised by after_epoch of the callback {make.__name__}"
    history = error.value.history
    assert history.epochs == len(snapshots) == 2
    assert read(path)["cost"] == history.cost[:1]
    np.testing.assert_array_equal(net.parameters, snapshots[-1])


@pytest.mark.parametrize("make", [make for make, _ in LOGS] + [cr.callbacks.BestCheckpoint])
def test_a_folder_that_is_not_there_or_read_only_is_refused_before_training(tmp_path, make, monkeypatch):
    net = regressor()
    before = net.parameters.copy()
    with pytest.raises(ModelFileError) as error:
        cr.train(net, X, Y, callbacks=[make(tmp_path / "none" / "log")], verbose=0)
    assert str(error.value).startswith(
        f"the folder of {tmp_path}/none/log: expected a folder, got nothing there. Make it"
    )
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ModelFileError) as error:
        cr.train(net, X, Y, callbacks=[make(tmp_path / "log")], verbose=0)
    assert str(error.value) == (
        f"the folder of {tmp_path}/log: expected leave to write, got none. Choose another folder."
    )
    assert error.value.__notes__[1].startswith(
        "Training was before epoch 1. The network has the parameters from before"
    )
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize("make", [make for make, _ in LOGS])
def test_a_path_that_is_none_is_refused(make):
    with pytest.raises(InputError) as error:
        make(3)
    assert str(error.value) == f"{make.__name__}: path: expected a file's name, got 3. Write {make.__name__}('log')."


# --- the best model -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("settings", "best"), [
    ({}, None), ({"monitor": "validation/wave", "mode": "max"}, 4), ({"monitor": "validation/wave", "mode": "min"}, 2),
])  # fmt: skip
def test_the_best_network_so_far_is_in_the_file(tmp_path, caplog, settings, best):
    path, wave, snapshots, files = tmp_path / "best.chainrule", iter([3, 1, math.nan, 5, 4, 2]), [], []

    def look(net, history):
        snapshots.append(net.parameters.copy())
        files.append(cr.load(path).parameters)

    options = {"validation": 0.2, "metrics": {"wave": lambda *_: next(wave)}, "verbose": 0}
    with caplog.at_level(logging.INFO, "chainrule.training"):
        history = cr.train(
            regressor(), X, Y, epochs=6, callbacks=[cr.callbacks.BestCheckpoint(path, **settings), look], **options
        )
    figures = history.figure(settings.get("monitor", "validation_cost"))
    worse_first = [-f for f in figures] if settings.get("mode") == "max" else figures
    for epoch in range(6):
        so_far = int(np.nanargmin(worse_first[: epoch + 1]))
        np.testing.assert_array_equal(files[epoch], snapshots[so_far])
    assert best in (None, so_far + 1)
    name = settings.get("monitor", "monitored cost")
    assert f"epoch 1 is the best so far, {name} {figures[0]:.6g}: {path}" in caplog.messages


def test_a_resumed_training_writes_no_worse_network_and_a_new_one_begins_again(tmp_path):
    path, net = tmp_path / "best.chainrule", regressor()
    history = History()
    moment = Moment(net, history, Progressed(net.parameters))
    for cost in (3.0, math.nan, 1.0, 2.0):
        history.append(EpochFigures(cost, 0.0, 1.0, 0.1, 1.0))
    best = cr.callbacks.BestCheckpoint(path)
    best.before_training(moment)
    for cost, there in ((1.5, False), (1.0, False), (0.5, True)):
        history.append(EpochFigures(cost, 0.0, 1.0, 0.1, 1.0))
        best.after_epoch(moment)
        assert path.exists() == there
    path.unlink()
    cr.train(net, X, Y, epochs=1, callbacks=[best], verbose=0)
    np.testing.assert_array_equal(cr.load(path).parameters, net.parameters)


def test_a_figure_for_the_best_network_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "best.chainrule"
    with pytest.raises(InputError, match="unknown BestCheckpoint: monitor: expected one of cost, gradient_norm"):
        cr.train(regressor(), X, Y, callbacks=[cr.callbacks.BestCheckpoint(path, monitor="test/cost")], verbose=0)
    with pytest.raises(
        InputError, match=r"BestCheckpoint: mode, with monitor='a/b': expected 'min' or 'max', got None\."
    ):
        cr.callbacks.BestCheckpoint(path, monitor="a/b")


# --- TensorBoard ----------------------------------------------------------------------------------------------------
def events(folder):
    """Every event of every file in a folder, in order, its checksums compared."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            n = int.from_bytes(content[:8], "little")
            assert int.from_bytes(content[8:12], "little") == masked_crc32c(content[:8])
            assert int.from_bytes(content[12 + n : 16 + n], "little") == masked_crc32c(content[12 : 12 + n])
            found.append(Event.FromString(content[12 : 12 + n]))
            content = content[16 + n :]
    return found


def test_tensorboard_reads_every_figure_by_epoch(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    board = cr.callbacks.TensorBoard(tmp_path / "runs" / "one", histograms=2)
    net = regressor()
    history = cr.train(net, X, Y, epochs=2, callbacks=[board], **OPTIONS)
    first, start, *rest = events(tmp_path / "runs" / "one")
    assert first.file_version == "brain.Event:2"
    assert (start.session_log.status, start.step) == (1, 1)  # START: what other files say of epoch 1 on is hidden
    found = {(value.tag, event.step): value for event in rest for value in event.summary.value}
    scalars = {key: value.simple_value for key, value in found.items() if value.HasField("simple_value")}
    columns = history.to_dict()
    epochs = columns.pop("epoch")
    assert scalars == {(name, e): np.float32(columns[name][e - 1]) for name in columns for e in epochs}
    drawn = {key: value.histo for key, value in found.items() if value.HasField("histo")}
    assert set(drawn) == {(f"{symbol}/{layer}", 2) for symbol in "Wb" for layer in (1, 2)}
    histogram = drawn[("W/1", 2)]
    assert (histogram.num, histogram.min, histogram.max) == (24, net.W[1].min(), net.W[1].max())
    assert sum(histogram.bucket) == 24


def test_a_resumed_training_hides_the_epochs_that_are_done_again(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    net, history = regressor(), History()
    moment = Moment(net, history, Progressed(net.parameters))
    for cost in (3.0, 2.0):
        history.append(EpochFigures(cost, 0.0, 1.0, 0.1, 1.0))
    board = cr.callbacks.TensorBoard(tmp_path)
    board.before_training(moment)
    history.append(EpochFigures(1.0, 0.0, 1.0, 0.1, 1.0))
    board.after_epoch(moment)
    board.after_training(moment)
    _, start, row = events(tmp_path)
    assert (start.step, row.step, row.summary.value[0].simple_value) == (3, 3, 1.0)


def test_a_folder_of_tensorboard_that_can_not_be_is_refused_before_training(tmp_path):
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError) as error:
        cr.train(regressor(), X, Y, callbacks=[cr.callbacks.TensorBoard(tmp_path / "file")], verbose=0)
    assert str(error.value).startswith(f"writing to {tmp_path}/file: expected room and leave to write, got [Errno 17]")
    with pytest.raises(InputError) as error:
        cr.callbacks.TensorBoard(tmp_path, histograms=0)
    assert str(error.value) == (
        "TensorBoard: histograms: expected a whole number ≥ 1 or None, got 0. 1 writes histograms of the parameters "
        "after every epoch."
    )


def test_tensorboard_s_full_disk_is_an_error_of_its_folder(tmp_path, monkeypatch):
    writer = pytest.importorskip("tensorboardX.record_writer", reason="the extra tensorboard is not installed")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.RecordWriter, "flush", full)
    with pytest.raises(ModelFileError) as error:
        cr.train(regressor(), X, Y, epochs=3, callbacks=[cr.callbacks.TensorBoard(tmp_path)], verbose=0)
    assert str(error.value) == (
        f"writing to {tmp_path}: expected room and leave to write, got [Errno 28] No space left on device. What was "
        "written before is unchanged."
    )
    assert error.value.history.epochs == 1


def test_without_tensorboard_x_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    for name in [name for name in sys.modules if name.startswith("tensorboardX.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ChainruleError) as error:
        cr.callbacks.TensorBoard("runs")
    assert str(error.value) == (
        "TensorBoard: expected tensorboardX, got no such package. Install it with: pip install 'chainrule[tensorboard]'."
    )
