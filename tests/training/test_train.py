"""cr.train: (E15), (E16), the objective, data of every kind, and bad input refused before anything changes."""

import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError
from training_problem import LABELS, RNG, X, Y, regressor


def test_E15_E16_one_step_uses_the_weights_from_before_any_update():
    net = regressor()
    W2, W1 = net.W[2].copy(), net.W[1].copy()
    b1, b2 = net.b[1].copy(), net.b[2].copy()
    cr.train(net, X, Y, optimizer="sgd", learning_rate=0.3, batch_size=None, epochs=1, verbose=0)

    a1 = np.tanh(X @ W1 + b1)
    delta2 = 2 * (a1 @ W2 + b2 - Y[:, np.newaxis])
    delta1 = (delta2 @ W2.T) * (1 - a1**2)  # W2 from before the update
    m = len(X)
    np.testing.assert_allclose(net.W[2], W2 - 0.3 * a1.T @ delta2 / m, rtol=1e-12)
    np.testing.assert_allclose(net.b[2], b2 - 0.3 * delta2.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(net.W[1], W1 - 0.3 * X.T @ delta1 / m, rtol=1e-12)
    np.testing.assert_allclose(net.b[1], b1 - 0.3 * delta1.mean(axis=0), rtol=1e-12)


def test_E15_an_epoch_is_every_batch_once_in_order_without_shuffling():
    net, by_hand = regressor(), regressor()
    history = cr.train(net, X, Y, optimizer="sgd", learning_rate=0.1, batch_size=25, epochs=2, shuffle=False, verbose=0)
    costs, sizes, norms = [], [], []
    for _ in range(2):
        for rows in (slice(0, 25), slice(25, 50), slice(50, 60)):
            cost, gradient = by_hand.value_and_gradient(X[rows], Y[rows])
            by_hand.parameters = by_hand.parameters - 0.1 * gradient.flat
            costs.append(cost)
            sizes.append(len(X[rows]))
            norms.append(np.linalg.norm(gradient.flat))
    np.testing.assert_allclose(net.parameters, by_hand.parameters, rtol=1e-12)
    # history.cost: the mean over the epoch's examples, each before its batch's update
    expected = [np.average(costs[i : i + 3], weights=sizes[i : i + 3]) for i in (0, 3)]
    np.testing.assert_allclose(history.cost, expected, rtol=1e-12)
    np.testing.assert_allclose(history.gradient_norm, [np.mean(norms[:3]), np.mean(norms[3:])], rtol=1e-12)
    assert history.learning_rate == [0.1, 0.1]
    assert history.epochs == 2
    assert history.stopped == "epochs"
    assert history.message == "stopped after epoch 2: all epochs were trained"


def test_under_the_sum_the_cost_of_an_epoch_is_the_total():
    net = regressor(reduction="sum")
    start = net.cost(X, Y)
    history = cr.train(net, X, Y, optimizer="sgd", learning_rate=1e-12, batch_size=7, epochs=1, verbose=0)
    assert history.cost[0] == pytest.approx(start, rel=1e-6)


def test_shuffling_takes_every_example_once_in_a_new_order_each_epoch_fixed_by_the_seed():
    seen = []

    class Spy(cr.SGD):
        def update(self, state, parameters, gradient, rate):
            seen.append(gradient)
            return state, parameters

    net = cr.Network([1, 1], "identity", "half_squared_error", bias=False, dtype="float64", initializer="zeros")
    rows = np.arange(1.0, 9.0)[:, np.newaxis]
    orders = []
    for seed in (5, 5, 6):
        seen.clear()
        cr.train(net, rows, -rows[:, 0], optimizer=Spy(), batch_size=1, epochs=2, seed=seed, verbose=0)
        orders.append([float(g[0]) ** 0.5 for g in seen])  # W = 0, so the gradient of row x is (0 + x)·x
    assert orders[0] == orders[1] != orders[2]
    first, second = orders[0][:8], orders[0][8:]
    assert sorted(first) == sorted(second) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert first != second


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "lbfgs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_optimizer_learns(name, dtype):
    net = regressor(dtype=dtype)
    before = net.cost(X, Y)
    rate = {"sgd": 0.05, "momentum": 0.01, "nesterov": 0.01}.get(name, 0.01)
    settings = {} if name == "lbfgs" else {"learning_rate": rate, "batch_size": 10}
    history = cr.train(net, X, Y, optimizer=name, epochs=60, verbose=0, **settings)
    assert net.parameters.dtype == dtype
    assert net.cost(X, Y) < 0.2 * before
    assert history.cost[-1] < history.cost[0]


def test_same_seed_same_bits():
    runs = []
    for _ in range(2):
        net = regressor(dtype="float32")
        cr.train(net, X, Y, epochs=3, seed=7, verbose=0)
        runs.append(net.parameters.tobytes())
    assert runs[0] == runs[1]


def test_E29_penalty_is_lambda_half_w_squared_not_divided_and_biases_free():
    net, twin = regressor(), regressor()
    _, gradient = twin.value_and_gradient(X, Y)
    history = cr.train(net, X, Y, optimizer="sgd", learning_rate=0.1, batch_size=None, epochs=1, penalty=0.5, verbose=0)
    for layer in (1, 2):
        step = gradient.W[layer] + 0.5 * twin.W[layer]
        np.testing.assert_allclose(net.W[layer], twin.W[layer] - 0.1 * step, rtol=1e-12)
        np.testing.assert_allclose(net.b[layer], twin.b[layer] - 0.1 * gradient.b[layer], rtol=1e-12)
    weights = np.concatenate([net.W[1].ravel(), net.W[2].ravel()])
    assert history.penalty == [pytest.approx(0.25 * (weights**2).sum())]
    assert history.cost == [pytest.approx(twin.cost(X, Y))]  # the cost of the history is without the penalty


def test_sample_weights_act_like_repeated_rows():
    weights = np.ones(60)
    weights[:10] = 3
    repeated = np.concatenate([np.arange(60), np.arange(10), np.arange(10)])
    nets = [regressor(), regressor()]
    cr.train(nets[0], X, Y, sample_weight=weights, optimizer="sgd", batch_size=None, epochs=5, verbose=0)
    cr.train(nets[1], X[repeated], Y[repeated], optimizer="sgd", batch_size=None, epochs=5, verbose=0)
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=1e-12)


