"""Write docs/reference/equations.md, activations.md and costs.md from the objects and docstrings of chainrule.

A formula has one home, `chainrule.maths`; these pages read it, so they can't say something else than the code does.

    python docs/build_reference.py            write the pages
    python docs/build_reference.py --check    exit with 1, and show a diff, when a page on disk is stale

Only the statements of (E1) to (E16) stand here: they are the specification's numbering. Each names the functions that
compute it, and a name that does not exist in the code is an error.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import derivatives
from chainrule.engine import regularized, tangents
from chainrule.errors import PairError
from chainrule.maths import (
    activations,
    costs,
    finite_differences,
    initializers,
    kronecker,
    masks,
    pairs,
    penalties,
    regularizers,
    schedules,
    updates,
)
from chainrule.training.arguments.effort import of_rule
from chainrule.training.minibatches.kfac import KFAC
from chainrule.training.minibatches.line_search import LineSearchSGD
from chainrule.training.minibatches.rate_finder import find_rate
from chainrule.training.whole_set import gauss_newton_cg, levenberg_marquardt
from chainrule.training.whole_set.gauss_newton_cg import GaussNewtonCG
from chainrule.training.whole_set.lbfgs import LBFGS
from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt

REFERENCE = Path(__file__).parent / "reference"
SOURCE = "../../src"

NOTICE = "<!-- Written by docs/build_reference.py from the code. Change the docstrings there, then run it again. -->"

ALPHABET = [
    ("L", "number of layers that have weights; layer 0 is the input", ""),
    ("n_ℓ", "units of layer ℓ", ""),
    ("m", "examples in the batch at hand; i is one of them", ""),
    ("x = a^0", "input: an activation, never a weighted input", "(m, n_0)"),
    (
        "W^ℓ_jk",
        "weight from unit k of layer ℓ−1 to unit j of layer ℓ; the array `net.W[l]` is the transpose 𝒲^ℓ = W^ℓᵀ, "
        "so W^ℓ_jk is `net.W[l][k, j]`",
        "(n_{ℓ−1}, n_ℓ)",
    ),
    ("b^ℓ", "bias into layer ℓ, where there is one", "(n_ℓ,)"),
    ("z^ℓ, a^ℓ", "weighted input and activation of layer ℓ", "(m, n_ℓ)"),
    ("g_ℓ", "activation function of layer ℓ; elementwise, unless it is softmax", ""),
    ("C_i, C", "cost of one example, cost of the batch", "(m,), scalar"),
    ("δ^ℓ", "∂C_i/∂z^ℓ, example i in row i", "(m, n_ℓ)"),
    ("⊙", "product entry by entry", ""),
    ("[j = o]", "1 where j is o, else 0", ""),
    ("θ", "𝒲^1, b^1, 𝒲^2, b^2, …, each array row-major; a layer without bias has no b block", "(|θ|,)"),
    ("η, λ", "step size; strength of the L2 penalty", "scalars"),
]

SOURCES = [
    ("000", "all paths, regrouped into the recursion for δ, in matrix form"),
    ("001", "cost and derivatives of networks without bias; dynamic programming; the vectorised algorithm"),
    ("002", "general cost, an activation per layer, the training algorithm"),
    ("003", "the chain of single units, the two-layer network with ten outputs, ∇C"),
    ("004", "the gradient of a network of one output in its input, by induction"),
]


@dataclasses.dataclass(frozen=True)
class Statement:
    """One equation of the specification: its number, name, text, and the functions that compute it."""

    number: str
    name: str
    text: str
    computed_by: tuple[str, ...]
    shown_by: str = ""  # how a user of the public names sees it


ENGINE = "chainrule.engine.reference"

STATEMENTS = {
    "Forward": (
        Statement(
            "E1",
            "weighted input",
            "z^ℓ_j = Σ_k W^ℓ_jk a^{ℓ−1}_k + b^ℓ_j. In rows: Z^ℓ = A^{ℓ−1}𝒲^ℓ + b^ℓ.",
            (f"{ENGINE}.forward",),
            "`net.forward(X).z[l]`",
        ),
        Statement(
            "E2",
            "activation",
            "a^ℓ = g_ℓ(z^ℓ), a^0 = x.",
            (f"{ENGINE}.forward", f"{ENGINE}.predict"),
            "`net.forward(X).a[l]`",
        ),
        Statement(
            "E3",
            "cost of an example",
            "C_i = C(a^L, y), summed over outputs. Squared error: C_i = Σ_j (a^L_j − y_j)². "
            "Cross-entropy: C_i = −Σ_j y_j ln a_j. "
            "Binary cross-entropy: C_i = −Σ_j [y_j ln a_j + (1 − y_j) ln(1 − a_j)].",
            (f"{ENGINE}.example_costs", "chainrule.maths.costs.squared_error"),
            "`net.example_costs(X, Y)`",
        ),
        Statement(
            "E4",
            "cost of the batch",
            "C = (1/m) Σ_i C_i under the mean, C = Σ_i C_i under the sum. With weights w_i: Σ w_i C_i/Σ w_i, and "
            "Σ w_i C_i. (E7), (E8) and (E10) are reduced in the same way; (E5), (E6), (E9) and (E11) are per example.",
            (f"{ENGINE}.batch_cost",),
            "`net.cost(X, Y)`",
        ),
    ),
    "Backward": (
        Statement(
            "E5",
            "δ of the output layer",
            "δ^L_j = ∂C_i/∂a^L_j · g_L'(z^L_j). Squared error: ∂C_i/∂a^L_j = 2(a^L_j − y_j).",
            (f"{ENGINE}.output_delta", "chainrule.maths.activations.Activation.vjp"),
            "`net.backward(run, Y).delta[net.L]`",
        ),
        Statement(
            "E5′",
            "δ of a coupled output layer, and matched pairs",
            "Where g_L couples units: δ^L_j = Σ_o ∂C_i/∂a^L_o ∂a^L_o/∂z^L_j. A matched pair is computed without these "
            "quotients: see [costs](costs.md#pairs).",
            (f"{ENGINE}.output_delta", "chainrule.maths.pairs.softmax_cross_entropy_delta"),
            "`net.backward(run, Y).delta[net.L]`",
        ),
        Statement(
            "E6",
            "δ of a hidden layer",
            "δ^ℓ_k = g_ℓ'(z^ℓ_k) Σ_j W^{ℓ+1}_jk δ^{ℓ+1}_j. In rows: Δ^ℓ = (Δ^{ℓ+1}𝒲^{ℓ+1}ᵀ) ⊙ g_ℓ'(Z^ℓ). "
            "A coupled g in a hidden layer takes the full ∂a/∂z there.",
            (f"{ENGINE}.propagate",),
            "`net.backward(run, Y).delta[l]`",
        ),
        Statement(
            "E7",
            "gradient in the weights",
            "∂C_i/∂W^ℓ_jk = δ^ℓ_j a^{ℓ−1}_k. Batch: ∂C/∂𝒲^ℓ = (1/m) A^{ℓ−1}ᵀΔ^ℓ.",
            (f"{ENGINE}.backward", f"{ENGINE}.value_and_gradient"),
            "`net.backward(run, Y).W[l]`",
        ),
        Statement(
            "E8",
            "gradient in the biases",
            "∂C_i/∂b^ℓ_j = δ^ℓ_j. Batch: the mean of Δ^ℓ over examples.",
            (f"{ENGINE}.backward", f"{ENGINE}.value_and_gradient"),
            "`net.backward(run, Y).b[l]`",
        ),
        Statement(
            "E9",
            "gradient in the activations below",
            "∂C_i/∂a^{ℓ−1}_k = Σ_j W^ℓ_jk δ^ℓ_j. For ℓ = 1 it is the gradient in the input, which has no g.",
            (f"{ENGINE}.backward", f"{ENGINE}.propagate"),
            "`net.backward(run, Y).x`, for ℓ = 1",
        ),
        Statement(
            "E10",
            "the gradient",
            "∇C = [∂C/∂𝒲^1, ∂C/∂b^1, …, ∂C/∂𝒲^L, ∂C/∂b^L], one vector in θ's order.",
            ("chainrule.engine.plan.Plan.join", "chainrule.engine.plan.Plan.split"),
            "`net.backward(run, Y).flat`",
        ),
    ),
    "Gradient of the network itself": (
        Statement(
            "E11",
            "gradient of an output in the input",
            "No cost: δ^ℓ := ∂a^L_o/∂z^ℓ. δ^L_j = [j = o] g_L'(z^L_o), for softmax the row ∂a^L_o/∂z^L_j; then (E6) "
            "down to ℓ = 1, and ∇_x a^L_o = W^1ᵀ δ^1.",
            ("chainrule.derivatives.inputs.input_gradient",),
            "`cr.derivatives.input_gradient(net, X, output=o)`; all outputs together, the Jacobian: "
            "`cr.derivatives.jacobian(net, X)`; along a direction: `jvp`, `vjp`; between layers: `layer_jacobian`",
        ),
    ),
    "The chain rule before it is organised": (
        Statement(
            "E12",
            "sum over paths",
            "∂C_i/∂z^ℓ_j = Σ over paths (p_ℓ = j, p_{ℓ+1}, …, p_L) of "
            "δ^L_{p_L} Π_{q=ℓ}^{L−1} W^{q+1}_{p_{q+1} p_q} g_q'(z^q_{p_q}). "
            "One factor a^{ℓ−1}_k more makes it ∂C_i/∂W^ℓ_jk.",
            ("chainrule.derivatives.paths.path_sum", "chainrule.derivatives.paths.top_paths"),
            "`cr.derivatives.path_sum(net, x, y, weight=(l, j, k))`; the largest paths: "
            "`cr.derivatives.top_paths(net, x, y, weight, k)`; both, with names: `cr.path_ledger`",
        ),
        Statement(
            "E13",
            "dynamic programming",
            "Grouping the paths of (E12) by the unit of layer ℓ+1 that they enter gives (E6). With an elementwise g_L, "
            "all units of layer ℓ have P = Π_{q=ℓ}^{L} n_q paths, which take (2(L−ℓ) + 1)P multiplications; (E5) and "
            "(E6) take Σ_{q=ℓ}^{L−1} n_q n_{q+1} + Σ_{q=ℓ}^{L} n_q. For 3, 2, 4, 3, 2 units from layer 1: 336 "
            "against 37.",
            (
                f"{ENGINE}.propagate",
                "chainrule.derivatives.paths.path_count",
                "chainrule.derivatives.paths.multiplication_count",
            ),
            "`cr.derivatives.multiplication_count(net, layer)`; beside the paths: `cr.path_ledger(net, x, y, weight)`",
        ),
        Statement(
            "E14",
            "chain of single units",
            "n_ℓ = 1 everywhere: ∂C/∂w^{L−1} = ∂C/∂a^L · g_L'(z^L) · w^L · g_{L−1}'(z^{L−1}) · a^{L−2}, five factors.",
            (f"{ENGINE}.backward",),
            'the last step of `cr.derive(net, x, y, of=("W", l, 0, 0), notation="nabla")`; by hand: '
            "[how to see every derivative](../how-to/see-every-derivative.md)",
        ),
    ),
    "Training": (
        Statement(
            "E15",
            "one pass over a batch",
            "Forward (E1, E2) for ℓ = 1..L; δ^L (E5); δ^ℓ (E6) for ℓ = L−1..1; gradients (E7, E8); then the update of "
            "all layers at once. One epoch: every batch once.",
            ("chainrule.training.minibatches.loop.run",),
            "`cr.train(net, X, Y)`",
        ),
        Statement(
            "E16",
            "update",
            "θ ← θ − η ∂C/∂θ, or an alternative to gradient descent.",
            ("chainrule.maths.updates.SGD",),
            '`cr.train(net, X, Y, optimizer="sgd")`',
        ),
    ),
}

DERIVATIVES = (
    (tangents.forward, "tangent of the forward pass"),
    (tangents.output_delta, "tangent of δ^L"),
    (tangents.backward, "tangent of the backward pass, `cr.derivatives.hvp`"),
    (derivatives.ggn_vp, "generalised Gauss-Newton matrix, `cr.derivatives.ggn_vp`"),
    (derivatives.fisher_vp, "Fisher matrices, `cr.derivatives.fisher_vp`"),
    (derivatives.per_example_norms, "norms of examples' gradients, `cr.derivatives.per_example_norms`"),
    (derivatives.sum_of_squares, "sum of squared gradients, `cr.derivatives.sum_of_squares`"),
    (derivatives.gradient_variance, "variance of the gradient, `cr.derivatives.gradient_variance`"),
    (derivatives.gradient_noise_scale, "gradient noise scale, `cr.derivatives.gradient_noise_scale`"),
    (derivatives.clipped_gradient, "sum of clipped gradients, `cr.derivatives.clipped_gradient`"),
    (derivatives.integrated_gradients, "integrated gradients, `cr.derivatives.integrated_gradients`"),
    (derivatives.ggn_diagonal, "diagonal of the Gauss-Newton matrix, `cr.derivatives.ggn_diagonal`"),
    (derivatives.hessian_diagonal, "diagonal of the Hessian, `cr.derivatives.hessian_diagonal`"),
    (derivatives.kronecker_factors, "Kronecker factors, `cr.derivatives.kronecker_factors`"),
    (derivatives.kronecker_matvec, "product with Kronecker factors, `cr.derivatives.kronecker_matvec`"),
    (derivatives.kronecker_solve, "solution with Kronecker factors, `cr.derivatives.kronecker_solve`"),
    (derivatives.input_hessian, "Hessian in the input, `cr.derivatives.input_hessian`"),
)

CHECKER = (
    (finite_differences.rounding, "rounding of a function along a line"),
    (finite_differences.difference, "difference with a chosen step, `cr.check_gradients`"),
    (finite_differences.slope_jump, "jump of a slope"),
)

REGULARIZERS = (
    (masks.mask, "dropout, `dropout=` of `cr.train`"),
    (regularizers.decayed, "weight decay, `weight_decay=`"),
    (regularizers.within_norm, "max-norm, `max_norm=`"),
    (regularizers.smoothed, "label smoothing, `label_smoothing=`"),
    (regularizers.noisy, "input noise, `input_noise=`"),
    (regularizers.clipped, "clipping of a step's gradient, `clip_norm=`"),
    (regularized._clipped, "clipping of each example's, `clip_example_norm=`"),
)

IN_THE_COST = (
    (regularizers.sobolev, "targets of derivatives, `derivative_targets=`"),
    (regularizers.monotone, "monotone inputs, `monotone=`"),
    (regularizers.half_square, "input-gradient penalty, `input_gradient_penalty=`"),
)

SOLVERS = (
    (LBFGS, '`"lbfgs"`, `cr.LBFGS`'),
    (LevenbergMarquardt, '`"levenberg_marquardt"`, `cr.LevenbergMarquardt`'),
    (levenberg_marquardt.next_damping, "its damping"),
    (GaussNewtonCG, '`"gauss_newton_cg"`, `cr.GaussNewtonCG`'),
    (gauss_newton_cg.next_damping, "its damping"),
    (LineSearchSGD, '`"line_search"`, `cr.LineSearchSGD`'),
    (KFAC, '`"kfac"`, `cr.KFAC`'),
    (kronecker.split_damping, "its damping, split"),
    (kronecker.rescaling, "its step, rescaled"),
    (of_rule, 'what an epoch takes, by which `optimizer="auto"` chooses'),
    (find_rate, '`learning_rate="find"`'),
)

ETAS = ("Constant", "Step", "Exponential", "Cosine", "InverseScaling", "WarmUp", "Adaptive")


# --- reading the code -----------------------------------------------------------------------------------------------
def find(dotted: str) -> Any:
    """Give the object that a dotted name stands for; an AttributeError says that the name went away."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[cut:], found)
    raise AttributeError(dotted)


