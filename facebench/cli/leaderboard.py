"""`facebench leaderboard`: records in, a ranked table out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from leaderboard.load import Loaded


class Format(StrEnum):
    """How the table is written."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"
    HTML = "html"


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Records, or folders that hold them.")],
    format: Annotated[Format, typer.Option("--format", help="How it is written; html is a folder.")] = Format.TABLE,  # noqa: A002 (the flag's name)
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file (html: folder) instead of stdout.")
    ] = None,
) -> None:
    """Rank results that were measured under the same signature."""
    from facebench.cli.tables import print_leaderboard, render_leaderboard
    from facebench.record import write_text
    from leaderboard.load import load

    loaded = load(runs)
    if format is Format.HTML:
        _write_site(loaded, output)
        return
    results = [each.result for each in loaded]
    if output is None and format is Format.TABLE:
        print_leaderboard(results)
    elif output is None:
        print(render_leaderboard(results, format.value), end="")
    else:
        write_text(output, render_leaderboard(results, format.value))


def _write_site(loaded: Sequence[Loaded], folder: Path | None) -> None:
    from facebench.errors import UsageError
    from leaderboard.site.build import build

    if folder is None:
        raise UsageError("a site is a folder of pages; name it: `-o site/`")
    index = build(loaded, folder)
    print(index)
