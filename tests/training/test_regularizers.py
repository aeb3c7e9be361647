"""Every option of a step (E51 to E58) against a step written out, across bias, weights, backends and dtypes."""

from dataclasses import dataclass, replace
from functools import cache

import array_api_strict
import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from cases import BACKENDS
from chainrule.engine import reference, regularized
from chainrule.engine.inputs import check_targets
from chainrule.engine.step_options import StepOptions
from chainrule.errors import InputError
from chainrule.maths import masks
from chainrule.maths.finite_differences import derivative_along
from chainrule.maths.regularizers import equal_share
from chainrule.maths.updates import RULES, SGD, Momentum
from chainrule.training.arguments.settings import run_key
from chainrule.training.examples.batches import DataSet
from chainrule.training.minibatches.step_gradient import apply_update, step_gradient
from chainrule.training.minibatches.steps import Course, StepByStep, WholeEpoch, stepper
from chainrule.training.progress.progressed import Progressed

SIZES = (4, 6, 5, 3)
FIRST = 5  # the number of the first step, from which masks and noise are drawn
ROWS = 22  # in batches of 8, the last of which is shorter
OPTIONS = {
    "E51 dropout": {"dropout": (0.0, 0.4, 0.2)},
    "E51 of inputs": {"dropout": (0.3, 0.0, 0.0)},
    "E52 l1": {},
    "E53 weight decay": {"weight_decay": 0.5},
    "E54 max-norm": {"max_norm": 0.8},
    "E55 label smoothing": {"smoothing": 0.2},
    "E56 input noise": {"noise": 0.3},
    "E57 clipping": {"clip_norm": 0.3},
    "E58 clipping per example": {"clip_example_norm": 0.4},
    "rates of layers": {"layer_rates": (0.5, 2.0, 1.0)},
    "frozen": {"layer_rates": (1.0, 0.0, 1.0)},
    "all": {
        "dropout": (0.1, 0.3, 0.3),
        "weight_decay": 0.5,
        "max_norm": 0.8,
        "smoothing": 0.2,
        "noise": 0.3,
        "clip_norm": 0.3,
        "clip_example_norm": 0.5,
        "layer_rates": (0.0, 2.0, 0.5),
    },
}
RULE = Momentum(0.8)
mask, normals = cache(masks.mask), cache(masks.normals)  # the same ones at each θ of a difference


@dataclass(frozen=True)
class Setting:
    option: str
    bias: bool
    weighted: bool

    @property
    def options(self) -> StepOptions:
        return StepOptions(**OPTIONS[self.option], seed=2**40 + 7)

    def net(self, backend: str = "reference", dtype: str = "float64") -> cr.Network:
        cost, last = "cross_entropy", "softmax"
        reduction = "sum" if self.bias == self.weighted else "mean"
        net = cr.Network(
            SIZES, ["tanh", "softplus", last], cost, bias=self.bias, reduction=reduction, dtype=dtype, seed=3,
            backend=backend,
        )  # fmt: skip
        for b in net.b.values():
            b[...] = np.linspace(-0.5, 0.5, len(b))
        return net

    def data(self, net: cr.Network) -> DataSet:
        rng = np.random.default_rng(1)
        weights = rng.uniform(0.2, 2, ROWS).astype(net.dtype) if self.weighted else None
        targets = check_targets(rng.integers(0, 3, ROWS), ROWS, net.plan)
        return DataSet(rng.standard_normal((ROWS, SIZES[0])).astype(np.float32), targets, weights, np.arange(ROWS))

    def course(self, data: DataSet) -> Course:
        """Steps that differ in every number."""
        rng = np.random.default_rng(2)
        batches = data.batches(8, rng.permutation(ROWS))
        rates, penalties, factors, l1 = rng.uniform(0.5, 1, (4, len(batches)))
        l1 *= 0.05 if self.option in ("E52 l1", "all") else 0
        return Course(batches, 0.2 * rates, 0.1 * penalties, factors, l1, FIRST)


SETTINGS = [
    Setting(option, bias, weighted) for option in OPTIONS for bias in (True, False) for weighted in (True, False)
]


def written_out(net, theta, X, Y, options, step):
    """C_i as this step sees the rows, (m,): noise, masks and smoothing, one formula after the other."""
    W, b = net.plan.split(theta)
    p = options.dropout or (0.0,) * net.L
    a = X
    if options.noise:
        a = a + options.noise * normals(a.shape, options.seed, step, "float64")
    for layer in net.plan.layers:
        if p[layer - 1]:
            a = a * mask(p[layer - 1], a.shape, options.seed, step, layer - 1, "float64")
        z = a @ W[layer] + b.get(layer, 0)
        a = net.plan.activation(layer).value(z)
    y = (1 - options.smoothing) * Y + options.smoothing / 3
    return -(y * np.log(a)).sum(axis=1)


