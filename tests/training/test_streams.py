"""Training on blocks of rows: the bits of the same rows in memory, in constant memory, with errors that name the block."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from cases import BACKENDS
from chainrule.data.parts import Blocks
from chainrule.errors import InputError
from chainrule.training.examples import streams

M = 300
RNG = np.random.default_rng(0)
X = RNG.standard_normal((M, 4))
LABELS = RNG.integers(0, 3, M)
NUMBERS = RNG.standard_normal((M, 3))
WEIGHTS = RNG.uniform(0, 2, M)
WEIGHTS[16:32] = 0  # a whole batch says nothing
DENSE = {
    "float64": X,
    "uint8": (20 * X + 100).astype(np.uint8),
    "float32": X.astype("float32"),
    "swapped": X.astype(">f8"),
}
SPARSE = {
    "csr_array": scipy.sparse.csr_array(np.where(X > 0.5, X, 0)),
    "thin csr_matrix": scipy.sparse.csr_matrix(np.where(X > 2.2, X, 0)),
}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """An epoch of several parts, of a few batches each."""
    monkeypatch.setattr(streams, "NUMBERS_AT_ONCE", 4 * 50)
    monkeypatch.setattr(streams, "NUMBERS_SHUFFLED", 4 * 70)


def cut(*arrays, sizes=(1, 0, 3, 100, 33)):
    """Blocks of such sizes, in turn: one row, none, fewer and more than a batch."""

    def factory():
        start = turn = 0
        while start < len(arrays[1]):
            stop = start + sizes[turn % len(sizes)]
            yield tuple(array[start:stop] for array in arrays)
            start, turn = stop, turn + 1

    return factory


def network(cost="cross_entropy", **changes):
    last = "softmax" if cost == "cross_entropy" else "identity"
    return cr.Network([4, 5, 3], ["tanh", last], cost, **({"seed": 1} | changes))


def trained(net, *data, **settings):
    """All that training leaves: θ, and the figures of every epoch."""
    history = cr.train(net, *data, **({"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0} | settings))
    figures = history.to_dict()
    del figures["seconds"]
    return net.parameters.tobytes(), figures


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("kind", [*DENSE, *SPARSE])
def test_blocks_give_the_bits_of_the_same_rows_in_memory(kind, weighted, reduction, backend):
    rows = (DENSE | SPARSE)[kind]
    weights = WEIGHTS if weighted else None
    settings = {"backend": backend, "reduction": reduction}
    options = {"penalty": 1e-3, "learning_rate": cr.schedules.Cosine(0.01, epochs=2)}
    in_memory = trained(
        network(**settings), rows, LABELS, sample_weight=weights, validation=(rows, LABELS), **options
    )  # fmt: skip
    blocks = cut(rows, LABELS, *([WEIGHTS] if weighted else []))
    assert trained(network(**settings), blocks, validation=cut(rows, LABELS), **options) == in_memory


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.3, "clip_norm": 0.1, "weight_decay": 0.01, "optimizer": "nesterov", "learning_rate": 0.01},
        {"optimizer": "sgd", "learning_rate": "find"},
        {"optimizer": "kfac"},
        {"optimizer": "line_search"},
        {"input_gradient_penalty": 0.1},
    ],
    ids=str,
)
def test_targets_that_are_numbers_and_options_of_a_step_too(options, backend):
    made = [network("squared_error", backend=backend, dtype="float64") for _ in range(2)]
    assert trained(made[0], cut(X, NUMBERS), **options) == trained(made[1], X, NUMBERS, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_mapped_files_give_the_bits_of_their_arrays(backend, tmp_path):
    arrays = DENSE["uint8"], LABELS.astype(np.uint8), WEIGHTS
    for name, array in zip("XYw", arrays, strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "XYw"]
    results = [trained(network(backend=backend), X, Y, sample_weight=w, shuffle=True) for X, Y, w in (arrays, mapped)]
    assert results[0] == results[1]


def test_a_dataset_in_chunks_is_read_slice_by_slice():
    assert trained(network(), Blocks.of(Dataset(), LABELS, rows=64)) == trained(network(), X, LABELS)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_any_size_of_batches_and_one_that_grows(size):
    settings = {"batch_size": {1: size, 2: 32}, "epochs": 3}
    assert trained(network(), cut(X, LABELS), **settings) == trained(network(), X, LABELS, **settings)


def test_blocks_of_several_dtypes_are_what_they_would_be_in_one_array():
    first, second = (10 * X[:100]).astype(np.int16), X[100:].astype("float32")

    def factory():
        yield first, LABELS[:100].astype(np.uint8)
        yield second, LABELS[100:]

    assert trained(network(), factory) == trained(network(), np.concatenate([first, second]), LABELS)


@pytest.mark.parametrize("optimizer", ["lbfgs", "levenberg_marquardt", "gauss_newton_cg"])
def test_solvers_of_the_whole_set_go_through_blocks(optimizer):
    def solve(*data, **settings):
        net = network()
        history = cr.train(net, *data, optimizer=optimizer, epochs=3, verbose=0, **settings)
        return net.parameters.tobytes(), history.cost

    expected = solve(X, LABELS, sample_weight=WEIGHTS)
    assert solve(cut(X, LABELS, WEIGHTS)) == expected
    assert solve(Blocks.of(X, LABELS, WEIGHTS, rows=70)) == expected


# --- the order of rows ------------------------------------------------------------------------------------------------
def seen(factory, net=None, **settings):
    """The numbers of rows in the order in which steps are taken on them, an epoch each; row i of X begins with i."""
    found = []

    class Look:
        def after_batch(self, moment):
            found.extend(moment.a[0][:, 0].astype(int).tolist())

    settings = {"batch_size": 10, "epochs": 2, "learning_rate": 1e-9, "verbose": 0} | settings
    cr.train(net or network("squared_error"), factory, callbacks=[Look()], **settings)
    return np.array(found).reshape(settings["epochs"], -1)


NUMBERED = np.column_stack([np.arange(M), X[:, 1:]])


def test_a_plain_factory_is_shuffled_within_so_many_rows_at_a_time():
    first, second = seen(cut(NUMBERED, NUMBERS), shuffle_rows=64)
    for order in (first, second):
        for start in range(0, M, 60):  # whole batches of 10
            assert sorted(order[start : start + 60]) == list(range(start, min(start + 60, M)))
    assert (first != second).any()
    np.testing.assert_array_equal(seen(cut(NUMBERED, NUMBERS, sizes=(7,)), shuffle_rows=64), [first, second])
    assert (seen(cut(NUMBERED, NUMBERS), shuffle_rows=64, seed=1)[0] != first).any()


def test_parts_that_can_be_read_in_any_order_are_shuffled_too():
    blocks = Blocks.of(NUMBERED, NUMBERS, rows=50)
    first, second = seen(blocks, shuffle_rows=100)
    for order in (first, second):
        parts = [sorted({row // 50 for row in order[start : start + 100]}) for start in range(0, M, 100)]
        assert all(len(part) == 2 for part in parts)  # two blocks at a time, mixed
        assert sorted(order) == list(range(M))
    assert [row // 50 for row in first] != [row // 50 for row in second]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_shuffled_epoch_gives_the_bits_of_the_rows_in_that_order(backend):
    blocks = Blocks.of(NUMBERED, NUMBERS, rows=50)
    order = seen(blocks, shuffle_rows=100, epochs=1)[0]
    net, twin = network("squared_error", backend=backend), network("squared_error", backend=backend)
    settings = {"batch_size": 10, "epochs": 1}
    assert trained(net, blocks, shuffle=True, shuffle_rows=100, **settings) == trained(
        twin, NUMBERED[order], NUMBERS[order], **settings
    )


def test_rows_of_a_batch_are_counted_over_an_epoch():
    rows = []

    class Look:
        def before_batch(self, moment):
            rows.extend(moment.rows.tolist())

    cr.train(network(), cut(X, LABELS), shuffle=False, epochs=1, callbacks=[Look()], verbose=0)
    assert rows == list(range(M))


def test_divergence_names_the_step_of_the_epoch():
    targets = NUMBERS.copy()
    targets[250] = 1e25  # whose square isn't finite in float32
    net = network("squared_error", dtype="float32")
    with pytest.warns(cr.DivergenceWarning, match=r"epoch 1, step 16: .* the cost squared_error of layer 2"):
        trained(net, cut(X, targets), optimizer="sgd")


def test_metrics_see_all_outputs_and_targets_of_a_factory():
    def accuracy(outputs, Y):
        return float(np.mean(outputs.argmax(axis=1) == Y))

    of_arrays, of_blocks = (
        cr.train(network(), X, LABELS, validation=given, metrics={"accuracy": accuracy}, epochs=2, verbose=0)
        for given in ({"test": (X, LABELS)}, {"test": cut(X, LABELS)})
    )
    assert of_blocks.evaluations == of_arrays.evaluations


@pytest.mark.parametrize("kind", ["float32", "csr_array"])
def test_a_fingerprint_is_that_of_the_rows_however_they_are_cut(kind):
    rows = (DENSE | SPARSE)[kind]

    def fingerprint(X, factory=cut, **settings):
        return streams.Stream(factory(X, LABELS, WEIGHTS, **settings), network().plan).fingerprint()

    changed = rows.copy()
    (changed if kind == "float32" else changed.data)[7] = 0.25
    assert fingerprint(rows) == fingerprint(rows, sizes=(7,)) != fingerprint(changed)
    if kind == "float32":
        assert fingerprint(rows, Blocks.of, rows=100) == {"parts": 3, **fingerprint(rows)}


# --- what is refused --------------------------------------------------------------------------------------------------
def spoiled(row, column, value):
    rows = X.copy()
    rows[row, column] = value
    return rows


def changing(*passes):
    """A factory whose passes differ."""
    left = iter(passes)
    return lambda: next(left)()


A_FUNCTION = "Give a function that makes a new iterator over blocks (X, Y) or (X, Y, weights) each time it is called."
ONE = cut(X, LABELS)


class Dataset:
    """What h5py and zarr give: it can be sliced, and NumPy would read it whole."""

    shape, dtype, chunks = X.shape, X.dtype, (10, 4)

    def __len__(self):
        return len(X)

    def __getitem__(self, rows):
        return X[rows]

    def __array__(self):
        raise AssertionError("read as a whole")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((X,), "Y: expected targets, got none. Only a factory of blocks, which hold targets too, is given as X alone."),
        ((ONE, LABELS), "Y: expected none beside a factory X, got ndarray. Blocks (X, Y) or (X, Y, weights) of a factory have everything in them; leave it out."),
        ((ONE, None, {"sample_weight": WEIGHTS}), "sample_weight: expected none beside a factory X, got ndarray."),
        ((ONE(),), f"X: expected rows, or a factory of blocks, got a generator, which can be gone through only once. {A_FUNCTION}"),
        ((Dataset(), LABELS), "X: expected an array in memory or mapped, got a Dataset, which lies in chunks. Give cr.Blocks.of(X, Y), which reads it block by block, or X[:] if it fits."),
        ((lambda: 3,), f"X: expected an iterator over blocks, got int from X(). {A_FUNCTION}"),
        ((lambda: iter(()),), f"X: expected blocks with at least one row in all, got none. Look at what it gives. {A_FUNCTION}"),
        ((lambda: [X],), "block 0 of X: expected (X, Y) or (X, Y, weights), got ndarray. Yield pairs of rows and their targets."),
        ((lambda: [(X, LABELS, None, 1)],), "block 0 of X: expected (X, Y) or (X, Y, weights), got tuple of length 4."),
        ((lambda: [(X, LABELS), (X[:, :3], LABELS)],), "block 1 of X: X: expected 4 columns, one for each of the network's inputs, got shape (300, 3)."),
        ((lambda: [(X, LABELS), ([[1, 2], [3]], [0, 1])],), "block 1 of X: X: expected a rectangular array, got rows of unequal length."),
        ((lambda: [(X, LABELS), (3, LABELS)],), "block 1 of X: X: expected 2 dimensions, (m, 4), got shape ()."),
        ((lambda: [(X, LABELS), (X, LABELS[1:])],), "block 1 of X: Y: expected 300 rows, as its X has, got shape (299,)."),
        ((cut(spoiled(106, 2, np.nan), LABELS),), "block 4 of X: X[2, 2]: expected a finite number, got nan. Remove or fill such rows first."),
        ((cut(X, np.where(np.arange(M) == 106, 7, LABELS)),), "block 4 of X: Y[2]: expected a class index 0 to 2, got 7."),
        ((cut(X, LABELS, np.where(np.arange(M) == 2, -1, WEIGHTS)),), "block 2 of X: weights[1]: expected a weight ≥ 0, got -1."),
        ((cut(X, LABELS, 0 * WEIGHTS),), "weights of X: expected at least one weight > 0, got only zeros in float32."),
        ((lambda: [(X, LABELS), (X, LABELS, WEIGHTS)],), "block 1 of X: expected dense rows, class indices as Y, no weights, got dense rows, class indices as Y, weights. Give all blocks alike."),
        ((ONE, None, {"validation": 0.1}), "validation: expected sets to look at beside a factory X, got the fraction 0.1. Give a factory, or rows in memory, of their own: validation=(Xv, Yv)."),
        ((ONE, None, {"validation": ONE()}), "validation: expected rows, or a factory of blocks, got a generator"),
        ((X, LABELS, {"validation": {"a": lambda: [X]}}), "block 0 of validation['a']: expected (X, Y) or (X, Y, weights), got ndarray."),
        ((ONE, None, {"batch_size": None}), 'batch_size: expected a whole number ≥ 1 for a factory X, got None. A batch is held in memory; optimizer="lbfgs" takes the whole set block by block.'),
        ((ONE, None, {"derivative_targets": NUMBERS}), "derivative_targets: expected none beside a factory X, got ndarray."),
        ((ONE, None, {"shuffle_rows": 0}), "shuffle_rows: expected a whole number ≥ 1 or None, got 0. Rows in that number are shuffled at a time; more mix better and need more memory."),
        ((ONE, None, {"shuffle_rows": 9, "shuffle": False}), "shuffle_rows: expected the default None under shuffle=False, got 9. Leave it out."),
        ((X, LABELS, {"shuffle_rows": 9}), "shuffle_rows: expected the default None under rows that aren't a factory's, got 9."),
        ((ONE, None, {"shuffle_rows": 9, "optimizer": "lbfgs"}), "shuffle_rows: expected the default None under lbfgs, got 9."),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_trained(given, message):
    net = network()
    before = net.parameters.copy()
    X, Y, settings = (*given, None, {})[:3] if len(given) < 3 else given
    with pytest.raises(InputError) as error:
        cr.train(net, X, Y, verbose=0, **(settings or {}))
    assert str(error.value).startswith(message)
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (cut(X[:200], LABELS[:200]), "X: expected 300 rows, as in the first pass, got 200. Give the same rows each time that it is called."),
        (lambda: iter(()), "X: expected 300 rows, as in the first pass, got 0."),
        (cut(np.tile(X, (2, 1)), np.tile(LABELS, 2)), "X: expected 300 rows, as in the first pass, got more than 300."),
        (cut(spoiled(1, 1, np.inf), LABELS), "block 2 of X: X[0, 1]: expected a finite number, got inf."),
        (cut(X, LABELS, WEIGHTS), "block 0 of X: expected dense rows, class indices as Y, no weights, got"),
    ],
)  # fmt: skip
def test_another_pass_that_gives_something_else_ends_training_with_what_was_trained_so_far(later, message):
    net, twin = network(), network()
    with pytest.raises(InputError) as error:
        trained(net, changing(cut(X, LABELS), cut(X, LABELS), later), epochs=3)
    assert str(error.value).startswith(message)
    _, figures = trained(twin, X, LABELS, epochs=1)
    assert error.value.history.cost == figures["cost"]
    assert np.isfinite(net.parameters).all()


def test_the_same_iterator_again_is_refused():
    iterator = cut(X, LABELS)()
    with pytest.raises(
        InputError, match=r"^X: expected a new iterator from each call of X\(\), got the same one again\."
    ):
        trained(network(), lambda: iterator)


@pytest.mark.parametrize("wrap", [lambda read: lambda: map(read, range(3)), lambda read: Blocks(range(3), read)])
@pytest.mark.parametrize("good", [0, 4], ids=["first pass", "second epoch"])
def test_what_a_factory_raises_comes_with_its_own_traceback(wrap, good):
    left = [good]

    def read(key):
        if left[0] == 0:
            raise OSError("the disk is gone")
        left[0] -= 1
        return X[:100], LABELS[:100]

    with pytest.raises(OSError, match=r"^the disk is gone") as error:
        trained(network(), wrap(read), epochs=3)
    assert str(error.value) == "the disk is gone"
    assert any(entry.name == "read" for entry in error.traceback)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blocks([], print), "Blocks: keys: expected at least one, got none. Look at how they were found."),
        (lambda: Blocks("a.npz", print), "Blocks: keys: expected a sequence, got 'a.npz'. Write cr.Blocks(sorted(folder.glob('*.npz')), read)."),
        (lambda: Blocks([1], 2), "Blocks: read: expected a function of a key, got 2. It gives (X, Y) for a key."),
        (lambda: Blocks.of(X, LABELS[1:]), "Blocks.of: Y: expected 300 rows, got 299. Each row needs its own, in the same order."),
        (lambda: Blocks.of(X, LABELS, rows=0), "Blocks.of: rows: expected a whole number ≥ 1, got 0. The default is a good start."),
    ],
)  # fmt: skip
def test_bad_blocks_are_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message


def test_messages_name_the_block_by_its_key():
    with pytest.raises(InputError, match=r"^block 'b' of X: X\[1, 0\]: expected a finite number, got nan\."):
        trained(network(), Blocks(["a", "b"], lambda key: (X if key == "a" else spoiled(1, 0, np.nan), LABELS)))


# --- memory -----------------------------------------------------------------------------------------------------------
IN_CONSTANT_MEMORY = """
import sys, threading, time
import numpy as np
import chainrule as cr
from chainrule.data.parts import Blocks

