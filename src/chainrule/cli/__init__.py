"""The command line: `chainrule train | evaluate | predict | info`, one file per verb."""

from __future__ import annotations

import sys

from chainrule.errors import ChainruleError


def main() -> None:
    """Run the command line; what a user can get wrong ends with its message and exit code 2, without a traceback."""
    from chainrule.cli.app import app

    try:
        app(prog_name="chainrule")
    except ChainruleError as error:
        sys.stderr.write(f"chainrule: {error}\n")
        sys.exit(2)
