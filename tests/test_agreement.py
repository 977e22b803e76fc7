"""Agreement of two protocols: against scipy, by hand, and what may not be taken for a contradiction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from facebench.agreement import Standing, agreement, tau_b
from facebench.errors import DataError
from facebench.metric import Metric
from facebench.pooled import mean_of
from facebench.ranks import Board, board_values

ERROR = Metric("error", "mm", "lower", mean_of(lambda columns: columns["x"]))


def standings(
    one: list[float], other: list[float], *, n: int = 300, noise: float = 0.3, seed: int = 0, resamples: int = 1000
) -> tuple[Standing, Standing]:
    """Backbones with these true values under two protocols, on the same n faces, some hard and some easy."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 5, n)
    tables = [{"x": hard + mean + noise * rng.normal(0, 1, n)} for mean in (*one, *other)]
    observed, drawn = board_values(Board(ERROR, tables, [f"{i:04d}" for i in range(n)]), seed=seed, resamples=resamples)
    k = len(one)
    return Standing(observed[:k], drawn[:, :k]), Standing(observed[k:], drawn[:, k:])


@pytest.mark.parametrize("levels", [2, 3, 50])
def test_tau_is_that_of_scipy(levels):
    rng = np.random.default_rng(levels)
    one, other = (rng.integers(0, levels, size=(200, 7)).astype(np.float64) for _ in range(2))
    expected = [kendalltau(a, b).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(tau_b(one, other), expected, atol=1e-12, equal_nan=True)


def test_tau_by_hand():
    # Of three pairs two are kept and one is changed: 1 / 3. With one pair tied in the second: 2 / sqrt(3 * 2).
    assert tau_b(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]]))[0] == pytest.approx(1 / 3)
    assert tau_b(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 2.0, 2.0]]))[0] == pytest.approx(2 / 6**0.5)


def test_the_same_order_far_apart():
    found = agreement(*standings([1, 2, 3, 4], [10, 30, 50, 70]), "lower")
    assert (found.tau, found.interval, found.kept, found.changed, found.open) == (1.0, (1.0, 1.0), 6, (), 0)
    assert not found.depends


def test_one_pair_changes_places():
    found = agreement(*standings([1, 2, 3, 4], [1, 3, 2, 4]), "lower")
    assert found.tau == pytest.approx(2 / 3)
    assert found.interval == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    # Of six pairs only the one in the middle: the second beats the third under the first protocol.
    assert (found.kept, found.changed, found.open) == (5, ((1, 2),), 0)
    assert found.depends


def test_the_better_direction_only_names_who_is_better():
    pair = standings([1, 2, 3, 4], [1, 3, 2, 4])
    lower, higher = (agreement(*pair, direction) for direction in ("lower", "higher"))
    assert (higher.tau, higher.interval, higher.kept) == (lower.tau, lower.interval, lower.kept)
    assert higher.changed == ((2, 1),)


def test_near_ties_are_open_and_no_warning():
    # One difference has the standard error 0.3 * sqrt(2 / 300) = 0.024.
    found = agreement(*standings([1, 1.001, 1.002, 2], [1.002, 1.001, 1, 2]), "lower")
    assert found.kept == 3
    assert found.open == 3
    assert not found.depends
    assert found.interval[0] < 0.4


def test_an_observed_agreement_is_never_outside_its_interval():
    """Twelve near ties that happen to stand in one order: no resample repeats it, so every resampled tau is lower."""
    rng = np.random.default_rng(0)
    values = 1 + 0.01 * np.arange(12)
    one, other = (Standing(values, values + rng.normal(0, 0.1, size=(500, 12))) for _ in range(2))
    assert tau_b(one.drawn, other.drawn).max() < 1
    found = agreement(one, other, "lower")
    assert (found.tau, found.interval[1]) == (1.0, 1.0)
    assert found.interval[0] < 0
    assert not found.depends


def test_the_resamples_are_shared():
    """Hard faces move every value by 0.3, a difference by 0.024: were they not shared, nobody would be separable."""
    one, other = standings([1, 1.3, 1.6], [1, 1.6, 1.3])
    assert agreement(one, other, "lower").changed == ((1, 2),)
    rng = np.random.default_rng(0)
    apart = [Standing(s.observed, np.stack([rng.permutation(c) for c in s.drawn.T], axis=1)) for s in (one, other)]
    broken = agreement(*apart, "lower")
    assert broken.changed == ()
    assert broken.interval[0] < 0


def test_all_tied_has_no_tau():
    one, _ = standings([1, 2, 3], [1, 2, 3])
    same = Standing(np.ones(3), np.ones_like(one.drawn))
    found = agreement(one, same, "lower")
    assert (found.tau, found.interval, found.kept, found.changed, found.open) == (None, None, 0, (), 3)
    assert not found.depends


def test_what_has_no_order_is_refused():
    one, other = standings([1, 2], [1, 2])
    with pytest.raises(DataError, match="3 or more backbones"):
        agreement(one, other, "lower")
    one, other = standings([1, 2, 3], [1, 2, 3])
    one.observed[1] = np.nan
    with pytest.raises(DataError, match="without a value"):
        agreement(one, other, "lower")


def test_the_interval_covers_and_false_warnings_are_rare():
    covered = warned = 0
    true = kendalltau([1, 1.02, 1.05, 1.1, 1.2], [1.05, 1, 1.02, 1.2, 1.1]).statistic
    for seed in range(200):
        pair = standings([1, 1.02, 1.05, 1.1, 1.2], [1.05, 1, 1.02, 1.2, 1.1], n=100, seed=seed, resamples=400)
        found = agreement(*pair, "lower")
        covered += found.interval[0] - 1e-9 <= true <= found.interval[1] + 1e-9
        # The same five, three of them equal, in one order: every warning is a false one.
        equal = standings([1, 1, 1, 1.1, 1.2], [1, 1, 1, 1.1, 1.2], n=100, seed=1000 + seed, resamples=400)
        warned += agreement(*equal, "lower").depends
    print(f"covered {covered / 200:.3f}, false warnings {warned / 200:.3f}")
    assert covered / 200 >= 0.93
    assert warned / 200 <= 0.03
