"""A training that is broken off again and again, and resumed, ends with the bits of one that never was."""

import functools
import itertools
import signal

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from cases import BACKENDS
from chainrule.training.arguments.solvers import KINDS, NAMES
from chainrule.training.checkpoints import folder as checkpoint
from chainrule.training.minibatches import steps
from chainrule.training.progress.interrupt import Ended
from chainrule.training.session import Session
from training_problem import LABELS, X, Y, regressor

WEIGHTS = np.random.default_rng(5).integers(0, 4, len(X)).astype(float)


PLACES = {"levenberg_marquardt": 4, "auto": 4, "gauss_newton_cg": 30}  # to stop at, in a step or few


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # test_checkpoint_files.py has what lies on it


class Stops:
    """Ends a training at every so many places where a solver lets it be ended, in the middle of epochs too."""

    def __init__(self, monkeypatch, every):
        self.every, self.asked, self.breaks = every, 0, 0
        at_once = functools.partialmethod(steps.WholeEpoch.__init__, at_once=3)  # asked after every third step
        monkeypatch.setattr(steps.WholeEpoch, "__init__", at_once)
        monkeypatch.setattr(Session, "_due", lambda session: self.due(session))
        monkeypatch.setattr(Session, "_pause", lambda session: self.pause())

    def due(self, session):
        self.asked += session.now.snapshot is not None
        return self.every is not None and self.asked >= self.every

    def pause(self):
        self.asked, self.breaks = 0, self.breaks + 1
        raise Ended("time")


def network(backend=BACKENDS[-1], **changes):
    return regressor(backend=backend, **changes)


def never_broken(make, data, folder, stops, **settings):
    """Train in one go: the network, its history, and the checkpoint at the end."""
    stops.every = None
    net = make()
    history = cr.train(net, *data, checkpoint=folder, verbose=0, **settings)
    return net, history, checkpoint._newest(folder)


def broken(make, data, folder, stops, every, **settings):
    """Train in as many pieces as it takes, each in a new network, with other numbers of threads."""
    stops.every, stops.asked, stops.breaks = every, 0, 0
    for piece in range(100):
        net = make()
        if piece:
            net.parameters[...] = piece  # resuming brings its own along
        history = cr.train(net, *data, checkpoint=folder, resume=True, n_threads=1 + piece % 3, verbose=0, **settings)
        if history.stopped != "time":
            return net, history, checkpoint._newest(folder)
    raise AssertionError("it never ends")


