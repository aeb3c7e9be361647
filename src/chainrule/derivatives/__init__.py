"""Derivatives beyond the gradient of the cost."""

from chainrule.derivatives.inputs import input_gradient, jacobian
from chainrule.derivatives.paths import (
    Factor,
    Multiplications,
    Path,
    PathSum,
    multiplication_count,
    path_count,
    path_sum,
    top_paths,
)
from chainrule.derivatives.products import as_linear_operator, fisher_vp, ggn_vp, hvp

__all__ = [
    "Factor",
    "Multiplications",
    "Path",
    "PathSum",
    "as_linear_operator",
    "fisher_vp",
    "ggn_vp",
    "hvp",
    "input_gradient",
    "jacobian",
    "multiplication_count",
    "path_count",
    "path_sum",
    "top_paths",
]
