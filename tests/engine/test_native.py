"""The native backend equals the reference: every declarative case, every odd size, every layout of the inputs."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from cases import HAS_NATIVE, all_problems, fits, targets
from chainrule import Network, derivatives
from chainrule.engine import reference

if not HAS_NATIVE:
    pytest.skip("the compiled core is not built", allow_module_level=True)

from chainrule.engine import native

PROBLEMS = all_problems()
PASSES = 1e-12  # of an array's largest entry: promise 2
TRAINING = 1e-9  # the same after training steps


def assert_close(got, expected, within, scale=None):
    """Hold every entry of `got` to `within` times the largest of `expected` (or of `scale`)."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    largest = np.abs(expected if scale is None else scale).max()
    worst = np.abs(got - expected).max()
    assert worst <= within * largest, f"{worst / largest if largest else worst:.2g} of the largest entry"


def assert_passes_close(got, expected, within):
    """Compare (run, back, what else there is) of two networks, array by array."""
    (run, back, rest), (expected_run, expected_back, expected_rest) = got, expected
    for arrays, expected_arrays in (
        (run.a, expected_run.a), (run.z, expected_run.z), (back.delta, expected_back.delta), (back.W, expected_back.W),
        (back.b, expected_back.b), (rest, expected_rest),
    ):  # fmt: skip
        assert list(arrays) == list(expected_arrays)
        for key in arrays:
            assert_close(arrays[key], expected_arrays[key], within)
    for name in ("x", "flat", "cost"):
        assert_close(getattr(back, name), getattr(expected_back, name), within)


def passes(net, X, Y, weights):
    """All that a network's methods give for a batch."""
    run = net.forward(X)
    back = net.backward(run, Y, weights)
    cost, gradient = net.value_and_gradient(X, Y, weights)
    rest = {
        "predict": net.predict(X),
        "example_costs": net.example_costs(X, Y),
        "cost": net.cost(X, Y, weights),
        "value": cost,
        "gradient": gradient.flat,
        "jacobian": derivatives.jacobian(net, X),
    }
    return run, back, rest


# --- every declarative case -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PROBLEMS)
def test_passes_equal_the_reference_s(name):
    problem = PROBLEMS[name]
    numbers = problem.X, problem.Y, problem.weights
    got = passes(problem.on("native").net, *numbers)
    assert_passes_close(got, passes(problem.on("reference").net, *numbers), PASSES)
    np.testing.assert_array_equal(got[2]["predict"], got[0].a[problem.net.L])  # one way to compute, the same bits


RULES = [cr.SGD(), cr.Momentum(), cr.Nesterov(), cr.RMSProp(), cr.Adam(), cr.Adam(epsilon_hat=True), cr.AdamW()]


@pytest.mark.parametrize("name", PROBLEMS)
def test_training_steps_equal_the_reference_s(name):
    problem = PROBLEMS[name]
    rule = RULES[list(PROBLEMS).index(name) % len(RULES)]
    thetas, histories = [], []
    for backend in ("native", "reference"):
        net = problem.on(backend).net
        histories.append(
            cr.train(net, problem.X, problem.Y, optimizer=rule, learning_rate=1e-4, batch_size=5, epochs=3,
                     penalty=0.01, sample_weight=problem.weights, seed=1, verbose=0)
        )  # fmt: skip
        thetas.append(net.parameters)
    assert_close(*thetas, TRAINING)
    assert not np.array_equal(thetas[0], problem.net.parameters)
    for figure in ("cost", "gradient_norm", "penalty"):
        assert_close(*(getattr(history, figure) for history in histories), TRAINING)


# --- float32 ----------------------------------------------------------------------------------------------------------
UNIT = float(np.finfo(np.float32).eps) / 2  # u: a sum of K products is off by at most (K + 1) u Σ|products|
FEW = 16  # roundings of u in one activation, derivative or cost


def assert_within(got, exact, bound):
    excess = np.abs(got.astype(np.float64) - exact) - bound
    assert (excess <= 0).all(), excess.max()


