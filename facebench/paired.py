"""What changed between two subjects that were measured on the same samples: difference, interval, p, detectable effect.

Conventions:
    - Samples are joined by id before they come here; row i of both tables is the same sample.
    - A difference is candidate less base, in the published unit; whether that is good hangs on the metric's direction.
    - One set of resamples and one set of swaps serve all cells. The interval resamples clusters, the same for both. The
      p-value swaps the labels base and candidate cluster by cluster, which holds for ratios and medians as for means.
    - Several head seeds: one table each, under one another, every seed counting as one in so many. A failure rate is
      then the mean of those of the seeds; an F1 is that of the pooled counts.

Sources: permutation p with the observed labelling counted, (1 + hits) / (1 + drawn): Phipson and Smyth, Statistical
Applications in Genetics and Molecular Biology 9 (2010), 39. Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facebench.confidence import LEVEL, Ends, Interval, mcnemar, paired_share_interval, percentile, t_quantile
from facebench.errors import DataError
from facebench.metric import Columns, Metric, sample_count
from facebench.resampling import Part, exhaustive, members_of, paired_parts, resampled, swapped
from facebench.shapes import BoolArray, FloatArray
from facebench.stats import RESAMPLES, doubts_of, independent

PERMUTATIONS = 10_000

POWER = 0.8
SIGNIFICANCE = 0.05

TIE = 1e-12
"""Swapped differences this close to the observed one, relative to the values, are the same but for rounding."""


@dataclass(frozen=True)
class Difference:
    """One score of two subjects on the same samples.

    Attributes:
        base, candidate: the two values, published unit; None where undefined.
        value: candidate less base; None where either is undefined.
        interval: of the difference; None where fewer than two clusters, or no resample, define it.
        p: two-sided, labels swapped by cluster; None where the difference is undefined.
        n: samples.
        clusters: independent units among them.
        method: how interval and p were made.
        detectable: the smallest true difference that would be found (p < 0.05, two-sided) four times in five; None
            where the resamples show no spread.
        doubts: why interval and p may be worse than they look.
    """

    base: float | None
    candidate: float | None
    value: float | None
    interval: Interval | None
    p: float | None
    n: int
    clusters: int
    method: str
    detectable: float | None
    doubts: tuple[str, ...]


def differences(
    cells: Sequence[tuple[Metric, BoolArray]],
    base: Columns | Sequence[Columns],
    candidate: Columns | Sequence[Columns],
    clusters: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    level: float = LEVEL,
) -> list[Difference]:
    """Differences of many metrics on many subsets.

    Args:
        cells: metric and the mask (N,) of the samples it is reduced over.
        base: statistics of the first subject, first axis N; or one table a head seed.
        candidate: those of the second, in the same order of samples.
        clusters: (N,) name of each sample's cluster.
        seed: of resamples and swaps.
        resamples: B.
        permutations: swaps of labels that are tried; all of them where there are no more.
        level: of the intervals, two-sided.

    Raises:
        DataError: the tables are not of the same samples and statistics.
    """
    one, other = _tables(base), _tables(candidate)
    _check_tables([*one, *other], len(clusters))
    if not cells:
        return []
    members = members_of(clusters)
    pairs = paired_parts(cells, one, other, members)
    drawn = resampled([part for pair in pairs for part in pair], resamples=resamples, seed=seed)
    moved = swapped(pairs, permutations=permutations, seed=seed)
    every = exhaustive(int(members.max()) + 1, permutations)
    return [
        _difference(pair, drawn[2 * i + 1] - drawn[2 * i], moved[i], every=every, level=level)
        for i, pair in enumerate(pairs)
    ]


def _tables(columns: Columns | Sequence[Columns]) -> Sequence[Columns]:
    return [columns] if isinstance(columns, Mapping) else columns


def _check_tables(tables: Sequence[Columns], n: int) -> None:
    if n == 0:
        raise DataError("no sample is in both tables")
    for table in tables:
        if sample_count(table) != n:
            raise DataError(f"a table of {sample_count(table)} samples beside {n}; join them by id first")
        if set(table) != set(tables[0]):
            odd = ", ".join(sorted(set(table) ^ set(tables[0])))
            raise DataError(f"the tables do not hold the same statistics: {odd}")


def _difference(
    pair: tuple[Part, Part], drawn: FloatArray, moved: FloatArray, *, every: bool, level: float
) -> Difference:
    base = pair[0]
    count = independent(base.members)
    first, second = (part.value if np.isfinite(part.value) else None for part in pair)
    value = None if first is None or second is None else second - first
    defined = drawn[np.isfinite(drawn)]
    undefined = int(drawn.size - defined.size)
    error = float(defined.std(ddof=1)) if defined.size > 1 and count > 1 else None
    events = _events(pair)
    support = min(part.support for part in pair)
    if events is not None:
        support = int(np.count_nonzero(events[0] != events[1]))
    doubts = doubts_of(base.n, support, count, undefined, drawn.size)
    interval, method = None, "undefined"
    if value is not None and defined.size and count > 1:
        ends, method = _ends(pair, events, defined, level)
        interval = Interval(ends.low, ends.high, undefined, method, error, doubts)
    p, test = (None, "") if value is None else _p(pair, events, value, moved, every=every)
    return Difference(
        base=first,
        candidate=second,
        value=value,
        interval=interval,
        p=p,
        n=base.n,
        clusters=count,
        method=f"{method}; {test}" if test else method,
        detectable=detectable(error, count) if error else None,
        doubts=doubts,
    )


def _events(pair: tuple[Part, Part]) -> tuple[FloatArray, FloatArray] | None:
    """Events of both, where both are shares that are defined on every sample; else None."""
    base, candidate = pair[0].events, pair[1].events
    return None if base is None or candidate is None else (base, candidate)


def _ends(
    pair: tuple[Part, Part], events: tuple[FloatArray, FloatArray] | None, defined: FloatArray, level: float
) -> tuple[Ends, str]:
    members = pair[0].members
    if events is None:
        ends = percentile(defined, level=level, clusters=independent(members))
        return ends, "percentile bootstrap of the difference over clusters"
    scale = getattr(pair[0].metric.reduce, "whole", 1.0)
    low, high = paired_share_interval(*events, members, level=level)
    return Ends(scale * low, scale * high), "Tango's score interval at the effective number of samples"


def _p(
    pair: tuple[Part, Part],
    events: tuple[FloatArray, FloatArray] | None,
    value: float,
    moved: FloatArray,
    *,
    every: bool,
) -> tuple[float | None, str]:
    base, candidate = pair
    if events is not None and independent(base.members) == base.n:
        apart = events[1] - events[0]
        return mcnemar(int(np.sum(apart > 0)), int(np.sum(apart < 0))), "McNemar's exact test"
    defined = moved[np.isfinite(moved)]
    if not defined.size:
        return None, ""
    slack = TIE * max(abs(base.value), abs(candidate.value))
    hits = int(np.count_nonzero(np.abs(defined) >= abs(value) - slack))
    if every:
        return hits / defined.size, f"all {defined.size} swaps of labels by cluster"
    return (1 + hits) / (1 + defined.size), f"{defined.size} swaps of labels by cluster"


def detectable(error: float, clusters: int, *, power: float = POWER, significance: float = SIGNIFICANCE) -> float:
    """The smallest true difference that a two-sided test finds with `power`; `error` is that of the difference."""
    return error * (t_quantile(1 - significance / 2, clusters) + t_quantile(power, clusters))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; what is None was not tested and stays None."""
    tested = sorted((value, i) for i, value in enumerate(p) if value is not None)
    found: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (value, i) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * value))
        found[i] = largest
    return found


def seed_noise(values: Sequence[float]) -> float:
    """Standard deviation (n - 1) of a score over head seeds. Raises `DataError` where there are fewer than two."""
    if len(values) < 2:
        raise DataError(f"the noise of seeds needs at least two of them, not {len(values)}")
    return float(np.std(np.asarray(values, dtype=np.float64), ddof=1))
