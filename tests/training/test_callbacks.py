"""Callbacks: when they are called, what they see of a step, how they end training, and what becomes of their errors."""

import logging
import math
import signal

import numpy as np
import pytest
import scipy.sparse as sp

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.errors import InputError
from chainrule.training.minibatches.step_gradient import step_gradient
from chainrule.training.progress.history import History
from chainrule.training.progress.progressed import Progressed
from chainrule.training.watching.listeners import HOOKS, Listeners, read_callbacks
from chainrule.training.watching.moment import Moment
from training_problem import X, Y, regressor

BACKENDS = ["reference", *(["native"] if HAS_NATIVE else [])]
IN_ORDER = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 25, "shuffle": False, "verbose": 0}


class Calls:
    """Notes every call, and raises, or gives a value, in some."""

    def __init__(self, raises=(), gives=None):
        self.calls, self.raises, self.gives = [], raises, gives or {}
        for hook in HOOKS:
            setattr(self, hook, lambda moment, hook=hook: self.note(hook, moment))

    def note(self, hook, moment):
        self.calls.append((hook, moment.epoch, moment.step))
        if hook in self.raises:
            raise RuntimeError("mine")
        return self.gives.get(hook)

    def of(self, hook):
        return [call for call in self.calls if call[0] == hook]


# --- when -----------------------------------------------------------------------------------------------------------
def test_every_hook_is_called_in_its_place():
    calls = Calls()
    cr.train(regressor(), X, Y, epochs=2, callbacks=[calls], **IN_ORDER | {"batch_size": 40})
    epoch = [
        [("before_epoch", e, 0), *[(hook, e, s) for s in (1, 2) for hook in ("before_batch", "after_batch")],
         ("after_epoch", e, 2)] for e in (1, 2)
    ]  # fmt: skip
    assert calls.calls == [("before_training", 0, 0), *epoch[0], *epoch[1], ("after_training", 2, 2)]


@pytest.mark.parametrize("optimizer", ["lbfgs", "levenberg_marquardt", "gauss_newton_cg"])
def test_solvers_of_the_whole_set_call_what_looks_at_epochs(optimizer):
    class Epochs:
        calls = ()

        def before_epoch(self, moment):
            self.calls += (("before", moment.epoch, moment.net.parameters.copy()),)

        def after_epoch(self, moment):
            self.calls += (("after", moment.epoch, moment.net.parameters.copy()),)

    epochs = Epochs()
    cr.train(regressor(), X, Y, optimizer=optimizer, epochs=3, callbacks=[epochs], verbose=0)
    assert [(when, epoch) for when, epoch, _ in epochs.calls] == [
        (w, e) for e in (1, 2, 3) for w in ("before", "after")
    ]
    np.testing.assert_array_equal(epochs.calls[1][2], epochs.calls[2][2])  # the next epoch begins where one ended
    assert not np.array_equal(epochs.calls[0][2], epochs.calls[1][2])


def test_without_a_look_at_batches_training_has_no_watcher(caplog):
    class After:
        def after_epoch(self, moment):
            pass

    with caplog.at_level(logging.INFO, "chainrule.training"):
        cr.train(regressor(), X, Y, epochs=1, callbacks=[After(), lambda net, history: None], verbose=0)
    native = regressor().backend == "native"
    path = "training goes in the compiled core" if native else "training goes step by step in Python: the backend is"
    assert caplog.messages[0].startswith(path)


