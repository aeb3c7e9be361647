"""What `cr.diagnose` says of networks whose illness is made by hand, and of trainings that really diverge."""

import json
import math
import re
import textwrap
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array

import chainrule as cr
from cases import BACKENDS
from chainrule import diagnose
from chainrule.errors import DivergenceWarning, InputError
from chainrule.glassbox.diagnosis.health import usual_slope
from chainrule.maths.activations import activation

DTYPES = ("float32", "float64")
X = np.random.default_rng(0).standard_normal((200, 4))
Y = np.sin(X @ [1.0, -2.0, 0.5, 0.0])
ROUNDING = {"float32": 1e-5, "float64": 1e-12}  # of sums of some tens of terms, and of what is made of them


def kinds(diagnosis):
    return [(finding.kind, finding.layer, finding.units) for finding in diagnosis.findings]


def steep(slope):
    return cr.Activation(f"times {slope:g}", lambda z: slope * z, lambda z: slope * np.ones_like(z))


# --- units (E2, E6) ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_healthy_network_has_no_findings_and_its_numbers_are_those_of_the_passes(dtype, backend):
    net = cr.Network([4, 8, 5, 1], ["relu", "tanh", "identity"], dtype=dtype, backend=backend)
    found = diagnose(net, X, Y)
    assert found.findings == ()
    assert found.overflow is None
    run = net.forward(X)
    back = net.backward(run, Y)
    for layer, health in found.layers.items():
        slopes = np.abs(net.plan.activation(layer).derivative(run.z[layer]))
        np.testing.assert_array_equal(health.z_low, run.z[layer].min(axis=0))
        np.testing.assert_array_equal(health.z_high, run.z[layer].max(axis=0))
        np.testing.assert_array_equal(health.a_low, run.a[layer].min(axis=0))
        np.testing.assert_array_equal(health.a_high, run.a[layer].max(axis=0))
        np.testing.assert_array_equal(health.slope_high, slopes.max(axis=0))
        np.testing.assert_array_equal(health.flat_rows, (slopes < 0.01).sum(axis=0))  # the largest for |z| ≤ 1 is 1
        rms = np.sqrt((back.delta[layer].astype("float64") ** 2).mean())
        assert health.rms_delta == pytest.approx(rms, rel=ROUNDING[dtype])
        assert (health.n, health.rows) == (net.sizes[layer], len(X))
    layers = found.layers
    assert layers[3].ratio is None
    assert layers[1].ratio == layers[1].rms_delta / layers[2].rms_delta


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_relu_whose_bias_keeps_it_below_0_is_dead_and_why_says_so(dtype, backend):
    net = cr.Network([4, 12, 16, 1], ["tanh", "relu", "identity"], dtype=dtype, backend=backend)
    net.b[2][12], net.b[2][3] = -40, -50
    found = diagnose(net, X, Y)
    assert kinds(found) == [("dead", 2, (3, 12))]
    (finding,) = found.findings
    z = net.forward(X).z[2]
    assert finding.equation == "E6"
    assert finding.evidence == {
        "units": 2,
        "z_low": z[:, [3, 12]].min(),
        "z_high": z[:, [3, 12]].max(),
        "held by their bias": 2,
    }
    assert finding.text.startswith(
        "2 of 16 units of layer 2 (relu) are dead: units 3 and 12. g'(z) is 0 in all 200 rows, so that δ = 0 (E6) and the "
        "weights into them never change (E7). z lies between "
    )
    assert finding.text.endswith("; their bias alone keeps all of them there.")
    assert finding.remedy == (
        "Set the bias to 0 where it is the cause, net.b[2][[3, 12]] = 0, and lower learning_rate if training made it so "
        "large."
    )
    assert found.why(2, 12) == (
        f"unit 12 of layer 2 (relu) is dead: its slope g'(z) is 0 in all 200 rows, where z lies between {z[:, 12].min():.3g} "
        f"and {z[:, 12].max():.3g} (E1) and a is 0 (E2); so δ = 0 (E6), and the weights into it never change (E7). Its "
        "bias, -40, alone keeps it there."
    )
    net.b[2][[3, 12]] = 0  # what the remedy says
    assert diagnose(net, X, Y).findings == ()


def test_a_relu_that_is_dead_by_its_weights_has_another_remedy():
    net = cr.Network([4, 3, 2, 1], ["logistic", "relu", "identity"], dtype="float64")
    net.W[2][:, 1] = -1  # a^1 > 0
    found = diagnose(net, X, Y)
    assert kinds(found) == [("dead", 2, (1,))]
    assert found.findings[0].remedy == (
        'Lower learning_rate if training made them so; else initializer="he_uniform", or "leaky_relu" in activations for '
        "layer 2."
    )
    assert found.why(2, 1).endswith("and the weights into it never change (E7).")


