"""The core among processes and threads: after a fork, in two Python threads at once, without the interpreter lock."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE, UNDER_SANITIZER
from chainrule import derivatives as d
from chainrule.engine.threads import exactly

if not HAS_NATIVE:
    pytest.skip("the compiled core is not built", allow_module_level=True)

from chainrule.engine import native

COMMON = """
import hashlib, multiprocessing, os, sys, threading, warnings
import numpy as np
import chainrule as cr
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks while there are threads, as is meant here

def trained(n_threads=2, seed=0, epochs=3, begun=threading.Event()):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((200, 40)), rng.integers(5, size=200)
    net = cr.Network([40, 60, 5], ["relu", "softmax"], "cross_entropy", seed=seed, backend="native")
    cr.train(net, X, Y, batch_size=16, epochs=epochs, n_threads=n_threads, verbose=0,
             callbacks=[lambda net, history: begun.set()])
    from chainrule.engine.threads import exactly
    with exactly(n_threads):
        outputs = net.predict(X)
    return hashlib.sha256(net.parameters.tobytes() + outputs.tobytes()).hexdigest()

def in_child(function):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writer, function().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        given = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return given
"""


def run(script, timeout=60):
    """What a script prints; a hang is a failure, and its children end with it."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMON + script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        printed, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail(f"nothing came back after {timeout} s")
    assert process.returncode == 0, errors
    return printed.split()


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

FORK = """
before = trained()
print(before, in_child(trained), trained(), in_child(lambda: trained(3)), in_child(lambda: in_child(trained)), trained(1))
"""

POOL = """
if __name__ == "__main__":
    before = trained()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(before, *pool.map(trained, [2, 1, 3, 2]), trained())
"""

FORK_WITHIN = """
trained()  # so that nothing is left to import: Python's own locks on imports don't outlive a fork
seen = []
begun = [threading.Event(), threading.Event()]
threads = [threading.Thread(target=lambda one=one: seen.append(trained(2, epochs=200, begun=one))) for one in begun]
for thread in threads:
    thread.start()
for one in begun:
    one.wait()
children = [in_child(lambda: trained(2, epochs=200)) for _ in range(4)]  # the first while both teams are at work
for thread in threads:
    thread.join()
print(*seen, *children)
"""

JOBLIB = """
from joblib import Parallel, delayed
before = trained()
print(before, *Parallel(2, backend="multiprocessing")(delayed(trained)(n) for n in (2, 1, 2)), trained())
"""


@forks
@pytest.mark.parametrize(("script", "count"), [(FORK, 6), (POOL, 6), (FORK_WITHIN, 6), (JOBLIB, 5)])
def test_after_a_fork_a_child_trains_with_two_threads_and_gets_the_same_bits(script, count):
    printed = run(script)
    assert len(printed) == count
    assert len(set(printed)) == 1
    assert len(printed[0]) == 64


def problem(seed):
    rng = np.random.default_rng(seed)
    net = cr.Network([40, 60, 5], ["relu", "softmax"], "cross_entropy", seed=seed, backend="native")
    return net, rng.standard_normal((200, 40)), rng.integers(5, size=200)


