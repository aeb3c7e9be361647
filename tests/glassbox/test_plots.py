"""What the plots put into their axes, held against the histories, passes and derivatives that they draw."""

import sys
import time

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from chainrule import Network, derivatives
from chainrule.errors import ChainruleError, InputError
from chainrule.glassbox import plots
from chainrule.training.minibatches.rate_finder import RATES
from chainrule.training.progress.history import History, RateSearch

mpl.use("Agg")

NET = Network([4, 5, 3], ["tanh", "softmax"], "cross_entropy", dtype="float64", seed=3)
X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3
x, y = X[0], 2
BACK = NET.backward(NET.forward(X[:1]), [2])


def trained(**changes):
    given = {
        "cost": [2.0, 1.0, 0.5, 0.25],
        "validation_cost": [2.5, 1.5, 1.25, 1.75],
        "penalty": [0.0] * 4,
        "gradient_norm": [3.0, 2.0, 1.0, 0.5],
        "learning_rate": [0.1] * 4,
        "seconds": [0.0] * 4,
    }
    given |= changes
    cost = given.pop("validation_cost")
    return History(**given, evaluations={"validation": {"cost": cost}} if cost else {})


@pytest.fixture
def ax():
    """Axes that pyplot knows nothing of, drawn at the end as a user would; no figure is left behind, no setting changed."""
    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    axes = Figure(layout="constrained").add_subplot()
    yield axes
    axes.figure.canvas.draw()
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == settings


def texts(axes):
    return [text.get_text() for text in axes.texts]


def by_name(axes):
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}


# --- history ------------------------------------------------------------------------------------------------------
def test_history_draws_cost_and_validation_cost_by_epoch_and_marks_what_was_restored(ax):
    history = trained(stopped="early_stopping", restored_epoch=3)
    assert plots.history(history, ax=ax) is ax
    lines = by_name(ax)
    assert lines["cost"].get_xdata().tolist() == [1, 2, 3, 4]
    assert lines["cost"].get_ydata().tolist() == history.cost
    assert lines["validation_cost"].get_ydata().tolist() == history.validation_cost
    assert [*lines["restored"].get_xdata(), *lines["restored"].get_ydata()] == [3, 1.25]
    assert texts(ax) == ["restored: epoch 3"]
    assert ax.get_title(loc="right") == "stopped early after epoch 4"
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "epoch")


def test_history_draws_what_is_asked_for(ax):
    history = trained(validation_cost=[])
    plots.history(history, ("cost", "gradient_norm", "learning_rate"), ax=ax)
    lines = by_name(ax)
    assert list(lines) == ["cost", "gradient_norm", "learning_rate"]
    assert lines["gradient_norm"].get_ydata().tolist() == history.gradient_norm
    assert lines["learning_rate"].get_ydata().tolist() == history.learning_rate
    assert [text.get_text()[:8] for text in ax.get_legend().get_texts()] == ["cost $C$", "gradient", "learning"]


@pytest.mark.parametrize(
    ("stopped", "title"),
    [("time", "stopped by max_time after epoch 4"), ("error", "stopped by an error after epoch 4")],
)
def test_history_names_an_end_before_the_last_epoch(ax, stopped, title):
    plots.history(trained(stopped=stopped), ax=ax)
    assert ax.get_title(loc="right") == title


def test_history_names_a_divergence_and_keeps_costs_below_0_on_a_straight_axis(ax):
    plots.history(trained(cost=[1.0, -1.0, -2.0, -2.5], validation_cost=[], stopped="divergence"), "cost", ax=ax)
    assert ax.get_title(loc="right") == "diverged in epoch 5"
    assert ax.get_xlim()[1] >= 5
    assert ax.get_yscale() == "linear"
    assert ax.get_ylabel() == "cost $C$ (E4)"


