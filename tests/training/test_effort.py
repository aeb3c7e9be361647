"""Operations and bytes of training (E71), held against what is counted and measured."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.linalg.blas

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.engine.inputs import check_targets
from chainrule.maths.updates import RULES
from chainrule.training.arguments.effort import (
    OF_A_RULE,
    available_memory,
    forward_operations,
    gradient_operations,
    of_lbfgs,
    of_levenberg_marquardt,
    of_rule,
)
from chainrule.training.examples.batches import DataSet
from chainrule.training.whole_set import levenberg_marquardt as lm
from chainrule.training.whole_set.objective import WholeSet

ARITHMETIC = (np.add, np.subtract, np.multiply, np.divide, np.sqrt, np.sign)


class Counted(np.ndarray):
    """Arrays that count operations on them, of matrix products and entry by entry."""

    products = entries = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        plain = [np.asarray(one) for one in inputs]
        into = {} if out is None else {"out": tuple(np.asarray(one) for one in out)}
        result = getattr(ufunc, method)(*plain, **into, **kwargs)
        if ufunc is np.matmul:
            Counted.products += 2 * result.size * plain[0].shape[-1]
        elif ufunc in ARITHMETIC:
            Counted.entries += np.size(result)
        return result.view(Counted) if isinstance(result, np.ndarray) else result

    def __array_function__(self, function, types, args, kwargs):
        result = super().__array_function__(function, types, args, kwargs)
        return result.view(Counted) if isinstance(result, np.ndarray) else result


@pytest.fixture(autouse=True)
def _from_0():
    Counted.products = Counted.entries = 0


def counted(array):
    return np.array(array).view(Counted)


def network(sizes=(4, 7, 6, 3), cost="cross_entropy", last="softmax", **options):
    activations = [*["tanh"] * (len(sizes) - 2), last]
    return cr.Network(sizes, activations, cost, **({"dtype": "float64", "seed": 1, "backend": "reference"} | options))


@pytest.mark.parametrize("sizes", [(4, 7, 6, 3), (5, 3)])
def test_products_of_a_pass_are_counted_from_shapes(sizes):
    net, rows = network(sizes), 11
    X, Y = counted(np.ones((rows, sizes[0]))), counted(np.eye(3)[np.arange(rows) % 3])
    net.engine.forward(net.plan, counted(net.parameters), X)
    assert Counted.products == forward_operations(net.plan, rows)
    Counted.products = 0
    net.engine.value_and_gradient(net.plan, counted(net.parameters), X, Y, None)
    assert Counted.products == gradient_operations(net.plan, rows)


@pytest.mark.parametrize("name", RULES)
def test_operations_of_update_rules_are_those_of_their_formulas(name):
    rule, theta = RULES[name](), counted(np.linspace(-1, 1, 50))
    state = rule.initial(theta, counted(np.ones(50)))
    state, theta = rule.update(state, theta, counted(np.linspace(1, 2, 50)), 0.1)
    state = again(state)
    Counted.entries = 0
    after, _ = rule.update(state, theta, counted(np.linspace(1, 2, 50)), 0.1)
    vectors = [one for one in flat(after) if np.ndim(one)]
    # the mask of what is decayed, which adamw's state has besides, never changes: the core keeps it once
    assert (Counted.entries / 50, len(vectors) - (name == "adamw")) == OF_A_RULE[name]


def again(state):
    """Count on: a clip has made plain arrays of some."""
    parts = [again(one) if isinstance(one, tuple) else counted(one) if np.ndim(one) else one for one in state]
    return type(state)(*parts)


def flat(state):
    return [part for one in state for part in (flat(one) if isinstance(one, tuple) else [one])]


def test_an_epoch_of_a_rule_is_gradients_of_all_rows_and_an_update_for_each_batch():
    plan = network().plan
    found = of_rule(plan, "adam", rows=70, batch=32)
    assert found.operations == gradient_operations(plan, 70) + 3 * 12 * plan.n_parameters


class Counting:
    """NumPy, but what begins as ones counts."""

    ones = staticmethod(lambda shape: counted(np.ones(shape)))

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.mark.parametrize(("sizes", "settings"), [((4, 7, 6, 3), {}), ((4, 6, 1), {"cost": "squared_error", "last": "identity"})], ids=str)  # fmt: skip
def test_a_step_of_levenberg_marquardt_takes_the_operations_foretold(sizes, settings, monkeypatch):
    """Gauss-Newton matrix, acceleration and gradient, counted; Cholesky by its formula."""
    net, m = network(sizes, **settings), 90
    plan, rng = net.plan, np.random.default_rng(0)
    X, theta = counted(rng.standard_normal((m, sizes[0]))), counted(net.parameters)
    whole = WholeSet(net, DataSet(X, check_targets(np.arange(m) % sizes[-1] if sizes[-1] > 1 else X[:, 0], m, plan), None, np.arange(m)))  # fmt: skip
    monkeypatch.setattr(DataSet, "blocks", lambda data: iter([(X, data.targets.rows(np.arange(m)), None)]))
    monkeypatch.setattr(lm, "np", Counting())
    dsyrk = scipy.linalg.blas.dsyrk

    def counting(alpha, a, **settings):
        Counted.products += a.shape[1] * a.shape[0] * (a.shape[0] + 1)
        return dsyrk(alpha, np.asarray(a), **settings)

    monkeypatch.setattr(scipy.linalg.blas, "dsyrk", counting)
    lm.gauss_newton_matrix(whole, theta)
    lm.bending(whole, theta, counted(np.ones(len(theta))))
    whole.at(theta)
    n = plan.n_parameters
    assert Counted.products + n**3 // 3 == of_levenberg_marquardt(plan, m).operations


NATIVE = pytest.mark.skipif(not HAS_NATIVE, reason="the core's memory is foretold")


@NATIVE
@pytest.mark.parametrize("sizes", [(20, 60, 1), (20, 30, 20, 5)])
def test_a_step_of_levenberg_marquardt_holds_the_bytes_foretold(sizes):
    """tracemalloc's peak, which has vectors and Python's own objects besides: within a twentieth."""
    net = network(sizes, "squared_error", "identity", backend="native")
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((600, sizes[0])), rng.standard_normal((600, sizes[-1]))
    cr.train(net, X, Y, optimizer="levenberg_marquardt", epochs=1, verbose=0)  # what is imported and kept
    tracemalloc.start()
    cr.train(net, X, Y, optimizer="levenberg_marquardt", epochs=2, verbose=0)
    measured = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert measured == pytest.approx(of_levenberg_marquardt(net.plan, 600).bytes, rel=0.05)


@NATIVE
def test_an_iteration_of_lbfgs_holds_the_bytes_foretold():
    """tracemalloc's peak, as above."""
    net = network((20, 300, 200, 1), "squared_error", "identity", backend="native")
    X = np.random.default_rng(0).standard_normal((600, 20))
    cr.train(net, X, X[:, 0], optimizer="lbfgs", epochs=1, verbose=0)
    tracemalloc.start()
    cr.train(net, X, X[:, 0], optimizer="lbfgs", epochs=15, verbose=0)
    measured = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert measured == pytest.approx(of_lbfgs(net.plan, 600, 10).bytes, rel=0.2)


