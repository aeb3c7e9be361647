"""Training: the mini-batch loop, L-BFGS, early stopping, and the history of a run."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # without one Python prints warnings on its own
