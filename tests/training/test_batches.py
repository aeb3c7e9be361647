"""Mini-batches of dense and sparse rows: the examples in their order, cast to the network's dtype."""

import numpy as np
import pytest
import scipy.sparse

from chainrule.engine.inputs import Targets
from chainrule.training.examples.batches import DataSet

X = np.arange(15).reshape(5, 3) % 4
Y = np.arange(5.0).reshape(5, 1)


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_batches_take_the_order_that_is_given_and_leave_out_what_has_no_weight(make):
    weights = np.array([1, 0, 0, 2, 1], dtype="float32")
    data = DataSet(make(X.astype(np.int8)), Targets(Y, 1, "float32"), weights, np.arange(5))
    batches = data.batches(2, np.array([3, 0, 1, 2, 4]))
    assert [batches[j].tolist() for j in range(len(batches))] == [[3, 0], [4]]
    assert batches.sizes.tolist() == [2, 1]
    assert batches.masses.tolist() == [3, 1]
    for rows in batches[0], batches[1]:
        x, y, w = data.gather(rows)
        assert y[:, 0].tolist() == rows.tolist()
        assert w.tolist() == weights[rows].tolist()
        assert x.dtype == y.dtype == np.float32
        assert scipy.sparse.issparse(x) == (make is not np.asarray)
        np.testing.assert_array_equal(x.toarray() if scipy.sparse.issparse(x) else x, X[rows])


def test_batches_of_a_part_of_the_rows_name_rows_of_X_and_without_weights_count_alike():
    data = DataSet(X, Targets(Y, 1, "float32"), None, np.array([1, 2, 4]))
    batches = data.batches(2, np.array([2, 0, 1]))
    assert batches.rows.tolist() == [4, 1, 2]
    assert batches.bounds.tolist() == [0, 2, 3]
    assert batches.masses.tolist() == [2, 1]
    assert batches.rows.dtype == batches.bounds.dtype == np.int64
