"""Derivatives beyond the gradient of the cost."""

from chainrule.derivatives.inputs import input_gradient, jacobian

__all__ = ["input_gradient", "jacobian"]