def bare(function: Callable[..., Any]) -> Callable[..., Any]:
    """Look through functools.partial."""
    return bare(function.func) if isinstance(function, functools.partial) else function


def link(thing: Any) -> str:
    """Name a function or class of the package, linked to its file."""
    thing = bare(thing)
    path = thing.__module__.replace(".", "/")
    return f"[`{thing.__module__.removeprefix('chainrule.')}.{thing.__qualname__}`]({SOURCE}/{path}.py)"


def opening(thing: Any) -> list[str]:
    """Give the paragraphs of a docstring that come before its sections and examples, each in one line."""
    paragraphs = (inspect.getdoc(bare(thing)) or "").split("\n\n")
    kept: list[str] = []
    for paragraph in paragraphs:
        if ">>>" in paragraph or re.search(r"^-{3,}$", paragraph, re.MULTILINE):
            break
        kept.append(" ".join(paragraph.split()))
    if not kept or not kept[0]:
        raise ValueError(f"{thing} has no docstring, so its formula can't be shown")
    return kept


def first_line(function: Callable[..., Any]) -> str:
    """Give the first line of a docstring as a formula: without its stop, and without the name that the page gives."""
    return re.sub(r"^(g'{0,2}\(z\)|C_i) = ", "", opening(function)[0].removesuffix("."))


