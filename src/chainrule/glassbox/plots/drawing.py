"""A network as layers of units and the edges between them, coloured by the numbers of one example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.engine.network import Network, check_network
from chainrule.errors import InputError, is_count, text, unknown_name
from chainrule.glassbox.derivations.example import Example, pass_example
from chainrule.glassbox.plots.canvas import DIVERGING, GREY, axes_for, centred, check_names, is_maths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection, EllipseCollection, LineCollection

Edges = Literal["W", "dW", "Wdelta"]
Units = Literal["a", "z", "slope", "delta"]
_Values = NDArray[np.float64]

_EDGES = {  # symbol of an edge, its equation
    "W": (r"W^{\ell}_{jk}", ""),
    "dW": (r"\partial C_i/\partial W^{\ell}_{jk}", "  (E7)"),
    "Wdelta": (r"W^{\ell}_{jk}\,\delta^{\ell}_j", "  (terms of E9)"),
}
_UNITS = {  # symbol of a unit, its equations, what the input's units show
    "a": (r"a^{\ell}_j", "  (E2)", "x = a^0"),
    "z": (r"z^{\ell}_j", "  (E1)", "x"),
    "slope": (r"g_{\ell}'(z^{\ell}_j)", "  (E2)", "x"),
    "delta": (r"\delta^{\ell}_j", "  (E5, E6)", r"\partial C_i/\partial x"),
}
_ACROSS, _CIRCLE = 5.0, 0.76  # from layer to layer, and a circle's diameter, where units are 1 apart
_LEAST_ROWS = 4  # of which a drawing has the height, so that circles of small networks aren't huge


@dataclass(frozen=True)
class _Column:
    """The units of a layer that are drawn, in their order, and how high each stands; `gap` is where ⋮ stands."""

    units: NDArray[np.intp]
    heights: _Values
    gap: float | None


def network(
    net: Network,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    colour: Edges = "W",
    units: Units | None = None,
    feature_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    max_units: int = 12,
    max_edges: int = 600,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network: units as circles, weights as edges, red above 0, blue below, and wide where they are large.

    A layer of more than `max_units` is shortened: drawn are the units whose edges are largest, in their order and with
    their numbers, with ⋮ in their middle and the layer's count below. Of the edges between units that are drawn, the
    largest in magnitude are drawn, of each pair of layers the same number, `max_edges` in all at most. One scale of
    colours, centred at 0, is for the edges of all layers, another for all units. Biases are not drawn.

    Parameters
    ----------
    net : Network
    x : array (n_0,) or (1, n_0), optional
        The example whose numbers colour units; not needed for `colour="W"` with plain units.
    y : target of x, optional
        Class index, number or array (n_L,); needed where δ is.
    colour : "W", "dW" or "Wdelta"
        What colours edges: W^ℓ_jk; ∂C_i/∂W^ℓ_jk (E7); or W^ℓ_jk δ^ℓ_j, whose sum over j is ∂C_i/∂a^{ℓ−1}_k (E9).
    units : "a", "z", "slope" or "delta", optional
        What colours units: a, z, g′(z) or δ. By default δ where edges show it, a where there is an x, else nothing.
        White with a thin rim are units that have no such number: z and g′ of the input, g′ of a softmax layer. δ of
        the input is ∂C_i/∂x (E9).
    feature_names, output_names : sequence of str, optional
        Names of inputs and outputs, beside their units.
    max_units : int
        Units of a layer that are drawn at most, at least 2.
    max_edges : int
        Edges that are drawn at most, at least one for each pair of layers.
    ax : matplotlib Axes, optional
        Where to draw; None makes a figure.

    Returns
    -------
    Axes
        `collections[0]` are the edges and `collections[1]` the units, whose numbers `get_array` gives: edges from the
        smallest to the largest, units layer by layer.

    Raises
    ------
    InputError
        For an x or y that the network doesn't have, or that `colour` and `units` need and that isn't there; for
        unknown names and bad limits; for numbers that are not finite.
    ChainruleError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> from chainrule.glassbox import plots
    >>> net = cr.Network([2, 3, 1], "tanh", dtype="float64")
    >>> ax = plots.network(net, [0.5, -1.0], [1.0], colour="dW")
    >>> edges, units = ax.collections[:2]
    >>> back = net.backward(net.forward([[0.5, -1.0]]), [1.0])
    >>> bool(np.isclose(np.abs(edges.get_array()).max(), max(np.abs(back.W[l]).max() for l in (1, 2))))
    True
    >>> len(units.get_array())  # ∂C/∂x, δ^1, δ^2
    6
    """
    check_network(net)
    _check_settings(net, colour, units, max_units, max_edges, feature_names, output_names)
    example = _example(net, x, y, colour, units)
    shown = units or (None if example is None else "a" if colour == "W" else "delta")
    values = _edge_values(net, example, colour)
    columns = [_column(net.sizes[layer], _weight_of(layer, values), max_units) for layer in range(net.L + 1)]
    rows = max(_LEAST_ROWS, *(column.heights.max() * 2 + 1 for column in columns))
    ax = axes_for("network", ax, (1.75 * net.L + 1.6, 0.34 * rows + 1.8))
    edges = _draw_edges(ax, values, columns, max_edges // net.L)
    circles = _draw_units(ax, example, columns, shown)
    bars: list[tuple[Collection, tuple[str, ...]]] = [(edges, _EDGES[colour])]
    if shown is not None:
        bars.append((circles, _UNITS[shown]))
    _colour_bars(ax, bars, 1 / (rows + 3))
    _write(ax, net, columns, colour, shown, rows)
    names = {0: (feature_names, "right", -0.65), net.L: (output_names, "left", 0.65)}
    for layer, (given, side, away) in names.items():
        for unit, height in zip(columns[layer].units, columns[layer].heights, strict=True):
            if given is not None:
                at = (layer * _ACROSS + away, height)
                name = str(given[unit])
                ax.text(*at, name, ha=side, va="center", fontsize="small", clip_on=False, parse_math=is_maths(name))
    ax.set(ylim=(-rows / 2 - 2.1, rows / 2 + 0.9), xlim=(-0.9, net.L * _ACROSS + 0.9), aspect="equal")
    ax.axis("off")
    return ax


def _example(net: Network, x: Any, y: Any, colour: str, units: str | None) -> Example | None:
    what = f"colour={colour!r}" if colour != "W" else f"units={units!r}"
    needs_y = colour != "W" or units == "delta"
    if x is None and (needs_y or units is not None or y is not None):
        hint = f"{what} is of one example." if needs_y or units is not None else "y is the target of an x."
        raise InputError(text("x", expected="an example", got="None", hint=hint))
    if y is None and needs_y:
        hint = f"{what} comes from the backward pass, which begins with the cost."
        raise InputError(text("y", expected="the target of x", got="None", hint=hint))
    if x is None:
        return None
    return pass_example(net, x, y, None, with_cost=needs_y)


def _edge_values(net: Network, example: Example | None, colour: str) -> dict[int, _Values]:
    """What colours the edges of each layer, like 𝒲^ℓ, (n_{ℓ−1}, n_ℓ)."""
    if example is None or colour == "W":
        values = {layer: net.W[layer].astype(np.float64) for layer in net.plan.layers}
    elif colour == "dW":
        values = {layer: np.outer(example.a[layer - 1], example.delta[layer]) for layer in net.plan.layers}
    else:
        values = {layer: example.W[layer] * example.delta[layer] for layer in net.plan.layers}
    for layer, matrix in values.items():
        if not np.isfinite(matrix).all():
            hint = "cr.diagnose(net, X, Y) says where it comes from."
            got = f"{matrix[~np.isfinite(matrix)][0]} in layer {layer}"
            raise InputError(text(f"colour: {colour}", expected="finite numbers", got=got, hint=hint))
    return values


def _weight_of(layer: int, values: Mapping[int, _Values]) -> _Values:
    """How much each unit of a layer counts: its largest edge, as a share of the largest between the two layers."""
    counts = []
    for matrix, axis in ((values.get(layer), 0), (values.get(layer + 1), 1)):
        if matrix is not None:
            magnitudes = np.abs(matrix).max(axis=axis)
            counts.append(magnitudes / (magnitudes.max() or 1.0))
    return cast(_Values, np.maximum.reduce(counts))


def _column(n: int, counts: _Values, max_units: int) -> _Column:
    if n <= max_units:
        return _Column(np.arange(n), (n - 1) / 2 - np.arange(n, dtype=np.float64), None)
    units = np.sort(np.argsort(-counts, kind="stable")[:max_units])
    places = max_units / 2 - np.arange(max_units + 1, dtype=np.float64)
    middle = max_units // 2
    heights: _Values = np.concatenate([places[:middle], places[middle + 1 :]])
    return _Column(units, heights, float(places[middle]))


def _draw_edges(ax: Axes, values: Mapping[int, _Values], columns: Sequence[_Column], most: int) -> LineCollection:
    from matplotlib.collections import LineCollection

    lines, numbers = [], []
    for layer, matrix in values.items():
        below, above = columns[layer - 1], columns[layer]
        some = matrix[np.ix_(below.units, above.units)]
        largest = np.argsort(-np.abs(some), axis=None, kind="stable")[:most]
        k, j = np.unravel_index(largest, some.shape)
        lines.append(
            np.stack(
                [
                    np.column_stack([np.full(len(k), (layer - 1) * _ACROSS), below.heights[k]]),
                    np.column_stack([np.full(len(j), layer * _ACROSS), above.heights[j]]),
                ],
                axis=1,
            )
        )
        numbers.append(some[k, j])
    segments, drawn = np.concatenate(lines), np.concatenate(numbers)
    order = np.argsort(np.abs(drawn), kind="stable")  # the largest are drawn last, over the others
    segments, drawn = segments[order], drawn[order]
    norm = centred(drawn)
    share = np.abs(drawn) / float(norm.vmax or 1.0)
    edges = LineCollection(cast(Any, segments), cmap=DIVERGING, norm=norm, linewidths=0.5 + 2.2 * share, zorder=1)
    edges.set_array(drawn)
    ax.add_collection(edges)
    return edges


def _draw_units(ax: Axes, example: Example | None, columns: Sequence[_Column], shown: str | None) -> EllipseCollection:
    from matplotlib import colormaps
    from matplotlib.collections import EllipseCollection

    at = [(layer * _ACROSS, height) for layer, column in enumerate(columns) for height in column.heights]
    round_ = np.full(len(at), _CIRCLE)
    units = EllipseCollection(
        round_, round_, np.zeros(len(at)), units="xy", offsets=at, offset_transform=ax.transData,
        facecolors="white", edgecolors="#374151", linewidths=0.8, zorder=3,
    )  # fmt: skip
    ax.add_collection(units)
    numbers = np.concatenate([column.units for column in columns])
    if example is None or shown is None:
        shades = np.ones(len(at))
    else:
        by_layer = [_unit_values(example, shown, layer) for layer in range(len(columns))]
        values = np.concatenate([v[column.units] for v, column in zip(by_layer, columns, strict=True)])
        units.set_array(values)
        units.set(cmap=colormaps["PuOr_r"].with_extremes(bad="white"), norm=centred(values))
        red, green, blue, _ = units.to_rgba(np.ma.masked_invalid(values)).T
        shades = 0.299 * red + 0.587 * green + 0.114 * blue
    for (across, height), number, shade in zip(at, numbers, shades, strict=True):
        ink = "white" if shade < 0.5 else "#111827"
        ax.text(across, height, str(number), color=ink, fontsize=7, ha="center", va="center_baseline", zorder=4)
    return units


def _unit_values(example: Example, shown: str, layer: int) -> _Values:
    """What colours the units of a layer, (n_ℓ,); NaN where there is no such number."""
    found: _Values | None
    if shown == "a":
        found = example.a[layer]
    elif shown == "delta":
        found = example.da[0] if layer == 0 else example.delta[layer]
    else:
        found = (example.z if shown == "z" else example.slope).get(layer)
    return np.full(len(example.a[layer]), np.nan) if found is None else found


def _colour_bars(ax: Axes, bars: Sequence[tuple[Collection, tuple[str, ...]]], height: float) -> None:
    """Beside each other under the drawing."""
    from matplotlib.ticker import MaxNLocator

    for place, (of, (symbol, equations, *_)) in enumerate(bars):
        left = 0.29 if len(bars) == 1 else 0.02 + 0.54 * place
        below = ax.inset_axes((left, -0.1 * height, 0.42, 0.25 * height))
        bar = ax.figure.colorbar(of, cax=below, orientation="horizontal", ticks=MaxNLocator(4), format="{x:.3g}")
        bar.ax.tick_params(labelsize="small")
        bar.set_label(f"${symbol}${equations}")
        bar.outline.set_visible(False)


def _of_layer(symbol: str, layer: int) -> str:
    return symbol.replace(r"\ell", str(layer))


def _write(ax: Axes, net: Network, columns: Sequence[_Column], colour: str, shown: str | None, rows: float) -> None:
    """Symbols above the layers and between them, the counts of shortened layers below them, and their ⋮."""
    symbol, _, of_input = _UNITS[shown or "a"]
    for layer, column in enumerate(columns):
        across = layer * _ACROSS
        label = of_input if layer == 0 else _of_layer(symbol, layer)
        ax.text(across, rows / 2 + 0.4, f"${label}$", ha="center", va="baseline")
        about = "" if layer == 0 else net.activations[layer - 1]
        if column.gap is not None:
            ax.text(across, column.gap, "⋮", ha="center", va="center", fontsize="large", color=GREY, zorder=4)
        n = net.sizes[layer]
        count = f"{n:,} unit{'s' * (n > 1)}" if column.gap is None else f"{len(column.units)} of {n:,} units"
        ax.text(
            across, -rows / 2 - 0.25, f"{count}\n{about}".strip(), ha="center", va="top", fontsize="small", color=GREY
        )
        if layer:
            between = (layer - 0.5) * _ACROSS
            name = _of_layer(_EDGES[colour][0], layer)
            ax.text(between, rows / 2 + 0.4, f"${name}$", ha="center", va="baseline", fontsize="small", color=GREY)


def _check_settings(
    net: Network, colour: Any, units: Any, max_units: Any, max_edges: Any, feature_names: Any, output_names: Any
) -> None:
    if colour not in _EDGES:
        raise unknown_name("colour", colour, _EDGES)
    if units is not None and units not in _UNITS:
        raise unknown_name("units", units, _UNITS)
    for name, value, least, why in (
        ("max_units", max_units, 2, "The default is 12."),
        ("max_edges", max_edges, net.L, "Each pair of layers gets as many as any other; the default is 600."),
    ):
        if not is_count(value) or value < least:
            raise InputError(text(name, expected=f"a whole number ≥ {least}", got=repr(value), hint=why))
    for name, given, n in (
        ("feature_names", feature_names, net.sizes[0]),
        ("output_names", output_names, net.sizes[-1]),
    ):
        check_names(name, given, n, "Each unit needs its name, in their order.")