def test_an_iteration_of_lbfgs_is_a_gradient_and_the_product_of_its_pairs():
    plan = network().plan
    assert of_lbfgs(plan, 50, 10).operations == gradient_operations(plan, 50) + 80 * plan.n_parameters


RESIDENT = """
import numpy as np, chainrule as cr
X, Y = np.zeros((2000, 800), dtype="float32"), np.arange(2000) % 10
def train(hidden):
    net = cr.Network([800, hidden, 500, 10], ["relu", "relu", "softmax"], "cross_entropy", seed=0)
    cr.train(net, X, Y, epochs=2, batch_size=500, verbose=0)
    return net
def line(name):
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])
train(5)
net = cr.Network([800, 2000, 500, 10], ["relu", "relu", "softmax"], "cross_entropy", seed=0)
before = line("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
cr.train(net, X, Y, epochs=2, batch_size=500, verbose=0)
print(line("VmHWM") - before)
"""


@pytest.mark.skipif(not (HAS_NATIVE and sys.platform == "linux"), reason="the core's memory, as Linux tells it")
def test_training_in_mini_batches_holds_the_bytes_foretold():
    """The growth of the resident size, which has the allocator's rounding in it: within a seventh."""
    done = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=True)
    plan = cr.Network([800, 2000, 500, 10], ["relu", "relu", "softmax"], "cross_entropy").plan
    assert int(done.stdout) == pytest.approx(of_rule(plan, "adam", 2000, 500).bytes, rel=1 / 7)


def test_memory_that_is_free_is_that_of_the_machine_or_its_container():
    free = available_memory()
    assert 2**24 < free <= 2**63
