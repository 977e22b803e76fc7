"""Tables for a terminal, drawn by rich, and the same as plain aligned text where there is no terminal.

A terminal has a width. Where a table does not fit with one line a row, intervals go under their values, weights and
notes under their subject; nothing is cut off. What all rows share (number of samples, protocol) stands in the caption.
Plain text has one line a row, however long, so that `grep` and `sort` work on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from facebench.record import parse_signature
from leaderboard.digits import MISSING, interval_text, value_text
from leaderboard.notes import footnotes
from leaderboard.safe import printable
from leaderboard.table import Column, Row, Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

_ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class _Drawn:
    """One column as it is drawn.

    Attributes:
        cells: main text and lesser text of each row; the lesser stands beside or below the main.
    """

    title: str
    justify: Literal["left", "right"]
    cells: tuple[tuple[str, str], ...]


def show(tables: Sequence[Table], console: Console) -> None:
    """Print `tables`: drawn where `console` is a terminal, plain where it is not."""
    from rich.measure import Measurement

    if not console.is_terminal:
        console.file.write(plain(tables))
        return
    for table in tables:
        drawn = draw(table, stacked=False)
        if Measurement.get(console, console.options.update(max_width=10_000), drawn).maximum > console.width:
            drawn = draw(table, stacked=True)
        console.print(_heading(table))
        console.print(drawn)
        notes = footnotes(table).lines
        if notes:
            console.print(*map(printable, notes), sep="\n", end="\n\n", markup=False, highlight=False, style="dim")


def draw(table: Table, *, stacked: bool) -> RichTable:
    """One table as rich draws it; `stacked` puts intervals under values, weights and notes under subjects."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    columns = _columns(table, stacked=stacked)
    for column in columns:
        wraps = column.justify == "left"
        drawn.add_column(Text(column.title), justify=column.justify, no_wrap=not wraps, overflow="fold", min_width=3)
    for i, row in enumerate(table.rows):
        cells = (_rich_cell(*column.cells[i], between="\n" if stacked else " ") for column in columns)
        drawn.add_row(*cells, style="bold" if row.rank == 1 else "dim" if row.rank is None else "")
    return drawn


def plain(tables: Sequence[Table]) -> str:
    """`tables` as aligned text, one line a row; a blank line between tables."""
    return "\n".join("".join(f"{line}\n" for line in _plain_lines(table)) for table in tables)


def table_title(table: Table) -> str:
    """What the table is about: `wflw test`, and that its faces were drawn where they were."""
    drawn = " (synthetic faces)" if parse_signature(table.signature).get("world") == "synthetic" else ""
    return printable(f"{table.dataset} {table.split}{drawn}")


def difference(table: Table) -> str:
    """Why the rows of another table of the same split are not in this one."""
    fields = printable(", ".join(table.differs))
    return f"not comparable with other results on {table_title(table)}: not the same {fields}"


def column_title(column: Column) -> str:
    """Title of a score: `all nme-ioc ↓ %`."""
    return printable(f"{column.subset} {column.metric} {_ARROWS[column.direction]} {column.unit}")


def samples(row: Row) -> str:
    """Number of samples behind a row, and how many there should be where that is more; a published row says none."""
    if row.expected == 0:
        return MISSING
    return f"{row.scored:,}" if row.scored == row.expected else f"{row.scored:,} of {row.expected:,}"


def open_ranks(table: Table) -> tuple[str, ...]:
    """The ranks that each row may have, `1–3`; empty where every row has one only, or nobody asked."""
    if all(row.place is None or row.place.low == row.place.high for row in table.rows):
        return ()
    return tuple(MISSING if row.place is None else row.place.text for row in table.rows)


def _plain_lines(table: Table) -> Iterator[str]:
    yield table_title(table)
    yield _caption(table)
    if table.differs:
        yield difference(table)
    yield ""
    columns = _columns(table, stacked=False)
    texts = [[c.title.replace("\n", " "), *(" ".join(filter(None, cell)) for cell in c.cells)] for c in columns]
    widths = [max(map(len, text)) for text in texts]
    for line in zip(*texts, strict=True):
        cells = (
            cell.rjust(width) if column.justify == "right" else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        )
        yield "  ".join(cells).rstrip()
    yield from map(printable, footnotes(table).lines)


def _caption(table: Table) -> str:
    """What all rows agree on; spaces between the fields let a terminal break the line."""
    fields = [printable(part) for part in table.signature.split("|")]
    shared = {name: texts[0] for name, texts in _facts(table) if len(set(texts)) == 1}
    if shared.get("protocol") == parse_signature(table.signature).get("probe"):
        shared.pop("protocol", None)
    return "  ".join((*fields, *(f"{name}:{text}" for name, text in shared.items())))


def _facts(table: Table) -> tuple[tuple[str, list[str]], ...]:
    """Columns that are only drawn where the rows differ; where they agree, the caption says it."""
    protocols = [printable(row.protocol) for row in table.rows]
    return ("n", [samples(row) for row in table.rows]), ("protocol", protocols)


def _columns(table: Table, *, stacked: bool) -> tuple[_Drawn, ...]:
    subjects = [printable(row.subject) for row in table.rows]
    weights = [printable(row.weights) for row in table.rows]
    notes = [printable(text) for text in footnotes(table).rows]
    columns = [_column("#", [MISSING if row.rank is None else str(row.rank) for row in table.rows], "right")]
    if ranks := open_ranks(table):
        columns.append(_column("ranks", ranks, "right"))
    if stacked:
        lesser = (", ".join(filter(None, pair)) for pair in zip(weights, notes, strict=True))
        columns.append(_Drawn("subject", "left", tuple(zip(subjects, lesser, strict=True))))
    else:
        columns += [_column("subject", subjects, "left"), _column("weights", weights, "left")]
    columns += [_scores(table, column, stacked=stacked) for column in table.columns]
    for name, texts in _facts(table):
        if len(set(texts)) > 1:
            columns.append(_column(name, texts, "right" if name == "n" else "left"))
    if any(notes) and not stacked:
        columns.append(_column("notes", notes, "left"))
    return tuple(columns)


def _scores(table: Table, column: Column, *, stacked: bool) -> _Drawn:
    scores = [row.scores.get(column.key) for row in table.rows]
    intervals = [interval_text(score) for score in scores]
    # Beside the value, shorter intervals are padded so that the values stay in line; below it they need not be.
    width = 0 if stacked else max(map(len, intervals))
    title = f"{column.subset}\n{column.metric} {_ARROWS[column.direction]} {column.unit}"
    cells = [(value_text(score), text.rjust(width)) for score, text in zip(scores, intervals, strict=True)]
    return _Drawn(_printable_lines(title), "right", tuple(cells))


def _column(title: str, texts: Sequence[str], justify: Literal["left", "right"]) -> _Drawn:
    return _Drawn(title, justify, tuple((text, "") for text in texts))


def _rich_cell(main: str, lesser: str, *, between: str) -> Text:
    from rich.text import Text

    return Text(main).append(between + lesser, style="dim not bold") if lesser else Text(main)


def _heading(table: Table) -> Text:
    from rich.text import Text

    heading = Text(table_title(table), style="bold").append(f"\n{_caption(table)}", style="dim not bold")
    return heading.append(f"\n{difference(table)}", style="not bold") if table.differs else heading


def _printable_lines(text: str) -> str:
    """`printable`, line by line."""
    return "\n".join(map(printable, text.split("\n")))