def test_a_batch_of_zero_weight_is_left_out():
    # two batches of which one says nothing: the other's step counts for both
    weights = np.repeat([1.0, 0.0], 30)
    nets = [regressor(), regressor()]
    options = {"optimizer": "sgd", "batch_size": 30, "epochs": 3, "shuffle": False, "verbose": 0}
    cr.train(nets[0], X, Y, sample_weight=weights, learning_rate=0.01, **options)
    cr.train(nets[1], X[:30], Y[:30], learning_rate=0.02, **options)
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 20, None])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_steps_of_an_epoch_add_up_to_the_objective_s_gradient_at_any_batch_size(batch_size, reduction, weighted):
    # at parameters that stand still: on average over examples under the mean, in total under the sum (E4, E10, E29)
    steps = []

    class Spy(cr.SGD):
        def update(self, state, parameters, gradient, rate):
            steps.append(gradient)
            return state, parameters

    net = regressor(reduction=reduction)
    w = np.random.default_rng(1).uniform(0.1, 4, 60) if weighted else None
    cr.train(
        net,
        X,
        Y,
        sample_weight=w,
        penalty=0.3,
        optimizer=Spy(),
        batch_size=batch_size,
        epochs=1,
        shuffle=False,
        verbose=0,
    )
    size = batch_size or 60
    lengths = [min(size, 60 - start) for start in range(0, 60, size)]
    parts = np.array(lengths) / 60 if reduction == "mean" else np.ones(len(lengths))
    expected = net.value_and_gradient(X, Y, w)[1].flat + 0.3 * net.plan.is_weight * net.parameters
    np.testing.assert_allclose(parts @ np.array(steps), expected, rtol=1e-10, atol=1e-12)


def test_schedule_sees_fractions_of_epochs():
    asked = []

    class Spy:
        def rate(self, t):
            asked.append(t)
            return 0.01

    cr.train(regressor(), X, Y, optimizer="sgd", learning_rate=Spy(), batch_size=20, epochs=2, verbose=0)
    np.testing.assert_allclose(asked, [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3])


