"""Network: what it is, how its numbers are kept, and what it refuses."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import Cost, Interval, Network
from chainrule.errors import InputError


def small(**changes):
    return Network([3, 4, 2], "tanh", "squared_error", dtype="float64", **changes)


# --- layout --------------------------------------------------------------------------------------------------------
def test_E10_theta_is_W1_b1_W2_b2_row_major_and_views_write_through():
    net = small()
    net.parameters = np.arange(26)
    assert net.W[1].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert net.b[1].tolist() == [12, 13, 14, 15]
    assert net.W[2].tolist() == [[16, 17], [18, 19], [20, 21], [22, 23]]
    assert net.b[2].tolist() == [24, 25]
    net.W[1][2, 3] = -1
    net.b[2][0] = -2
    assert net.parameters[11] == -1
    assert net.parameters[24] == -2
    net.parameters[0] = 7
    assert net.W[1][0, 0] == 7


def test_arrays_of_a_layer_are_written_into_and_not_replaced():
    net = small()
    with pytest.raises(KeyError) as error:
        net.W[1] = np.zeros((3, 4))
    assert str(error.value) == (
        "W[1]: expected numbers written into the array, got an array put in the place of W[1]. Write W[1][...] = values."
    )
    with pytest.raises(AttributeError):
        net.W = {}


@pytest.mark.parametrize(
    ("g", "c"),
    [("relu", "huber(2)"), ("leaky_relu(0.2)", "quantile(0.9)"), ("softmax", "squared_error"), ("elu(2)", "huber")],
)
def test_built_ins_of_one_network_serve_the_next_also_after_pickling(g, c):
    net = Network([3, 2], g, c)
    for source in (net, pickle.loads(pickle.dumps(net))):
        twin = Network([3, 2], source.plan.activations, source.cost_function)
        assert twin.plan.activations == net.plan.activations
        assert twin.cost_function is net.cost_function


def test_a_layer_without_bias_has_no_block():
    net = Network([3, 4, 2], bias=[False, True])
    assert net.parameters.shape == (3 * 4 + 4 * 2 + 2,)
    assert list(net.b) == [2]
    with pytest.raises(KeyError) as error:
        net.b[1]
    expected = "b[1] does not exist: expected a layer of 2, got 1. A layer made with bias=False has none."
    assert str(error.value) == expected
    with pytest.raises(
        KeyError, match=r"^b\[1\] does not exist: expected none, as no layer has one, got 1\. A layer made"
    ):
        Network([3, 2], bias=False).b[1]
    assert Network([3, 2], bias=False).backward(Network([3, 2], bias=False).forward([[1, 2, 3]]), [1]).b.get(1) is None


def test_layers_are_numbered_as_in_the_equations():
    run = small().forward([[1, 2, 3]])
    assert list(run.a) == [0, 1, 2]
    assert list(run.z) == [1, 2]
    with pytest.raises(InputError) as error:
        run.z[0]
    assert str(error.value) == (
        "z[0] does not exist: expected a layer of 1, 2, got 0. The input is an activation, never a weighted input: "
        "see a[0]."
    )
    with pytest.raises(KeyError, match=r"W\[3\] does not exist: expected a layer of 1, 2, got 3"):
        small().W[3]


def test_repr_of_a_gradient_shows_shapes_and_not_numbers():
    net = small()
    _, gradient = net.value_and_gradient(np.zeros((4, 3)), np.zeros((4, 2)))
    assert repr(gradient) == "Gradient: W{1: (3, 4), 2: (4, 2)}, b{1: (4,), 2: (2,)}, flat (26,)"


def test_repr_shows_layers_sizes_and_parameters():
    net = Network([784, 16, 10], ["relu", "softmax"], "cross_entropy", bias=[True, False])
    assert repr(net).splitlines() == [
        f"Network 784-16-10: 12,720 parameters, float32, cost cross_entropy (mean), backend {net.backend}",
        "  layer 1: 784 -> 16 relu, 12,560 parameters",
        "  layer 2: 16 -> 10 softmax, no bias, 160 parameters",
    ]


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, Network.copy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_and_pickles_are_independent_and_equal(clone):
    net = Network([3, 5, 2], ["leaky_relu(0.2)", "softmax"], "cross_entropy", seed=4)
    twin = clone(net)
    X = np.random.default_rng(0).standard_normal((6, 3))
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    assert repr(twin) == repr(net)
    twin.W[1][...] = 0
    twin.b[2][...] = 1
    assert twin.parameters[:15].any() == np.False_  # views of the twin's own θ
    assert net.W[1].all()


def test_class_indices_are_refused_where_the_cost_takes_no_0():
    ratio = Cost("log_ratio", lambda a, y: (np.log(a / y) ** 2).sum(axis=1), lambda a, y: 2 * np.log(a / y) / a,
                 domain=Interval(0), targets=Interval(0))  # fmt: skip
    net = Network([3, 2], "exp", ratio)
    with pytest.raises(InputError) as error:
        net.cost(np.zeros((4, 3)), [0, 1, 0, 1])
    assert str(error.value) == (
        "Y: expected targets in (0, ∞), as log_ratio needs, got class indices, which become 0 and 1. Give numbers of shape "
        "(4, 2) instead."
    )


def test_same_seed_same_network_other_seed_other_network():
    np.testing.assert_array_equal(small(seed=3).parameters, small(seed=3).parameters)
    assert (small(seed=3).parameters != small(seed=4).parameters).any()
    assert (small(seed=None).parameters != small(seed=None).parameters).any()
    assert not small(seed=3).b[1].any()


def test_own_initializer():
    net = Network([2, 3], initializer=lambda rng, fan_in, fan_out: np.full((fan_in, fan_out), fan_in / fan_out))
    np.testing.assert_allclose(net.W[1], 2 / 3, rtol=1e-7)


# --- targets -------------------------------------------------------------------------------------------------------
def test_class_indices_columns_and_rows_of_targets_mean_the_same():
    net = Network([3, 4], "softmax", "cross_entropy", dtype="float64")
    X = np.random.default_rng(0).standard_normal((5, 3))
    labels = np.array([0, 3, 1, 1, 2])
    assert net.cost(X, labels) == net.cost(X, np.eye(4)[labels])
    assert net.cost(X, labels.astype("uint8")) == net.cost(X, labels.tolist())
    single = Network([3, 1], "identity", dtype="float64")
    y = np.array([1, 2, 3, 4, 5])  # integers with one output are numbers, not classes
    assert single.cost(X, y) == single.cost(X, y[:, np.newaxis].astype(float))


def test_E4_mean_sum_and_weights():
    X, Y = np.random.default_rng(0).standard_normal((2, 4, 3))
    w = np.array([0.5, 0.0, 2.0, 1.0])
    nets = {r: Network([3, 3], "tanh", reduction=r, dtype="float64", seed=1) for r in ("mean", "sum")}
    costs = nets["mean"].example_costs(X, Y)
    np.testing.assert_array_equal(costs, nets["sum"].example_costs(X, Y))
    assert nets["mean"].cost(X, Y) == pytest.approx(costs.mean())
    assert nets["sum"].cost(X, Y) == pytest.approx(costs.sum())
    assert nets["mean"].cost(X, Y, w) == pytest.approx((w * costs).sum() / 3.5)
    assert nets["sum"].cost(X, Y, w) == pytest.approx((w * costs).sum())
    backs = {r: net.backward(net.forward(X), Y, w) for r, net in nets.items()}
    np.testing.assert_allclose(backs["sum"].flat, 3.5 * backs["mean"].flat, rtol=1e-13)
    # per example: neither averaged nor weighted
    np.testing.assert_array_equal(backs["sum"].delta[1], backs["mean"].delta[1])
    np.testing.assert_array_equal(backs["sum"].x, nets["sum"].backward(nets["sum"].forward(X), Y).x)


# --- inputs that have to work --------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 9),
    n=st.integers(1, 7),
    dtype=st.sampled_from(["float64", "float32", "float16", "int64", "uint8", "bool", ">f8"]),
    layout=st.sampled_from(["C", "F", "strided", "reversed", "readonly", "list"]),
)
def test_any_layout_and_real_dtype_gives_the_same_as_its_plain_copy(m, n, dtype, layout):
    plain = np.random.default_rng(m * 10 + n).integers(0, 2, (m, n)).astype(dtype)
    given_X = {
        "C": plain,
        "F": np.asfortranarray(plain),
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "reversed": plain[::-1][::-1],
        "readonly": plain.copy(),
        "list": plain.tolist(),
    }[layout]
    if layout == "readonly":
        given_X.flags.writeable = False
    net = Network([n, 3, 2], "tanh", seed=1)
    expected = net.forward(plain.astype("float32"))
    got = net.forward(given_X)
    np.testing.assert_array_equal(got.a[2], expected.a[2])
    assert got.a[2].dtype == np.float32
    np.testing.assert_array_equal(
        net.backward(got, np.zeros((m, 2))).flat, net.backward(expected, np.zeros((m, 2))).flat
    )


def test_many_rows_are_predicted_in_blocks_that_agree():
    net = Network([3, 5, 2], "tanh", dtype="float64")
    X = np.random.default_rng(0).standard_normal((9001, 3))
    np.testing.assert_allclose(net.predict(X), net.forward(X).a[2], rtol=1e-13)
    Y = np.zeros((9001, 2))
    np.testing.assert_allclose(net.example_costs(X, Y), (net.forward(X).a[2] ** 2).sum(axis=1), rtol=1e-12)


# --- bad input -----------------------------------------------------------------------------------------------------
X_OK, Y_OK = np.zeros((4, 3)), np.zeros((4, 2))


def with_value(value, row=2, column=1):
    X = np.zeros((4, 3))
    X[row, column] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 5)), "X: expected 3 columns, one for each of the network's inputs, got shape (4, 5). Give the "
         "columns that the network was made for, in the same order."),
        (np.zeros(3), "X: expected 2 dimensions, (m, 3), got shape (3,). One example is X.reshape(1, -1)."),
        (np.zeros((2, 3, 1)), "X: expected 2 dimensions, (m, 3), got shape (2, 3, 1). Try X.reshape(len(X), -1)."),
        (np.zeros((0, 3)), "X: expected at least one row, got shape (0, 3). Check how the rows were selected."),
        ([["a", "b", "c"]], "X: expected real numbers, got dtype <U1. Turn text into numbers first, categories into "
         "columns of 0 and 1."),
        (np.zeros((1, 3), complex), "X: expected real numbers, got dtype complex128. Split a complex number into two "
         "columns, real and imaginary part."),
        ([[1, 2, 3], [4, 5]], "X: expected a rectangular array, got rows of unequal length. Every row needs the same "
         "number of entries."),
        (with_value(np.nan), "X[2, 1]: expected a finite number, got nan. Remove or fill such rows first."),
        (with_value(-np.inf), "X[2, 1]: expected a finite number, got -inf. Remove or fill such rows first."),
        (with_value(1e300), "X[2, 1]: expected a finite number, got 1e+300. It is too large for float32; scale it, or "
         "make the network with dtype='float64'."),
        (np.ma.masked_equal(with_value(7.0), 7.0), "X: expected an array without a mask, got masked entries. Fill the "
         "masked entries, for example with X.filled(0)."),
        (None, "X: expected real numbers, got dtype object. If it holds numbers only, give numpy.array(X, dtype=float)."),
    ],
)  # fmt: skip
def test_bad_X_is_refused_by_every_pass(X, message):
    net = Network([3, 4, 2])
    for call in (net.forward, net.predict, lambda X: net.cost(X, Y_OK), lambda X: net.value_and_gradient(X, Y_OK)):
        with pytest.raises(InputError) as error:
            call(X)
        assert str(error.value).startswith(message)


def test_sparse_X_is_refused_with_the_way_out_where_all_activations_are_kept():
    from scipy.sparse import csr_matrix

    with pytest.raises(
        InputError, match=r"^X: expected a dense array, got the sparse csr_matrix\. Give X\.toarray\(\)"
    ):
        Network([3, 2]).forward(csr_matrix(X_OK))


def test_a_bad_row_far_down_is_named_by_its_own_number():
    X = np.zeros((10_000, 3))
    X[9_876, 2] = np.nan
    with pytest.raises(InputError, match=r"^X\[9876, 2\]: expected a finite number, got nan"):
        Network([3, 2]).predict(X)


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        (np.zeros((3, 2)), "Y: expected 4 rows, as X has, got shape (3, 2). Each example needs its target, in the same"),
        (np.zeros((4, 3)), "Y: expected shape (4, 2), got shape (4, 3). The last of the network's sizes has to be the "
         "number of target columns."),
        ([0, 1, 2, 1], "Y[2]: expected a class index 0 to 1, got 2. The network has 2 outputs; count classes from 0, or "
         "make the last of its sizes larger."),
        ([0, -1, 0, 1], "Y[1]: expected a class index 0 to 1, got -1."),
        (np.array([0, 2**64 - 1, 0, 1], dtype="uint64"), "Y[1]: expected a class index 0 to 1, got 18446744073709551615."),
        ([0.0, 1.0, 0.0, 1.0], "Y: expected class indices (integers) of shape (4,), or numbers of shape (4, 2), got shape "
         "(4,) of dtype float64. If these are class indices, give Y.astype(int)."),
        (["a", "b", "a", "b"], "Y: expected real numbers, got dtype <U1."),
        ([[0, 0], [0, np.nan], [0, 0], [0, 0]], "Y[1, 1]: expected a finite number, got nan. Remove or fill such rows"),
        (0.0, "Y: expected 4 rows, as X has, got shape (). Each example needs its target"),
    ],
)  # fmt: skip
def test_bad_Y_is_refused(Y, message):
    net = Network([3, 2])
    run = net.forward(X_OK)
    for call in (lambda: net.cost(X_OK, Y), lambda: net.backward(run, Y), lambda: net.value_and_gradient(X_OK, Y)):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("g", "c", "Y", "message"),
    [
        ("logistic", "binary_cross_entropy", [0, 2, 1, 0], "Y[1]: expected a target in [0, 1], as binary_cross_entropy "
         "needs, got 2. Scale the targets, or choose another cost."),
        ("exp", "poisson", [0, 2, -1, 0], "Y[2]: expected a target in [0, ∞), as poisson needs, got -1. Scale"),
    ],
)  # fmt: skip
def test_targets_that_the_cost_does_not_take_are_refused(g, c, Y, message):
    with pytest.raises(InputError) as error:
        Network([3, 1], g, c).cost(X_OK, Y)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            [1, 2, 3],
            "sample_weight: expected shape (4,), one for each row of X, got shape (3,). Each example needs one",
        ),
        ([1, -1, 1, 1], "sample_weight[1]: expected a weight ≥ 0, got -1. 0 leaves an example out."),
        (
            [0, 0, 0, 0],
            "sample_weight: expected at least one weight > 0, got only zeros in float32. None weighs all alike.",
        ),
        (
            np.full(4, 3e38),
            "sample_weight: expected weights whose sum is finite in float32, got inf. Divide them all by",
        ),
        (np.full(4, 1e-300), "sample_weight: expected at least one weight > 0, got only zeros in float32."),
        ([1, np.nan, 1, 1], "sample_weight[1]: expected a finite number, got nan."),
    ],
)
def test_bad_sample_weights_are_refused(weights, message):
    net = Network([3, 2])
    with pytest.raises(InputError) as error:
        net.cost(X_OK, Y_OK, weights)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [3, 0, 2]}, "sizes[1]: expected at least 1 unit, got 0. For example [784, 16, 10]: 784 inputs, 16"),
        ({"sizes": [3, -2]}, "sizes[1]: expected at least 1 unit, got -2."),
        ({"sizes": [3]}, "sizes: expected at least 2 numbers, inputs and outputs, got [3]."),
        ({"sizes": [3, 2.5]}, "sizes: expected a list of whole numbers, got [3, 2.5]."),
        ({"sizes": 3}, "sizes: expected a list of whole numbers, got 3."),
        ({"sizes": {3, 2}}, "sizes: expected a list of whole numbers, got {"),
        ({"sizes": (n for n in [3, 2])}, "sizes: expected a list of whole numbers, got <generator"),
        ({"sizes": [2**62, 1]}, "sizes: expected parameters that fit in memory, got"),
        ({"reduction": ["mean"]}, "reduction: expected \"mean\" or \"sum\", got ['mean']."),
        ({"backend": []}, "unknown backend: expected one of native, reference, got []."),
        ({"initializer": lambda rng, i, o: [[0.0], [1.0, 2.0]]}, "initializer's weights: expected a rectangular array, got"),
        ({"initializer": lambda rng, i, o: np.zeros((i, o), complex)}, "initializer's weights: expected real numbers, got"),
        ({"sizes": [True, 2]}, "sizes[0]: expected at least 1 unit, got True."),
        ({"sizes": [10**9, 10**9]}, "sizes: expected parameters that fit in memory, got 4,000,000,004,000,000,000 bytes."),
        ({"activations": "rleu"}, "unknown activation: expected one of"),
        ({"activations": ["relu"]}, "activations: expected one for all layers, or 2, one per layer, got 1: ['relu']. "
         "sizes has one number more than there are layers, for the input, which has none."),
        ({"cost": "mse"}, "unknown cost: expected one of"),
        ({"bias": [True]}, "bias: expected one for all layers, or 2, one per layer, got 1: [True]."),
        ({"bias": 1}, "bias: expected one for all layers, or 2, one per layer, got 1."),
        ({"bias": ["yes", "no"]}, "bias: expected True, False, or one of them per layer, got ['yes', 'no']."),
        ({"reduction": "max"}, "reduction: expected \"mean\" or \"sum\", got 'max'. The mean is the default; 001 also"),
        ({"dtype": "float16"}, "dtype: expected \"float32\" or \"float64\", got float16. float32 is faster, float64"),
        ({"dtype": "floaty"}, "dtype: expected \"float32\" or \"float64\", got 'floaty'."),
        ({"initializer": "xavier"}, "unknown initializer: expected one of"),
        ({"initializer": lambda rng, i, o: np.zeros((o, i))}, "initializer: expected shape (3, 4) for layer 1, got shape "
         "(4, 3). It is given (rng, fan_in, fan_out)."),
        ({"seed": -1}, "seed: expected a whole number ≥ 0, a Generator or None, got -1. Write seed=0."),
        ({"backend": "refrence"}, "unknown backend: expected one of native, reference, got 'refrence'. Did you mean reference?"),
    ],
)  # fmt: skip
def test_bad_networks_are_refused(arguments, message):
    with pytest.raises(InputError) as error:
        Network(**({"sizes": [3, 4, 2]} | arguments))
    assert str(error.value).startswith(message)


def test_parameters_of_another_size_are_refused():
    net = small()
    with pytest.raises(
        InputError, match=r"^parameters: expected shape \(26,\), got shape \(25,\)\. θ holds 𝒲\^1, b\^1"
    ):
        net.parameters = np.zeros(25)
    for values, message in [
        ([1 + 2j] * 26, r"^parameters: expected real numbers, got dtype complex128"),
        (["3"] * 26, r"^parameters: expected real numbers, got dtype <U1"),
        ([None] * 26, r"^parameters: expected real numbers, got dtype object"),
        ([[1], [2, 3]], r"^parameters: expected a rectangular array, got rows of unequal length"),
    ]:
        with pytest.raises(InputError, match=message):
            net.parameters = values
    with pytest.raises(InputError, match=r"^parameters\[3\]: expected a finite number, got nan"):
        net.parameters = np.where(np.arange(26) == 3, np.nan, 0)


def test_a_run_of_another_network_is_refused():
    with pytest.raises(
        InputError, match=r"^run: expected a run of this network, sizes \[3, 4, 2\], got one of sizes \[3, 2\]"
    ):
        small().backward(Network([3, 2]).forward(X_OK), Y_OK)
    with pytest.raises(
        InputError, match=r"^run: expected a run of this network, sizes \[3, 4, 2\], got ndarray\. Call run"
    ):
        small().backward(X_OK, Y_OK)
