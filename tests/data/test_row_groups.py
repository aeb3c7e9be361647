"""Parquet files as rows to train on: the bits of the same rows in memory, and what their columns may hold."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.data.row_groups import ParquetRows
from chainrule.errors import DataError, InputError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

M = 100
RNG = np.random.default_rng(0)
COLUMNS = {
    "wide": RNG.standard_normal(M),
    "narrow": RNG.standard_normal(M).astype("float32"),
    "whole": RNG.integers(-5, 5, M).astype("int8"),
    "flag": RNG.standard_normal(M) > 0,
}
PIXELS = RNG.integers(0, 255, (M, 3)).astype(np.uint8)
WORDS = np.array(["b", "c", "a"])
CODES = RNG.integers(0, 3, M)
WEIGHTS = RNG.uniform(0, 1, M)


@pytest.fixture
def write(tmp_path):
    def write(name="a.parquet", rows=slice(None), **changes):
        columns = COLUMNS | {"word": WORDS[CODES], "code": CODES, "w": WEIGHTS} | changes
        table = pa.table({key: pa.array(column[rows]) for key, column in columns.items() if column is not None})
        parquet.write_table(table, tmp_path / name, row_group_size=23)
        return tmp_path / name

    return write


def trained(*data, n=4, **settings):
    net = cr.Network([n, 5, 3], ["tanh", "softmax"], "cross_entropy", seed=1)
    history = cr.train(net, *data, epochs=2, batch_size=16, shuffle=False, verbose=0, **settings)
    return net.parameters.tobytes(), history.cost


def test_row_groups_give_the_bits_of_the_same_rows_in_memory(write):
    rows = ParquetRows(write(), target="word", weights="w", columns=[*COLUMNS])
    assert rows.classes == ("a", "b", "c")
    assert len(rows) == 5
    X = np.column_stack([*COLUMNS.values()])
    Y = np.array([rows.classes.index(word) for word in WORDS[CODES]])
    assert trained(rows) == trained(X, Y, sample_weight=WEIGHTS)


def test_several_files_follow_each_other_and_other_columns_than_targets_are_X(write):
    paths = [write("a.parquet", slice(60), word=None), write("b.parquet", slice(60, M), word=None)]
    rows = ParquetRows(paths, target="code", weights="w")
    assert rows.columns == tuple(COLUMNS)
    assert rows.classes is None
    assert len(rows) == 5
    assert rows.name(4) == f"row group 1 of {paths[1]}"
    assert trained(rows) == trained(np.column_stack([*COLUMNS.values()]), CODES, sample_weight=WEIGHTS)


def test_lists_of_a_fixed_size_are_columns_side_by_side_and_dtypes_are_kept(write):
    path = write(pixels=pa.FixedSizeListArray.from_arrays(pa.array(PIXELS.ravel()), 3))
    X, Y = next(ParquetRows(path, target="code", columns=["pixels"])())
    assert X.dtype == np.uint8
    np.testing.assert_array_equal(X, PIXELS[:23])
    np.testing.assert_array_equal(Y, CODES[:23])


def test_classes_may_be_given_in_an_order_and_stand_in_a_dictionary(write):
    path = write(word=pa.array(WORDS[CODES]).dictionary_encode())
    for target in ("word", "code"):
        classes = ["c", "b", "a"] if target == "word" else [1, 0, 2]
        _, Y = next(ParquetRows(path, target=target, columns=["wide"], classes=classes)())
        assert [classes[place] for place in Y] == (WORDS[CODES] if target == "word" else CODES)[:23].tolist()


def test_several_targets_are_numbers(write):
    _, Y = next(ParquetRows(write(), target=["wide", "whole"], columns=["flag"])())
    np.testing.assert_array_equal(Y, np.column_stack([COLUMNS["wide"], COLUMNS["whole"]])[:23])


def test_an_epoch_takes_row_groups_in_a_new_order(write):
    rows = ParquetRows(write(wide=np.arange(M) * 1.0), target="code", columns=["wide"])
    seen = []

    class Look:
        def after_batch(self, moment):
            seen.extend(moment.a[0][:, 0].astype(int).tolist())

    net = cr.Network([1, 3], "softmax", "cross_entropy", seed=1)
    cr.train(net, rows, epochs=1, batch_size=10, shuffle_rows=30, callbacks=[Look()], verbose=0)
    assert sorted(seen) == list(range(M))
    assert len({row // 23 for row in seen[:30]}) <= 3
    assert min(seen[:30]) > 0  # not the first row group first


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({}, {"target": "wrod"}, "unknown column of {}: expected one of code, flag, narrow, w, whole, wide, word, got 'wrod'. Did you mean word or wide or code?"),
        ({}, {"target": "code"}, "column 'word' of {}: expected numbers, got string. Name columns of numbers: columns=[…]. `chainrule train` encodes text as categories."),
        ({}, {"target": None}, "ParquetRows: target: expected a name, or a sequence of names, got None. Give text, or a list of it."),
        ({}, {"target": "code", "columns": "wide"}, "ParquetRows: columns: expected a sequence of names, got 'wide'. Write columns=['a', 'b']."),
        ({}, {"target": "code", "columns": ["wide", "code"]}, "ParquetRows: columns: expected columns other than target and weights, got 'code'. What is to be foretold, or weighs a row, is no input."),
        ({}, {"target": "code", "columns": []}, "ParquetRows: columns: expected at least one, got none. Name others than target and weights."),
        ({}, {"target": "code", "columns": ["wide"], "weights": "word"}, "column 'word' of {}: expected numbers, got string."),
        ({}, {"target": "word", "columns": ["wide"], "classes": ["a"]}, "ParquetRows: classes: expected two or more different values of string in one column, got ['a']. Write classes=['no', 'yes'], or leave it out."),
        ({}, {"target": "word", "columns": ["wide"], "classes": [1, 2]}, "ParquetRows: classes: expected two or more different values of string in one column, got "),
        ({}, {"target": "word", "columns": ["wide"], "classes": ["b", "c"]}, f"column 'word' in row group 0 of {{}}, row {CODES.tolist().index(2)}: expected one of the classes b, c, got 'a'. Give all classes that there are."),
        ({"wide": pa.array([None if i == 30 else 1.0 for i in range(M)])}, {"target": "code", "columns": ["wide"]}, "column 'wide' in row group 1 of {}, row 7: expected a value, got none. Fill or leave out rows with missing values first."),
        ({"lists": pa.array([[None if i == 30 else 2] for i in range(M)], pa.list_(pa.int8(), 1))}, {"target": "code", "columns": ["lists"]}, "column 'lists' in row group 1 of {}, row 7: expected a value, got none."),
        ({"wide": np.where(np.arange(M) == 30, np.inf, 1)}, {"target": "code", "columns": ["wide"]}, "row group 1 of {} of X: X[7, 0]: expected a finite number, got inf."),
    ],
)  # fmt: skip
def test_what_cant_be_used_is_named(write, changes, given, message):
    path = write(**changes)
    with pytest.raises((DataError, InputError)) as error:
        trained(ParquetRows(path, **given), n=1)
    assert str(error.value).startswith(message.format(path))


def test_files_that_differ_are_gone_or_are_none_are_refused(write, tmp_path):
    first, second = write("a.parquet"), write("b.parquet", wide=None)
    with pytest.raises(
        DataError, match=r"b.parquet: expected the columns and types of .*a.parquet, got others\. Read files"
    ):
        ParquetRows([first, second], target="code")
    with pytest.raises(DataError, match=r"^ParquetRows: paths: expected at least one file, got none\. Look at how"):
        ParquetRows([], target="code")
    with pytest.raises(DataError, match=r"gone\.parquet: expected a Parquet file, got no such file\. Check the path\."):
        ParquetRows(tmp_path / "gone.parquet", target="code")
    rows = ParquetRows(first, target="code", columns=["narrow"])
    write("a.parquet", narrow=COLUMNS["wide"])
    with pytest.raises(
        DataError, match=r"a.parquet changed while it was read: expected the same row groups and columns, got others"
    ):
        trained(rows, n=1)


def test_a_list_that_is_missing_as_a_whole_is_named(write):
    # as a batch, which pyarrow 17 can hold and can't write
    lists = pa.array([None if i == 30 else [1] for i in range(M)], pa.list_(pa.int8(), 1))
    path = write(lists=pa.array([[1]] * M, pa.list_(pa.int8(), 1)))
    rows = ParquetRows(path, target="code", columns=["lists"])
    batch = pa.RecordBatch.from_arrays([lists, pa.array(CODES)], names=["lists", "code"])
    with pytest.raises(
        DataError, match=r"^column 'lists' in row group 1 of a, row 37: expected a value, got none\. Fill"
    ):
        rows._block(batch, "row group 1 of a, row {}", 7)
