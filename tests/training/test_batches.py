"""Mini-batches of dense and sparse rows: the examples in their order, cast to the network's dtype."""

import numpy as np
import pytest
import scipy.sparse

from chainrule.engine.inputs import Targets
from chainrule.training.batches import DataSet

X = np.arange(15).reshape(5, 3) % 4
Y = np.arange(5.0).reshape(5, 1)


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_batches_take_the_order_that_is_given_and_leave_out_what_has_no_weight(make):
    weights = np.array([1, 0, 0, 2, 1], dtype="float32")
    data = DataSet(make(X.astype(np.int8)), Targets(Y, 1, "float32"), weights, np.arange(5))
    batches = list(data.batches(2, np.array([3, 0, 1, 2, 4])))
    assert [batch[1][:, 0].tolist() for batch in batches] == [[3, 0], [4]]
    assert [batch[2].tolist() for batch in batches] == [[2, 1], [1]]
    for rows, (x, y, _) in zip(([3, 0], [4]), batches, strict=True):
        assert x.dtype == y.dtype == np.float32
        assert scipy.sparse.issparse(x) == (make is not np.asarray)
        np.testing.assert_array_equal(x.toarray() if scipy.sparse.issparse(x) else x, X[rows])
