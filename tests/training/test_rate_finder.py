"""The range test (E72): what it sees, what it chooses, and that training goes on as if there had been none."""

import re

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.errors import InputError
from chainrule.training.minibatches.rate_finder import RATES, choose, smooth
from training_problem import LABELS, RNG, X, Y, regressor

BACKENDS = ["reference", *(["native"] if HAS_NATIVE else [])]
BUT_RPROP = ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "kfac"]
WEIGHTS = RNG.uniform(0, 2, 60)


def classifier(**changes):
    return cr.Network([4, 6, 3], ["relu", "softmax"], "cross_entropy", **({"dtype": "float64", "seed": 1} | changes))


def search(net=None, Y=Y, **settings):
    net = regressor() if net is None else net
    defaults = {"learning_rate": "find", "epochs": 1, "verbose": 0, "batch_size": 20}
    return net, cr.train(net, X, Y, **(defaults | settings))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("optimizer", BUT_RPROP)
def test_training_is_the_same_bits_as_with_the_number_that_was_found(optimizer, backend):
    settings = {"optimizer": optimizer, "epochs": 2, "dropout": 0.2, "penalty": 1e-3, "sample_weight": WEIGHTS}
    net, history = search(regressor(backend=backend), **settings)
    other, again = search(regressor(backend=backend), **settings, learning_rate=history.rate_search.chosen)
    assert net.parameters.tobytes() == other.parameters.tobytes()
    assert history.cost == again.cost
    assert again.rate_search is None
    assert set(history.learning_rate) == {history.rate_search.chosen}


@pytest.mark.parametrize("settings", [{"batch_size": None}, {"shuffle": False}, {"validation": 0.2}, {"batch_size": {1: 7, 2: 30}},
                                      {"frozen": [1]}, {"l1": 1e-3, "clip_norm": 0.5, "layer_rates": {1: 0.1}},
                                      {"input_gradient_penalty": 0.1}], ids=str)  # fmt: skip
def test_that_holds_for_other_ways_to_train(settings):
    net, history = search(classifier(), LABELS, epochs=2, **settings)
    other, _ = search(classifier(), LABELS, epochs=2, **settings, learning_rate=history.rate_search.chosen)
    assert net.parameters.tobytes() == other.parameters.tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_its_steps_are_those_of_training_with_these_rates(backend):
    """60 rows in batches of 20: the first three costs are those of an epoch at the first rates, one by one."""
    _, history = search(regressor(backend=backend), optimizer="sgd")
    found = history.rate_search
    theta, costs = regressor(), []
    order = np.random.default_rng(0).permutation(60)
    for step in range(3):
        rows = order[20 * step : 20 * step + 20]
        costs.append(theta.cost(X[rows], Y[rows]))
        cr.train(theta, X[rows], Y[rows], optimizer="sgd", learning_rate=RATES[step], epochs=1, shuffle=False,
                 batch_size=None, verbose=0)  # fmt: skip
    np.testing.assert_allclose(found.costs[:3], costs, rtol=1e-12)  # the same sums, in another order
    assert found.rates == RATES[: len(found.rates)].tolist()
    assert len(found.rates) == len(found.costs) == len(found.smoothed)


def test_rates_grow_from_1e_8_to_100_twenty_a_decade():
    assert (RATES[0], RATES[-1], len(RATES)) == (1e-8, 100, 201)
    np.testing.assert_allclose(RATES[20:] / RATES[:-20], 10, rtol=1e-12)  # rounding of powers


def test_costs_are_smoothed_by_the_formula_and_a_rate_chosen_by_the_stated_rule():
    """(E72)."""
    _, history = search()
    found = history.rate_search
    for j in (0, 1, 30):
        weights = 0.9 ** np.arange(j, -1, -1)
        # the weighted mean that the recursion makes; 1e-12 for its rounding
        assert found.smoothed[j] == pytest.approx(weights @ found.costs[: j + 1] / weights.sum(), rel=1e-12)
    before = found.smoothed[:-1] if found.exploded else found.smoothed
    least = 20 + int(np.argmin(before[20:]))
    assert found.chosen == RATES[least] / 8


def test_it_ends_where_the_cost_grows_out_of_bounds():
    _, history = search(optimizer="sgd")
    found = history.rate_search
    assert found.exploded
    assert len(found.rates) < len(RATES)
    inside, least = np.array(found.smoothed[:-1]), np.minimum.accumulate(found.smoothed[:-1])
    assert (inside - least <= 3 * np.maximum(inside[0], least)).all()
    assert not found.smoothed[-1] - least[-1] <= 3 * max(inside[0], least[-1])


def test_a_cost_that_never_explodes_is_followed_to_the_last_rate():
    _, history = search(classifier(), LABELS, clip_norm=1e-4, optimizer="sgd")
    assert not history.rate_search.exploded
    assert history.rate_search.rates[-1] == 100


