"""A step, and an epoch, of the workloads A to E."""

from typing import ClassVar

from benchmarks.loops import Chainrule
from benchmarks.workloads import WORKLOADS, make_problem


class Step:
    """One call of value_and_gradient: a batch's cost and gradient, without the update."""

    params: ClassVar = [[*WORKLOADS], ["float32", "float64"]]
    param_names: ClassVar = ["workload", "dtype"]

    def setup(self, name: str, dtype: str) -> None:
        """Draw data, cast once."""
        problem = make_problem(WORKLOADS[name], steps=1)
        self.net = Chainrule(problem, dtype).net
        self.X = problem.X.astype(dtype)
        self.Y = problem.Y if problem.Y.ndim == 1 else problem.Y.astype(dtype)
        self.time_value_and_gradient(name, dtype)

    def time_value_and_gradient(self, *_: str) -> None:
        """Time it."""
        self.net.value_and_gradient(self.X, self.Y)


class Epoch:
    """One call of cr.train for an epoch without shuffling, as benchmarks.peers times it."""

    params: ClassVar = [[*WORKLOADS], [1, 2]]
    param_names: ClassVar = ["workload", "threads"]
    timeout = 300

    def setup(self, name: str, threads: int) -> None:
        """Draw data, train an epoch to warm up."""
        self.loop = Chainrule(make_problem(WORKLOADS[name]))
        self.loop.start(threads)
        self.loop.run(1)

    def time_train(self, *_: object) -> None:
        """Time it."""
        self.loop.run(1)
