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
    MODEL_INDEX = "model-index"
    PWC = "pwc"
    HTML = "html"


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Records, or folders that hold them.")],
    format: Annotated[Format, typer.Option("--format", help="How it is written; html is a folder.")] = Format.TABLE,  # noqa: A002 (the flag's name)
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file (html: folder) instead of stdout.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Show published results beside your own, ranked apart.")
    ] = False,
) -> None:
    """Rank results that were measured under the same signature."""
    from facebench.cli.tables import print_tables
    from facebench.record import write_text
    from leaderboard.load import load
    from leaderboard.render import render
    from leaderboard.ties import placed_tables

    loaded = load(runs)
    if format is Format.HTML:
        _write_site(loaded, output, published=published)
        return
    tables = placed_tables(loaded)
    if published:
        from leaderboard.literature import published_tables
        from leaderboard.published import read

        tables = (*tables, *published_tables(read(), tables))
    if output is None and format is Format.TABLE:
        print_tables(tables)
    elif output is None:
        print(render(tables, format.value), end="")
    else:
        write_text(output, render(tables, format.value))


def _write_site(loaded: Sequence[Loaded], folder: Path | None, *, published: bool) -> None:
    from facebench.errors import UsageError
    from leaderboard.published import read
    from leaderboard.site.build import build

    if folder is None:
        raise UsageError("a site is a folder of pages; name it: `-o site/`")
    print(build(loaded, folder, read() if published else ()))
