"""What single calls cost, and the import."""

from typing import ClassVar

import numpy as np

import chainrule as cr


class Predict:
    """net.predict of a 64-64-10 network."""

    params: ClassVar = [[1, 1797], ["float32", "float64"]]
    param_names: ClassVar = ["rows", "dtype"]

    def setup(self, rows: int, dtype: str) -> None:
        """Draw rows."""
        self.net = cr.Network([64, 64, 10], activations=["relu", "softmax"], cost="cross_entropy", dtype=dtype, seed=0)
        self.X = np.random.default_rng(0).random((rows, 64)).astype(dtype)

    def time_predict(self, *_: object) -> None:
        """Time it."""
        self.net.predict(self.X)


class Import:
    """A new process that imports chainrule, beside one that imports numpy."""

    def timeraw_import_chainrule(self) -> str:
        """What it runs."""
        return "import chainrule"

    def timeraw_import_numpy(self) -> str:
        """What it runs."""
        return "import numpy"