def same_tree(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(same_tree(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same_tree, a, b))
    if isinstance(a, float | np.ndarray | np.generic):
        return np.asarray(a).dtype == np.asarray(b).dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
    return a == b


def assert_same(one, other):
    """See that networks, histories but for seconds, and all that a checkpoint keeps of the solvers, have the same bits."""
    (net, history, end), (net2, history2, end2) = one, other
    assert net2.parameters.tobytes() == net.parameters.tobytes()
    for name in vars(history):
        if name != "seconds":
            assert same_tree(getattr(history2, name), getattr(history, name)), name
    assert len(history2.seconds) == len(history.seconds)
    assert end2.parameters.tobytes() == end.parameters.tobytes()
    for name in ("progress", "solver", "best", "draws", "ended"):
        assert same_tree(end2.state[name], end.state[name]), name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("optimizer", sorted({*NAMES, "auto"} - {"lbfgs"}))
def test_every_optimizer_goes_on_to_the_same_bits(tmp_path, monkeypatch, optimizer, backend):
    whole = optimizer in (*KINDS, "auto")
    stops = Stops(monkeypatch, None)
    settings = {"optimizer": optimizer, "epochs": 5, "validation": 0.2, "early_stopping": 50}
    if not whole:
        settings |= {"batch_size": 8}
    if not whole and optimizer != "line_search":
        settings |= {"learning_rate": 0.01, "dropout": 0.1, "shuffle": True, "penalty": 1e-3}
    if optimizer == "kfac":
        settings["optimizer"] = cr.KFAC(factors_every=4, inverses_every=9)
    make = functools.partial(network, backend)
    one = never_broken(make, (X, Y), tmp_path / "one", stops, **settings)
    other = broken(make, (X, Y), tmp_path / "other", stops, PLACES.get(optimizer, 7), **settings)
    assert stops.breaks >= 2
    assert_same(one, other)


CASES = {
    "adaptive rate": {"learning_rate": cr.schedules.Adaptive(0.05, patience=1, tolerance=0.05)},
    "cosine": {"learning_rate": cr.schedules.Cosine(0.1, epochs=5)},
    "warm-up": {"learning_rate": cr.schedules.WarmUp(cr.schedules.Constant(0.1), epochs=1.5)},
    "found rate": {"learning_rate": "find", "batch_size": 4},
    "dropout and noise": {"dropout": {0: 0.2, 1: 0.5}, "input_noise": 0.1},
    "limits": {"max_norm": 1.0, "clip_norm": 0.5, "clip_example_norm": 0.2, "l1": 1e-3, "weight_decay": 0.01},
    "layers": {"layer_rates": {2: 0.1}, "frozen": [1]},
    "growing batches": {"batch_size": {1: 4, 3: 16, 5: None}, "epochs": 6},
    "early stopping": {"early_stopping": cr.EarlyStopping(patience=2, tolerance=0.05), "validation": 0.3, "epochs": 40},
    "named sets": {"validation": {"a": (X[:9], Y[:9]), "b": (X[:5], Y[:5])}, "early_stopping": 3},
    "metrics": {"validation": 0.2, "metrics": {"worst": lambda outputs, Y: float(np.abs(outputs - Y).max())}},
    "weights": {"sample_weight": WEIGHTS, "validation": 0.2},
    "in order": {"shuffle": False},
    "whole set": {"batch_size": None, "epochs": 20},
    "input terms": {"derivative_targets": np.zeros(X.shape), "monotone": {0: 1}, "input_gradient_penalty": 0.01},
    "another seed": {"seed": 7, "validation": 0.25},
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES)
def test_every_option_goes_on_to_the_same_bits(tmp_path, monkeypatch, case, backend):
    stops = Stops(monkeypatch, None)
    settings = {"optimizer": "momentum", "learning_rate": 0.01, "batch_size": 8, "epochs": 5} | CASES[case]
    make = functools.partial(network, backend)
    one = never_broken(make, (X, Y), tmp_path / "one", stops, **settings)
    other = broken(make, (X, Y), tmp_path / "other", stops, 6, **settings)
    assert stops.breaks >= 2
    assert_same(one, other)


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: network(dtype="float32"), (X, Y)),
        (lambda: network(bias=False, reduction="sum"), (X, Y)),
        (lambda: cr.Network([4, 5, 3], ["relu", "softmax"], "cross_entropy", seed=2), (X, LABELS)),
        (lambda: cr.Network([4, 5, 3], ["relu", "softmax"], "cross_entropy"), (scipy.sparse.csr_array(X), LABELS)),
    ],
    ids=["float32", "no bias, sum", "classes", "sparse"],
)
def test_every_network_and_data_go_on_to_the_same_bits(tmp_path, monkeypatch, make, data):
    stops = Stops(monkeypatch, None)
    settings = {"learning_rate": 0.01, "batch_size": 8, "epochs": 4, "dropout": 0.2}
    start = make().parameters
    fixed = functools.partial(_with, make, start)
    assert_same(
        never_broken(fixed, data, tmp_path / "one", stops, **settings),
        broken(fixed, data, tmp_path / "other", stops, 5, **settings),
    )


def _with(make, parameters):
    net = make()
    net.parameters[...] = parameters
    return net


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_a_generator_is_put_back_to_where_the_training_began(tmp_path, monkeypatch, bits):
    stops = Stops(monkeypatch, None)
    settings = {"validation": 0.2, "dropout": 0.3, "batch_size": 8, "epochs": 9}
    one = never_broken(network, (X, Y), tmp_path / "one", stops, seed=np.random.Generator(bits(3)), **settings)
    stops.every, stops.asked, seeds = 7, 0, itertools.count(100)
    while True:  # each piece with another generator: the first one's counts
        rng = np.random.Generator(bits(3 if not stops.breaks else next(seeds)))
        net = network()
        history = cr.train(net, X, Y, checkpoint=tmp_path / "o", resume=True, seed=rng, verbose=0, **settings)
        if history.stopped != "time":
            break
    assert stops.breaks >= 2
    assert_same(one, (net, history, checkpoint._newest(tmp_path / "o")))
    unbroken, stops.every = np.random.Generator(bits(3)), None
    cr.train(network(), X, Y, seed=unbroken, verbose=0, **settings)
    assert rng.random() == unbroken.random()