# --- what a step was made of ----------------------------------------------------------------------------------------
class Look:
    """Compares the views of every batch with the passes of a network that has the parameters from before the step."""

    def __init__(self, net, rows, targets, weights=None):
        self.twin, self.data, self.batches, self.costs = net.copy(), (rows, targets, weights), [], []

    def before_batch(self, moment):
        self.twin.parameters = moment.net.parameters
        self.rows = moment.rows.copy()

    def after_batch(self, moment):
        rows, targets, weights = self.data
        np.testing.assert_array_equal(moment.rows, self.rows)
        dense = rows[self.rows].toarray() if sp.issparse(rows) else rows[self.rows]
        run = self.twin.forward(dense)
        back = self.twin.backward(run, targets[self.rows], None if weights is None else weights[self.rows])
        first = moment.a[0].toarray() if sp.issparse(moment.a[0]) else moment.a[0]
        # the same sums, but for a batch of sparse rows, which adds in another order: rounding of sums of few numbers
        close = {"rtol": 1e-12, "atol": 1e-14}
        np.testing.assert_array_equal(first, run.a[0])
        for layer in (1, 2):
            np.testing.assert_allclose(moment.z[layer], run.z[layer], **close)
            np.testing.assert_allclose(moment.a[layer], run.a[layer], **close)
            np.testing.assert_allclose(moment.delta[layer], back.delta[layer], **close)
            np.testing.assert_allclose(moment.gradient.W[layer], back.W[layer], **close)
            np.testing.assert_allclose(moment.gradient.b[layer], back.b[layer], **close)
        np.testing.assert_allclose(moment.gradient.flat, back.flat, **close)
        assert moment.cost == pytest.approx(back.cost, rel=1e-12)  # the same numbers, added in another order
        np.testing.assert_allclose(  # (E16): what the network has now is the step from what it had, one rounding
            moment.net.parameters, self.twin.parameters - moment.learning_rate * moment.gradient.flat, rtol=1e-14
        )
        self.batches.append((moment.epoch, moment.step, moment.steps, len(moment.rows)))
        self.costs.append(moment.cost)

    def after_epoch(self, moment):
        self.costs.append(moment.cost)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_after_batch_shows_the_passes_of_the_step_E1_to_E10(backend, weighted):
    weights = np.linspace(0.5, 2, 60) if weighted else None
    # the sum: then a weighted batch's gradient is the step's as it is, and no factor stands before it
    net, twin = (regressor(backend=backend, reduction="sum") for _ in range(2))
    look = Look(net, X, Y, weights)
    options = IN_ORDER | {"learning_rate": 1e-3, "shuffle": True, "epochs": 2, "sample_weight": weights}
    history = cr.train(net, X, Y, callbacks=[look], **options)
    assert look.batches == [(1, 1, 1, 25), (1, 2, 2, 25), (1, 3, 3, 10), (2, 1, 4, 25), (2, 2, 5, 25), (2, 3, 6, 10)]
    assert look.costs[3] == history.cost[0] == pytest.approx(sum(look.costs[:3]))
    # looking changes nothing but the order in which the native backend's sums are added
    cr.train(twin, X, Y, **options)
    np.testing.assert_allclose(net.parameters, twin.parameters, rtol=1e-12)


def test_sparse_rows_are_shown_sparse():
    rows = sp.random(60, 4, 0.4, format="csr", random_state=1)
    net = regressor()
    look = Look(net, rows, Y)
    cr.train(net, rows, Y, callbacks=[look], epochs=1, **IN_ORDER)
    assert len(look.batches) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_views_are_those_of_the_step_and_can_not_be_written_to(backend):
    net, now = regressor(backend=backend), Progressed(np.zeros(1))
    batch = (np.ascontiguousarray(X[:5]), Y[:5, np.newaxis], None)
    made = step_gradient(net, net.parameters, batch, cr.training.minibatches.steps.PLAIN, 0, keep=True)
    moment = Moment(net, History(), now)
    rows = np.arange(5)
    moment.come(made.cost, rows, (made.run, made.back))
    sparse = sp.csr_matrix(batch[0])
    shown = [(moment.rows, rows), (moment.gradient.flat, made.back.flat), (moment.gradient.W[1], made.back.flat)]
    shown += [(moment.a[layer], made.run.a[layer]) for layer in (0, 1, 2)]
    shown += [(moment.z[layer], made.run.z[layer]) for layer in (1, 2)]
    shown += [(moment.delta[layer], made.back.delta[layer]) for layer in (1, 2)]
    moment.come(made.cost, rows, (type(made.run)({0: sparse}, made.run.z), made.back))
    shown += [(getattr(moment.a[0], part), getattr(sparse, part)) for part in ("data", "indices", "indptr")]
    for view, array in shown:
        assert np.shares_memory(view, array)
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0


