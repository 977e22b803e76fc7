"""Footnotes: short marks beside a row, and the sentences they stand for below the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboard.table import Row, Table


@dataclass(frozen=True)
class Footnotes:
    """What is said beside the rows of a table, and below it.

    Attributes:
        rows: one text a row: its badges and the numbers of its remarks, `random weights [1]`.
        lines: what stands below: what is true of all rows, then the numbered remarks; equal remarks share a number.
    """

    rows: tuple[str, ...]
    lines: tuple[str, ...]


def footnotes(table: Table) -> Footnotes:
    """Footnotes of `table`."""
    badges, remarks = _shared(row.badges for row in table.rows), _shared(row.remarks for row in table.rows)
    numbered = list(dict.fromkeys(text for row in table.rows for text in row.remarks if text not in remarks))
    everywhere = ["all rows: " + "; ".join((*badges, *remarks))] if badges or remarks else []
    return Footnotes(
        rows=tuple(_marks(row, badges, numbered) for row in table.rows),
        lines=(*everywhere, *(f"[{number}] {text}" for number, text in enumerate(numbered, start=1))),
    )


def _shared(texts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """What every one of at least two rows says, in the order of the first."""
    rows = list(texts)
    return tuple(text for text in rows[0] if len(rows) > 1 and all(text in other for other in rows))


def _marks(row: Row, shared: Sequence[str], numbered: Sequence[str]) -> str:
    badges = ", ".join(badge for badge in row.badges if badge not in shared)
    numbers = (f"[{numbered.index(remark) + 1}]" for remark in row.remarks if remark in numbered)
    return " ".join(part for part in (badges, *numbers) if part)
