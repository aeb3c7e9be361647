"""What the tests of training train on: sixty rows of a smooth function, and a few noisy ones to overfit."""

import numpy as np

import chainrule as cr
from chainrule.training.progress.interrupt import Ended
from chainrule.training.progress.progressed import Progressed

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = np.sin(X @ [1.0, -2.0, 0.5, 0.0])
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def regressor(**changes):
    return cr.Network([4, 6, 1], ["tanh", "identity"], "squared_error", **({"dtype": "float64", "seed": 1} | changes))


def overfitting(**options):
    """Train far too long on a few noisy rows; the validation cost first falls, then rises."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((40, 4))
    y = np.tanh(rows[:, 0]) + 0.8 * rng.standard_normal(40)
    net = cr.Network([4, 30, 1], ["tanh", "identity"], "squared_error", dtype="float64", seed=1)
    snapshots = []
    history = cr.train(
        net, rows[:20], y[:20], validation=(rows[20:], y[20:]), epochs=120, verbose=0,
        callbacks=[lambda net, history: snapshots.append(net.parameters.copy())],
        **({"learning_rate": 0.01, "batch_size": 5} if options.get("optimizer") != "lbfgs" else {}), **options,
    )  # fmt: skip
    return net, history, snapshots


def paused_and_resumed(net, run, pause_at=None):
    """Call run(now); after a pause at some breath once more, from the snapshot on. Give θ, and how many breaths."""
    breaths = 0

    def breathe():
        nonlocal breaths
        breaths += 1
        if breaths - 1 == pause_at:
            raise Ended("time")

    now = Progressed(net.parameters.copy())
    now.breathe = breathe
    try:
        run(now)
    except Ended:
        now = Progressed(now.parameters.copy(), resumed=now.snapshot(), taken=now.taken)
        now.breathe = breathe
        run(now)
    return now.parameters, breaths