def test_dropout_s_masks_are_in_what_is_shown_E51():
    seen = []

    class Masked:
        def after_batch(self, moment):
            kept = moment.a[1] != 0
            assert 0 < kept.sum() < kept.size
            assert (moment.delta[1][~kept] == 0).all()
            np.testing.assert_allclose(moment.gradient.W[2], moment.a[1].T @ moment.delta[2] / len(moment.rows))  # (E7)
            seen.append(moment.step)

    cr.train(regressor(), X, Y, epochs=1, callbacks=[Masked()], dropout=0.5, **IN_ORDER)
    assert len(seen) == 3


@pytest.mark.parametrize("what", ["a", "z", "delta", "gradient", "rows"])
def test_what_belongs_to_a_batch_is_there_in_its_calls_only(what):
    kept = []

    class Late:
        def after_batch(self, moment):
            getattr(moment, what)

        def after_epoch(self, moment):
            kept.append(moment)
            getattr(moment, what)

    with pytest.raises(InputError) as error:
        cr.train(regressor(), X, Y, epochs=1, callbacks=[Late()], **IN_ORDER)
    hooks = "before_batch and after_batch" if what == "rows" else "after_batch"
    assert (
        str(error.value) == f"moment.{what}: expected a call of {hooks}, got another. Copy there what is needed later."
    )


def test_what_a_callback_writes_to_the_network_is_written_over():
    class Spoils(Calls):
        def note(self, hook, moment):
            if hook != "after_training":
                moment.net.parameters[...] = 7

    net, twin = regressor(backend="reference"), regressor(backend="reference")
    cr.train(net, X, Y, epochs=2, callbacks=[Spoils()], **IN_ORDER)
    cr.train(twin, X, Y, epochs=2, **IN_ORDER)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


# --- ending training ------------------------------------------------------------------------------------------------
def test_a_true_value_of_after_batch_ends_training_after_that_step():
    class Second:
        def after_batch(self, moment):
            self.parameters = moment.net.parameters.copy()
            return moment.steps == 5

    net, second, other = regressor(), Second(), Calls()
    history = cr.train(net, X, Y, epochs=9, callbacks=[second, other], **IN_ORDER)
    assert (history.stopped, history.epochs) == ("callback", 1)
    assert history.message == "stopped in epoch 2: a callback ended training"
    np.testing.assert_array_equal(net.parameters, second.parameters)
    assert other.calls[-2:] == [("after_batch", 2, 2), ("after_training", 2, 2)]  # others are called all the same


@pytest.mark.parametrize("hook", HOOKS)
def test_of_the_hooks_after_batch_and_after_epoch_end_training(hook):
    calls = Calls(gives={hook: True})
    history = cr.train(regressor(), X, Y, epochs=2, callbacks=[calls], **IN_ORDER)
    assert history.stopped == ("callback" if hook in ("after_batch", "after_epoch") else "epochs")


def test_an_object_that_can_be_called_is_called_after_every_epoch_beside_its_methods():
    class Both(Calls):
        def __call__(self, net, history):
            self.calls.append(("call", history.epochs, net.L))
            return history.epochs == 2

    both = Both()
    history = cr.train(regressor(), X, Y, epochs=3, callbacks=[both], **IN_ORDER)
    assert both.of("call") == [("call", 1, 2), ("call", 2, 2)]
    assert len(both.of("after_epoch")) == 2
    assert history.stopped == "callback"


# --- errors of users ------------------------------------------------------------------------------------------------
WHERE = {  # where training was, and which parameters are kept
    "before_training": ("before epoch 1", "from before training", 0),
    "before_epoch": ("in epoch 1, step 0", "from before training", 0),
    "before_batch": ("in epoch 1, step 1", "from before training", 0),
    "after_batch": ("in epoch 1, step 1", "after its last whole step", 0),
    "after_epoch": ("after epoch 1", "after its last whole step", 1),
}


