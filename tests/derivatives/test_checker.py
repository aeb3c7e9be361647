"""cr.check_gradients: what is right passes on every kind of network, what is wrong is found and named, kinks are kinks."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from cases import BACKENDS, COSTS, all_problems, named
from chainrule import GradientReport, InputError, Network, check_gradients
from chainrule.engine import reference
from chainrule.engine.reference import Gradient
from chainrule.maths import activations, costs
from chainrule.maths.activations import BUILT_IN as ACTIVATIONS
from chainrule.maths.activations import activation
from chainrule.maths.costs import cost as find_cost

SOME = list(all_problems().items())[::80]


# --- what is right passes ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_declarative_cases_pass(backend, dtype):
    for name, problem in SOME:
        net = Network.from_plan(replace(problem.plan, dtype=dtype), problem.net.parameters.astype(dtype), backend)
        report = check_gradients(
            net, problem.X, problem.Y, sample_weight=problem.weights, max_parameters=40, directions=1
        )
        assert report.passed, f"{name}: {report}"
        assert report.n_kinks == 0, f"{name}: {report}"
        assert report.n_unresolved <= 2, f"{name}: {report}"
        worst = report.worst
        # a tenth of what is allowed, in float32 half of it: nothing passes by a hair
        assert worst.error <= (0.1 if dtype == "float64" else 0.5) * max(worst.tolerance, worst.difference_error)


@pytest.mark.parametrize("name", named())
def test_networks_of_the_sources_are_compared_whole(name):
    problem = named()[name]
    report = check_gradients(problem.net, problem.X, problem.Y, max_parameters=2000)
    assert report.passed
    assert (report.compared, report.n_parameters) == (problem.plan.n_parameters, problem.plan.n_parameters)
    assert report.sample == "all parameters"
    assert report.directions == 2 * (len(problem.net.W) + len(problem.net.b) + 1)
    assert report.tolerance < 1.01e-7  # rounding in float64 adds next to nothing
    assert report.projection.error < 1e-14  # the same products in another order


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    hidden=st.sampled_from(["tanh", "relu", "elu(0.5)", "softmax", "mish", "leaky_relu"]),
    cost=st.sampled_from(["squared_error", "huber", "absolute_error", "log_cosh"]),
    dtype=st.sampled_from(["float32", "float64"]),
    m=st.integers(1, 12),
    weighted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_shape_passes(sizes, hidden, cost, dtype, m, weighted, seed):
    rng = np.random.default_rng(seed)
    net = Network(sizes, [*[hidden] * (len(sizes) - 2), "identity"], cost, dtype=dtype, seed=seed)
    X, Y = rng.standard_normal((m, sizes[0])), rng.standard_normal((m, sizes[-1]))
    weights = rng.uniform(0.1, 2, m) if weighted else None
    report = check_gradients(net, X, Y, sample_weight=weights, max_parameters=20, directions=1, seed=seed)
    assert report.passed, str(report)
    assert GradientReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report


@pytest.mark.parametrize("name", [*ACTIVATIONS, *COSTS])
def test_what_comes_with_chainrule_passes(name):
    report = check_gradients(find_cost(name) if name in COSTS else activation(name))
    assert report.passed, str(report)
    assert report.n_kinks == 0  # the points keep off them
    assert report.n_unresolved == 0
    assert report.checked == f"{'cost' if name in COSTS else 'activation'} '{name}'"
    assert (report.n_parameters, report.projection, report.network_sha256) == (0, None, "")


def test_weights_of_zero_and_the_sum_and_answers_that_are_sure():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((9, 4)), rng.integers(0, 3, 9)
    net = Network([4, 5, 3], ["tanh", "softmax"], "cross_entropy", reduction="sum")
    net.W[2][...] *= 40  # outputs of float32 that round to 1: a − y is rounding alone
    assert check_gradients(net, X, net.predict(X).argmax(axis=1), sample_weight=[0, 1, 2] * 3).passed
    assert check_gradients(net, X, Y, sample_weight=[0, 1, 2] * 3).passed


# --- what is wrong is found -------------------------------------------------------------------------------------------
def problem_of(sizes, dtype, backend):
    rng = np.random.default_rng(1)
    net = Network(sizes, ["relu"] * (len(sizes) - 2) + ["softmax"], "cross_entropy", dtype=dtype, backend=backend)
    return net, rng.standard_normal((30, sizes[0])), rng.integers(0, sizes[-1], 30)


def slip(kind, W, b):
    if kind == "a factor of 2":
        for array in (*W.values(), *b.values()):
            array *= 2
    elif kind == "the sign":
        W[1][...] *= -1
    elif kind == "a bias":
        b[1][3] = 0
    elif kind == "transposed":
        W[2][...] = W[2].T.reshape(W[2].shape)
    elif kind == "a hundredth of one weight":
        W[1][5, 7] *= 1.01
    elif kind == "NaN":
        W[1][5, 7] = np.nan


FOUND = {  # what a report may name
    "a factor of 2": ("W[1][", "b[1][", "W[2][", "b[2]["),
    "the sign": ("W[1][",),
    "a bias": ("b[1][3]",),
    "transposed": ("W[2][",),
    "a hundredth of one weight": ("W[1][5, 7]",),
    "NaN": ("W[1][5, 7]",),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", FOUND)
def test_a_slip_in_the_backward_pass_is_found_and_named(monkeypatch, backend, dtype, kind):
    for sizes, most in (([8, 9, 4], 1000), ([60, 50, 4], 40)):  # 40 of 3,254: what is wrong has to be searched for
        net, X, Y = problem_of(sizes, dtype, backend)
        right = net.value_and_gradient(X, Y)[1]
        wrong = right.flat.copy()
        slip(kind, *net.plan.split(wrong))
        with monkeypatch.context() as patch:
            patch.setattr(net.engine, "value_and_gradient", lambda *_, net=net, to=wrong: (0.0, Gradient(net.plan, to)))
            report = check_gradients(net, X, Y, max_parameters=most, directions=1)
        assert not report.passed
        assert report.failed
        assert report.worst.name.startswith(FOUND[kind]), str(report)
        at = eval(report.worst.name, {"W": right.W, "b": right.b})  # "W[1][5, 7]"
        assert report.worst.expected == pytest.approx(at, rel=1e-3 if dtype == "float32" else 1e-6)
        got = eval(report.worst.name, dict(zip("Wb", net.plan.split(wrong), strict=True)))
        np.testing.assert_array_equal(report.worst.got, float(got))
        assert "FAILED" in str(report)
        assert json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slip_in_the_gradient_in_the_input_is_found(monkeypatch, backend):
    net, X, Y = problem_of([8, 9, 4], "float64", backend)
    back = net.backward(net.forward(X), Y)
    wrong = back.x.copy()
    wrong[3, 2] = 0
    monkeypatch.setattr(net.engine, "backward", lambda *_: replace(back, x=wrong))
    if backend == "reference":  # which the rounding of numbers is found by, too
        monkeypatch.setattr(reference, "backward", lambda *_: replace(back, x=wrong))
    report = check_gradients(net, X, Y)
    assert not report.passed
    assert report.worst.name.startswith("x along direction ")


@pytest.fixture
def unchecked(monkeypatch):
    """Functions of a user's own are taken as they are."""
    for module in (activations, costs):
        monkeypatch.setattr(module._REGISTRY, "_check", lambda own: None)


