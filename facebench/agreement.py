"""Whether two protocols rank the same backbones alike: Kendall's tau-b, its interval, and which pairs change places.

Conventions:
    - tau-b = (pairs in one order - pairs in opposite orders) / sqrt(pairs untied in one * pairs untied in the other)
      (Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945, 239-251): 1 is the same order, -1 the
      reverse, 0 no relation. It counts every observed order, separable or not.
    - Values of all backbones under both protocols are taken in the same resamples, so hard faces cancel.
    - The interval holds the middle 95 % of the resampled tau. A resample adds noise to near ties, so its tau is lower
      than the observed one on average; the interval is widened to hold the observed one. It says how firm this ranking
      of these backbones is on other faces, not what other backbones would do.
    - A pair *keeps* or *changes* its order where it is separable under both protocols (`facebench.ranks`), all pairs of
      both at once at 95 %; any other pair is *open*, whatever its observed order.
    - The ranking *depends on the protocol* where the interval leaves 1 out and at least one pair changes its order.
      Near ties alone can keep every resampled tau below 1, and two networks that are equally good are no contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.confidence import LEVEL
from facebench.errors import DataError
from facebench.metric import Direction
from facebench.ranks import separably_better
from facebench.shapes import BoolArray, FloatArray

LEAST = 3
"""Backbones; the tau of two is 1 or -1, and says no more than their order."""


@dataclass(frozen=True, eq=False)
class Standing:
    """k backbones under one protocol.

    Attributes:
        observed: (k,) values, published unit.
        drawn: (B, k) values in the same resamples as those of the other protocols.
    """

    observed: FloatArray
    drawn: FloatArray


@dataclass(frozen=True)
class Agreement:
    """How far two protocols agree on k backbones.

    Attributes:
        tau: tau-b; None where one protocol has all of them tied.
        interval: 95 %; None where tau is.
        kept: pairs separable under both, in the same order.
        changed: pairs (i, j) separable under both, i better than j under the first protocol and worse under the second.
        open: pairs that at least one protocol does not separate.
    """

    tau: float | None
    interval: tuple[float, float] | None
    kept: int
    changed: tuple[tuple[int, int], ...]
    open: int

    @property
    def depends(self) -> bool:
        """Whether the ranking depends on the protocol, beyond what the samples leave open."""
        return self.interval is not None and self.interval[1] < 1 and bool(self.changed)


def agreement(one: Standing, other: Standing, direction: Direction, *, level: float = LEVEL) -> Agreement:
    """Agreement of two protocols. Raises `DataError` for fewer than `LEAST` backbones, or one without a value."""
    k = len(one.observed)
    if k < LEAST or len(other.observed) != k:
        raise DataError(f"agreement needs the same {LEAST} or more backbones under both protocols, not {k}")
    if not np.isfinite([one.observed, other.observed]).all():
        raise DataError("a backbone without a value has no rank; leave it out")
    tau = float(tau_b(one.observed[None], other.observed[None])[0])
    better, also = (_better(standing, direction, level) for standing in (one, other))
    kept, changed = int((better & also).sum()), np.argwhere(better & also.T)
    return Agreement(
        tau=tau if np.isfinite(tau) else None,
        interval=_interval(tau, one.drawn, other.drawn, level),
        kept=kept,
        changed=tuple((int(i), int(j)) for i, j in changed),
        open=k * (k - 1) // 2 - kept - len(changed),
    )


def tau_b(one: FloatArray, other: FloatArray) -> FloatArray:
    """Kendall's tau-b (B,) between the rows of two (B, k); NaN where a row has all values tied or one undefined."""
    k = one.shape[1]
    sums = np.zeros((3, len(one)))
    for i in range(k - 1):
        signs = [np.sign(values[:, i + 1 :] - values[:, [i]]) for values in (one, other)]
        for row, (a, b) in enumerate(((signs[0], signs[1]), (signs[0], signs[0]), (signs[1], signs[1]))):
            sums[row] += (a * b).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[0] / np.sqrt(sums[1] * sums[2]))


def _better(standing: Standing, direction: Direction, level: float) -> BoolArray:
    """Whether i is separably better than j, (k, k); at half the error, so that both protocols hold at once."""
    sign = 1.0 if direction == "lower" else -1.0
    return separably_better(sign * standing.observed, sign * standing.drawn, 1 - (1 - level) / 2)


def _interval(tau: float, one: FloatArray, other: FloatArray, level: float) -> tuple[float, float] | None:
    taus = tau_b(one, other)
    taus = taus[np.isfinite(taus)]
    if not len(taus) or not np.isfinite(tau):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(taus, tail, method="lower"), np.quantile(taus, 1 - tail, method="higher")
    return min(float(low), tau), max(float(high), tau)