@pytest.mark.parametrize("hook", WHERE)
def test_an_error_of_a_callback_reaches_the_user_with_a_note_and_the_history(hook):
    first, second, third = Calls(), Calls(raises=[hook]), Calls()
    net = regressor()
    before = net.parameters.copy()
    with pytest.raises(RuntimeError, match="mine") as error:
        cr.train(net, X, Y, epochs=5, callbacks=[first, second, third], **IN_ORDER)
    where, kept, done = WHERE[hook]
    assert error.value.__notes__ == [
        f"raised by {hook} of the callback Calls",
        f"Training was {where}. The network has the parameters {kept}; the history so far, {done} whole "
        f"epoch{'' if done == 1 else 's'}, is this error's attribute `history`.",
    ]
    assert error.traceback[-1].name == "note"  # the user's own line
    history = error.value.history
    assert (history.epochs, history.stopped) == (done, "error")
    assert history.message == "stopped in epoch 1: RuntimeError: mine"
    assert np.isfinite(net.parameters).all()
    assert np.array_equal(net.parameters, before) == (kept == "from before training")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # who saw training begin is told of its end
    assert [len(calls.of("after_training")) for calls in (first, second, third)] == [1, 1, hook != "before_training"]


def test_an_error_after_training_lets_the_others_be_called_and_leaves_the_network_trained():
    first, second = Calls(raises=["after_training"]), Calls()
    net, twin = regressor(), regressor()
    with pytest.raises(RuntimeError, match="mine") as error:
        cr.train(net, X, Y, epochs=1, callbacks=[first, second], **IN_ORDER)
    assert error.value.__notes__ == [
        "raised by after_training of the callback Calls",
        "Training was after epoch 1. The network has the parameters after epoch 1, the last one; the history so far, 1 "
        "whole epoch, is this error's attribute `history`.",
    ]
    assert error.value.history.stopped == "epochs"
    assert len(second.of("after_training")) == 1
    cr.train(twin, X, Y, epochs=1, callbacks=[Calls()], **IN_ORDER)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_a_second_error_at_the_end_is_logged_and_the_first_is_raised(caplog):
    class Fails(Calls):
        def note(self, hook, moment):
            if hook in ("after_epoch", "after_training"):
                raise RuntimeError(hook)

    with pytest.raises(RuntimeError, match="after_epoch"):
        cr.train(regressor(), X, Y, epochs=1, callbacks=[Fails()], **IN_ORDER)
    (record,) = caplog.records
    assert record.getMessage() == "after_training of the callback Fails raised, too"
    assert record.levelname == "WARNING"
    assert str(record.exc_info[1]) == "after_training"


def test_an_error_gives_the_best_parameters_back_where_that_was_asked_for():
    snapshots = []

    def fail(net, history):
        snapshots.append(net.parameters.copy())
        if history.epochs == 3:
            raise RuntimeError("mine")

    net = regressor()
    with pytest.raises(RuntimeError) as error:
        cr.train(net, X, Y, epochs=5, callbacks=[fail], early_stopping=5, **IN_ORDER)
    best = int(np.argmin(error.value.history.cost))
    np.testing.assert_array_equal(net.parameters, snapshots[best])
    assert f"has the parameters after epoch {best + 1}, the best one;" in error.value.__notes__[1]


def test_an_error_of_a_user_s_cost_gets_the_note_too():
    class Broken:
        calls = 0

        def __call__(self, a, y):
            self.calls += np.ndim(a) == 2 and len(a) == 25
            if self.calls == 5:
                raise ZeroDivisionError("mine")
            return ((a - y) ** 2).sum(axis=-1)

    value = Broken()
    cost = cr.Cost("broken", value=value, derivative=lambda a, y: 2 * (a - y))
    net = cr.Network([4, 3, 1], "tanh", cost, dtype="float64")
    value.calls = 0
    with pytest.raises(ZeroDivisionError, match="mine") as error:
        cr.train(net, X[:50], Y[:50], epochs=9, **IN_ORDER)
    assert error.value.__notes__[0].startswith(
        "Training was in epoch 3, step 1. The network has the parameters after its"
    )
    assert error.value.history.epochs == 2


