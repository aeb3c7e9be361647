"""What an array is to the formulas, and the one function that the Array API standard lacks."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""Any array of the Array API standard (numpy, torch, JAX, …), which has no static type, so `Any` stands for it."""

__all__ = ["Array", "array_namespace", "erfc", "zero"]


def array_namespace(x: Array) -> Any:
    """Give the Array API namespace of x: the module whose functions take it."""
    if type(x) is np.ndarray:  # asked some ten times a training step, so the usual answer comes without a search
        return _of_numpy()
    import array_api_compat

    return array_api_compat.array_namespace(x)


@cache
def _of_numpy() -> Any:
    """Give numpy itself where it has the standard of 2024.12, from 2.3 on, else array-api-compat, slower to load."""
    if getattr(np, "__array_api_version__", "") >= "2024.12":
        return np
    import array_api_compat.numpy

    return array_api_compat.numpy


def erfc(x: Array) -> Array:
    """Complementary error function, 1 − erf(x), elementwise, exact also where erf(x) rounds to 1.

    The Array API standard has no erf, so this is the one place that asks which library an array comes from.
    A library that is not named here goes through SciPy by DLPack, without a copy where it lives in CPU memory.
    """
    from array_api_compat import is_jax_array, is_numpy_array, is_torch_array

    if is_torch_array(x):
        import torch  # only ever reached with a torch array, so torch is there

        return torch.special.erfc(x)
    if is_jax_array(x):
        from jax.scipy.special import erfc as jax_erfc

        return jax_erfc(x)
    from scipy import special  # imported late: half of what `import chainrule` would cost, and only gelu needs it

    if is_numpy_array(x):
        return special.erfc(x)
    on_cpu: Any = np.from_dlpack(x)
    return array_namespace(x).from_dlpack(special.erfc(on_cpu))


def zero(x: Array) -> Array:
    """Give 0 as a 0-d array of x's dtype and device, for functions that take no Python scalar."""
    return array_namespace(x).zeros((), dtype=x.dtype, device=getattr(x, "device", None))
