"""Every function of chainrule.derivatives on networks, dtypes and strides that Hypothesis draws, and on bad rows."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cases import BACKENDS, COSTS, fits, targets
from chainrule import MLPRegressor, Network
from chainrule import derivatives as d
from chainrule.errors import InputError
from chainrule.maths.activations import BUILT_IN as ACTIVATIONS
from chainrule.maths.pairs import distribution


@dataclass(frozen=True)
class Given:
    """What the functions are given."""

    net: Network
    X: object
    Y: np.ndarray
    weights: np.ndarray | None
    v: np.ndarray  # like θ
    u: np.ndarray  # like the outputs
    w: np.ndarray  # like the rows

    @property
    def n(self):
        return self.net.sizes

    @property
    def has_distribution(self):
        return distribution(self.net.plan.activation(self.net.L), self.net.cost_function) is not None


def like_theta(g):
    return [(g.net.plan.n_parameters,)]


def like_factors(g):
    inputs = [n_in + bias for n_in, bias in zip(g.n, g.net.plan.bias, strict=False)]
    return [(n, n) for n in (*inputs, *g.n[1:])]


OF_ROWS = {  # a call, and the shapes of what it gives: m stands for the number of rows
    "input_gradient": (lambda g, **o: d.input_gradient(g.net, g.X, g.n[-1] - 1, **o), lambda g: [("m", g.n[0])]),
    "jacobian": (lambda g, **o: d.jacobian(g.net, g.X, **o), lambda g: [("m", g.n[-1], g.n[0])]),
    "vjp": (lambda g, **o: d.vjp(g.net, g.X, g.u, **o), lambda g: [("m", g.n[0])]),
    "jvp": (lambda g, **o: d.jvp(g.net, g.X, g.w, of="z", **o), lambda g: [("m", g.n[-1])]),
    "input_hessian": (lambda g, **o: d.input_hessian(g.net, g.X, **o), lambda g: [("m", g.n[0], g.n[0])]),
    "integrated_gradients": (
        lambda g, **o: d.integrated_gradients(g.net, g.X, baseline=g.w[0], steps=3, **o),
        lambda g: [("m", g.n[0]), ("m",)],
    ),
    "layer_jacobian": (
        lambda g, **o: d.layer_jacobian(g.net, g.X, g.net.L // 2, g.net.L, **o),
        lambda g: [("m", g.n[-1], g.n[g.net.L // 2])],
    ),
    "parameter_jacobian": (
        lambda g, **o: d.parameter_jacobian(g.net, g.X, **o),
        lambda g: [("m", g.n[-1], g.net.plan.n_parameters)],
    ),
}
OF_TARGETS = {
    "cost_input_gradient": (lambda g, **o: d.cost_input_gradient(g.net, g.X, g.Y, **o), lambda g: [("m", g.n[0])]),
    "sensitivity_profile": (lambda g, **o: d.sensitivity_profile(g.net, g.X, g.Y, **o), lambda g: [("m", g.net.L + 1)]),
    "per_example_gradients": (
        lambda g, **o: d.per_example_gradients(g.net, g.X, g.Y, **o),
        lambda g: [("m", g.net.plan.n_parameters)],
    ),
    "per_example_norms": (lambda g, **o: d.per_example_norms(g.net, g.X, g.Y, **o), lambda g: [("m",)]),
    "sum_of_squares": (lambda g, **o: d.sum_of_squares(g.net, g.X, g.Y, **o), like_theta),
    "gradient_variance": (lambda g, **o: d.gradient_variance(g.net, g.X, g.Y, **o), like_theta),
    # scale is their quotient, which may be one by nearly 0
    "gradient_noise_scale": (lambda g, **o: d.gradient_noise_scale(g.net, g.X, g.Y, **o)[1:], lambda g: [(), ()]),
    "clipped_gradient": (lambda g, **o: d.clipped_gradient(g.net, g.X, g.Y, 0.5, g.weights, **o), like_theta),
    "gradient": (lambda g, **o: d.gradient(g.net, g.X, g.Y, g.weights, **o), like_theta),
    "hvp": (lambda g, **o: d.hvp(g.net, g.X, g.Y, g.v, g.weights, **o), like_theta),
    "ggn_vp": (lambda g, **o: d.ggn_vp(g.net, g.X, g.Y, g.v, g.weights, **o), like_theta),
    "fisher_vp": (lambda g, **o: d.fisher_vp(g.net, g.X, g.Y, g.v, g.weights, kind="empirical", **o), like_theta),
    "as_linear_operator": (lambda g, **o: d.as_linear_operator(g.net, g.X, g.Y, g.weights, **o) @ g.v, like_theta),
    "ggn_diagonal": (lambda g, **o: d.ggn_diagonal(g.net, g.X, g.Y, g.weights, **o), like_theta),
    "hessian_diagonal": (lambda g, **o: d.hessian_diagonal(g.net, g.X, g.Y, g.weights, **o), like_theta),
    "kronecker_factors": (lambda g, **o: d.kronecker_factors(g.net, g.X, g.Y, g.weights, **o), like_factors),
    "kronecker_matvec": (
        lambda g, **o: d.kronecker_matvec(d.kronecker_factors(g.net, g.X, g.Y, g.weights, kind="empirical", **o), g.v),
        like_theta,
    ),
}
OF_A_DISTRIBUTION = {
    "fisher_vp, true": (lambda g, **o: d.fisher_vp(g.net, g.X, None, g.v, g.weights, **o), like_theta),
}
DRAWN = {
    "ggn_diagonal, drawn": (lambda g, **o: d.ggn_diagonal(g.net, g.X, None, kind="monte_carlo", **o), like_theta),
    "kronecker_factors, drawn": (lambda g, **o: d.kronecker_factors(g.net, g.X, None, kind="kfac", **o), like_factors),
}
FUNCTIONS = OF_ROWS | OF_TARGETS | OF_A_DISTRIBUTION | DRAWN


def test_every_function_of_examples_is_here():
    of_no_batch = {"check_gradients", "kronecker_solve", "multiplication_count", "path_count", "path_sum", "top_paths"}
    public = {name for name in d.__all__ if name.islower()}
    assert {name.partition(",")[0] for name in FUNCTIONS} | of_no_batch == public


def arrays(result):
    if isinstance(result, d.KroneckerFactors):
        return [*result.A.values(), *result.G.values()]
    return [np.asarray(part) for part in result] if isinstance(result, tuple) else [result]


# --- what they are given ----------------------------------------------------------------------------------------------
def unaligned(array):
    raw = np.empty(array.nbytes + 1, dtype=np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    view = array.view()
    view.flags.writeable = False
    return view


def spread_out(array):
    wide = np.zeros((2 * array.shape[0], 3 * array.shape[1]), dtype=array.dtype)
    wide[::2, 1::3] = array
    return wide[::2, 1::3]


LAYOUTS = {
    "C": lambda array: array,
    "Fortran": np.asfortranarray,
    "transposed": lambda array: np.ascontiguousarray(array.T).T,
    "rows reversed": lambda array: array[::-1],
    "both reversed": lambda array: array[::-1, ::-1],
    "every second row": spread_out,
    "unaligned": unaligned,
    "read-only": read_only,
    "one row for all": lambda array: np.broadcast_to(array[:1], array.shape),
    "one column for all": lambda array: np.broadcast_to(array[:, :1], array.shape),
}
DTYPES = [
    "float64",
    "float32",
    "float16",
    "longdouble",
    "int64",
    "int8",
    "uint8",
    "uint64",
    "bool",
    ">f8",
    ">f2",
    ">i4",
]


@st.composite
def problems(draw):
    """A network, and what its functions are given; all numbers of rows and targets are numbers of float16."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cost = draw(st.sampled_from(COSTS))
    output = draw(st.sampled_from([name for name in ACTIVATIONS if fits(name, cost)]))
    hidden = draw(st.lists(st.sampled_from(list(ACTIVATIONS)), max_size=3))
    sizes = [draw(st.integers(1, 6)) for _ in range(len(hidden) + 1)]
    sizes.append(draw(st.integers(2 if output == "softmax" else 1, 6)))
    net = Network(
        sizes,
        [*hidden, output],
        cost,
        bias=draw(st.booleans()),
        reduction=draw(st.sampled_from(["mean", "sum"])),
        dtype=draw(st.sampled_from(["float64", "float32"])),
        backend="reference",
    )
    m, dtype = draw(st.integers(1, 6)), np.dtype(draw(st.sampled_from(DTYPES)))
    # |x| ≤ 1 or 16, and |z| ≤ 3 in every layer, also where activations are all exp; all 0 is a constant network
    net.parameters = draw(st.sampled_from([1, 1, 0])) * rng.uniform(-0.5, 0.5, net.plan.n_parameters) / max(sizes)
    if dtype.kind != "f":
        net.W[1][...] /= 16
    numbers = rng.integers(-16, 17, (m, sizes[0])) / (16 if dtype.kind == "f" else 1)
    if dtype.kind in "ub":
        numbers = np.abs(numbers)
    X = LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](numbers.astype(dtype))
    Y = np.round(64 * targets(cost, (m, sizes[-1]), rng)) / 64
    Y = LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](Y.astype(draw(st.sampled_from(["float64", "float32", ">f8"]))))
    weights = rng.uniform(0.2, 2, 2 * m)[::2] if draw(st.booleans()) else None
    v = rng.uniform(-1, 1, 3 * net.plan.n_parameters)[::-3]
    layout = LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))]
    return Given(net, X, Y, weights, v, *(layout(rng.uniform(-1, 1, (m, n))) for n in (sizes[-1], sizes[0])))


