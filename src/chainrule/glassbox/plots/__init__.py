"""Pictures of a network of your own, in matplotlib (an extra): each function returns the axes that it has drawn in."""

from chainrule.glassbox.plots.drawing import network
from chainrule.glassbox.plots.sensitivity import input_gradient, sensitivity_profile
from chainrule.glassbox.plots.training import history, range_test

__all__ = ["history", "input_gradient", "network", "range_test", "sensitivity_profile"]