def in_threads(*functions):
    """What each gives, all at once in a Python thread each."""
    results, together = {}, threading.Barrier(len(functions))

    def call(at, function):
        together.wait()
        try:
            results[at] = function()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            results[at] = error

    threads = [threading.Thread(target=call, args=each, daemon=True) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a deadlock"
    for result in results.values():
        if isinstance(result, BaseException):
            raise result
    return [results[at] for at in range(len(functions))]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_two_networks_trained_at_once_are_those_trained_alone(n_threads):
    def trained(seed):
        net, X, Y = problem(seed)
        cr.train(net, X, Y, batch_size=16, epochs=20, n_threads=n_threads, verbose=0)
        return net.parameters.tobytes()

    alone = [trained(0), trained(1), trained(2)]
    assert in_threads(*(lambda seed=seed: trained(seed) for seed in range(3))) == alone
    assert len(set(alone)) == 3


def test_one_network_is_looked_at_from_several_threads_at_once():
    net, X, Y = problem(0)
    X = np.tile(X, (5, 1))
    Y = np.tile(Y, 5)

    def look():
        seen = set()
        for n_threads in (1, 2, 3) * 5:
            with exactly(n_threads):
                back = net.backward(net.forward(X), Y)
                arrays = [net.predict(X), net.predict(X[:2]), back.x, back.flat, net.value_and_gradient(X, Y)[1].flat]
                seen.add(b"".join(array.tobytes() for array in arrays))
        return seen

    alone = look()
    assert len(alone) == 1
    assert in_threads(look, look, look) == [alone] * 3


def test_the_interpreter_lock_is_released_while_an_epoch_runs():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((200, 300), dtype=np.float32), rng.standard_normal((200, 5), dtype=np.float32)
    net = cr.Network([300, 200, 5], "tanh", backend="native")
    trainer = native.trainer(net.plan, cr.SGD(), X, Y, None, 1)
    trainer.load(net.parameters, cr.SGD().initial(net.parameters, net.plan.is_weight))
    n_steps = 100_000  # each of 360,000 operations: half a second at the least
    order, ones = np.resize(np.arange(200), n_steps), np.ones(n_steps)
    arrays = (order, np.arange(n_steps + 1), 1e-6 * ones, 0 * ones, 0 * ones, ones, 0, *np.empty((3, n_steps)))
    running, done, looks = threading.Event(), [], []

    def epoch():
        running.set()
        # `bool` runs no Python code, during which the lock would be handed on
        done.append((trainer.run(*arrays, bool), time.monotonic()))

    thread = threading.Thread(target=epoch)
    thread.start()
    running.wait()
    began = time.monotonic()
    while thread.is_alive():
        looks.append(time.monotonic())
        time.sleep(0.001)
    result, ended = done[0]
    assert result == (n_steps, "")
    meanwhile = [at for at in looks if began < at < ended]
    assert len(meanwhile) > 20, f"in {ended - began:.2f} s"


def test_the_lock_is_released_in_passes_too():
    net = cr.Network([500, 1000, 500], "tanh", dtype="float64", backend="native")
    X = np.zeros((6000, 500))
    plan, theta = net.plan, net.parameters
    run, Y = native.forward(plan, theta, X), np.zeros((6000, 500))
    for call in (
        lambda: native.forward(plan, theta, X),
        lambda: native.predict(plan, theta, X),
        lambda: native.backward(plan, theta, run, Y),
        lambda: native.value_and_gradient(plan, theta, X, Y),
        lambda: native.linearize(plan, theta, X).pull(Y[np.newaxis]).inputs(),
    ):
        times = []

        def timed(call=call, times=times):
            with exactly(1):  # on one core of any machine a twentieth of a second at the least
                times.extend([time.monotonic(), call(), time.monotonic()])

        thread = threading.Thread(target=timed)
        thread.start()
        looks = []
        while thread.is_alive():
            looks.append(time.monotonic())
            time.sleep(0.0005)
        began, _, ended = times
        assert sum(began < at < ended for at in looks) >= 5, f"{ended - began:.3f} s"


# --- derivatives ------------------------------------------------------------------------------------------------------
DERIVATIVES = {
    "per_example_norms": lambda net, X, Y, v: d.per_example_norms(net, X, Y),
    "hvp": lambda net, X, Y, v: d.hvp(net, X, Y, v),
    "jacobian": lambda net, X, Y, v: d.jacobian(net, X),
    "clipped_gradient": lambda net, X, Y, v: d.clipped_gradient(net, X, Y, 0.1),
    "sum_of_squares": lambda net, X, Y, v: d.sum_of_squares(net, X, Y),
    "gradient_variance": lambda net, X, Y, v: d.gradient_variance(net, X, Y),
    "ggn_vp": lambda net, X, Y, v: d.ggn_vp(net, X, Y, v),
    "kronecker_factors": lambda net, X, Y, v: b"".join(
        map(bytes, [*(found := d.kronecker_factors(net, X, Y)).A.values(), *found.G.values()])
    ),
}


def derivative(name, net, X, Y, n_threads):
    with exactly(n_threads):
        return bytes(DERIVATIVES[name](net, X, Y, np.cos(np.arange(net.plan.n_parameters)).astype(net.dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("sizes", "m"), [((70, 31, 5), 333), ((273, 65, 33, 2), 61), ((3, 2), 4), ((6, 7, 3), 1100)], ids=str
)
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_are_the_same_bytes_for_any_number_of_threads_and_from_run_to_run(name, sizes, m, dtype):
    """Also in several blocks of rows, of more threads than rows, and with sums in halves."""
    rng = np.random.default_rng(m)
    functions = [*["tanh"] * (len(sizes) - 2), "softmax"]
    net = cr.Network(sizes, functions, "cross_entropy", dtype=dtype, seed=1, backend="native")
    X, Y = rng.standard_normal((m, sizes[0])), rng.integers(sizes[-1], size=m)
    one = derivative(name, net, X, Y, 1)
    assert len(set(one)) > 8  # bytes
    for n_threads in (1, 2, 3, 4, 7):
        assert derivative(name, net, X, Y, n_threads) == one


def test_several_threads_at_once_take_derivatives_of_one_network():
    net, X, Y = problem(0)

    def look():
        return {derivative(name, net, X, Y, n_threads) for name in DERIVATIVES for n_threads in (1, 2, 3)}

    alone = look()
    assert len(alone) == len(DERIVATIVES)
    assert in_threads(look, look, look) == [alone] * 3


def test_one_linearized_network_is_used_by_several_threads_at_once():
    net, X, _ = problem(1)
    rng = np.random.default_rng(0)
    seeds, v = rng.standard_normal((2, 200, 5), np.float32), rng.standard_normal(net.plan.n_parameters, np.float32)
    c = rng.uniform(0, 1, 200).astype(np.float32)
    with exactly(2):
        at = native.linearize(net.plan, net.parameters, X.astype(np.float32))
    pulled, bent = at.pull(seeds), at.bend(at.push(v), seeds[0], seeds[1])

    def look():
        arrays = []
        for _ in range(5):
            other = at.pull(seeds)
            arrays = [pulled.inputs(), pulled.gradient(c), pulled.squared_norms(), pulled.squares(1.0), bent.gradient(c),
                      *pulled.moments(c), *at.moments(1.0), at.push(v).z, other.gradient(c)]  # fmt: skip
        return [array.tobytes() for array in arrays]

    alone = look()
    assert in_threads(look, look, look) == [alone] * 3


@forks
def test_after_a_fork_a_child_takes_derivatives_with_two_threads_and_gets_the_same_bits():
    script = """
from chainrule import derivatives as d
from chainrule.engine.threads import exactly
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((200, 40)), rng.integers(5, size=200)
net = cr.Network([40, 60, 5], ["relu", "softmax"], "cross_entropy", seed=0, backend="native")
v = rng.standard_normal(net.plan.n_parameters)
def taken(n_threads=2):
    with exactly(n_threads):
        arrays = [d.per_example_norms(net, X, Y), d.hvp(net, X, Y, v), d.jacobian(net, X), d.clipped_gradient(net, X, Y, 0.1)]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
print(taken(), in_child(taken), taken(), in_child(lambda: taken(3)), in_child(lambda: in_child(taken)), taken(1))
"""
    printed = run(script)
    assert len(printed) == 6
    assert len(set(printed)) == 1


# --- what a program may do that makes no sense ------------------------------------------------------------------------
def test_a_trainer_that_is_at_work_refuses_a_second_call():
    """From another thread, and from its own `check`: an exception, neither a deadlock nor numbers of two runs mixed."""
    script = """
from chainrule.engine import native
net = cr.Network([4, 6, 2], backend="native")
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((50, 4)), rng.standard_normal((50, 2))
n = 300_000
def arrays():
    ones = np.ones(n)
    return (np.resize(np.arange(50), n), np.arange(n + 1), 1e-4 * ones, 0 * ones, 0 * ones, ones, 0, *np.empty((3, n)))
from chainrule.engine.threads import exactly
with exactly(2):
    trainer = native.trainer(net.plan, cr.Adam(), X, Y, None, 1)
trainer.load(net.parameters, cr.Adam().initial(net.parameters, net.plan.is_weight))
def check():
    for call in (lambda: trainer.run(*arrays(), bool), trainer.parameters, trainer.state,
                 lambda: trainer.gradient(np.arange(1), 0.0, 0.0, 1.0, 0),
                 lambda: trainer.load(net.parameters, cr.Adam().initial(net.parameters, net.plan.is_weight))):
        try:
            call()
            print("taken")
        except RuntimeError as error:
            print("refused" if "run" in str(error) else error)
    return True
print(trainer.run(*arrays(), check)[1])
"""
    assert run(script, timeout=20) == ["refused"] * 5 + ["stopped"]


@pytest.mark.skipif(UNDER_SANITIZER, reason="a sanitizer needs terabytes of addresses")
def test_threads_that_cannot_be_started_are_an_exception():
    script = """
import resource
from chainrule.engine.threads import exactly
from chainrule.engine import native
net = cr.Network([3, 2], backend="native")
X, Y = np.ones((2000, 3)), np.ones((2000, 2))
expected = net.predict(X)
spent = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (spent + 2**28, spent + 2**28))  # room for some stacks of 8 MiB, not for 255
with exactly(256):
    for call in (lambda: native.value_and_gradient(net.plan, net.parameters, X.astype("f4"), Y.astype("f4")),
                 lambda: cr.train(net, X, Y, epochs=1, verbose=0)):
        try:
            call()
        except (MemoryError, RuntimeError) as error:
            print("n_threads" in str(error) or "threads" in str(error) or str(error))
        else:
            print("fewer")
print(np.array_equal(net.predict(X), expected))
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits a process by what Linux offers")
    printed = run(script)
    assert printed[-1] == "True"
    assert set(printed[:-1]) <= {"True", "fewer"}