def expected_gradient(net, theta, batch, options, step, factor, penalty, l1):
    """C, ‖g‖ before and g after clipping (E57), from differences of each example's cost."""
    X, Y, weights = batch
    rates = np.array([options.rate_of(layer) for layer in of_parameters(net.plan)])
    units = np.eye(len(theta))
    slopes = np.stack(
        [derivative_along(lambda t: written_out(net, t, X, Y, options, step), theta, unit) for unit in units], axis=1
    )
    slopes[:, rates == 0] = 0
    w = np.ones(len(X)) if weights is None else weights
    c = w / w.sum() if net.plan.reduction == "mean" else w
    cost = (c * written_out(net, theta, X, Y, options, step)).sum()
    for i, slope in enumerate(slopes):
        c[i] *= min(1, options.clip_example_norm / np.linalg.norm(slope))
    is_weight = net.plan.is_weight == 1
    g = factor * (c @ slopes) + np.where(is_weight, penalty * theta + l1 * np.sign(theta), 0)
    g[rates == 0] = 0
    norm = np.linalg.norm(g)
    return cost, norm, g * min(1, options.clip_norm / norm)


def of_parameters(plan):
    """The layer of each entry of θ."""
    layers = np.zeros(plan.n_parameters, dtype=int)
    for blocks in (plan.weight_blocks, plan.bias_blocks):
        for layer, at in blocks.items():
            layers[at.start : at.stop] = layer
    return layers


def expected_update(net, rule, states, theta, g, rate, options):
    """θ after a step whose layers are worked one by one, each with its own rate and state."""
    theta, layers = theta.copy(), of_parameters(net.plan)
    for layer in net.plan.layers:
        own, eta = layers == layer, rate * options.rate_of(layer)
        if eta == 0:
            continue
        shrunk = theta[own] * (1 - eta * options.weight_decay * net.plan.is_weight[own])
        states[layer], theta[own] = rule.update(states[layer], shrunk, g[own], eta)
        for column in net.plan.split(theta)[0][layer].T:
            column *= min(1, options.max_norm / np.linalg.norm(column))
    return theta


@cache
def expected(setting):
    """Costs, norms, and θ after each step, in float64."""
    net, options = setting.net(), setting.options
    data, theta = setting.data(net), net.parameters.copy()
    course, layers = setting.course(data), of_parameters(net.plan)
    states = {at: RULE.initial(theta[layers == at], net.plan.is_weight[layers == at]) for at in net.plan.layers}
    costs, norms = [], []
    for step, rows in enumerate(course.batches):
        numbers = course.factors[step], course.penalties[step], course.l1[step]
        cost, norm, g = expected_gradient(net, theta, data.gather(rows), options, FIRST + step, *numbers)
        theta = expected_update(net, RULE, states, theta, g, course.rates[step], options)
        costs.append(cost)
        norms.append(norm)
    return np.array(costs), np.array(norms), theta


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_steps_are_those_written_out(setting, backend, dtype):
    net = setting.net(backend, dtype)
    data, now = setting.data(net), Progressed(net.parameters.copy())
    state = RULE.initial(now.parameters, net.plan.is_weight)
    steps = stepper(net, data, RULE, state, now.parameters, 8, setting.options)
    assert isinstance(steps, WholeEpoch) == (backend == "native")
    taken = steps.run(setting.course(data), now)
    costs, norms, theta = expected(setting)
    # differences leave 1e-9 of a slope; three steps in float32, with sums of some ten terms of size 1
    tolerance = 1e-7 if dtype == "float64" else 2e-5
    assert now.parameters.dtype == dtype
    np.testing.assert_allclose(taken.costs, costs, rtol=tolerance)
    np.testing.assert_allclose(taken.norms, norms, rtol=tolerance)
    np.testing.assert_allclose(now.parameters, theta, rtol=tolerance, atol=tolerance)


def test_options_change_what_a_step_does():
    """Else the test above may hold for steps that leave an option out."""
    plain = {at: replace(at, option="E52 l1") for at in SETTINGS}
    for setting, other in plain.items():
        if setting.option == "E52 l1":
            continue
        assert np.abs(expected(setting)[2] - expected(other)[2]).max() > 1e-3, setting


