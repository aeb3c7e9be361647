"""Bad input at the compiled core itself: an exception that says which argument, what was expected and what came.

Run as a script, this file makes wrong calls at random: `python test_native_boundary.py FIRST_SEED COUNT`.
"""

import array
import copy
import ctypes
import gc
import mmap
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE, UNDER_SANITIZER

if not HAS_NATIVE:
    pytest.skip("the compiled core is not built", allow_module_level=True)

from chainrule.engine import native

core = native._core
SIZES, M = (3, 4, 2), 5
BATCH, STEPS, S = 2, 3, 2  # S cotangents
ADAM = [0.9, 0.999, 1e-8, 0.0]


def make_plan(sizes=SIZES, double=True):
    layers = [("tanh", 0.0, True)] * (len(sizes) - 2) + [("identity", 0.0, True)]
    return core.Plan(list(sizes), layers, ("squared_error", 0.0), True, double)


class Arguments:
    """Right arguments of every function of the core, as fresh arrays; outputs lie between guards."""

    def __init__(self, double=True):
        self.T = np.float64 if double else np.float32
        self.plan = make_plan(double=double)
        self.guarded = []
        rng = np.random.default_rng(0)
        n = self.plan.n_parameters
        self.theta, self.X = rng.standard_normal(n).astype(self.T), rng.standard_normal((M, SIZES[0])).astype(self.T)
        self.Y, self.weights = rng.standard_normal((M, SIZES[-1])).astype(self.T), rng.uniform(1, 2, M).astype(self.T)
        self.a = [self.X, *(rng.standard_normal((M, k)).astype(self.T) for k in SIZES[1:])]
        self.z = [rng.standard_normal((M, k)).astype(self.T) for k in SIZES[1:]]
        self.trainer = core.Trainer(self.plan, "adam", ADAM, BATCH, 1)
        self.trainer.load(self.theta, [], 0)
        self.seeds = rng.standard_normal((S, M, SIZES[-1])).astype(self.T)
        self.linearized = core.Linearized(self.plan, self.theta, self.X, 1)
        self.pushed, self.pulled = self.linearized.push(self.theta), self.linearized.pull(self.seeds)
        self.bent = self.linearized.bend(self.pushed, self.Y, self.Y)

    def out(self, *shape, dtype=None):
        """An array for results, with bytes around it that nobody may write."""
        size = int(np.prod(shape)) * np.dtype(dtype or self.T).itemsize
        memory = np.full(size + 512, 0xA5, dtype=np.uint8)
        self.guarded.append((memory, 256 + size))
        return memory[256 : 256 + size].view(dtype or self.T).reshape(shape)

    def pair(self, *sizes):
        """Matrices (k, k) of 1."""
        return tuple(np.eye(k, dtype=self.T) for k in sizes)

    def unharmed(self):
        return all((memory[:256] == 0xA5).all() and (memory[end:] == 0xA5).all() for memory, end in self.guarded)

    def of(self, name):
        plan, n, ones = self.plan, self.plan.n_parameters, np.ones(STEPS)
        layers = [self.out(M, k) for k in SIZES[1:]]
        results = {f: self.out(STEPS, dtype=np.float64) for f in ("costs", "norms", "squares")}
        return {
            "Plan": (core.Plan, {"sizes": [3, 4, 2], "layers": [("relu", 0.0, True), ("elu", 1.0, False)],
                                 "cost": ("huber", 1.0), "mean": True, "double": False}),
            "predict": (plan.predict, {"theta": self.theta, "X": self.X, "out": self.out(M, SIZES[-1]), "threads": 1}),
            "forward": (plan.forward, {"theta": self.theta, "X": self.X, "a": layers,
                                       "z": [self.out(M, k) for k in SIZES[1:]], "threads": 1}),
            "backward": (plan.backward, {"theta": self.theta, "a": self.a, "z": self.z, "Y": self.Y,
                                         "weights": self.weights, "delta": layers, "x": self.out(M, SIZES[0]),
                                         "gradient": self.out(n), "threads": 1}),
            "example_costs": (plan.example_costs, {"a": self.a[-1], "z": self.z[-1], "Y": self.Y, "out": self.out(M)}),
            "value_and_gradient": (plan.value_and_gradient, {"theta": self.theta, "X": self.X, "Y": self.Y,
                                                             "weights": self.weights, "gradient": self.out(n),
                                                             "threads": 1}),
            "Linearized": (core.Linearized, {"plan": plan, "theta": self.theta, "X": self.X, "threads": 1}),
            "outputs": (self.linearized.outputs, {"z": self.out(M, SIZES[-1]), "a": self.out(M, SIZES[-1])}),
            "moments of inputs": (self.linearized.moments, {"c": self.weights, "out": [self.out(k, k) for k in (4, 5)]}),
            "push": (self.linearized.push, {"v": self.theta}),
            "pull": (self.linearized.pull, {"seeds": self.seeds}),
            "bend": (self.linearized.bend, {"pushed": self.pushed, "delta": self.Y, "d_delta": self.Y}),
            "outputs of pushed": (self.pushed.outputs, {"dz": self.out(M, SIZES[-1])}),
            "inputs": (self.pulled.inputs, {"out": self.out(M, S, SIZES[0])}),
            "gradient": (self.pulled.gradient, {"c": self.weights, "out": self.out(n)}),
            "squared_norms": (self.pulled.squared_norms, {"out": self.out(M, dtype=np.float64)}),
            "squares": (self.pulled.squares, {"c": self.weights, "out": self.out(n)}),
            "moments": (self.pulled.moments, {"c": self.weights, "out": [self.out(k, k) for k in SIZES[1:]]}),
            "gradient of bent": (self.bent.gradient, {"c": self.weights, "out": self.out(n)}),
            "inverse": (core.inverse, {"matrix": 2 * np.eye(3, dtype=self.T), "out": self.out(3, 3),
                                       "double": self.T is np.float64, "threads": 1}),
            "Predictor": (core.Predictor, {"plan": plan, "theta": self.theta}),
            "Trainer": (core.Trainer, {"plan": plan, "rule": "adam", "settings": list(ADAM), "batch": BATCH, "threads": 1}),
            "load": (self.trainer.load, {"theta": self.theta, "state": [self.theta, abs(self.theta)], "step": 3}),
            "store": (self.trainer.store, {"theta": self.out(n)}),
            "store_state": (self.trainer.store_state, {"state": [self.out(n), self.out(n)]}),
            "precondition": (self.trainer.precondition, {"inverses": [self.pair(4, 4), None], "clip": 0.1}),
            "run": (self.trainer.run, {"X": self.X, "Y": self.Y, "weights": self.weights,
                                       "rows": np.array([4, 0, 1, 3, 2]), "bounds": np.array([0, 2, 4, 5]),
                                       "rates": 1e-3 * ones, "penalties": 0 * ones, "l1": 0 * ones, "factors": 1 * ones,
                                       "first": 0, **results,
                                       "check": bool}),
            "gradient of a step": (self.trainer.gradient, {"X": self.X, "Y": self.Y, "weights": self.weights,
                                                           "rows": np.array([4, 0]), "penalty": 0.1, "l1": 0.1,
                                                           "factor": 0.5, "step": 0, "flat": self.out(n)}),
        }[name]  # fmt: skip


FUNCTIONS = ("Plan", "predict", "forward", "backward", "example_costs", "value_and_gradient",
             "Linearized", "outputs", "moments of inputs", "push", "pull", "bend", "outputs of pushed", "inputs", "gradient",
             "squared_norms", "squares", "moments", "gradient of bent",
             "inverse", "Predictor", "Trainer", "load", "store", "store_state", "precondition", "run",
             "gradient of a step")  # fmt: skip


