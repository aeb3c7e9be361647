"""The frozen description of a network, and the layout of its flat vector θ (E10)."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np

from chainrule.errors import InputError, text
from chainrule.maths import activations, costs
from chainrule.maths.activations import AnyActivation, activation
from chainrule.maths.arrays import Array, array_namespace
from chainrule.maths.costs import Cost, cost
from chainrule.maths.pairs import MATCHED, MatchedPair, check_pair

T = TypeVar("T")
Reduction = Literal["mean", "sum"]


class LayerError(InputError, KeyError):
    """A layer number under which nothing is kept."""

    __str__ = Exception.__str__  # KeyError would print the text in quotes


class ByLayer(Mapping[int, T]):
    """A read-only mapping from layer numbers, as the equations count them, to what belongs to each layer.

    >>> w = ByLayer("W", {1: "first", 2: "second"})
    >>> w[2], list(w), 3 in w
    ('second', [1, 2], False)
    """

    def __init__(
        self, symbol: str, items: Mapping[int, T], hint: str = "Layers are counted from 1; layer 0 is the input."
    ) -> None:
        self._symbol, self._items, self._hint = symbol, dict(items), hint

    def __getitem__(self, layer: int) -> T:
        try:
            return self._items[layer]
        except (KeyError, TypeError):
            layers = ", ".join(map(str, self._items))
            expected = f"a layer of {layers}" if layers else "none, as no layer has one"
            raise LayerError(
                text(
                    f"{self._symbol}[{layer!r}] does not exist",
                    expected=expected,
                    got=repr(layer),
                    hint=self._hint,
                )
            ) from None

    def __setitem__(self, layer: int, value: object) -> None:
        at = f"{self._symbol}[{layer!r}]"
        got = f"an array put in the place of {at}"
        raise LayerError(
            text(at, expected="numbers written into the array", got=got, hint=f"Write {at}[...] = values.")
        )

    def __contains__(self, layer: object) -> bool:
        return layer in self._items

    def __iter__(self) -> Iterator[int]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{layer}: {getattr(item, 'shape', item)}" for layer, item in self._items.items())
        return f"{self._symbol}{{{shapes}}}"


@dataclass(frozen=True)
class Block:
    """Where one array lies in θ: θ[start:stop], row-major, of this shape."""

    start: int
    stop: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything about a network but its numbers.

    `sizes` is n_0..n_L; `activations[l − 1]` and `bias[l − 1]` belong to layer l. θ is 𝒲^1, b^1, 𝒲^2, b^2, …
    """

    sizes: tuple[int, ...]
    activations: tuple[AnyActivation, ...]
    cost: Cost
    bias: tuple[bool, ...]
    reduction: Reduction
    dtype: str

    def __reduce__(self) -> Any:
        # without what is computed from the fields and kept, such as `is_weight`, which is as long as θ
        return Plan, (self.sizes, self.activations, self.cost, self.bias, self.reduction, self.dtype)

    @property
    def L(self) -> int:
        """Number of layers that have weights."""
        return len(self.sizes) - 1

    @property
    def layers(self) -> range:
        """1..L."""
        return range(1, self.L + 1)

    def activation(self, layer: int) -> AnyActivation:
        """g_ℓ (E2)."""
        return self.activations[layer - 1]

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Name the activations and the cost that are the user's own; empty where all come with chainrule."""
        layers = ((layer, self.activation(layer)) for layer in self.layers)
        functions = [f"activation {g.name} of layer {layer}" for layer, g in layers if activations.family(g) is None]
        return (*functions, *([f"cost {self.cost.name}"] if costs.family(self.cost) is None else []))

    @cached_property
    def matched(self) -> MatchedPair | None:
        """The formulas from z, when output activation and cost are a matched pair (E5′)."""
        return MATCHED.get((self.activations[-1].name, self.cost.name))

    @cached_property
    def weight_blocks(self) -> dict[int, Block]:
        """Where 𝒲^ℓ, (n_{ℓ−1}, n_ℓ), lies in θ."""
        return self._blocks[0]

    @cached_property
    def bias_blocks(self) -> dict[int, Block]:
        """Where b^ℓ, (n_ℓ,), lies in θ, for the layers that have one."""
        return self._blocks[1]

    @cached_property
    def _blocks(self) -> tuple[dict[int, Block], dict[int, Block]]:
        weights, biases, start = {}, {}, 0
        for layer in self.layers:
            rows, columns = self.sizes[layer - 1], self.sizes[layer]
            weights[layer] = Block(start, start + rows * columns, (rows, columns))
            start += rows * columns
            if self.bias[layer - 1]:
                biases[layer] = Block(start, start + columns, (columns,))
                start += columns
        return weights, biases

    @cached_property
    def n_parameters(self) -> int:
        """|θ|."""
        blocks = [*self.weight_blocks.values(), *self.bias_blocks.values()]
        return max(block.stop for block in blocks)

    def split(self, parameters: Array) -> tuple[ByLayer[Array], ByLayer[Array]]:
        """See a flat vector in θ's order, (|θ|,), as 𝒲 and b by layer: views, where the array library has views."""
        xp = array_namespace(parameters)
        weights, biases = (
            {layer: xp.reshape(parameters[at.start : at.stop], at.shape) for layer, at in blocks.items()}
            for blocks in (self.weight_blocks, self.bias_blocks)
        )
        return ByLayer("W", weights), ByLayer("b", biases, "A layer made with bias=False has none.")

    def join(self, weights: Mapping[int, Array], biases: Mapping[int, Array]) -> Array:
        """Lay arrays by layer end to end in θ's order (E10): the inverse of `split`."""
        xp = array_namespace(weights[1])
        blocks = []
        for layer in self.layers:
            blocks.append(xp.reshape(weights[layer], (-1,)))
            if layer in biases:
                blocks.append(biases[layer])
        return xp.concat(blocks)

    @cached_property
    def is_weight(self) -> Array:
        """A vector like θ, 1 at the weights and 0 at the biases, that penalties and decay use. Numpy, of `dtype`."""
        mask = np.zeros(self.n_parameters, dtype=self.dtype)
        for at in self.weight_blocks.values():
            mask[at.start : at.stop] = 1
        return mask