def formula(function: Callable[..., Any]) -> str:
    """Give the first line of a formula's docstring, the values of its settings, and where it is."""
    line = first_line(function)
    settings = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if isinstance(parameter.default, int | float) and name in line
    }
    shown = ", ".join(f"{name} = {value:.5g}" for name, value in settings.items())
    return f"{plain(line)}{', with ' if shown else ''}{shown} ({link(function)})"


def plain(line: str) -> str:
    """Keep Markdown from reading the subscripts of a formula as emphasis; code and links stay as they are.

    An underscore between letters, as in C_i, is no emphasis and needs nothing; one beside a bracket does.
    """
    pieces = re.split(r"(`[^`]*`|\[[^\]]*\]\([^)]*\))", line)
    special = r"(\*|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?]))"
    return "".join(piece if i % 2 else re.sub(special, r"\\\1", piece) for i, piece in enumerate(pieces))


def number(x: float) -> str:
    """Write a number as people do."""
    return f"{x:.5g}".replace("-", "−")


def numbered(thing: Any) -> str:
    """Find the equation's number in a docstring."""
    match = re.search(r"\((E\d+)\)", opening(thing)[0])
    if match is None:
        raise ValueError(f"{thing} does not say which equation it is")
    return match[1]


# --- pages ----------------------------------------------------------------------------------------------------------
def table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Lay out a table; a bar inside a cell is written so that it doesn't end the cell."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def equations_page() -> Iterator[str]:
    """All numbered equations."""
    yield from ("# Equations", "", NOTICE, "")
    yield (
        "Code, messages and pages cite these numbers. (E1) to (E16) are what the five derivations contain, brought "
        "into one notation; (E17) and up are what training needs besides. `cr.derive` shows (E1) to (E14) with the "
        "numbers of your own network, in any of [the sources' notations](../explanation/derivations/README.md)."
    )
    yield from ("", "The five derivations are cited as:", "")
    yield from table(["number", "what it derives"], [list(row) for row in SOURCES])
    yield from ("", "## Alphabet", "")
    yield from table(["symbol", "meaning", "shape in code"], [[plain(cell) for cell in row] for row in ALPHABET])
    for section, statements in STATEMENTS.items():
        yield from ("", f"## {section}")
        for statement in statements:
            yield from ("", f"### ({statement.number}) {statement.name}", "", plain(statement.text), "")
            names = ", ".join(link(find(name)) for name in statement.computed_by)
            yield f"Computed by: {names}." if names else "Not computed by a function of its own yet."
            if statement.shown_by:
                yield f"See it: {statement.shown_by}."
    yield from ("", "## Update rules", "")
    yield (
        "Pure functions of state, θ, gradient and η. `optimizer=` of `cr.train` takes the name, or the object with "
        "its settings."
    )
    for name, rule in updates.RULES.items():
        yield from described(rule, f'`"{name}"`, `cr.{rule.__name__}`')
    yield from ("", "## Learning rate schedules", "", plain(opening(schedules)[1]))
    for name in ETAS:
        yield from described(getattr(schedules, name), f"`cr.schedules.{name}`")
    yield from ("", "## Penalties")
    yield from described(penalties.l2, "`penalty=` of `cr.train`")
    yield from ("", f"Its gradient: {formula(penalties.l2_gradient)}.")
    yield from described(penalties.l1, "`l1=` of `cr.train`")
    yield from ("", f"Its gradient: {formula(penalties.l1_gradient)}.")
    yield from ("", "## What a step does besides", "")
    yield (
        "In this order, forward and backward included: noise (E56), dropout (E51), smoothed targets (E55), clipping of "
        "each example (E58), penalties (E29, E52) and derivatives in the cost (E59 to E61), clipping of the sum (E57), "
        "decay (E53), the update rule with each layer's rate, max-norm (E54)."
    )
    for function, title in REGULARIZERS:
        yield from described(function, title)
    yield from ("", "## Derivatives in the cost", "")
    yield (
        "J is ∂a^L_o/∂x of an example, T what it is to be; the objective has the mean over examples (the sum under the "
        "sum), all outputs added up. Their gradients in θ are exact, by (E31) to (E33) along the input."
    )
    for function, title in IN_THE_COST:
        yield from described(function, title)
    yield from ("", "## Solvers")
    for solver, title in SOLVERS:
        yield from described(solver, title)
    yield ""
    yield "The gradient of (E30) is that of cost and penalty (E29) together; its iteration is SciPy's L-BFGS-B."
    yield from ("", "## Derivatives beyond the gradient")
    yield from ("", plain(opening(tangents)[1]))
    for function, title in DERIVATIVES:
        yield from described(function, title)
    yield from ("", "## Initializers", "", plain(opening(initializers)[0]), "", plain(opening(initializers)[1]), "")
    rows = [[f"`{name}`", plain(first_line(f))] for name, f in initializers.INITIALIZERS.items()]
    yield from table(["`initializer=`", "weights"], rows)
    yield from ("", "## Central differences", "", plain(opening(finite_differences)[1]), "")
    yield (
        f"h = {finite_differences.STEP:g}. A user's own derivative is refused where it differs from this by more than "
        f"{finite_differences.TOLERANCE:g} of max(1, |f'|). Computed by: {link(finite_differences.derivative_along)}."
    )
    for function, title in CHECKER:
        yield from described(function, title)


