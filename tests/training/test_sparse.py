"""Sparse rows: trained on as they are, in CSR form, and refused in others."""

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from cases import BACKENDS
from chainrule.errors import InputError

RNG = np.random.default_rng(0)
X = np.where(RNG.uniform(size=(60, 20)) < 0.2, RNG.standard_normal((60, 20)), 0)
Y = X[:, 0] - X[:, 1]


def regressor(**changes):
    return cr.Network([20, 6, 1], ["tanh", "identity"], "squared_error", **({"dtype": "float64", "seed": 1} | changes))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_sparse_and_dense_rows_train_alike(make, backend, optimizer):
    nets, histories = [regressor(backend=backend) for _ in range(2)], []
    for net, rows in zip(nets, (X, make(X)), strict=True):
        size = {} if optimizer == "lbfgs" else {"batch_size": 8}
        histories.append(
            cr.train(net, rows[:50], Y[:50], optimizer=optimizer, epochs=5, validation=(rows[50:], Y[50:]),
                     sample_weight=np.arange(50), verbose=0, **size)
        )  # fmt: skip
    # sums over a row in another order, magnified by Adam and by the line search
    np.testing.assert_allclose(nets[1].parameters, nets[0].parameters, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(histories[1].cost, histories[0].cost, rtol=1e-6)
    np.testing.assert_allclose(histories[1].validation_cost, histories[0].validation_cost, rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "bool"])
def test_passes_take_sparse_rows_of_any_real_dtype(dtype, backend):
    net = regressor(backend=backend)
    dense = np.round(X).clip(0, 3).astype(dtype)
    sparse = scipy.sparse.csr_array(dense)
    np.testing.assert_allclose(net.predict(sparse), net.predict(dense), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(net.example_costs(sparse, Y), net.example_costs(dense, Y), rtol=1e-12)
    assert net.cost(sparse, Y) == pytest.approx(net.cost(dense, Y), rel=1e-12)


def test_a_fraction_of_sparse_rows_can_be_held_out():
    net = regressor()
    history = cr.train(net, scipy.sparse.csr_array(X), Y, validation=0.2, epochs=2, verbose=0)
    assert len(history.validation_cost) == 2


def spoiled(**arrays):
    rows = scipy.sparse.csr_array(X)
    for name, (index, value) in arrays.items():
        getattr(rows, name)[index] = value
    return rows


ROW, COLUMN = (int(i) for i in np.argwhere(X)[7])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (scipy.sparse.coo_array(X), "X: expected an array, or sparse rows in CSR form, got the sparse coo_array. Give X.tocsr()."),
        (scipy.sparse.csc_matrix(X), "X: expected an array, or sparse rows in CSR form, got the sparse csc_matrix. Give X.tocsr()."),
        (scipy.sparse.csr_array(X[:, :5]), "X: expected 20 columns, one for each of the network's inputs, got shape (60, 5)."),
        (scipy.sparse.csr_array(X[:0]), "X: expected at least one row, got shape (0, 20)."),
        (scipy.sparse.csr_array(X.astype(complex)), "X.data: expected real numbers, got dtype complex128."),
        (spoiled(data=(7, np.nan)), f"X[{ROW}, {COLUMN}]: expected a finite number, got nan. Remove or fill such rows first."),
        (spoiled(data=(7, -np.inf)), f"X[{ROW}, {COLUMN}]: expected a finite number, got -inf."),
        (spoiled(indices=(7, 20)), "X: expected the CSR form of a matrix, got indptr or indices that don't fit shape (60, 20). "
         "Make X by SciPy, and don't write to its indptr and indices."),
        (spoiled(indices=(7, -1)), "X: expected the CSR form of a matrix"),
        (spoiled(indptr=(1, 100000)), "X: expected the CSR form of a matrix"),
        (spoiled(indptr=(-1, 100000)), "X: expected the CSR form of a matrix"),
        (spoiled(indptr=(0, 1)), "X: expected the CSR form of a matrix"),
    ],
)  # fmt: skip
def test_bad_sparse_rows_are_refused(rows, message):
    net = regressor()
    for call in (lambda: cr.train(net, rows, Y[: rows.shape[0]], verbose=0), lambda: net.predict(rows)):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).startswith(message)
    with pytest.raises(InputError) as error:
        cr.train(net, X, Y, validation=(rows, Y[: rows.shape[0]]), verbose=0)
    assert str(error.value).startswith(f"validation {message.split(', got')[0]}")


def test_a_number_too_large_for_the_network_is_named_by_row_and_column():
    with pytest.raises(
        InputError, match=rf"^X\[{ROW}, {COLUMN}\]: expected a finite number, got 1e\+300\. It is too lar"
    ):
        cr.train(regressor(dtype="float32"), spoiled(data=(7, 1e300)), Y, verbose=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_divergence_on_sparse_rows_names_its_place(backend):
    net = cr.Network([20, 6, 1], "identity", dtype="float32", backend=backend)
    net.W[1][...] = 1e38
    with pytest.warns(cr.DivergenceWarning, match=r"epoch 1, step 1: .* z of layer 1 \(E1\) holds "):
        cr.train(net, 1e6 * scipy.sparse.csr_array(X), Y, verbose=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_wide_sparse_rows_are_never_made_dense_as_a_whole(backend):
    import tracemalloc

    m, n = 2000, 50_000  # 800 MB as an array of float64
    indices = RNG.integers(0, n, 5 * m)
    rows = scipy.sparse.csr_array((np.ones(5 * m), indices, np.arange(0, 5 * m + 1, 5)), shape=(m, n))
    net = cr.Network([n, 2, 1], ["tanh", "identity"], seed=1, backend=backend)
    tracemalloc.start()
    cr.train(net, rows, np.zeros(m), epochs=1, batch_size=16, verbose=0)
    net.predict(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"
