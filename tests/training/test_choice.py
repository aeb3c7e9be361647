"""What optimizer="auto" takes, why, and where it says so."""

import io
import logging

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule.training.arguments import choice, effort
from chainrule.training.progress.bar import ProgressBar
from training_problem import LABELS, X, Y, regressor

LM = "levenberg_marquardt"


def auto(net=None, Y=Y, X=X, **settings):
    net = regressor() if net is None else net
    return net, cr.train(net, X, Y, optimizer="auto", **({"epochs": 2, "verbose": 0} | settings))


def test_a_small_smooth_network_is_trained_by_levenberg_marquardt_and_why_is_kept(caplog):
    with caplog.at_level(logging.INFO, "chainrule"):
        net, history = auto()
    plan = net.plan
    adam, other = effort.of_rule(plan, "adam", 60, 32), effort.of_levenberg_marquardt(plan, 60)
    ratio = effort.in_short(other.operations / adam.operations)
    assert history.choice == (
        f"levenberg_marquardt for 37 parameters, 60 rows: a step takes the operations of {ratio} epochs of adam ({adam}), "
        f"and is worth up to 80. Foretold: {other}."
    )
    assert history.choice in caplog.messages
    same, _ = regressor(), cr.train(twin := regressor(), X, Y, optimizer=LM, epochs=2, verbose=0)
    assert net.parameters.tobytes() == twin.parameters.tobytes() != same.parameters.tobytes()


def test_it_is_said_before_the_first_epoch(caplog):
    told = []
    with caplog.at_level(logging.INFO, "chainrule"):
        auto(callbacks=[lambda _, history: told.append((history.epochs, history.choice in caplog.messages))])
    assert told[0] == (1, True)