def closed_map():
    mapped = mmap.mmap(-1, 4096)
    mapped.close()
    return mapped


def released():
    view = memoryview(np.ones((M, 3)))
    view.release()
    return view


def read_only(shape, dtype="float64"):
    a = np.zeros(shape, dtype)
    a.flags.writeable = False
    return a


def unaligned(shape, dtype="float64"):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.zeros(size + 1, np.uint8)[1:].view(dtype).reshape(shape)


def csr(data=2, indices=(0, 2), indptr=(0, 1, 1, 1, 1, 2), index="int32"):
    parts = [np.array(part) for part in (indices, indptr)]
    return np.ones(data), *(np.zeros(part.shape, index) if index == "V0" else part.astype(index) for part in parts)


def interleaved(shape, dtype="float64"):
    """Records of numbers and a byte: rows begin at no multiple of a number's size."""
    return np.zeros(shape[:-1], [("x", dtype, shape[-1:]), ("flag", "u1")])["x"]


def many(array, count):
    """The first of `array`'s first axis, again and again, without memory for it."""
    return np.broadcast_to(array[:1], (count, *array.shape[1:]))


OTHERS = core.Linearized(make_plan(), np.zeros(26), np.zeros((M, 3)), 1)


# --- each function, right and wrong -----------------------------------------------------------------------------------
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_arguments_are_taken_and_nothing_else_is_written(name, double):
    arguments = Arguments(double)
    function, given = arguments.of(name)
    kept = {key: copy.deepcopy(value) for key, value in given.items() if isinstance(value, np.ndarray | list)}
    function(**given)
    assert arguments.unharmed()
    for key, value in kept.items():
        results = ("out", "a", "z", "dz", "delta", "x", "gradient", "flat", "costs", "norms", "squares")
        if name == "bend" or (key not in results and name not in ("store", "store_state")):
            together = key in ("state", "inverses")  # lists of arrays
            before, after = (
                np.concatenate([np.ravel(v) for v in one if v is not None]) if together else one
                for one in (value, given[key])
            )
            assert np.array_equal(before, after), key


F8, F4, I8, I4 = np.float64, np.float32, np.int64, np.int32