@pytest.mark.parametrize(
    ("history", "what", "said"),
    [
        ([1.0], "cost", "history: expected a cr.History, got list. It is what cr.train returns."),
        (
            History(stopped="divergence"),
            "cost",
            "history: expected at least one finished epoch, got none. There is nothing to draw; history.message says why.",
        ),
        (
            trained(),
            "loss",
            "unknown what: expected one of cost, gradient_norm, learning_rate, penalty, validation_cost, got 'loss'. Did you mean cost?",
        ),
        (trained(), (), "what: expected at least one name, got none. The default is ('cost',)."),
        (
            trained(),
            None,
            "unknown what: expected one of cost, gradient_norm, learning_rate, penalty, validation_cost, got None. Choose a name from the list.",
        ),
        (
            trained(),
            "penalty",
            "what: penalty: expected figures to draw, got no number but 0 and NaN. 'penalty' was not part of this training: leave it out.",
        ),
        (
            trained(validation_cost=[]),
            "validation_cost",
            "what: validation_cost: expected figures to draw, got none. 'validation_cost' was not part of this training: leave it out.",
        ),
    ],
)
def test_history_refuses(history, what, said):
    with pytest.raises(InputError) as error:
        plots.history(history, what)
    assert str(error.value) == said


# --- range test ---------------------------------------------------------------------------------------------------
SEARCH = RateSearch(
    rates=RATES[:40].tolist(),
    costs=[2.0, 2.5] * 15 + [1.0] * 5 + [9.0] * 5,
    smoothed=[2.2] * 30 + [1.5] * 5 + [9.0] * 5,
    chosen=1e-8,
    exploded=True,
    seconds=0.0,
)


