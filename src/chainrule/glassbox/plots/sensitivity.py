"""What depends on what, as pictures: how δ grows or fades from layer to layer, and the gradient in the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule import derivatives
from chainrule.derivatives.outputs import read_output
from chainrule.engine.network import Network, check_network
from chainrule.errors import InputError, is_count, text
from chainrule.glassbox.derivations.example import pass_example
from chainrule.glassbox.plots.canvas import (
    BLUE,
    DIVERGING,
    GREY,
    ORANGE,
    axes_for,
    centred,
    check_names,
    is_maths,
    without_box,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELLED = 12  # layers, each by its symbol; of more, some by their numbers


def sensitivity_profile(net: Network, X: ArrayLike, Y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw ‖δ^ℓ‖₂ by layer, ‖∂C_i/∂x‖₂ at the left (E5, E6, E9): the median over examples, and the middle 50 and 80 %.

    A line that falls towards the input is a gradient that vanishes on its way down, one that rises is one that
    explodes. The axis is logarithmic; where δ is 0 in some examples, their share stands above the layer.

    Parameters
    ----------
    net : Network
    X : array (m, n_0), any real dtype, finite
    Y : array
        Class indices (m,), a column (m,) when n_L = 1, or (m, n_L).
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        `lines[0]` is the median of each column of `derivatives.sensitivity_profile`.

    Raises
    ------
    InputError
        For X and Y as `derivatives.sensitivity_profile` does.
    ChainruleError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule.glassbox import plots
    >>> net, X, Y = cr.Network([4, 8, 8, 3], dtype="float64"), np.eye(4), [0, 1, 2, 0]
    >>> profile = cr.derivatives.sensitivity_profile(net, X, Y)
    >>> ax = plots.sensitivity_profile(net, X, Y)
    >>> np.array_equal(ax.lines[0].get_ydata(), np.median(profile, axis=0))
    True
    """
    profile = derivatives.sensitivity_profile(net, X, Y).astype(np.float64)
    ax = axes_for("sensitivity_profile", ax, (5.6, 3.4))
    layers = np.arange(net.L + 1)
    if len(profile) > 1:
        for low, high, alpha in ((10, 90, 0.15), (25, 75, 0.25)):
            between = np.percentile(profile, [low, high], axis=0)
            label = f"{low} to {high} % of {len(profile):,} examples"
            ax.fill_between(layers, *between, color=BLUE, alpha=alpha, linewidth=0, label=label)
    middle = np.median(profile, axis=0)
    ax.plot(layers, middle, "o-" if net.L <= _LABELLED else "-", color=BLUE, linewidth=1.6, ms=5, label=_factor(middle))
    if (profile > 0).any():
        ax.set_yscale("log", nonpositive="mask")
    for layer in range(net.L + 1):
        share = float((profile[:, layer] == 0).mean())
        if share:
            where = ax.get_xaxis_transform()  # its height is a share of the axes'
            ax.text(
                layer,
                0.99,
                f"0 in\n{share:.0%}",
                transform=where,
                fontsize="x-small",
                color=ORANGE,
                ha="center",
                va="top",
            )
    if net.L <= _LABELLED:
        ax.set_xticks(layers, [r"$\partial C_i/\partial x$", *(rf"$\delta^{{{layer}}}$" for layer in layers[1:])])
    else:
        ax.locator_params(axis="x", integer=True)
        ax.set_xlabel(r"layer $\ell$ (0: the input)")
    ax.set_ylabel(r"$\Vert\delta^\ell\Vert_2$ (E5, E6, E9)")
    ax.grid(axis="y", color=GREY, alpha=0.18, linewidth=0.6)
    ax.legend(frameon=False, fontsize="small")
    without_box(ax)
    return ax


def _factor(middle: NDArray[np.float64]) -> str:
    """What the median's line is called: where there are layers to compare, with the mean factor from δ^L to δ^1."""
    L = len(middle) - 1
    if L == 1 or not (middle[1] > 0 and middle[L] > 0):
        return "median"
    factor = (middle[1] / middle[L]) ** (1 / (L - 1))
    return rf"median, × {factor:.2g} a layer from $\delta^{{{L}}}$ to $\delta^1$"