def plain(array, dtype):
    return np.array(array, dtype=dtype, order="C")


def on(backend, g):
    return replace(g, net=Network.from_plan(g.net.plan, g.net.parameters.copy(), backend))


def largest(parts):
    return max(float(np.abs(part).max(initial=0)) for part in parts)


@given(problems())
@settings(max_examples=100, deadline=None)
def test_any_dtype_and_strides_give_what_plain_rows_give(g):
    m, dtype = len(g.X), g.net.dtype
    simple = replace(g, **{name: plain(getattr(g, name), dtype) for name in ("X", "Y", "v", "u", "w")})
    before = [plain(array, array.dtype) for array in (g.X, g.Y, g.v, g.u, g.w, g.net.parameters)]
    for name, (call, shapes) in FUNCTIONS.items():
        if (name == "gradient_noise_scale" and m == 1) or (
            name in OF_A_DISTRIBUTION | DRAWN and not g.has_distribution
        ):
            continue
        found = {}
        for backend in BACKENDS:
            got = arrays(call(on(backend, g)))
            assert [part.shape for part in got] == [tuple(m if n == "m" else n for n in shape) for shape in shapes(g)]
            assert {part.dtype for part in got} == {np.dtype(float) if name == "gradient_noise_scale" else dtype}
            assert all(np.isfinite(part).all() for part in got), name
            for part, expected in zip(got, arrays(call(on(backend, simple))), strict=True):
                np.testing.assert_array_equal(part, expected, err_msg=name)  # no cast has rounded: the same bits
            found[backend] = got
        if len(found) < 2 or name in DRAWN:  # a draw may fall between two numbers that differ by rounding
            continue
        # Some hundred roundings of sums of at most six products, of numbers of size 1 or of the result's, which may
        # cancel: 4,500 of 2^-52, 840 of 2^-23.
        tolerance = 1e-12 if dtype == np.float64 else 1e-4
        allowed = tolerance * max(1.0, largest(found["reference"]))
        assert largest([a - b for a, b in zip(*found.values(), strict=True)]) <= allowed, name
    for array, kept in zip((g.X, g.Y, g.v, g.u, g.w, g.net.parameters), before, strict=True):
        np.testing.assert_array_equal(array, kept)