def test_an_activation_that_is_wrong_where_registration_does_not_look_is_found_by_data_that_go_there():
    g = cr.Activation(
        "logarithmic",
        value=lambda z: np.sign(z) * np.log1p(np.abs(z)),
        derivative=lambda z: 1 / (1 + np.minimum(np.abs(z), 11)),  # right up to 11
        kinks=(0.0,),
    )
    rng = np.random.default_rng(0)
    net = Network([4, 6, 1], [g, "identity"], dtype="float64")  # registration passes
    assert check_gradients(g).passed
    X, Y = rng.standard_normal((20, 4)), rng.standard_normal(20)
    assert check_gradients(net, X, Y).passed
    report = check_gradients(net, 20 * X, Y)
    assert not report.passed
    assert report.worst.name.startswith(("W[1][", "b[1]["))


def test_wrong_derivatives_of_a_user_are_found_by_themselves_and_in_a_network(unchecked):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    flat_tanh = cr.Activation("flat_tanh", np.tanh, lambda z: 1 - np.tanh(z))
    report = check_gradients(flat_tanh)
    assert not report.passed
    assert report.worst.name.startswith("derivative of activation 'flat_tanh' at z = ")
    z = float(report.worst.name.rpartition(" ")[2])
    assert report.worst.expected == pytest.approx(1 - np.tanh(z) ** 2, abs=1e-6)  # z has four decimals in the text
    assert not check_gradients(Network([3, 4, 2], [flat_tanh, "identity"]), X, Y).passed

    half = cr.Cost("half", lambda a, y: ((a - y) ** 2).sum(axis=1), lambda a, y: a - y)
    assert not check_gradients(half).passed
    report = check_gradients(Network([3, 4, 2], ["tanh", "identity"], half), X, Y)
    assert report.worst.got == pytest.approx(report.worst.expected / 2, rel=1e-4)

    def centre(z, v):
        return v - v.mean(axis=1, keepdims=True)

    shifted = cr.CoupledActivation("shifted", lambda z: centre(z, z), vjp=lambda z, v: v, jvp=centre)
    report = check_gradients(shifted)
    assert report.worst.name.startswith("vjp of activation 'shifted' at z = ")
    report = check_gradients(Network([3, 4, 2], [shifted, "identity"], dtype="float64"), X, Y)
    assert report.failed
    assert not report.projection.passed  # Jᵀ by vjp is not the transpose of J by jvp
    assert "apart, tolerance" in str(report).splitlines()[-1]
    assert str(report).endswith(": FAILED")