def test_units_that_hear_only_silent_ones_are_said_to():
    net = cr.Network([4, 3, 2, 1], ["relu", "relu", "identity"], dtype="float64")
    net.b[1][...], net.b[2][...] = -50, (0.5, 0.0)
    found = diagnose(net, X, Y)
    # z^2 is b^2 in every row: unit 0 has a slope and never varies, unit 1 is at the kink, where relu'(0) = 0
    assert kinds(found) == [("vanishing", 1, ()), ("dead", 1, (0, 1, 2)), ("dead", 2, (1,)), ("constant", 2, (0,)), ("constant", 3, (0,))]  # fmt: skip
    assert found.layers[1].rms_delta == 0
    assert found.why(2, 1).endswith(" 3 of 3 units of layer 1, which it hears, are dead or constant.")
    assert found.why(2, 0) == (
        "unit 0 of layer 2 (relu) is constant: a is 0.5 in all 200 rows (E2). 3 of 3 units of layer 1, which it hears, are "
        "dead or constant."
    )
    assert found.findings[3].remedy == "Nothing that varies reaches them: see layer 1."
    assert found.findings[0].remedy == "Most units of layer 1 are dead or saturated: see there."
    assert found.findings[0].text == (
        f"δ vanishes in layer 1: its root mean square goes from {found.layers[3].rms_delta:.3g} in layer 3 to 0 in layer 1 (E6); "
        "the steepest step, 0, is from layer 2 to 1."
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("name", "largest", "end"),
    # σ'(z) = 0.0025 where e^−z/(1 + e^−z)² is; 1 − tanh² z = 0.01; 1/(1 + |z|)² = 0.01
    [("logistic", 0.25, 5.988866), ("tanh", 1.0, math.atanh(math.sqrt(0.99))), ("softsign", 1.0, 9.0)],
)
def test_a_unit_is_saturated_from_the_z_on_at_which_its_slope_is_a_hundredth_of_the_largest(
    name, largest, end, backend
):
    net = cr.Network([1, 3, 1], [name, "identity"], dtype="float64", backend=backend, bias=False)
    net.W[1][...] = (1.001 * end, 0.999 * end, 1)
    found = diagnose(net, [[1.0], [-1.0]], [0.0, 1.0])
    assert kinds(found) == [("saturated", 1, (0,))]
    assert found.layers[1].usual_slope == largest
    (finding,) = found.findings
    assert finding.equation == "E6"
    assert finding.text == (
        f"1 of 3 units of layer 1 ({name}) is saturated: unit 0. g'(z) is under {largest / 100:.3g} in at least 2 of "
        f"2 rows (its largest for |z| ≤ 1 is {largest:.3g}), so that little of δ gets through (E6). |z| reaches "
        f"{1.001 * end:.3g}."
    )
    assert finding.remedy == (
        'Draw smaller weights, such as those of initializer="glorot_uniform"; if training made them large, lower '
        "learning_rate, or give a penalty."
    )
    assert " is saturated: its slope g'(z) is at most " in found.why(1, 0)
    assert kinds(diagnose(net, [[1.0], [-1.0]], [0.0, 1.0], saturated_slope=0.0099)) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_small_slope_of_leaky_relu_is_no_saturation(dtype):
    net = cr.Network([4, 6, 1], ["leaky_relu", "identity"], dtype=dtype)
    net.b[1][...] = -50
    assert diagnose(net, X, Y).layers[1].saturated == ()


def test_a_relu_that_is_active_in_few_rows_is_nearly_dead():
    net = cr.Network([1, 1, 1], ["relu", "identity"], dtype="float64", bias=False)
    net.W[1][...] = 1
    rows = np.r_[np.full(199, -2.0), 3.0][:, None]
    found = diagnose(net, rows, rows)
    assert kinds(found) == [("saturated", 1, (0,))]
    assert found.findings[0].text == (
        "1 of 1 units of layer 1 (relu) is nearly dead: unit 0. g'(z) is under 0.01 in at least 199 of 200 rows (its largest for "
        "|z| ≤ 1 is 1), so that little of δ gets through (E6). |z| reaches 3."
    )
    assert found.why(1, 0) == (
        "unit 0 of layer 1 (relu) is nearly dead: its slope g'(z) is at most 1, and under 0.01 in 199 of 200 rows, where z lies "
        "between -2 and 3 (E1) and a between 0 and 3 (E2); little of δ gets through (E6)."
    )


def test_saturated_rows_says_in_how_many():
    net = cr.Network([1, 1, 1], ["tanh", "identity"], dtype="float64")
    net.W[1][...], net.b[1][...] = 1.0, 0.0
    rows = np.r_[np.full(95, 10.0), np.zeros(5)][:, None]
    for share, saturated in ((0.99, ()), (0.95, (0,)), (0.96, ())):
        assert diagnose(net, rows, rows, saturated_rows=share).layers[1].saturated == saturated
    assert diagnose(net, rows, rows).layers[1].flat_rows.tolist() == [95]


def test_columns_of_x_that_are_not_scaled_are_named_where_they_saturate_layer_1():
    net = cr.Network([4, 6, 1], ["tanh", "identity"], dtype="float64")
    net.W[1][2] = 0.5
    found = diagnose(net, X * [1, 1, 300, 1], Y, saturated_rows=0.9)
    assert kinds(found) == [("saturated", 1, tuple(range(6)))]
    reaches = np.abs(300 * X[:, 2]).max()
    assert found.findings[0].remedy == f"Scale the columns of X to about 1: |x| reaches {reaches:.3g} in column 2."


def test_a_bias_that_saturates_is_named():
    net = cr.Network([4, 6, 1], ["logistic", "identity"], dtype="float64")
    net.b[1][4] = 30
    found = diagnose(net, X, Y)
    assert kinds(found) == [("saturated", 1, (4,))]
    assert found.findings[0].text.endswith("Their bias alone keeps it there.")
    assert "net.b[1][[4]] = 0" in found.findings[0].remedy


def test_a_logistic_unit_whose_slope_is_no_number_of_float32_is_dead_there_and_saturated_in_float64():
    for dtype, kind in (("float32", "dead"), ("float64", "saturated")):
        net = cr.Network([1, 1, 1], ["logistic", "identity"], dtype=dtype)
        net.W[1][...], net.W[2][...] = 200, 1  # σ'(200) = 1e-87
        found = diagnose(net, [[1.0], [-1.0]], [0.0, 1.0])
        assert kinds(found)[-1] == (kind, 1, (0,))
        assert found.findings[-1].remedy.startswith(
            'Draw smaller weights, such as those of initializer="glorot_uniform"'
        )


def test_a_unit_without_weights_is_constant():
    net = cr.Network([4, 3, 1], ["tanh", "identity"], dtype="float64")
    net.W[1][:, 1], net.b[1][1] = 0, 0.5
    found = diagnose(net, X, Y)
    assert kinds(found) == [("constant", 1, (1,))]
    assert found.findings[0].text == (
        "1 of 3 units of layer 1 (tanh) is constant: unit 1. a is the same in all 200 rows (E2): each is a bias to the layer "
        "above; all weights into it are 0."
    )
    assert found.findings[0].remedy == ('Draw weights that are not 0, such as those of initializer="glorot_uniform".')
    assert kinds(diagnose(net, X[:1], Y[:1])) == []  # in a single row everything is


def test_constant_columns_of_x_are_said_where_they_make_units_constant():
    net = cr.Network([4, 3, 1], ["tanh", "identity"], dtype="float64")
    found = diagnose(net, np.ones((5, 4)), np.arange(5.0))
    assert found.findings[0].remedy == "Give columns of X that vary."


