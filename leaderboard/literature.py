"""Published results as ranked tables, for every format: beside measured ones, never among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facebench.record import Score
from leaderboard.published import PublishedRow, placed
from leaderboard.table import Row, Table, column_of

SIGNATURE = "tier:published"
"""Of a table of published results: the sources rarely say how they cropped, chose and measured."""

SELECTION = {"last": "last epoch", "val": "epoch of val", "test": "epoch of test", "unknown": "epoch unknown"}
"""Who chose the epoch, in words."""


def published_tables(rows: Iterable[PublishedRow], tables: Sequence[Table]) -> tuple[Table, ...]:
    """A table of the published results under each ranking key of `tables`, where there are any."""
    known = tuple(rows)
    where = dict.fromkeys((table.dataset, table.split, table.columns[0].key) for table in tables)
    found = (_table(known, *place) for place in where)
    return tuple(table for table in found if table is not None)


def score_of(row: PublishedRow) -> Score:
    """The number under the key of our own score that it may stand beside; it has no samples and no interval."""
    return Score(key=row.compatible, value=row.value, unit=row.unit, direction=row.direction, n=0, headline=True)


def badges_of(row: PublishedRow) -> tuple[str, ...]:
    """What must be seen beside the number, a word or two each."""
    return tuple(
        name
        for name, holds in (
            ("unfit", bool(row.unfit)),
            ("sel:test", row.selection == "test"),
            ("extra data", row.extra not in ("", "pretraining only")),
            ("second hand", row.read == "second-hand"),
            ("aggregator", row.read == "aggregator"),
        )
        if holds
    )


def _table(rows: Sequence[PublishedRow], dataset: str, split: str, key: str) -> Table | None:
    ranked = placed([row for row in rows if row.compatible == key or row.key == key], key)
    if not ranked:
        return None
    made = tuple(_row(rank, row) for rank, row in ranked)
    return Table(dataset, split, "published", SIGNATURE, (column_of(score_of(ranked[0][1])),), made)


def _row(rank: int, row: PublishedRow) -> Row:
    score = score_of(row)
    return Row(
        rank=rank,
        subject=row.method,
        weights=f"{row.tier} {row.year}".rstrip(),
        scores={score.key: score},
        scored=0,
        expected=0,
        protocol=SELECTION[row.selection],
        badges=badges_of(row),
        remarks=(),
    )