def test_E28_adaptive_rate_falls_and_ends_training():
    rule = cr.schedules.Adaptive(0.1, factor=0.1, patience=1, tolerance=1e9, least_rate=1e-3)
    history = cr.train(regressor(), X, Y, optimizer="sgd", learning_rate=rule, epochs=50, verbose=0)
    # the first cost improves on infinity, every later one fails: 0.1, 0.1, 0.01, 0.001, then below the least
    np.testing.assert_allclose(history.learning_rate, [0.1, 0.1, 0.01, 0.001], rtol=1e-12)
    assert history.stopped == "learning_rate"


def test_uint8_memory_mapped_and_float32_rows_give_the_same_as_float64(tmp_path):
    bytes_ = RNG.integers(0, 255, (50, 4)).astype("uint8")
    np.save(tmp_path / "x.npy", bytes_)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    results = []
    for rows in (bytes_, mapped, bytes_.astype("float32"), np.asfortranarray(bytes_.astype("float64"))):
        net = cr.Network([4, 5, 3], ["tanh", "softmax"], "cross_entropy", seed=2)
        cr.train(net, rows, LABELS[:50], epochs=2, batch_size=8, verbose=0)
        results.append(net.parameters.tobytes())
    assert len(set(results)) == 1


def test_a_large_input_is_never_copied_whole():
    rows = np.zeros((40_000, 100), dtype="uint8")  # 4 MB; a copy in float32 would take 16 MB
    labels = np.arange(40_000) % 3
    net = cr.Network([100, 4, 3], ["tanh", "softmax"], "cross_entropy")
    calls = {
        "train": lambda: cr.train(net, rows, labels, epochs=1, batch_size=1000, validation=0.1, verbose=0),
        "lbfgs": lambda: cr.train(net, rows, labels, epochs=1, optimizer="lbfgs", verbose=0),
        "predict": lambda: net.predict(rows),
        "cost": lambda: net.cost(rows, labels),
    }
    for name, call in calls.items():
        call()  # what is imported late is imported now
        tracemalloc.start()
        try:
            call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8e6, f"{name} took {peak / 1e6:.1f} MB beyond the data"


