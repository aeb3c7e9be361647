"""Times of chainrule alone, by commit, for asv.

From the repository root, this machine's installation, each benchmark once:

    asv run --config benchmarks/asv.conf.json --quick --python=same

Environments of its own and whole histories: https://asv.readthedocs.io. Results come to lie in .asv/.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for benchmarks.workloads: asv imports this folder as top level