# function, changes of its right arguments, exception, its text: "argument: expected …, got …"
WRONG = [
    # shapes
    ("predict", {"theta": np.zeros(25)}, ValueError, r"theta: expected shape \(26,\), got shape \(25,\)"),
    ("predict", {"theta": np.zeros((26, 1))}, ValueError, r"theta: expected shape \(26,\), got shape \(26, 1\)"),
    ("predict", {"X": np.zeros((5, 4))}, ValueError, r"X: expected shape \(m, 3\), got shape \(5, 4\)"),
    ("predict", {"X": np.zeros(3)}, ValueError, r"X: expected shape \(m, 3\), got shape \(3,\)"),
    ("predict", {"X": np.float64(1)}, ValueError, r"X: expected shape \(m, 3\), got shape \(\)"),
    ("predict", {"X": np.zeros((0, 3)), "out": np.zeros((0, 2))}, ValueError, r"X: expected at least one row, got none"),
    ("predict", {"out": np.zeros((5, 3))}, ValueError, r"out: expected shape \(5, 2\), got shape \(5, 3\)"),
    ("predict", {"out": np.zeros((4, 2))}, ValueError, r"out: expected shape \(5, 2\), got shape \(4, 2\)"),
    ("forward", {"a": []}, ValueError, r"a: expected 2 arrays, got 0"),
    ("forward", {"z": [np.zeros((5, 4))] * 3}, ValueError, r"z: expected 2 arrays, got 3"),
    ("forward", {"z": [np.zeros((5, 4)), np.zeros((5, 4))]}, ValueError, r"z: expected shape \(5, 2\), got shape \(5, 4\)"),
    ("backward", {"a": [np.zeros((5, 3)), np.zeros((5, 4))]}, ValueError, r"a: expected 3 arrays, got 2"),
    ("backward", {"Y": np.zeros((4, 2))}, ValueError, r"a: expected shape \(4, 3\), got shape \(5, 3\)"),
    ("backward", {"Y": np.zeros((0, 2))}, ValueError, r"Y: expected at least one row, got none"),
    ("backward", {"Y": np.zeros(5)}, ValueError, r"Y: expected shape \(any, 2\), got shape \(5,\)"),
    ("backward", {"weights": np.ones(4)}, ValueError, r"weights: expected shape \(5,\), got shape \(4,\)"),
    ("backward", {"x": np.ones((5, 2))}, ValueError, r"x: expected shape \(5, 3\), got shape \(5, 2\)"),
    ("backward", {"gradient": np.ones(27)}, ValueError, r"gradient: expected shape \(26,\), got shape \(27,\)"),
    ("backward", {"delta": [np.zeros((5, 4))]}, ValueError, r"delta: expected 2 arrays, got 1"),
    ("example_costs", {"out": np.zeros(4)}, ValueError, r"a: expected shape \(4, 2\), got shape \(5, 2\)"),
    ("value_and_gradient", {"Y": np.zeros((5, 3))}, ValueError, r"Y: expected shape \(5, 2\), got shape \(5, 3\)"),
    ("load", {"theta": np.zeros(25)}, ValueError, r"theta: expected shape \(26,\), got shape \(25,\)"),
    ("load", {"state": [np.zeros(26)]}, ValueError, r"state: expected 2 vectors, got 1"),
    ("load", {"state": [np.zeros(26), np.zeros(25)]}, ValueError, r"state: expected shape \(26,\), got shape \(25,\)"),
    ("load", {"step": -1}, ValueError, r"step: expected at least 0, got -1"),
    ("store", {"theta": np.zeros(27)}, ValueError, r"theta: expected shape \(26,\), got shape \(27,\)"),
    ("store_state", {"state": []}, ValueError, r"state: expected 2 vectors, got 0"),
    ("run", {"Y": np.zeros((4, 2))}, ValueError, r"Y: expected 5 rows, as X has, got shape \(4, 2\)"),
    ("run", {"Y": np.zeros((5, 3))}, ValueError, r"Y: expected int64 class indices \(m,\), or shape \(m, 2\), got shape \(5, 3\)"),
    ("run", {"Y": np.zeros((5, 2, 1))}, ValueError, r"Y: expected .*, got shape \(5, 2, 1\)"),
    ("run", {"rates": np.ones(2)}, ValueError, r"rates: expected shape \(3,\), got shape \(2,\)"),
    ("run", {"penalties": np.ones(4)}, ValueError, r"penalties: expected shape \(3,\), got shape \(4,\)"),
    ("run", {"factors": np.ones((3, 1))}, ValueError, r"factors: expected shape \(3,\), got shape \(3, 1\)"),
    ("run", {"norms": np.ones(1)}, ValueError, r"norms: expected shape \(3,\), got shape \(1,\)"),
    ("Linearized", {"theta": np.zeros(25)}, ValueError, r"theta: expected shape \(26,\), got shape \(25,\)"),
    ("Linearized", {"X": np.zeros((5, 4))}, ValueError, r"X: expected shape \(m, 3\), got shape \(5, 4\)"),
    ("Linearized", {"X": np.zeros((0, 3))}, ValueError, r"X: expected at least one row, got none"),
    ("outputs", {"z": np.zeros((5, 3))}, ValueError, r"z: expected shape \(5, 2\), got shape \(5, 3\)"),
    ("outputs", {"a": np.zeros(10)}, ValueError, r"a: expected shape \(5, 2\), got shape \(10,\)"),
    ("moments of inputs", {"c": np.ones(4)}, ValueError, r"c: expected shape \(5,\), got shape \(4,\)"),
    ("moments of inputs", {"out": []}, ValueError, r"out: expected 2 arrays, got 0"),
    ("moments of inputs", {"out": [np.zeros((3, 3)), np.zeros((5, 5))]}, ValueError, r"out: expected shape \(4, 4\), got shape \(3, 3\)"),
    ("push", {"v": np.zeros(25)}, ValueError, r"v: expected shape \(26,\), got shape \(25,\)"),
    ("pull", {"seeds": np.zeros((5, 2))}, ValueError, r"seeds: expected shape \(any, 5, 2\), got shape \(5, 2\)"),
    ("pull", {"seeds": np.zeros((2, 4, 2))}, ValueError, r"seeds: expected shape \(any, 5, 2\), got shape \(2, 4, 2\)"),
    ("pull", {"seeds": np.zeros((2, 5, 2, 1))}, ValueError, r"seeds: expected shape \(any, 5, 2\), got shape \(2, 5, 2, 1\)"),
    ("pull", {"seeds": np.zeros((0, 5, 2))}, ValueError, r"seeds: expected at least one row, got none"),
    ("bend", {"delta": np.zeros((4, 2))}, ValueError, r"delta: expected shape \(5, 2\), got shape \(4, 2\)"),
    ("bend", {"d_delta": np.zeros((5, 3))}, ValueError, r"d_delta: expected shape \(5, 2\), got shape \(5, 3\)"),
    ("outputs of pushed", {"dz": np.zeros((2, 5))}, ValueError, r"dz: expected shape \(5, 2\), got shape \(2, 5\)"),
    ("inputs", {"out": np.zeros((5, 1, 3))}, ValueError, r"out: expected shape \(5, 2, 3\), got shape \(5, 1, 3\)"),
    ("inputs", {"out": np.zeros((2, 5, 3))}, ValueError, r"out: expected shape \(5, 2, 3\), got shape \(2, 5, 3\)"),
    ("inputs", {"out": np.zeros((5, 6))}, ValueError, r"out: expected shape \(5, 2, 3\), got shape \(5, 6\)"),
    ("gradient", {"c": np.ones((5, 1))}, ValueError, r"c: expected shape \(5,\), got shape \(5, 1\)"),
    ("gradient", {"out": np.zeros(27)}, ValueError, r"out: expected shape \(26,\), got shape \(27,\)"),
    ("squared_norms", {"out": np.zeros(4)}, ValueError, r"out: expected shape \(5,\), got shape \(4,\)"),
    ("squares", {"out": np.zeros((26, 1))}, ValueError, r"out: expected shape \(26,\), got shape \(26, 1\)"),
    ("moments", {"out": [np.zeros((4, 4))]}, ValueError, r"out: expected 2 arrays, got 1"),
    ("moments", {"out": [np.zeros((4, 4)), np.zeros((3, 3))]}, ValueError, r"out: expected shape \(2, 2\), got shape \(3, 3\)"),
    ("gradient of bent", {"c": np.ones(6)}, ValueError, r"c: expected shape \(5,\), got shape \(6,\)"),
    ("gradient of bent", {"out": np.zeros(0)}, ValueError, r"out: expected shape \(26,\), got shape \(0,\)"),
    # what the numbers say
    ("run", {"rows": np.array([0, 1, 2, 3, 5])}, ValueError, r"rows: expected 0 to 4, got 5"),
    ("run", {"rows": np.array([0, 1, 2, 3, -1])}, ValueError, r"rows: expected 0 to 4, got -1"),
    ("run", {"rows": np.array([0, 1, 2, 3, 2**62])}, ValueError, rf"rows: expected 0 to 4, got {2**62}"),
    ("run", {"bounds": np.array([0, 2, 4, 6])}, ValueError, r"bounds: expected batches of 1 to 2 of 5 rows, got 4 to 6 at step 2"),
    ("run", {"bounds": np.array([0, 2, 1, 3])}, ValueError, r"bounds: expected .*, got 2 to 1 at step 1"),
    ("run", {"bounds": np.array([0, 2, 2, 3])}, ValueError, r"bounds: expected .*, got 2 to 2 at step 1"),
    ("run", {"bounds": np.array([0, 3, 4, 5])}, ValueError, r"bounds: expected .*, got 0 to 3 at step 0"),
    ("run", {"bounds": np.array([-1, 1, 2, 3])}, ValueError, r"bounds: expected .*, got -1 to 1 at step 0"),
    ("run", {"bounds": np.array([-(2**63), 2**63 - 1, 2, 3])}, ValueError, r"bounds: expected .*, got -9223372036854775808 to"),
    ("run", {"bounds": np.zeros(0, I8)}, ValueError, r"bounds: expected at least one number, got none"),
    ("run", {"Y": np.array([0, 1, 0, 1, 2])}, ValueError, r"Y: expected class indices 0 to 1, got 2"),
    ("run", {"Y": np.array([0, 1, 0, 1, -1])}, ValueError, r"Y: expected class indices 0 to 1, got -1"),
    ("run", {"Y": np.zeros(5)}, ValueError, r"Y: expected int64 class indices \(m,\), or shape \(m, 2\), got .*float64"),
    ("run", {"Y": np.zeros(5, I4)}, ValueError, r"Y: expected int64 class indices \(m,\), or shape \(m, 2\), got .*int32"),
    ("bend", {"pushed": OTHERS.push(np.zeros(26))}, ValueError, r"pushed: expected what this object pushed, got another's"),
    # sparse rows
    ("Linearized", {"X": csr(indices=(0, 3))}, ValueError, r"X: expected column indices 0 to 2, got 3"),
    ("run", {"X": csr(indptr=(0, 2, 1, 1, 1, 2))}, ValueError, r"X: expected indptr that rises from 0 to at most 2, got 1 at 2"),
    ("run", {"X": csr(indptr=(0, 1, 1, 1, 1, 3))}, ValueError, r"X: expected indptr that rises from 0 to at most 2, got 3 at 5"),
    ("run", {"X": csr(indptr=(1, 1, 1, 1, 1, 2))}, ValueError, r"X: expected indptr that rises from 0 to at most 2, got 1 at 0"),
    ("run", {"X": csr(indptr=(-1, 1, 1, 1, 1, 2))}, ValueError, r"X: expected indptr that rises from 0 to at most 2, got -1 at 0"),
    ("run", {"X": csr(indices=(0, 3))}, ValueError, r"X: expected column indices 0 to 2, got 3"),
    ("run", {"X": csr(indices=(-1, 0), index="int64")}, ValueError, r"X: expected column indices 0 to 2, got -1"),
    ("run", {"X": csr(data=1)}, ValueError, r"X: expected as many indices as data, got 2 for 1"),
    ("run", {"X": csr()[:2]}, ValueError, r"X: expected \(data, indices, indptr\), got 2 parts"),
    ("run", {"X": (*csr()[:2], csr(index="int64")[2])}, ValueError, r"X: expected indices and indptr both int32 or both int64, got .*int64"),
    ("run", {"X": csr(index="uint32")}, ValueError, r"X: expected indices and indptr both int32 or both int64, got uint32"),
    ("run", {"X": (*csr()[:2], np.zeros(0, I4))}, ValueError, r"X: expected .*indptr.*, got"),
    ("run", {"X": (np.ones(4)[::2], *csr()[1:])}, ValueError, r"X: expected contiguous vectors data, indices and indptr, got"),
    ("run", {"X": (np.ones((2, 1)), *csr()[1:])}, ValueError, r"X: expected contiguous vectors data, indices and indptr, got shape \(2, 1\)"),
    ("run", {"X": csr(indptr=(0, 1, 1, 2))}, ValueError, r"Y: expected 3 rows, as X has, got shape \(5, 2\)"),
    # dtypes
    ("predict", {"theta": np.zeros(26, F4)}, ValueError, r"theta: expected dtype float64, got float32"),
    ("predict", {"theta": np.zeros(26, complex)}, ValueError, r"theta: expected real numbers .*, got format 'Zd'"),
    ("predict", {"X": np.zeros((5, 3), complex)}, ValueError, r"X: expected real numbers .*, got format 'Zd'"),
    ("predict", {"X": np.zeros((5, 3), object)}, ValueError, r"X: expected real numbers .*, got format 'O'"),
    ("predict", {"X": np.zeros((5, 3), ">f8")}, ValueError, r"X: expected real numbers .* in the machine's byte order, got format '>d'"),
    ("predict", {"X": np.zeros((5, 3), "S4")}, ValueError, r"X: expected real numbers .*, got format '4s'"),
    ("predict", {"X": np.zeros((5, 3), [("x", "f8")])}, ValueError, r"X: expected real numbers .*, got format 'T\{"),
    ("predict", {"X": np.zeros((5, 3), "V0")}, ValueError, r"X: expected real numbers .*, got format"),
    ("predict", {"X": np.zeros((5, 3), "M8[s]")}, (ValueError, BufferError), r"X: expected"),
    ("predict", {"out": np.zeros((5, 2), F4)}, ValueError, r"out: expected dtype float64, got float32"),
    ("backward", {"weights": np.ones(5, F4)}, ValueError, r"weights: expected dtype float64, got float32"),
    ("run", {"weights": np.ones(5, F4)}, ValueError, r"weights: expected dtype float64, got float32"),
    ("run", {"rows": np.arange(5, dtype=I4)}, ValueError, r"rows: expected dtype int64, got int32"),
    ("run", {"bounds": np.arange(4, dtype=F8)}, ValueError, r"bounds: expected dtype int64, got float64"),
    ("run", {"rates": np.ones(3, F4)}, ValueError, r"rates: expected dtype float64, got float32"),
    ("Linearized", {"theta": np.zeros(26, F4)}, ValueError, r"theta: expected dtype float64, got float32"),
    ("Linearized", {"X": np.zeros((5, 3), complex)}, ValueError, r"X: expected real numbers .*, got format 'Zd'"),
    ("outputs", {"a": np.zeros((5, 2), F4)}, ValueError, r"a: expected dtype float64, got float32"),
    ("push", {"v": np.zeros(26, F4)}, ValueError, r"v: expected dtype float64, got float32"),
    ("pull", {"seeds": np.zeros((2, 5, 2), F4)}, ValueError, r"seeds: expected dtype float64, got float32"),
    ("pull", {"seeds": np.zeros((2, 5, 2), ">f8")}, ValueError, r"seeds: expected real numbers .*, got format '>d'"),
    ("pull", {"seeds": np.zeros((2, 5, 2), "V0")}, ValueError, r"seeds: expected real numbers .*, got format"),
    ("bend", {"d_delta": np.zeros((5, 2), I8)}, ValueError, r"d_delta: expected dtype float64, got int64"),
    ("inputs", {"out": np.zeros((5, 2, 3), F4)}, ValueError, r"out: expected dtype float64, got float32"),
    ("gradient", {"c": np.ones(5, F4)}, ValueError, r"c: expected dtype float64, got float32"),
    ("squared_norms", {"out": np.zeros(5, F4)}, ValueError, r"out: expected dtype float64, got float32"),
    ("moments", {"out": [np.zeros((4, 4), F4), np.zeros((2, 2))]}, ValueError, r"out: expected dtype float64, got float32"),
    # layouts
    ("pull", {"seeds": np.zeros((2, 5, 4))[..., ::2]}, ValueError, r"seeds: expected an aligned array whose last axis is contiguous, got other"),
    ("pull", {"seeds": np.zeros((2, 5, 2))[..., ::-1]}, ValueError, r"seeds: expected an aligned array whose last axis is contiguous, got other"),
    ("pull", {"seeds": unaligned((2, 5, 2))}, ValueError, r"seeds: expected an aligned array .*, got other strides or alignment"),
    ("pull", {"seeds": interleaved((2, 5, 2))}, ValueError, r"seeds: expected an aligned array .*, got other strides or alignment"),
    ("inputs", {"out": np.zeros((5, 2, 6))[..., ::2]}, ValueError, r"out: expected an aligned array whose last axis is contiguous, got other"),
    ("inputs", {"out": np.zeros((3, 2, 5)).T}, ValueError, r"out: expected an aligned array whose last axis is contiguous, got other"),
    ("inputs", {"out": unaligned((5, 2, 3))}, ValueError, r"out: expected an aligned array .*, got other strides or alignment"),
    ("inputs", {"out": interleaved((5, 2, 3))}, ValueError, r"out: expected an aligned array .*, got other strides or alignment"),
    ("bend", {"delta": np.zeros((2, 5)).T}, ValueError, r"delta: expected a C-contiguous, aligned array .*, got other"),
    ("push", {"v": np.zeros(26)[::-1]}, ValueError, r"v: expected a C-contiguous, aligned array .*, got other"),
    ("moments", {"out": [np.zeros((4, 8))[:, ::2], np.zeros((2, 2))]}, ValueError, r"out: expected a C-contiguous, aligned array .*, got other"),
    ("squares", {"c": unaligned((5,))}, ValueError, r"c: expected a C-contiguous, aligned array .*, got .*alignment"),
    ("predict", {"out": np.zeros((2, 5)).T}, ValueError, r"out: expected a C-contiguous, aligned array of shape \(5, 2\), got other strides"),
    ("predict", {"out": np.zeros((5, 4))[:, ::2]}, ValueError, r"out: expected a C-contiguous, aligned array .*, got other strides"),
    ("predict", {"out": unaligned((5, 2))}, ValueError, r"out: expected a C-contiguous, aligned array .*, got .*alignment"),
    ("predict", {"theta": np.zeros(52)[::2]}, ValueError, r"theta: expected a C-contiguous, aligned array .*, got other strides"),
    ("forward", {"a": [np.zeros((4, 5)).T, np.zeros((5, 2))]}, ValueError, r"a: expected a C-contiguous, aligned array .*, got other"),
    ("backward", {"gradient": np.zeros(52)[::2]}, ValueError, r"gradient: expected a C-contiguous, aligned array .*, got other"),
    ("run", {"costs": np.zeros(6)[::2]}, ValueError, r"costs: expected a C-contiguous, aligned array .*, got other"),
    # buffers that can't be had
    ("predict", {"out": read_only((5, 2))}, (ValueError, BufferError), r"out: expected a writable array, got .*read-only"),
    ("backward", {"gradient": read_only(26)}, (ValueError, BufferError), r"gradient: expected a writable array, got .*read-only"),
    ("backward", {"delta": [read_only((5, 4)), read_only((5, 2))]}, (ValueError, BufferError), r"delta: expected a writable array, got"),
    ("store", {"theta": read_only(26)}, (ValueError, BufferError), r"theta: expected a writable array, got .*read-only"),
    ("run", {"squares": read_only(3)}, (ValueError, BufferError), r"squares: expected a writable array, got .*read-only"),
    ("predict", {"out": bytes(80)}, (ValueError, BufferError), r"out: expected a writable array, got"),
    ("predict", {"X": released()}, (ValueError, BufferError), r"X: expected an array, got .*released memoryview"),
    ("predict", {"X": closed_map()}, (ValueError, BufferError), r"X: expected an array, got .*mmap closed"),
    ("run", {"X": (released(), *csr()[1:])}, (ValueError, BufferError), r"X: expected an array, got .*released memoryview"),
    ("outputs", {"z": read_only((5, 2))}, (ValueError, BufferError), r"z: expected a writable array, got .*read-only"),
    ("inputs", {"out": read_only((5, 2, 3))}, (ValueError, BufferError), r"out: expected a writable array, got .*read-only"),
    ("inputs", {"out": np.broadcast_to(np.zeros(3), (5, 2, 3))}, (ValueError, BufferError), r"out: expected a writable array, got .*read-only"),
    ("moments", {"out": [read_only((4, 4)), np.zeros((2, 2))]}, (ValueError, BufferError), r"out: expected a writable array, got"),
    ("gradient of bent", {"out": read_only(26)}, (ValueError, BufferError), r"out: expected a writable array, got .*read-only"),
    ("pull", {"seeds": released()}, (ValueError, BufferError), r"seeds: expected an array, got .*released memoryview"),
    ("push", {"v": closed_map()}, (ValueError, BufferError), r"v: expected an array, got .*mmap closed"),
    # what is no array
    ("pull", {"seeds": None}, TypeError, r"\bseeds: object"),
    ("pull", {"seeds": [[[1.0, 2.0]] * 5]}, TypeError, r"seeds: expected an array, got .*list"),
    ("moments", {"out": None}, TypeError, r"\bout: collections.abc.Sequence"),
    ("moments of inputs", {"out": [None, None]}, TypeError, r"out: expected an array, got .*NoneType"),
    ("squares", {"c": "heavy"}, TypeError, r"c: expected an array, got .*str"),
    ("gradient", {"out": None}, TypeError, r"\bout: object"),
    ("bend", {"pushed": None}, TypeError, r"pushed: chainrule._core.Pushed"),
    ("bend", {"pushed": OTHERS}, TypeError, r"pushed: chainrule._core.Pushed"),
    ("Linearized", {"plan": None}, TypeError, r"plan: chainrule._core.Plan"),
    ("predict", {"theta": "abc"}, TypeError, r"theta: expected an array, got .*str"),
    ("predict", {"X": "abc"}, TypeError, r"X: expected an array, got .*str"),
    ("predict", {"X": [[1.0, 2.0, 3.0]]}, TypeError, r"X: expected an array, got .*list"),
    ("predict", {"X": (1, 2, 3)}, TypeError, r"X: expected .*, got .*int"),
    ("predict", {"X": None}, TypeError, r"\bX: object"),
    ("predict", {"out": None}, TypeError, r"\bout: object"),
    ("predict", {"out": 3}, TypeError, r"out: expected an array, got .*int"),
    ("forward", {"a": None}, TypeError, r"\ba: collections.abc.Sequence"),
    ("forward", {"a": "ab"}, TypeError, r"a: expected an array, got .*str"),
    ("forward", {"a": [None, None]}, TypeError, r"a: expected an array, got .*NoneType"),
    ("value_and_gradient", {"weights": "heavy"}, TypeError, r"weights: expected an array, got .*str"),
    ("load", {"state": [None, None]}, TypeError, r"state: expected an array, got .*NoneType"),
    ("run", {"Y": None}, TypeError, r"\bY: object"),
    ("run", {"check": None}, TypeError, r"check: collections.abc.Callable"),
    ("run", {"check": 3}, TypeError, r"check: collections.abc.Callable"),
    ("Predictor", {"plan": None}, TypeError, r"plan: chainrule._core.Plan"),
    ("Trainer", {"plan": "plan"}, TypeError, r"plan: chainrule._core.Plan"),
    # settings
    ("Linearized", {"threads": 0}, ValueError, r"threads: expected 1 to 1024, got 0"),
    ("predict", {"threads": 0}, ValueError, r"threads: expected 1 to 1024, got 0"),
    ("forward", {"threads": -1}, ValueError, r"threads: expected 1 to 1024, got -1"),
    ("backward", {"threads": 1025}, ValueError, r"threads: expected 1 to 1024, got 1025"),
    ("value_and_gradient", {"threads": 2**31 - 1}, ValueError, r"threads: expected 1 to 1024, got 2147483647"),
    ("forward", {"threads": 2**40}, TypeError, r"threads: int"),
    ("predict", {"threads": "two"}, TypeError, r"threads: int"),
    ("Trainer", {"threads": 0}, ValueError, r"threads: expected 1 to 1024, got 0"),
    ("Trainer", {"batch": 0}, ValueError, r"batch: expected at least 1, got 0"),
    ("Trainer", {"batch": -5}, ValueError, r"batch: expected at least 1, got -5"),
    ("Trainer", {"batch": 2.5}, TypeError, r"batch: int"),
    ("Trainer", {"batch": 2**64}, TypeError, r"batch: int"),
    ("Trainer", {"rule": "adm"}, ValueError, r'rule: expected one that is built in, got "adm"'),
    ("Trainer", {"rule": None}, TypeError, r"rule: str"),
    ("Trainer", {"dropout": [0.5]}, ValueError, r"dropout: expected 2 numbers or none, got 1"),
    ("Trainer", {"dropout": None}, TypeError, r"dropout: collections.abc.Sequence\[float\]"),
    ("Trainer", {"layer_rates": [1.0, -1.0]}, ValueError, r"layer_rates: expected a number of at least 0, got -1"),
    ("Trainer", {"noise": np.nan}, ValueError, r"noise: expected a number of at least 0, got -?nan"),
    ("Trainer", {"max_norm": 0.0}, ValueError, r"max_norm: expected a number above 0, got 0"),
    ("Trainer", {"seed": -1}, TypeError, r"seed: int"),
    ("run", {"l1": np.ones(2)}, ValueError, r"l1: expected shape \(3,\), got shape \(2,\)"),
    ("run", {"first": 0.5}, TypeError, r"first: int"),
    ("gradient of a step", {"rows": np.array([4, 5])}, ValueError, r"rows: expected 0 to 4, got 5"),
    ("gradient of a step", {"rows": np.array([], np.int64)}, ValueError, r"rows: expected at least one, got none"),
    ("gradient of a step", {"rows": np.arange(5)}, ValueError, r"bounds: expected batches of 1 to \d of 5 rows, got 0 to 5"),
    ("gradient of a step", {"flat": np.zeros(25)}, ValueError, r"flat: expected shape \(26,\), got shape \(25,\)"),
    ("gradient of a step", {"flat": read_only(26)}, (ValueError, BufferError), r"flat: expected a writable array, got .*read-only"),
    ("Trainer", {"settings": [0.9]}, ValueError, r"settings of adam: expected 4 numbers, got 1"),
    ("Trainer", {"rule": "sgd"}, ValueError, r"settings of sgd: expected 0 numbers, got 4"),
    ("Trainer", {"rule": "rmsprop", "settings": [0.9]}, ValueError, r"settings of rmsprop: expected 2 numbers, got 1"),
    ("Trainer", {"rule": "momentum", "settings": []}, ValueError, r"settings of momentum: expected 1 numbers?, got 0"),
    ("Trainer", {"settings": "abcd"}, TypeError, r"settings: collections.abc.Sequence\[float\]"),
    ("inverse", {"matrix": np.eye(3, 2)}, ValueError, r"matrix: expected shape \(3, 3\), got shape \(3, 2\)"),
    ("inverse", {"matrix": np.ones(3)}, ValueError, r"matrix: expected"),
    ("inverse", {"matrix": np.empty((0, 0))}, ValueError, r"(out|matrix): expected"),
    ("inverse", {"matrix": np.eye(3, dtype="f")}, ValueError, r"matrix: expected dtype float64, got float32"),
    ("inverse", {"double": False}, ValueError, r"matrix: expected dtype float32, got float64"),
    ("inverse", {"out": read_only((3, 3))}, (ValueError, BufferError), r"out: expected a writable array, got .*read-only"),
    ("inverse", {"out": np.empty((2, 3))}, ValueError, r"out: expected shape \(3, 3\), got shape \(2, 3\)"),
    ("inverse", {"threads": 0}, ValueError, r"threads: expected 1 to 1024, got 0"),
    ("precondition", {"inverses": [None]}, ValueError, r"inverses: expected 2 pairs, got 1"),
    ("precondition", {"inverses": [None, 3]}, ValueError, r"inverses: expected pairs of matrices, or None, got something else at 1"),
    ("precondition", {"inverses": [None, (np.eye(5),)]}, ValueError, r"inverses: expected pairs of matrices"),
    ("precondition", {"inverses": [None, (np.eye(5), np.eye(3))]}, ValueError, r"inverses: expected shape \(2, 2\), got shape \(3, 3\)"),
    ("precondition", {"inverses": [None, (np.eye(5, dtype="f"), np.eye(2))]}, ValueError, r"inverses: expected dtype float64, got float32"),
    ("precondition", {"inverses": [None, (np.eye(5), None)]}, TypeError, r"inverses: expected an array, got NoneType"),
    ("precondition", {"inverses": 3}, TypeError, r"inverses: collections.abc.Sequence"),
    ("precondition", {"clip": 0.0}, ValueError, r"clip: expected a number above 0, got 0"),
    ("precondition", {"clip": np.nan}, ValueError, r"clip: expected a number above 0, got -?nan"),
    ("Plan", {"sizes": [3]}, ValueError, r"layers: expected one for each size but the first, got 2 for 1 sizes"),
    ("Plan", {"sizes": []}, ValueError, r"layers: expected one for each size but the first, got 2 for 0 sizes"),
    ("Plan", {"sizes": [3, 0, 2]}, ValueError, r"sizes: expected at least 1 unit, got 0"),
    ("Plan", {"sizes": [3, -4, 2]}, ValueError, r"sizes: expected at least 1 unit, got -4"),
    ("Plan", {"sizes": [3, 4.5, 2]}, TypeError, r"sizes: collections.abc.Sequence\[int\]"),
    ("Plan", {"sizes": None}, TypeError, r"sizes: collections.abc.Sequence\[int\]"),
    ("Plan", {"layers": [("relu", 0.0, True)]}, ValueError, r"layers: expected one for each size but the first, got 1 for 3 sizes"),
    ("Plan", {"layers": [("relu", 0.0), ("relu", 0.0)]}, TypeError, r"layers: collections.abc.Sequence\[tuple"),
    ("Plan", {"layers": [("rleu", 0.0, True)] * 2}, ValueError, r'activation: expected one that is built in, got "rleu"'),
    ("Plan", {"cost": ("mse", 0.0)}, ValueError, r'cost: expected one that is built in, got "mse"'),
    ("Plan", {"cost": "huber"}, TypeError, r"cost: tuple\[str, float\]"),
    # more than there is memory
    ("Linearized", {"X": many(np.zeros((1, 3)), 2**40)}, MemoryError, r"a batch of \d+ rows: expected arrays that fit in memory, got \d+ bytes"),
    ("pull", {"seeds": many(np.zeros((1, 5, 2)), 2**40)}, MemoryError, r"1099511627776 cotangents of 5 rows: expected arrays that fit in memory, got \d{14,} bytes\. Pull fewer"),
    ("pull", {"seeds": many(np.zeros((1, 5, 2)), 2**56)}, MemoryError, r"\d{17} cotangents of 5 rows: expected arrays that fit in memory, got 9\d{18} bytes\. Pull fewer"),
    ("Plan", {"sizes": [2**40, 2**40, 2]}, MemoryError, r"sizes: expected arrays that fit in memory, got more than 10\^17 numbers\. Make"),
    ("Plan", {"sizes": [2**63 - 1, 1, 2**63 - 1]}, MemoryError, r"sizes: expected arrays that fit in memory, got more than"),
    ("Trainer", {"batch": 10**12}, MemoryError, r"a batch of 1000000000000 rows: expected arrays that fit in memory, got \d{13,} bytes\. Make batch_size smaller"),
    ("Trainer", {"batch": 2**62}, MemoryError, r"(a )?batch.*: expected arrays that fit in memory, got .*\. Make batch_size smaller"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "kind", "message"), WRONG, ids=[f"{name} {' '.join(changes)}" for name, changes, *_ in WRONG]
)
def test_a_wrong_argument_is_named_with_what_was_expected_and_what_came(name, changes, kind, message):
    arguments = Arguments()
    function, given = arguments.of(name)
    with pytest.raises(kind) as error:
        function(**given | changes)
    text = str(error.value)
    # a text of the binding library's own begins with the function and lists its arguments and their types
    assert re.search(message, text) if "incompatible function arguments" in text else re.match(message, text), text
    assert arguments.unharmed()
    function(**arguments.of(name)[1])  # what failed has broken nothing