def test_class_indices_and_one_hot_rows_train_alike():
    nets = [cr.Network([4, 5, 3], ["tanh", "softmax"], "cross_entropy", seed=2) for _ in range(2)]
    cr.train(nets[0], X, LABELS, epochs=2, verbose=0)
    cr.train(nets[1], X, np.eye(3)[LABELS], epochs=2, verbose=0)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_zero_epochs_change_nothing(optimizer):
    net = regressor()
    before = net.parameters.copy()
    history = cr.train(net, X, Y, optimizer=optimizer, epochs=0, verbose=0)
    np.testing.assert_array_equal(net.parameters, before)
    assert history.epochs == 0
    assert history.stopped == "epochs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"X": X[:, :3]}, "X: expected 4 columns, one for each of the network's inputs, got shape (60, 3)."),
        ({"X": np.where(np.arange(4) == 2, np.nan, X)}, "X[0, 2]: expected a finite number, got nan."),
        ({"X": X[:0]}, "X: expected at least one row, got shape (0, 4)."),
        ({"X": [["a"] * 4]}, "X: expected real numbers, got dtype <U1."),
        ({"Y": Y[:9]}, "Y: expected 60 rows, as X has, got shape (9,)."),
        ({"Y": np.where(np.arange(60) == 7, np.inf, Y)}, "Y[7, 0]: expected a finite number, got inf."),
        ({"optimizer": "adma"}, "unknown optimizer: expected one of adam, adamw, auto, gauss_newton_cg, kfac, lbfgs, "
         "levenberg_marquardt, line_search, momentum, nesterov, rmsprop, rprop, sgd, got 'adma'. Did you mean adam"),
        ({"learning_rate": -1}, "learning_rate: expected a finite number > 0, got -1."),
        ({"batch_size": 0}, "batch_size: expected a whole number ≥ 1 or None, got 0. The default is a good start."),
        ({"seed": True}, "seed: expected a whole number ≥ 0, a Generator or None, got True."),
        ({"seed": np.random.Generator(np.random.RandomState(0)._bit_generator)}, "seed: expected a Generator that can spawn others, "
         "got one without a SeedSequence. "),
        ({"batch_size": {2: 8}}, "batch_size: expected {epoch: size, …} with epochs ≥ 1, 1 among them, got epochs [2]. Write"),
        ({"batch_size": {1: 0}}, "batch_size[1]: expected a whole number ≥ 1 or None, got 0."),
        ({"max_time": 0}, "max_time: expected a number in (0, ∞), got 0. It is in seconds; None is no limit."),
        ({"dropout": 1}, "dropout: expected a number in [0, 1), got 1. Write dropout=0.5 for all hidden layers, or"),
        ({"dropout": {2: 0.5}}, "dropout: expected layers 0 to 1, got 2. The outputs, layer L, are never dropped."),
        ({"dropout": {0: -1}}, "dropout[0]: expected a number in [0, 1), got -1."),
        ({"input_noise": -1}, "input_noise: expected a number in [0, ∞), got -1. 0 is none; it is a standard deviation, as X has."),
        ({"label_smoothing": 0.1}, "label_smoothing: expected a cost of cross_entropy, binary_cross_entropy, got squared_error."),
        ({"weight_decay": -1}, "weight_decay: expected a number in [0, ∞), got -1."),
        ({"l1": -1}, "l1: expected a finite number ≥ 0, got -1."),
        ({"max_norm": 0}, "max_norm: expected a number in (0, ∞), got 0. None is no limit; a usual value is 1."),
        ({"clip_norm": "a"}, "clip_norm: expected a number in (0, ∞), got 'a'."),
        ({"clip_example_norm": -1}, "clip_example_norm: expected a number in (0, ∞), got -1."),
        ({"layer_rates": 2}, "layer_rates: expected {layer: factor}, got 2. Write layer_rates={1: 0.1}: a tenth of η in layer 1."),
        ({"layer_rates": {1: 0}}, "layer_rates[1]: expected a number in (0, ∞), got 0. It multiplies the learning rate; frozen="),
        ({"layer_rates": {0: 1}}, "layer_rates: expected layers 1 to 2, got 0. Layers are counted from 1; 0 is the input."),
        ({"frozen": [3]}, "frozen: expected layers 1 to 2, got 3."),
        ({"frozen": 1}, "frozen: expected layers, got 1. Write frozen=[1, 2]."),
        ({"frozen": [1, 2]}, "frozen: expected a layer left to train, got all 2. Leave out the layer that is to be trained."),
        ({"batch_size": 2.0}, "batch_size: expected a whole number ≥ 1 or None, got 2.0."),
        ({"epochs": -1}, "epochs: expected a whole number ≥ 0, got -1. 0 trains nothing."),
        ({"epochs": None}, "epochs: expected a whole number ≥ 0, got None."),
        ({"penalty": -0.1}, "penalty: expected a finite number ≥ 0, got -0.1. 0 is no penalty; usual values are"),
        ({"n_threads": 0}, "n_threads: expected a whole number 1 to 256 or None, got 0."),
        ({"seed": "a"}, "seed: expected a whole number ≥ 0, a Generator or None, got 'a'."),
        ({"callbacks": [3]}, "callbacks[0]: expected a function (net, history), or an object with one of before_training, before_epoch, "
            "before_batch, after_batch, after_epoch, after_training, got 3. Each method is given one moment:"),
        ({"early_stopping": "yes"}, "early_stopping: expected True, a patience, or cr.EarlyStopping, got 'yes'."),
        ({"early_stopping": 0}, "EarlyStopping: patience: expected a whole number ≥ 1 or None, got 0."),
        ({"validation": 1.5}, "validation: expected a fraction between 0 and 1, or (Xv, Yv), got 1.5."),
        ({"validation": X}, "validation: expected a fraction between 0 and 1, or (Xv, Yv), got array("),
        ({"validation": (X,)}, "validation: expected a fraction between 0 and 1, or (Xv, Yv), got tuple of length 1. Write"),
        ({"callbacks": print}, "callbacks: expected a list of functions (net, history), or of objects with methods such as after_epoch, got "
            "<built-in function print>."),
        ({"shuffle": "no"}, "shuffle: expected True or False, got 'no'. Write shuffle=True."),
        ({"verbose": 5}, "verbose: expected 0 or 1, got 5. Write verbose=0."),
        ({"early_stopping": 1.5}, "early_stopping: expected True, a patience, or cr.EarlyStopping, got 1.5."),
        ({"optimizer": "lbfgs", "learning_rate": 0.1}, "learning_rate: expected the default 0.001 under lbfgs, got 0.1. L-BFGS "
         "takes the whole set at once and finds its own step; leave it out."),
        ({"optimizer": "lbfgs", "learning_rate": X}, "learning_rate: expected a number > 0 or a schedule, got array("),
        ({"optimizer": "lbfgs", "batch_size": 64}, "batch_size: expected the default 32 under lbfgs, got 64."),
        ({"optimizer": cr.LBFGS(), "shuffle": False}, "shuffle: expected the default True under lbfgs, got False."),
        ({"validation": (X[:, :2], Y)}, "validation X: expected 4 columns, one for each of the network's inputs, got shape "
         "(60, 2)."),
        ({"validation": (X, Y[:5])}, "validation Y: expected 60 rows, as validation X has, got shape (5,)."),
        ({"X": X[:1], "Y": Y[:1], "validation": 0.5}, "validation: expected rows left to train on, got 1 row. Hold out a smaller"),
        ({"sample_weight": [1, 2]}, "sample_weight: expected shape (60,), one for each row of X, got shape (2,)."),
        ({"net": "net"}, "net: expected a cr.Network, got str. Make one: net = cr.Network([n_inputs, …, n_outputs]). A "
         "fitted estimator's is estimator.network_."),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_changes(options, message):
    net = regressor()
    before = net.parameters.copy()
    arguments = {"net": net, "X": X, "Y": Y, "verbose": 0} | options
    with pytest.raises(InputError) as error:
        cr.train(arguments.pop("net"), arguments.pop("X"), arguments.pop("Y"), **arguments)
    assert str(error.value).startswith(message)
    np.testing.assert_array_equal(net.parameters, before)


