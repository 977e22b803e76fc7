"""Confidence intervals: of resampled values, of a share, and of the difference of two paired shares.

Conventions:
    - `level` is two-sided, 0.95; an end of it is an end of a one-sided interval of 0.975.
    - `clusters` is the number of independent units; it makes the tails wider where there are few.
    - Shares are fractions here. Samples of one cluster are not independent: a share is then taken as one of fewer
      samples, its *effective* number, at which its variance is what the clusters show.

Sources:
    - Percentile and BCa: Efron and Tibshirani, An Introduction to the Bootstrap (1993), 13.3 and 14.3.
    - Tails for few units: Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69
      (2015), 371-386: the percentile interval at Phi(-sqrt(n / (n - 1)) t), t the quantile of n - 1 degrees of freedom.
    - Wilson's score and Clopper-Pearson: Brown, Cai and DasGupta, Statistical Science 16 (2001), 101-133.
    - Effective number: Korn and Graubard, "Confidence intervals for proportions with small expected number of positive
      counts estimated from survey data", Survey Methodology 24 (1998), 193-201.
    - Two paired shares: Tango, Statistics in Medicine 17 (1998), 891-908.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from facebench.shapes import FloatArray, IntArray

LEVEL = 0.95

FEW_CLUSTERS = 30
"""Below so many independent units an interval's coverage is not vouched for."""

FEW_EVENTS = 30
"""Below so many events a share gets the exact interval, and a row its warning."""

FEW_SAMPLES = 300
"""Below so many samples a row gets its warning (docs/statistics.md has the coverage that was found)."""


class Ends(NamedTuple):
    """The two ends of an interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low, high: its ends, in the published unit.
        undefined: resamples that had no defined value; they are left out.
        method: how it was made.
        error: standard error of the value, from the resamples; None where there is none.
        doubts: why it may cover less often than it says.
    """

    low: float
    high: float
    undefined: int = 0
    method: str = ""
    error: float | None = None
    doubts: tuple[str, ...] = ()


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(probability))


def t_quantile(probability: float, clusters: int) -> float:
    """Quantile of Student's t with `clusters` - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(max(clusters - 1, 1), probability))


def widened_tail(level: float, clusters: int) -> float:
    """Probability of each tail of a percentile interval of `level` from `clusters` units (Hesterberg 2015)."""
    from scipy.special import ndtr

    clusters = max(clusters, 2)
    return float(ndtr(np.sqrt(clusters / (clusters - 1)) * t_quantile((1 - level) / 2, clusters)))


def percentile(values: FloatArray, *, level: float = LEVEL, clusters: int | None = None) -> Ends:
    """Percentile interval of resampled `values` (B,), all defined; wider tails where `clusters` is given."""
    tail = (1 - level) / 2 if clusters is None else widened_tail(level, clusters)
    low, high = np.quantile(values, [tail, 1 - tail])
    return Ends(float(low), float(high))


def bca(values: FloatArray, value: float, left_out: FloatArray, *, level: float = LEVEL) -> Ends:
    """Bias-corrected and accelerated interval.

    Args:
        values: (B,) resampled, all defined.
        value: the plain one.
        left_out: (G,) the value with each cluster left out.
        level: of confidence.
    """
    from scipy.special import ndtr, ndtri

    below = (np.count_nonzero(values < value) + np.count_nonzero(values <= value)) / (2 * len(values))
    pull = left_out.mean() - left_out
    squares = float(np.sum(pull**2))
    if not 0 < below < 1 or squares == 0:
        return percentile(values, level=level)
    bias, acceleration = ndtri(below), float(np.sum(pull**3)) / (6 * squares**1.5)
    z = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(values, ndtr(bias + z / (1 - acceleration * z)))
    return Ends(float(low), float(high))


def wilson(events: float, n: float, *, level: float = LEVEL) -> Ends:
    """Wilson's score interval of a share, a fraction; `events` and `n` need not be whole."""
    z = normal_quantile((1 + level) / 2)
    share, spread = events / n, z * np.sqrt(events * (n - events) / n + z**2 / 4)
    centre = n * share + z**2 / 2
    return Ends(max(0.0, float((centre - spread) / (n + z**2))), min(1.0, float((centre + spread) / (n + z**2))))