# --- rates of layers, with every rule ---------------------------------------------------------------------------------
@pytest.mark.parametrize("layer_rates", [(0.5, 2.0, 1.0), (0.5, 0.0, 2.0), (0.0, 3.0, 3.0)])
@pytest.mark.parametrize("name", RULES)
def test_each_rule_takes_a_layer_s_rate(name, layer_rates):
    net, rule = SETTINGS[0].net(), RULES[name]()
    options, layers = StepOptions(layer_rates=layer_rates), of_parameters(net.plan)
    rng, theta = np.random.default_rng(0), net.parameters.copy()
    is_weight = net.plan.is_weight
    state = rule.initial(theta, is_weight)
    alone = {at: (rule.initial(theta[layers == at], is_weight[layers == at]), theta[layers == at]) for at in (1, 2, 3)}
    first = theta
    for _ in range(4):
        g = rng.standard_normal(len(theta))
        state, theta = apply_update(rule, state, theta, g, 0.05, options, net.plan)
        for at, (before, own) in alone.items():
            alone[at] = rule.update(before, own, g[layers == at], 0.05 * options.rate_of(at))
    for at in (1, 2, 3):
        own = layers == at
        if options.rate_of(at) == 0:
            np.testing.assert_array_equal(theta[own], first[own])
            for vector in vectors(state, len(theta)):
                if vector is not vectors(state, len(theta))[-1] or name != "adamw":  # whose last is where weights are
                    assert not vector[own].any()
        else:
            np.testing.assert_allclose(theta[own], alone[at][1], rtol=1e-13)  # products in another order


def vectors(state, n):
    """The vectors like θ of a rule's state."""
    if isinstance(state, tuple):
        return [vector for part in state for vector in vectors(part, n)]
    return [state] if np.shape(state) == (n,) else []


@pytest.mark.parametrize("backend", BACKENDS)
def test_frozen_layers_and_their_state_keep_their_bits(backend):
    setting = Setting("frozen", True, True)
    net, rule = setting.net(backend, "float32"), cr.Adam()
    options = replace(setting.options, dropout=(0.2, 0.2, 0.2), weight_decay=0.1, max_norm=0.1, clip_norm=0.1)
    data, now = setting.data(net), Progressed(net.parameters.copy())
    state = rule.initial(now.parameters, net.plan.is_weight)
    steps = stepper(net, data, rule, state, now.parameters, 8, options)
    steps.run(setting.course(data), now)
    frozen = of_parameters(net.plan) == 2
    np.testing.assert_array_equal(now.parameters[frozen], net.parameters[frozen])
    assert not steps.state.first[frozen].any()
    assert not steps.state.second[frozen].any()
    assert (now.parameters[~frozen] != net.parameters[~frozen]).all()
    assert steps.state.step == 3


class OfOneRate(SGD):
    """A user's own rule, which takes a number."""

    def update(self, state, parameters, gradient, rate):
        return state, parameters - gradient * float(rate)


class Unshaped(SGD):
    def update(self, state, parameters, gradient, rate):
        return state, np.zeros(3) - 0 * np.sum(rate)


def test_a_rule_of_one_rate_trains_with_frozen_layers_and_says_when_it_needs_several():
    net = SETTINGS[0].net()
    theta, g = net.parameters, np.ones(net.plan.n_parameters)
    _, after = apply_update(OfOneRate(), (), theta, g, 0.1, StepOptions(layer_rates=(0.0, 2.0, 2.0)), net.plan)
    np.testing.assert_array_equal(after, np.where(of_parameters(net.plan) == 1, theta, theta - 0.2))
    n = len(theta)
    for rule, got in ((OfOneRate(), "TypeError: "), (Unshaped(), "parameters of shape (3,). ")):
        with pytest.raises(InputError) as caught:
            apply_update(rule, (), theta, g, 0.1, StepOptions(layer_rates=(1.0, 2.0, 1.0)), net.plan)
        assert str(caught.value).startswith(
            f"optimizer {type(rule).__name__}: expected an update that takes rate as an array ({n},), one entry for "
            f"each parameter, got {got}"
        )
        assert str(caught.value).endswith(
            "Write it entry by entry, or leave layer_rates out; frozen layers need no array."
        )


