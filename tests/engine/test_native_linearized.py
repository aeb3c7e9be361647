"""The native backend's linearized network equals the reference's: every method on every declarative case and odd size."""

from dataclasses import replace

import numpy as np
import pytest

from cases import HAS_NATIVE, UNDER_SANITIZER, all_problems
from chainrule import Network
from chainrule.engine import reference
from chainrule.maths.activations import BUILT_IN

if not HAS_NATIVE:
    pytest.skip("the compiled core is not built", allow_module_level=True)

from chainrule.engine import native

PROBLEMS = all_problems()
PASSES = 1e-12  # of an array's largest entry: promise 2
UNIT = float(np.finfo(np.float32).eps) / 2


def rounding(plan, m):
    """Of an array's largest entry, in float32: roundings of the longest sums, which hardly ever add up, in each layer."""
    return 32 * plan.L * UNIT * np.sqrt(max(*plan.sizes, 2 * m))


def assert_close(got, expected, within, what):
    got, expected = np.asarray(got, np.float64), np.asarray(expected)
    assert got.shape == expected.shape, what
    largest, worst = np.abs(expected).max(), np.abs(got - expected).max()
    assert worst <= within * largest, f"{what}: {worst / largest if largest else worst:.2g} of the largest entry"


class Given:
    """What is pulled, pushed, bent and counted; numbers that both dtypes have."""

    def __init__(self, plan, m, seed):
        rng = np.random.default_rng(seed)
        n = plan.sizes[-1]
        draws = rng.standard_normal((2, m, n)), rng.uniform(-1, 1, plan.n_parameters), rng.standard_normal((m, n))
        self.seeds, self.v, self.d_delta = (array.astype(np.float32) for array in draws)
        self.c = rng.uniform(0, 2, m).astype(np.float32)

    def results(self, backend, plan, theta, X):
        """All that a linearized network gives: of one cotangent and of two, counted by 1, another number, and rows."""
        T = plan.dtype
        seeds, v, d_delta, c = (array.astype(T) for array in (self.seeds, self.v, self.d_delta, self.c))
        at = backend.linearize(plan, theta.astype(T), X.astype(T))
        one, two, pushed = at.pull(seeds[:1]), at.pull(seeds), at.push(v)
        bent, out = at.bend(pushed, seeds[0], d_delta), np.full((len(X), 2, plan.sizes[0]), np.nan, T)
        assert two.inputs(out) is out
        found = {
            "z": at.z, "a": at.a, "R{z}": pushed.z, "∂/∂x": one.inputs(), "∂/∂x of two": out,
            "gradient": one.gradient(1.0), "gradient of two": two.gradient(0.375), "gradient, counted": two.gradient(c),
            "squared norms": one.squared_norms(), "squared norms of two": two.squared_norms(),
            "squares": one.squares(0.375), "squares, counted": two.squares(c),
            "R{gradient}": bent.gradient(0.375), "R{gradient}, counted": bent.gradient(c),
        }  # fmt: skip
        for name, moments in (
            ("inputs", at.moments(1.0)), ("inputs, counted", at.moments(c)),
            ("δ", one.moments(1.0)), ("δ of two", two.moments(0.375)), ("δ of two, counted", two.moments(c)),
        ):  # fmt: skip
            found |= {f"moments of {name}, layer {layer}": moment for layer, moment in enumerate(moments, 1)}
        return found


def held_to_the_reference(plan, theta, X, seed):
    """Compare in both dtypes, at numbers that both have."""
    theta, X, given = theta.astype(np.float32), X.astype(np.float32), Given(plan, len(X), seed)
    exact = given.results(reference, replace(plan, dtype="float64"), theta, X)
    for dtype, within in (("float64", PASSES), ("float32", rounding(plan, len(X)))):
        found = given.results(native, replace(plan, dtype=dtype), theta, X)
        assert list(found) == list(exact)
        for name, array in found.items():
            assert array.dtype == ("float64" if name.startswith("squared norms") else dtype)
            assert_close(array, exact[name], within, f"{name} in {dtype}")


@pytest.mark.parametrize("name", list(PROBLEMS)[:: 9 if UNDER_SANITIZER else 1])
def test_every_method_equals_the_reference_s(name):
    problem = PROBLEMS[name]
    held_to_the_reference(problem.plan, problem.net.parameters, problem.X, len(name))


@pytest.mark.parametrize("width", range(1, 41))
def test_odd_widths_and_batches(width):
    """As the input and the output of a network whose hidden layer has what is left to 41."""
    rng = np.random.default_rng(width)
    hidden, output = (list(BUILT_IN)[(width * step) % len(BUILT_IN)] for step in (1, 3))
    net = Network([width, 41 - width, width], [hidden, "tanh" if "softmax" in output else output], dtype="float64",
                  bias=width % 3 > 0, seed=width, backend="reference")  # fmt: skip
    for m in (1 + 7 * width % 20, 1 + 11 * width % 50):
        held_to_the_reference(net.plan, net.parameters, 0.7 * rng.standard_normal((m, width)), width)


SIZES = [((290, 130, 65, 3), 300), ((2, 193, 1), 150)]  # cut into units of work, and with sums in halves and edges


@pytest.mark.parametrize(("sizes", "m"), SIZES, ids=str)
def test_sizes_that_are_cut_into_units_of_work(sizes, m):
    net = Network(sizes, "silu", dtype="float64", seed=1, backend="reference")
    held_to_the_reference(net.plan, net.parameters, np.random.default_rng(m).standard_normal((m, sizes[0])), m)


def test_rows_that_do_not_count_are_left_out():
    net = Network([5, 7, 3], "tanh", dtype="float64", seed=1, backend="native")
    rng = np.random.default_rng(0)
    X, seeds = rng.standard_normal((9, 5)), rng.standard_normal((2, 9, 3))
    c = np.zeros(9)
    c[[2, 7]] = 0.5, 3
    pulled = native.linearize(net.plan, net.parameters, X).pull(seeds)
    few = native.linearize(net.plan, net.parameters, X[[2, 7]]).pull(np.ascontiguousarray(seeds[:, [2, 7]]))
    for one in ("gradient", "squares", "moments"):
        for got, expected in zip(getattr(pulled, one)(c), getattr(few, one)(c[[2, 7]]), strict=True):
            assert_close(got, expected, PASSES, one)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("own", ["float32", "float64"])
def test_rows_of_any_real_dtype_and_layout_are_read_where_they_lie(own, dtype):
    net = Network([11, 6, 3], "tanh", dtype=own, seed=1, backend="native")
    X = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (26, 22)).astype(dtype)[::2, ::2]
    seeds = np.ones((1, 13, 3), own)
    expected = native.linearize(net.plan, net.parameters, X.astype(own)).pull(seeds).gradient(1.0)
    for rows in (X, np.asfortranarray(X), X[::-1].copy()[::-1]):
        at = native.linearize_uncast(net.plan, net.parameters, rows)
        assert at.pull(seeds).gradient(1.0).tobytes() == expected.tobytes()


def test_rows_that_have_to_be_looked_at_first_are_left_to_be_cast():
    net = Network([3, 2], seed=1, backend="native")
    numbers = np.ones((5, 3))
    for rows in (numbers.astype(">f8"), np.full((5, 3), np.nan), 1e300 * numbers):
        assert native.linearize_uncast(net.plan, net.parameters, rows) is None
