"""Which ranks the samples leave open, and which rows are tied.

Where every ranked row of a group has its table of per-sample statistics, and all scored the same samples, ranks are
those of `facebench.ranks`: paired, all pairs at once, at 95 %. Where a table is missing, the intervals of the values
have to do: a row may share a rank with every row whose interval reaches its own. That is the careful reading, as a
paired test on the same samples may still separate two rows whose intervals overlap.

A tie group begins with its best row, the leader, and holds the rows after it that are not told apart from the leader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facebench.errors import DataError, UsageError
from facebench.ranks import Placing, placings
from facebench.record import Score
from facebench.registry import Registry
from facebench.stored import Stored, joined_on, read_stored
from leaderboard.load import Loaded
from leaderboard.rank import Group, headline, rank
from leaderboard.table import Place, Table, tables_of

MOST = 40
"""Rows that are compared by their samples; the pairs of more would take longer than anybody waits for a table."""


def placed_tables(loaded: Sequence[Loaded]) -> tuple[Table, ...]:
    """Ranked tables with the ranks that the samples leave open. Raises `DataError` where there is no record."""
    files = {id(each.result): each for each in loaded}
    groups = rank(each.result for each in loaded)
    return tables_of(groups, [places(group, files) for group in groups])


def places(group: Group, loaded: Mapping[int, Loaded]) -> tuple[Place | None, ...]:
    """The place of each row of `group`, None for one without a rank. `loaded` has the files by identity of a result."""
    ranked = [row.result for row in group.rows if row.rank is not None]
    stored = _stored([loaded[id(result)] for result in ranked if id(result) in loaded])
    found = by_samples(stored) if len(stored) == len(ranked) > 1 else None
    made = iter(found or by_intervals([headline(result) for result in ranked]))
    return tuple(None if row.rank is None else next(made) for row in group.rows)


def by_intervals(scores: Sequence[Score]) -> tuple[Place, ...]:
    """Places of ranked scores, best first, by whether their intervals overlap; one without is its value alone."""
    ends = np.array([score.interval or (score.value, score.value) for score in scores], dtype=np.float64)
    low, high = ends.reshape(-1, 2).T
    apart = (low[:, None] > high[None, :]) | (low[None, :] > high[:, None])
    better = np.triu(apart, 1)
    groups, leader = np.zeros(len(ends), dtype=int), 0
    for i in range(len(ends)):
        leader = i if better[leader, i] else leader
        groups[i] = groups[i - 1] + (leader == i)
    lows, highs = 1 + better.sum(axis=0), len(ends) - better.sum(axis=1)
    return tuple(Place(int(x), int(y), int(z)) for x, y, z in zip(lows, highs, groups, strict=True))


def by_samples(stored: Sequence[Stored]) -> tuple[Place, ...] | None:
    """Places of ranked results, best first; None where they do not share their samples or nobody knows the metric."""
    try:
        joined, cell = joined_on(stored, Registry(), headline(stored[0].result).key)
    except (DataError, UsageError):
        return None
    if joined.left_out:
        return None
    made = placings(cell.metric, joined.columns, joined.clusters, mask=cell.mask)
    return None if any(placing.rank is None for placing in made) else tuple(map(_place, made))


def _place(placing: Placing) -> Place:
    assert placing.low is not None
    assert placing.high is not None
    assert placing.group is not None
    return Place(placing.low, placing.high, placing.group)


def _stored(loaded: Sequence[Loaded]) -> list[Stored]:
    """All of them with their tables; none where one has no table, or where there are too many to compare."""
    if len(loaded) > MOST or any(each.samples is None for each in loaded):
        return []
    try:
        return [read_stored(each.file, each.result) for each in loaded]
    except DataError:  # another table lies there: the rows keep their numbers, and their intervals decide
        return []