@pytest.mark.parametrize("name", PROBLEMS)
def test_in_float32_every_layer_is_within_the_rounding_of_its_own_sums(name):
    problem = PROBLEMS[name]
    plan = replace(problem.plan, dtype="float32")
    theta = problem.net.parameters.astype(np.float32)
    X, Y = problem.X.astype(np.float32), problem.Y.astype(np.float32)
    weights = None if problem.weights is None else problem.weights.astype(np.float32)
    run = native.forward(plan, theta, X)
    back = native.backward(plan, theta, run, Y, weights)

    # from here on float64: the operations of each layer on the very numbers that it was given
    a, z, delta = (
        {layer: array.astype(np.float64) for layer, array in arrays.items()} for arrays in (run.a, run.z, back.delta)
    )
    W, b = plan.split(theta.astype(np.float64))
    y, L, m = Y.astype(np.float64), plan.L, len(X)
    c = np.full((m, 1), 1 / m if plan.reduction == "mean" else 1.0)
    if weights is not None:
        counts = weights.astype(np.float64)
        c = (counts / counts.sum() if plan.reduction == "mean" else counts)[:, np.newaxis]
    for layer in plan.layers:
        below, g = a[layer - 1], plan.activation(layer)
        n_in, bias = below.shape[1], b[layer] if layer in b else np.zeros(1)
        assert_within(
            run.z[layer], below @ W[layer] + bias, (n_in + 2) * UNIT * (abs(below) @ abs(W[layer]) + abs(bias))
        )
        value = g.value(z[layer])
        if g.name == "softmax":
            roundings = (FEW + value.shape[1]) * abs(value)
        else:  # of the result and of z: gelu's tail falls so fast that a rounding of z/√2 is several of a
            roundings = FEW * (abs(value) + abs(z[layer] * g.derivative(z[layer])))
        assert_within(run.a[layer], value, UNIT * roundings)
        assert_within(
            back.W[layer], below.T @ (c * delta[layer]), (m + 4) * UNIT * (abs(below).T @ abs(c * delta[layer]))
        )
        if layer in b:
            assert_within(
                back.b[layer], (c * delta[layer]).sum(axis=0), (m + 4) * UNIT * abs(c * delta[layer]).sum(axis=0)
            )
        if layer > 1:
            spread = abs(delta[layer]) @ abs(W[layer]).T
            assert_within(
                back.delta[layer - 1],
                plan.activation(layer - 1).vjp(z[layer - 1], delta[layer] @ W[layer].T),
                through(plan.activation(layer - 1), z[layer - 1], (delta[layer].shape[1] + 2) * spread),
            )
    assert_within(back.x, delta[1] @ W[1].T, (delta[1].shape[1] + 2) * UNIT * (abs(delta[1]) @ abs(W[1]).T))

    exact = replace(plan, dtype="float64")
    kept = reference.Run(replace_all(run.a, a), replace_all(run.z, z))
    if plan.matched is not None:
        bound = (FEW + y.shape[1]) * UNIT * (abs(a[L]) * abs(y).sum(axis=1, keepdims=True).clip(1) + abs(y))
    else:
        at_0, at_1 = (abs(plan.cost.derivative(a[L], np.full_like(y, end))) for end in (0, 1))
        bound = through(plan.activation(L), z[L], FEW * (1 + abs(y)) * (at_0 + at_1))
    assert_within(back.delta[L], reference.output_delta(exact, kept.z[L], kept.a[L], y), bound)

    costs = reference.example_costs(exact, kept, y)
    rounding = (FEW + y.shape[1]) * UNIT * ((1 + abs(z[L]) + abs(a[L]) + abs(y)) ** 2).sum(axis=1)
    assert_within(native.example_costs(plan, run, Y), costs, rounding)
    assert abs(back.cost - (c[:, 0] @ costs)) <= c[:, 0] @ rounding
    cost, gradient = native.value_and_gradient(plan, theta, X, Y, weights)
    assert cost == back.cost
    # the same products of numbers that are rounded in another place, once for each layer
    assert_close(gradient.flat, back.flat, 8 * L * UNIT * np.sqrt(max(plan.sizes) * m))
    np.testing.assert_array_equal(native.predict(plan, theta, X), run.a[L])


def replace_all(by_layer, arrays):
    return type(by_layer)("float64", arrays)


def through(g, z, bound):
    """What g's product makes of an error of u·bound in what it multiplies."""
    if g.name == "softmax":  # a ⊙ (v − ⟨a, v⟩)
        a = g.value(z)
        inner = (a * bound).sum(axis=1, keepdims=True)
        return UNIT * (FEW + z.shape[1]) * a * (bound + inner)
    return UNIT * FEW * np.maximum(1, abs(g.derivative(z))) * bound


# --- sizes ------------------------------------------------------------------------------------------------------------
ENDINGS = [("softmax", "cross_entropy"), ("identity", "squared_error"), ("logistic", "binary_cross_entropy"),
           ("exp", "poisson"), ("softmax", "squared_error"), ("tanh", "huber"), ("softplus", "log_cosh")]  # fmt: skip