def described(thing: Any, title: str) -> Iterator[str]:
    """Show a numbered class or function by its own docstring, with its settings."""
    yield from ("", f"### ({numbered(thing)}) {title}")
    for paragraph in opening(thing):
        if not re.match(r"(The other p|P)arameters\b", paragraph):
            yield from ("", plain(paragraph))
    yield ""
    settings = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    shown = [
        f"`{s.name}`" if s.default is dataclasses.MISSING else f"`{s.name}={s.default!r}`"
        for s in settings
        if not (s.default is dataclasses.MISSING and s.name == "then")
    ]
    if any(s.name == "then" for s in settings):
        shown.insert(0, "`then` (a schedule)")
    if shown:
        yield f"Settings: {', '.join(shown)}."
    yield f"Computed by: {link(thing)}."


def activations_page() -> Iterator[str]:
    """The table of activations."""
    yield from ("# Activations", "", NOTICE, "")
    yield (
        "Names for `activations=` of `cr.Network`, and for `--activation` and `--output` on the command line. "
        '`"sigmoid"` is another name of `"logistic"`. `"leaky_relu(0.2)"` sets the slope, `"elu(0.5)"` sets alpha.'
    )
    yield from ("", plain(opening(activations)[1]), "")
    table_of = [activations.activation(name) for name in activations.BUILT_IN]
    rows = [[f"[`{g.name}`](#{g.name})", plain(g.equation), str(g.range), kinks(g)] for g in table_of]
    yield from table(["name", "a = g(z)", "range", "kinks"], rows)
    yield from ("", "Range is where g's values lie; it decides which costs an output layer may have.")
    yield "A kink is a z where g' or g'' jumps; finite differences are not asked there."
    for g in table_of:
        yield from ("", f"## `{g.name}`", "", f"- g: {plain(g.equation)}")
        if g.coupled:
            yield f"- value: {formula(g.value)}"
            yield f"- vjp(z, v): {formula(g.vjp)}"
            yield f"- jvp(z, u): {formula(g.jvp)}"
            yield f"- second_vjp(z, v, u): {formula(g.second_vjp)}"
        else:
            yield f"- computed as {formula(g.value)}"
            yield f"- g': {formula(g.derivative)}"
            yield f"- g'': {formula(g.second_derivative)}"
        yield f"- range: {g.range}"
        yield f"- kinks: {kinks(g)}"


