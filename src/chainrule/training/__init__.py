"""Training: the mini-batch loop, L-BFGS, early stopping, and the history of a run."""