def test_an_argument_too_few_too_many_or_unknown():
    for name in FUNCTIONS:
        function, given = Arguments().of(name)
        first = next(iter(given))
        for wrong in ({key: value for key, value in given.items() if key != first}, given | {"more": 1}):
            with pytest.raises(TypeError, match=r"incompatible function arguments"):
                function(**wrong)
        with pytest.raises(TypeError, match=r"incompatible function arguments"):
            function(*given.values(), 1)


# --- plans of 10^12 bytes ---------------------------------------------------------------------------------------------
def test_a_plan_of_10_to_the_12_bytes_is_a_memory_error_with_the_number_and_the_remedy():
    plan = make_plan((1_000_000, 125_000))  # (1,000,000 + 1) · 125,000 · 8 bytes
    assert 8 * plan.n_parameters == 1_000_001_000_000
    with pytest.raises(MemoryError) as error:
        core.Trainer(plan, "sgd", [], 8, 1)
    message = str(error.value)
    assert re.match(r"(sizes|a network of|the parameters|plan).*: expected arrays that fit in memory, got \d{13} bytes\. .*layers narrower", message), message  # fmt: skip


@pytest.mark.skipif(UNDER_SANITIZER, reason="a sanitizer needs terabytes of addresses")
def test_what_a_trainer_needs_is_counted_before_any_of_it_is_asked_for():
    """Each vector alone would fit; a machine that lends memory it doesn't have would kill the process."""
    script = """
import os, re
from chainrule.engine import native
physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
n = int((physical / 3 / 8) ** 0.5)  # θ is a third of memory; Adam keeps it six times over
plan = native._core.Plan([n, n], [("tanh", 0.0, False)], ("squared_error", 0.0), True, True)
import resource
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))  # should it be asked for after all
try:
    native._core.Trainer(plan, "adam", [0.9, 0.999, 1e-8, 0], 1, 1)
except MemoryError as error:
    print(int(re.search(r"got (?:one of )?(\\d+) bytes", str(error))[1]) > physical, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("True"), done.stdout + done.stderr


def test_a_network_that_does_not_fit_is_refused_in_the_user_s_words():
    with pytest.raises(
        cr.errors.InputError, match=r"^sizes: expected parameters that fit in memory, got 1,000,001,000,000 bytes"
    ):
        cr.Network([1_000_000, 125_000], dtype="float64", backend="native")


# --- lives of objects -------------------------------------------------------------------------------------------------
def test_a_trainer_and_a_predictor_keep_what_they_stand_on():
    trainer = core.Trainer(make_plan(), "sgd", [], BATCH, 1)
    theta = np.linspace(-1, 1, 26)
    predictor = core.Predictor(make_plan(), theta)
    expected = predictor(np.ones((1, 3)))
    del theta
    gc.collect()
    ballast = [np.zeros(26) for _ in range(1000)]
    np.testing.assert_array_equal(predictor(np.ones((1, 3))), expected)
    stored = np.empty(26)
    trainer.store(stored)
    np.testing.assert_array_equal(stored, 0)
    assert len(ballast) == 1000


def test_what_comes_of_a_linearized_network_keeps_it_and_the_plan():
    kept = Arguments()
    alone = Arguments()
    things = alone.pushed, alone.pulled, alone.bent
    del alone
    gc.collect()
    ballast = [np.zeros(k) for k in (26, 15, 10, 30) for _ in range(500)]
    for thing, name, of_kept in zip(
        things, ("outputs", "gradient", "gradient"), (kept.pushed, kept.pulled, kept.bent), strict=True
    ):
        got, expected = ((np.empty((M, 2)),) if name == "outputs" else (None, np.empty(26)) for _ in range(2))
        getattr(thing, name)(*got)
        getattr(of_kept, name)(*expected)
        assert got[-1].tobytes() == expected[-1].tobytes()
    assert len(ballast) == 2000


def test_nothing_that_was_handed_over_is_looked_at_again():
    """Of θ, X, v, seeds and δ there are copies, so that they may change and go."""
    arguments, expected = Arguments(), {}
    results = ("outputs", "outputs of pushed", "inputs", "gradient", "squared_norms", "squares", "gradient of bent")
    for changes in (False, True):
        if changes:
            for array in (arguments.theta, arguments.X, arguments.seeds, arguments.Y):
                array[...] = np.nan
        for name in results:
            function, given = arguments.of(name)
            function(**given)
            last = list(given.values())[-1].tobytes()
            assert expected.setdefault(name, last) == last


def test_seeds_and_gradients_in_the_inputs_may_lie_at_any_strides_of_whole_numbers():
    arguments = Arguments()
    seeds, at, plain = arguments.seeds, arguments.linearized, np.empty((M, S, 3))
    arguments.pulled.inputs(plain)
    wide = np.full((M + 2, 2 * S, 5), np.nan)
    wide[1:-1, ::2, 1:3] = seeds.transpose(1, 0, 2)
    for same in (wide[1:-1, ::2, 1:3].transpose(1, 0, 2), seeds[::-1, ::-1].copy()[::-1, ::-1]):
        out = np.full((M, S, 3), np.nan)
        at.pull(same).inputs(out)
        assert out.tobytes() == plain.tobytes()
    one = np.broadcast_to(seeds[:1, :1], seeds.shape)  # strides of 0
    out, expected = np.empty((M, S, 3)), np.empty((M, S, 3))
    at.pull(one).inputs(out)
    at.pull(one.copy()).inputs(expected)
    assert out.tobytes() == expected.tobytes()
    single = core.Linearized(make_plan((3, 1)), np.ones(4), arguments.X, 1)
    for seeds_of_one in (np.ones((2, M, 1)), np.ones((2, M, 3))[..., ::3]):  # whose own stride says nothing
        single.pull(seeds_of_one).inputs(out)
        assert (out == 1).all()
    room = arguments.out(S + 1, M, 7)
    room[...] = -77
    arguments.pulled.inputs(room[:0:-1, ::-1, 2:5].transpose(1, 0, 2))
    assert room[:0:-1, ::-1, 2:5].transpose(1, 0, 2).tobytes() == plain.tobytes()
    room[:0:-1, ::-1, 2:5] = -77
    assert (room == -77).all()
    assert arguments.unharmed()


THINGS = {
    "Linearized": (lambda: Arguments().linearized, lambda at: at.push(np.zeros(26))),
    "Pushed": (lambda: Arguments().pushed, lambda pushed: pushed.outputs(np.zeros((M, 2)))),
    "Pulled": (lambda: Arguments().pulled, lambda pulled: pulled.squared_norms(np.zeros(M))),
    "Bent": (lambda: Arguments().bent, lambda bent: bent.gradient(None, np.zeros(26))),
    "Plan": (make_plan, lambda plan: plan.n_parameters),
    "Trainer": (lambda: core.Trainer(make_plan(), "sgd", [], BATCH, 1), lambda trainer: trainer.store(np.zeros(26))),
    "Predictor": (lambda: core.Predictor(make_plan(), np.zeros(26)), lambda predictor: predictor(np.zeros((1, 3)))),
}


@pytest.mark.filterwarnings("ignore:nanobind:RuntimeWarning")
@pytest.mark.parametrize(("make", "use"), THINGS.values(), ids=THINGS)
def test_objects_of_the_core_are_not_pickled_copied_made_without_arguments_or_made_twice(make, use):
    thing = make()
    for call in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"^cannot pickle"):
            call(thing)
    blank = type(thing).__new__(type(thing))
    with pytest.raises(TypeError):
        use(blank)
    with pytest.raises(TypeError):
        thing.__init__()
    use(thing)


OTHER_BUFFERS = {
    "memoryview": "memoryview(X)",
    "array": "memoryview(array.array('d', X.ravel())).cast('B').cast('d', X.shape)",
    "ctypes, which leaves strides out": "((ctypes.c_double * 3) * 5)(*map(tuple, X.tolist()))",
}
WRONG_BUFFERS = {
    "numbers of no bytes": "(np.zeros(2, 'V0'), np.array([0, 2]), np.array([0, 1, 1, 1, 1, 2]))",
    "indices of no bytes": "(np.zeros(2), np.zeros(2, 'V0'), np.zeros(6, 'V0'))",
    "one number of ctypes": "ctypes.c_double(3)",
    "a row of ctypes": "(ctypes.c_double * 3)()",
}


def in_process(script):
    """What a script prints, that would take the tests with it where it crashes."""
    common = "import array, ctypes\nimport numpy as np\nfrom test_native_boundary import *\n"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", common + script], env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-1500:]}"
    return done.stdout.strip()


def environment():
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


@pytest.mark.parametrize("expression", OTHER_BUFFERS.values(), ids=OTHER_BUFFERS)
def test_buffers_of_other_libraries_are_taken_as_what_they_are(expression):
    script = f"""