def kinks(g: Any) -> str:
    """Say where g' or g'' jumps and what g' is there, by asking the code."""
    if g.coupled or not g.kinks:
        return "none"
    return "; ".join(f"at {number(k)}, g'({number(k)}) = {number(float(g.derivative(np.array(k))))}" for k in g.kinks)


def costs_page() -> Iterator[str]:
    """The table of costs, and the pairs."""
    yield from ("# Costs", "", NOTICE, "")
    yield (
        'Names for `cost=` of `cr.Network`, and for `--cost` on the command line. `"quantile(0.9)"` sets q, '
        '`"huber(2)"` sets delta. `C_i` is summed over outputs; r = a − y.'
    )
    yield from ("", plain(opening(costs)[1]), "")
    table_of = [costs.cost(name) for name in costs.BUILT_IN]
    rows = [[f"[`{c.name}`](#{anchor(c.name)})", plain(c.equation), str(c.domain), str(c.targets)] for c in table_of]
    yield from table(["name", "`C_i`", "domain of a", "targets y"], rows)
    for c in table_of:
        yield from ("", f"## `{c.name}`", "", f"- {plain(f'C_i = {c.equation}')}")
        yield f"- computed as {formula(c.value)}"
        yield f"- ∂C_i/∂a_j: {formula(c.derivative)}"
        yield f"- Hessian product with v: {formula(c.hessian_product)}"
        yield f"- domain of a: {c.domain}; targets: {c.targets}"
    yield from ("", "## Pairs", "")
    yield (
        "A cost declares its domain, an output activation its range. A pair fits when the range lies in the domain; "
        f"any other pair is refused with a `PairError` ({link(pairs.check_pair)}). "
        "Softmax needs at least two outputs."
    )
    yield from ("", plain(opening(pairs)[1]), "")
    rows = []
    for (g_name, c_name), pair in pairs.MATCHED.items():
        rows.append([f"`{g_name}`", f"`{c_name}`", plain(pair.equation), formula(pair.example_costs)])
    yield from table(["output activation", "cost", "δ^L", "`C_i` from z"], rows)
    yield from ("", "### Which output activation fits which cost", "")
    yield "**m** is a matched pair, **·** fits, an empty cell is refused. Two outputs or more."
    yield ""
    names = [c.name for c in table_of]
    rows = [[f"`{g}`", *(fit(g, c) for c in names)] for g in activations.BUILT_IN]
    yield from table(["", *(f"`{name}`" for name in names)], rows)