def odd_problem(width):
    """A network whose input and output have this width, and whose hidden layer has what is left to 41."""
    from chainrule.maths.activations import BUILT_IN

    rng = np.random.default_rng(width)
    output, cost = ENDINGS[width % len(ENDINGS)]
    if output == "softmax" and width == 1:
        output, cost = "identity", "squared_error"
    assert fits(output, cost)
    net = Network([width, 41 - width, width], [list(BUILT_IN)[width % len(BUILT_IN)], output], cost, dtype="float64",
                  seed=rng, backend="reference")  # fmt: skip
    for b in net.b.values():
        b[...] = 0.3 * rng.standard_normal(b.shape)
    net.parameters[...] = net.parameters.astype(np.float32)  # so that both dtypes have the same numbers
    X = (0.7 * rng.standard_normal((20, width))).astype(np.float32)
    return net, X, targets(cost, (20, width), rng).astype(np.float32)


def step_of_trainer(net, X, Y):
    """θ after one step of the core's trainer: the whole batch, η = 1/2."""
    one = np.ones(1)
    trainer = native.trainer(net.plan, cr.SGD(), X, Y, None, len(X))
    trainer.load(net.parameters, cr.SGD().initial(net.parameters, net.plan.is_weight))
    figures = np.empty((3, 1))
    done = trainer.run(np.arange(len(X)), np.array([0, len(X)]), one / 2, 0 * one, 0 * one, one, 0, *figures, bool)
    assert done == (1, "")
    return trainer.parameters()


@pytest.mark.parametrize("width", range(1, 41))
def test_every_width_with_every_batch(width):
    exact, X, Y = odd_problem(width)
    all_rows = exact.forward(X)
    # float32: at most 42 products in a sum and two layers of them, the roundings of which hardly ever add up
    bounds = {"float64": PASSES, "float32": 32 * UNIT * np.sqrt(41)}
    nets = [Network.from_plan(replace(exact.plan, dtype=d), exact.parameters.astype(d), "native") for d in bounds]
    for m in range(1, 21):
        expected = exact.backward(exact.forward(X[:m]), Y[:m])
        J = derivatives.jacobian(exact, X[:m])
        scale = np.abs(J).max(axis=(0, 2)).max()
        for net in nets:
            within = bounds[net.plan.dtype]
            run = net.forward(X[:m])
            for layer in net.plan.layers:
                # all twenty rows' largest entry: a single row of a narrow layer may cancel
                assert_close(run.z[layer], all_rows.z[layer][:m], within, all_rows.z[layer])
                assert_close(run.a[layer], all_rows.a[layer][:m], within, all_rows.a[layer])
            back = net.backward(run, Y[:m])
            for layer in net.plan.layers:
                assert_close(back.delta[layer], expected.delta[layer], within)
            assert_close(back.x, expected.x, within)
            assert_close(back.flat, expected.flat, within)
            assert_close(back.cost, expected.cost, within)
            cost, gradient = net.value_and_gradient(X[:m], Y[:m])
            assert_close(cost, expected.cost, within)
            assert_close(gradient.flat, expected.flat, within)
            np.testing.assert_array_equal(net.predict(X[:m]), run.a[2])
            output = m % width
            assert_close(derivatives.input_gradient(net, X[:m], output), J[:, output], within, scale)
            step = step_of_trainer(net, X[:m], Y[:m])
            half = net.parameters - net.dtype.type(0.5) * gradient.flat
            assert step.tobytes() == half.tobytes()


LARGE = [
    ((783, 129, 49, 10), 523, "relu", "softmax", "cross_entropy"),  # rows and columns in several blocks
    ((31, 1025, 3), 261, "tanh", "identity", "squared_error"),
    ((1030, 5), 777, "logistic", "logistic", "binary_cross_entropy"),
    ((2, 193, 194, 1), 450, "gelu", "exp", "poisson"),
]


