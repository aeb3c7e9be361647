"""Training beside the requests: its steps are (E15) and (E16); what stops it is said, and it can be started again."""

import threading
import time

import numpy as np
import pytest

from chainrule import Adam, Network
from chainrule import train as train_network
from chainrule.explorer import trainer
from chainrule.maths.updates import SGD


def until(explorer, *statuses, seconds=10):
    """Wait for a status."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        now = explorer.get("training")
        if now["status"] in statuses:
            return now
        time.sleep(0.01)
    raise AssertionError(f"{now['status']} after {seconds} s")


def norms_by_layer(net, gradient):
    return [
        np.sqrt(sum((part[layer].astype(float) ** 2).sum() for part in (gradient.W, gradient.b) if layer in part))
        for layer in net.plan.layers
    ]


def test_at_first_nothing_is_trained(xor):
    assert xor.get("training") == {
        "status": "idle",
        "message": None,
        "epoch": 0,
        "step": 0,
        "steps_an_epoch": 10,
        "settings": {
            "optimizer": "adam",
            "learning_rate": 0.01,
            "batch_size": 32,
            "seed": 0,
            "epochs": 500,
            "penalty": 0.0,
        },
        "history": {"from_epoch": 0, "cost": [], "validation_cost": [], "accuracy": [], "gradient_norms": []},
        "batch": None,
    }


def test_one_batch_is_one_step_of_gradient_descent(xor):
    net = xor.net.copy()
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 7, "seed": 3}
    found = xor.post("train", action="batch", settings=settings)
    X, targets = xor.session.now().material.every("train")
    rows = np.random.default_rng(3).permutation(len(X))[:7]
    cost, gradient = net.value_and_gradient(X[rows], targets.values[rows])
    _, expected = SGD().update(None, net.parameters, gradient.flat, 0.5)  # (E16)
    np.testing.assert_array_equal(xor.net.parameters, expected)
    assert found["status"] == "paused"
    assert (found["epoch"], found["step"], found["steps_an_epoch"]) == (0, 1, 46)
    assert found["batch"]["cost"] == pytest.approx(cost, rel=1e-12)  # the same number
    np.testing.assert_allclose(found["batch"]["gradient_norms"], norms_by_layer(net, gradient), rtol=1e-5)  # float32


def test_the_penalty_is_added_to_the_gradient(xor):
    net = xor.net.copy()
    xor.post("train", action="batch", settings={"optimizer": "sgd", "learning_rate": 0.5, "penalty": 0.25})
    X, targets = xor.session.now().material.every("train")
    rows = np.random.default_rng(0).permutation(len(X))[:32]
    _, gradient = net.value_and_gradient(X[rows], targets.values[rows])
    expected = net.parameters - 0.5 * (gradient.flat + 0.25 * net.plan.is_weight * net.parameters)  # (E29)
    np.testing.assert_allclose(xor.net.parameters, expected, rtol=1e-5, atol=1e-7)  # float32's digits


def test_under_the_sum_a_batch_takes_its_share_of_the_penalty(alone):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    net = Network([3, 1], "identity", reduction="sum", dtype="float64")
    explorer = alone(net.copy(), X, Y)
    settings = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": 4, "penalty": 0.5}
    found = explorer.post("train", action="epoch", settings=settings)
    history = train_network(net, X, Y, **settings, epochs=1, seed=0, verbose=0)
    np.testing.assert_allclose(explorer.net.parameters, net.parameters, rtol=1e-12)  # the same steps, in float64
    np.testing.assert_allclose(found["history"]["cost"], history.cost, rtol=1e-12)


def test_an_epoch_is_that_of_cr_train(xor):
    """The same seed gives the same order of rows, and the same rule the same steps."""
    net, material = xor.net.copy(), xor.session.now().material
    (X, targets), (Xv, validation) = material.every("train"), material.every("test")
    history = train_network(
        net, X, targets.values, optimizer=Adam(), learning_rate=0.02, epochs=2, seed=5, verbose=0,
        validation=(Xv, validation.values),
    )  # fmt: skip
    found = xor.post("train", action="epoch", settings={"learning_rate": 0.02, "seed": 5})
    assert (found["status"], found["epoch"], found["step"]) == ("paused", 1, 0)
    xor.post("train", action="batch")
    found = xor.post("train", action="epoch")  # to the end of the epoch that is begun
    assert found["epoch"] == 2
    np.testing.assert_allclose(xor.net.parameters, net.parameters, rtol=1e-4, atol=1e-6)  # float32, whole epochs
    np.testing.assert_allclose(found["history"]["cost"], history.cost, rtol=1e-4)
    np.testing.assert_allclose(found["history"]["validation_cost"], history.validation_cost, rtol=1e-4)
    right = (net.predict(Xv).argmax(axis=1) == validation.values).mean()
    assert found["history"]["accuracy"][-1] == pytest.approx(right)
    assert np.shape(found["history"]["gradient_norms"]) == (2, 3)
    assert xor.get("training", since=1)["history"]["cost"] == found["history"]["cost"][1:]
    assert xor.get("training", since=99)["history"] == {
        "from_epoch": 2, "cost": [], "validation_cost": [], "accuracy": [], "gradient_norms": []
    }  # fmt: skip


def test_it_runs_until_it_is_paused_and_goes_on_from_there(xor):
    assert xor.post("train", action="start")["status"] == "running"
    while xor.get("training")["epoch"] < 2:
        time.sleep(0.01)
    paused = xor.post("train", action="pause")
    assert paused["status"] == "paused"
    before = xor.net.parameters.copy()
    np.testing.assert_array_equal(before, xor.session.trainer.parameters)  # the last step is shown
    assert xor.get("state")["version"] > 1
    assert xor.post("train", action="pause")["status"] == "paused"
    assert xor.post("train", action="batch")["epoch"] >= paused["epoch"]
    assert not np.array_equal(xor.net.parameters, before)


def test_it_ends_after_its_epochs_and_can_go_on(xor, monkeypatch):
    monkeypatch.setattr(trainer, "EPOCHS_A_SECOND", 10_000)
    xor.post("train", action="start", settings={"epochs": 3})
    assert until(xor, "done")["epoch"] == 3
    xor.post("train", action="start")
    assert until(xor, "done")["epoch"] == 6


def test_while_it_runs_nothing_else_is_trained(xor):
    xor.post("train", action="start")
    message = "training: expected it to stand still, got training that is running. Pause it first."
    for action in ("start", "batch", "epoch"):
        assert xor.post_refused("train", action=action) == (409, message, "action")
    xor.post("train", action="pause")


def test_a_reader_sees_whole_steps(xor, monkeypatch):
    """θ of one version never changes: what a request computes from it belongs together."""
    monkeypatch.setattr(trainer, "_SHOWN_EVERY", 0)
    monkeypatch.setattr(trainer, "EPOCHS_A_SECOND", 10_000)
    xor.post("train", action="start", settings={"batch_size": 1, "learning_rate": 0.1})
    versions = set()
    for _ in range(20):
        now = xor.session.now()
        theta = now.net.parameters.copy()
        first = now.row("test", 0).cost
        time.sleep(0.002)
        np.testing.assert_array_equal(now.net.parameters, theta)
        again = type(now)(now.version, now.material, now.net).row("test", 0).cost
        assert first == again
        versions.add(now.version)
    assert len(versions) > 1
    xor.post("train", action="pause")


def test_reset_brings_the_first_parameters_back(xor):
    first = xor.net.parameters.copy()
    xor.post("train", action="start", settings={"learning_rate": 0.5})
    found = xor.post("train", action="reset")
    assert (found["status"], found["epoch"], found["batch"]) == ("idle", 0, None)
    assert found["settings"]["learning_rate"] == 0.5
    np.testing.assert_array_equal(xor.net.parameters, first)


def test_settings_hold_from_the_next_step_on_also_while_it_runs(xor):
    xor.post("train", action="start")
    found = xor.post("train", action="configure", settings={"learning_rate": 1e-30, "optimizer": "sgd"})
    assert found["status"] == "running"
    time.sleep(0.1)  # a step that had begun with the old settings has ended
    before = xor.session.trainer.parameters.copy()
    time.sleep(0.1)
    np.testing.assert_array_equal(xor.session.trainer.parameters, before)  # θ − 1e-30 ∇C is θ
    assert xor.post("train", action="pause")["settings"]["optimizer"] == "sgd"


def test_another_activation_makes_the_network_anew(xor):
    xor.post("train", action="epoch", settings={"learning_rate": 0.5, "seed": 4})
    found = xor.post("train", action="configure", activation="relu")
    assert (found["epoch"], found["status"]) == (0, "idle")
    assert found["settings"]["learning_rate"] == 0.5
    state = xor.get("state")
    assert state["network"]["activations"] == ["relu", "relu", "softmax"]
    expected = Network([2, 4, 3, 2], ["relu", "relu", "softmax"], "cross_entropy", seed=4)
    np.testing.assert_array_equal(xor.net.parameters, expected.parameters)


def test_opening_other_data_ends_training(xor):
    xor.post("train", action="start")
    thread = xor.session.trainer._thread
    state = xor.post("open", dataset="moons", hidden=[3], activation="relu", seed=2)
    assert state["data"]["name"] == "moons"
    assert state["network"]["sizes"] == [2, 3, 2]
    assert state["training"]["status"] == "idle"
    thread.join(5)
    assert not thread.is_alive()
    version, theta = xor.get("state")["version"], xor.net.parameters.copy()
    time.sleep(0.05)
    assert xor.get("state")["version"] == version == state["version"]
    np.testing.assert_array_equal(xor.net.parameters, theta)
    expected = Network([2, 3, 2], ["relu", "softmax"], "cross_entropy", seed=2)
    np.testing.assert_array_equal(theta, expected.parameters)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_a_thread_outside_of_its_errors_is_said_too(xor, monkeypatch, caplog, error):
    """Nothing leaves a training that runs for ever, with nobody in it."""

    def leave(*_arguments):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "all_finite", leave)
        xor.post("train", action="start")
        found = until(xor, "failed")
    assert found["message"].startswith(f"training stopped in epoch 1 by an error: {type(error).__name__}")
    assert xor.post("train", action="reset")["status"] == "idle"
    xor.post("train", action="epoch")
    assert until(xor, "paused")["epoch"] == 1


def test_an_epoch_whose_end_fails_is_ended_when_training_starts_again(xor, monkeypatch, caplog):
    """Its steps are taken: none is taken twice, and none of no rows."""
    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "_validate", lambda _trainer: 1 / 0)
        xor.post("train", action="epoch")
        found = until(xor, "failed")
    assert (found["epoch"], found["step"]) == (0, found["steps_an_epoch"])
    theta = xor.net.parameters.copy()
    found = xor.post("train", action="batch")
    assert (found["status"], found["epoch"], found["step"]) == ("paused", 1, 0)
    np.testing.assert_array_equal(xor.net.parameters, theta)


def test_a_thread_that_dies_is_said_to_have_and_training_starts_again(xor, monkeypatch, caplog):
    def fail(parameters):
        raise ZeroDivisionError("of the rule")

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "all_finite", fail)
        xor.post("train", action="start")
        found = until(xor, "failed")
    assert found["message"] == (
        "training stopped in epoch 1 by an error: ZeroDivisionError: of the rule. The parameters are those of the last "
        "whole step. Start it again, or reset the network."
    )
    assert "ZeroDivisionError: of the rule" in caplog.text
    assert xor.get("row", part="test", row=0)["cost"] > 0  # the server lives on
    assert xor.post("train", action="start")["status"] == "running"
    assert xor.post("train", action="pause")["message"] is None


def test_divergence_names_its_culprit_and_keeps_the_last_finite_parameters(xor):
    xor.post("train", action="start", settings={"optimizer": "sgd", "learning_rate": 1e38})
    found = until(xor, "diverged")
    assert found["message"].startswith("training diverged in epoch 1, step ")
    assert "expected finite numbers, got an infinite or undefined one: " in found["message"]
    assert found["message"].endswith(
        "The parameters are those before that step. Lower the step size, which was 1e+38, or reset the network."
    )
    assert "layer" in found["message"]
    assert "(E" in found["message"]
    assert np.isfinite(xor.net.parameters).all()
    xor.post("train", action="reset", settings={"learning_rate": 0.1})
    assert xor.post("train", action="batch")["status"] == "paused"


def test_one_batch_may_diverge_as_well(xor):
    for _ in range(5):
        found = xor.post("train", action="batch", settings={"optimizer": "sgd", "learning_rate": 1e38})
        if found["status"] == "diverged":
            break
    assert found["status"] == "diverged"


def test_rows_that_are_not_cut_are_all_trained_on_without_validation(deep):
    found = deep.post("train", action="epoch", settings={"batch_size": 2})
    assert found["steps_an_epoch"] == 3
    assert found["history"]["validation_cost"] == [None]
    assert found["history"]["accuracy"] is None  # a regression


def test_many_readers_and_a_trainer(xor):
    """Requests from several threads, while training runs, are all answered."""
    xor.post("train", action="start", settings={"batch_size": 4})
    wrong = []

    def ask():
        for row in range(15):
            for path, values in (("units", {"layer": 1}), ("edges", {"layer": 2, "what": "dW"}), ("row", {})):
                response = xor.client.get(f"/api/{path}", params={"part": "test", "row": row, **values})
                if response.status_code != 200:
                    wrong.append(response.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert xor.post("train", action="pause")["status"] == "paused"
