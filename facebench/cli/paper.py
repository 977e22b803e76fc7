"""`facebench paper`: the page of a published method, and where your own results would stand on it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.cli.options import Json

if TYPE_CHECKING:
    from leaderboard.paper import Line, Page


class PaperFormat(StrEnum):
    """How the page is written."""

    TABLE = "table"
    MD = "md"


def paper(
    name: Annotated[str, typer.Argument(help="A published method: paco-fr, farl, star, ...")],
    own: Annotated[
        list[Path] | None, typer.Option("--with", help="Records or runs of yours to place; may be repeated.")
    ] = None,
    format: Annotated[PaperFormat, typer.Option("--format", help="How it is written.")] = PaperFormat.TABLE,  # noqa: A002 (the flag's name)
    json: Json = False,
) -> None:
    """Print what a results site shows for a paper: task, data set, metric, result, and rank among how many."""
    from facebench.record import read_results
    from leaderboard.paper import page
    from leaderboard.rank import is_floor

    results = [r for path in own or () for r in read_results(path) if not is_floor(r)]
    found = page(name, results)
    if json:
        from dataclasses import asdict
        from json import dumps

        print(dumps(asdict(found), indent=2))
    else:
        print(_written(found, md=format is PaperFormat.MD), end="")


def _written(page: Page, *, md: bool) -> str:
    from leaderboard.safe import markdown, printable

    safe = markdown if md else printable
    title = f"{page.method}: {page.title}" + (f" (arXiv {page.arxiv})" if page.arxiv else "")
    header = ["task", "key", "result", "rank", "how it was read"]
    rows = [[safe(cell) for cell in row] for line in page.lines for row in _rows(line)]
    if md:
        lines = [f"| {' | '.join(cells)} |" for cells in [header, *rows]]
        table = [lines[0], "| :-- | :-- | --: | --: | :-- |", *lines[1:]]
        return "\n".join([f"### {safe(title)}", "", *table]) + "\n"
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]
    return "\n".join([safe(title), "", *lines, "", "ranks are among published numbers fit for it, one a method"]) + "\n"


def _rows(line: Line) -> list[list[str]]:
    from leaderboard.paper import LOST

    value = LOST if line.value is None else f"{line.value:g} {line.unit}"
    place = LOST if line.place is None else f"{line.place} of {line.count}"
    rows = [[line.task, line.key, value, place, line.marks]]
    for own in line.own:
        value = LOST if own.value is None else f"{own.value:.4g} {line.unit}"
        place = LOST if own.place is None else f"{own.place} of {line.count + 1}"
        rows.append(["", f"  yours: {own.subject}", value, place, own.reason])
    return rows