def test_a_cost_of_the_user_s_own_that_becomes_nan_ends_training_and_is_named():
    def value(a, y):
        return np.where(np.abs(a - y) < 1.5, (a - y) ** 2, math.nan).sum(axis=-1)

    cost = cr.Cost("patchy", value=lambda a, y: ((a - y) ** 2).sum(axis=-1), derivative=lambda a, y: 2 * (a - y))
    net = cr.Network([4, 6, 1], ["tanh", "identity"], cost, dtype="float64", seed=1)
    object.__setattr__(cost, "value", value)
    before = net.parameters.copy()
    with pytest.warns(cr.DivergenceWarning) as caught:
        history = cr.train(net, X, Y, epochs=3, **IN_ORDER)
    assert str(caught[0].message) == (
        "training diverged in epoch 1, step 1: expected finite numbers, got an infinite or undefined one: the cost "
        "patchy of layer 2's output (E3) holds nan. The parameters are those from before training. Lower "
        "learning_rate, which was 0.1, or scale the columns of X to about 1."
    )
    assert (history.stopped, history.epochs) == ("divergence", 0)
    np.testing.assert_array_equal(net.parameters, before)


class Typo:
    def on_epoch_end(self, moment):
        pass

    def on_train_batch_begin(self, moment):
        pass

    def __repr__(self):
        return "Typo()"


class Silent:
    def __repr__(self):
        return "Silent()"


EACH = (
    "expected a function (net, history), or an object with one of before_training, before_epoch, before_batch, "
    "after_batch, after_epoch, after_training, got"
)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([Typo()], f"callbacks[0]: {EACH} Typo(). Did you mean after_epoch for on_epoch_end, before_batch for "
         "on_train_batch_begin?"),
        ([print, Silent()], f"callbacks[1]: {EACH} Silent(). Each method is given one moment: net, history, epoch, …"),
        ([Calls], "callbacks[0]: expected an object, got the class Calls. Write Calls(…)."),
        (print, "callbacks: expected a list of functions (net, history), or of objects with methods such as after_epoch, "
         "got <built-in function print>. Each function is called after every epoch; a true value ends training."),
    ],
)  # fmt: skip
def test_callbacks_that_nobody_would_call_are_refused(callbacks, message):
    with pytest.raises(InputError) as error:
        cr.train(regressor(), X, Y, callbacks=callbacks, verbose=0)
    assert str(error.value) == message


def test_a_method_that_nobody_calls_beside_others_is_logged(caplog):
    class Half(Typo):
        def after_epoch(self, moment):
            pass

    cr.train(regressor(), X, Y, epochs=1, callbacks=[Half()], verbose=0)
    assert caplog.messages == [
        "callbacks[0] has methods that nobody calls: did you mean after_epoch for on_epoch_end, before_batch for "
        "on_train_batch_begin?"
    ]


def test_what_a_callback_keeps_it_has_to_be_able_to_take_back():
    class Keeps:
        def after_epoch(self, moment):
            pass

        def state(self):
            return 1

    with pytest.raises(InputError) as error:
        cr.train(regressor(), X, Y, callbacks=[Keeps()], verbose=0)
    assert str(error.value).startswith("callbacks[0]: expected restore beside state, got state alone of ")
    assert str(error.value).endswith("Keeps. What state() gives when a checkpoint is written, restore(state) is given when "
                                     "training is resumed.")  # fmt: skip


def test_solvers_of_the_whole_set_have_no_batches_to_look_at():
    with pytest.raises(InputError) as error:
        cr.train(regressor(), X, Y, optimizer="lbfgs", callbacks=[Calls()], verbose=0)
    assert str(error.value) == (
        "callbacks[0]: expected callbacks that look at epochs under L-BFGS, which takes the whole set at once, got "
        "before_batch and after_batch of Calls. Use after_epoch, or an optimizer of batches such as 'adam'."
    )


