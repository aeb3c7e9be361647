"""Derivatives beyond the gradient of the cost."""

from chainrule.derivatives.attribution import IntegratedGradients, integrated_gradients
from chainrule.derivatives.between_layers import layer_jacobian, sensitivity_profile
from chainrule.derivatives.checker import check_gradients
from chainrule.derivatives.curvature import ggn_diagonal, hessian_diagonal
from chainrule.derivatives.input_hessian import input_hessian
from chainrule.derivatives.inputs import cost_input_gradient, input_gradient, jacobian, jvp, vjp
from chainrule.derivatives.kronecker import KroneckerFactors, kronecker_factors, kronecker_matvec, kronecker_solve
from chainrule.derivatives.parameters import gradient, parameter_jacobian
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
from chainrule.derivatives.per_example import (
    NoiseScale,
    clipped_gradient,
    gradient_noise_scale,
    gradient_variance,
    per_example_gradients,
    per_example_norms,
    sum_of_squares,
)
from chainrule.derivatives.products import as_linear_operator, fisher_vp, ggn_vp, hvp

__all__ = [
    "Factor",
    "IntegratedGradients",
    "KroneckerFactors",
    "Multiplications",
    "NoiseScale",
    "Path",
    "PathSum",
    "as_linear_operator",
    "check_gradients",
    "clipped_gradient",
    "cost_input_gradient",
    "fisher_vp",
    "ggn_diagonal",
    "ggn_vp",
    "gradient",
    "gradient_noise_scale",
    "gradient_variance",
    "hessian_diagonal",
    "hvp",
    "input_gradient",
    "input_hessian",
    "integrated_gradients",
    "jacobian",
    "jvp",
    "kronecker_factors",
    "kronecker_matvec",
    "kronecker_solve",
    "layer_jacobian",
    "multiplication_count",
    "parameter_jacobian",
    "path_count",
    "path_sum",
    "per_example_gradients",
    "per_example_norms",
    "sensitivity_profile",
    "sum_of_squares",
    "top_paths",
    "vjp",
]