def anonymous():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

M, N = 100_000, 500  # 200 MB of zeros, in a file that takes no room
how, folder = sys.argv[1:]
for name, size in (("X", 4 * M * N), ("Y", 8 * M)):
    with open(f"{folder}/{name}", "wb") as file:
        file.truncate(size)
X = np.memmap(f"{folder}/X", "float32", "r", shape=(M, N))
Y = np.memmap(f"{folder}/Y", "int64", "r", shape=(M,))

def train(m):
    net = cr.Network([N, 2], "softmax", "cross_entropy", seed=0)
    settings = {"epochs": 1, "batch_size": 500, "n_threads": 1, "verbose": 0}
    if how == "mmap":
        cr.train(net, X[:m], Y[:m], sample_weight=np.ones(m, "float32"), **settings)
    else:  # a copy of each block, as what is read is
        cr.train(net, lambda: ((X[i : i + 4000] + 0, Y[i : i + 4000]) for i in range(0, m, 4000)), shuffle_rows=4000, **settings)

train(8000)
before, peak, done = anonymous(), 0, False

def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.001)

watcher = threading.Thread(target=watch)
watcher.start()
train(M)
done = True
watcher.join()
print(peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize(
    ("how", "bound"),
    [
        ("mmap", 100_000 * 56 / 2**20 + 1),  # 56 bytes a row, whatever its width, and a batch
        ("factory", 2 * 4000 * 500 * 4 / 2**20 + 2),  # two blocks, the part before and the next, and a batch
    ],
)
def test_memory_does_not_grow_with_the_data(how, bound, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", IN_CONSTANT_MEMORY, how, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < bound


def test_blocks_of_sparse_rows_and_a_read_that_raises():
    X = scipy.sparse.csr_array(np.eye(6))
    assert [block[0].shape for block in cr.Blocks.of(X, np.zeros(6), rows=4)()] == [(4, 6), (2, 6)]

    def read(key):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone") as error:
        cr.train(cr.Network([6, 1]), cr.Blocks(["a.npz"], read), verbose=0)
    assert "raised by read('a.npz') of cr.Blocks" in error.value.__notes__
