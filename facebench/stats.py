"""Intervals by the bootstrap, on stored per-sample statistics.

One weight matrix serves every metric of a split: row b says how often each sample was drawn in resample b. Samples that
are not independent (several faces of one picture, several pictures of one subject) are drawn together, by cluster.
Percentile interval: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3; the same as
`scipy.stats.bootstrap(method="percentile")`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facebench.metric import Columns, Metric, sample_count
from facebench.shapes import AnyArray, BoolArray, FloatArray

RESAMPLES = 2000
"""Enough for a 95 % percentile interval: its ends move by about 3 % of its width from seed to seed."""

CHUNK_ELEMENTS = 4_000_000
"""Weights held at once, 32 MB of float64: a long split is resampled in several chunks."""

LEVEL = 0.95
METHOD = f"percentile bootstrap over clusters, {RESAMPLES} resamples, {LEVEL:.0%}"


@dataclass(frozen=True)
class Interval:
    """A confidence interval, and how many resamples had no defined value."""

    low: float
    high: float
    undefined: int


def resample_weights(clusters: Sequence[str], *, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Weights of a cluster bootstrap, in chunks.

    Args:
        clusters: (N,) name of each sample's cluster.
        resamples: B, rows in all.
        seed: same seed, same rows, whatever the chunking.

    Yields:
        (b, N) float64: how often each sample was drawn.
    """
    _, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    count = int(member.max()) + 1
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK_ELEMENTS // max(len(member), count))
    for start in range(0, resamples, rows):
        b = min(rows, resamples - start)
        drawn = rng.integers(0, count, size=(b, count))
        offset = drawn + count * np.arange(b)[:, None]
        times = np.bincount(offset.ravel(), minlength=b * count).reshape(b, count)
        yield times.astype(np.float64)[:, member]


def take(columns: Columns, mask: BoolArray) -> dict[str, AnyArray]:
    """The rows of every column where `mask` (N,) holds."""
    return {name: column[mask] for name, column in columns.items()}


def intervals(
    cells: Sequence[tuple[Metric, BoolArray]],
    columns: Columns,
    clusters: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Interval | None]:
    """Percentile intervals of many metrics on many subsets, all from the same resamples.

    Args:
        cells: metric and the mask (N,) of the samples it is reduced over.
        columns: statistics of the split, first axis N.
        clusters: (N,) name of each sample's cluster.
        seed: of the resamples.
        resamples: B.

    Returns:
        One interval a cell; None where fewer than two clusters or no resample define it.
    """
    n = sample_count(columns)
    if n == 0 or len(set(clusters)) < 2:
        return [None] * len(cells)
    parts = [take(columns, mask) for _, mask in cells]
    values = [np.empty(0)] * len(cells)
    for weights in resample_weights(clusters, resamples=resamples, seed=seed):
        for i, (metric, mask) in enumerate(cells):
            drawn = metric.values(parts[i], weights[:, mask]) if mask.any() else np.empty(0)
            values[i] = np.concatenate([values[i], drawn])
    return [_percentile(v) for v in values]


def _percentile(values: FloatArray) -> Interval | None:
    defined = values[np.isfinite(values)]
    if defined.size == 0:
        return None
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(float(low), float(high), int(values.size - defined.size))
