"""What many comparisons come to: how many, which were wrong, which is the worst, and which lie on a kink."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engine.gradient_report import GradientReport, Kink, Projection, Worst
from chainrule.maths.finite_differences import Comparison

_NAMED = 20
"""So many kinks are named."""


class Tally:
    """What the comparisons so far come to."""

    def __init__(self) -> None:
        self.compared = self.directions = self.failed = self.n_kinks = self.n_unresolved = 0
        self.kinks: list[Kink] = []
        self._worst: tuple[tuple[float, float], Worst] | None = None

    @property
    def worst(self) -> Worst | None:
        """The comparison that came nearest to failing, or failed by most."""
        return None if self._worst is None else self._worst[1]

    def add(
        self, found: Comparison, name: Callable[[Any], str], kink: Callable[[], str], is_direction: bool = False
    ) -> None:
        """Count every entry of a comparison; `name` gives its name."""
        for index in np.ndindex(found.got.shape):
            if found.kink[index] and is_direction:
                continue  # its parameters lie on kinks, and are counted where they are compared
            if found.kink[index]:
                self.n_kinks += 1
                if len(self.kinks) < _NAMED:
                    self.kinks.append(Kink(name(index), kink()))
                continue
            if is_direction:
                self.directions += 1
            elif found.unresolved[index]:
                self.n_unresolved += 1
            else:
                self.compared += 1
            self.failed += bool(found.failed[index])
            numbers = (found.expected, found.got, found.tolerance, found.error)
            expected, got, tolerance, error = (float(np.broadcast_to(one, found.got.shape)[index]) for one in numbers)
            allowed = max(tolerance, error)
            by = abs(got - expected) / allowed if allowed > 0 else (0.0 if got == expected else math.inf)
            by = by if by == by else math.inf  # NaN is as far off as can be
            # a parameter that is wrong says more than the direction in which it was seen
            rank = (2.0 if found.failed[index] and not is_direction else 1.0 if found.failed[index] else 0.0, by)
            if self._worst is None or rank > self._worst[0]:
                self._worst = rank, Worst(name(index), expected, got, tolerance, error)

    def report(
        self,
        checked: str,
        rows: int,
        sample: str,
        tolerance: float,
        reason: str,
        n_parameters: int = 0,
        projection: Projection | None = None,
        network_sha256: str = "",
    ) -> GradientReport:
        """Put it together with what is known besides."""
        return GradientReport(
            checked=checked,
            rows=rows,
            n_parameters=n_parameters,
            compared=self.compared,
            sample=sample,
            directions=self.directions,
            failed=self.failed,
            n_kinks=self.n_kinks,
            kinks=tuple(self.kinks),
            n_unresolved=self.n_unresolved,
            tolerance=tolerance,
            reason=reason,
            worst=self.worst,
            projection=projection,
            network_sha256=network_sha256,
        )