def test_range_test_draws_costs_by_rate_and_the_rate_chosen(ax):
    assert plots.range_test(History(rate_search=SEARCH), ax=ax) is ax
    lines = by_name(ax)
    for name in ("costs", "smoothed"):
        assert lines[name].get_xdata().tolist() == SEARCH.rates
        assert lines[name].get_ydata().tolist() == getattr(SEARCH, name)
    assert set(lines["chosen"].get_xdata()) == {1e-8}
    assert texts(ax) == [r"chosen: $\eta$ = 1e-08"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_ylim() == pytest.approx((1 - 0.1 * 1.5, 2.5 + 0.4 * 1.5))  # to where it began, not where it exploded
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["of a batch", "smoothed"]


def test_range_test_refuses():
    said = 'history.rate_search: expected a range test, got none. Train with learning_rate="find".'
    for history, message in (
        (trained(), said),
        ([1.0], "history: expected a cr.History, got list. It is what cr.train returns."),
    ):
        with pytest.raises(InputError) as error:
            plots.range_test(history)
        assert str(error.value) == message


# --- network ------------------------------------------------------------------------------------------------------
def edges_of(axes):
    """The edges of a drawing, {(layer, place of unit k, place of unit j): number}, places counted from the top."""
    edges = axes.collections[0]
    columns = {}
    for across, height in axes.collections[1].get_offsets():
        columns.setdefault(across, []).append(height)
    heights = [sorted(columns[across], reverse=True) for across in sorted(columns)]
    acrosses = sorted(columns)
    found = {}
    for ((x0, y0), (x1, y1)), number in zip(edges.get_segments(), edges.get_array(), strict=True):
        layer = acrosses.index(x1)
        assert acrosses.index(x0) == layer - 1
        found[layer, heights[layer - 1].index(y0), heights[layer].index(y1)] = number
    return found


MATRICES = {
    "W": {layer: NET.W[layer] for layer in (1, 2)},
    "dW": {layer: BACK.W[layer] for layer in (1, 2)},
    "Wdelta": {layer: NET.W[layer] * BACK.delta[layer] for layer in (1, 2)},
}


@pytest.mark.parametrize("colour", MATRICES)
def test_network_colours_each_edge_by_its_number(ax, colour):
    plots.network(NET, x, y, colour=colour, ax=ax)
    found = edges_of(ax)
    assert len(found) == 4 * 5 + 5 * 3
    for (layer, k, j), number in found.items():
        assert number == pytest.approx(MATRICES[colour][layer][k, j], rel=1e-12)  # one product in another order
    norm = ax.collections[0].norm
    largest = max(np.abs(matrix).max() for matrix in MATRICES[colour].values())
    assert (norm.vmin, norm.vmax) == pytest.approx((-largest, largest), rel=1e-12)  # likewise
    drawn = np.abs(ax.collections[0].get_array())
    assert (np.diff(drawn) >= 0).all()


RUN = NET.forward(X[:1])
NOTHING = np.full(4, np.nan), np.full(3, np.nan)
UNITS = {
    "a": np.concatenate([RUN.a[layer][0] for layer in range(3)]),
    "z": np.concatenate([NOTHING[0], RUN.z[1][0], RUN.z[2][0]]),
    "slope": np.concatenate([NOTHING[0], 1 - RUN.a[1][0] ** 2, NOTHING[1]]),
    "delta": np.concatenate([BACK.x[0], BACK.delta[1][0], BACK.delta[2][0]]),
}


@pytest.mark.parametrize("units", UNITS)
def test_network_colours_each_unit_by_its_number(ax, units):
    plots.network(NET, x, y, units=units, ax=ax)
    got = np.ma.filled(ax.collections[1].get_array(), np.nan)
    np.testing.assert_allclose(got, UNITS[units], rtol=1e-12)  # the two backends' order of sums
    assert [text for text in texts(ax) if text.isdigit()] == [*"0123", *"01234", *"012"]


def test_network_names_layers_units_and_inputs_by_the_symbols_of_the_equations(ax):
    names = ["age", "sex", "bmi", "bp"]
    plots.network(NET, x, y, colour="dW", feature_names=names, output_names=["A", "B", "C"], ax=ax)
    drawn = texts(ax)
    assert {*names, "A", "B", "C"} <= {*drawn}
    symbols = [
        r"$\partial C_i/\partial x$",
        r"$\delta^{1}_j$",
        r"$\delta^{2}_j$",
        r"$\partial C_i/\partial W^{2}_{jk}$",
    ]
    assert {*symbols, "4 units", "5 units\ntanh", "3 units\nsoftmax"} <= {*drawn}
    bars = [child.get_xlabel() for child in ax.child_axes]
    assert bars == [r"$\partial C_i/\partial W^{\ell}_{jk}$  (E7)", r"$\delta^{\ell}_j$  (E5, E6)"]


def test_network_draws_the_largest_edges_of_the_units_whose_edges_are_largest(ax):
    net = Network([40, 30, 2], dtype="float64", initializer="zeros")
    net.W[1][7, 25], net.W[1][33, 4], net.W[2][11, 1] = 3.0, -2.0, 1.0
    plots.network(net, max_units=5, max_edges=4, ax=ax)
    found = edges_of(ax)
    units = [int(text) for text in texts(ax) if text.isdigit()]
    inputs, hidden = units[:5], units[5:10]
    assert inputs == sorted(inputs)
    assert {7, 33} <= {*inputs}
    assert {25, 4, 11} <= {*hidden}
    assert len(found) == 4
    place = (1, inputs.index(7), hidden.index(25)), (1, inputs.index(33), hidden.index(4)), (2, hidden.index(11), 1)
    assert [found[at] for at in place] == [3.0, -2.0, 1.0]
    assert {"5 of 40 units", "5 of 30 units\nlogistic", "2 units\nlogistic"} <= {*texts(ax)}
    assert texts(ax).count("⋮") == 2


def test_a_large_network_is_drawn_in_about_a_second():
    net = Network([784, 512, 512, 10], ["relu", "relu", "softmax"], "cross_entropy")
    given = np.random.default_rng(0).random(784)
    start = time.process_time()
    ax = plots.network(net, given, 3, colour="Wdelta", ax=Figure().add_subplot())
    ax.figure.canvas.draw()
    assert time.process_time() - start < 3  # 0.2 s here; a slow machine, and the threads of its linear algebra
    assert len(ax.collections[0].get_array()) == 12 * 12 + 12 * 12 + 12 * 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"colour": "w"}, "unknown colour: expected one of W, Wdelta, dW, got 'w'. Choose a name from the list."),
        ({"units": "b"}, "unknown units: expected one of a, delta, slope, z, got 'b'. Choose a name from the list."),
        ({"colour": "dW"}, "x: expected an example, got None. colour='dW' is of one example."),
        ({"units": "a"}, "x: expected an example, got None. units='a' is of one example."),
        ({"y": 1}, "x: expected an example, got None. y is the target of an x."),
        (
            {"x": x, "colour": "Wdelta"},
            "y: expected the target of x, got None. colour='Wdelta' comes from the backward pass, which begins with the cost.",
        ),
        (
            {"x": x, "units": "delta"},
            "y: expected the target of x, got None. units='delta' comes from the backward pass, which begins with the cost.",
        ),
        ({"max_units": 1}, "max_units: expected a whole number ≥ 2, got 1. The default is 12."),
        (
            {"max_edges": 1},
            "max_edges: expected a whole number ≥ 2, got 1. Each pair of layers gets as many as any other; the default is 600.",
        ),
        (
            {"feature_names": ["a"]},
            "feature_names: expected 4 names, got 1 names. Each unit needs its name, in their order.",
        ),
        (
            {"output_names": "abc"},
            "output_names: expected 3 names, got 'abc'. Each unit needs its name, in their order.",
        ),
        (
            {"ax": "here"},
            "ax: expected matplotlib's Axes, got str. Make one: figure, ax = plt.subplots(); or leave it out.",
        ),
    ],
)
def test_network_refuses(arguments, said):
    with pytest.raises(InputError) as error:
        plots.network(NET, **arguments)
    assert str(error.value) == said


