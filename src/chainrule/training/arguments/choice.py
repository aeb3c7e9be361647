"""`optimizer="auto"`: Levenberg-Marquardt, L-BFGS or Adam, whichever will be where Adam gets the soonest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chainrule.engine.plan import Plan
from chainrule.maths.costs import piecewise_linear_hessian_product
from chainrule.maths.updates import Adam
from chainrule.training.arguments.effort import (
    available_memory,
    in_bytes,
    in_short,
    of_lbfgs,
    of_levenberg_marquardt,
    of_rule,
)
from chainrule.training.arguments.settings import batch_sizes
from chainrule.training.arguments.solvers import KINDS, OF_MINI_BATCHES, is_ignored, read_optimizer
from chainrule.training.whole_set.lbfgs import LBFGS
from chainrule.training.whole_set.levenberg_marquardt import LevenbergMarquardt

if TYPE_CHECKING:
    from chainrule.training.checkpoints.folder import Found

EPOCHS_WORTH = 80
"""How many of Adam's epochs, in operations, a step of Levenberg-Marquardt may take."""
PARAMETERS = 5000
"""Of larger networks Adam has to do: nothing else was measured."""
ROWS = 2000
"""Of more rows, too: an epoch of Adam's has so many steps that it goes about as far as a step on the whole set."""
SHARE_OF_MEMORY = 0.5
OF_CLASSES = ("binary_cross_entropy", "cross_entropy")


def chosen_before(found: Found | None) -> tuple[Any, str] | None:
    """Give what a training that is resumed has chosen, with its words; what is free now doesn't change it."""
    choice = "" if found is None else found.state["history"]["choice"]
    return (read_optimizer(choice.split()[0]), choice) if choice else None


def choose(
    plan: Plan,
    rows: int,
    batch_size: Any,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    watched: bool,
) -> tuple[Any, str]:
    """Choose an optimizer, and say why, with what it takes (E71); the text begins with its name.

    `given` and `defaults` are the arguments of `cr.train`, `watched` is whether a callback wants to see batches. Adam
    is taken where
    - an argument or a callback is for mini-batches;
    - the cost is piecewise linear, or a hidden layer has a kink, as ReLU: solvers of the whole set come to rest there;
    - there are more than PARAMETERS, or more than ROWS rows.
    Otherwise Levenberg-Marquardt is, unless
    - the cost is of classes, or of the user's own without second derivatives;
    - a step takes more than EPOCHS_WORTH times the operations of an epoch of Adam's;
    - its matrices take more than half of the memory that is free;
    and L-BFGS in these cases, but Adam where checkpoints are wanted, as SciPy keeps L-BFGS's memory to itself.

    The numbers come of measurements, `python -m benchmarks.choice`.
    """
    adam = of_rule(plan, Adam.name, rows, batch_sizes(batch_size, 1, rows)[0])
    sizes = f"{plan.n_parameters:,} parameters, {rows:,} rows"
    obstacle = _to_the_whole_set(plan, rows, given, defaults, watched)
    if obstacle is None:
        found = of_levenberg_marquardt(plan, rows)
        ratio = in_short(found.operations / adam.operations)
        obstacle = _to_levenberg_marquardt(plan, found.operations / adam.operations, found.bytes)
        if obstacle is None:
            why = f"a step takes the operations of {ratio} epochs of adam ({adam}), and is worth up to {EPOCHS_WORTH}"
            return LevenbergMarquardt(), f"levenberg_marquardt for {sizes}: {why}. Foretold: {found}."
        if given["checkpoint"] is None:
            found = of_lbfgs(plan, rows, LBFGS().memory)
            return LBFGS(), f"lbfgs for {sizes}: {obstacle}; adam takes {adam}. Foretold: {found}."
        obstacle += "; lbfgs can't be checkpointed"
    return Adam(), f"adam for {sizes}: {obstacle}. Foretold: {adam}."


def _to_the_whole_set(
    plan: Plan, rows: int, given: Mapping[str, Any], defaults: Mapping[str, Any], watched: bool
) -> str | None:
    """Why no solver of the whole set can be taken, or would be of little use."""
    kind, cost = KINDS[LevenbergMarquardt.name], plan.cost
    asked = next((name for name in OF_MINI_BATCHES if is_ignored(kind, name, given[name], defaults[name])), None)
    if asked is not None:
        return f"{asked} is for mini-batches"
    if watched:
        return "a callback looks at mini-batches"
    if cost.hessian_product is piecewise_linear_hessian_product:
        return f"the cost {cost.name} is not curved"
    for layer in plan.layers[:-1]:
        g = plan.activation(layer)
        if not g.coupled and g.kinks:
            return f"{g.name} in layer {layer} has a kink"
    if plan.n_parameters > PARAMETERS:
        return f"others are for at most {PARAMETERS:,} parameters"
    return f"of more than {ROWS:,} rows, mini-batches make more" if rows > ROWS else None


def _to_levenberg_marquardt(plan: Plan, ratio: float, needed: int) -> str | None:
    """Why Levenberg-Marquardt can't be taken, or takes too much."""
    cost, free = plan.cost, available_memory()
    if cost.name in OF_CLASSES:
        return f"the cost is {cost.name}, not of a regression"
    if plan.matched is None and cost.hessian_product is None:
        return f"the cost {cost.name} has no second derivatives"
    if needed > SHARE_OF_MEMORY * free:
        return f"levenberg_marquardt takes {in_bytes(needed)}, of {in_bytes(free)} that are free"
    if ratio > EPOCHS_WORTH:
        return (
            f"a step of levenberg_marquardt takes the operations of {in_short(ratio)} epochs of adam, and is worth up "
            f"to {EPOCHS_WORTH}"
        )
    return None