@given(problems(), st.sampled_from(["int8", "uint8", "uint64", ">i4", "bool"]))
@settings(max_examples=20, deadline=None)
def test_class_indices_of_any_dtype_are_rows_of_0_and_1(g, dtype):
    cost = g.net.cost_function
    if g.n[-1] == 1 or not (cost.targets.contains(0) and cost.targets.contains(1)):
        return
    classes = (np.arange(len(g.X)) % min(g.n[-1], 2)).astype(dtype)
    one_hot = replace(g, Y=np.eye(g.n[-1])[classes.astype(int)])
    for name, (call, _) in OF_TARGETS.items():
        if name == "gradient_noise_scale" and len(g.X) == 1:
            continue
        for part, expected in zip(arrays(call(replace(g, Y=classes))), arrays(call(one_hot)), strict=True):
            np.testing.assert_array_equal(part, expected, err_msg=name)


# --- rows in other containers, and rows that are none -----------------------------------------------------------------
def fixed(backend, dtype, X, m):
    """What the functions are given on a network of every function's, 3-4-2, with these rows."""
    net = Network([3, 4, 2], ["tanh", "identity"], dtype=dtype, backend=backend, seed=1)
    rng = np.random.default_rng(0)
    v, Y, w = rng.standard_normal(net.plan.n_parameters), rng.standard_normal((m, 2)), rng.standard_normal((m, 3))
    return Given(net, X, Y, None, v, Y, w)