arguments = Arguments()
X = arguments.X
function, given = arguments.of("predict")
function(**given)
expected = given["out"].copy()
function(**given | {{"X": {expression}, "theta": array.array("d", arguments.theta.tolist())}})
print((given["out"] == expected).all())
"""
    assert in_process(script) == "True"


@pytest.mark.parametrize("expression", WRONG_BUFFERS.values(), ids=WRONG_BUFFERS)
def test_buffers_of_other_libraries_that_are_no_rows_are_refused(expression):
    script = f"""
function, given = Arguments().of("predict")
try:
    function(**given | {{"X": {expression}}})
except ValueError as error:
    print(error)
"""
    assert re.match(r"X: expected .*, got ", in_process(script))


@pytest.mark.parametrize("X", [None, "text", 3, [1, 2], np.zeros(3), np.zeros((2, 4)), np.zeros((1, 3), complex),
                               np.zeros((1, 3), object), np.zeros((1, 3), "V0"), np.zeros((0, 3)), np.full((1, 3), np.nan)],
                         ids=lambda X: f"{type(X).__name__} {getattr(X, 'dtype', '')}")  # fmt: skip
def test_what_few_rows_predictor_does_not_take_is_refused_in_the_user_s_words(X):
    errors = []
    for backend in ("reference", "native"):
        with pytest.raises(cr.errors.InputError) as error:
            cr.Network([3, 2], backend=backend).predict(X)
        errors.append(str(error.value))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("what", ["rows", "bounds", "Y", "indices", "indptr"])
def test_indices_that_change_during_an_epoch_lead_nowhere(what):
    """What was checked and what is used have to be the same numbers, whoever writes to the arrays meanwhile."""
    script = f"""
