"""scikit-learn's multilayer perceptrons on the engine of chainrule, and what goes beyond them."""