def test_network_refuses_numbers_that_are_not_finite():
    net = NET.copy()
    net.W[2][0, 0] = np.inf
    with pytest.raises(InputError) as error:
        plots.network(net)
    hint = "cr.diagnose(net, X, Y) says where it comes from."
    assert str(error.value) == f"colour: W: expected finite numbers, got inf in layer 2. {hint}"


# --- sensitivity --------------------------------------------------------------------------------------------------
def test_sensitivity_profile_draws_medians_of_the_norms_of_delta(ax):
    profile = derivatives.sensitivity_profile(NET, X, Y)
    plots.sensitivity_profile(NET, X, Y, ax=ax)
    middle = np.median(profile, axis=0)
    assert ax.lines[0].get_ydata().tolist() == middle.tolist()
    assert (
        ax.lines[0].get_label() == rf"median, × {middle[1] / middle[2]:.2g} a layer from $\delta^{{2}}$ to $\delta^1$"
    )
    band = ax.collections[0].get_paths()[0].vertices
    assert {*np.percentile(profile, 10, axis=0)} | {*np.percentile(profile, 90, axis=0)} <= {*band[:, 1]}
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        r"$\partial C_i/\partial x$",
        r"$\delta^{1}$",
        r"$\delta^{2}$",
    ]
    assert ax.get_yscale() == "log"


def test_sensitivity_profile_says_where_delta_is_0(ax):
    net = Network([1, 1, 1], ["relu", "identity"], bias=False, dtype="float64")
    net.parameters = [1.0, 1.0]
    plots.sensitivity_profile(net, [[-1.0], [1.0], [2.0], [3.0]], [1.0, 5.0, 5.0, 5.0], ax=ax)
    assert texts(ax) == ["0 in\n25%", "0 in\n25%"]  # ∂C/∂x and δ^1, which a ReLU that is off keeps at 0


def test_sensitivity_profile_of_nothing_but_zeros_and_of_many_layers(ax):
    net = Network([2, *[2] * 14, 1], "identity", dtype="float64", initializer="zeros")
    plots.sensitivity_profile(net, [[1.0, 2.0]], [0.0], ax=ax)
    assert ax.get_yscale() == "linear"
    assert ax.get_xlabel() == r"layer $\ell$ (0: the input)"
    assert ax.lines[0].get_label() == "median"


# --- input gradient -----------------------------------------------------------------------------------------------
def test_input_gradient_over_an_image(ax):
    plots.input_gradient(NET, x, output=1, shape=(2, 2), ax=ax)
    image, heat = ax.images
    assert image.get_array().ravel().tolist() == x.tolist()
    expected = derivatives.input_gradient(NET, X[:1], 1)[0]
    np.testing.assert_allclose(heat.get_array().ravel(), expected, rtol=1e-12)  # the two backends' order of sums
    assert heat.norm.vmax == -heat.norm.vmin == np.abs(heat.get_array()).max()
    assert texts(ax) == ["$x = a^0$", r"$\nabla_x\,a^2_{1}$  (E11)"]


