from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from facebench.confidence import (
    bca,
    clopper_pearson,
    effective_number,
    mcnemar,
    paired_share_interval,
    percentile,
    share_interval,
    tango,
    widened_tail,
    wilson,
)


def singles(n: int) -> np.ndarray:
    return np.arange(n)


@pytest.mark.parametrize(("events", "n"), [(0, 20), (1, 600), (7, 50), (30, 300), (299, 300), (12, 12)])
@pytest.mark.parametrize(("ours", "theirs"), [(wilson, "wilson"), (clopper_pearson, "exact")])
def test_shares_agree_with_scipy(events, n, ours, theirs):
    wanted = scipy_stats.binomtest(events, n).proportion_ci(0.95, method=theirs)
    assert ours(events, n) == pytest.approx((wanted.low, wanted.high), abs=1e-10)


def test_few_events_get_the_exact_interval_and_many_the_score():
    few, many = np.arange(600) < 29, np.arange(600) < 30
    assert share_interval(few.astype(float), singles(600)) == clopper_pearson(29, 600)
    assert share_interval(many.astype(float), singles(600)) == wilson(30, 600)


def test_the_bca_interval_agrees_with_scipy():
    x = np.random.default_rng(0).lognormal(size=80)
    theirs = scipy_stats.bootstrap((x,), np.mean, method="BCa", n_resamples=3000, rng=np.random.default_rng(1))
    left_out = (x.sum() - x) / 79
    wanted = theirs.confidence_interval
    assert bca(theirs.bootstrap_distribution, float(x.mean()), left_out) == pytest.approx(wanted, rel=1e-9)


def test_the_tails_of_few_clusters_by_hand():
    # 5 clusters: t of 4 degrees of freedom is 2.77645; times sqrt(5/4) it is 3.10416; the normal tail there 0.000954.
    assert widened_tail(0.95, 5) == pytest.approx(0.000954, abs=2e-6)
    assert widened_tail(0.95, 100_000) == pytest.approx(0.025, abs=2e-6)
    values = np.random.default_rng(0).normal(size=50_000)
    assert percentile(values, clusters=5).low < percentile(values, clusters=30).low < percentile(values).low


def likelihood_score(delta: float, gained: int, lost: int, n: int) -> float:
    """Tango's score, the nuisance found by maximising the likelihood of (gained, lost, rest) numerically."""

    def cost(p21: float) -> float:
        cells = np.array([p21 + delta, p21, 1 - 2 * p21 - delta])
        return -float(np.sum(np.array([gained, lost, n - gained - lost]) * np.log(np.maximum(cells, 1e-300))))

    low, high = max(0.0, -delta), (1 - delta) / 2
    p21 = optimize.minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - n * delta) / np.sqrt(n * (2 * p21 + delta - delta**2))


@pytest.mark.parametrize(("gained", "lost", "n"), [(3, 9, 40), (1, 0, 25), (20, 12, 600), (5, 5, 50)])
def test_the_ends_of_tango_are_where_the_likelihood_says(gained, lost, n):
    low, high = tango(gained, lost, n)
    assert likelihood_score(low, gained, lost, n) == pytest.approx(1.959964, abs=1e-3)
    assert likelihood_score(high, gained, lost, n) == pytest.approx(-1.959964, abs=1e-3)


def test_tango_where_nothing_moved_is_no_point():
    low, high = tango(0, 0, 300)
    # With nothing moved the score at d > 0 is sqrt(n d / (1 - d)): it is z at d = z^2 / (n + z^2).
    assert high == pytest.approx(1.959964**2 / (300 + 1.959964**2), abs=1e-8)
    assert low == pytest.approx(-high)
    assert tango(40, 0, 40).high == 1.0


def test_mcnemar_by_hand():
    # 1 of 8: 2 * (1 + 8) / 256.
    assert mcnemar(1, 7) == pytest.approx(18 / 256)
    assert mcnemar(0, 0) == 1.0


def test_samples_of_a_cluster_that_are_alike_count_once():
    events = np.repeat((np.random.default_rng(0).random(400) < 0.2).astype(float), 5)
    members = np.repeat(np.arange(400), 5)
    assert effective_number(events, members) == pytest.approx(400, rel=0.01)
    assert share_interval(events, members) == pytest.approx(share_interval(events[::5], singles(400)), abs=2e-3)


def test_samples_of_a_cluster_that_are_not_alike_count_each():
    events = (np.random.default_rng(0).random(3000) < 0.2).astype(float)
    assert effective_number(events, np.repeat(np.arange(1000), 3)) == pytest.approx(3000, rel=0.1)
    assert effective_number(events, singles(3000)) == 3000


def test_where_nothing_happened_clusters_are_counted():
    assert effective_number(np.zeros(60), np.repeat(np.arange(20), 3)) == 20
    assert share_interval(np.zeros(60), np.repeat(np.arange(20), 3)) == clopper_pearson(0, 20)


def test_paired_shares_of_clusters_are_wider():
    rng = np.random.default_rng(3)
    base, candidate = (np.repeat((rng.random(200) < p).astype(float), 4) for p in (0.3, 0.2))
    alone = paired_share_interval(base, candidate, singles(800))
    together = paired_share_interval(base, candidate, np.repeat(np.arange(200), 4))
    assert together.high - together.low == pytest.approx(2 * (alone.high - alone.low), rel=0.05)
