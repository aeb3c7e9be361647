"""Every block of code in the pages runs, and prints what the page says.

Blocks of a page are run in order, in one namespace and one temporary folder. What their first line says:

    ```python           is run; where it prints, a ```text block right after it shows what, exactly
    ```console          each line `$ chainrule …` is run; what follows is what it prints
    ```python no-test   is not run, because it needs torch, JAX, or data that not everybody has; the page says how
    ```console no-test  likewise

```json and ```sh are neither run nor compared.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.models import ArgumentInfo

import chainrule as cr
from chainrule.cli import check, evaluate, explain, explore, info, main, predict, train

DOCS = Path(__file__).parents[2] / "docs"
README = "../README.md"
PAGES = (
    README,
    "tutorial/first-network.md",
    "how-to/train-from-the-command-line.md",
    "how-to/own-activation-and-cost.md",
    "how-to/check-gradients.md",
    "how-to/stop-early-and-restore.md",
    "how-to/choose-a-solver.md",
    "how-to/regularize.md",
    "how-to/train-on-derivatives.md",
    "how-to/follow-a-training.md",
    "how-to/checkpoint-and-resume.md",
    "how-to/train-on-data-larger-than-memory.md",
    "how-to/see-every-derivative.md",
    "how-to/look-at-a-fit.md",
    "how-to/explore.md",
    "how-to/find-what-went-wrong.md",
    "how-to/plot.md",
    "how-to/move-from-scikit-learn.md",
    "how-to/choose-backend-and-threads.md",
    "explanation/derivations/README.md",
    "explanation/derivations/000.md",
    "explanation/derivations/001.md",
    "explanation/derivations/002.md",
    "explanation/derivations/003.md",
    "explanation/derivations/004.md",
    "explanation/numerics.md",
    "explanation/conventions.md",
    "explanation/performance.md",
    "reference/command-line.md",
    "reference/errors.md",
    "reference/estimators.md",
    "reference/model-file.md",
    "reference/python.md",
)
MEASURED = {"explanation/solvers.md", "how-to/fashion-mnist.md"}
"""Pages of figures that commands in benchmarks/ print, in minutes."""
VERBS = (
    train.train,
    evaluate.evaluate,
    predict.predict,
    info.info,
    check.check,
    explain.explain,
    explore.explore,
)
UNTESTED_AT_MOST = 6  # blocks of all pages together; raise it only for what can't run here


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its fence, its lines, and where it begins."""

    info: str
    content: str
    line: int
    follows_directly: bool  # nothing but blank lines between it and the block before


def blocks(page: str) -> list[Block]:
    path = DOCS / page
    assert path.is_file(), f"{path} is missing: run the tests from a checkout of the whole repository"
    found: list[Block] = []
    fence, inside, between = None, [], []
    start = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if fence is None and line.startswith("```"):
            fence, inside, start = line[3:].strip(), [], number
        elif fence is not None and line == "```":
            found.append(Block(fence, "\n".join(inside), start, bool(found) and not "".join(between).strip()))
            fence, between = None, []
        else:
            (between if fence is None else inside).append(line)
    assert fence is None, f"{page}:{start}: the block has no end"
    return found


