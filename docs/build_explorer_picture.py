"""Take docs/pictures/explorer.png: the page of `chainrule explore` on digits, a weight selected.

    python docs/build_explorer_picture.py

Needs node, chromium, and `npm ci` in src/chainrule/explorer/web; and pip install 'chainrule[explore]'.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
WEB = Path(__file__).parents[1] / "src" / "chainrule" / "explorer" / "web"


def main() -> None:
    """Serve the page, let a browser train and click, and keep what it saw."""
    command = [sys.executable, "-m", "chainrule", "explore", "digits", "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None, "chainrule explore has not started"
            play = ["node", "e2e/run.mjs", "picture", address[0], str(PICTURES), "{}"]
            done = subprocess.run(play, cwd=WEB, capture_output=True, text=True, check=False, timeout=120)
        finally:
            server.terminate()
    if done.returncode:
        raise SystemExit(done.stderr)
    print(f"∂C_i/∂w^1_5,27 = {json.loads(done.stdout)['value']:.6g}; wrote {PICTURES / 'explorer.png'}")


if __name__ == "__main__":
    main()
