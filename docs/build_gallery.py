"""Draw docs/pictures/gallery/*.png: run the code of docs/how-to/plot.md, save the axes of each block as its picture.

    python docs/build_gallery.py

Needs matplotlib: pip install 'chainrule[plots]'.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

PAGE = Path(__file__).parent / "how-to" / "plot.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n\n!\[.*?\]\((.*?)\)", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Each block of code is followed by the picture that its `ax` is saved as."""
    namespace: dict[str, Any] = {}
    for code, target in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        exec(compile(code, str(PAGE), "exec"), namespace)
        picture = (PAGE.parent / target).resolve()
        picture.parent.mkdir(parents=True, exist_ok=True)
        namespace["ax"].figure.savefig(picture, dpi=90, metadata={"Software": None})
        plt.close("all")
        print(f"wrote {picture}")


if __name__ == "__main__":
    main()