def test_without_a_seed_the_split_and_the_masks_stay_those_of_the_beginning(tmp_path):
    settings = {"validation": 0.2, "dropout": 0.3, "batch_size": 8, "seed": None, "verbose": 0}
    cr.train(network(), X, Y, checkpoint=tmp_path, epochs=1, **settings)
    kept = (tmp_path / "checkpoint.chainrule").read_bytes()
    ends = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "checkpoint.chainrule").write_bytes(kept)
        net = network()
        cr.train(net, X, Y, checkpoint=folder, epochs=4, resume=True, **settings)
        ends.append(net.parameters.tobytes())
    assert ends[0] == ends[1]


def test_more_epochs_are_what_they_would_have_been(tmp_path):
    net, settings = network(), {"batch_size": 8, "verbose": 0}
    history = cr.train(net, X, Y, epochs=6, **settings)
    for epochs in (2, 2, 3, 6, 6):
        again = network()
        longer = cr.train(again, X, Y, epochs=epochs, checkpoint=tmp_path, resume=True, **settings)
        assert longer.epochs == epochs
        assert longer.stopped == "epochs"
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert longer.cost == history.cost


# --- ends -------------------------------------------------------------------------------------------------------------
def test_what_ended_for_good_gives_network_and_history_back_and_trains_nothing(tmp_path):
    settings = {
        "validation": 0.3, "early_stopping": cr.EarlyStopping(patience=2, tolerance=0.05), "batch_size": 8, "verbose": 0,
    }  # fmt: skip
    net = network()
    history = cr.train(net, X, Y, epochs=40, checkpoint=tmp_path, **settings)
    assert history.stopped == "early_stopping"
    written = (tmp_path / "checkpoint.chainrule").read_bytes()
    again, epochs = network(), []
    back = cr.train(
        again,
        X,
        Y,
        epochs=80,
        checkpoint=tmp_path,
        resume=True,
        callbacks=[lambda net, h: epochs.append(1)],
        **settings,
    )
    assert not epochs
    assert same_tree(vars(back), vars(history))
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert (tmp_path / "checkpoint.chainrule").read_bytes() == written


def test_a_training_that_a_callback_ended_goes_on(tmp_path):
    settings = {"learning_rate": cr.schedules.Adaptive(0.05, patience=1, tolerance=0.05), "batch_size": 8, "verbose": 0}
    net = network()
    history = cr.train(net, X, Y, epochs=6, **settings)
    stop_at = [2, 4]
    for at in stop_at:
        piece = cr.train(
            network(), X, Y, epochs=6, checkpoint=tmp_path, resume=True, checkpoint_every=100,
            callbacks=[lambda net, history, at=at: history.epochs == at], **settings,
        )  # fmt: skip
        assert (piece.stopped, piece.epochs) == ("callback", at)
    again = network()
    back = cr.train(again, X, Y, epochs=6, checkpoint=tmp_path, resume=True, **settings)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert (back.cost, back.learning_rate, back.stopped) == (history.cost, history.learning_rate, "epochs")


class Broken(Exception):  # noqa: N818
    """Of a callback."""


class Counts:
    """A callback with a state of its own, which raises once, in one of its methods."""

    def __init__(self, hook=None, at=None):
        self.hook, self.at, self.seen = hook, at, {"after_epoch": 0, "before_batch": 0, "after_batch": 0}

    def _see(self, hook):
        if (hook, self.seen[hook]) == (self.hook, self.at):
            raise Broken
        self.seen[hook] += 1

    def after_epoch(self, moment):
        self._see("after_epoch")

    def before_batch(self, moment):
        self._see("before_batch")

    def after_batch(self, moment):
        self._see("after_batch")

    def state(self):
        return dict(self.seen)

    def restore(self, state):
        self.seen = dict(state)


