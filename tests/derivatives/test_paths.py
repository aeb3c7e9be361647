"""(E12) and (E13): sums over paths against (E6), and the largest paths against all of them, enumerated one by one."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import all_problems, named
from chainrule import Network
from chainrule import derivatives as d
from chainrule.errors import InputError

ROUNDING = 1e-13  # of the sum of magnitudes: each path is a product of at most a dozen factors, and E6 adds hundreds


def weights_of(net):
    for layer in net.W:
        for j, k in itertools.product(range(net.sizes[layer]), range(net.sizes[layer - 1])):
            yield layer, j, k


def every_path(net, x, y, weight):
    """Each path's units and value, by going through them one after the other."""
    layer, j, k = weight
    run = net.forward(x[None])
    back = net.backward(run, y[None])
    for ends in itertools.product(*(range(n) for n in net.sizes[layer + 1 :])):
        units = (j, *ends)
        value = back.delta[net.L][0, units[-1]] * run.a[layer - 1][0, k]
        for q in range(layer, net.L):
            at, above = units[q - layer], units[q - layer + 1]
            value *= net.W[q + 1][at, above] * net.plan.activation(q).derivative(run.z[q])[0, at]
        yield (k, *units), float(value)


@pytest.mark.parametrize("name", list(named()))
def test_E12_equals_E6_on_every_weight_of_the_networks_named_in_the_equations(name):
    problem = named()[name]
    net, x, y = problem.net, problem.X[0], problem.Y[0]
    back = net.backward(net.forward(x[None]), y[None])
    for layer, j, k in weights_of(net):
        found = d.path_sum(net, x, y, (layer, j, k))
        assert found.by_dynamic_programming == pytest.approx(back.W[layer][k, j], rel=1e-12, abs=1e-300)
        assert abs(found.value - found.by_dynamic_programming) <= ROUNDING * found.magnitude
        assert found.n_paths == math.prod(net.sizes[layer + 1 :])


ELEMENTWISE = {
    name: problem
    for name, problem in all_problems().items()
    if not any(g.coupled for g in problem.plan.activations[:-1]) and math.prod(problem.net.sizes[2:]) <= 100_000
}


@pytest.mark.parametrize("name", list(ELEMENTWISE)[6::3])
def test_E12_equals_E6_for_every_activation_and_cost(name):
    problem = ELEMENTWISE[name]
    net, x, y = problem.net, problem.X[-1], problem.Y[-1]
    rng = np.random.default_rng(0)
    for layer in net.W:
        weight = (layer, int(rng.integers(net.sizes[layer])), int(rng.integers(net.sizes[layer - 1])))
        found = d.path_sum(net, x, y, weight)
        assert abs(found.value - found.by_dynamic_programming) <= ROUNDING * found.magnitude