import numpy as np
import chainrule as cr
from chainrule.engine import native
net = cr.Network([3, 4, 2], ["tanh", "softmax"], "cross_entropy", backend="native")
n = 400_000
rows, bounds, Y = np.resize(np.arange(5), n), np.arange(n + 1), np.array([0, 1, 0, 1, 1])
indices, indptr = np.array([0, 1, 2, 1, 0]), np.arange(6)
sparse = {what in ("indices", "indptr")}
X = (np.ones(5, "f4"), indices, indptr) if sparse else np.ones((5, 3), "f4")
trainer = native._core.Trainer(native.core_plan(net.plan), "sgd", [], 1, 1)
trainer.load(net.parameters, [], 0)
asked = []
def check():
    {what}[{"-n // 4:" if what in ("rows", "bounds") else "..."}] = 10**12
    asked.append(1)
    return len(asked) == 3
ones = np.ones(n)
try:
    trainer.run(X, Y, None, rows, bounds, 1e-6 * ones, 0 * ones, 0 * ones, ones, 0, *np.empty((3, n)), check)
except ValueError:
    pass
print("asked", len(asked) > 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"ended by signal {-done.returncode}: {done.stderr}"
    assert done.stdout == "asked True\n"


# --- at random --------------------------------------------------------------------------------------------------------
def junk(rng):
    """Something that is wrong almost everywhere."""
    shape = tuple(int(n) for n in rng.integers(0, 6, rng.integers(0, 4)))
    dtypes = ["f2", "f4", "f8", "g", "c8", "c16", "i1", "u1", "i2", "i4", "u4", "i8", "u8", "?", "S3", "U2", "V0", "V7", "O",
              "M8[s]", "m8[s]", ">f8", ">i4", [("x", "f8"), ("y", "i1")]]  # fmt: skip
    dtype = np.dtype(dtypes[rng.integers(len(dtypes))])
    makers = [
        lambda: None, lambda: "text", lambda: b"bytes", bytearray, lambda: 0, lambda: -1, lambda: 3, lambda: 2**31,
        lambda: 2**63, lambda: -(2**70), lambda: 1.5, lambda: float("nan"), lambda: object(), list, lambda: (),
        dict, lambda: [1, 2], lambda: (1, 2, 3), lambda: [None], lambda: np.float64(2), lambda: np.zeros(shape, dtype),
        lambda: np.zeros(shape, dtype), lambda: np.zeros(shape, dtype).T, lambda: np.full(shape, 7.5), released, closed_map,
        lambda: read_only((M, 2)), lambda: read_only(26), lambda: unaligned((M, 3)), lambda: unaligned((M, 2)),
        lambda: np.zeros((M, 6))[:, ::2], lambda: np.zeros((3, M)).T, lambda: np.zeros(52)[::-2],
        lambda: np.broadcast_to(np.float64(1), (M, 3)), lambda: [np.zeros((M, 4)), np.zeros((M, 2))],
        lambda: [np.zeros((M, 4))] * 9, lambda: [np.zeros(26), "x"], lambda: (ctypes.c_double * 6)(),
        lambda: ((ctypes.c_double * 2) * M)(), lambda: ctypes.c_double(), lambda: ((ctypes.c_float * 3) * M)(),
        lambda: array.array("i", [1, 2, 3]), lambda: memoryview(np.zeros((M, 3))), lambda: memoryview(b"abc"),
        lambda: csr(indices=rng.integers(-1, 5, 2)), lambda: csr(indptr=rng.integers(-1, 4, 6)),
        lambda: csr(index=["int8", "int32", "int64", "float64", "V0"][rng.integers(5)]),
        lambda: csr(data=int(rng.integers(0, 4))), lambda: csr(indptr=np.sort(rng.integers(0, 3, rng.integers(0, 9)))),
        lambda: (junk(rng), junk(rng), junk(rng)), lambda: rng.integers(-3, 9, 5), lambda: np.sort(rng.integers(-1, 7, 4)),
        lambda: rng.integers(-(2**63), 2**63 - 1, 5), lambda: rng.integers(0, 3, M), lambda: make_plan((2, 2)),
        lambda: Ellipsis, lambda: len, lambda: iter([1]), lambda: range(3), lambda: np.ma.masked, Hostile,
    ]  # fmt: skip
    return makers[rng.integers(len(makers))]()


class Hostile:
    """A sequence and a number that raise, and a check that does."""

    def __len__(self):
        raise ZeroDivisionError

    def __getitem__(self, at):
        raise ZeroDivisionError

    def __index__(self):
        raise ZeroDivisionError

    def __call__(self):
        raise ZeroDivisionError


def changed(value, rng):
    """The right argument, a little wrong."""
    if isinstance(value, np.ndarray):
        changes = [lambda v: v[:-1], lambda v: v[..., :-1], lambda v: v.T, lambda v: v[::-1], lambda v: v.astype("f4"),
                   lambda v: v.astype("f8"), lambda v: v.astype("i4"), lambda v: v.astype(complex), lambda v: v.ravel(),
                   lambda v: v[None], lambda v: v[:0], lambda v: np.concatenate([v, v]), lambda v: v * np.nan,
                   lambda v: v * 1e300, lambda v: v.tolist(), lambda v: memoryview(v), lambda v: v - 1, lambda v: v + 1,
                   lambda v: np.asfortranarray(v), lambda v: v.astype(v.dtype.newbyteorder())]  # fmt: skip
        with np.errstate(all="ignore"):
            return changes[rng.integers(len(changes))](value)
    if isinstance(value, list) and value:
        at = int(rng.integers(len(value)))
        return [*value[:at], junk(rng) if rng.random() < 0.5 else changed(value[at], rng), *value[at + 1 :]]
    return junk(rng)


def fuzz(first, count):
    """Make `count` wrong calls; each is announced before it is made. Gives how many raised."""
    if sys.platform.startswith("linux") and not UNDER_SANITIZER:  # which limits what is asked for by itself
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))  # a plan of junk may ask for anything
    right = Arguments()
    function, given = right.of("value_and_gradient")
    before = function(**given), given["gradient"].tobytes()
    raised = 0
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        arguments = Arguments(double=bool(rng.random() < 0.8))
        name = FUNCTIONS[rng.integers(len(FUNCTIONS))]
        function, given = arguments.of(name)
        for key in rng.choice(list(given), rng.integers(1, min(3, len(given)) + 1), replace=False):
            given[key] = changed(given[key], rng) if rng.random() < 0.5 else junk(rng)
        sys.stderr.write(f"seed {seed}: {name}({', '.join(f'{k}={str(v)[:60]!r}' for k, v in given.items())})\n")
        sys.stderr.flush()
        try:
            function(**given)
        except (TypeError, ValueError, BufferError, MemoryError, OverflowError, ZeroDivisionError):
            raised += 1
        assert arguments.unharmed(), seed
    function, given = right.of("value_and_gradient")
    assert before == (function(**given), given["gradient"].tobytes())
    return raised


@pytest.mark.parametrize("first", [0, 1_000])
def test_a_thousand_wrong_calls_end_in_exceptions(first):
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "ignore", __file__, str(first), "1000"], env=environment(),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 700


if __name__ == "__main__":
    sys.stdout.write(f"{fuzz(int(sys.argv[1]), int(sys.argv[2]))}\n")