def test_a_user_function_that_gives_no_numbers_is_an_error():
    broken = cr.Activation("broken", lambda z: z.sum(), lambda z: z)
    with pytest.raises(cr.DerivativeError, match=r"^value of activation 'broken': expected an array of shape \(401,\)"):
        check_gradients(broken)


# --- kinks ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_kink_at_exactly_0_is_reported_where_it_is_and_nothing_else_is_lost(dtype):
    net = Network([3, 4, 2], ["relu", "identity"], dtype=dtype)
    X, Y = np.random.default_rng(0).standard_normal((5, 3)), np.ones((5, 2))
    X[2] = 0  # all of its z^1 are 0, which b^1 moves and 𝒲^1 doesn't
    report = check_gradients(net, X, Y)
    assert report.passed
    assert (report.compared, report.n_kinks) == (22, 4)
    assert [kink.name for kink in report.kinks] == [f"b[1][{j}]" for j in range(4)]
    assert [kink.where for kink in report.kinks] == [f"z[1][2, {j}] at 0, a kink of relu" for j in range(4)]
    assert "on a kink, not compared: 4 (b[1][0]: z[1][2, 0] at 0, a kink of relu; " in str(report)


def test_a_kink_of_the_cost_is_named_by_the_residual():
    net = Network([2, 1], "identity", "absolute_error", dtype="float64", seed=1)
    X = np.array([[1.0, 2.0], [0.5, -1.0]])
    Y = net.predict(X)[:, 0] + [0.0, 1.0]
    report = check_gradients(net, X, Y)
    assert report.passed is False  # all three parameters lie on it
    assert (report.compared, report.failed, report.n_kinks) == (0, 0, 3)
    assert report.kinks[0].where == "(a − y)[0, 0] at 0, a kink of absolute_error"
    assert str(report).startswith("gradients of network 2-1 (identity; absolute_error), float64, ")
    assert str(report).splitlines()[0].endswith(", at 2 rows: nothing could be compared")


def test_a_kink_that_nobody_declared_is_recognised():
    g = cr.Activation("dent", lambda z: np.abs(z - 0.3), lambda z: np.where(z > 0.3, 1.0, -1.0))
    net = Network([1, 3, 1], [g, "identity"], dtype="float64")
    net.W[1][...] = 1
    report = check_gradients(net, [[0.3], [0.6], [0.3 + 1e-7]], [1.0, 2.0, 3.0])
    assert (report.failed, report.n_kinks) == (0, 6)
    assert report.kinks[0].where == "where a slope jumps that no activation or cost declares"


def test_a_step_keeps_off_kinks_that_are_near():
    net = Network([1, 1, 1], ["relu", "identity"], dtype="float64")
    net.parameters = [1.0, 0.0, 2.0, 0.5]
    for near in (1e-3, 1e-5, -1e-5):
        report = check_gradients(net, [[near]], [3.0])
        assert (report.passed, report.n_kinks, report.n_unresolved) == (True, 0, 0), str(report)


def test_a_side_that_float32_mistakes_is_no_failure():
    rng = np.random.default_rng(0)
    taken = 0
    for trial in range(8):
        net = Network([40, 30, 2], ["relu", "identity"], seed=trial)
        X, Y = rng.standard_normal((8, 40)).astype("float32"), rng.standard_normal((8, 2))
        net.b[1][...] = -net.forward(X).z[1][3]  # as near to 0 as float32 comes, on either side
        exact = X.astype(float) @ net.W[1].astype(float) + net.b[1]
        taken += int(((exact[3] > 0) != (net.forward(X).z[1][3] > 0)).sum())
        report = check_gradients(net, X, Y, max_parameters=60, directions=1)
        assert not report.failed, str(report)
    assert taken > 20


