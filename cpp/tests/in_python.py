"""Run Python's tests of the compiled core with the module that a build folder holds: under a sanitizer, that is.

    python cpp/tests/in_python.py build/asan [pytest's arguments]

`ctest --preset asan` and `tsan` do so, with the sanitizer's library loaded first, as an interpreter without it needs.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TESTS = [
    "tests/engine/test_native_boundary.py",
    "tests/engine/test_native_linearized.py",
    "tests/engine/test_native_threads.py",
    "tests/training/test_native_training.py",
]
TOO_LONG = "E-float or lock_is_released"  # most of the time here, for code that other tests run too
# An editable installation would be found before this copy, in the processes that tests start too.
FIRST_OF_ALL = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
"""
WHICH = "from chainrule.engine.native import _core; print(_core.__file__)"


def package(build: Path) -> Path:
    """A folder with the Python sources and the module of this build."""
    root = build / "python"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(REPOSITORY / "src", root, ignore=shutil.ignore_patterns("__pycache__"))
    (module,) = build.glob("_core.*.so")
    shutil.copy(module, root / "chainrule")
    (root / "sitecustomize.py").write_text(FIRST_OF_ALL)
    return root


def main(build: Path, arguments: list[str]) -> int:
    """Make sure that a new process imports this module, and test it."""
    root = package(build.resolve())
    # threads of NumPy's linear algebra, which no sanitizer has compiled, look like races
    environment = {**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", WHICH], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    if root not in Path(found.stdout.strip()).parents:
        raise SystemExit(f"expected the module of {root}, got {found.stdout}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *(arguments or [*TESTS, "-k", f"not ({TOO_LONG})"]),
    ]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
