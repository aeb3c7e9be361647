"""Draw docs/pictures/digits.png: a digit that a network misreads, what its answer depends on, and the training.

    python docs/build_pictures.py

Needs matplotlib: pip install 'chainrule[plots]'.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import chainrule as cr
from chainrule import derivatives as d

PICTURES = Path(__file__).parent / "pictures"
BLUE, ORANGE, GREY = "#2a6fbb", "#d9730d", "#6b7280"


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
    gradient = d.input_gradient(net, x, output=answer)

    figure, axes = plt.subplots(1, 4, figsize=(12.6, 3.3), layout="constrained")
    axes[0].imshow(x.reshape(8, 8), cmap="gray_r")
    axes[0].set_title(f"a {y[0]}, taken for {answer}: $x = a^0$")
    bound = np.abs(gradient).max()
    axes[1].imshow(gradient.reshape(8, 8), cmap="RdBu_r", vmin=-bound, vmax=bound)
    axes[1].set_title(rf"$\nabla_x\, a^2_{answer}$  (E11)")
    for axis in axes[:2]:
        axis.set_xticks([])
        axis.set_yticks([])
    axes[2].bar(range(10), back.delta[2][0], color=[ORANGE if o == y[0] else BLUE for o in range(10)])
    axes[2].axhline(0, color=GREY, linewidth=0.8)
    axes[2].set_xticks(range(10))
    axes[2].set_xlabel("output unit $j$")
    axes[2].set_title(r"$\delta^2_j = 2(a^2_j - y_j)\,\sigma'(z^2_j)$  (E5)")
    epochs = range(1, history.epochs + 1)
    axes[3].semilogy(epochs, history.cost, color=BLUE, label="training")
    axes[3].semilogy(epochs, history.validation_cost, color=ORANGE, label="validation")
    axes[3].set_xlabel("epoch")
    axes[3].set_title("cost $C$  (E4)")
    axes[3].legend(frameon=False)
    for axis in axes[2:]:
        axis.spines[["top", "right"]].set_visible(False)
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "digits.png", dpi=110, metadata={"Software": None})
    accuracy = float((net.predict(X[:300]).argmax(axis=1) == Y[:300]).mean())
    print(f"digit {y[0]} taken for {answer}; validation accuracy {accuracy:.3f}; wrote {PICTURES / 'digits.png'}")


if __name__ == "__main__":
    main()
