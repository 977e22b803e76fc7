"""Which ranks the intervals cannot tell apart.

A group of ties begins with its best row, the leader, and holds every following row whose interval reaches that of the
leader. Overlapping intervals are the careful reading: a paired test on the same samples may still separate two rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from facebench.record import Score


def tie_groups(scores: Sequence[Score | None]) -> tuple[int | None, ...]:
    """Number of the tie group of each row, best first: 1, 1, 2.

    Args:
        scores: of ranked rows, best first; None for a row without a rank.

    Returns:
        One number a row; None for a row without a rank. A row without an interval is its value alone.
    """
    groups: list[int | None] = []
    leader: tuple[float, float] | None = None
    number = 0
    for score in scores:
        if score is None or score.value is None:
            groups.append(None)
            continue
        low, high = score.interval or (score.value, score.value)
        if leader is None or low > leader[1] or high < leader[0]:
            leader, number = (low, high), number + 1
        groups.append(number)
    return tuple(groups)


def sizes(groups: Sequence[int | None]) -> dict[int, int]:
    """How many rows each group has."""
    return {number: groups.count(number) for number in set(groups) if number is not None}
