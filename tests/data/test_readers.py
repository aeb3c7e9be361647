"""Readers: embedded sets, NPZ, IDX; every damaged or wrong file is an error in the user's terms."""

import gzip
import struct
import zipfile

import numpy as np
import pytest

from chainrule.data.idx import read as read_idx
from chainrule.data.labelled import LabelledData, choose_task, split
from chainrule.data.readers import read
from chainrule.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("uint8").tobytes()


def mnist(folder, compress=True, n_train=20, n_test=6, size=4):
    rng = np.random.default_rng(0)
    made = {}
    for part, n in (("train", n_train), ("t10k", n_test)):
        made[part] = rng.integers(0, 256, (n, size, size)), np.arange(n) % 3
        for name, array in zip(("images-idx3", "labels-idx1"), made[part], strict=True):
            file = folder / f"{part}-{name}-ubyte{'.gz' if compress else ''}"
            file.write_bytes(gzip.compress(idx(array)) if compress else idx(array))
    return made


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("digits", (1797, 64), 10), ("iris", (150, 4), 3), ("wine", (178, 13), 3), ("breast_cancer", (569, 30), 2),
     ("diabetes", (442, 10), 0)],
)  # fmt: skip
def test_embedded_data_sets(name, shape, classes):
    data = read(name)
    assert data.X.shape == shape
    assert len(data.class_names) == classes
    assert len(data.feature_names) == shape[1]


@pytest.mark.parametrize("compress", [True, False])
def test_idx_folders(tmp_path, compress):
    made = mnist(tmp_path, compress)
    data = read(str(tmp_path))
    np.testing.assert_array_equal(data.X, made["train"][0].reshape(20, 16))
    assert data.X.dtype == np.uint8
    np.testing.assert_array_equal(data.labels, made["train"][1])
    np.testing.assert_array_equal(data.test.X, made["t10k"][0].reshape(6, 16))
    assert data.feature_names[5] == "pixel_1_1"


@pytest.mark.parametrize(
    ("names", "expect_test"),
    [(("X", "Y"), False), (("x", "y"), False), (("data", "target"), False), (("x_train", "y_train"), True)],
)
def test_npz_under_the_usual_names(tmp_path, names, expect_test):
    rng = np.random.default_rng(0)
    arrays = {names[0]: rng.standard_normal((8, 2, 3)), names[1]: np.arange(8)[:, np.newaxis]}
    if expect_test:
        arrays |= {"x_test": rng.standard_normal((3, 2, 3)), "y_test": np.arange(3)}
    np.savez(tmp_path / "d.npz", **arrays)
    data = read(str(tmp_path / "d.npz"))
    assert data.X.shape == (8, 6)
    np.testing.assert_array_equal(data.X, arrays[names[0]].reshape(8, 6))
    np.testing.assert_array_equal(data.labels, np.arange(8))
    assert (data.test is not None) is expect_test


def test_rows_alone_are_enough_to_predict_but_not_to_train(tmp_path):
    np.savez_compressed(tmp_path / "d.npz", X=np.zeros((3, 2)))
    data = read(str(tmp_path / "d.npz"))
    assert data.labels is None
    with pytest.raises(DataError, match=r"d\.npz: expected targets beside the rows, got rows only\. Store them under"):
        choose_task(data, None)


