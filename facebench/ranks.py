"""Places of k subjects on the same samples: rank, the ranks it could be, and who is tied with whom.

Conventions:
    - Values of all subjects are taken in the same resamples, so what they share (hard faces) cancels in differences.
    - Two subjects are *separable* where the interval of their difference leaves zero out. The intervals of all pairs
      hold together, at the level asked for: their half width is c standard errors, c the quantile of the largest
      |difference - observed| / error of any pair in a resample. So all ranks hold together too.
    - A subject's rank lies between 1 + how many are separably better and k - how many are separably worse (Mogstad,
      Romano, Shaikh and Wilhelm, "Inference for ranks", Review of Economic Studies 91, 2024, 476-518). The plain
      percentile of resampled ranks covers too little where subjects are near ties (Hall and Miller, Annals of
      Statistics 37, 2009, 3929-3959).
    - A tie group is led by its best: group 1 holds the first subject and those after it that are not separable from
      it; the next subject leads group 2. Members of a group may be separable from one another, never from their leader.
    - Over several boards a subject's score is its mean rank; boards on the same samples share their resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebench.confidence import LEVEL
from facebench.errors import DataError
from facebench.metric import Columns, Direction, Metric, sample_count
from facebench.resampling import members_of, parts_of, resampled
from facebench.shapes import BoolArray, FloatArray
from facebench.stats import RESAMPLES, doubts_of

ROUNDING = 1e-9
"""Errors below this share of the largest value are rounding: the two subjects are the same."""


@dataclass(frozen=True)
class Placing:
    """Where one subject stands.

    Attributes:
        value: what it is ranked by, published unit, or mean rank; None where undefined, and then nothing else is known.
        rank: 1 is best; equal values share the better rank.
        low, high: the best and the worst rank that the samples leave open.
        group: number of its tie group, from 1.
    """

    value: float | None
    rank: int | None
    low: int | None
    high: int | None
    group: int | None


@dataclass(frozen=True, eq=False)
class Board:
    """k subjects under one metric on one set of samples.

    Attributes:
        metric: what they are ranked by.
        tables: statistics of each subject, all in the same order of samples, first axis N.
        clusters: (N,) name of each sample's cluster.
        mask: (N,) samples that are ranked on; None for all.
    """

    metric: Metric
    tables: Sequence[Columns]
    clusters: Sequence[str]
    mask: BoolArray | None = None


def placings(
    metric: Metric,
    tables: Sequence[Columns],
    clusters: Sequence[str],
    *,
    mask: BoolArray | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> list[Placing]:
    """Placings of k subjects under one metric, in the order of `tables`. Raises `DataError` where samples differ."""
    board = Board(metric, tables, clusters, mask)
    observed, drawn = board_values(board, seed=seed, resamples=resamples)
    return _placed(observed, drawn, metric.direction, level)


def placings_over(
    boards: Sequence[Board], *, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> list[Placing]:
    """Placings of k subjects by their mean rank over several boards, in the order of every board's `tables`.

    A subject without a value on one of the boards is not placed. Raises `DataError` where the boards or samples differ.
    """
    if not boards or len({len(board.tables) for board in boards}) != 1:
        raise DataError("a mean rank needs at least one board, and the same subjects on each")
    seeds = {names: seed + i for i, names in enumerate(dict.fromkeys(tuple(board.clusters) for board in boards))}
    found = [board_values(b, seed=seeds[tuple(b.clusters)], resamples=resamples) for b in boards]
    rows = min(len(drawn) for _, drawn in found)
    better = [1.0 if board.metric.direction == "lower" else -1.0 for board in boards]
    good: BoolArray = np.all(np.isfinite(np.stack([observed for observed, _ in found])), axis=0)
    mean, means = np.full(len(good), np.nan), np.full((rows, len(good)), np.nan)
    pairs = list(zip(better, found, strict=True))
    mean[good] = np.mean([_ranks(sign * observed[None, good])[0] for sign, (observed, _) in pairs], axis=0)
    means[:, good] = np.mean([_ranks(sign * drawn[:rows, good]) for sign, (_, drawn) in pairs], axis=0)
    return _placed(mean, means, "lower", level)


def doubts(board: Board) -> tuple[str, ...]:
    """Why the placings of a board may be worse than they look, in words."""
    names = np.asarray(board.clusters, dtype=str)
    chosen = names if board.mask is None else names[board.mask]
    n, clusters = int(chosen.size), int(np.unique(chosen).size)
    return doubts_of(n, n, clusters, 0, 1)


def board_values(board: Board, *, seed: int, resamples: int) -> tuple[FloatArray, FloatArray]:
    """Value of each subject (k,), and in each resample (B, k); NaN where undefined."""
    n = len(board.clusters)
    if not board.tables or n == 0:
        raise DataError("nothing to rank: no subject, or no sample")
    for i, table in enumerate(board.tables):
        if sample_count(table) != n:
            raise DataError(f"subject {i + 1} has {sample_count(table)} samples beside {n}; join them by id first")
    mask = np.ones(n, dtype=bool) if board.mask is None else board.mask
    members = members_of(board.clusters)
    parts = [parts_of([(board.metric, mask)], [table], members)[0] for table in board.tables]
    drawn = resampled(parts, resamples=resamples, seed=seed)
    return np.array([part.value for part in parts]), np.stack(drawn, axis=1)


def _ranks(values: FloatArray) -> FloatArray:
    """Rank of each value within its row (B, k), 1 the lowest, equal ones the mean of theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=1))


def _placed(observed: FloatArray, drawn: FloatArray, direction: Direction, level: float) -> list[Placing]:
    sign = 1.0 if direction == "lower" else -1.0
    good = np.flatnonzero(np.isfinite(observed))
    values = sign * observed[good]
    better = separably_better(values, sign * drawn[:, good], level)
    ranks = 1 + (values[None, :] < values[:, None]).sum(axis=1)
    low, high = 1 + better.sum(axis=0), len(good) - better.sum(axis=1)
    groups = _groups(values, better)
    found = [Placing(None, None, None, None, None)] * len(observed)
    for place, i in enumerate(good):
        numbers = (int(x[place]) for x in (ranks, low, high, groups))
        found[i] = Placing(float(observed[i]), *numbers)
    return found


def separably_better(values: FloatArray, drawn: FloatArray, level: float) -> BoolArray:
    """Whether subject i is separably better (lower) than j, (k, k), all pairs at once at `level`."""
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    k = len(values)
    if k < 2 or len(drawn) < 2:
        return np.zeros((k, k), dtype=bool)
    centred = drawn - values
    tiny = ROUNDING * max(1.0, float(np.abs(values).max()))
    errors = np.stack([(centred - centred[:, [i]]).std(axis=0, ddof=1) for i in range(k)])
    same = errors <= tiny
    largest = np.zeros(len(drawn))
    for i in range(k - 1):
        apart = np.abs(centred[:, i + 1 :] - centred[:, [i]])
        scaled = np.where(same[i, i + 1 :], 0.0, apart / np.where(same[i, i + 1 :], 1.0, errors[i, i + 1 :]))
        np.maximum(largest, scaled.max(axis=1), out=largest)
    reach = float(np.quantile(largest, level)) * errors
    return np.asarray(values[None, :] - values[:, None] > np.where(same, tiny, reach))


def _groups(values: FloatArray, better: BoolArray) -> FloatArray:
    groups, leader, number = np.zeros(len(values)), -1, 0
    for i in np.argsort(values, kind="stable"):
        if leader < 0 or better[leader, i]:
            leader, number = int(i), number + 1
        groups[i] = number
    return groups
