"""The command line: the composition root, the only place that sees everything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper


def main() -> None:
    """Run one verb and exit with its documented code (facebench.errors)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # an arrow must not be a traceback where the pipe is ASCII
            stream.reconfigure(errors="replace")
    sys.exit(execute())


def execute(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    from facebench.cli.app import app

    try:
        app(args=None if argv is None else list(argv), prog_name="facebench")
    except SystemExit as end:  # how typer ends, usage errors (2) included
        return end.code if isinstance(end.code, int) else 1
    return 0
