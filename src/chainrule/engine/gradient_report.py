"""What a check of gradients found: `cr.check_gradients` makes it, `cr.save` stores it as a model's certificate."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from typing import Any

from numpy.typing import NDArray

from chainrule.engine.plan import Plan


def digest(plan: Plan, parameters: NDArray[Any]) -> str:
    """SHA-256 of what a network computes: sizes, names of its functions, biases, reduction, dtype, and θ.

    θ counts with its bytes, the least of each number first.
    """
    functions = [*(g.name for g in plan.activations), plan.cost.name]
    said = json.dumps([plan.sizes, functions, plan.bias, plan.reduction, plan.dtype])
    theta = parameters.astype(parameters.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(said.encode() + theta.tobytes()).hexdigest()


@dataclass(frozen=True)
class Worst:
    """The comparison that came nearest to failing, or failed by most.

    `expected` is by differences, which are `difference_error` off by their own estimate; `got` is by backpropagation.
    """

    name: str
    expected: float
    got: float
    tolerance: float
    difference_error: float

    @property
    def error(self) -> float:
        """|got − expected|."""
        return abs(self.got - self.expected)


@dataclass(frozen=True)
class Kink:
    """A derivative whose difference can't but straddle a kink, and which kink that is."""

    name: str
    where: str


@dataclass(frozen=True)
class Projection:
    """Two numbers that are one: ⟨u, Jv⟩ by forward mode, ⟨Jᵀu, v⟩ by backpropagation, summed over the rows.

    `error` is |⟨u, Jv⟩ − ⟨Jᵀu, v⟩| as a part of ‖u‖‖Jv‖, or of ‖Jᵀu‖‖v‖ where that is larger.
    """

    forward: float
    backward: float
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        return self.error <= self.tolerance


@dataclass(frozen=True)
class GradientReport:
    """What `cr.check_gradients` found; `str(report)` says it in a few lines.

    Attributes
    ----------
    checked : str
        What was checked.
    rows : int
        Examples at which it was; of an activation or a cost, points.
    n_parameters : int
        |θ|; 0 for an activation or a cost.
    compared : int
        Derivatives that were held against differences, each by itself.
    sample : str
        Which they are.
    directions : int
        Derivatives along random directions, each of a whole array, that were held against differences.
    failed : int
        How many of either were wrong.
    n_kinks : int
        How many lie on a kink, where there is no derivative to compare with; not among the compared.
    kinks : tuple of Kink
        The first twenty of them.
    n_unresolved : int
        How many are so small beside C that their differences can't tell them from what the tolerance refuses.
    tolerance : float
        The largest relative one; `reason` says of what, and where it comes from.
    worst : Worst or None
        None where nothing could be compared.
    projection : Projection or None
        None for an activation or a cost.
    network_sha256 : str
        `digest` of the network, by which its certificate is known; empty for an activation or a cost.
    """

    checked: str
    rows: int
    n_parameters: int
    compared: int
    sample: str
    directions: int
    failed: int
    n_kinks: int
    kinks: tuple[Kink, ...]
    n_unresolved: int
    tolerance: float
    reason: str
    worst: Worst | None
    projection: Projection | None
    network_sha256: str

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong, and something was compared."""
        return not self.failed and self.compared > 0 and (self.projection is None or self.projection.passed)

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED" if self.compared else "nothing could be compared"
        lines = [f"gradients of {self.checked}: {verdict}"]
        along = f", and {self.directions:,} random directions of whole arrays" if self.directions else ""
        lines.append(f"  compared with central differences: {self.compared:,} derivatives ({self.sample}){along}")
        if self.failed:
            lines.append(f"  wrong: {self.failed:,}")
        if self.worst is not None:
            worst = self.worst
            lines.append(f"  worst: {worst.name}, expected {worst.expected:.9g}, got {worst.got:.9g}")
            lines.append(
                f"    off by {worst.error:.1e}; the tolerance is {worst.tolerance:.1e}, and the difference itself is "
                f"right to {worst.difference_error:.1e}"
            )
        lines.append(f"  tolerance: {self.tolerance:.1e} of {self.reason}")
        if self.n_kinks:
            named = "; ".join(f"{kink.name}: {kink.where}" for kink in self.kinks[:3])
            more = f"; and {self.n_kinks - 3:,} more" if self.n_kinks > 3 else ""
            lines.append(f"  on a kink, not compared: {self.n_kinks:,} ({named}{more})")
        if self.n_unresolved:
            lines.append(f"  too small for differences to resolve: {self.n_unresolved:,}")
        if self.projection is not None:
            both = self.projection
            lines.append(
                f"  projection: ⟨u, Jv⟩ = {both.forward:.9g}, ⟨Jᵀu, v⟩ = {both.backward:.9g}, {both.error:.1e} apart, "
                f"tolerance {both.tolerance:.1e}{'' if both.passed else ': FAILED'}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it, with None for a number that is not finite.

        >>> report = GradientReport("a network", 1, 1, 1, "all", 0, 0, 0, (), 0, 1e-7, "", None, None, "")
        >>> GradientReport.from_dict(report.to_dict()) == report
        True
        """
        content = {at.name: getattr(self, at.name) for at in fields(self)}
        parts = {"worst": self.worst, "projection": self.projection}
        as_objects = {name: None if part is None else _finite(vars(part)) for name, part in parts.items()}
        kinks = [vars(kink) for kink in self.kinks]
        return {"passed": self.passed, **_finite(content), **as_objects, "kinks": kinks}

    @classmethod
    def from_dict(cls, given: Any) -> GradientReport:
        """Read what `to_dict` gave, each part looked at. Raises ValueError, which names the part."""
        content = _read(given, cls)
        if not isinstance(given["kinks"], list):
            raise ValueError("kinks are no list")
        content["kinks"] = tuple(Kink(**_read(one, Kink)) for one in given["kinks"])
        for name, kind in (("worst", Worst), ("projection", Projection)):
            if given[name] is not None:
                content[name] = kind(**_read(given[name], kind))
        report = cls(**content)
        if given.get("passed") is not report.passed:
            raise ValueError("passed is not what the rest says")
        return report


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(one, float) and not math.isfinite(one) else one for key, one in numbers.items()}


def _read(given: Any, kind: type) -> dict[str, Any]:
    """Read the fields of a dataclass of texts, numbers and other things, which stay as they are."""
    if not isinstance(given, dict):
        raise ValueError(f"{given!r:.40} is no object")
    content = {}
    for at in fields(kind):
        if at.name not in given:
            raise ValueError(f"{at.name} is missing")
        value = given[at.name]
        if at.type == "float":
            value = math.nan if value is None else value
            fits = type(value) is float or (type(value) is int and abs(value) < 2**53)
            value = float(value) if fits else value
        elif at.type == "int":
            fits = type(value) is int and value >= 0
        elif at.type == "str":
            fits = isinstance(value, str)
        else:
            fits = value is None or isinstance(value, dict | list)
        if not fits:
            raise ValueError(f"{at.name}: {value!r:.40}")
        content[at.name] = value
    return content