def test_a_slip_beside_many_kinks_is_found_all_the_same(monkeypatch):
    found = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        net = Network([3, 5, 4, 2], ["relu", "leaky_relu", "identity"], dtype="float64", seed=seed)
        for b in net.b.values():
            b[...] = rng.choice([0, 0.5, -0.5], b.shape)
        X, Y = rng.choice([-1.0, 0, 1], (6, 3)), rng.standard_normal((6, 2))
        X[0] = 0
        assert not check_gradients(net, X, Y).failed
        grad = net.value_and_gradient(X, Y)[1]
        grad.W[2][...] *= 1.01
        monkeypatch.setattr(net.engine, "value_and_gradient", lambda *_, grad=grad: (0.0, grad))
        found += check_gradients(net, X, Y).failed > 0
        monkeypatch.undo()
    assert found == 5


# --- large networks ---------------------------------------------------------------------------------------------------
def test_every_array_has_its_share_of_a_sample_and_the_rest_is_said():
    net = Network([100, 60, 40, 10], ["tanh", "tanh", "softmax"], "cross_entropy")
    X, Y = np.random.default_rng(0).standard_normal((10, 100)), np.arange(10)
    report = check_gradients(net, X, Y, max_parameters=300, directions=3)
    assert report.passed
    assert report.compared == 300
    assert report.sample == "300 of 8,910 parameters, drawn from every array"
    assert report.directions == 3 * 7
    again = check_gradients(net, X, Y, max_parameters=300, directions=3)
    assert again == report
    assert check_gradients(net, X, Y, max_parameters=300, directions=3, seed=1).projection != report.projection
    few = check_gradients(net, X, Y, max_parameters=1, directions=1)  # one of each array at the least
    assert few.compared == 6


@pytest.mark.parametrize("sizes", [[50, 60, 10], [10, 80]])
def test_rows_that_fit_in_the_budget_stay_in_it(sizes):
    net = Network(sizes, ["tanh"] * (len(sizes) - 2) + ["softmax"], "cross_entropy")
    m = 500
    X, Y = np.random.default_rng(0).standard_normal((m, sizes[0])), np.arange(m) % sizes[-1]
    row = 8 * (14 * sum(sizes) + 8 * max(sizes))
    with pytest.raises(InputError, match=r"^X: expected rows that fit in max_memory, 499, got 500 rows\."):
        check_gradients(net, X, Y, max_memory=row * m - 1)
    check_gradients(net, X[:9], Y[:9], max_parameters=1)  # what is imported is no workspace
    tracemalloc.start()
    check_gradients(net, X, Y, max_parameters=4, directions=1, max_memory=row * m)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < row * m + 20 * 8 * net.plan.n_parameters


def test_layers_of_one_activation_are_said_once():
    net = Network([2, 3, 3, 3, 1], ["tanh", "tanh", "tanh", "identity"])
    assert check_gradients(net, X[:, :2], np.zeros(4)).checked.startswith(
        "network 2-3-3-3-1 (tanh × 3, identity; squared_"
    )


# --- reports ----------------------------------------------------------------------------------------------------------
def test_a_report_reads_as_it_should():
    report = GradientReport(
        checked="network 2-1 (identity; squared_error), float64, backend native, at 5 rows",
        rows=5,
        n_parameters=3,
        compared=2,
        sample="all parameters",
        directions=4,
        failed=1,
        n_kinks=5,
        kinks=tuple(cr.engine.gradient_report.Kink(f"b[1][{j}]", "there") for j in range(5)),
        n_unresolved=1,
        tolerance=1.2e-7,
        reason="an array's largest entry",
        worst=cr.engine.gradient_report.Worst("W[1][0, 1]", 0.25, 0.5, 1e-8, 2e-12),
        projection=cr.engine.gradient_report.Projection(1.5, 1.5, 0.0, 1e-14),
        network_sha256="",
    )
    assert str(report).splitlines() == [
        "gradients of network 2-1 (identity; squared_error), float64, backend native, at 5 rows: FAILED",
        "  compared with central differences: 2 derivatives (all parameters), and 4 random directions of whole arrays",
        "  wrong: 1",
        "  worst: W[1][0, 1], expected 0.25, got 0.5",
        "    off by 2.5e-01; the tolerance is 1.0e-08, and the difference itself is right to 2.0e-12",
        "  tolerance: 1.2e-07 of an array's largest entry",
        "  on a kink, not compared: 5 (b[1][0]: there; b[1][1]: there; b[1][2]: there; and 2 more)",
        "  too small for differences to resolve: 1",
        "  projection: ⟨u, Jv⟩ = 1.5, ⟨Jᵀu, v⟩ = 1.5, 0.0e+00 apart, tolerance 1.0e-14",
    ]
    assert not report.passed
    assert replace(report, failed=0).passed
    assert not replace(report, failed=0, compared=0).passed
    wrong = replace(report.projection, error=1.0)
    assert not replace(report, failed=0, projection=wrong).passed
    nan = replace(report, worst=replace(report.worst, got=np.nan))
    assert nan.to_dict()["worst"]["got"] is None
    assert np.isnan(GradientReport.from_dict(nan.to_dict()).worst.got)