def test_a_bad_row_far_down_is_named_by_its_own_number():
    rows = np.zeros((10_000, 4))
    rows[9_876, 2] = np.inf
    with pytest.raises(InputError, match=r"^X\[9876, 2\]: expected a finite number, got inf"):
        cr.train(regressor(), rows, np.zeros(10_000), verbose=0)


def test_bad_solver_settings_are_refused():
    for make, message in [
        (lambda: cr.LBFGS(memory=0), "LBFGS: memory: expected a whole number ≥ 1, got 0. Usual values are 2 to 20."),
        (lambda: cr.LBFGS(gradient_tolerance=-1), "LBFGS: gradient_tolerance: expected a number in [0, ∞), got -1."),
        (lambda: cr.LBFGS(memory=10**6), "LBFGS: memory: expected at most 1000, got 1000000."),
        (lambda: cr.LBFGS(memory=2.5), "LBFGS: memory: expected a whole number ≥ 1, got 2.5."),
        (
            lambda: cr.EarlyStopping(patience=1.5),
            "EarlyStopping: patience: expected a whole number ≥ 1 or None, got 1.5.",
        ),
        (lambda: cr.EarlyStopping(tolerance=-1), "EarlyStopping: tolerance: expected a number in [0, ∞), got -1."),
    ]:
        with pytest.raises(InputError) as error:
            make()
        assert str(error.value).startswith(message)


def test_n_threads_holds_for_the_reference_s_library_while_training_and_the_result_is_the_same_to_rounding():
    from threadpoolctl import threadpool_info

    seen = []
    nets = [cr.Network.from_plan(regressor().plan, regressor().parameters, "reference") for _ in range(2)]
    for net, n in zip(nets, (1, 2), strict=True):
        look = [lambda net, history: seen.append({pool["num_threads"] for pool in threadpool_info()})]
        cr.train(net, X, Y, epochs=1, n_threads=n, callbacks=look, verbose=0)
    assert seen == [{1}, {2}]
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=1e-9)
