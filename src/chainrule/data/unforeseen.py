"""What the training rows had none of: missing values and texts that come up in a column when a model is used."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from chainrule.data.encoding import Encoding, encoded_blocks
from chainrule.data.scaling import Scaling


class Unforeseen:
    """Counts, by column, missing values and unknown texts where the training rows had none."""

    def __init__(self, inputs: Scaling | Encoding) -> None:
        self._inputs = inputs
        self._missing: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def look(self, raw: NDArray[np.float64]) -> None:
        """Count in the rows of a raw matrix; arrays have no such columns."""
        if isinstance(self._inputs, Encoding):
            for rows in encoded_blocks(len(raw), len(self._inputs.columns)):
                for name, (n_missing, n_unknown) in self._inputs.unforeseen(raw[rows]).items():
                    self._missing[name] += n_missing
                    self._unknown[name] += n_unknown

    def said(self) -> list[str]:
        """Say it in a text for each column that has any."""
        texts = []
        for column in self._inputs.columns if isinstance(self._inputs, Encoding) else ():
            parts = [
                f"{n:,} {what}{'' if n == 1 else 's'}"
                for n, what in (
                    (self._missing[column.name], "missing value"),
                    (self._unknown[column.name], "unknown text"),
                )
                if n
            ]
            if parts:
                answer = "taken as the mean" if column.levels is None else "taken as none of its levels"
                texts.append(f"column {column.name!r}: {' and '.join(parts)}, {answer}")
        return texts
