"""The network's inputs from a table's matrix, against scikit-learn's transformers by value."""

import numpy as np
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from chainrule.data import encoding as module
from chainrule.data.columns import Column
from chainrule.data.encoding import Encoding
from chainrule.errors import DataError

RNG = np.random.default_rng(0)
M = 300
NUMBER, GAPPED, CATEGORY, WIDE = (
    Column("age"),
    Column("income"),
    Column("colour", ("blue", "green", "red")),
    Column("town", tuple(f"t{i:02d}" for i in range(40))),
)
COLUMNS = (GAPPED, CATEGORY, NUMBER, WIDE)


def raw(m=M, rng=RNG):
    X = np.column_stack([
        rng.lognormal(10, 1, m), rng.integers(0, 3, m), rng.normal(40, 10, m), rng.integers(0, 40, m)
    ]).astype(float)  # fmt: skip
    X[rng.random(m) < 0.1, 0] = np.nan
    X[rng.random(m) < 0.1, 1] = np.nan
    return X


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("at_once", [1 << 17, 100])
def test_encoding_equals_scikit_learn_s_transformers(monkeypatch, dtype, at_once):
    monkeypatch.setattr(module, "VALUES_AT_ONCE", at_once)
    X = raw()
    encoding = Encoding.fit(X, COLUMNS)
    out = encoding.apply(X, dtype)
    assert out.dtype == dtype
    columns = dict(zip(encoding.names, out.T, strict=True))
    assert len(columns) == encoding.width == out.shape[1]
    tolerance = 1e-12 if dtype == "float64" else 1e-6  # of standardised numbers, in units of their spread
    for j, name in ((0, "income"), (2, "age")):
        scaled = StandardScaler().fit_transform(X[:, [j]])  # NaN stays NaN in it
        expected = SimpleImputer(strategy="constant", fill_value=0.0).fit_transform(scaled)[:, 0]
        np.testing.assert_allclose(columns[name], expected, atol=tolerance)
    np.testing.assert_array_equal(columns["income (missing)"], MissingIndicator().fit_transform(X[:, [0]])[:, 0])
    assert "age (missing)" not in columns
    for j, column in ((1, CATEGORY), (3, WIDE)):
        one_hot = OneHotEncoder(sparse_output=False, categories=[[*range(len(column.levels)), np.nan]])
        expected = one_hot.fit_transform(X[:, [j]])
        for code, level in enumerate(column.levels):
            np.testing.assert_array_equal(columns[f"{column.name}={level}"], expected[:, code])
        if column is CATEGORY:
            np.testing.assert_array_equal(columns["colour (missing)"], expected[:, -1])
    np.testing.assert_array_equal(columns["colour (other)"], 0)


def test_only_training_rows_say_what_levels_there_are():
    training = np.array([[1.0, 0, 5, 3], [2, 2, 6, 3], [3, 2, 7, 3]])
    encoding = Encoding.fit(training, COLUMNS)
    assert encoding.names == (
        "income", "colour=blue", "colour=red", "colour (other)", "age", "town=t03", "town (other)",
    )  # fmt: skip
    new = np.array([[2.0, 1, 6, 3], [np.nan, np.nan, np.nan, np.nan], [2, 3, 6, 40]])
    np.testing.assert_allclose(
        encoding.apply(new), [[0, 0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0, 1]], atol=1e-12
    )
    assert encoding.unforeseen(new) == {"income": (1, 0), "colour": (1, 2), "age": (1, 0), "town": (1, 1)}
    assert encoding.unforeseen(training) == {}
    assert encoding.untrained.tolist() == [3, 6]


def test_other_texts_are_trained_where_training_rows_have_them():
    training = np.array([[0.0], [1], [3], [np.nan]])
    encoding = Encoding.fit(training, (CATEGORY,))
    assert encoding.names == ("colour=blue", "colour=green", "colour (other)", "colour (missing)")
    np.testing.assert_array_equal(encoding.apply(training), np.eye(4))
    assert encoding.untrained.tolist() == []
    assert encoding.unforeseen(np.array([[2.0], [np.nan]])) == {}


def test_a_column_of_numbers_that_no_training_row_has_is_0():
    encoding = Encoding.fit(np.array([[np.nan, 1.0], [np.nan, 3]]), (GAPPED, NUMBER))
    np.testing.assert_array_equal(encoding.apply(np.array([[np.nan, 2.0], [5, 4]])), [[0, 1, 0], [5, 0, 2]])


def test_without_scaling_numbers_keep_their_unit_and_lose_their_mean():
    X = np.array([[10.0], [np.nan], [30]])
    encoding = Encoding.fit(X, (NUMBER,), scale=False)
    np.testing.assert_array_equal(encoding.apply(X), [[-10, 0], [0, 1], [10, 0]])


def test_columns_whose_squares_overflow_are_named():
    with pytest.raises(
        DataError, match=r"^column 'age': expected numbers whose squares are finite, got numbers up to 1e"
    ):
        Encoding.fit(np.array([[1.0, 2.0], [np.nan, 1e300]]), (GAPPED, NUMBER))


def test_ten_thousand_columns_take_a_moment():
    columns = tuple(Column(f"n{i}") if i % 2 else Column(f"c{i}", ("a", "b", "c")) for i in range(10_000))
    X = RNG.integers(0, 3, (50, 10_000)).astype(float)
    encoding = Encoding.fit(X, columns)
    out = encoding.apply(X)
    assert out.shape == (50, encoding.width)
    assert encoding.width == 5_000 + sum(len(seen) + 1 for seen in encoding.seen[::2])
    place = {name: index for index, name in enumerate(encoding.names)}
    for j in (1, 777, 9_999):
        scaled = StandardScaler().fit_transform(X[:, [j]])[:, 0]
        np.testing.assert_allclose(out[:, place[f"n{j}"]], scaled, atol=1e-12)  # standardised: of the size of 1
    for j in (0, 778, 9_998):
        for code, level in enumerate("abc"):
            np.testing.assert_array_equal(out[:, place[f"c{j}={level}"]], X[:, j] == code)
        assert not out[:, place[f"c{j} (other)"]].any()