def run_python(block: Block, page: str, namespace: dict[str, Any]) -> str:
    code = compile("\n" * block.line + block.content, str(DOCS / page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        exec(code, namespace)
    return printed.getvalue().strip()


def sessions(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in block.content.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in found]


def run_command(command: str, page: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints, on standard output and standard error together.

    Those of the tutorial start a process, as its reader does. The others go through the same entry point within this
    process: twenty more processes would spend half a minute on importing scikit-learn.
    """
    program, *arguments = shlex.split(command)
    assert program == "chainrule", f"{command}: only chainrule is run; mark other commands no-test"
    printed, code = (in_a_process if page.startswith("tutorial/") else in_this_process)(arguments, monkeypatch)
    is_error = any(line.startswith("chainrule: ") for line in printed.splitlines())
    assert code == (2 if is_error else 0), f"{command} ended with exit code {code} and printed:\n{printed}"
    return printed


def in_a_process(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    monkeypatch.setenv("PYTHONUTF8", "1")
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.stdout, done.returncode


def in_this_process(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    monkeypatch.setattr(sys, "argv", ["chainrule", *arguments])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        else:
            code = 0
    return printed.getvalue(), code


CONFUSIONS = re.compile(r"^confusion matrix, .*\n(?:  .*\n?)+", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+)?(?![\w.])")


def assert_same_session(shown: str, printed: str, where: str) -> None:
    """Texts and whole numbers exactly; decimals to 5 % or 0.02, which trained float32 networks need; confusions to 5 rows.

    Another linear algebra library rounds float32 sums in another way, and thirty epochs carry that into the figures:
    one test row of 360 more or less is 0.003. Seconds are not compared at all.
    """
    matrices = [CONFUSIONS.findall(text) for text in (shown, printed)]
    counts, got_counts = ([int(n) for n in re.findall(r"(?<= )\d+\b", "".join(found))] for found in matrices)
    assert got_counts == pytest.approx(counts, abs=5), f"{where} prints:\n{printed}"
    shown, printed = (
        CONFUSIONS.sub(lambda matrix: re.sub(r" +\d+\b", " #", matrix[0]), text) for text in (shown, printed)
    )
    without_seconds = [re.sub(r"\d+\.\d+ s\b", "… s", text).strip() for text in (shown, printed)]
    words = [NUMBER.sub("#", text) for text in without_seconds]
    assert words[1] == words[0], f"{where} prints:\n{printed}"
    expected, got = ([float(n) for n in NUMBER.findall(text)] for text in without_seconds)
    assert got == pytest.approx(expected, rel=0.05, abs=0.02), f"{where} prints:\n{printed}"


@pytest.mark.parametrize("page", PAGES)
def test_the_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    n_run = 0
    unshown: str | None = None  # what the block before printed, until a text block shows it
    where = page
    for block in blocks(page):
        if block.info == "text":
            assert unshown is not None, f"{page}:{block.line}: a text block has to follow the code that prints it"
            assert block.follows_directly, f"{page}:{block.line}: a text block has to follow the code that prints it"
            assert unshown == block.content.strip(), f"{where} prints:\n{unshown}"
            unshown = None
            continue
        assert not unshown, f"{where} prints what no text block shows:\n{unshown}"
        unshown = None
        where = f"{page}:{block.line}"
        if block.info == "python":
            unshown = run_python(block, page, namespace)
            n_run += 1
        elif block.info == "console":
            for command, shown in sessions(block):
                assert_same_session(shown, run_command(command, page, monkeypatch), f"{where}: {command}")
                n_run += 1
        else:
            assert block.info in ("python no-test", "console no-test", "json", "sh"), (
                f"{where}: unknown block {block.info!r}"
            )
    assert not unshown, f"{where} prints what no text block shows:\n{unshown}"
    assert n_run > 0, f"{page} has no block that is run"


def test_every_page_with_examples_is_in_the_list():
    generated = {"reference/equations.md", "reference/activations.md", "reference/costs.md"}
    folders = ("tutorial", "how-to", "explanation", "reference")
    found = {path.relative_to(DOCS).as_posix() for folder in folders for path in (DOCS / folder).rglob("*.md")}
    assert found == generated | MEASURED | set(PAGES) - {README}


def test_few_blocks_are_not_run():
    untested = [f"{page}:{b.line}" for page in PAGES for b in blocks(page) if b.info.endswith("no-test")]
    assert len(untested) <= UNTESTED_AT_MOST, untested


def anchors(path: Path) -> set[str]:
    """The anchors that the headings of a page get, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    for path in [DOCS / README, *DOCS.glob("*.md"), *DOCS.glob("*/**/*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")):
                place = path.parent / target if target else path
                assert place.exists(), f"{path} links to {target}, which is not there"
                assert not anchor or anchor in anchors(place), f"{path}: no heading for #{anchor}"


def test_every_public_name_is_in_the_list_of_names():
    page = (DOCS / "reference/python.md").read_text(encoding="utf-8")
    assert [name for name in cr.__all__ if f"`cr.{name}`" not in page] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_in_the_list_of_options_with_its_default(verb):
    page = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {verb.__name__}\n")[1].split("\n## ")[0]
    for name, parameter in inspect.signature(verb, eval_str=True).parameters.items():
        if any(isinstance(note, ArgumentInfo) for note in parameter.annotation.__metadata__):
            continue
        option = "--json" if name == "as_json" else f"--{name.replace('_', '-')}"
        row = next((line for line in section.splitlines() if line.startswith(f"| `{option}`")), None)
        assert row is not None, f"{option} of {verb.__name__} is missing"
        if parameter.default not in (None, False, True):
            assert row.split("|")[2].strip() == f"`{parameter.default}`", row