@pytest.mark.parametrize("name", ["logistic", "tanh", "softsign", "relu", "leaky_relu", "identity", "selu", "elu"])
def test_the_usual_slope_is_the_largest_there_is_where_there_is_one(name):
    g = activation(name)
    assert usual_slope(g, 1, "float64") == pytest.approx(
        g.derivative(np.linspace(-30, 30, 60001)).max(), rel=1e-9
    )  # elu's is at 0−


def test_an_activation_of_ones_own_is_looked_at_by_its_own_slope():
    arctan = cr.Activation("arctan", np.arctan, lambda z: 1 / (1 + z * z))
    net = cr.Network([1, 2, 1], [arctan, "identity"], dtype="float64", bias=False)
    net.W[1][...] = (9.9, 10.0)  # 1/(1 + z²) = 0.01 at z = √99 = 9.95
    assert kinds(diagnose(net, [[1.0], [-1.0]], [0.0, 1.0])) == [("saturated", 1, (1,))]


# --- output layers (E5, E5′) ------------------------------------------------------------------------------------------
def test_the_slopes_of_a_matched_pair_s_output_are_left_out_and_the_reason_is_said():
    net = cr.Network([4, 6, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    net.W[2][...] *= 1e3
    found = diagnose(net, X, np.arange(200) % 3)
    assert kinds(found) == []
    reason = "softmax and cross_entropy are a matched pair: g' is no factor of δ^2 (E5′)"
    assert found.layers[2].left_out == reason
    assert found.layers[2].slope_high is None
    assert f"  – {reason}" in str(found).splitlines()
    assert found.why(2, 1).endswith(f"{reason}.")


def test_a_saturated_output_is_told_of_the_cost_that_matches():
    net = cr.Network([1, 1], "logistic", "squared_error", dtype="float64", bias=False)
    net.W[1][...] = 20
    found = diagnose(net, [[1.0], [-1.0]], [0.0, 1.0])
    assert kinds(found) == [("saturated", 1, (0,))]
    assert found.findings[0].equation == "E5"
    assert found.findings[0].remedy == (
        'Take cost="binary_cross_entropy", with which logistic is a matched pair, whose δ has no factor g\' (E5′); or draw '
        'smaller weights, such as those of initializer="glorot_uniform".'
    )


def test_of_coupled_units_the_length_of_da_dz_is_looked_at():
    net = cr.Network([2, 3], "softmax", "squared_error", dtype="float64", bias=False)
    net.W[1][...] = [[40, 0, 0.1], [0, 40, 0.2]]
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.2]])
    found = diagnose(net, rows, [0, 1, 0])
    a = net.predict(rows)
    jacobians = np.stack([np.diag(row) - np.outer(row, row) for row in a])  # of softmax
    np.testing.assert_allclose(
        found.layers[1].slope_high, np.linalg.norm(jacobians, axis=1).max(axis=0), rtol=1e-9
    )  # 1 − a cancels
    assert kinds(found) == [("saturated", 1, (0, 1, 2))]
    assert found.findings[0].equation == "E5′"
    assert found.findings[0].text.startswith(
        "3 of 3 units of layer 1 (softmax) are saturated: units 0, 1 and 2. ‖∂a/∂z_k‖₂ is"
    )
    assert 'cost="cross_entropy"' in found.findings[0].remedy
    # ‖p(e_k − a)‖₂ with a_k = p and two others of (1 − p)/2 is p(1 − p)√1.5, largest at p = ½, z_k = ln 2
    assert found.layers[1].usual_slope == pytest.approx(
        math.sqrt(1.5) / 4, rel=1e-3
    )  # ln 2 lies between points of the grid


# --- δ by layer (E6) --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_delta_vanishes_in_twelve_logistic_layers(dtype, backend):
    net = cr.Network([4, *[8] * 11, 1], "logistic", dtype=dtype, backend=backend)
    found = diagnose(net, X, (Y > 0).astype(float))
    assert kinds(found) == [("vanishing", 1, ())]
    back = net.backward(net.forward(X), (Y > 0).astype(float))
    rms = {layer: np.sqrt((delta.astype("float64") ** 2).mean()) for layer, delta in back.delta.items()}
    fading = [layer for layer in range(1, 12) if rms[layer] < 1e-3 * rms[12]]
    ratios = {layer: rms[layer] / rms[layer + 1] for layer in range(1, 12)}
    steepest = min(ratios, key=ratios.get)
    (finding,) = found.findings
    assert finding.evidence == pytest.approx(
        {
            "rms": rms[1],
            "rms of layer 12": rms[12],
            "part": rms[1] / rms[12],
            "steepest ratio": ratios[steepest],
            "at layer": steepest,
        },
        rel=12 * ROUNDING[dtype],  # of twelve layers
    )
    assert finding.text == (
        f"δ vanishes in layers {', '.join(map(str, fading[:-1]))} and {fading[-1]}: its root mean square goes from "
        f"{rms[12]:.3g} in layer 12 to {rms[1]:.3g} in layer 1, a factor of {(rms[1] / rms[12]) ** (1 / 11):.3g} a layer (E6); "
        f"the steepest step, {ratios[steepest]:.3g}, is from layer {steepest + 1} to {steepest}."
    )
    assert finding.remedy == (
        'The slope of logistic is never near 1: give hidden layers activations="tanh", or "relu" with '
        'initializer="he_uniform", or make the network shallower.'
    )
    assert kinds(diagnose(net, X, (Y > 0).astype(float), vanishing=0.5 * rms[1] / rms[12])) == []


def test_delta_vanishes_by_small_weights():
    net = cr.Network([4, 8, 8, 8, 1], ["tanh"] * 3 + ["identity"], dtype="float64", initializer="normal")
    found = diagnose(net, X, Y)
    assert kinds(found) == [("vanishing", 1, ())]
    assert found.findings[0].remedy.startswith('Draw larger weights, such as those of initializer="he_uniform"')