@pytest.mark.parametrize(
    ("net", "settings", "why"),
    [
        (regressor(), {"dropout": 0.1}, "dropout is for mini-batches"),
        (regressor(), {"learning_rate": 0.1}, "learning_rate is for mini-batches"),
        (regressor(), {"learning_rate": "find"}, "learning_rate is for mini-batches"),
        (regressor(), {"batch_size": 16}, "batch_size is for mini-batches"),
        (regressor(), {"shuffle": False}, "shuffle is for mini-batches"),
        (regressor(), {"derivative_targets": np.zeros((60, 4))}, "derivative_targets is for mini-batches"),
        (cr.Network([4, 6, 1], ["tanh", "identity"], "absolute_error"), {}, "the cost absolute_error is not curved"),
        (cr.Network([4, 6, 1], ["relu", "identity"]), {}, "relu in layer 1 has a kink"),
        (cr.Network([4, 1000, 1], ["tanh", "identity"]), {}, "others are for at most 5,000 parameters"),
        (cr.Network([4, 100, 1], ["tanh", "identity"]), {"checkpoint": "run"},
         "a step of levenberg_marquardt takes the operations of 646 epochs of adam, and is worth up to 80; lbfgs can't be checkpointed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_adam_is_taken_where_others_cannot_be_or_are_of_little_use(net, settings, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, history = auto(net, **settings)
    adam = effort.of_rule(net.plan, "adam", 60, settings.get("batch_size", 32))
    assert history.choice == f"adam for {net.plan.n_parameters:,} parameters, 60 rows: {why}. Foretold: {adam}."


@pytest.mark.parametrize(
    ("net", "Y", "why"),
    [
        (cr.Network([4, 6, 3], ["tanh", "softmax"], "cross_entropy"), LABELS, "the cost is cross_entropy, not of a regression"),
        (cr.Network([4, 6, 1], ["tanh", "identity"], cr.Cost("cubed", lambda a, y: (abs(a - y) ** 3).sum(axis=1), lambda a, y: 3 * (a - y) * abs(a - y))),
         Y, "the cost cubed has no second derivatives"),
        (cr.Network([4, 100, 1], ["tanh", "identity"]), Y,
         "a step of levenberg_marquardt takes the operations of 646 epochs of adam, and is worth up to 80"),
    ],
    ids=["classes", "own cost", "large"],
)  # fmt: skip
def test_lbfgs_is_taken_where_levenberg_marquardt_is_not_worth_it(net, Y, why):
    _, history = auto(net, Y)
    adam, found = effort.of_rule(net.plan, "adam", 60, 32), effort.of_lbfgs(net.plan, 60, 10)
    begin = f"lbfgs for {net.plan.n_parameters:,} parameters, 60 rows: "
    assert history.choice == f"{begin}{why}; adam takes {adam}. Foretold: {found}."


def test_of_many_rows_mini_batches_are_taken():
    many = np.zeros((2001, 4))
    _, history = auto(X=many, Y=np.zeros(2001), epochs=0)
    assert "2,001 rows: of more than 2,000 rows, mini-batches make more. Foretold: " in history.choice


def test_a_callback_that_looks_at_batches_gets_them():
    class Looks:
        def after_batch(self, moment):
            pass

    _, history = auto(callbacks=[Looks()])
    assert "60 rows: a callback looks at mini-batches. Foretold: " in history.choice


def test_matrices_have_to_fit_into_half_of_the_memory_that_is_free(monkeypatch):
    needed = effort.of_levenberg_marquardt(regressor().plan, 60).bytes
    monkeypatch.setattr(choice, "available_memory", lambda: 2 * needed)
    assert auto()[1].choice.startswith(LM)
    monkeypatch.setattr(choice, "available_memory", lambda: 2 * needed - 1)
    taken = f"levenberg_marquardt takes {effort.in_bytes(needed)}, of {effort.in_bytes(2 * needed - 1)} that are free"
    assert taken in auto()[1].choice


def test_adam_s_rate_may_be_found():
    net, history = auto(learning_rate="find")
    assert history.choice.startswith("adam")
    assert set(history.learning_rate) == {history.rate_search.chosen}


def test_options_that_levenberg_marquardt_takes_leave_it_the_choice():
    frozen = regressor()
    before = frozen.W[1].copy()
    _, history = auto(frozen, frozen=[1], penalty=1e-3, validation=0.2, early_stopping=True)
    assert history.choice.startswith(LM)
    np.testing.assert_array_equal(frozen.W[1], before)


def test_a_resumed_training_goes_on_as_it_was_chosen_though_less_memory_is_free(tmp_path, monkeypatch):
    whole, unbroken = auto(epochs=4)
    _, begun = auto(epochs=2, checkpoint=tmp_path / "run")
    monkeypatch.setattr(choice, "available_memory", lambda: 0)
    net, history = auto(epochs=4, checkpoint=tmp_path / "run", resume=True)
    assert net.parameters.tobytes() == whole.parameters.tobytes()
    assert history.choice == unbroken.choice == begun.choice


def test_the_choice_is_shown_above_the_bar_of_a_terminal():
    shown = io.StringIO()
    ProgressBar(3, 1, Console(file=shown, force_terminal=True, width=100)).say("adam for [b]: why")
    assert shown.getvalue() == "adam for [b]: why\n"
    ProgressBar(3, 0).say("nothing")


@pytest.mark.parametrize(("cost", "last", "Y", "chosen"), [("squared_error", "identity", Y, LM), ("binary_cross_entropy", "logistic", (Y > 0) * 1.0, "lbfgs")], ids=[LM, "lbfgs"])  # fmt: skip
def test_what_is_chosen_reaches_in_a_few_epochs_what_takes_adam_many(cost, last, Y, chosen):
    made = [cr.Network([4, 6, 1], ["tanh", last], cost, dtype="float64", seed=1) for _ in range(2)]
    _, history = auto(made[0], Y, epochs=30)
    cr.train(made[1], X, Y, epochs=30, verbose=0)
    assert history.choice.startswith(chosen)
    assert made[0].cost(X, Y) < 0.1 * made[1].cost(X, Y)