def test_the_outline_separates_dark_pixels_from_light_ones(ax):
    plots.input_gradient(NET, [0.0, 1.0, 0.0, 1.0], shape=(2, 2), ax=ax)
    beside = ax.images[1].get_extent()[0]
    outline = [segment.tolist() for segment in ax.collections[0].get_segments()]
    assert outline == [[[beside + 1, r], [beside + 1, r + 1]] for r in (0, 1)]


def test_input_gradient_as_bars_sorted_by_size(ax):
    names = np.array(["age", "sex", "bmi", "bp"])
    plots.input_gradient(NET, X[:1], y=y, feature_names=names, at_most=3, ax=ax)
    order = np.argsort(-np.abs(BACK.x[0]))[:3]
    assert [label.get_text() for label in ax.get_yticklabels()] == names[order].tolist()
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, BACK.x[0][order], rtol=1e-12)  # the two backends' order of sums
    assert ax.get_xlabel() == r"$\partial C_i/\partial x_k$  (E9)"
    assert ax.get_title(loc="right") == "the 3 largest of 4"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"output": 3}, "output: expected a whole number 0 to 2, got 3. Outputs are counted from 0."),
        ({"shape": (3, 2)}, "shape: expected (rows, columns) with 4 pixels, got (3, 2). Leave it out to draw bars."),
        ({"shape": 4}, "shape: expected (rows, columns) with 4 pixels, got 4. Leave it out to draw bars."),
        (
            {"shape": (2, 2), "feature_names": list("abcd")},
            "shape, feature_names: expected one of the two, got both. An image has no bars to name.",
        ),
        (
            {"feature_names": ["a", "b"]},
            "feature_names: expected 4 names, got 2 names. Each input needs its name, in the order of x.",
        ),
        (
            {"feature_names": 3},
            "feature_names: expected 4 names, got 3. Each input needs its name, in the order of x.",
        ),
        ({"at_most": 0}, "at_most: expected a whole number ≥ 1, got 0. The default is 20."),
    ],
)
def test_input_gradient_refuses(arguments, said):
    with pytest.raises(InputError) as error:
        plots.input_gradient(NET, x, **arguments)
    assert str(error.value) == said


# --- all ----------------------------------------------------------------------------------------------------------
CALLS = {
    "history": lambda **given: plots.history(trained(), **given),
    "range_test": lambda **given: plots.range_test(History(rate_search=SEARCH), **given),
    "network": lambda **given: plots.network(NET, **given),
    "sensitivity_profile": lambda **given: plots.sensitivity_profile(NET, X, Y, **given),
    "input_gradient": lambda **given: plots.input_gradient(NET, x, **given),
}


@pytest.mark.parametrize("name", CALLS)
def test_without_axes_a_figure_is_made_that_pyplot_knows(name):
    figure = CALLS[name]().figure
    assert figure.number in plt.get_fignums()
    plt.close(figure)


@pytest.mark.parametrize("name", CALLS)
def test_without_matplotlib_the_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(ChainruleError) as error:
        CALLS[name]()
    hint = "Install it with: pip install 'chainrule[plots]'."
    assert str(error.value) == f"plots.{name}(): expected matplotlib, got no such package. {hint}"


def test_names_that_are_no_formulas_stand_as_they_are(ax):
    names = ["$\\frac$", "$$", "$x$", "%"]
    plots.input_gradient(NET, X[0], feature_names=names, ax=ax)
    shown = {label.get_text(): label.get_parse_math() for label in ax.get_yticklabels()}
    assert shown == {"$\\frac$": False, "$$": False, "$x$": True, "%": True}
    ax.figure.canvas.draw()  # which raises for a formula that can't be read
    plots.network(NET, X[0], feature_names=names, ax=ax)
    ax.figure.canvas.draw()