def test_delta_explodes_by_large_weights():
    net = cr.Network([4, 8, 8, 8, 1], ["relu"] * 3 + ["identity"], dtype="float64", seed=3)
    for layer in net.W:
        net.W[layer][...] = 30 * np.abs(net.W[layer])
    found = diagnose(net, np.abs(X), Y)
    assert kinds(found) == [("exploding", 1, ())]
    assert found.findings[0].text.startswith("δ explodes in layers ")
    assert found.findings[0].remedy.startswith('Draw smaller weights, such as those of initializer="glorot_uniform"')
    assert kinds(diagnose(net, np.abs(X), Y, exploding=1e9)) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_delta_whose_squares_are_no_numbers_has_a_root_mean_square(dtype):
    scale = {"float32": 1e-30, "float64": 1e-200}[dtype]
    net = cr.Network([1, 1, 1], "identity", "half_squared_error", dtype=dtype, bias=False)
    net.W[1][...], net.W[2][...] = 1.0, scale
    found = diagnose(net, [[1.0], [2.0]], [-1.0, -1.0])  # δ^2 = 1 to rounding, δ^1 = scale
    assert found.layers[1].rms_delta == pytest.approx(scale, rel=ROUNDING[dtype])


def test_a_network_that_fits_every_row_has_no_gradient():
    net = cr.Network([1, 1], "identity", bias=False, dtype="float64")
    net.W[1][...] = 1
    found = diagnose(net, [[1.0], [2.0]], [1.0, 2.0])
    assert kinds(found) == [("no gradient", 1, ())]
    assert found.findings[0].text == "δ^1 is 0 in every row: nothing is learned."
    assert found.findings[0].remedy == (
        "Either every row is fitted exactly, or the output's units are dead: compare net.cost(X, Y) with 0."
    )


# --- the first number that the dtype doesn't hold (E15) ---------------------------------------------------------------
def chain(*weights, activations="identity", cost="squared_error", reduction="mean", **more):
    net = cr.Network([1] * (len(weights) + 1), activations, cost, bias=False, reduction=reduction, **more)
    for layer, weight in enumerate(weights, start=1):
        net.W[layer][...] = weight
    return net


def overflow_e1(**more):
    net = cr.Network([2, 3, 1], "identity", bias=False, initializer="zeros", **more)
    net.W[1][1, 2] = 1e30
    return net, [[1.0, 0], [1, 0], [1, 0], [0, 1e20]], [0.0] * 4


OVERFLOWS = {
    # each: network, X, Y; equation, symbol, layer, unit, from_unit, row, value, remedy
    "E1": (overflow_e1, ("E1", "z", 1, 2, None, 3, 1e50), 'Draw smaller weights for layer 1, such as those of initializer="glorot_uniform"'),
    "E1, x": (
        lambda **more: (chain(1e20, **more), [[1.0], [1e25]], [0.0, 0.0]),
        ("E1", "z", 1, 0, None, 1, 1e45),
        "Scale the columns of X to about 1",
    ),
    "E1, layer 2": (
        lambda **more: (chain(1e10, 1e20, **more), [[1.0], [1e25]], [0.0, 0.0]),
        ("E1", "z", 2, 0, None, 1, 1e55),
        'Scale the columns of X to about 1, or give layer 1 a bounded activation, such as "tanh"',
    ),
    "E2": (
        lambda **more: (chain(50, 1, activations=["exp", "identity"], **more), [[1.0], [2.0], [2.0]], [0.0] * 3),
        ("E2", "a", 1, 0, None, 1, math.exp(100)),
        'Scale the columns of X to about 1, or give layer 1 another activation than exp, such as "softplus"',
    ),
    "E3": (
        lambda **more: (chain(1, 1e15, **more), [[1.0], [1e10]], [0.0, 0.0]),
        ("E3", "C_i", 2, None, None, 1, 1e50),
        "Scale the columns of X to about 1, or draw smaller weights",
    ),
    "E3, y": (
        lambda **more: (chain(1, **more), [[1.0], [1.0]], [0.0, 1e25]),
        ("E3", "C_i", 1, None, None, 1, 1e50),
        "Scale the columns of Y to about 1",
    ),
    "E4": (
        lambda **more: (chain(1, reduction="sum", **more), [[1.2e19], [1.5e19], [1.2e19]], [0.0] * 3),
        ("E4", "C", 1, None, None, 1, 5.13e38),
        'Make the network with reduction="mean"',
    ),
    "E6": (
        lambda **more: (chain(1e-20, 1e30, **more), [[0.0], [1.0]], [0.0, 0.0]),
        ("E6", "δ", 1, 0, None, 1, 2e40),
        'Draw smaller weights for layer 2, such as those of initializer="glorot_uniform"',
    ),
    "E7": (
        lambda **more: (chain(1e18, 1e-27, **more), [[0.0], [0.0], [1e19]], [0.0] * 3),
        ("E7", "∂C/∂W", 2, 0, 0, 2, 2e47 / 3),
        'Scale the columns of X to about 1, or give layer 1 a bounded activation, such as "tanh"',
    ),
}  # fmt: skip


def assert_overflow(diagnosis, expected, remedy, rel=1e-6):  # the weights are rounded to float32
    at = diagnosis.overflow
    assert (at.equation, at.symbol, at.layer, at.unit, at.from_unit, at.row) == expected[:-1]
    assert at.value == pytest.approx(expected[-1], rel=rel)
    assert at.is_beyond
    assert (at.limit, at.dtype) == (float(np.finfo("float32").max), "float32")
    assert at.remedy.startswith(remedy)
    first = diagnosis.findings[0]
    assert (first.kind, first.equation, first.layer, first.remedy) == ("overflow", at.equation, at.layer, at.remedy)
    assert first.text == f"{at}."
    json.dumps(diagnosis.to_dict(), allow_nan=False)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", OVERFLOWS)
def test_overflow_names_equation_layer_unit_and_row(name, backend):
    make, expected, remedy = OVERFLOWS[name]
    net, rows, targets = make(backend=backend)
    found = diagnose(net, rows, targets)
    assert_overflow(found, expected, f'{remedy}, or make the network with dtype="float64".')
    # in float64 the same numbers are held
    wide, *_ = make(backend=backend, dtype="float64")
    assert diagnose(wide, rows, targets).overflow is None


