"""Divergence: named by epoch, step, layer and equation, and undone."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DivergenceWarning
from chainrule.training.progress.divergence import all_finite, norm
from training_problem import X, Y, regressor


def test_divergence_ends_training_with_the_last_finite_epoch_s_parameters_and_says_where():
    net = cr.Network([4, 6, 1], ["relu", "identity"], "squared_error", seed=1)
    snapshots = []
    with pytest.warns(DivergenceWarning) as caught:
        history = cr.train(
            net, 1e3 * X, 1e3 * Y, optimizer="sgd", learning_rate=1e-3, batch_size=60, epochs=50, verbose=0,
            callbacks=[lambda net, history: snapshots.append(net.parameters.copy())],
        )  # fmt: skip
    assert history.stopped == "divergence"
    assert 0 < history.epochs < 50
    assert np.isfinite(net.parameters).all()
    np.testing.assert_array_equal(net.parameters, snapshots[-1])
    assert history.restored_epoch == history.epochs
    assert history.message == str(caught[0].message)
    assert history.message.startswith(
        f"training diverged in epoch {history.epochs + 1}, step 1: expected finite numbers, got an infinite or undefined "
        "one: "
    )
    assert history.message.endswith(
        f"The parameters are those after epoch {history.epochs}, the last finite one. Lower learning_rate, which was "
        "0.001, or scale the columns of X to about 1."
    )
    assert " of layer " in history.message


def test_divergence_after_a_best_epoch_gives_that_one_back_and_says_so():
    net = cr.Network([4, 6, 1], ["relu", "identity"], "squared_error", seed=1)
    with pytest.warns(DivergenceWarning) as caught:
        history = cr.train(
            net, 1e3 * X, 1e3 * Y, optimizer="sgd", learning_rate=1e-3, batch_size=60, epochs=50, verbose=0,
            early_stopping=cr.EarlyStopping(patience=None),
        )  # fmt: skip
    best = int(np.argmin(history.cost)) + 1
    assert history.restored_epoch == best
    assert f"The parameters are those after epoch {best}, the best one." in str(caught[0].message)


def test_divergence_in_the_first_epoch_keeps_the_initial_parameters():
    net = regressor()
    before = net.parameters.copy()
    with pytest.warns(DivergenceWarning, match="The parameters are those from before training"):
        history = cr.train(net, X, Y, optimizer="sgd", learning_rate=1e308, epochs=5, verbose=0)
    np.testing.assert_array_equal(net.parameters, before)
    assert history.epochs == 0


def test_a_last_step_that_leaves_infinite_parameters_is_a_divergence_too():
    net = regressor()
    before = net.parameters.copy()
    with pytest.warns(
        DivergenceWarning, match=r"^training diverged in epoch 1, step 1: .*: [Wb] of layer 1 \(E16\) holds -?inf"
    ):
        history = cr.train(net, X, 1e6 * Y, optimizer="sgd", learning_rate=1e308, batch_size=60, epochs=1, verbose=0)
    np.testing.assert_array_equal(net.parameters, before)
    assert history.stopped == "divergence"


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda net: net.W[1].__setitem__((0, 0), 1e308), "z of layer 1 (E1) holds "),
        (lambda net: net.b[2].__setitem__(0, 1e200), "the cost squared_error of layer 2's output (E3) holds inf"),
    ],
)
def test_divergence_names_layer_and_equation(spoil, where):
    net = cr.Network([4, 6, 1], ["relu", "identity"], "squared_error", dtype="float64", seed=1)
    spoil(net)
    with pytest.warns(DivergenceWarning) as caught:
        cr.train(net, 1e10 * X, Y, optimizer="sgd", epochs=1, batch_size=60, verbose=0)
    assert where in str(caught[0].message)


def test_numpy_settings_of_another_precision_do_not_change_the_network_s():
    dtypes = set()

    class Spy(cr.SGD):
        def update(self, state, parameters, gradient, rate):
            dtypes.update({parameters.dtype.name, gradient.dtype.name, type(rate).__name__})
            return super().update(state, parameters, gradient, rate)

    net = regressor(dtype="float32")
    rate = cr.schedules.Cosine(np.float64(0.1), epochs=3)
    cr.train(net, X, Y, optimizer=Spy(), learning_rate=rate, penalty=np.float64(1e-4), n_threads=np.int64(1), verbose=0)
    assert dtypes == {"float32", "float"}


def test_numpy_counts_are_counts():
    net, rule = regressor(), cr.LBFGS(memory=np.uint8(10))
    assert type(rule.memory) is int
    cr.train(net, X, Y, optimizer=rule, epochs=np.int64(5), early_stopping=np.int64(3), verbose=0)
    cr.train(net, X, Y, batch_size=np.uint8(20), epochs=1, verbose=0)


def test_a_stop_iteration_of_a_callback_is_an_error_under_lbfgs_too():
    def stop(net, history):
        raise StopIteration

    with pytest.raises(RuntimeError, match="a callback raised StopIteration"):
        cr.train(regressor(), X, Y, optimizer="lbfgs", callbacks=[stop], verbose=0)


def test_a_gradient_whose_square_overflows_is_a_divergence_and_not_a_frozen_parameter():
    net = cr.Network([1, 1], "identity", "half_squared_error", bias=False, initializer="zeros")
    with pytest.warns(
        DivergenceWarning, match=r"the gradient, with the penalty, in W of layer 1 \(E7, E29\) reaches 1e\+20\."
    ):
        cr.train(net, [[1e10]], [1e10], epochs=1, verbose=0)  # ∂C/∂W = 1e20, whose square float32 can't hold


def test_divergence_on_the_validation_set_names_layer_and_equation():
    net = regressor()
    with pytest.warns(
        DivergenceWarning, match=r"on the validation set the cost squared_error of layer 2's output \(E3\) holds"
    ):
        cr.train(net, X, Y, validation=(X, 1e200 * Y), epochs=1, verbose=0)


def test_a_penalty_that_overflows_is_named():
    with pytest.warns(
        DivergenceWarning, match=r"the gradient, with the penalty, in W of layer [12] \(E7, E29\) reaches (inf|\d)"
    ):
        cr.train(regressor(dtype="float32"), X, Y, penalty=1e39, verbose=0)


def test_divergence_of_the_gradient_names_its_layer():
    # a^1 = 1e37, a^2 = 1e10 and C = 1e20 are finite in float32, but ∂C/∂W^2 = a^1 δ^2 = 2e47 is not
    net = cr.Network([1, 1, 1], "identity", "squared_error", bias=False)
    net.W[1][...], net.W[2][...] = 1e18, 1e-27
    with pytest.warns(DivergenceWarning, match=r"the gradient in W of layer 2 \(E7\) holds inf"):
        cr.train(net, [[1e19]], [0.0], epochs=1, verbose=0)


def test_lbfgs_divergence_is_a_stop_too():
    net = cr.Network([4, 6, 1], ["exp", "identity"], "squared_error", dtype="float64", seed=1)
    with pytest.warns(
        DivergenceWarning, match=r"epoch 1, step 1: .* a of layer 1 \(E2\) holds inf\..* Scale the columns of X"
    ):
        history = cr.train(net, 1e4 * X, Y, optimizer="lbfgs", epochs=5, verbose=0)
    assert history.stopped == "divergence"
    assert np.isfinite(net.parameters).all()


def test_norm_does_not_overflow_float32():
    assert norm(np.full(4, 1e30, dtype="float32")) == pytest.approx(2e30, rel=1e-6)
    assert norm(np.full(4, 1e300)) == pytest.approx(2e300)
    assert norm(np.array([np.inf, 1.0])) == np.inf
    assert math.isnan(norm(np.array([np.nan, 1.0])))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_found_and_an_overflowing_sum_is_none(bad):
    largest = np.full(1001, np.finfo("float32").max, dtype="float32")
    assert all_finite(largest)
    for at in (0, 500, 1000):
        spoilt = np.arange(1001, dtype="float32")
        assert all_finite(spoilt)
        spoilt[at] = bad
        assert not all_finite(spoilt)
    assert not all_finite(np.array([np.inf, -np.inf], dtype="float32"))


def test_a_gradient_that_only_an_option_makes_infinite_is_said_to_be_of_the_options():
    net = cr.Network([1, 2, 1], ["tanh", "identity"], dtype="float64", seed=0)
    with pytest.warns(
        DivergenceWarning,
        match=r"the gradient, with the penalty and the step's options, in W of layer [12] "
        r"\(E7, E29, E51 to E61\) reaches 1e\+300\.",
    ):
        cr.train(net, [[1.0]], [1.0], l1=1e300, optimizer="sgd", epochs=1, verbose=0)
