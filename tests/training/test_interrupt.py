"""Ctrl-C: obeyed between steps, raised when pressed twice, never lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.training.examples.batches import DataSet
from training_problem import X, Y, regressor


def test_ctrl_c_returns_the_history_and_the_parameters_of_the_last_step():
    def interrupt(net, history):
        if history.epochs == 2:
            raise KeyboardInterrupt

    net, twin = regressor(), regressor()
    history = cr.train(net, X, Y, epochs=9, callbacks=[interrupt], verbose=0)
    assert history.stopped == "interrupt"
    assert history.epochs == 2
    cr.train(twin, X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


SCRIPT = """
import numpy as np, sys
import chainrule as cr
X = np.random.default_rng(0).standard_normal((20000, 50)); Y = X[:, 0]
net = cr.Network([50, 100, 1], ["tanh", "identity"])
history = cr.train(net, X, Y, epochs=100000, verbose=0, callbacks=[lambda net, history: print("epoch", flush=True)])
print(history.stopped, bool(np.isfinite(net.parameters).all()))
"""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT as a terminal does on POSIX systems")
def test_a_real_sigint_ends_a_long_training():
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "epoch\n"
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert output.splitlines()[-1] == "interrupt True"
    assert process.returncode == 0
    assert time.monotonic() - sent < 10  # a hang, not a speed, is what this would catch


SECOND = """
import os, signal, chainrule as cr
def twice(net, history):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
net = cr.Network([1, 1])
try:
    cr.train(net, [[0.0]], [0.0], verbose=0, callbacks=[twice])
except KeyboardInterrupt:
    print("raised", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""

OWN_HANDLER = """
import os, signal, chainrule as cr
signal.signal(signal.SIGINT, lambda *a: print("mine"))
net = cr.Network([1, 1])
history = cr.train(net, [[0.0]], [0.0], epochs=2, verbose=0, callbacks=[lambda *a: os.kill(os.getpid(), signal.SIGINT)])
print(history.stopped)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT as a terminal does on POSIX systems")
@pytest.mark.parametrize(("script", "printed"), [(SECOND, "raised True\n"), (OWN_HANDLER, "mine\nmine\nepochs\n")])
def test_a_second_ctrl_c_raises_and_a_program_s_own_handler_is_left_alone(script, printed):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == printed


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_ctrl_c_is_obeyed_between_steps_and_the_handler_given_back(optimizer):
    net = regressor()
    snapshots = []

    def press(net, history):
        snapshots.append(net.parameters.copy())
        if history.epochs == 2:
            signal.raise_signal(signal.SIGINT)

    history = cr.train(net, X, Y, optimizer=optimizer, epochs=9, callbacks=[press], verbose=0)
    assert history.stopped == "interrupt"
    assert history.epochs == 2
    np.testing.assert_array_equal(net.parameters, snapshots[-1])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_ctrl_c_in_the_last_epoch_is_not_lost(optimizer):
    press = [lambda net, history: signal.raise_signal(signal.SIGINT)]
    history = cr.train(regressor(), X, Y, optimizer=optimizer, epochs=1, callbacks=press, verbose=0)
    assert history.stopped == "interrupt"
    assert history.epochs == 1


def test_training_in_another_thread_works():
    histories = []
    thread = threading.Thread(target=lambda: histories.append(cr.train(regressor(), X, Y, epochs=2, verbose=0)))
    thread.start()
    thread.join(30)
    assert histories[0].stopped == "epochs"


@pytest.mark.skipif(not HAS_NATIVE, reason="the compiled core is not built")
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT as a terminal does on POSIX systems")
def test_ctrl_c_ends_an_epoch_in_the_compiled_core_after_a_whole_step(monkeypatch):
    m = 5_000_000  # the same row again and again, which takes no memory
    rows, targets = np.broadcast_to(X[:1], (m, 4)), np.broadcast_to(Y[:1], (m,))
    net = regressor(backend="native")
    before = net.parameters.copy()
    sent, batches = [], DataSet.batches

    def press():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.0, press)

    def begun(*given):  # all rows have been read
        if not timer.is_alive() and not sent:
            timer.start()
        return batches(*given)

    monkeypatch.setattr(DataSet, "batches", begun)
    history = cr.train(net, rows, targets, batch_size=8, epochs=1000, learning_rate=1e-6, shuffle=False, verbose=0)
    assert time.monotonic() - sent[0] < 10  # a hang, not a speed, is what this would catch
    timer.join()
    assert history.stopped == "interrupt"
    assert np.isfinite(net.parameters).all()
    assert not np.array_equal(net.parameters, before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