def make_plan(
    sizes: Sequence[int],
    activations: str | AnyActivation | Sequence[str | AnyActivation],
    cost_spec: str | Cost,
    bias: bool | Sequence[bool],
    reduction: str,
    dtype: Any,
) -> Plan:
    """Check the arguments of `Network` and freeze them.

    Raises InputError, PairError or DerivativeError, each in the words of `Network`'s arguments.
    """
    checked = _check_sizes(sizes)
    n_layers = len(checked) - 1
    several = isinstance(activations, Sequence) and not isinstance(activations, str)
    specs = _one_per_layer("activations", activations if several else [activations] * n_layers, n_layers)
    resolved = tuple(activation(spec) for spec in specs)
    the_cost = cost(cost_spec)
    check_pair(resolved[-1], the_cost, checked[-1])
    flags = _one_per_layer("bias", [bias] * n_layers if isinstance(bias, bool | np.bool_) else bias, n_layers)
    for flag in flags:
        if not isinstance(flag, bool | np.bool_):
            raise InputError(
                text("bias", expected="True, False, or one of them per layer", got=repr(bias), hint="Write bias=True.")
            )
    return Plan(checked, resolved, the_cost, tuple(map(bool, flags)), _check_reduction(reduction), _check_dtype(dtype))


def _check_reduction(reduction: str) -> Reduction:
    known: dict[str, Reduction] = {"mean": "mean", "sum": "sum"}
    if isinstance(reduction, str) and reduction in known:
        return known[reduction]
    hint = "The mean is the default; 001 also writes the plain sum."
    raise InputError(text("reduction", expected='"mean" or "sum"', got=repr(reduction), hint=hint))


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    hint = "For example [784, 16, 10]: 784 inputs, 16 hidden units, 10 outputs."
    try:
        if not isinstance(sizes, Sequence | np.ndarray):
            raise TypeError  # a set or a generator has no order, or is gone when it is looked at twice
        given = [operator.index(n) for n in sizes]
    except TypeError:
        raise InputError(text("sizes", expected="a list of whole numbers", got=repr(sizes), hint=hint)) from None
    if len(given) < 2:
        raise InputError(text("sizes", expected="at least 2 numbers, inputs and outputs", got=repr(sizes), hint=hint))
    for layer, n in enumerate(given):
        if n < 1 or isinstance(sizes[layer], bool):
            what = f"sizes[{layer}]"
            raise InputError(text(what, expected="at least 1 unit", got=repr(sizes[layer]), hint=hint))
    return tuple(given)


def _one_per_layer(name: str, given: Any, n_layers: int) -> list[Any]:
    if not isinstance(given, Sequence) or len(given) != n_layers:
        count = f"{len(given)}: {given!r}" if isinstance(given, Sequence) else repr(given)
        hint = "sizes has one number more than there are layers, for the input, which has none."
        raise InputError(text(name, expected=f"one for all layers, or {n_layers}, one per layer", got=count, hint=hint))
    return list(given)


def _check_dtype(dtype: Any) -> str:
    try:
        name = str(np.dtype(dtype).name)
    except (TypeError, ValueError):
        name = repr(dtype)
    if name not in ("float32", "float64"):
        hint = "float32 is faster, float64 is for derivatives that are compared digit by digit."
        raise InputError(text("dtype", expected='"float32" or "float64"', got=name, hint=hint))
    return name