# --- what checkpoints keep ------------------------------------------------------------------------------------------
class Counts:
    n = 0

    def after_epoch(self, moment):
        self.n += 1

    def state(self):
        return {"n": self.n}

    def restore(self, state):
        self.n = state["n"]


def test_states_go_back_to_the_callbacks_they_came_from():
    net = regressor()
    given = [Counts(), print, Counts()]
    given[0].n, given[2].n = 3, 5
    kept = Listeners(given, Moment(net, History(), Progressed(net.parameters))).state()
    assert kept == [{"callback": "Counts", "state": {"n": 3}}, {"callback": "Counts", "state": {"n": 5}}]
    fresh = [Counts(), Counts()]
    Listeners(fresh, Moment(net, History(), Progressed(net.parameters))).restore(kept)
    assert [counts.n for counts in fresh] == [3, 5]
    with pytest.raises(InputError) as error:
        Listeners([Counts()], Moment(net, History(), Progressed(net.parameters))).restore(kept)
    assert str(error.value) == (
        "callbacks: expected callbacks with a state: Counts, Counts, got Counts. Resume with the callbacks of the "
        "training that is resumed, in their order."
    )


def test_an_error_of_a_state_names_its_callback():
    class Broken(Counts):
        def state(self):
            raise RuntimeError("mine")

    net = regressor()
    with pytest.raises(RuntimeError, match="mine") as error:
        Listeners(read_callbacks([Broken()]), Moment(net, History(), Progressed(net.parameters))).state()
    assert error.value.__notes__ == ["raised by state of the callback Broken"]


# --- logging --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"backend": "reference"}, "training goes step by step in Python: the backend is reference"),
        ({"optimizer": "lbfgs"}, "training goes by L-BFGS, on the whole set at once"),
        ({"callbacks": [Calls()]}, "training goes step by step in Python: callbacks look at batches"),
        ({"monotone": {0: 1}, "monotone_weight": 0.1}, "training goes step by step in Python: the cost has derivatives "
         "in the inputs"),
        *([
            ({"backend": "native"}, "training goes in the compiled core"),
            ({"backend": "native", "optimizer": type("Own", (cr.SGD,), {})()}, "training goes step by step in Python: "
             "the compiled core has no loop for this optimizer, its options, or these arrays"),
        ] if HAS_NATIVE else []),
    ],
)  # fmt: skip
def test_the_log_says_which_path_training_takes_and_how_it_ended(caplog, options, path):
    backend = options.pop("backend", None)
    with caplog.at_level(logging.INFO, "chainrule.training"):
        cr.train(regressor(backend=backend), X, Y, epochs=1, verbose=0, **options)
    assert caplog.messages == [path, "stopped after epoch 1: all epochs were trained"]
    assert {(record.name, record.levelname) for record in caplog.records} == {("chainrule.training", "INFO")}


def test_the_log_says_which_epoch_s_parameters_came_back(caplog):
    with caplog.at_level(logging.INFO, "chainrule.training"):
        rule = cr.EarlyStopping(patience=2, tolerance=1e9)
        history = cr.train(regressor(), X, Y, epochs=9, early_stopping=rule, verbose=0)
    assert caplog.messages[-1] == (f"{history.message}; the parameters are those after epoch {history.restored_epoch}")
    assert history.message == "stopped after epoch 3: the monitored cost stopped improving"


def test_a_divergence_is_logged_as_a_warning_and_nothing_is_printed(caplog, capfd):
    with pytest.warns(cr.DivergenceWarning):
        history = cr.train(regressor(), X, Y, optimizer="sgd", learning_rate=1e200, epochs=5, verbose=0)
    assert [(r.levelname, r.getMessage().startswith(history.message)) for r in caplog.records] == [("WARNING", True)]
    assert capfd.readouterr() == ("", "")


def test_without_a_handler_of_the_user_s_nothing_is_printed(capfd):
    log = logging.getLogger("chainrule.training")
    assert [type(handler) for handler in log.handlers] == [logging.NullHandler]
