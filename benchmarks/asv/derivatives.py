"""Derivatives of the network and batch of benchmarks.derivatives."""

from typing import ClassVar

from benchmarks.derivatives import BOUNDS, numbers, ours


class Derivatives:
    """One call of each that has a bound there, and of the gradient."""

    params: ClassVar = [["gradient", *BOUNDS]]
    param_names: ClassVar = ["derivative"]

    def setup(self, name: str) -> None:
        """Draw numbers, call it once."""
        self.call = ours(numbers(None))[name]
        self.call()

    def time_derivative(self, *_: str) -> None:
        """Time it."""
        self.call()