@given(data=st.data(), sizes=st.lists(st.integers(1, 4), min_size=2, max_size=5), k=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_top_paths_are_the_largest_of_all_paths(data, sizes, k):
    relu = data.draw(st.booleans())  # dead units: paths that are 0
    net = Network(sizes, ["relu" if relu else "tanh"] * (len(sizes) - 2) + ["identity"], dtype="float64", seed=k)
    rng = np.random.default_rng(k)
    x, y = rng.standard_normal(sizes[0]), rng.standard_normal(sizes[-1])
    layer = data.draw(st.integers(1, net.L))
    weight = (layer, data.draw(st.integers(0, sizes[layer] - 1)), data.draw(st.integers(0, sizes[layer - 1] - 1)))
    everything = dict(every_path(net, x, y, weight))
    top = d.top_paths(net, x, y, weight, k=k)
    assert len(top) == min(k, len(everything))
    assert len({path.units for path in top}) == len(top)
    sizes_found = [abs(path.value) for path in top]
    expected = sorted((abs(value) for value in everything.values()), reverse=True)[: len(top)]
    np.testing.assert_allclose(sizes_found, expected, rtol=1e-12, atol=0)
    total = d.path_sum(net, x, y, weight).value
    for path in top:
        assert path.value == pytest.approx(everything[path.units], rel=1e-12, abs=0)
        assert math.prod(factor.value for factor in path.factors) == path.value
        assert path.share == pytest.approx(path.value / total, rel=1e-9) if total else math.isnan(path.share)
    if len(top) == len(everything):
        assert math.fsum(path.value for path in top) == pytest.approx(total, rel=1e-9, abs=1e-15)


def test_top_paths_of_a_network_whose_paths_no_one_could_enumerate():
    net = Network([8, 300, 300, 300, 300, 10], ["tanh"] * 4 + ["identity"], dtype="float64", seed=1)
    x, y = np.linspace(-1, 1, 8), np.zeros(10)
    run = net.forward(x[None])
    largest = np.abs(net.backward(run, y[None]).delta[5][0])  # from each unit to the output, layer by layer
    for q in (4, 3, 2, 1):
        largest = np.abs((1 - run.a[q][0] ** 2)[:, None] * net.W[q + 1] * largest).max(axis=1)
    top = d.top_paths(net, x, y, (1, 3, 2), k=300)
    assert abs(top[0].value) == pytest.approx(largest[3] * abs(x[2]), rel=1e-12)
    sizes = [abs(path.value) for path in top]
    assert sizes == sorted(sizes, reverse=True)
    assert len({path.units for path in top}) == 300


def test_more_layers_than_an_array_has_axes():
    net = Network([1] * 80, "identity", dtype="float64", bias=False)
    net.parameters = np.linspace(0.9, 1.1, 79)
    found = d.path_sum(net, [0.5], [1.0], (1, 0, 0))
    assert found.n_paths == 1
    assert found.value == pytest.approx(found.by_dynamic_programming, rel=1e-12)
    assert len(d.top_paths(net, [0.5], [1.0], (1, 0, 0))[0].factors) == 79 + 78 + 2


def test_E13_counts():
    net = Network([3, 2, 4, 3, 2])
    assert d.path_count(net, 1) == 2 * 4 * 3 * 2
    assert d.path_count(net, 4) == 2
    assert d.multiplication_count(net, 1) == (336, 37)
    assert d.multiplication_count(net, 4) == (2, 2)  # δ^L itself
    chain = Network([1, 1, 1, 1])
    for layer in (1, 2, 3):  # on a chain of single units they are equal
        assert d.multiplication_count(chain, layer).paths == d.multiplication_count(chain, layer).dynamic_programming
    assert d.path_sum(net, [1, 2, 3], [0, 1], (1, 0, 0)).multiplications == (336, 37)


def test_E14_the_chain_of_003_is_one_path_of_five_factors_and_more():
    net = Network([1, 1, 1], "logistic", dtype="float64", seed=3)
    (path,) = d.top_paths(net, [0.3], [1.0], weight=(1, 0, 0))
    run = net.forward([[0.3]])
    a1, a2 = float(run.a[1][0, 0]), float(run.a[2][0, 0])
    assert [factor.name for factor in path.factors] == ["∂C/∂a^2_0", "g_2'(z^2_0)", "W^2_0,0", "g_1'(z^1_0)", "a^0_0"]
    expected = [2 * (a2 - 1), a2 * (1 - a2), float(net.W[2][0, 0]), a1 * (1 - a1), 0.3]
    np.testing.assert_allclose([factor.value for factor in path.factors], expected, rtol=1e-12)
    assert path.units == (0, 0, 0)
    assert path.share == pytest.approx(1, rel=1e-12)
    assert str(path).startswith(f"{path.value:.6g} = ∂C/∂a^2_0 ({2 * (a2 - 1):.4g}) · g_2'(z^2_0) (")
    assert str(path).endswith("100.0% of the derivative")


def test_paths_that_cancel():
    net = Network([1, 1, 2, 1], "identity", dtype="float64", initializer="zeros")
    net.W[1][...], net.W[2][...], net.W[3][...] = 1.0, [[1.0, 1.0]], [[3.0], [-2.0]]
    found = d.path_sum(net, [1.0], [0.0], weight=(1, 0, 0))  # a^L = 1, ∂C/∂a = 2: paths 6 and −4
    assert (found.value, found.magnitude, found.n_paths) == (2.0, 10.0, 2)
    assert found.cancellation == pytest.approx(0.8)
    shares = [path.share for path in d.top_paths(net, [1.0], [0.0], weight=(1, 0, 0))]
    assert shares == [3.0, -2.0]
    dead = d.path_sum(net, [0.0], [0.0], weight=(1, 0, 0))  # every path has the factor a^0 = 0
    assert (dead.value, dead.cancellation) == (0.0, 0.0)
    for path in d.top_paths(net, [0.0], [0.0], weight=(1, 0, 0)):
        assert math.isnan(path.share)
        assert str(path).endswith("· a^0_0 (0)")  # a share of nothing isn't printed


@pytest.mark.parametrize(
    ("activations", "cost", "names"),
    [
        (["tanh", "softmax"], "squared_error", ["δ^2_1", "a^1_2"]),
        (["tanh", "softmax"], "cross_entropy", ["δ^2_1", "a^1_2"]),
        (["tanh", "logistic"], "binary_cross_entropy", ["δ^2_1", "a^1_2"]),
        (["tanh", "logistic"], "squared_error", ["∂C/∂a^2_1", "g_2'(z^2_1)", "a^1_2"]),
    ],
)
def test_what_a_path_ends_in(activations, cost, names):
    net = Network([3, 4, 2], activations, cost, seed=2)  # float32: paths are computed in float64 all the same
    (path,) = d.top_paths(net, [[1.0, 2.0, 3.0]], 1 if "entropy" in cost else [0.0, 1.0], weight=(2, 1, 2))
    assert [factor.name for factor in path.factors] == names
    assert path.value == pytest.approx(float(net.backward(net.forward([[1, 2, 3]]), [[0.0, 1.0]]).W[2][2, 1]), rel=1e-5)


GOOD = Network([3, 4, 2], ["tanh", "identity"], dtype="float64")
HUGE = Network([1, 1, 2, 1], "identity", bias=False, dtype="float64")
HUGE.parameters = [1, 1e200, 0, 1e200, 1e200]
NOT_A_WEIGHT = (
    "expected three whole numbers (layer, j, k), got {}. For example weight=(1, 0, 0): from input 0 to unit 0"
)
FROM_TO = "It is (layer, j, k): the weight leads from unit k of the layer below to unit j, both counted from 0."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.path_sum(GOOD, [1, 2, 3], [0, 1], 5), f"weight: {NOT_A_WEIGHT.format(5)} of layer 1."),
        (lambda: d.path_sum(GOOD, [1, 2, 3], [0, 1], (1, 0)), f"weight: {NOT_A_WEIGHT.format((1, 0))} of layer 1."),
        (
            lambda: d.top_paths(GOOD, [1, 2, 3], [0, 1], (1, 0.5, 0)),
            f"weight: {NOT_A_WEIGHT.format((1, 0.5, 0))} of layer 1.",
        ),
        (
            lambda: d.path_sum(GOOD, [1, 2, 3], [0, 1], (3, 0, 0)),
            "weight[0]: expected a layer 1 to 2, got 3. Layers are counted from 1; layer 0 is the input.",
        ),
        (
            lambda: d.path_sum(GOOD, [1, 2, 3], [0, 1], (2, 2, 0)),
            f"weight[1]: expected a unit 0 to 1 of layer 2, got 2. {FROM_TO}",
        ),
        (
            lambda: d.top_paths(GOOD, [1, 2, 3], [0, 1], (2, 1, -1)),
            f"weight[2]: expected a unit 0 to 3 of layer 1, got -1. {FROM_TO}",
        ),
        (
            lambda: d.path_sum(GOOD, [1, 2, 3], [0, 1], (1, 0, 0), limit=1),
            "weight (1, 0, 0): expected at most limit=1 paths, got 2. top_paths finds the largest of them without "
            "enumerating; or make limit larger.",
        ),
        (
            lambda: d.path_sum(GOOD, [1, 2, 3], [0, 1], (1, 0, 0), limit=0),
            "limit: expected a whole number ≥ 1, got 0. It is a number of paths.",
        ),
        (
            lambda: d.top_paths(GOOD, [1, 2, 3], [0, 1], (1, 0, 0), k=0),
            "k: expected a whole number ≥ 1, got 0. It is how many paths to give.",
        ),
        (
            lambda: d.path_sum(GOOD, np.ones((2, 3)), [0, 1], (1, 0, 0)),
            "x: expected one example, got 2 rows. Give one of them, x[0].",
        ),
        (
            lambda: d.path_sum(GOOD, [1, 2], [0, 1], (1, 0, 0)),
            "x: expected 3 columns, one for each of the network's inputs, got shape (1, 2). Give the columns that the "
            "network was made for, in the same order.",
        ),
        (
            lambda: d.path_sum(GOOD, [1, 2, 3], 2, (1, 0, 0)),
            "y[0]: expected a class index 0 to 1, got 2. The network has 2 outputs; count classes from 0, or make the "
            "last of its sizes larger.",
        ),
        (
            lambda: d.path_sum(Network([3, 4, 2], ["softmax", "identity"]), [1, 2, 3], [0, 1], (1, 0, 0)),
            "weight (1, 0, 0): expected elementwise activations in layers 1 to 1, through which paths lead unit by "
            "unit, got softmax in layer 1. net.backward takes the whole ∂a/∂z there (E6).",
        ),
        (
            lambda: d.path_sum(HUGE, [1e-300], [1e150], (1, 0, 0)),
            "weight (1, 0, 0): expected products that float64 holds, got a path whose product is infinite or undefined. "
            "Scale x, or the network's weights.",
        ),
        (
            lambda: d.top_paths(HUGE, [1e-300], [1e150], (1, 0, 0)),
            "weight (1, 0, 0): expected products that float64 holds, got a path whose product is infinite or undefined. "
            "Scale x, or the network's weights.",
        ),
        (
            lambda: d.path_sum(GOOD, [[1], [2, 3]], [0, 1], (1, 0, 0)),
            "x: expected a rectangular array, got rows of unequal length. Every row needs the same number of entries.",
        ),
        (
            lambda: d.path_count(GOOD, 0),
            "layer: expected a layer 1 to 2, got 0. Layers are counted from 1; layer 0 is the input.",
        ),
        (
            lambda: d.multiplication_count(GOOD, "first"),
            "layer: expected a layer 1 to 2, got 'first'. Layers are counted from 1; layer 0 is the input.",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value) == message