@pytest.mark.parametrize(("sizes", "m", "hidden", "output", "cost"), LARGE, ids=lambda value: str(value))
@pytest.mark.parametrize("n_threads", [1, 2])
def test_sizes_that_are_cut_into_blocks(sizes, m, hidden, output, cost, n_threads):
    from chainrule.engine.threads import exactly

    rng = np.random.default_rng(m)
    functions = [*[hidden] * (len(sizes) - 2), output]
    exact = Network(sizes, functions, cost, dtype="float64", seed=rng, backend="reference")
    exact.parameters[...] = exact.parameters.astype(np.float32)
    X, Y = rng.standard_normal((m, sizes[0]), dtype=np.float32), targets(cost, (m, sizes[-1]), rng).astype(np.float32)
    weights = rng.uniform(0.5, 2, m).astype(np.float32)
    expected = exact.backward(exact.forward(X), Y, weights)
    for dtype, within in (("float64", PASSES), ("float32", 32 * UNIT * np.sqrt(max(*sizes, m)))):
        net = Network.from_plan(replace(exact.plan, dtype=dtype), exact.parameters.astype(dtype), "native")
        with exactly(n_threads):
            run = net.forward(X)
            back = net.backward(run, Y, weights)
            cost_now, gradient = net.value_and_gradient(X, Y, weights)
            predicted = net.predict(X)
        assert_close(predicted, exact.predict(X), within)
        np.testing.assert_array_equal(predicted, run.a[net.L])
        for layer in net.plan.layers:
            assert_close(back.delta[layer], expected.delta[layer], within)
        for got in (back.flat, gradient.flat):
            assert_close(got, expected.flat, within)
        assert_close(back.x, expected.x, within)
        assert cost_now == pytest.approx(expected.cost, rel=within)
        assert cost_now == pytest.approx(back.cost, rel=UNIT if dtype == "float32" else 1e-15)


# --- layouts ----------------------------------------------------------------------------------------------------------
M, N_IN, N_OUT = 53, 37, 5
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]  # fmt: skip


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind in "iu":
        ends = np.iinfo(dtype)
        return rng.integers(max(ends.min, -(2**24)), min(ends.max, 2**24), shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def unaligned(array):
    moved = np.frombuffer(b"\0" + np.ascontiguousarray(array).tobytes(), dtype=array.dtype, offset=1).reshape(
        array.shape
    )
    assert array.itemsize == 1 or not moved.flags.aligned
    return moved


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array):
    wide = np.zeros(tuple(3 * n for n in array.shape), dtype=array.dtype)
    wide[(slice(1, None, 3),) * array.ndim] = array
    return wide[(slice(1, None, 3),) * array.ndim]


def backwards(array):
    turned = (slice(None, None, -1),) * array.ndim
    return array[turned].copy()[turned]


def packed(array):
    """A column of records whose fields are an odd number of bytes apart."""
    record = np.zeros(len(array), dtype=[("flag", "u1"), ("x", array.dtype, array.shape[1:])])
    record["x"] = array
    return record["x"]


LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "backwards": backwards,
    "read-only": read_only,
    "unaligned": unaligned,
    "packed": packed,
}


def mapped(array, tmp_path):
    file = tmp_path / "numbers"
    file.write_bytes(b"odd" + np.ascontiguousarray(array).tobytes())
    return np.memmap(file, dtype=array.dtype, mode="r", offset=3, shape=array.shape)