def fit(g_name: str, c_name: str) -> str:
    """Ask the code whether a pair fits."""
    try:
        pairs.check_pair(activations.activation(g_name), costs.cost(c_name), 2)
    except PairError:
        return ""
    return "**m**" if (g_name, c_name) in pairs.MATCHED else "·"


def anchor(heading: str) -> str:
    """Give the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "equations.md": equations_page,
    "activations.md": activations_page,
    "costs.md": costs_page,
}


def build() -> dict[Path, str]:
    """Make every page, by its path."""
    return {REFERENCE / name: "\n".join(page()) + "\n" for name, page in PAGES.items()}


def differences() -> list[str]:
    """Give the lines of a diff between the pages on disk and what the code says; none when they agree."""
    lines: list[str] = []
    for path, fresh in build().items():
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        name = f"docs/reference/{path.name}"
        lines += difflib.unified_diff(
            old.splitlines(), fresh.splitlines(), f"{name} on disk", f"{name} from the code", lineterm="", n=1
        )
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with --check compare them with those on disk. Gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a page is stale")
    if parser.parse_args(arguments).check:
        stale = differences()
        for line in stale:
            print(line)
        if stale:
            print("The reference pages are stale. Run: python docs/build_reference.py", file=sys.stderr)
        return 1 if stale else 0
    for path, content in build().items():
        path.write_text(content, encoding="utf-8")
        print(f"wrote docs/reference/{path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