def _npz(path, **arrays):
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b""), "PATH: expected an NPZ file, got a file of another kind, or cut short."),
        (lambda p: p.write_text("a,b\n1,2\n"), "PATH: expected an NPZ file, got a file of another kind, or cut short."),
        (lambda p: np.save(p, np.zeros(3)), "PATH: expected an NPZ file, got a file of another kind, or cut short."),
        (lambda p: zipfile.ZipFile(p, "w").writestr("notes.txt", "hello"), "PATH: expected rows under one of X, x, X_train"),
        (lambda p: _npz(p, A=np.zeros((2, 2))), "PATH: expected rows under one of X, x, X_train, x_train, data, got arrays "
         "named A. Write it with numpy.savez(path, X=X, Y=Y)."),
        (lambda p: _npz(p, X=np.array([[{}]], dtype=object), Y=[1]), "PATH: expected arrays of numbers or text, got Python "
         "objects, which could run code."),
        (lambda p: _npz(p, X=np.zeros(4), Y=np.zeros(4)), "X in PATH: expected 2 or more dimensions, got shape (4,). One"),
        (lambda p: _npz(p, X=[["a", "b"]], Y=[1]), "X in PATH: expected real numbers, got dtype <U1. Turn text into"),
        (lambda p: _npz(p, X=np.zeros((4, 2)), Y=np.zeros(3)), "targets of X in PATH: expected 4 targets, got shape (3,) of "
         "dtype float64. One target, or one row of numbers, for each row of X."),
        (lambda p: zipfile.ZipFile(p, "w").writestr("X.npy", "no array"), "PATH: expected rows under one of X, x, X_train"),
        (lambda p: _npz(p, X=np.zeros((4, 2)), Y=[b"a", b"b", b"a", b"b"]), "targets of X in PATH: expected 4 targets, got shape "
         "(4,) of dtype |S1."),
        (lambda p: _npz(p, X=np.zeros((2, 2)), Y=[["a", "b"], ["c", "d"]]), "targets of X in PATH: expected 2 targets, got"),
        (lambda p: _npz(p, X=np.zeros((2, 0)), Y=[0, 1]), "PATH: expected at least one row and one column, got shape (2, 0)."),
        (lambda p: _npz(p, X=np.zeros((2, 3)), Y=[0, 1], X_test=np.zeros((2, 4)), Y_test=[0, 1]), "PATH (its test part): "
         "expected 3 columns, got 4 of them. Both parts need the same columns."),
        (lambda p: _npz(p, X=np.zeros((0, 2)), Y=np.zeros(0)), "PATH: expected at least one row and one column, got shape (0, 2). Check"),
    ],
)  # fmt: skip
def test_bad_npz_files(tmp_path, make, message):
    path = tmp_path / "d.npz"
    make(path)
    if not path.exists():
        path.with_suffix(".npz.npy").rename(path)  # numpy adds its own ending
    with pytest.raises(DataError) as error:
        read(str(path))
    assert str(error.value).startswith(message.replace("PATH", str(path)))


def test_npz_cut_anywhere_or_with_a_byte_changed_is_an_error_or_the_data(tmp_path):
    path = tmp_path / "d.npz"
    np.savez_compressed(path, X=np.arange(12.0).reshape(4, 3), Y=np.arange(4))
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            read(str(path))
    for at in range(0, len(content), 3):
        changed = bytearray(content)
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(changed))
        try:
            data = read(str(path))
        except DataError:
            continue
        assert data.X.ndim == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "train-labels-idx1-ubyte.gz").unlink(), "FOLDER: expected train-labels-idx1-ubyte(.gz), got no such "
         "file. the training part needs labels."),
        (lambda f: (f / "train-images-idx3-ubyte.gz").unlink(), "FOLDER: expected train-images-idx3-ubyte(.gz), got "
         "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz, train-labels-idx1-ubyte.gz. IDX files begin with"),
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip"), "FOLDER/train-images-idx3-ubyte.gz: expected "
         "an IDX file of 3 dimensions, got Not a gzipped file (b'no'). IDX files begin"),
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((2, 4, 4))))[:-12]),
         "FOLDER/train-images-idx3-ubyte.gz: expected an IDX file of 3 dimensions, got Compressed file ended before"),
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((2, 4, 4)))[:-5])),
         "FOLDER/train-images-idx3-ubyte.gz: expected 32 bytes after its header, got only 27 of them. Fetch it anew."),
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((2, 4, 4))) + b"x")),
         "FOLDER/train-images-idx3-ubyte.gz: expected 32 bytes after its header, got more of them."),
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(9)))),
         "FOLDER/train-images-idx3-ubyte.gz: expected an IDX file of 3 dimensions, got a file that begins b'\\x00\\x00\\x08"
         "\\x01'."),
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((0, 9000, 9000))))),
         "FOLDER/train-images-idx3-ubyte.gz: expected images, got sizes (0, 9000, 9000). Fetch it anew."),
        (lambda f: (f / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(5)))), "FOLDER: expected a label "
         "for each image, got 6 images and 5 labels. Fetch both files anew."),
    ],
)  # fmt: skip
def test_bad_idx_files(tmp_path, spoil, message):
    mnist(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError) as error:
        read(str(tmp_path))
    assert str(error.value).startswith(message.replace("FOLDER", str(tmp_path)))


