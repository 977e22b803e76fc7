"""Blocks of the documentation that code prints: what stands between `<!-- KIND: NAME -->` and `<!-- end -->`.

    <!-- output: facebench list benchmarks -->    what a command prints
    <!-- output: pictures of the default run -->  how many pictures `facebench run` draws
    <!-- docstring: facebench.datasets.wflw -->   the docstring of a module or a class
    <!-- run: facebench run -->                   what a slow command prints; its numbers hang on the machine
    <!-- table: headline -->                      a study's table, from its records in benchmarks/evidence/results

`python -m tests.docs.blocks` writes them anew, `--slow` those of the last kind too; the tests compare.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.evidence import tables
from facebench.cli import execute
from facebench.synth import embedded
from tests.source_tree import ROOT

BLOCK = re.compile(r"(^<!-- (?P<kind>\w+): (?P<name>.+?) -->\n)(?P<body>.*?)(^<!-- end -->)", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def rewritten(text: str, *, slow: bool = False) -> str:
    """`text` with every block as code prints it today; blocks of slow commands stay unless they are asked for."""

    def block(match: re.Match[str]) -> str:
        if match["kind"] == "run" and not slow:
            return match[0]
        return match[1] + KINDS[match["kind"]](match["name"]) + match[5]

    return BLOCK.sub(block, text)


def shape(text: str) -> list[str]:
    """Lines of a table without its numbers, hashes and spaces, in no order: what does not hang on the machine."""
    words = [re.sub(r"\b(?=\w*\d)[0-9a-f]{6,}\b|\d+([.,]\d+)*", "0", line) for line in text.splitlines()]
    return sorted(" ".join(line.split()) for line in words)


def output(name: str) -> str:
    """What a command prints, or one of `TABLES`."""
    return fenced(TABLES[name]() if name in TABLES else printed_by(name))


def printed_by(command: str) -> str:
    """What a facebench command prints to stdout, in a folder of its own."""
    program, *arguments = command.split()
    assert program == "facebench", command
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        assert execute(arguments) == 0, command
    return printed.getvalue()


def docstring(name: str) -> str:
    """The docstring of a module, as prose; of a class, as it stands."""
    try:
        found = inspect.getdoc(importlib.import_module(name))
        assert found, name
        return f"\n{found}\n\n"
    except ModuleNotFoundError:
        module, _, thing = name.rpartition(".")
        found = inspect.getdoc(getattr(importlib.import_module(module), thing))
        assert found, name
        return fenced(found)


def study_table(name: str) -> str:
    """The table of a study of pre-training, in Markdown."""
    return "\n" + "\n".join(tables.lines(name)) + "\n\n"


def default_pictures() -> str:
    """How many pictures of each set `facebench run` draws."""
    lines = [("set", "to learn from and choose on", "to score")]
    for name in embedded.BENCHMARKS:
        size = embedded.SIZES.get(name, embedded.USUAL)
        lines.append((name, str(size.train + (size.val or 0)), str(size.test)))
    return "\n".join(f"{name:6}{learn:>29}{score:>10}" for name, learn, score in lines)


def fenced(text: str) -> str:
    """`text` as a code block."""
    return f"\n```text\n{text.strip()}\n```\n\n"


TABLES: Mapping[str, Callable[[], str]] = {"pictures of the default run": default_pictures}
KINDS: Mapping[str, Callable[[str], str]] = {
    "output": output,
    "docstring": docstring,
    "run": output,
    "table": study_table,
}

if __name__ == "__main__":
    for page in pages():
        page.write_text(rewritten(page.read_text(encoding="utf-8"), slow="--slow" in sys.argv), encoding="utf-8")