@pytest.mark.parametrize(("hook", "at"), [("after_epoch", 2), ("before_batch", 17), ("after_batch", 19)])
@pytest.mark.parametrize(
    "rate", [0.01, cr.schedules.Adaptive(0.05, patience=1, tolerance=0.05)], ids=["fixed", "adaptive"]
)
def test_where_a_callback_raised_the_training_goes_on(tmp_path, hook, at, rate):
    settings = {
        "learning_rate": rate,
        "batch_size": 8,
        "epochs": 5,
        "validation": 0.2,
        "early_stopping": 30,
        "verbose": 0,
    }
    net, counts = network(), Counts()
    history = cr.train(net, X, Y, callbacks=[counts], **settings)
    with pytest.raises(Broken) as error:
        cr.train(network(), X, Y, checkpoint=tmp_path, checkpoint_every=100, callbacks=[Counts(hook, at)], **settings)
    kept = checkpoint._newest(tmp_path).state
    assert kept["progress"]["taken"] == {"after_epoch": 18, "before_batch": 17, "after_batch": 20}[hook]
    assert error.value.history.epochs == kept["progress"]["taken"] // 6
    again, mended = network(), Counts()
    back = cr.train(again, X, Y, checkpoint=tmp_path, resume=True, callbacks=[mended], **settings)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert (back.cost, back.evaluations, back.learning_rate) == (
        history.cost,
        history.evaluations,
        history.learning_rate,
    )
    # the batch after which it raised is not told of again
    assert mended.seen == {**counts.seen, "after_batch": counts.seen["after_batch"] - (hook == "after_batch")}


def test_where_a_metric_raised_the_end_of_the_epoch_is_done_again(tmp_path):
    def worst(outputs, Y, fail=()):
        calls.append(1)
        if len(calls) in fail:
            raise Broken
        return float(np.abs(outputs - Y).max())

    calls = []
    settings = {"batch_size": 8, "epochs": 4, "validation": 0.2, "early_stopping": 30, "verbose": 0}
    net = network()
    history = cr.train(net, X, Y, metrics={"worst": worst}, **settings)
    calls.clear()
    with pytest.raises(Broken):
        cr.train(network(), X, Y, metrics={"worst": lambda *o: worst(*o, fail=[3])}, checkpoint=tmp_path, **settings)
    again = network()
    back = cr.train(again, X, Y, metrics={"worst": worst}, checkpoint=tmp_path, resume=True, **settings)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert back.evaluations == history.evaluations


@pytest.mark.parametrize("backend", BACKENDS)
def test_ctrl_c_leaves_a_checkpoint_of_the_last_whole_step(tmp_path, backend):
    class Impatient:
        def after_batch(self, moment):
            if moment.epoch == 2 and moment.step == 3:
                signal.raise_signal(signal.SIGINT)

    settings = {"batch_size": 8, "epochs": 4, "verbose": 0}
    net = network(backend)
    history = cr.train(net, X, Y, **settings)
    broken_off = network(backend)
    piece = cr.train(
        broken_off, X, Y, checkpoint=tmp_path, checkpoint_every=9, callbacks=[Impatient()], **settings
    )  # fmt: skip
    assert (piece.stopped, piece.epochs) == ("interrupt", 1)
    kept = checkpoint._newest(tmp_path)
    assert kept.state["progress"]["taken"] == 8 + 3
    assert kept.parameters.tobytes() == broken_off.parameters.tobytes()
    again = network(backend)
    back = cr.train(again, X, Y, checkpoint=tmp_path, resume=True, **settings)
    assert again.parameters.tobytes() == net.parameters.tobytes()
    assert back.cost == history.cost


def test_an_interrupt_that_may_tear_a_step_apart_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    def torn(*args):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt  # as a handler of the program's own may, anywhere
        return update(*args)

    calls, update = [], steps.apply_update
    monkeypatch.setattr(steps, "apply_update", torn)
    settings = {"batch_size": 8, "epochs": 3, "verbose": 0, "checkpoint": tmp_path}
    assert cr.train(network("reference"), X, Y, **settings).stopped == "interrupt"
    assert checkpoint._newest(tmp_path).state["progress"]["taken"] == 8
    net, unbroken = network("reference"), network("reference")
    cr.train(net, X, Y, resume=True, **settings)
    cr.train(unbroken, X, Y, **settings | {"checkpoint": None})
    assert net.parameters.tobytes() == unbroken.parameters.tobytes()