def core_results(net, X):
    """Bytes of what each entrance of the core makes of X, which it is handed as it is."""
    plan, theta = net.plan, net.parameters
    core = native.core_plan(plan)
    Y = numbers((M, N_OUT), plan.dtype, seed=1)
    out, gradient = np.empty((M, N_OUT), plan.dtype), np.empty_like(theta)
    assert core.predict(theta, X, out, 1) == -1
    a, z = ([np.empty((M, n), plan.dtype) for n in plan.sizes[1:]] for _ in range(2))
    core.forward(theta, X, a, z, 1)
    core.value_and_gradient(theta, X, Y, None, gradient, 1)
    trainer = native._core.Trainer(core, "sgd", [], 7, 1)
    trainer.load(theta, [], 0)
    n_steps = -(-M // 7)
    ones, order = np.ones(n_steps), np.random.default_rng(2).permutation(M)
    bounds = np.minimum(np.arange(n_steps + 1) * 7, M)
    done = trainer.run(
        X, Y, None, order, bounds, 1e-3 * ones, 0 * ones, 0 * ones, ones, 0, *np.empty((3, n_steps)), bool
    )
    assert done == (n_steps, "")
    trained = np.empty_like(theta)
    trainer.store(trained)
    assert np.isfinite(trained).all()
    assert (trained != theta).any()
    return [array.tobytes() for array in (out, *a, *z, gradient, trained)]


@pytest.fixture(scope="module", params=["float32", "float64"])
def net(request):
    return Network([N_IN, 19, N_OUT], ["tanh", "identity"], dtype=request.param, seed=3, backend="native")


@pytest.mark.parametrize("dtype", DTYPES)
def test_X_of_any_real_dtype_and_layout_is_read_where_it_lies(net, dtype, tmp_path):
    X = numbers((M, N_IN), dtype)
    plain = X.astype(net.dtype)
    expected = core_results(net, plain)
    layouts = [to(X) for to in LAYOUTS.values()] + [mapped(X, tmp_path)]
    for array in layouts:
        np.testing.assert_array_equal(array, X)
        assert core_results(net, array) == expected
        few = net.predict(array[:3])  # few rows take another way through the core
        assert few.tobytes() == expected[0][: few.nbytes]
        np.testing.assert_array_equal(array, X)
    np.testing.assert_array_equal(plain, X.astype(net.dtype))
    one = np.broadcast_to(X[:1], X.shape)  # strides of 0
    assert core_results(net, one) == core_results(net, plain[np.zeros(M, int)])


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "float16"])  # which SciPy lacks
def test_sparse_rows_are_the_dense_ones(net, dtype, index):
    X = numbers((M, N_IN), dtype)
    X[numbers((M, N_IN), "float64", seed=5) < 0.5] = 0
    X[[0, 7, M - 1]] = 0  # empty rows
    sparse = scipy.sparse.csr_array(X)
    data = sparse.data.view(np.uint8) if dtype == "bool" else sparse.data
    handed = (data, sparse.indices.astype(index), sparse.indptr.astype(index))
    assert core_results(net, handed) == core_results(net, X)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_method_takes_arrays_in_any_layout(net, dtype, layout):
    """X, Y and weights of the network's own dtype too, which are handed on without a copy."""
    X, Y, weights = numbers((M, N_IN), dtype), numbers((M, N_OUT), dtype, 1), abs(numbers(M, dtype, 2))
    plain, moved = (
        [*run.a.values(), *run.z.values(), *back.delta.values(), back.x, back.flat, back.cost, *rest.values()]
        for run, back, rest in (passes(net, X, Y, weights), passes(net, *map(LAYOUTS[layout], (X, Y, weights))))
    )
    for got, expected in zip(moved, plain, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("targets_dtype", ["int8", "uint8", "int64", "uint64", "bool", "float32", "float64"])
def test_training_takes_arrays_in_any_layout(layout, targets_dtype):
    to = LAYOUTS[layout]
    X, Y = numbers((M, N_IN), "float32"), numbers((M, N_OUT), "float64", 1)
    classes = np.arange(M) % (2 if targets_dtype == "bool" else N_OUT)
    Y = Y.astype(targets_dtype) if targets_dtype.startswith("float") else classes.astype(targets_dtype)
    weights = abs(numbers(M, "float32", 2))
    thetas = []
    for arrays in ((X, Y, weights), map(to, (X, Y, weights))):
        rows, aims, counts = arrays
        net = Network([N_IN, 19, N_OUT], ["tanh", "identity"], seed=3, backend="native")
        history = cr.train(net, rows, aims, sample_weight=counts, epochs=2, batch_size=7, verbose=0)
        assert history.stopped == "epochs"
        thetas.append(net.parameters.tobytes())
    assert thetas[0] == thetas[1]


def test_a_theta_that_changes_is_looked_at_anew(net):
    twin, X = net.copy(), numbers((1, N_IN), "float64")
    before = twin.predict(X)
    twin.parameters[...] *= 2
    assert (twin.predict(X) != before).any()
    expected = Network.from_plan(net.plan, twin.parameters, "reference").predict(X)
    assert_close(twin.predict(X), expected, 64 * float(np.finfo(net.dtype).eps))
    theta = net.parameters.copy()
    theta.flags.writeable = False
    assert Network.from_plan(net.plan, theta, "native").predict(X).tobytes() == before.tobytes()


def test_numbers_that_are_not_finite_are_refused_however_many_rows_there_are(net):
    for m in (1, 3, 8, 9, 300, 1000):
        for row in {0, m // 2, m - 1}:
            for bad in (np.nan, np.inf, -np.inf):
                X = np.zeros((m, N_IN))
                X[row, N_IN - 1] = bad
                with pytest.raises(cr.errors.InputError, match=rf"^X\[{row}, {N_IN - 1}\]: expected a finite number"):
                    net.predict(X)
                out = np.empty((m, N_OUT), net.dtype)
                assert native.core_plan(net.plan).predict(net.parameters, X, out, 2) == row


# --- instruction sets -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", native._core.instruction_sets())
def test_every_instruction_set_of_this_machine_equals_the_reference(name):
    if name == native._core.instruction_set():
        return  # everything above
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "cut_into_blocks or batch or within"],
        env={**os.environ, "CHAINRULE_INSTRUCTION_SET": name}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_an_unknown_instruction_set_is_refused():
    script = "import chainrule as cr; cr.Network([2, 1], backend='native').predict([[1.0, 2.0]])"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "CHAINRULE_INSTRUCTION_SET": "avx1024"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "CHAINRULE_INSTRUCTION_SET" in done.stderr.splitlines()[-1]
    assert "avx1024" in done.stderr.splitlines()[-1]