def test_overflow_of_e5_of_the_sum_in_e6_and_of_e8_needs_slopes_of_ones_own():
    # a = 1e30 z = 1e10, so that C = 1e20, and δ = 2e10 · 1e30
    net = chain(1, activations=steep(1e30))
    assert_overflow(
        diagnose(net, [[0.0], [1e-20]], [0.0, 0.0]), ("E5", "δ", 1, 0, None, 1, 2e40), "Scale the columns of X"
    )
    # W^2 δ^2 = 1e30 · 2e10 is past float32, δ^1 = 1e-10 of it isn't
    net = chain(1e-10, 1e30, activations=[steep(1e-10), "identity"])
    assert_overflow(
        diagnose(net, [[0.0], [1.0]], [0.0, 0.0]),
        ("E9", "∂C_i/∂a", 1, 0, None, 1, 2e40),
        "Draw smaller weights for layer 2",
    )
    # δ = 2e38, 3e38 and 2e38; only their sum is past float32
    net = cr.Network([1, 1], steep(1e30), reduction="sum", initializer="zeros")
    net.W[1][...] = 1
    found = diagnose(net, [[1e-22], [1.5e-22], [1e-22]], [0.0] * 3)
    assert_overflow(found, ("E8", "∂C/∂b", 1, 0, None, 1, 7e38), "Scale the columns of Y")
    assert found.overflow.name == "∂C/∂b of unit 0 of layer 1, to which row 1 adds most"


def test_the_sentence_says_what_the_number_is_made_of():
    net, rows, targets = overflow_e1()
    found = diagnose(net, rows, targets)
    assert str(found.overflow) == (
        "z of unit 2 of layer 1 in row 3 (E1) is 1e+50 in float64, past 3.4e+38, the largest number of float32; W^1_2,1 = 1e+30, "
        "a^0_1 = 1e+20"
    )
    make, *_ = OVERFLOWS["E7"]
    assert str(diagnose(*make()).overflow) == (
        "∂C/∂W of layer 2 from unit 0 to unit 0, to which row 2 adds most (E7) is 6.67e+46 in float64, past 3.4e+38, the "
        "largest number of float32; δ^2_0 = 2e+10, a^1_0 = 1e+37"
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_float64_does_not_hold_either_is_said(backend):
    net = chain(1e300, dtype="float64", backend=backend)
    at = diagnose(net, [[1.0], [1e10]], [0.0, 0.0]).overflow
    # 1e300² is past float64 in row 0, but z comes before C_i
    assert (at.equation, at.layer, at.unit, at.row, at.value) == ("E1", 1, 0, 1, math.inf)
    assert str(at).startswith(
        "z of unit 0 of layer 1 in row 1 (E1) is inf, in float64 too; W^1_0,0 = 1e+300, a^0_0 = 1e+10"
    )
    assert at.to_dict()["value"] is None
    assert "dtype" not in at.remedy


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sum_whose_terms_cancel_but_for_float32_is_said_to_overflow_on_the_way(backend):
    net = cr.Network([127, 1], "identity", "absolute_error", bias=False, backend=backend)
    net.W[1][...] = np.r_[np.full(64, 3e38), np.full(63, -3e38)][:, None]
    at = diagnose(net, np.ones((1, 127)), [0.0]).overflow
    assert (at.equation, at.layer, at.unit, at.row) == ("E1", 1, 0, 0)
    assert at.value == pytest.approx(3e38, rel=1e-6)
    assert not at.is_beyond
    assert "is 3e+38 in float64, but a number on the way to it is past the largest number of float32" in str(at)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_parameter_that_is_not_finite_is_named_and_no_pass_is_looked_at(bad):
    net = cr.Network([3, 4, 1])
    net.W[2][2, 0] = bad
    net.b[1][3] = bad
    found = diagnose(net, np.ones((2, 3)), [0.0, 1.0])
    at = found.overflow
    assert (at.equation, at.symbol, at.layer, at.unit, at.from_unit, at.row) == ("E16", "b", 1, 3, None, None)
    assert str(at) == f"b of unit 3 of layer 1 (E16) is {bad}"
    assert at.remedy == "Load the network from a file, or make it anew: these numbers are lost."
    assert len(found.layers) == 0
    net.b[1][3] = 0
    assert diagnose(net, np.ones((2, 3)), [0.0, 1.0]).overflow.name == "W of layer 2 from unit 2 to unit 0"
    with pytest.raises(InputError, match=r"^layer: expected a diagnosis with layers, got one without. See overflow"):
        found.why(1, 3)


# --- blocks of rows ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
def test_blocks_of_rows_give_what_the_whole_gives(backend):
    net = cr.Network([4, 20, 20, 1], ["relu", "tanh", "identity"], dtype="float64", backend=backend)
    net.b[1][5], net.W[2][:, 7] = -90, 200
    rows = np.tile(X, (10, 1))
    targets = np.tile(Y, 10)
    whole = diagnose(net, rows, targets)
    parts = diagnose(net, rows, targets, max_memory=2**16)
    assert kinds(parts) == kinds(whole)
    for layer in whole.layers:
        for name in ("z_low", "z_high", "a_low", "a_high", "slope_high", "flat_rows"):
            # a product of fewer rows may be added up in another order
            np.testing.assert_allclose(
                getattr(parts.layers[layer], name), getattr(whole.layers[layer], name), rtol=1e-12, atol=1e-12
            )
        assert parts.layers[layer].rms_delta == pytest.approx(whole.layers[layer].rms_delta, rel=1e-12)


@pytest.mark.parametrize("memory", [2**14, 2**28])
def test_an_overflow_in_the_last_rows_of_many_is_found_and_the_earliest_quantity_wins(memory):
    net = cr.Network([2, 3, 1], "identity", bias=False)
    rows, targets = np.ones((1500, 2)), np.zeros(1500)
    targets[7] = 1e25  # C_7 = 1e50 (E3), in the first block
    rows[1402] = 1e38  # and z^1 (E1) in a later one
    net.W[1][...] = 1e3
    at = diagnose(net, rows, targets, max_memory=memory).overflow
    assert (at.equation, at.layer, at.unit, at.row) == ("E1", 1, 0, 1402)
    rows[1402] = 1
    at = diagnose(net, rows, targets, max_memory=memory).overflow
    assert (at.equation, at.row) == ("E3", 7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["tanh", "mish", "softmax"])
def test_workspace_stays_within_its_budget(name, backend):
    net = cr.Network([10, 150, 5], [name, "identity"], backend=backend)
    rows, targets = np.ones((2000, 10), dtype="float32"), np.ones((2000, 5), dtype="float32")
    diagnose(net, rows[:2], targets[:2])  # imports, and what is made once
    tracemalloc.start()
    diagnose(net, rows, targets, max_memory=2**19)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**19 + 2**16 + 4 * net.parameters.nbytes  # Python's own objects; the gradient and the copy of θ


# --- after a training that diverged -----------------------------------------------------------------------------------
def diverged(net, rows, targets, **settings):
    with pytest.warns(DivergenceWarning):
        history = cr.train(net, rows, targets, verbose=0, **settings)
    assert history.stopped == "divergence"
    before = net.parameters.copy()
    found = diagnose(net, rows, targets, training=settings, history=history)
    np.testing.assert_array_equal(net.parameters, before)
    return history, found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("scale", "batch_size", "rate"), [(1e3, 200, 1e-3), (100.0, 32, 1e-3), (50.0, 32, 5e-4)])
