"""`facebench leaderboard`: records in, a ranked table out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How the table is written."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Records, or folders that hold them.")],
    format: Annotated[Format, typer.Option("--format", help="How the table is written.")] = Format.TABLE,  # noqa: A002 (the flag's name)
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Rank results that were measured under the same signature."""
    from facebench.cli.tables import print_leaderboard, render_leaderboard
    from facebench.record import read_results, write_text

    results = [result for path in runs for result in read_results(path)]
    if output is None and format is Format.TABLE:
        print_leaderboard(results)
    elif output is None:
        print(render_leaderboard(results, format.value), end="")
    else:
        write_text(output, render_leaderboard(results, format.value))