def clopper_pearson(events: float, n: float, *, level: float = LEVEL) -> Ends:
    """Clopper and Pearson's exact interval of a share, a fraction; `events` and `n` need not be whole."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if events <= 0 else float(betaincinv(events, n - events + 1, tail))
    high = 1.0 if events >= n else float(betaincinv(events + 1, n - events, 1 - tail))
    return Ends(low, high)


def effective_number(values: FloatArray, members: IntArray, *, level: float = LEVEL) -> float:
    """How many independent samples tell as much of the mean of `values` as these do in their clusters.

    Args:
        values: (n,), of each sample.
        members: (n,) number of its cluster.
        level: of the interval that it is for; few clusters make it smaller, by the squares of Student's quantiles.

    Returns:
        At most n; where nothing varies, the number of clusters.
    """
    n, clusters = len(values), len(np.unique(members))
    if clusters == n:
        return float(n)
    mean, spread = float(values.mean()), float(values.var())
    totals = np.bincount(members, weights=values - mean)
    variance = clusters / (clusters - 1) * float(np.sum(totals**2)) / n**2 if clusters > 1 else 0.0
    if spread == 0 or variance == 0:
        return float(clusters)
    half = (1 + level) / 2
    few = (t_quantile(half, n) / t_quantile(half, clusters)) ** 2
    return float(min(n, spread / variance * few))


def share_interval(events: FloatArray, members: IntArray, *, level: float = LEVEL) -> Ends:
    """Interval of the mean of `events` (n,), 0 or 1: Clopper-Pearson where few are 1 or few are 0, else Wilson."""
    n = effective_number(events, members, level=level)
    count = float(events.mean()) * n
    rarer = min(int(events.sum()), len(events) - int(events.sum()))
    return (clopper_pearson if rarer < FEW_EVENTS else wilson)(count, n, level=level)


def tango(gained: float, lost: float, n: float, *, level: float = LEVEL) -> Ends:
    """Score interval of the difference of two paired shares, (gained - lost) / n, a fraction.

    Args:
        gained: pairs with an event in the second alone; need not be whole.
        lost: pairs with an event in the first alone.
        n: pairs.
        level: of confidence.
    """
    from scipy.optimize import brentq

    z, difference = normal_quantile((1 + level) / 2), (gained - lost) / n

    def score(delta: float) -> float:
        linear = (2 * n - gained + lost) * delta - gained - lost
        constant = -lost * delta * (1 - delta)
        alone = (np.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
        spread = n * (2 * alone + delta * (1 - delta))
        apart = gained - lost - n * delta
        return float(apart / np.sqrt(max(spread, 1e-30))) if apart else 0.0

    edge = 1e-12
    low = -1.0 if difference <= -1 + edge else brentq(lambda d: score(d) - z, -1 + edge, difference, xtol=1e-13)
    high = 1.0 if difference >= 1 - edge else brentq(lambda d: score(d) + z, difference, 1 - edge, xtol=1e-13)
    return Ends(float(low), float(high))


def paired_share_interval(base: FloatArray, candidate: FloatArray, members: IntArray, *, level: float = LEVEL) -> Ends:
    """Tango's interval of mean(candidate) - mean(base), events (n,), at the effective number of the clusters."""
    moved = candidate - base
    n = effective_number(moved, members, level=level)
    part = n / len(moved)
    return tango(np.count_nonzero(moved > 0) * part, np.count_nonzero(moved < 0) * part, n, level=level)


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p of McNemar's test: every swap of labels of the pairs that differ."""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