def test_a_training_that_diverged_is_replayed_to_the_very_step(scale, batch_size, rate, backend):
    net = cr.Network([4, 6, 1], ["relu", "identity"], seed=1, backend=backend)
    settings = {"optimizer": "sgd", "learning_rate": rate, "batch_size": batch_size, "epochs": 50}
    history, found = diverged(net, scale * X, scale * Y, **settings)
    at = found.overflow
    assert history.message.startswith(f"training diverged in epoch {at.epoch}, step {at.step}: ")
    assert f"({at.equation})" in history.message
    assert at.epoch == history.epochs + 1
    assert abs(at.value) > float(np.finfo("float32").max)
    assert at.remedy.startswith(f"Lower learning_rate, which was {rate:g}, or scale the columns of X to about 1")
    assert str(at).startswith(f"epoch {at.epoch}, step {at.step}: {at.name} ({at.equation}) is ")


def test_the_row_and_the_value_of_a_replayed_step_are_those_of_its_batch():
    seen = []

    class Spy(cr.SGD):
        """Gradient descent that shows the parameters before each step."""

        def update(self, state, parameters, gradient, rate):
            state, after = super().update(state, parameters, gradient, rate)
            seen.append(after)
            return state, after

    net = cr.Network([4, 6, 1], ["relu", "identity"], seed=1)
    settings = {"optimizer": Spy(), "learning_rate": 5e-4, "batch_size": 32, "epochs": 50}
    with pytest.warns(DivergenceWarning):
        history = cr.train(net, 50 * X, 50 * Y, verbose=0, **settings)
    theta = seen[-1]  # before the step that was not taken
    at = diagnose(net, 50 * X, 50 * Y, training=settings, history=history).overflow
    assert history.epochs > 0
    rng = np.random.default_rng(0)
    order = [rng.permutation(200) for _ in range(at.epoch)][-1]
    batch = order[32 * (at.step - 1) : 32 * at.step]
    assert at.equation == "E3"
    wide = cr.Network([4, 6, 1], ["relu", "identity"], dtype="float64")
    wide.parameters = theta
    costs = wide.example_costs(50 * X[batch], 50 * Y[batch])
    first = int(np.argmax(costs > np.finfo("float32").max))
    assert at.row == batch[first]
    assert at.value == pytest.approx(costs[first], rel=1e-9)  # float64, but for the order of sums


@pytest.mark.parametrize("optimizer", ["momentum", cr.Nesterov(0.5), "rmsprop", "adam", "adamw"])
def test_every_rule_of_single_steps_is_replayed(optimizer):
    net = cr.Network([4, 6, 1], ["exp", "identity"], seed=1)
    history, found = diverged(net, X, Y, optimizer=optimizer, learning_rate=40.0, epochs=3)
    assert history.message.startswith(
        f"training diverged in epoch {found.overflow.epoch}, step {found.overflow.step}: "
    )
    assert f"({found.overflow.equation})" in history.message


def test_settings_that_were_not_given_are_those_of_train():
    net = cr.Network([4, 6, 1], ["exp", "identity"], seed=1)
    rows = 1e3 * X
    with pytest.warns(DivergenceWarning):
        history = cr.train(net, rows, Y, verbose=0)
    assert diagnose(net, rows, Y, training={}, history=history).overflow.equation == "E2"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_that_leaves_parameters_that_are_not_finite_is_named_by_the_parameter(dtype):
    net = cr.Network([4, 6, 1], ["tanh", "identity"], dtype=dtype, seed=1)
    rate = {"float32": 1e38, "float64": 1e308}[dtype]
    history, found = diverged(net, X, 1e6 * Y, optimizer="sgd", learning_rate=rate, batch_size=200, epochs=1)
    at = found.overflow
    where = re.search(r"([Wb]) of layer (\d) \(E16\)", history.message)
    assert (at.equation, at.symbol, str(at.layer)) == ("E16", *where.groups())
    assert (at.epoch, at.step, at.row) == (1, 1, None)
    gradient = net.value_and_gradient(X, 1e6 * Y)[1].W[1][at.from_unit, at.unit]
    if dtype == "float32":
        assert at.value == pytest.approx(-rate * float(gradient), rel=1e-4)  # the parameter itself, and float32's sums
    else:
        assert math.isinf(at.value)
    assert at.remedy == f"Lower learning_rate, which was {rate:g}."


def test_parameters_that_overflow_before_the_last_step_are_named_by_the_step_that_made_them_so():
    net = cr.Network([4, 6, 1], ["tanh", "identity"], seed=1)
    history, found = diverged(net, X, 1e6 * Y, optimizer="sgd", learning_rate=1e38, batch_size=50, epochs=1)
    assert history.message.startswith("training diverged in epoch 1, step 2: ")
    assert (found.overflow.equation, found.overflow.step) == ("E16", 1)


