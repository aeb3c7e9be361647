"""How many threads the native backend takes."""

import os
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import chainrule as cr
from chainrule.engine import threads
from chainrule.engine.plan import make_plan


def plan(*sizes):
    return make_plan(sizes, "relu", "squared_error", True, "mean", "float32")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 16),
        ({"OMP_NUM_THREADS": "4"}, 4),
        ({"OMP_NUM_THREADS": "64"}, 16),
        ({"OMP_NUM_THREADS": "3,2"}, 3),
        ({"OMP_NUM_THREADS": "0"}, 16),
        ({"OMP_NUM_THREADS": "many"}, 16),
        ({"OMP_NUM_THREADS": ""}, 16),
        ({"LOKY_MAX_CPU_COUNT": "2"}, 2),
        ({"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "2"}, 1),
    ],
)
def test_the_limit_is_the_least_of_cores_and_what_the_environment_says(environment, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(threads, "_quota", lambda: 256)
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert threads.limit() == expected


def test_without_affinity_the_limit_is_the_number_of_cores_or_a_container_s_share(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_quota", lambda: 256)
    assert threads.limit() == 12
    monkeypatch.setattr(threads, "_quota", lambda: 2)
    assert threads.limit() == 2


def test_a_step_takes_a_thread_for_each_million_operations_and_four_rows(monkeypatch):
    monkeypatch.setattr(threads, "limit", lambda: 8)
    small, large = plan(4, 8, 1), plan(784, 100, 10)
    assert threads.chosen(small, 32) == 1
    assert threads.chosen(large, 200) == 8  # 64 MFLOP, of which the limit is 8
    assert threads.chosen(large, 7) == 1  # too few rows to share
    # 2 · 8 rows · (3 · (784 · 100 + 100 · 10) − 784 · 100) = 2.6 MFLOP for a step, 1.3 MFLOP for a prediction
    assert threads.chosen(large, 8) == 2
    assert threads.chosen(large, 8, training=False) == 1
    assert threads.chosen(plan(100, 100), 80) == 3  # 2 · 80 · 2 · 100 · 100 = 3.2 MFLOP
    assert threads.chosen(plan(100, 100), 80, training=False) == 1  # 1.6 MFLOP


def test_what_is_asked_for_is_taken_as_it_is_in_this_thread_alone(monkeypatch):
    small = plan(4, 8, 1)
    seen = []
    with threads.exactly(5):
        assert threads.chosen(small, 1) == 5
        other = threading.Thread(target=lambda: seen.append(threads.chosen(small, 1)))
        other.start()
        other.join()
    assert seen == [1]
    assert threads.chosen(small, 1) == 1


def test_cr_train_takes_n_threads_for_every_pass(monkeypatch):
    seen = []
    net = cr.Network([4, 8, 1], ["tanh", "identity"], backend="reference")
    look = [lambda net, history: seen.append(threads.chosen(net.plan, 1))]
    X, Y = np.eye(4), np.arange(4.0)
    cr.train(net, X, Y, epochs=1, n_threads=3, callbacks=look, verbose=0)
    cr.train(net, X, Y, epochs=1, callbacks=look, verbose=0)
    assert seen == [3, 1]


def _limit_inside(_):
    from chainrule.engine.threads import limit

    return limit()


def test_joblib_s_workers_share_the_machine():
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        assert Parallel()(delayed(_limit_inside)(n) for n in range(2)) == [1, 1]


def test_libraries_work_on_one_thread_while_that_lasts():
    def of_blas():
        blas = (library for library in threadpool_info() if library["user_api"] == "blas")
        return {library["filepath"]: library["num_threads"] for library in blas}

    before = of_blas()
    with threads.one_of_libraries():
        within = of_blas()
    assert set(within.values()) == {1}
    assert before.items() <= of_blas().items()  # SciPy may have come in between