# --- through cr.train -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_batch_size_holds_from_its_epoch_on(bias, weighted, backend, dtype):
    setting = Setting("E52 l1", bias, weighted)
    at_once, in_turn = setting.net(backend, dtype), setting.net(backend, dtype)
    data = setting.data(at_once)
    options = {"optimizer": "sgd", "learning_rate": 0.1, "shuffle": False, "sample_weight": data.weights, "verbose": 0}
    X, y = data.X, data.targets.values
    history = cr.train(at_once, X, y, epochs=5, batch_size={1: 5, 3: None, 4: 9}, **options)
    costs = [
        cost
        for epochs, size in ((2, 5), (1, None), (2, 9))
        for cost in cr.train(in_turn, X, y, epochs=epochs, batch_size=size, **options).cost
    ]
    np.testing.assert_array_equal(at_once.parameters, in_turn.parameters)
    assert history.cost == costs


ARGUMENTS = {
    "E29 penalty": ({"penalty": 0.1}, {}),
    "E51 dropout": ({"dropout": 0.4}, {"dropout": (0.0, 0.4, 0.4)}),
    "E51 of layers": ({"dropout": {0: 0.3, 2: 0.2}}, {"dropout": (0.3, 0.0, 0.2)}),
    "E52 l1": ({"l1": 0.1}, {}),
    "E53 weight decay": ({"weight_decay": 0.5}, {"weight_decay": 0.5}),
    "E54 max-norm": ({"max_norm": 0.8}, {"max_norm": 0.8}),
    "E55 label smoothing": ({"label_smoothing": 0.2}, {"smoothing": 0.2}),
    "E56 input noise": ({"input_noise": 0.3}, {"noise": 0.3}),
    "E57 clipping": ({"clip_norm": 0.3}, {"clip_norm": 0.3}),
    "E58 clipping per example": ({"clip_example_norm": 0.4}, {"clip_example_norm": 0.4}),
    "rates of layers": ({"layer_rates": {1: 0.5, 2: 2}}, {"layer_rates": (0.5, 2.0, 1.0)}),
    "frozen": ({"frozen": [2]}, {"layer_rates": (1.0, 0.0, 1.0)}),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_train_are_these_options(name, backend):
    arguments, fields = ARGUMENTS[name]
    setting = Setting("E52 l1", True, False)
    net, twin = setting.net(backend), setting.net()
    data, rng = setting.data(net), np.random.default_rng(6)
    key = run_key(np.random.default_rng(6))
    cr.train(net, data.X, data.targets.values, optimizer="sgd", learning_rate=0.1, batch_size=8, epochs=2, seed=rng,
             shuffle=False, verbose=0, **arguments)  # fmt: skip
    options, theta, number = StepOptions(**fields, seed=key), twin.parameters, 0
    for _ in range(2):
        for start in (0, 8, 16):
            rows = np.arange(start, min(start + 8, ROWS))
            share = len(rows) / ROWS if twin.plan.reduction == "sum" else 1
            penalties = {at: share * arguments.get(at, 0) for at in ("penalty", "l1")}
            found = step_gradient(twin, theta, data.gather(rows), options, number, **penalties)
            _, theta = apply_update(SGD(), (), theta, found.flat, 0.1, options, twin.plan)
            number += 1
    np.testing.assert_allclose(net.parameters, theta, atol=1e-13)  # sums in another order


# --- the rest ---------------------------------------------------------------------------------------------------------
def test_smoothing_moves_each_yes_or_no_towards_a_half_and_classes_towards_their_number():
    assert equal_share("cross_entropy", 5) == 0.2
    assert equal_share("binary_cross_entropy", 5) == equal_share("binary_cross_entropy", 1) == 0.5
    with pytest.raises(InputError) as caught:
        equal_share("huber", 1)
    assert str(caught.value) == (
        "label_smoothing: expected a cost of cross_entropy, binary_cross_entropy, got huber. "
        "Leave label_smoothing out: the targets of this cost are no probabilities."
    )


def test_several_logistic_outputs_are_smoothed_one_by_one():
    net = cr.Network([2, 3], "logistic", "binary_cross_entropy", dtype="float64")
    Y = np.array([[0.0, 1.0, 1.0]])
    seen = regularized.see(net.plan, np.ones((1, 2)), Y, StepOptions(smoothing=0.2), 0)
    np.testing.assert_allclose(seen.Y, [[0.1, 0.9, 0.9]], rtol=1e-15)  # a rounding of 0.8 + 0.1


@pytest.mark.parametrize("option", OPTIONS)
def test_sparse_rows_give_what_dense_ones_give(option):
    setting = Setting(option, True, True)
    net = setting.net()
    X, Y, weights = setting.data(net).take(slice(0, 8))
    dense, sparse = (
        step_gradient(net, net.parameters, (rows, Y, weights), setting.options, 4)
        for rows in (X, scipy.sparse.csr_array(X))
    )
    assert dense.cost == pytest.approx(sparse.cost, rel=1e-14)  # sums in another order
    np.testing.assert_allclose(dense.flat, sparse.flat, rtol=1e-12, atol=1e-14)  # that of terms that cancel


@pytest.mark.parametrize("option", ["E51 dropout", "E51 of inputs", "E58 clipping per example", "all"])
def test_passes_that_are_kept_are_those_of_the_step(option):
    setting = Setting(option, True, True)
    net, options = setting.net(), setting.options
    batch = X, Y, weights = setting.data(net).take(slice(0, 8))
    kept = step_gradient(net, net.parameters, batch, options, 4, keep=True)
    alone = step_gradient(net, net.parameters, batch, options, 4)
    assert kept.cost == pytest.approx(alone.cost, rel=1e-14)  # sums in another order
    np.testing.assert_allclose(kept.flat, alone.flat, rtol=1e-12, atol=1e-14)  # as above
    for layer, p in enumerate(options.dropout):
        if p:
            M = masks.mask(p, kept.run.a[layer].shape, options.seed, 4, layer, "float64")
            np.testing.assert_array_equal(kept.run.a[layer] == 0, M == 0)
    numeric = np.stack(
        [derivative_along(lambda x: written_out(net, net.parameters, x, Y, options, 4), X, unit * np.ones_like(X))
         for unit in np.eye(X.shape[1])], axis=1,
    )  # fmt: skip
    np.testing.assert_allclose(kept.back.x, numeric, atol=1e-8)  # what differences leave


def test_the_specification_is_array_api_alone():
    setting = Setting("all", True, True)
    net = setting.net()
    X, Y, weights = setting.data(net).take(slice(0, 8))
    strict = [array_api_strict.asarray(array) for array in (net.parameters, X, Y, weights)]
    cost, gradient = regularized.value_and_gradient(net.plan, *strict, setting.options, 4)
    run, back = regularized.passes(net.plan, *strict, setting.options, 4)
    expected_cost, expected = regularized.value_and_gradient(
        net.plan, net.parameters, X, Y, weights, setting.options, 4
    )
    assert float(cost) == pytest.approx(float(expected_cost), rel=1e-14)  # sums in another order
    for flat in (gradient.flat, back.flat):
        np.testing.assert_allclose(np.asarray(flat), expected.flat, rtol=1e-12, atol=1e-14)  # as above
    assert run.a[1].shape == (8, SIZES[1])


def test_no_options_leave_the_plain_step():
    net = SETTINGS[0].net()
    X, Y, weights = SETTINGS[0].data(net).take(slice(0, 8))
    plain = reference.value_and_gradient(net.plan, net.parameters, X, Y, weights)
    found = regularized.value_and_gradient(net.plan, net.parameters, X, Y, weights, StepOptions(), 0)
    assert found[0] == plain[0]
    np.testing.assert_array_equal(found[1].flat, plain[1].flat)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_by_the_core_is_training_in_python(dtype):
    """Wide enough for several groups of masks (E51); epochs and shuffling as `cr.train` has them."""
    if "native" not in BACKENDS:
        pytest.skip("the compiled core is not built")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 70)), rng.integers(0, 3, 60)
    nets = [
        cr.Network([70, 150, 3], ["tanh", "softmax"], "cross_entropy", dtype=dtype, seed=1, backend=backend)
        for backend in BACKENDS
    ]
    histories = [
        cr.train(
            net, X, y, epochs=2, batch_size=16, optimizer="momentum", learning_rate=0.01, dropout={0: 0.2, 1: 0.5},
            input_noise=0.1, label_smoothing=0.1, l1=1e-3, weight_decay=0.1, max_norm=1.0, clip_norm=2.0,
            clip_example_norm=1.0, layer_rates={2: 0.5}, verbose=0,
        )
        for net in nets
    ]  # fmt: skip
    tolerance = 1e-9 if dtype == "float64" else 1e-4  # as Promises 4 has it after steps; sums of 150 terms of size 1
    np.testing.assert_allclose(histories[0].cost, histories[1].cost, rtol=tolerance)
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, atol=tolerance)


def test_steps_in_python_are_taken_where_terms_or_a_watcher_ask_for_them():
    setting = SETTINGS[0]
    net = setting.net()
    assert isinstance(
        stepper(net, setting.data(net), RULE, (), net.parameters, 8, setting.options, (object(),)), StepByStep
    )