def test_a_gradient_whose_square_overflows_is_named_beside_the_root():
    net = cr.Network([1, 1], "identity", "half_squared_error", bias=False, initializer="zeros")
    _, found = diverged(net, [[0.0], [1e10]], [0.0, 1e10], epochs=1)
    at = found.overflow
    assert (at.equation, at.layer, at.unit, at.from_unit, at.row) == ("E7", 1, 0, 0, 1)
    assert at.value == pytest.approx(-5e19, rel=1e-6)  # float32's 1e10
    assert at.limit == pytest.approx(math.sqrt(np.finfo("float32").max), rel=1e-15)
    assert (
        "is -5e+19 in float64, past 1.84e+19, the root of the largest number of float32 (its square is needed)"
        in str(at)
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_penalty_that_overflows_is_named(reduction):
    net = cr.Network([4, 6, 1], ["tanh", "identity"], seed=1, reduction=reduction)
    _, found = diverged(net, X, Y, penalty=1e39, batch_size=50)
    at = found.overflow
    W = net.W[at.layer][at.from_unit, at.unit]
    share = {"mean": 1.0, "sum": 0.25}[reduction]  # a batch takes its share of the penalty
    assert at.equation == "E29"
    assert at.value == pytest.approx(share * 1e39 * float(W), rel=1e-6)
    assert abs(W) == max(np.abs(net.W[layer]).max() for layer in net.W)
    assert at.parts == {f"W^{at.layer}_{at.unit},{at.from_unit}": float(W)}
    assert at.remedy == "Lower learning_rate, which was 0.001, or lower penalty."


def test_a_schedule_goes_on_where_it_was():
    net = cr.Network([4, 6, 1], ["relu", "identity"], seed=1)
    # harmless for three epochs, then too large
    rise = Rising()
    history, found = diverged(net, 100 * X, 100 * Y, optimizer="sgd", learning_rate=rise, batch_size=200, epochs=30)
    assert history.epochs > 3
    assert history.message.startswith(f"training diverged in epoch {found.overflow.epoch}, step 1: ")
    assert f"Lower learning_rate, which was {rise.rate(found.overflow.epoch - 1):g}" in found.overflow.remedy


class Rising:
    """Ten times as much in every epoch."""

    def rate(self, t):
        return 1e-9 * 10.0**t


def test_sample_weights_are_those_of_the_batch():
    net = cr.Network([1, 1], "identity", bias=False)
    net.W[1][...] = 1
    settings = {"sample_weight": [0.0, 1.0, 1.0], "batch_size": 1, "shuffle": False, "optimizer": "sgd"}
    # row 0 has no weight, so that no batch has it, though its cost overflows
    _, found = diverged(net, [[1e20], [1.0], [1e25]], [0.0] * 3, **settings)
    assert (found.overflow.epoch, found.overflow.step, found.overflow.row) == (1, 2, 2)
    assert found.overflow.equation == "E3"
    assert diagnose(net, [[1e20], [1.0], [1e25]], [0.0] * 3).overflow.row == 0


def test_a_training_that_passes_is_said_to():
    net = cr.Network([4, 6, 1], ["tanh", "identity"], seed=1)
    found = diagnose(net, X, Y, training={"epochs": 2})
    assert found.overflow is None
    assert found.findings == ()
    assert found.note == (
        "The training was replayed from the network's parameters, and every number stayed finite. What an optimizer remembered "
        "of earlier steps is not replayed, nor is a validation set."
    )
    assert found.note in " ".join(str(found).split())


# --- what is printed, and given as JSON -------------------------------------------------------------------------------
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_report(backend):
    net = cr.Network([4, 12, 3], ["relu", "softmax"], "cross_entropy", backend=backend)
    net.b[1][...] = -50
    net.b[1][11] = 1
    report = str(diagnose(net, X, np.arange(200) % 3))
    z = net.forward(X).z[1][:, :11]
    delta = net.backward(net.forward(X), np.arange(200) % 3).delta
    rms = [float(np.sqrt((delta[layer].astype("float64") ** 2).mean())) for layer in (1, 2)]
    r1, r2, ratio = f"{rms[0]:.3g}", f"{rms[1]:.3g}", f"{rms[0] / rms[1]:.3g}"
    text = (
        f"11 of 12 units of layer 1 (relu) are dead: units 0, 1, 2, 3, 4, 5, 6, 7, …. g'(z) is 0 in all 200 rows, so that δ = 0 "
        f"(E6) and the weights into them never change (E7). z lies between {z.min():.3g} and {z.max():.3g}; their bias alone "
        "keeps all of them there."
    )
    remedy = "Set the bias to 0 where it is the cause, net.b[1][units] = 0, and lower learning_rate if training made it so large."
    assert report.splitlines() == [
        "Network 4-12-3, float32, cost cross_entropy, 200 rows: 1 finding",
        f"  layer  units  activation  dead  saturated  constant  {'rms of δ':>{max(8, len(r1))}}  {'ratio':>{max(5, len(ratio))}}",
        f"      1     12  relu          11          0         0  {r1:>8}  {ratio:>5}",
        f"      2      3  softmax        –          –         0  {r2:>8}",
        "  – softmax and cross_entropy are a matched pair: g' is no factor of δ^2 (E5′)",
        "",
        *textwrap.wrap(text, 100, initial_indent="1. ", subsequent_indent="   "),
        *textwrap.wrap(remedy, 100, initial_indent="   → ", subsequent_indent="     "),
    ]


def test_it_is_given_as_json_has_it():
    net = cr.Network([4, 12, 1], ["relu", "identity"], dtype="float64")
    net.b[1][3] = -50
    found = diagnose(net, X, Y)
    given = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert given["network"] == "Network 4-12-1, float64, cost squared_error"
    assert given["rows"] == 200
    assert given["overflow"] is None
    assert given["layers"][0]["dead"] == [3]
    assert given["layers"][0]["rms_delta"] == found.layers[1].rms_delta
    (finding,) = given["findings"]
    assert (finding["kind"], finding["layer"], finding["units"], finding["equation"]) == ("dead", 1, [3], "E6")


def test_why_of_a_healthy_unit():
    net = cr.Network([1, 1, 1], ["tanh", "identity"], dtype="float64", bias=False)
    net.W[1][...] = 1
    assert diagnose(net, [[0.0], [1.0]], [0.0, 1.0]).why(1, 0) == (
        "unit 0 of layer 1 (tanh) is neither dead nor saturated nor constant: its slope g'(z) is at most 1, where z lies between 0 "
        "and 1 (E1) and a between 0 and 0.762 (E2)."
    )


# --- bad input --------------------------------------------------------------------------------------------------------
NET = cr.Network([4, 6, 1], ["tanh", "identity"])
DIVERGED = cr.train(NET.copy(), X, Y, epochs=0, verbose=0)
LONG = "one of batch_size, callbacks, checkpoint, checkpoint_every, clip_example_norm, "


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"saturated_slope": 0}, "saturated_slope: expected a number in (0, 1), got 0. Leave it out for the default."),
        ({"saturated_rows": 1.5}, "saturated_rows: expected a number in (0, 1], got 1.5. Leave it out for the default."),
        ({"vanishing": "1"}, "vanishing: expected a number in (0, 1), got '1'. Leave it out for the default."),
        ({"exploding": 1}, "exploding: expected a number in (1, ∞), got 1. Leave it out for the default."),
        ({"exploding": np.inf}, "exploding: expected a number in (1, ∞), got inf. Leave it out for the default."),
        ({"max_memory": 0}, "max_memory: expected a whole number ≥ 1, got 0. Give a number of bytes, such as 2**28."),
        (
            {"training": 0.1},
            'training: expected a mapping of arguments of cr.train, got float. Write training={"optimizer": "sgd", '
            '"learning_rate": 0.1}, as cr.train was called.',
        ),
        ({"training": {"rate": 0.1}}, f"unknown argument in training: expected {LONG}"),
        ({"training": {"learning_rate": -1}}, "learning_rate: expected a finite number > 0, got -1. "),
        ({"training": {"optimizer": "sdg"}}, "unknown optimizer: expected one of "),
        ({"training": {"early_stopping": "yes"}}, "early_stopping: expected "),
        ({"training": {"batch_size": 0}}, "batch_size: expected a whole number ≥ 1 or None, got 0. "),
        ({"training": {"epochs": -1}}, "training: epochs: expected a whole number ≥ 1, got -1. The epochs that history says were finished are not trained again."),
        ({"training": {"sample_weight": [1.0]}}, "sample_weight: expected shape (200,), one for each row of X, got shape (1,). "),
        *(
            (
                {"training": {"optimizer": name}},
                f"training: optimizer: expected an update rule, got {name}. Only an update rule's steps are taken again; leave "
                "training out to look at the network as it is.",
            )
            for name in ("lbfgs", "gauss_newton_cg", "kfac", "line_search", "auto")
        ),
        (
            {"training": {"learning_rate": "find"}},
            "training: learning_rate: expected a number or a schedule, got 'find'. Give the one that was found, "
            "history.rate_search.chosen.",
        ),
        (
            {"training": {"dropout": 0.5}},
            "training: dropout: expected a training without it, got 0.5. The failing step is looked at without it; leave "
            "training out to look at the network as it is.",
        ),
        (
            {"training": {"validation": 0.1}},
            "training: validation: expected None or (Xv, Yv), for which rows were held out is not kept, got 0.1. Give the rows "
            "that were trained on as X and Y, and leave validation out.",
        ),
        (
            {"history": DIVERGED},
            'history: expected training beside it, got no training. Write training={"optimizer": "sgd", "learning_rate": 0.1}, as '
            "cr.train was called.",
        ),
        (
            {"history": DIVERGED, "training": {}},
            "history: expected one of a training that diverged, got one that stopped for 'epochs'. Leave training and history "
            "out to look at the network as it is.",
        ),
        ({"history": [1.0], "training": {}}, "history: expected a cr.History, got list. Give what cr.train returned, or leave it out."),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_in_the_words_of_the_user(given, said):
    with pytest.raises(InputError, match=f"^{re.escape(said)}"):
        diagnose(NET, X, Y, **given)


