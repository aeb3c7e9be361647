"""Draw docs/pictures/digits.png: a digit that a network misreads, what its answer depends on, and the training.

    python docs/build_pictures.py

Needs matplotlib: pip install 'chainrule[plots]'.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import chainrule as cr
from chainrule.glassbox.plots.canvas import BLUE, GREY, ORANGE

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Train the network of 003 on digits and draw what the equations give for the one that it gets most wrong."""
    digits = load_digits()
    X, Y = digits.data / 16, digits.target
    net = cr.Network([64, 16, 10], activations="logistic", cost="squared_error", dtype="float64", seed=1)
    history = cr.train(
        net, X[300:], Y[300:], optimizer="adam", learning_rate=0.01, batch_size=20, epochs=40,
        validation=(X[:300], Y[:300]), verbose=0,
    )  # fmt: skip
    hardest = int(net.example_costs(X[:300], Y[:300]).argmax())
    x, y = X[[hardest]], Y[[hardest]]
    run = net.forward(x)
    back = net.backward(run, y)
    answer = int(run.a[2].argmax())
    figure, axes = plt.subplots(1, 3, figsize=(12.6, 3.3), layout="constrained", width_ratios=(2.2, 1, 1))
    cr.plots.input_gradient(net, x, answer, shape=(8, 8), ax=axes[0])
    axes[0].set_title(f"a {y[0]}, taken for {answer}", pad=26)
    axes[1].bar(range(10), back.delta[2][0], color=[ORANGE if o == y[0] else BLUE for o in range(10)])
    axes[1].axhline(0, color=GREY, linewidth=0.8)
    axes[1].set_xticks(range(10))
    axes[1].set_xlabel("output unit $j$")
    axes[1].set_title(r"$\delta^2_j = 2(a^2_j - y_j)\,\sigma'(z^2_j)$  (E5)")
    axes[1].spines[["top", "right"]].set_visible(False)
    cr.plots.history(history, ax=axes[2])
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "digits.png", dpi=110, metadata={"Software": None})
    accuracy = float((net.predict(X[:300]).argmax(axis=1) == Y[:300]).mean())
    print(f"digit {y[0]} taken for {answer}; validation accuracy {accuracy:.3f}; wrote {PICTURES / 'digits.png'}")


if __name__ == "__main__":
    main()
