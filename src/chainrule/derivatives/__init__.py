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

__all__ = [
    "Factor",
    "Multiplications",
    "Path",
    "PathSum",
    "input_gradient",
    "jacobian",
    "multiplication_count",
    "path_count",
    "path_sum",
    "top_paths",
]
