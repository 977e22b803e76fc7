"""Grids of text on stdout, and the leaderboard's tables: drawn on a terminal, plain and aligned elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebench.record import Result
    from leaderboard.table import Table


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
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=box.SIMPLE_HEAD, title=Text(title, style="bold"), title_justify="left", pad_edge=False)
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
    from leaderboard.table import tables

    print_tables(tables(results))


def print_tables(tables: Sequence[Table]) -> None:
    """Print ranked tables to stdout."""
    from rich.console import Console

    from leaderboard.terminal import show

    show(tables, Console())


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


def print_efficiency(results: Iterable[Result]) -> None:
    """Print scores by the share of the labels, and the area under that curve."""
    from leaderboard.efficiency import cells, efficiencies
    from leaderboard.safe import printable
    from leaderboard.terminal import column_title

    for table in efficiencies(results):
        sys.stdout.write("\n")
        header = ("subject", *(f"{percent:g} %" for percent in table.percents), "area")
        rows = [[printable(text) for text in row] for row in cells(table)]
        where = printable(f"{table.dataset} {table.split}, {table.protocol}")
        print_grid(header, rows, title=f"{where}: {column_title(table.column)} by share of the labels")


def print_views(results: Iterable[Result]) -> None:
    """Print scores by view, and how much worse each is than the plain one."""
    from leaderboard.safe import printable
    from leaderboard.sensitivity import cells, sensitivities
    from leaderboard.terminal import column_title

    for table in sensitivities(results):
        sys.stdout.write("\n")
        header = ("subject", "plain", *table.views, "worse by %")
        rows = [[printable(text) for text in row] for row in cells(table)]
        labels = "" if table.labels == "100" else f", labels:{table.labels}"
        where = printable(f"{table.dataset} {table.split}, {table.protocol}{labels}")
        print_grid(header, rows, title=f"{where}: {column_title(table.column)} by view")