def input_gradient(
    net: Network,
    x: ArrayLike,
    output: int = 0,
    *,
    y: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
    at_most: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draw ∇_x a^L_o of one example (E11), or with its target ∂C_i/∂x (E9): over an image, or as bars.

    Where x is an image, it stands at the left, and the gradient beside it with the image's outline: red where a larger
    x_k gives more, blue where it gives less, white at 0. Otherwise bars, the largest at the top.

    Parameters
    ----------
    net : Network
    x : array (n_0,) or (1, n_0)
    output : int
        o, 0 to n_L − 1.
    y : target of x, optional
        Class index, number or array (n_L,). With it the cost's gradient is drawn, whatever the output.
    shape : (rows, columns), optional
        The image's; rows × columns = n_0.
    feature_names : sequence of n_0 str, optional
        For the bars; by default x_0, x_1, ….
    at_most : int
        Bars to draw at most, the largest in magnitude.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        `images[0]` is the image and `images[1]` the gradient; or `patches` are the bars, from the top.

    Raises
    ------
    InputError
        For an x, y or output that the network doesn't have, for a shape or names that don't fit n_0.
    ChainruleError
        Without matplotlib.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.glassbox import plots
    >>> net = cr.Network([2, 1], activations="identity", initializer="zeros")
    >>> net.parameters = [3.0, -4.0, 1.0]
    >>> ax = plots.input_gradient(net, [1.0, 2.0], feature_names=["age", "bmi"])
    >>> [(label.get_text(), float(bar.get_width())) for label, bar in zip(ax.get_yticklabels(), ax.patches)]
    [('bmi', -4.0), ('age', 3.0)]

    Source: 004; 003 (28) for the cost's.
    """
    check_network(net)
    o = read_output(net, output)
    _check_layout(net.sizes[0], shape, feature_names, at_most)
    example = pass_example(net, x, y, None if y is not None else o, with_cost=False)
    gradient = example.da[0]
    assert gradient is not None
    of_output = y is None
    symbol = rf"\nabla_x\,a^{net.L}_{{{o}}}" if of_output else r"\partial C_i/\partial x"
    equation = "E11" if of_output else "E9"
    if shape is not None:
        ax = axes_for("input_gradient", ax, (5.4, 2.7))
        _over_image(ax, example.a[0].reshape(shape), gradient.reshape(shape), f"${symbol}$  ({equation})")
    else:
        n = min(at_most, net.sizes[0])
        ax = axes_for("input_gradient", ax, (5.0, 0.8 + 0.26 * n))
        names = feature_names if feature_names is not None else [f"$x_{{{k}}}$" for k in range(net.sizes[0])]
        _bars(ax, gradient, names, n)
        component = rf"\partial a^{net.L}_{{{o}}}/\partial x_k" if of_output else f"{symbol}_k"
        ax.set_xlabel(f"${component}$  ({equation})")
    return ax


def _over_image(ax: Axes, image: NDArray[np.float64], gradient: NDArray[np.float64], title: str) -> None:
    """Image and gradient beside each other in one axes, whose unit is a pixel."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    h, w = image.shape
    beside = w * 9 / 8
    ax.imshow(image, cmap="gray_r", extent=(0, w, h, 0), interpolation="nearest")
    heat = ax.imshow(
        gradient, cmap=DIVERGING, norm=centred(gradient), extent=(beside, beside + w, h, 0), interpolation="nearest"
    )
    outline = np.add(_outline(image), (beside, 0))
    ax.add_collection(LineCollection(list(outline), colors="#1f2937", linewidths=0.9, alpha=0.75))
    for left, label in ((0, "$x = a^0$"), (beside, title)):
        ax.text(left + w / 2, -0.05 * h, label, ha="center", va="bottom")
        ax.add_patch(Rectangle((left, 0), w, h, fill=False, edgecolor=GREY, linewidth=0.8, clip_on=False))
    ax.set(xlim=(0, beside + w), ylim=(h, 0), aspect="equal")
    ax.axis("off")
    bar = ax.figure.colorbar(heat, ax=ax, shrink=0.8, pad=0.03, format="{x:.3g}")
    bar.outline.set_visible(False)


def _outline(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sides of pixels, (·, 2, 2), between those above and those below the middle of the image's range."""
    ink = image > (image.min() + image.max()) / 2
    upright = [[(c + 1, r), (c + 1, r + 1)] for r, c in np.argwhere(ink[:, 1:] != ink[:, :-1])]
    level = [[(c, r + 1), (c + 1, r + 1)] for r, c in np.argwhere(ink[1:] != ink[:-1])]
    return np.array(upright + level, dtype=float).reshape(-1, 2, 2)


def _bars(ax: Axes, gradient: NDArray[np.float64], names: Sequence[str], n: int) -> None:
    order = np.argsort(-np.abs(gradient), kind="stable")[:n]
    values = gradient[order]
    ax.barh(np.arange(n), values, color=[ORANGE if value > 0 else BLUE for value in values], height=0.72)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set_yticks(np.arange(n), [str(names[k]) for k in order])
    for label in ax.get_yticklabels():
        label.set_parse_math(is_maths(label.get_text()))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(n - 0.4, -0.6)
    ax.grid(axis="x", color=GREY, alpha=0.18, linewidth=0.6)
    ax.set_axisbelow(True)
    if n < len(gradient):
        ax.set_title(f"the {n} largest of {len(gradient):,}", color=GREY, fontsize="medium", loc="right")
    ax.spines[["top", "right", "left"]].set_visible(False)


def _check_layout(n_0: int, shape: Any, names: Any, at_most: Any) -> None:
    if shape is not None and names is not None:
        hint = "An image has no bars to name."
        raise InputError(text("shape, feature_names", expected="one of the two", got="both", hint=hint))
    if shape is not None and not (
        isinstance(shape, Sequence) and len(shape) == 2 and all(map(is_count, shape)) and shape[0] * shape[1] == n_0
    ):
        hint = "Leave it out to draw bars."
        raise InputError(text("shape", expected=f"(rows, columns) with {n_0} pixels", got=repr(shape), hint=hint))
    check_names("feature_names", names, n_0, "Each input needs its name, in the order of x.")
    if not is_count(at_most):
        hint = "The default is 20."
        raise InputError(text("at_most", expected="a whole number ≥ 1", got=repr(at_most), hint=hint))