def test_a_diagnosis_calls_no_callback_which_may_write_files():
    class Writes:
        def before_training(self, moment):
            raise AssertionError

        after_training = before_training

    assert diagnose(NET, X, Y, training={"epochs": 1, "callbacks": [Writes()]}).overflow is None


def test_bad_data_are_refused_as_everywhere():
    with pytest.raises(InputError, match=r"^net: expected a cr.Network, got str. "):
        diagnose("net", X, Y)
    with pytest.raises(InputError, match=r"^X: expected 4 columns"):
        diagnose(NET, X[:, :3], Y)
    with pytest.raises(InputError, match=r"^X: expected a dense array, got the sparse csr_array"):
        diagnose(NET, csr_array(X), Y)
    with pytest.raises(InputError, match=r"^Y: expected 200 rows, as X has"):
        diagnose(NET, X, Y[:3])
    with pytest.raises(InputError, match=r"^X\[3, 1\]: expected a finite number, got nan"):
        diagnose(NET, np.where(np.arange(800).reshape(200, 4) == 13, np.nan, X), Y)
    with pytest.raises(InputError, match=r"^max_memory: expected at least "):
        diagnose(NET, X, Y, max_memory=100)


@pytest.mark.parametrize(
    ("layer", "unit", "said"),
    [
        (0, 1, "layer: expected a layer of 1 to 2, got 0. Layers are counted from 1; layer 0 is the input."),
        (3, 1, "layer: expected a layer of 1 to 2, got 3. "),
        ("1", 1, "layer: expected a layer of 1 to 2, got '1'. "),
        (1, 6, "unit: expected a unit of 0 to 5 of layer 1, got 6. Units are counted from 0."),
        (1, -1, "unit: expected a unit of 0 to 5 of layer 1, got -1. "),
        (1, None, "layer: expected a layer of 1 to 2, got 1. "),
    ],
)
def test_why_refuses_what_does_not_exist(layer, unit, said):
    found = diagnose(NET, X, Y)
    with pytest.raises(InputError, match=f"^{re.escape(said)}"):
        found.why(layer, unit)


def test_no_warning_comes_out_of_a_diagnosis():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make, *_ in OVERFLOWS.values():
            diagnose(*make(backend="reference"))