class Subclass(np.ndarray):
    """As libraries with units make them."""


ROWS = np.random.default_rng(0).integers(-4, 5, (5, 3)) / 4


def mapped(folder):
    rows = np.memmap(folder / "rows", dtype="float32", mode="w+", shape=ROWS.shape)
    rows[...] = ROWS
    rows.flush()
    return np.memmap(folder / "rows", dtype="float32", mode="r", shape=ROWS.shape)


def field_of_records():
    records = np.zeros(len(ROWS), dtype=[("name", "S3"), ("rows", "f8", (3,))])
    records["rows"] = ROWS
    return records["rows"]


CONTAINERS = {
    "list": lambda _: ROWS.tolist(),
    "tuples": lambda _: tuple(map(tuple, ROWS)),
    "memoryview": lambda _: memoryview(ROWS),
    "frame": lambda _: pd.DataFrame(ROWS, columns=["a", "b", "c"]),
    "frame of two dtypes": lambda _: pd.DataFrame(ROWS).astype({0: "float32"}),
    "masked array without a mask": lambda _: np.ma.array(ROWS, mask=False),
    "subclass": lambda _: ROWS.view(Subclass),
    "memory-mapped": mapped,
    "field of records": lambda _: field_of_records(),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_rows_in_any_container(container, backend, tmp_path):
    X = CONTAINERS[container](tmp_path)
    for dtype in ("float64", "float32"):
        for name, (call, _) in FUNCTIONS.items():
            simple = fixed(backend, dtype, ROWS.astype(dtype), len(ROWS))
            for part, expected in zip(arrays(call(replace(simple, X=X))), arrays(call(simple)), strict=True):
                np.testing.assert_array_equal(part, expected, err_msg=name)


def with_one(value, dtype="float64", order="C"):
    """600 rows, which are worked in two blocks, with one bad number in the second."""
    rows = np.zeros((600, 3), dtype=dtype, order=order)
    rows[555, 1] = value
    return rows


FILLED, COLUMNS = (
    "Remove or fill such rows first.",
    "Give the columns that the network was made for, in the same order.",
)
TOO_LARGE = "too large for float32; scale it, or make the network with dtype='float64'."
BAD = {
    "NaN": (with_one(np.nan), f"X[555, 1]: expected a finite number, got nan. {FILLED}"),
    "inf, float32": (with_one(np.inf, "f4", "F"), f"X[555, 1]: expected a finite number, got inf. {FILLED}"),
    "-inf, float16": (with_one(-np.inf, "f2"), f"X[555, 1]: expected a finite number, got -inf. {FILLED}"),
    "NaN, longdouble": (with_one(np.nan, "longdouble"), f"X[555, 1]: expected a finite number, got nan. {FILLED}"),
    "NaN, big-endian": (with_one(np.nan, ">f8"), f"X[555, 1]: expected a finite number, got nan. {FILLED}"),
    "NaN, reversed": (with_one(np.nan)[::-1], f"X[44, 1]: expected a finite number, got nan. {FILLED}"),
    "too large": (with_one(1e300), f"X[555, 1]: expected a finite number, got 1e+300. It is {TOO_LARGE}"),
    "columns": (
        np.zeros((600, 4)),
        f"X: expected 3 columns, one for each of the network's inputs, got shape (600, 4). {COLUMNS}",
    ),
    "no rows": (np.zeros((0, 3)), "X: expected at least one row, got shape (0, 3). Check how the rows were selected."),
    "one row": (np.zeros(3), "X: expected 2 dimensions, (m, 3), got shape (3,). One example is X.reshape(1, -1)."),
    "pictures": (
        np.zeros((600, 3, 1)),
        "X: expected 2 dimensions, (m, 3), got shape (600, 3, 1). Try X.reshape(len(X), -1).",
    ),
    "texts": (
        [["a", "b", "c"]],
        "X: expected real numbers, got dtype <U1. Turn text into numbers first, categories into columns of 0 and 1.",
    ),
    "unequal": (
        [[1, 2, 3], [1, 2]],
        "X: expected a rectangular array, got rows of unequal length. Every row needs the same number of entries.",
    ),
    "sparse": (
        sparse.csr_array((600, 3)),
        "X: expected a dense array, got the sparse csr_array. Give X.toarray() if it fits in memory.",
    ),
    "masked": (
        np.ma.masked_equal(with_one(1), 1),
        "X: expected an array without a mask, got masked entries. Fill the masked entries, for example with X.filled(0).",
    ),
    "complex": (
        np.zeros((600, 3), dtype=complex),
        "X: expected real numbers, got dtype complex128. Split a complex number into two columns, real and imaginary "
        "part.",
    ),
    "objects": (
        pd.DataFrame({"a": [1.0], "b": [True], "c": ["x"]}),
        "X: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(X, dtype=float).",
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", BAD)
def test_bad_rows_are_refused_alike(bad, backend):
    X, message = BAD[bad]
    g = fixed(backend, "float32", X, 600)
    for name, (call, _) in FUNCTIONS.items():
        with pytest.raises(InputError) as error:
            call(g)
        assert str(error.value) == message, name


@pytest.mark.parametrize("budget", [1e6, 0, -1, True, "256 MiB", None])
def test_a_budget_that_is_no_number_of_bytes(budget):
    g = fixed(BACKENDS[-1], "float64", ROWS, len(ROWS))
    for name, (call, _) in FUNCTIONS.items():
        with pytest.raises(InputError) as error:
            call(g, max_memory=budget)
        hint = "Give a number of bytes, such as 2**28."
        assert str(error.value) == f"max_memory: expected a whole number ≥ 1, got {budget!r}. {hint}", name


@pytest.mark.parametrize("output", [2, -1, 1.0, "1", None, [0]])
def test_an_output_that_is_not_there(output):
    g = fixed(BACKENDS[-1], "float64", ROWS, len(ROWS))
    for function in (d.input_gradient, d.input_hessian, d.integrated_gradients):
        with pytest.raises(InputError) as error:
            function(g.net, g.X, output)
        assert (
            str(error.value) == f"output: expected a whole number 0 to 1, got {output!r}. Outputs are counted from 0."
        )


def test_what_is_no_network_is_refused_alike():
    g = fixed(BACKENDS[-1], "float64", ROWS, len(ROWS))
    message = (
        "net: expected a cr.Network, got {}. Make one: net = cr.Network([n_inputs, …, n_outputs]). A fitted "
        "estimator's is estimator.network_."
    )
    for other in ("net", None, MLPRegressor()):
        for name in FUNCTIONS.keys() - {"input_gradient", "layer_jacobian"}:  # whose arguments here are the network's
            with pytest.raises(InputError) as error:
                FUNCTIONS[name][0](replace(g, net=other))
            assert str(error.value) == message.format(type(other).__name__), name
        for call in (
            lambda net: d.input_gradient(net, g.X),
            lambda net: d.layer_jacobian(net, g.X, 0, 1),
            lambda net: d.path_count(net, 1),
            lambda net: d.path_sum(net, [0], [0], (1, 0, 0)),
        ):
            with pytest.raises(InputError) as error:
                call(other)
            assert str(error.value) == message.format(type(other).__name__)
