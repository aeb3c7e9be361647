"""What a training step does besides the plain one: masks, noise, clipping, rates of layers. Nothing, by default."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chainrule.engine.plan import Plan


@dataclass(frozen=True)
class StepOptions:
    """The options of a step, checked and resolved for one plan, in the order in which a step applies them.

    `dropout` is p of a^0..a^{L−1} (E51), `layer_rates` what η is multiplied by in layers 1..L; either may be (): none,
    all 1. `seed` is the key of the random numbers, 0 ≤ seed < 2⁶⁴.
    """

    noise: float = 0.0  # σ of (E56)
    dropout: tuple[float, ...] = ()
    smoothing: float = 0.0  # ε of (E55)
    clip_example_norm: float = math.inf  # of (E58)
    clip_norm: float = math.inf  # of (E57)
    layer_rates: tuple[float, ...] = ()
    weight_decay: float = 0.0  # λ of (E53)
    max_norm: float = math.inf  # of (E54)
    seed: int = 0

    @property
    def plain(self) -> bool:
        """Whether a step is what it is without options."""
        return self == StepOptions(seed=self.seed)

    @property
    def perturbs(self) -> bool:
        """Whether a step's cost is not that of the examples as they are."""
        return self.noise > 0 or self.smoothing > 0 or any(self.dropout)

    def rate_of(self, layer: int) -> float:
        """What η is multiplied by in layer 1..L; 0 where the layer is frozen."""
        return self.layer_rates[layer - 1] if self.layer_rates else 1.0

    def frozen(self, plan: Plan) -> list[int]:
        """The layers that are."""
        return [layer for layer in plan.layers if not self.rate_of(layer)]

    def trained(self, plan: Plan) -> list[int]:
        """The layers that are not frozen."""
        return [layer for layer in plan.layers if self.rate_of(layer)]


PLAIN = StepOptions()
"""A step without options."""