# --- bad input --------------------------------------------------------------------------------------------------------
NET = Network([3, 2])
X, Y = np.zeros((4, 3)), [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_gradients(3), "target: expected a network, an activation or a cost, got 3. Write cr.check_gradients(net, X, Y)."),
        (lambda: check_gradients("relu"), "target: expected a network, an activation or a cost, got 'relu'. Write "
         "cr.check_gradients(net, X, Y)."),
        (lambda: check_gradients(NET), "X: expected rows and targets to check the network at, got none. Some tens of rows are "
         "enough: cr.check_gradients(net, X[:50], Y[:50])."),
        (lambda: check_gradients(NET, X), "Y: expected rows and targets to check the network at, got none. Some tens"),
        (lambda: check_gradients(NET, X[:, :2], Y), "X: expected 3 columns, one for each of the network's inputs, got shape (4, 2)."),
        (lambda: check_gradients(NET, X, Y[:3]), "Y: expected 4 rows, as X has, got shape (3,)."),
        (lambda: check_gradients(NET, X, Y, sample_weight=[1]), "sample_weight: expected shape (4,), one for each row of X, got"),
        (lambda: check_gradients(activation("tanh"), X), "X: expected none, but for a network, got X with Activation. It is "
         "checked at points of its domain; to check it at your data, give a network that has it."),
        (lambda: check_gradients(find_cost("huber"), Y=Y), "Y: expected none, but for a network, got Y with Cost. It is"),
        (lambda: check_gradients(NET, X, Y, max_parameters=0), "max_parameters: expected a whole number ≥ 1, got 0. Leave "
         "max_parameters out."),
        (lambda: check_gradients(NET, X, Y, directions=2.5), "directions: expected a whole number ≥ 1, got 2.5. Leave"),
        (lambda: check_gradients(NET, X, Y, tolerance=0), "tolerance: expected a number 0 < τ < 1, got 0. Leave it out for the "
         "default."),
        (lambda: check_gradients(NET, X, Y, tolerance=True), "tolerance: expected a number 0 < τ < 1, got True."),
        (lambda: check_gradients(NET, X, Y, seed=-1), "seed: expected a whole number ≥ 0, a Generator or None, got -1."),
        (lambda: check_gradients(NET, X, Y, max_memory=1000), "X: expected rows that fit in max_memory, 1, got 4 rows. Give fewer "
         "rows, which are as good a check: X[:1]; or a larger max_memory."),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value).startswith(message)


def test_a_cost_that_is_not_finite_has_no_differences():
    net = Network([1, 1, 1], ["exp", "identity"])
    with pytest.raises(InputError) as error:
        check_gradients(net, [[1.0], [1e4]], [0.0, 0.0])
    assert str(error.value).startswith(
        "C of 2 rows: expected a finite number for each, got an infinite one or NaN. Scale X, or go back to parameters"
    )


def test_what_is_left_of_the_tolerance_in_float32_is_the_network_s_rounding_and_a_larger_one_is_kept_to():
    net, X, Y = problem_of([8, 9, 4], "float32", "reference")
    report = check_gradients(net, X, Y)
    assert 1e-6 < report.tolerance < 1e-3
    assert report.reason == "the largest Σ|c_i δ_j a_k| of an array: 1e-07, and what rounding to float32 may do"
    assert check_gradients(net, X, Y, tolerance=0.01).tolerance > 0.01
