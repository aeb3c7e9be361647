"""An epoch of steps: all at once, some at a time, and step by step in Python."""

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.engine.inputs import check_targets
from chainrule.training.examples.batches import Batches, DataSet
from chainrule.training.minibatches.steps import Course, StepByStep, WholeEpoch, stepper, what_diverged
from chainrule.training.progress.interrupt import Interrupt
from chainrule.training.progress.progressed import Progressed

if not HAS_NATIVE:
    pytest.skip("the compiled core is not built", allow_module_level=True)

RULES = [cr.SGD(), cr.Momentum(), cr.Nesterov(), cr.RMSProp(), cr.Adam(), cr.Adam(epsilon_hat=True), cr.AdamW()]
RNG = np.random.default_rng(0)


class OwnAdam(cr.Adam):
    """A user's own rule."""


def network(dtype="float64", **changes):
    settings = {"backend": "native", "seed": 2} | changes
    return cr.Network([5, 12, 3], ["tanh", "softmax"], "cross_entropy", dtype=dtype, **settings)


def examples(net, m=50, X=None, Y=None, weights=None):
    X = RNG.standard_normal((m, net.sizes[0])) if X is None else X
    targets = check_targets(np.arange(m) % 3 if Y is None else Y, m, net.plan)
    return DataSet(X, targets, weights, np.arange(m))


def course(data, size=8, seed=0, rate=0.01, penalty=1e-3):
    """Steps that differ in every number."""
    rng = np.random.default_rng(seed)
    batches = data.batches(size, rng.permutation(len(data)))
    n_steps = len(batches)
    return Course(
        batches, rate * rng.uniform(0.5, 1, n_steps), penalty * rng.uniform(0, 1, n_steps), rng.uniform(0.5, 2, n_steps)
    )


def begin(net, data, rule, at_once=None, size=8):
    now = Progressed(net.parameters.copy())
    state = rule.initial(now.parameters, net.plan.is_weight)
    trainer = net.engine.trainer(net.plan, rule, data.X, data.targets.values, data.weights, size)
    return WholeEpoch(trainer, state, now.parameters, at_once), now