def test_the_rate_found_trains_far_better_than_one_that_is_ten_times_smaller_and_does_not_diverge():
    costs = [search(optimizer="sgd", epochs=30, learning_rate=rate)[1].cost[-1] for rate in ("find", 1e-3)]
    assert costs[0] < 0.5 * costs[1]


def test_it_is_deterministic_and_what_follows_on_the_generator_stays_the_same():
    rng, other = np.random.default_rng(5), np.random.default_rng(5)
    (a, one), (b, two) = search(seed=rng), search(seed=5)
    assert one.rate_search == two.rate_search
    assert a.parameters.tobytes() == b.parameters.tobytes()
    search(seed=other, learning_rate=0.1)
    assert rng.random() == other.random()


def test_its_time_is_no_epoch_s():
    _, history = search(monotone={0: 1})  # step by step in Python, so that it takes longer than an epoch of three steps
    assert history.rate_search.seconds > history.seconds[0] > 0


def test_no_epochs_no_search():
    _, history = search(epochs=0)
    assert history.rate_search is None


def test_max_time_counts_the_search():
    net, history = search(max_time=1e-9)
    assert (history.stopped, history.epochs) == ("time", 0)
    assert net.parameters.tobytes() == regressor().parameters.tobytes()


def test_smoothing_written_out():
    assert smooth([2.0, 1.0]) == pytest.approx([2, (0.9 * 0.2 + 0.1) / 0.19], rel=1e-12)  # rounding


def test_a_cost_that_explodes_at_once_says_what_to_do():
    wild = np.array([[1e12], [-2e12], [3e12]])
    net = cr.Network([1, 1], activations="identity", dtype="float64", seed=1)
    before = net.parameters.copy()
    text = (
        'learning_rate="find": expected a finite cost at rates of 1e-08 to 1e-07, got one that grows out of bounds '
        "there. Scale the columns of X, and of Y in a regression, to about 1."
    )
    with pytest.raises(InputError) as error:
        cr.train(net, wild, [1.0, 2.0, 3.0], learning_rate="find", optimizer="sgd", verbose=0)
    assert str(error.value) == text
    assert net.parameters.tobytes() == before.tobytes()
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        choose([1.0] * 20)


def test_rprop_and_solvers_that_find_their_own_step_refuse_it():
    text = (
        'learning_rate="find": expected a rule whose steps have a rate, got rprop, which looks at that of its first '
        "step alone. Its step sizes find themselves; leave learning_rate out."
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        search(optimizer="rprop")
    text = (
        "learning_rate: expected the default 0.001 under lbfgs, got 'find'. L-BFGS takes the whole set at once and "
        "finds its own step; leave it out."
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        search(optimizer="lbfgs", batch_size=32)


@pytest.mark.parametrize("wrong", ["fnid", "", True, [1.0]])
def test_another_word_is_no_learning_rate(wrong):
    with pytest.raises(InputError, match=r"^learning_rate: expected a number > 0 or a schedule, got "):
        search(learning_rate=wrong)


def test_a_line_search_refuses_it_too():
    with pytest.raises(InputError, match=r"^learning_rate: expected the default 0.001 under line_search, got 'find'\."):
        search(optimizer="line_search")


def test_a_resumed_training_goes_on_with_the_rate_that_was_found(tmp_path):
    whole, unbroken = search(epochs=3)
    search(epochs=1, checkpoint=tmp_path / "run")
    net, history = search(epochs=3, checkpoint=tmp_path / "run", resume=True)
    assert net.parameters.tobytes() == whole.parameters.tobytes()
    assert history.rate_search == unbroken.rate_search


def test_blocks_that_are_read_again_give_the_same_search_as_rows_in_memory():
    def blocks():
        for start in range(0, 60, 25):
            yield X[start : start + 25], Y[start : start + 25]

    net, history = search(shuffle=False)
    other = regressor()
    streamed = cr.train(other, blocks, learning_rate="find", batch_size=20, shuffle=False, epochs=1, verbose=0)
    assert streamed.rate_search == history.rate_search
    assert other.parameters.tobytes() == net.parameters.tobytes()


@pytest.mark.parametrize(
    "rate", [cr.schedules.Cosine(0.1, epochs=3), cr.schedules.Adaptive(0.1)], ids=["cosine", "adaptive"]
)
def test_rprop_refuses_schedules_too(rate):
    with pytest.raises(cr.InputError) as error:
        cr.train(cr.Network([1, 1]), [[0.0]], [0.0], optimizer="rprop", learning_rate=rate, verbose=0)
    assert str(error.value).startswith(
        f"learning_rate={rate!r:.60}: expected a rule whose steps have a rate, got rprop, which "
    )