def test_max_time_is_that_of_each_call(tmp_path):
    settings = {"batch_size": 1, "epochs": 3, "verbose": 0}
    unbroken = network("reference")
    cr.train(unbroken, X, Y, **settings)
    for piece in range(100):
        net = network("reference")
        history = cr.train(net, X, Y, checkpoint=tmp_path, resume=True, max_time=0.01 * (piece + 1), **settings)
        if history.stopped != "time":
            break
    assert piece >= 1
    assert net.parameters.tobytes() == unbroken.parameters.tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_blocks_that_are_read_again_go_on_to_the_same_bits(tmp_path, monkeypatch, backend):
    def blocks():
        return ((X[begin : begin + 20], Y[begin : begin + 20]) for begin in range(0, len(X), 20))

    stops = Stops(monkeypatch, None)
    settings = {"batch_size": 8, "epochs": 5, "dropout": 0.1, "shuffle_rows": 24}
    make = functools.partial(network, backend)
    one = never_broken(make, (blocks,), tmp_path / "one", stops, **settings)
    other = broken(make, (blocks,), tmp_path / "other", stops, 6, **settings)
    assert stops.breaks >= 2
    assert_same(one, other)


def test_a_divergence_keeps_the_checkpoint_before_it(tmp_path):
    settings = {"optimizer": "sgd", "learning_rate": 1e6, "epochs": 30, "verbose": 0, "shuffle": False}
    with pytest.warns(cr.DivergenceWarning):
        history = cr.train(network("reference"), X, Y * 1e3, checkpoint=tmp_path, **settings)
    kept = checkpoint._newest(tmp_path)
    assert kept.state["ended"] is None
    assert np.isfinite(kept.parameters).all()
    net = network("reference")
    with pytest.warns(cr.DivergenceWarning):
        again = cr.train(net, X, Y * 1e3, checkpoint=tmp_path, resume=True, **settings)
    assert (again.message, again.cost) == (history.message, history.cost)


def test_a_checkpoint_by_time_is_written_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    at_once = functools.partialmethod(steps.WholeEpoch.__init__, at_once=3)
    monkeypatch.setattr(steps.WholeEpoch, "__init__", at_once)
    taken, write = [], checkpoint.Checkpoints.write

    def noted(self, plan, parameters, state):
        taken.append(state["progress"]["taken"])
        write(self, plan, parameters, state)

    monkeypatch.setattr(checkpoint.Checkpoints, "write", noted)
    cr.train(network(), X, Y, batch_size=8, epochs=2, checkpoint=tmp_path, checkpoint_every="0.000001s", verbose=0)
    assert taken[:5] == [0, 0, 3, 6, 8]
    assert taken[-1] == 16


@pytest.mark.parametrize(("every", "written"), [(1, [0, 8, 16, 24, 32, 40]), (2, [0, 16, 32, 40]), (9, [0, 40])])
def test_a_checkpoint_is_written_at_the_beginning_every_so_many_epochs_and_at_the_end(
    tmp_path, monkeypatch, every, written
):
    taken, write = [], checkpoint.Checkpoints.write

    def noted(self, plan, parameters, state):
        taken.append(state["progress"]["taken"])
        write(self, plan, parameters, state)

    monkeypatch.setattr(checkpoint.Checkpoints, "write", noted)
    cr.train(network(), X, Y, batch_size=8, epochs=5, checkpoint=tmp_path, checkpoint_every=every, verbose=0)
    assert taken == written


def test_the_seconds_of_an_epoch_in_two_parts_are_added(tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    with pytest.raises(Broken):
        cr.train(network(), X, Y, epochs=1, checkpoint=tmp_path, callbacks=[Counts("before_batch", 1)], verbose=0)
    before = checkpoint._newest(tmp_path).state["seconds"]
    history = cr.train(network(), X, Y, epochs=1, checkpoint=tmp_path, resume=True, callbacks=[Counts()], verbose=0)
    assert before >= 1
    assert history.seconds[0] > before


def test_a_checkpoint_can_be_loaded_as_the_network_of_its_last_step(tmp_path):
    net = regressor()
    cr.train(net, X, Y, epochs=3, checkpoint=tmp_path, verbose=0)
    loaded = cr.load(tmp_path / "checkpoint.chainrule")
    assert loaded.parameters.tobytes() == net.parameters.tobytes()
    assert repr(loaded) == repr(net)
