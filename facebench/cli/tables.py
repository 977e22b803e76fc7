"""Grids of text on stdout, and the leaderboard's tables: drawn on a terminal, plain and aligned elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebench.record import Result


def print_grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table whose first column is text and whose other columns are numbers."""
    if sys.stdout.isatty():
        _draw_grid(header, rows, title=title)
        return
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    if title:
        sys.stdout.write(f"{title}\n")
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _draw_grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title, style="bold"), title_justify="left", pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(Text(name), justify="right" if i else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print records of text as a left-aligned table, one line a record."""
    if not rows:
        sys.stdout.write("nothing found\n")
        return
    header = list(rows[0])
    lines = [header, *([_text(row[name]) for name in header] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        sys.stdout.write("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() + "\n")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return str(value)


def print_leaderboard(results: Iterable[Result]) -> None:
    """Print ranked tables to stdout."""
    from rich.console import Console

    from leaderboard.table import tables
    from leaderboard.terminal import show

    show(tables(results), Console())


def print_courses(results: Iterable[Result]) -> None:
    """Print checkpoints in the order of their steps, with the health of their codebooks."""
    from leaderboard.course import HEALTH, cells, courses
    from leaderboard.safe import printable
    from leaderboard.terminal import column_title

    for course in courses(results):
        sys.stdout.write("\n")
        header = ("checkpoint", "step", "epoch", column_title(course.column), "", *HEALTH)
        rows = [[printable(text) for text in row] for row in cells(course)]
        print_grid(header, rows, title=f"{printable(course.dataset)} {printable(course.split)}: the course of training")


def render_leaderboard(results: Iterable[Result], form: str) -> str:
    """Ranked tables in one of the leaderboard's formats."""
    from leaderboard.render import render
    from leaderboard.table import tables

    if form == "table":
        from leaderboard.terminal import plain

        return plain(tables(results))
    return render(tables(results), form)