def flat(state):
    """All numbers of a state, nested as it may be."""
    parts = [flat(part) if isinstance(part, tuple) else np.ravel(part).astype(float) for part in state]
    return np.concatenate([np.zeros(0), *parts])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_steps_taken_one_by_one_give_the_same_bits_as_an_epoch_at_once(rule, dtype):
    net = network(dtype)
    data = examples(net, weights=RNG.uniform(0, 2, 50).astype(dtype))
    (whole, now), (single, at_a_time) = begin(net, data, rule), begin(net, data, rule, at_once=1)
    for epoch in range(3):
        steps = course(data, seed=epoch)
        taken, one_by_one = whole.run(steps, now), single.run(steps, at_a_time)
        assert taken.done == one_by_one.done == now.step == at_a_time.step == 7
        assert now.learning_rate == at_a_time.learning_rate == steps.rates[-1]
        for figure in ("costs", "norms", "squares"):
            np.testing.assert_array_equal(getattr(taken, figure), getattr(one_by_one, figure))
    assert now.parameters.tobytes() == at_a_time.parameters.tobytes()
    assert flat(whole.state).tobytes() == flat(single.state).tobytes()
    assert type(whole.state) is type(rule.initial(now.parameters, net.plan.is_weight))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_core_s_steps_are_those_of_the_update_rules_in_Python(rule, reduction):
    net = network(reduction=reduction)
    data = examples(net, weights=RNG.uniform(0, 2, 50))
    whole, now = begin(net, data, rule)
    twin = cr.Network.from_plan(net.plan, net.parameters.copy(), "reference")
    steps = StepByStep(twin, data, rule, rule.initial(net.parameters, net.plan.is_weight))
    in_python = Progressed(twin.parameters.copy())
    for epoch in range(3):
        given = course(data, seed=epoch, rate=1e-3)
        taken, expected = whole.run(given, now), steps.run(given, in_python)
        # the same sums in another order, twenty-one steps long
        for figure in ("costs", "norms", "squares"):
            np.testing.assert_allclose(getattr(taken, figure), getattr(expected, figure), rtol=1e-9)
    np.testing.assert_allclose(now.parameters, in_python.parameters, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(flat(whole.state), flat(steps.state), rtol=1e-8, atol=1e-12)


def test_a_state_goes_in_and_comes_out_as_it_was():
    net = network()
    data = examples(net)
    rule = cr.AdamW()
    whole, now = begin(net, data, rule)
    first, second = course(data, seed=1), course(data, seed=2)
    whole.run(first, now)
    kept, theta = whole.state, now.parameters
    whole.run(second, now)
    trainer = net.engine.trainer(net.plan, rule, data.X, data.targets.values, None, 8)
    again, then = WholeEpoch(trainer, kept, theta), Progressed(theta)
    assert flat(again.state).tobytes() == flat(kept).tobytes()
    again.run(second, then)
    assert then.parameters.tobytes() == now.parameters.tobytes()
    assert flat(again.state).tobytes() == flat(whole.state).tobytes()
    assert again.state.moments.step == 14
    assert theta is not then.parameters  # what was handed out is never written to again


class Pressed(Interrupt):
    """A Ctrl-C that nobody notes: it raises where it is looked at for the third time."""

    looks = 0

    @property
    def requested(self):
        self.looks += 1
        if self.looks == 3:
            raise KeyboardInterrupt
        return False

    @requested.setter
    def requested(self, value):
        pass


@pytest.mark.parametrize("at_once", [None, 1], ids=["in the core", "between steps"])
def test_an_exception_leaves_whole_steps_behind(at_once):
    net = cr.Network([200, 100, 3], ["tanh", "softmax"], "cross_entropy", seed=2, backend="native")
    data = examples(net, m=3000)
    order = np.tile(np.arange(3000), 40)  # a long epoch, longer than twice the time after which the core asks
    n_steps = len(order) // 2
    batches = Batches(order, np.arange(0, len(order) + 1, 2), np.full(n_steps, 2.0))
    steps = Course(batches, np.full(n_steps, 1e-4), np.zeros(n_steps), np.ones(n_steps))
    whole, now = begin(net, data, cr.Adam(), at_once)
    now.interrupt = Pressed()
    with pytest.raises(KeyboardInterrupt):
        whole.run(steps, now)
    done = whole.state.step
    assert now.step == done == (2 if at_once else done)
    assert 0 < done < n_steps
    twin, then = begin(net, data, cr.Adam())
    part = Batches(order, batches.bounds[: done + 1], batches.masses[:done])
    twin.run(Course(part, steps.rates[:done], steps.penalties[:done], steps.factors[:done]), then)
    assert now.parameters.tobytes() == then.parameters.tobytes()
    assert flat(whole.state).tobytes() == flat(twin.state).tobytes()


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_step_that_is_not_finite_is_not_taken(backend):
    net = cr.Network([1, 1], "identity", "half_squared_error", bias=False, backend=backend)
    net.parameters = [1.0]
    X, Y = np.ones((6, 1), dtype="float32"), np.ones((6, 1), dtype="float32")
    X[4] = 1e30  # C is infinite in float32
    data = DataSet(X, check_targets(Y, 6, net.plan), None, np.arange(6))
    batches = data.batches(1, np.arange(6))
    steps = Course(batches, np.full(6, 0.5), np.zeros(6), np.full(6, 1.0))
    now, rule = Progressed(net.parameters.copy()), cr.SGD()
    with np.errstate(all="ignore"):
        taken = stepper(net, data, rule, rule.initial(now.parameters, net.plan.is_weight), now.parameters, 1).run(
            steps, now
        )
        assert (taken.done, taken.ending, now.step) == (4, "cost", 5)
        assert np.isfinite(now.parameters).all()
        assert what_diverged(net, data, steps, taken, now.parameters).startswith("the cost half_squared_error of layer")
    assert np.isnan(taken.costs[5])


@pytest.mark.parametrize(
    "X",
    [
        RNG.integers(0, 255, (50, 5)).astype(np.uint8),
        RNG.standard_normal((50, 5)) > 0,
        RNG.standard_normal((50, 5)).astype("float32"),
        RNG.standard_normal((50, 10))[:, ::2],
        RNG.standard_normal((5, 50)).T,
        RNG.standard_normal((50, 5)).astype("float16"),
        RNG.standard_normal((50, 5)).astype(">f8"),
        RNG.standard_normal((50, 5)).astype(np.longdouble),
        scipy.sparse.csr_array(RNG.integers(-1, 2, (50, 5)).astype(np.int8)),
        scipy.sparse.csr_matrix(RNG.standard_normal((50, 5)) > 0),
    ],
    ids=["uint8", "bool", "float32", "strided", "transposed", "float16", "swapped", "extended", "csr int8", "csr bool"],
)
@pytest.mark.parametrize("rule", [cr.Adam(), OwnAdam()], ids=["adam", "own"])
def test_whatever_X_is_and_whoever_the_rule_the_steps_are_the_same(X, rule):
    thetas = []
    for backend in ("native", "reference"):
        net = network(backend=backend)
        cr.train(net, X, np.arange(50) % 3, optimizer=rule, epochs=2, batch_size=8, verbose=0)
        thetas.append(net.parameters)
    # Adam divides by the root of a mean of squares, which magnifies the rounding of small gradients
    np.testing.assert_allclose(*thetas, rtol=1e-7, atol=1e-9)


def test_a_rule_of_the_user_s_own_steps_in_Python():
    net = network()
    data = examples(net)
    for rule, kind in ((cr.Adam(), WholeEpoch), (OwnAdam(), StepByStep)):
        state = rule.initial(net.parameters, net.plan.is_weight)
        assert type(stepper(net, data, rule, state, net.parameters, 8)) is kind


@pytest.mark.parametrize("Y", [RNG.dirichlet(np.ones(3), 50), np.eye(3, dtype=bool)[np.arange(50) % 3],
                               np.eye(3, dtype=np.uint8)[np.arange(50) % 3], np.asfortranarray(np.eye(3)[np.arange(50) % 3])],
                         ids=["float64", "bool", "uint8", "by columns"])  # fmt: skip
def test_targets_of_any_dtype_are_read(Y):
    thetas = []
    for backend in ("native", "reference"):
        net = network(backend=backend)
        cr.train(net, RNG.standard_normal((50, 5)).round(1) * 0 + np.arange(5), Y, epochs=2, batch_size=8, verbose=0)
        thetas.append(net.parameters)
    np.testing.assert_allclose(*thetas, rtol=1e-7, atol=1e-9)


def test_a_schedule_is_asked_for_each_step_and_history_has_the_last_rate():
    asked = []

    class Spy:
        def rate(self, t):
            asked.append(t)
            return 0.1 / (1 + t)

    net = network()
    history = cr.train(net, np.eye(5), [0, 1, 2, 0, 1], learning_rate=Spy(), batch_size=2, epochs=2, verbose=0)
    np.testing.assert_allclose(asked, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])
    np.testing.assert_allclose(history.learning_rate, [0.1 / (5 / 3), 0.1 / (8 / 3)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rule_of_the_user_s_own_follows_gradients_that_the_core_makes_by_the_options(dtype, monkeypatch):
    def never(*given, **named):
        raise AssertionError("no gradient is made in Python")

    monkeypatch.setattr("chainrule.training.minibatches.steps.step_gradient", never)
    X, Y = RNG.standard_normal((50, 5)), np.arange(50) % 3
    options = {"dropout": 0.3, "input_noise": 0.1, "label_smoothing": 0.1, "clip_example_norm": 0.5, "clip_norm": 0.2,
               "weight_decay": 0.01, "l1": 1e-3, "penalty": 1e-3, "layer_rates": {1: 0.5}, "max_norm": 2.0}  # fmt: skip
    thetas, costs = [], []
    for rule in (cr.Adam(), OwnAdam()):
        net = network(dtype)
        history = cr.train(net, X, Y, optimizer=rule, epochs=3, batch_size=8, verbose=0, **options)
        thetas.append(net.parameters)
        costs.append(history.cost)
    # the same gradients, bit by bit; Adam's quotient is rounded once more in Python, and costs follow
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(*thetas, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(*costs, rtol=tolerance)
