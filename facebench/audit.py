"""What choosing on the test set is worth: the score of the chosen one, less its score where it was not chosen.

Papers that keep the epoch with the best test score report the best of many noisy numbers. How much too good that is
cannot be read off the numbers, nor bootstrapped: the maximum of resamples is biased itself. So the samples are split in
halves, clusters whole: the best candidate of one half is scored on the other, over many splits. Half the samples make
the choice noisier than all of them would, so the optimism found is, if anything, too large.

The interval is that of a bootstrap over clusters, with splits of its own in each resample; copies of a cluster stay in
one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebench.errors import DataError
from facebench.metric import Columns, Metric, sample_count
from facebench.resampling import members_of
from facebench.shapes import BoolArray, FloatArray, IntArray

SPLITS = 400
"""Splits of the samples themselves."""

RESAMPLES, INNER = 200, 40
"""Resamples of the interval, and splits in each."""


@dataclass(frozen=True)
class Audit:
    """What choosing on test gives.

    Attributes:
        chosen: the candidate that is best on all samples.
        value: its score there: what would be published.
        optimism: how much too good that is, in the published unit; positive is too good.
        interval: of the optimism, 95 %.
        stable: share of the splits in which `chosen` is also the best of the half.
    """

    chosen: int
    value: float
    optimism: float
    interval: tuple[float, float]
    stable: float


def audit(
    metric: Metric, candidates: Sequence[Columns], clusters: Sequence[str], *, mask: BoolArray | None = None,
    seed: int = 0,
) -> Audit:  # fmt: skip
    """The audit of choosing among `candidates`, statistics in one order of samples, first axis N.

    Raises:
        DataError: fewer than two candidates or clusters, other samples, or a score that is not defined.
    """
    if len(candidates) < 2:
        raise DataError("choosing needs at least two candidates")
    if len({sample_count(columns) for columns in candidates} | {len(clusters)}) != 1:
        raise DataError("the candidates were not scored on the same samples; join them by id first")
    members = members_of(clusters)
    groups = int(members.max()) + 1
    if groups < 2:
        raise DataError("one cluster alone cannot be split in halves")
    inside = np.ones(len(members)) if mask is None else mask.astype(np.float64)
    whole = _values(metric, candidates, inside[None])[0]
    if not np.isfinite(whole).all():
        raise DataError(f"{metric.name} is not defined for every candidate: {metric.undefined}")
    better = 1.0 if metric.direction == "lower" else -1.0
    rng = np.random.default_rng(seed)
    once = np.ones(groups)
    gains, picks = _splits(metric, candidates, members, inside, once, better, SPLITS, rng)
    drawn = [
        _splits(metric, candidates, members, inside, times, better, INNER, rng)[0]
        for times in (rng.multinomial(groups, once / groups).astype(np.float64) for _ in range(RESAMPLES))
    ]
    means = [float(np.mean(each)) for each in drawn if len(each)]
    if not len(gains) or len(means) < RESAMPLES // 2:
        raise DataError(f"{metric.name} is not defined on most halves of the samples: {metric.undefined}")
    low, high = np.quantile(means, (0.025, 0.975))
    best = int(np.argmin(better * whole))
    return Audit(
        best, float(whole[best]), float(gains.mean()), (float(low), float(high)), float((picks == best).mean())
    )


def _splits(
    metric: Metric, candidates: Sequence[Columns], members: IntArray, inside: FloatArray, times: FloatArray,
    better: float, count: int, rng: np.random.Generator,
) -> tuple[FloatArray, IntArray]:  # fmt: skip
    """Optimism (S,) and chosen candidate (S,) of each split whose halves define every score.

    `times` (G,) is how often each cluster is there.
    """
    groups = len(times)
    half = np.zeros((count, groups))
    for row in half:
        row[rng.permutation(groups)[: groups // 2]] = 1.0
    there = inside * times[members]
    chosen_on = _values(metric, candidates, half[:, members] * there)
    scored_on = _values(metric, candidates, (1.0 - half)[:, members] * there)
    good = np.isfinite(chosen_on).all(axis=1) & np.isfinite(scored_on).all(axis=1)
    picks = np.argmin(better * chosen_on[good], axis=1)
    rows = np.arange(len(picks))
    return better * (scored_on[good][rows, picks] - chosen_on[good][rows, picks]), picks


def _values(metric: Metric, candidates: Sequence[Columns], weights: FloatArray) -> FloatArray:
    """Score of each candidate under each row of `weights` (B, N): (B, k)."""
    return np.stack([metric.values(columns, weights) for columns in candidates], axis=1)
