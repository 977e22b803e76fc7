from __future__ import annotations

import numpy as np
import pytest

from facebench.errors import DataError
from facebench.metric import Metric
from facebench.pooled import mean_of
from facebench.ranks import Board, Placing, doubts, placings, placings_over

ERROR = Metric("error", "mm", "lower", mean_of(lambda columns: columns["x"]))
HITS = Metric("hits", "%", "higher", mean_of(lambda columns: columns["x"]))


def names(n: int) -> list[str]:
    return [f"{i:04d}" for i in range(n)]


def subjects(means: list[float], n: int = 400, noise: float = 0.3, seed: int = 0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, n)
    return [{"x": hard + mean + noise * _standard(rng.normal(0, 1, n))} for mean in means]


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


def test_far_apart_everyone_has_one_place():
    found = placings(ERROR, subjects([3.0, 1.0, 2.0]), names(400))
    assert [(p.rank, p.low, p.high, p.group) for p in found] == [(3, 3, 3, 3), (1, 1, 1, 1), (2, 2, 2, 2)]


def test_the_better_direction_is_the_metrics_own():
    assert [p.rank for p in placings(HITS, subjects([3.0, 1.0, 2.0]), names(400))] == [1, 3, 2]


def test_near_ties_share_a_group_and_leave_ranks_open():
    # One difference has the standard error 0.3 * sqrt(2 / 400) = 0.021: 0.005 is far below, 1 far above.
    found = placings(ERROR, subjects([1.0, 1.005, 2.0]), names(400))
    assert [(p.rank, p.low, p.high, p.group) for p in found] == [(1, 1, 2, 1), (2, 1, 2, 1), (3, 3, 3, 2)]


def test_shared_hardness_cancels():
    # Each value alone has the standard error 1 / sqrt(400) = 0.05; the difference of 0.1 is five of its own.
    found = placings(ERROR, subjects([1.0, 1.1], noise=0.3), names(400))
    assert [p.group for p in found] == [1, 2]


def test_the_same_subject_twice_is_a_tie():
    (one,) = subjects([1.0])
    found = placings(ERROR, [one, dict(one)], names(400))
    assert [(p.rank, p.low, p.high, p.group) for p in found] == [(1, 1, 2, 1)] * 2


def test_order_of_the_subjects_does_not_matter():
    tables = subjects([1.0, 1.02, 1.04, 1.3], seed=3)
    there = placings(ERROR, tables, names(400))
    assert placings(ERROR, tables[::-1], names(400))[::-1] == there


def test_two_subjects_are_separable_where_their_interval_says_so():
    from facebench.paired import differences

    verdicts = set()
    for seed in range(40):
        one, other = subjects([1.0, 1.04], seed=seed, n=320)
        other = {"x": other["x"] + np.random.default_rng(seed).normal(0, 0.4, 320)}
        (apart,) = differences([(ERROR, np.ones(320, dtype=bool))], one, other, names(320), permutations=1)
        z = abs(apart.value) / apart.interval.error
        groups = [p.group for p in placings(ERROR, [one, other], names(320))]
        if abs(z - 1.96) > 0.1:
            assert (max(groups) == 2) == (z > 1.96)
            verdicts.add(max(groups))
    assert verdicts == {1, 2}


def test_an_undefined_subject_is_not_placed():
    one, other = subjects([1.0, 2.0])
    found = placings(ERROR, [one, {"x": np.full(400, np.nan)}, other], names(400))
    assert found[1] == Placing(None, None, None, None, None)
    assert [(p.rank, p.high) for p in (found[0], found[2])] == [(1, 1), (2, 2)]


def test_all_ranks_are_held_at_once():
    rng = np.random.default_rng(1)
    true = np.array([1.0, 1.0, 1.02, 1.05, 1.05])
    lowest, highest = (true[None] < true[:, None]).sum(axis=1) + 1, (true[None] <= true[:, None]).sum(axis=1)
    held = 0
    for _ in range(300):
        tables = [{"x": rng.normal(mean, 0.3, 300)} for mean in true]
        found = placings(ERROR, tables, names(300), resamples=400)
        # Where subjects are equal, any of their shared ranks is right: the interval must hold all of them.
        held += all(p.low <= lo and p.high >= hi for p, lo, hi in zip(found, lowest, highest, strict=True))
    assert held / 300 > 0.93


def test_mean_ranks_over_boards_by_hand():
    first = Board(ERROR, subjects([1.0, 2.0, 3.0]), names(400))
    second = Board(HITS, subjects([5.0, 9.0, 1.0], seed=1), [f"b{i}" for i in range(400)])
    found = placings_over([first, second])
    # Ranks 1 2 3 and 2 1 3.
    assert [p.value for p in found] == [1.5, 1.5, 3.0]
    assert [p.rank for p in found] == [1, 1, 3]
    assert [p.group for p in found] == [1, 1, 2]


def test_boards_on_the_same_samples_share_their_resamples():
    tables = subjects([1.0, 1.03, 1.5])
    once = placings_over([Board(ERROR, tables, names(400))])
    twice = placings_over([Board(ERROR, tables, names(400))] * 2)
    assert once == twice


def test_a_subset_and_few_samples():
    mask = np.arange(400) < 20
    tables = subjects([1.0, 2.0])
    poisoned = [{"x": np.where(mask, table["x"], 1e9)} for table in tables]
    assert placings(ERROR, poisoned, names(400), mask=mask) == placings(ERROR, tables, names(400), mask=mask)
    assert doubts(Board(ERROR, tables, names(400), mask)) == ("fewer than 300 samples",)


def test_boards_that_do_not_fit_are_refused():
    tables = subjects([1.0, 2.0])
    with pytest.raises(DataError, match="subject 1 has 400 samples beside 399"):
        placings(ERROR, tables, names(399))
    with pytest.raises(DataError, match="same subjects"):
        placings_over([Board(ERROR, tables, names(400)), Board(ERROR, tables[:1], names(400))])
