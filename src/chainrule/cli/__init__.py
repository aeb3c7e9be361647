"""The command line: `chainrule train | evaluate | predict | info | check | explain | explore`, one file per verb."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from chainrule.cli.output import write_error
from chainrule.errors import ChainruleError


def main() -> None:
    """Run the command line; what a user can get wrong ends with its message and exit code 2, without a traceback."""
    _prepare_streams()
    try:
        from chainrule.cli.app import app

        app(prog_name="chainrule")
    except (ChainruleError, OSError) as error:
        write_error(f"chainrule: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        write_error("chainrule: interrupted")
        sys.exit(130)  # what shells give a command that Ctrl-C ended


def _prepare_streams() -> None:
    """Make up for standard streams that are closed, or that can't write every character."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (it lasts as long as the process)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
