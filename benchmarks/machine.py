"""What the figures depend on besides the code."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SETTINGS = ("OPENBLAS_", "OMP_", "MKL_", "XLA_", "CHAINRULE")


def machine() -> dict[str, Any]:
    """Processor, date, versions, kernels, and the variables of the environment that matter."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "cores": cores(),
        "python": platform.python_version(),
        "blas": blas(),
        "environment": {k: v for k, v in os.environ.items() if k.startswith(_SETTINGS)},
    }


def header(distributions: Sequence[str]) -> str:
    """The same in words, with the versions of those distributions that are installed."""
    here = machine()
    names = [f"{name} {version}" for name in distributions if (version := _version(name))]
    lines = [
        f"{here['cpu']}, {here['cores']} cores, {here['date']}; Python {here['python']}, {', '.join(names)}.",
        f"chainrule's backend: {_backend()}. BLAS of NumPy and scikit-learn: {here['blas']}.",
    ]
    if here["environment"]:
        lines.append(f"Set: {' '.join(f'{k}={v}' for k, v in here['environment'].items())}.")
    return "\n".join(lines)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def blas() -> str:
    """NumPy's BLAS and its kernels."""
    import numpy  # noqa: F401 - loads the BLAS that is asked about
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    for pool in sorted(pools, key=lambda pool: "numpy" not in pool["filepath"]):  # SciPy brings one too
        return f"{pool['prefix']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels"
    return "unknown"


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _backend() -> str:
    import chainrule as cr

    return cr.Network([1, 1]).backend


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
