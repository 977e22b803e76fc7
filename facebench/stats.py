"""Intervals of scores, on stored per-sample statistics.

One set of resamples serves every metric of a split and every subset of it (`facebench.resampling`). A share (a failure
rate) gets an interval of its own kind, since resampling one failure in 600 covers 63 % and none at all covers nothing
(`facebench.confidence`). docs/statistics.md says which interval is made where, and how often each was found to cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from facebench.confidence import (
    FEW_CLUSTERS,
    FEW_EVENTS,
    FEW_SAMPLES,
    LEVEL,
    Ends,
    Interval,
    bca,
    percentile,
    share_interval,
)
from facebench.metric import Columns, Metric, sample_count
from facebench.resampling import SLOW_ROWS, Part, members_of, parts_of, resampled, take
from facebench.shapes import BoolArray, FloatArray, IntArray

__all__ = ["METHOD", "RESAMPLES", "Interval", "doubts_of", "intervals", "take"]

RESAMPLES = 10_000
"""The ends of a 95 % percentile interval move by about 1.5 % of its width from seed to seed."""

MANY_UNDEFINED = 0.01
"""Share of the resamples without a value that is worth a warning."""

Method: TypeAlias = Literal["percentile", "bca"]

SHARES = "Wilson's score at the effective number of samples; Clopper-Pearson below 30 events"
METHOD = (
    f"{LEVEL:.0%}; percentile bootstrap over clusters, {RESAMPLES} resamples ({SLOW_ROWS} for medians), tails "
    f"widened for few clusters; shares: {SHARES}"
)


def intervals(
    cells: Sequence[tuple[Metric, BoolArray]],
    columns: Columns,
    clusters: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    method: Method = "percentile",
) -> list[Interval | None]:
    """Intervals of many metrics on many subsets, all from the same resamples.

    Args:
        cells: metric and the mask (N,) of the samples it is reduced over.
        columns: statistics of the split, first axis N.
        clusters: (N,) name of each sample's cluster.
        seed: of the resamples.
        resamples: B.
        level: of confidence, two-sided.
        method: of what is not a share.

    Returns:
        One interval a cell; None where fewer than two clusters, or no resample, define it.
    """
    if sample_count(columns) == 0 or len(set(clusters)) < 2 or not cells:
        return [None] * len(cells)
    parts = parts_of(cells, [columns], members_of(clusters))
    found = resampled(parts, resamples=resamples, seed=seed)
    return [_interval(part, values, level, method) for part, values in zip(parts, found, strict=True)]


def _interval(part: Part, values: FloatArray, level: float, method: Method) -> Interval | None:
    defined = values[np.isfinite(values)]
    if defined.size == 0:
        return None
    undefined = int(values.size - defined.size)
    ends, how = _ends(part, defined, level, method)
    error = float(defined.std(ddof=1)) if defined.size > 1 else None
    doubts = doubts_of(part.n, part.support, independent(part.members), undefined, values.size)
    return Interval(ends.low, ends.high, undefined, how, error, doubts)


def _ends(part: Part, defined: FloatArray, level: float, method: Method) -> tuple[Ends, str]:
    events, scale = part.events, getattr(part.metric.reduce, "whole", 1.0)
    if events is not None:
        low, high = share_interval(events, part.members, level=level)
        return Ends(scale * low, scale * high), SHARES
    if method == "bca":
        left = part.left_out()
        return bca(defined, part.value, left[np.isfinite(left)], level=level), "BCa bootstrap over clusters"
    return percentile(defined, level=level, clusters=independent(part.members)), "percentile bootstrap over clusters"


def independent(members: IntArray) -> int:
    """Number of clusters with at least one sample."""
    return len(np.unique(members))


def doubts_of(n: int, support: int, clusters: int, undefined: int, resamples: int) -> tuple[str, ...]:
    """Why an interval may cover less often than it says, in words; nothing where nothing is known against it."""
    found = (
        f"fewer than {FEW_SAMPLES} samples" if n < FEW_SAMPLES else "",
        f"rests on fewer than {FEW_EVENTS} events" if support < min(FEW_EVENTS, n) else "",
        f"fewer than {FEW_CLUSTERS} clusters" if clusters < min(FEW_CLUSTERS, n) else "",
        f"{undefined} of {resamples} resamples undefined" if undefined > MANY_UNDEFINED * resamples else "",
    )
    return tuple(filter(None, found))