def test_an_idx_header_that_announces_4_gigabytes_reserves_none_of_them(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"abc")
    with pytest.raises(DataError, match=r"bytes after its header, got only 3 of them"):
        read_idx(file, 3)


def test_unknown_names_and_empty_folders(tmp_path):
    with pytest.raises(DataError) as error:
        read("digit")
    assert str(error.value) == (
        "DATA: expected one of breast_cancer, diabetes, digits, iris, wine, moons, circles, spiral, xor, a CSV, TSV, Parquet or NPZ file, or a folder of "
        "IDX files, got 'digit'. Did you mean digits?"
    )
    with pytest.raises(DataError, match=r"expected train-images-idx3-ubyte\(\.gz\), got an empty folder\."):
        read(str(tmp_path))


# --- task and split -----------------------------------------------------------------------------------------------------
def _data(labels):
    return LabelledData("set", np.zeros((len(labels), 2)), np.asarray(labels))


@pytest.mark.parametrize(
    ("labels", "task", "reason"),
    [
        (["a", "b", "a", "b"], "classification", "the targets are text"),
        ([True, False, True], "classification", "the targets are true or false"),
        ([0, 1, 1, 0, 2, 2], "classification", "the targets are 3 different integers that repeat"),
        ([-5, 10, -5, 10], "classification", "the targets are 2 different integers that repeat"),
        (list(range(0, 40, 2)) * 2, "classification", "the targets are 20 different integers that repeat"),
        (list(range(0, 42, 2)) * 9, "regression", "the targets are 21 different integers"),
        (list(range(100)) * 2, "classification", "the targets are 100 different integers that repeat"),
        (list(range(1, 101)) * 2, "classification", "the targets are 100 different integers that repeat"),
        (list(range(2, 102)) * 2, "regression", "the targets are 100 different integers"),
        (list(range(101)) * 2, "regression", "the targets are 101 different integers"),
        (list(range(50)), "regression", "the targets are 50 different integers"),
        ([0.5, 1.5, 0.5, 1.5], "regression", "the targets are numbers of dtype float64"),
        ([[0, 1], [1, 0]], "regression", "the targets are numbers of dtype int64"),
    ],
)
def test_the_targets_tell_the_task(labels, task, reason):
    assert choose_task(_data(labels), None) == (task, reason)


def test_the_task_can_be_requested():
    assert choose_task(_data([0, 1, 1, 0]), "regression") == ("regression", "as requested")
    assert choose_task(_data([0.0, 1.0]), "classification") == ("classification", "as requested")
    for labels, task, message in [
        (["a", "b"], "regression", r"--task regression: expected numbers as targets, got <U1\."),
        ([[0.0, 1.0]], "classification", r"--task classification: expected 1 column, got shape \(1, 2\)\."),
        ([0.0, np.nan], "classification", r"target of row 1 of set: expected a finite number, got nan\."),
        ([0, 1], "clustering", r"--task: expected classification or regression, got 'clustering'\."),
    ]:
        with pytest.raises(DataError, match=message):
            choose_task(_data(labels), task)


def test_split_is_stratified_disjoint_complete_and_fixed_by_the_seed():
    data = LabelledData("set", np.arange(100)[:, np.newaxis], np.repeat([0, 1], [80, 20]))
    training, test = split(data, 0.25, 3, "classification")
    assert sorted([*training.X[:, 0], *test.X[:, 0]]) == list(range(100))
    assert (test.labels == 1).sum() == 5
    again = split(data, 0.25, 3, "classification")[1]
    np.testing.assert_array_equal(test.X, again.X)
    other = split(data, 0.25, 4, "classification")[1]
    assert (test.X != other.X).any()


def test_split_refuses_what_leaves_a_part_empty():
    with pytest.raises(DataError, match=r"^set: expected rows for training and test, got 1 in all\."):
        split(_data([1]), 0.5, 0, "regression")
    with pytest.raises(DataError, match=r"^--test-fraction: expected a number between 0 and 1, got 1\."):
        split(_data([1, 2, 3]), 1.0, 0, "regression")


def test_a_class_with_one_row_is_split_without_stratifying():
    training, test = split(_data([0, 0, 0, 0, 1]), 0.4, 0, "classification")
    assert len(training.X) == 3
    assert len(test.X) == 2
